"""Households, where their clones live, and what is frozen for all of them."""


rule build_population:
    input:
        run=ancient("runs/{run_id}/run.json"),
    output:
        households="runs/{run_id}/population/households.parquet",
        population="runs/{run_id}/population/population.h5",
    log:
        "runs/{run_id}/logs/build_population/build_population.log",
    benchmark:
        "runs/{run_id}/benchmarks/build_population/build_population.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(8000),
        runtime=60,
    params:
        population=settings("population"),
        given=given("population.path"),
        survey=given("population.survey"),
        period=config["period"],
        seed=config["seed"],
        engine=config["engine"],
        code=code_digest("build_population"),
    script:
        "../../scripts/build_population.py"


rule assign_geography:
    input:
        households="runs/{run_id}/population/households.parquet",
        database="runs/{run_id}/targets/policy_data.db",
    output:
        geography="runs/{run_id}/population/geography.h5",
    log:
        "runs/{run_id}/logs/assign_geography/assign_geography.log",
    benchmark:
        "runs/{run_id}/benchmarks/assign_geography/assign_geography.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(8000),
        runtime=60,
    params:
        geography=settings("geography"),
        given=given("geography.path"),
        places=given("geography.places"),
        district_population=given("geography.district_population"),
        period=config["period"],
        seed=config["seed"],
        code=code_digest("assign_geography"),
    script:
        "../../scripts/assign_geography.py"


rule copy_take_up:
    input:
        run=ancient("runs/{run_id}/run.json"),
    output:
        rates="runs/{run_id}/population/take_up.csv",
    log:
        "runs/{run_id}/logs/copy_take_up/copy_take_up.log",
    benchmark:
        "runs/{run_id}/benchmarks/copy_take_up/copy_take_up.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        rates=given("take_up.rates"),
        code=code_digest("copy_take_up"),
    script:
        "../../scripts/copy_take_up.py"


rule freeze_values:
    input:
        rates="runs/{run_id}/population/take_up.csv",
        population="runs/{run_id}/population/population.h5",
        geography="runs/{run_id}/population/geography.h5",
        targets="runs/{run_id}/targets/targets.parquet",
    output:
        frozen="runs/{run_id}/population/frozen.h5",
    log:
        "runs/{run_id}/logs/freeze_values/freeze_values.log",
    benchmark:
        "runs/{run_id}/benchmarks/freeze_values/freeze_values.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        take_up=settings("take_up"),
        period=config["period"],
        seed=config["seed"],
        engine=config["engine"],
        code=code_digest("freeze_values"),
    script:
        "../../scripts/freeze_values.py"


# Beside the chunks, which know nothing of later years.
rule follow_values:
    input:
        population="runs/{run_id}/population/population.h5",
        geography="runs/{run_id}/population/geography.h5",
        frozen="runs/{run_id}/population/frozen.h5",
    output:
        later="runs/{run_id}/population/later.h5",
    log:
        "runs/{run_id}/logs/follow_values/follow_values.log",
    benchmark:
        "runs/{run_id}/benchmarks/follow_values/follow_values.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        engine=config["engine"],
        code=code_digest("follow_values"),
    script:
        "../../scripts/follow_values.py"
