"""How a run gets out: asked for by name, never by `rule all`.

Without parameters: what they do to a repository cannot be undone by making them again, and they
find out themselves what is done already. Each receipt is written last, after everything was read
back.
"""


rule stage_run:
    input:
        run="runs/{run_id}/run.json",
        files=released_files,
        made=released_records,
    output:
        staged="runs/{run_id}/release/staged.json",
        manifest="runs/{run_id}/release/manifest.json",
        validation="runs/{run_id}/release/validation.csv",
        summary="runs/{run_id}/release/summary.json",
    log:
        "runs/{run_id}/logs/stage_run/stage_run.log",
    benchmark:
        "runs/{run_id}/benchmarks/stage_run/stage_run.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=480,
    script:
        "../../scripts/stage_run.py"


rule promote_run:
    input:
        run="runs/{run_id}/run.json",
        staged="runs/{run_id}/release/staged.json",
        manifest="runs/{run_id}/release/manifest.json",
        files=uploaded_files,
        made=uploaded_records,
    output:
        promoted="runs/{run_id}/release/promoted.json",
    log:
        "runs/{run_id}/logs/promote_run/promote_run.log",
    benchmark:
        "runs/{run_id}/benchmarks/promote_run/promote_run.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=480,
    script:
        "../../scripts/promote_run.py"


rule run_hook:
    input:
        promoted="runs/{run_id}/release/promoted.json",
    output:
        hook="runs/{run_id}/release/hook.json",
    log:
        "runs/{run_id}/logs/run_hook/run_hook.log",
    benchmark:
        "runs/{run_id}/benchmarks/run_hook/run_hook.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
    script:
        "../../scripts/run_hook.py"
