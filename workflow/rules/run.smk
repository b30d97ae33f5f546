"""The run's record, which every other file of the run is made after."""


# No inputs, no parameters: nothing may ever make Snakemake write it again.
rule freeze_run:
    output:
        run="runs/{run_id}/run.json",
    log:
        "runs/{run_id}/logs/freeze_run/freeze_run.log",
    benchmark:
        "runs/{run_id}/benchmarks/freeze_run/freeze_run.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    script:
        "../../scripts/freeze_run.py"
