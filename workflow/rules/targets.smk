"""The target database and the targets of this run."""


rule fetch_raw:
    input:
        run=ancient("runs/{run_id}/run.json"),
    output:
        raw="runs/{run_id}/targets/raw/{raw_file}",
    log:
        "runs/{run_id}/logs/fetch_raw/{raw_file}.log",
    benchmark:
        "runs/{run_id}/benchmarks/fetch_raw/{raw_file}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
    params:
        table=given("targets.raw_files"),
        code=code_digest("fetch_raw"),
    script:
        "../../scripts/fetch_raw.py"


rule parse_source:
    input:
        raw=raw_of,
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
        mem_mb=memory(3000),
        runtime=30,
    params:
        origin=database_origin(),
        given=given("targets.path"),
        published=given("targets.published"),
        figures=given_all("targets.figures"),
        areas=given("areas.path"),
        engine=database_engine(),
        code=code_digest("build_database"),
    script:
        "../../scripts/build_database.py"


rule validate_database:
    input:
        unpack(source_tables),
        database="runs/{run_id}/targets/policy_data.db",
    output:
        checks="runs/{run_id}/targets/database_checks.csv",
    log:
        "runs/{run_id}/logs/validate_database/validate_database.log",
    benchmark:
        "runs/{run_id}/benchmarks/validate_database/validate_database.tsv"
    # Before hours of chunks, though nothing needs it.
    priority: 1
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=15,
    params:
        built=database_is_built(),
        engine=config["engine"],
        code=code_digest("validate_database"),
    script:
        "../../scripts/validate_database.py"


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
        compare=given("targets.compare"),
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
