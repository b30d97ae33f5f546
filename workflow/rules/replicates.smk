"""Replicate weights and standard errors, for the scopes that ask for them.

Included only where a scope has `replicates` above 0. Only the report waits for them.
"""


rule fit_replicates:
    input:
        matrix="runs/{run_id}/matrix/matrix.h5",
        targets="runs/{run_id}/targets/targets.parquet",
        geography="runs/{run_id}/population/geography.h5",
        trace="runs/{run_id}/weights/{scope}/trace.h5",
        diagnostics="runs/{run_id}/weights/{scope}/diagnostics.csv",
        areas="runs/{run_id}/weights/{scope}/areas.csv",
        fit="runs/{run_id}/weights/{scope}/fit.json",
    output:
        errors="runs/{run_id}/weights/{scope}/standard_errors.csv",
        diagnostics="runs/{run_id}/weights/{scope}/diagnostics_with_errors.csv",
        areas="runs/{run_id}/weights/{scope}/areas_with_errors.csv",
        replicates="runs/{run_id}/weights/{scope}/replicates.h5",
    log:
        "runs/{run_id}/logs/fit_replicates/{scope}.log",
    benchmark:
        "runs/{run_id}/benchmarks/fit_replicates/{scope}.tsv"
    wildcard_constraints:
        scope="|".join(REPLICATED),
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(16000),
        runtime=1440,
    params:
        fit=replicate_settings,
        seed=config["seed"],
        code=code_digest("fit_replicates"),
    script:
        "../../scripts/fit_replicates.py"


rule write_area_replicates:
    input:
        population="runs/{run_id}/population/population.h5",
        geography="runs/{run_id}/population/geography.h5",
        weights=weights_of,
        replicates=replicates_of,
    output:
        replicates="runs/{run_id}/areas/{level}/{area}_replicates.h5",
    log:
        "runs/{run_id}/logs/write_area_replicates/{level}/{area}.log",
    benchmark:
        "runs/{run_id}/benchmarks/write_area_replicates/{level}/{area}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        row=area_row,
        code=code_digest("write_area_replicates"),
    script:
        "../../scripts/write_area_replicates.py"
