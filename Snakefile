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


if REPLICATED:

    include: "workflow/rules/replicates.smk"


include: "workflow/rules/areas.smk"
include: "workflow/rules/validation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/release.smk"
include: "workflow/rules/sweep_functions.smk"
include: "workflow/rules/sweeps.smk"


# They need what only this machine has: credentials, and the user's own command.
localrules:
    stage_run,
    promote_run,
    run_hook,


if not STORED:

    # Seconds of work that need no model: not worth a wait in a cluster's queue.
    localrules:
        freeze_run,
        copy_take_up,
        copy_tables,
        fetch_raw,
        parse_source,
        summarize_validation,
        write_preflight,
        write_report,
        collect_outcome,
        collect_failures,
        report_sweep,
        collect_sweep,

    # So is a given database; one that is built lists what the model knows.
    if not database_is_built():

        localrules:
            build_database,

else:

    # They read what only this machine has: given files, the cache, and credentials for downloads.
    localrules:
        freeze_run,
        build_population,
        assign_geography,
        copy_take_up,
        copy_tables,
        fetch_raw,
        build_database,

    # So does the check of a database that is made of given figures, too.
    if config["targets"]["source"] == "agencies":

        localrules:
            validate_database,

    # So does a fit that begins from a given one, or takes given weights.
    if any(config["weights"][scope][key] for scope in SCOPES for key in ("path", "prior")):

        localrules:
            fit_weights,


rule all:
    default_target: True
    input:
        [f"runs/{RUN_ID}/{file}" for file in EXPECTED],


# After all rules.
include: "workflow/rules/made.smk"
include: "workflow/rules/measured.smk"


onstart:
    start()


onsuccess:
    end(succeeded=True)
    finish()


onerror:
    end(succeeded=False)
