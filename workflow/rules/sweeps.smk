"""Policy sweeps: parameter sets on the run's area files, asked for by name.

`snakemake runs/demo/sweeps/ctc/manifest.json` makes the sweep of config/sweeps/ctc.yaml. How many
batches there are is known when the workflow is parsed, from the table or the sampler.
"""


rule run_baseline:
    input:
        area=own_file,
        population="runs/{run_id}/population/population.h5",
        frozen="runs/{run_id}/population/frozen.h5",
    output:
        baseline="runs/{run_id}/sweeps/{sweep}/baseline/{area}.h5",
    log:
        "runs/{run_id}/logs/run_baseline/{sweep}/{area}.log",
    benchmark:
        "runs/{run_id}/benchmarks/run_baseline/{sweep}/{area}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=sweep_memory,
        runtime=240,
    params:
        sweep=sweep_asked,
        engine=config["engine"],
        seed=config["seed"],
        clones=config["geography"]["clones"],
        code=code_digest("run_baseline"),
    script:
        "../../scripts/run_baseline.py"


rule plan_sweep:
    input:
        areas=sweep_areas,
        replicates=sweep_replicates,
        baselines=sweep_baselines,
        population="runs/{run_id}/population/population.h5",
        frozen="runs/{run_id}/population/frozen.h5",
    output:
        plan="runs/{run_id}/sweeps/{sweep}/plan.parquet",
        about="runs/{run_id}/sweeps/{sweep}/plan.json",
        cost="runs/{run_id}/sweeps/{sweep}/cost.json",
    log:
        "runs/{run_id}/logs/plan_sweep/{sweep}.log",
    benchmark:
        "runs/{run_id}/benchmarks/plan_sweep/{sweep}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=sweep_memory,
        runtime=240,
    params:
        sweep=sweep_asked,
        cut=sweep_cut,
        states=sweep_states,
        engine=config["engine"],
        seed=config["seed"],
        clones=config["geography"]["clones"],
        simulating=code_digest("run_batch"),
        code=code_digest("plan_sweep"),
    script:
        "../../scripts/plan_sweep.py"


rule run_batch:
    input:
        plan="runs/{run_id}/sweeps/{sweep}/plan.parquet",
        areas=sweep_areas,
        replicates=sweep_replicates,
        baselines=sweep_baselines,
        population="runs/{run_id}/population/population.h5",
        frozen="runs/{run_id}/population/frozen.h5",
    output:
        batch="runs/{run_id}/sweeps/{sweep}/batches/batch_{batch}.parquet",
    log:
        "runs/{run_id}/logs/run_batch/{sweep}/{batch}.log",
    benchmark:
        "runs/{run_id}/benchmarks/run_batch/{sweep}/{batch}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=sweep_memory,
        runtime=1440,
    params:
        sweep=sweep_asked,
        memory=sweep_memory_settings,
        states=sweep_states,
        engine=config["engine"],
        seed=config["seed"],
        clones=config["geography"]["clones"],
        code=code_digest("run_batch"),
    script:
        "../../scripts/run_batch.py"


rule collect_outcome:
    input:
        plan="runs/{run_id}/sweeps/{sweep}/plan.parquet",
        batches=sweep_batches,
    output:
        outcome="runs/{run_id}/sweeps/{sweep}/outcomes/{outcome}.parquet",
    log:
        "runs/{run_id}/logs/collect_outcome/{sweep}/{outcome}.log",
    benchmark:
        "runs/{run_id}/benchmarks/collect_outcome/{sweep}/{outcome}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        sweep=sweep_asked,
        code=code_digest("collect_outcome"),
    script:
        "../../scripts/collect_outcome.py"


rule collect_failures:
    input:
        plan="runs/{run_id}/sweeps/{sweep}/plan.parquet",
        batches=sweep_batches,
    output:
        failures="runs/{run_id}/sweeps/{sweep}/failures.parquet",
    log:
        "runs/{run_id}/logs/collect_failures/{sweep}.log",
    benchmark:
        "runs/{run_id}/benchmarks/collect_failures/{sweep}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=code_digest("collect_failures"),
    script:
        "../../scripts/collect_failures.py"


rule report_sweep:
    input:
        plan="runs/{run_id}/sweeps/{sweep}/plan.parquet",
        about="runs/{run_id}/sweeps/{sweep}/plan.json",
        outcomes=sweep_outcomes,
        failures="runs/{run_id}/sweeps/{sweep}/failures.parquet",
        replicates=sweep_replicates,
    output:
        page=report(
            "runs/{run_id}/sweeps/{sweep}/report.html",
            caption="../report/sweep.rst",
            category="Sweeps",
        ),
    log:
        "runs/{run_id}/logs/report_sweep/{sweep}.log",
    benchmark:
        "runs/{run_id}/benchmarks/report_sweep/{sweep}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_digest("report_sweep"),
    script:
        "../../scripts/report_sweep.py"


rule collect_sweep:
    input:
        plan="runs/{run_id}/sweeps/{sweep}/plan.parquet",
        batches=sweep_batches,
        outcomes=sweep_outcomes,
        failures="runs/{run_id}/sweeps/{sweep}/failures.parquet",
        # Made before too many failures are refused, since it says which they are.
        page="runs/{run_id}/sweeps/{sweep}/report.html",
    output:
        manifest="runs/{run_id}/sweeps/{sweep}/manifest.json",
    log:
        "runs/{run_id}/logs/collect_sweep/{sweep}.log",
    benchmark:
        "runs/{run_id}/benchmarks/collect_sweep/{sweep}.tsv"
    conda:
        "../../envs/localcal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        sweep=sweep_asked,
        tolerated=sweep_tolerance,
        seed=config["seed"],
        code=code_digest("collect_sweep"),
    script:
        "../../scripts/collect_sweep.py"
