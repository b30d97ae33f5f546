"""Fitting with l0-python, for the scopes that ask for it; `fit_weights` then refits.

Included only where a scope has `method: l0`.
"""


rule prepare_l0:
    input:
        matrix="runs/{run_id}/matrix/matrix.h5",
        targets="runs/{run_id}/targets/targets.parquet",
        geography="runs/{run_id}/population/geography.h5",
    output:
        problem="runs/{run_id}/weights/{scope}/l0_problem.h5",
    log:
        "runs/{run_id}/logs/prepare_l0/{scope}.log",
    benchmark:
        "runs/{run_id}/benchmarks/prepare_l0/{scope}.tsv"
    wildcard_constraints:
        scope="|".join(L0_SCOPES),
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        fit=fit_settings,
        seed=config["seed"],
        code=code_digest("prepare_l0"),
    script:
        "../../scripts/prepare_l0.py"


# A GPU for it: --set-resources fit_l0:gpu=1 fit_l0:gpu_model=T4, or the same in a profile.
rule fit_l0:
    input:
        problem="runs/{run_id}/weights/{scope}/l0_problem.h5",
    output:
        weights="runs/{run_id}/weights/{scope}/l0_weights.h5",
    log:
        "runs/{run_id}/logs/fit_l0/{scope}.log",
    benchmark:
        "runs/{run_id}/benchmarks/fit_l0/{scope}.tsv"
    wildcard_constraints:
        scope="|".join(L0_SCOPES),
    conda:
        "../../envs/l0.yaml"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=1440,
        gpu=0,
    params:
        l0=l0_settings,
        seed=config["seed"],
        code=code_digest("fit_l0"),
    script:
        "../../scripts/fit_l0.py"
