"""The two fits, which do not depend on each other."""


rule fit_weights:
    input:
        unpack(l0_weights),
        unpack(prior_households),
        matrix="runs/{run_id}/matrix/matrix.h5",
        targets="runs/{run_id}/targets/targets.parquet",
        geography="runs/{run_id}/population/geography.h5",
    output:
        fit="runs/{run_id}/weights/{scope}/fit.json",
        diagnostics="runs/{run_id}/weights/{scope}/diagnostics.csv",
        areas="runs/{run_id}/weights/{scope}/areas.csv",
        trace="runs/{run_id}/weights/{scope}/trace.h5",
        weights="runs/{run_id}/weights/{scope}/weights.npy",
    log:
        "runs/{run_id}/logs/fit_weights/{scope}.log",
    benchmark:
        "runs/{run_id}/benchmarks/fit_weights/{scope}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(16000),
        runtime=240,
    params:
        fit=fit_settings,
        prior=fit_prior,
        prior_columns=fit_prior_columns,
        given=given_weights,
        seed=config["seed"],
        code=code_digest("fit_weights"),
    script:
        "../../scripts/fit_weights.py"
