"""localcal: from survey households to calibrated datasets for every area."""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/record.smk"
include: "workflow/rules/functions.smk"
include: "workflow/rules/run.smk"
include: "workflow/rules/population.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/matrix.smk"
include: "workflow/rules/weights.smk"


if L0_SCOPES:

    include: "workflow/rules/l0.smk"


include: "workflow/rules/areas.smk"
include: "workflow/rules/validation.smk"
include: "workflow/rules/report.smk"


if not STORED:

    # Seconds of work that need no model: not worth a wait in a cluster's queue.
    localrules:
        freeze_run,
        copy_take_up,
        build_database,
        summarize_validation,
        write_report,

else:

    # They read what only this machine has: given files, and credentials for downloads.
    localrules:
        freeze_run,
        build_population,
        assign_geography,
        copy_take_up,
        build_database,

    # So does a fit that begins from a given one.
    if any(config["weights"][scope]["prior"] for scope in SCOPES):

        localrules:
            fit_weights,


rule all:
    default_target: True
    input:
        expand("runs/{run_id}/run.json", run_id=RUN_ID),
        expand("runs/{run_id}/matrix/chunks/chunk_{chunk}.h5", run_id=RUN_ID, chunk=CHUNKS),
        expand("runs/{run_id}/weights/{scope}/weights.npy", run_id=RUN_ID, scope=SCOPES),
        [f"runs/{RUN_ID}/areas/{level}/{area}.h5" for level, area in WANTED],
        [f"runs/{RUN_ID}/validation/{level}/{area}.csv" for level, area in WANTED],
        expand("runs/{run_id}/validation/summary.json", run_id=RUN_ID),
        expand("runs/{run_id}/report/index.html", run_id=RUN_ID),


# After all rules.
include: "workflow/rules/made.smk"


onstart:
    start()
