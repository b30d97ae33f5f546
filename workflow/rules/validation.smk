"""What the written files come to in the model, against targets and against the fit."""


rule simulate_area:
    input:
        area=own_file,
        targets="runs/{run_id}/targets/targets.parquet",
    output:
        totals="runs/{run_id}/validation/totals/{area}.h5",
    log:
        "runs/{run_id}/logs/simulate_area/{area}.log",
    benchmark:
        "runs/{run_id}/benchmarks/simulate_area/{area}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(16000),
        runtime=240,
    params:
        row=area_row,
        engine=config["engine"],
        code=code_digest("simulate_area"),
    script:
        "../../scripts/simulate_area.py"


rule estimate_totals:
    input:
        matrix="runs/{run_id}/matrix/matrix.h5",
        weights="runs/{run_id}/weights/{scope}/weights.npy",
        targets="runs/{run_id}/targets/targets.parquet",
        geography="runs/{run_id}/population/geography.h5",
    output:
        estimates="runs/{run_id}/weights/{scope}/estimates.h5",
    log:
        "runs/{run_id}/logs/estimate_totals/{scope}.log",
    benchmark:
        "runs/{run_id}/benchmarks/estimate_totals/{scope}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=30,
    params:
        cities=cities_of,
        code=code_digest("estimate_totals"),
    script:
        "../../scripts/estimate_totals.py"


rule validate_area:
    input:
        totals=parent_totals,
        area="runs/{run_id}/areas/{level}/{area}.h5",
        parent=parent_file,
        estimates=estimates_of,
        weights=weights_of,
        targets="runs/{run_id}/targets/targets.parquet",
        population="runs/{run_id}/population/population.h5",
        geography="runs/{run_id}/population/geography.h5",
    output:
        validation="runs/{run_id}/validation/{level}/{area}.csv",
    log:
        "runs/{run_id}/logs/validate_area/{level}/{area}.log",
    benchmark:
        "runs/{run_id}/benchmarks/validate_area/{level}/{area}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=30,
    params:
        row=area_row,
        engine=config["engine"],
        code=code_digest("validate_area"),
    script:
        "../../scripts/validate_area.py"


rule summarize_validation:
    input:
        validations=[f"runs/{{run_id}}/validation/{level}/{area}.csv" for level, area in WANTED],
        sampled=[f"runs/{{run_id}}/areas/districts/{area}.h5" for area in SAMPLED],
        own=[f"runs/{{run_id}}/validation/totals/{area}.h5" for area in SAMPLED],
        parents=[f"runs/{{run_id}}/validation/totals/{PARENTS[area]}.h5" for area in SAMPLED],
        nation=[
            f"runs/{{run_id}}/validation/totals/{area}.h5"
            for level, area in WANTED
            if level == "national"
        ],
        states=[
            f"runs/{{run_id}}/validation/totals/{area}.h5"
            for level, area in WANTED
            if level == "states"
        ],
        targets="runs/{run_id}/targets/targets.parquet",
    output:
        districts="runs/{run_id}/validation/districts.csv",
        states="runs/{run_id}/validation/states.csv",
        summary="runs/{run_id}/validation/summary.json",
    log:
        "runs/{run_id}/logs/summarize_validation/summarize_validation.log",
    benchmark:
        "runs/{run_id}/benchmarks/summarize_validation/summarize_validation.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        areas=[dataclasses.asdict(AREAS[area]) for level, area in WANTED],
        sampled=SAMPLED,
        code=code_digest("summarize_validation"),
    script:
        "../../scripts/summarize_validation.py"
