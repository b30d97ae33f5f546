"""The matrix of targets by columns: planned, built in chunks, put together."""


rule plan_chunks:
    input:
        population="runs/{run_id}/population/population.h5",
        geography="runs/{run_id}/population/geography.h5",
        targets="runs/{run_id}/targets/targets.parquet",
        frozen="runs/{run_id}/population/frozen.h5",
    output:
        plan="runs/{run_id}/matrix/plan.json",
    log:
        "runs/{run_id}/logs/plan_chunks/plan_chunks.log",
    benchmark:
        "runs/{run_id}/benchmarks/plan_chunks/plan_chunks.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=10,
    params:
        columns=configuration.column_count(config),
        chunk_columns=configuration.chunk_columns(config),
        code=code_digest("plan_chunks"),
    script:
        "../../scripts/plan_chunks.py"


rule build_chunk:
    input:
        plan="runs/{run_id}/matrix/plan.json",
        population="runs/{run_id}/population/population.h5",
        geography="runs/{run_id}/population/geography.h5",
        frozen="runs/{run_id}/population/frozen.h5",
        targets="runs/{run_id}/targets/targets.parquet",
    output:
        shard="runs/{run_id}/matrix/chunks/chunk_{chunk}.h5",
    log:
        "runs/{run_id}/logs/build_chunk/{chunk}.log",
    benchmark:
        "runs/{run_id}/benchmarks/build_chunk/{chunk}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        # At most 1.8 GB was measured, the loaded model in it: 103,200 columns, state income taxes.
        mem_mb=memory(3000),
        runtime=60,
    params:
        engine=config["engine"],
        code=code_digest("build_chunk"),
    script:
        "../../scripts/build_chunk.py"


rule assemble_matrix:
    input:
        plan="runs/{run_id}/matrix/plan.json",
        targets="runs/{run_id}/targets/targets.parquet",
        shards=expand(
            "runs/{run_id}/matrix/chunks/chunk_{chunk}.h5", chunk=CHUNKS, allow_missing=True
        ),
    output:
        summary="runs/{run_id}/matrix/summary.json",
        matrix="runs/{run_id}/matrix/matrix.h5",
    log:
        "runs/{run_id}/logs/assemble_matrix/assemble_matrix.log",
    benchmark:
        "runs/{run_id}/benchmarks/assemble_matrix/assemble_matrix.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        code=code_digest("assemble_matrix"),
    script:
        "../../scripts/assemble_matrix.py"


# Only when it is asked for: a copy of the matrix in the layout of other tools.
rule export_package:
    input:
        run=ancient("runs/{run_id}/run.json"),
        matrix="runs/{run_id}/matrix/matrix.h5",
        targets="runs/{run_id}/targets/targets.parquet",
        geography="runs/{run_id}/population/geography.h5",
        population="runs/{run_id}/population/population.h5",
        database="runs/{run_id}/targets/policy_data.db",
    output:
        metadata="runs/{run_id}/exports/calibration_package_meta.json",
        package="runs/{run_id}/exports/calibration_package.pkl",
    log:
        "runs/{run_id}/logs/export_package/export_package.log",
    benchmark:
        "runs/{run_id}/benchmarks/export_package/export_package.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(16000),
        runtime=60,
    params:
        settings={
            "seed": config["seed"],
            "chunk_columns": configuration.chunk_columns(config),
            "include": settings("targets")["include"],
            "exclude": settings("targets")["exclude"],
        },
        code=code_digest("export_package"),
    script:
        "../../scripts/export_package.py"
