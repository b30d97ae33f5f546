"""What a person looks at; `snakemake --report` puts it into one page."""


rule write_report:
    input:
        fits=expand("runs/{run_id}/weights/{scope}/fit.json", scope=SCOPES, allow_missing=True),
        diagnostics=expand(
            "runs/{run_id}/weights/{scope}/diagnostics.csv", scope=SCOPES, allow_missing=True
        ),
        areas=expand("runs/{run_id}/weights/{scope}/areas.csv", scope=SCOPES, allow_missing=True),
        traces=expand("runs/{run_id}/weights/{scope}/trace.h5", scope=SCOPES, allow_missing=True),
        errors=expand(
            "runs/{run_id}/weights/{scope}/standard_errors.csv",
            scope=REPLICATED,
            allow_missing=True,
        ),
        validations=[f"runs/{{run_id}}/validation/{level}/{area}.csv" for level, area in WANTED],
        validation="runs/{run_id}/validation/summary.json",
        states="runs/{run_id}/validation/states.csv",
        matrix="runs/{run_id}/matrix/summary.json",
        run=ancient("runs/{run_id}/run.json"),
        # A release is held against them, too.
        targets="runs/{run_id}/targets/targets.parquet",
        geography="runs/{run_id}/population/geography.h5",
    output:
        errors=report(
            "runs/{run_id}/report/errors.png", caption="../report/errors.rst", category="Fit"
        ),
        sizes=report(
            "runs/{run_id}/report/sizes.png", caption="../report/sizes.rst", category="Fit"
        ),
        weights=report(
            "runs/{run_id}/report/weights.png", caption="../report/weights.rst", category="Fit"
        ),
        families=report(
            "runs/{run_id}/report/families.csv", caption="../report/families.rst", category="Fit"
        ),
        worst=report(
            "runs/{run_id}/report/worst.csv", caption="../report/worst.rst", category="Fit"
        ),
        totals=report(
            "runs/{run_id}/report/totals.csv", caption="../report/totals.rst", category="Fit"
        ),
        simulated=report(
            "runs/{run_id}/report/simulated.png",
            caption="../report/simulated.rst",
            category="Validation",
        ),
        areas=report(
            "runs/{run_id}/report/areas.csv", caption="../report/areas.rst", category="Validation"
        ),
        index=report(
            "runs/{run_id}/report/index.html", caption="../report/index.rst", category="Overview"
        ),
    log:
        "runs/{run_id}/logs/write_report/write_report.log",
    benchmark:
        "runs/{run_id}/benchmarks/write_report/write_report.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        scopes=SCOPES,
        limits=config["release"]["gates"],
        assets=report_assets(),
        code=code_digest("write_report"),
    script:
        "../../scripts/write_report.py"


rule write_preflight:
    input:
        database="runs/{run_id}/targets/policy_data.db",
        tables="runs/{run_id}/targets/tables.csv",
        targets="runs/{run_id}/targets/targets.parquet",
        population="runs/{run_id}/population/population.h5",
        geography="runs/{run_id}/population/geography.h5",
    output:
        findings="runs/{run_id}/targets/preflight.csv",
        page=report(
            "runs/{run_id}/targets/preflight.html",
            caption="../report/preflight.rst",
            category="Overview",
        ),
    log:
        "runs/{run_id}/logs/write_preflight/write_preflight.log",
    benchmark:
        "runs/{run_id}/benchmarks/write_preflight/write_preflight.tsv"
    # Before hours of chunks, though nothing needs it.
    priority: 1
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=15,
    params:
        include=settings("targets")["include"],
        exclude=settings("targets")["exclude"],
        period=config["period"],
        code=code_digest("write_preflight"),
    script:
        "../../scripts/write_preflight.py"
