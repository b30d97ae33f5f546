"""The target database and the targets of this run."""


rule parse_source:
    input:
        run=ancient("runs/{run_id}/run.json"),
    output:
        table="runs/{run_id}/targets/sources/{source}.csv",
    log:
        "runs/{run_id}/logs/parse_source/{source}.log",
    benchmark:
        "runs/{run_id}/benchmarks/parse_source/{source}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cache=given("targets.cache"),
        areas=given("areas.path"),
        code=code_digest("parse_source"),
    script:
        "../../scripts/parse_source.py"


rule build_database:
    input:
        unpack(source_tables),
        run=ancient("runs/{run_id}/run.json"),
    output:
        database="runs/{run_id}/targets/policy_data.db",
    log:
        "runs/{run_id}/logs/build_database/build_database.log",
    benchmark:
        "runs/{run_id}/benchmarks/build_database/build_database.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        origin=database_origin(),
        given=given("targets.path"),
        published=given("targets.published"),
        figures=given_all("targets.figures"),
        areas=given("areas.path"),
        code=code_digest("build_database"),
    script:
        "../../scripts/build_database.py"


rule copy_tables:
    input:
        run=ancient("runs/{run_id}/run.json"),
    output:
        tables="runs/{run_id}/targets/tables.csv",
    log:
        "runs/{run_id}/logs/copy_tables/copy_tables.log",
    benchmark:
        "runs/{run_id}/benchmarks/copy_tables/copy_tables.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        tables=given_all("targets.tables"),
        areas=given("areas.path"),
        code=code_digest("copy_tables"),
    script:
        "../../scripts/copy_tables.py"


rule resolve_targets:
    input:
        database="runs/{run_id}/targets/policy_data.db",
        tables="runs/{run_id}/targets/tables.csv",
    output:
        targets="runs/{run_id}/targets/targets.parquet",
    log:
        "runs/{run_id}/logs/resolve_targets/resolve_targets.log",
    benchmark:
        "runs/{run_id}/benchmarks/resolve_targets/resolve_targets.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=30,
    params:
        include=settings("targets")["include"],
        exclude=settings("targets")["exclude"],
        period=config["period"],
        engine=config["engine"],
        code=code_digest("resolve_targets"),
    script:
        "../../scripts/resolve_targets.py"
