"""One dataset per area, ready for PolicyEngine."""


rule write_area:
    input:
        population="runs/{run_id}/population/population.h5",
        geography="runs/{run_id}/population/geography.h5",
        frozen="runs/{run_id}/population/frozen.h5",
        later="runs/{run_id}/population/later.h5",
        weights=weights_of,
        fit=fit_of,
    output:
        area="runs/{run_id}/areas/{level}/{area}.h5",
    log:
        "runs/{run_id}/logs/write_area/{level}/{area}.log",
    benchmark:
        "runs/{run_id}/benchmarks/write_area/{level}/{area}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        row=area_row,
        code=code_digest("write_area"),
    script:
        "../../scripts/write_area.py"
