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
include: "workflow/rules/sweeps.smk"


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


# All that is made once, once per fit and once per simulation, so that what is lost shows, and comes
# back, also where nothing else needs it any more.
ONCE = [
    "population/households.parquet",
    "population/population.h5",
    "population/geography.h5",
    "population/take_up.csv",
    "population/frozen.h5",
    "population/later.h5",
    "targets/policy_data.db",
    "targets/database_checks.csv",
    "targets/tables.csv",
    "targets/targets.parquet",
    "targets/preflight.csv",
    "targets/preflight.html",
    "matrix/plan.json",
    "matrix/summary.json",
    "matrix/matrix.h5",
    "validation/districts.csv",
    "validation/states.csv",
    "validation/summary.json",
    "report/errors.png",
    "report/sizes.png",
    "report/weights.png",
    "report/families.csv",
    "report/worst.csv",
    "report/totals.csv",
    "report/simulated.png",
    "report/areas.csv",
    "report/index.html",
]
PER_FIT = ["fit.json", "diagnostics.csv", "areas.csv", "trace.h5", "weights.npy", "estimates.h5"]
PER_L0_FIT = ["l0_problem.h5", "l0_weights.h5"]
PER_REPLICATED_FIT = [
    "standard_errors.csv",
    "diagnostics_with_errors.csv",
    "areas_with_errors.csv",
    "replicates.h5",
]
TOTALS = sorted({PARENTS[area] for _, area in WANTED} | set(SAMPLED))


rule all:
    default_target: True
    input:
        f"runs/{RUN_ID}/run.json",
        expand("runs/{run_id}/{file}", run_id=RUN_ID, file=ONCE),
        expand("runs/{run_id}/matrix/chunks/chunk_{chunk}.h5", run_id=RUN_ID, chunk=CHUNKS),
        expand("runs/{run_id}/weights/{scope}/{file}", run_id=RUN_ID, scope=SCOPES, file=PER_FIT),
        expand(
            "runs/{run_id}/weights/{scope}/{file}",
            run_id=RUN_ID,
            scope=L0_SCOPES,
            file=PER_L0_FIT,
        ),
        expand(
            "runs/{run_id}/weights/{scope}/{file}",
            run_id=RUN_ID,
            scope=REPLICATED,
            file=PER_REPLICATED_FIT,
        ),
        [f"runs/{RUN_ID}/areas/{level}/{area}.h5" for level, area in WANTED],
        [
            f"runs/{RUN_ID}/areas/{level}/{area}_replicates.h5"
            for level, area in WANTED
            if AREAS[area].scope in REPLICATED
        ],
        expand("runs/{run_id}/validation/totals/{area}.h5", run_id=RUN_ID, area=TOTALS),
        [f"runs/{RUN_ID}/validation/{level}/{area}.csv" for level, area in WANTED],


# After all rules.
include: "workflow/rules/made.smk"


onstart:
    start()
