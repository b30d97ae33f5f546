"""Policy sweeps: parameter sets on the run's area files, asked for by name.

`snakemake runs/demo/sweeps/ctc/manifest.json` makes the sweep of config/sweeps/ctc.yaml. How many
batches there are is known when the workflow is parsed, from the table or the sampler.
"""

from functools import cache

from localcal.sweeps import settings as sweep_settings

with stopping():
    SWEEPS = sweep_settings.names()
# Jobs on other machines are sent them.
workflow.configfiles.extend(sweep_settings.files())


wildcard_constraints:
    # Without a sweep there is nothing that this could be.
    sweep="|".join(SWEEPS) or "(?!)",
    batch="[0-9]+",
    outcome="[A-Za-z0-9_.-]+",


@cache
def sweep_of(name):
    """A sweep's settings, parameter sets and batches."""
    from localcal.sweeps.asked import read_asked, refuse_unknown_areas

    with stopping():
        found = read_asked(name)
        refuse_unknown_areas(found, AREAS)
    return found


def sweep_areas(wildcards):
    """The datasets that a sweep simulates."""
    names = sweep_of(wildcards.sweep).settings.areas
    return [f"runs/{wildcards.run_id}/areas/{AREAS[area].folder}/{area}.h5" for area in names]


def sweep_replicates(wildcards):
    """Their replicate weights, where the sweep asks for them."""
    if not sweep_of(wildcards.sweep).settings.replicates:
        return []
    return [path.replace(".h5", "_replicates.h5") for path in sweep_areas(wildcards)]


def sweep_baselines(wildcards):
    """What they come to without a reform."""
    folder = f"runs/{wildcards.run_id}/sweeps/{wildcards.sweep}/baseline"
    return [f"{folder}/{area}.h5" for area in sweep_of(wildcards.sweep).settings.areas]


def sweep_batches(wildcards):
    """The tables of a sweep's batches."""
    folder = f"runs/{wildcards.run_id}/sweeps/{wildcards.sweep}/batches"
    return [f"{folder}/batch_{batch}.parquet" for batch in sweep_of(wildcards.sweep).batches]


def sweep_outcomes(wildcards):
    """The tables of a sweep's outcomes, in its order."""
    folder = f"runs/{wildcards.run_id}/sweeps/{wildcards.sweep}/outcomes"
    return [f"{folder}/{name}.parquet" for name in sweep_of(wildcards.sweep).outcome_files]


def sweep_memory(wildcards, attempt):
    """Memory that a sweep asks for, more with every attempt."""
    return sweep_of(wildcards.sweep).settings.memory_mb * attempt


def sweep_asked(wildcards):
    """What decides a sweep's numbers, as a parameter."""
    return sweep_of(wildcards.sweep).science()


def sweep_cut(wildcards):
    """What decides a sweep's plan besides, as a parameter."""
    return sweep_of(wildcards.sweep).cut()


def sweep_memory_settings(wildcards):
    """What becomes of sets that do not fit: a batch is tried again when it changes."""
    found = sweep_of(wildcards.sweep).settings
    return [found.memory_mb, found.on_out_of_memory, found.households_together]


def sweep_tolerance(wildcards):
    """How many sets may fail, as a parameter."""
    return sweep_of(wildcards.sweep).settings.tolerate_failed_sets


def sweep_states(wildcards):
    """What states are called, as a parameter; text, as JSON has keys."""
    return {str(area.state): area.area for area in AREA_TABLE if area.level == "state"}


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


rule collect_sweep:
    input:
        plan="runs/{run_id}/sweeps/{sweep}/plan.parquet",
        batches=sweep_batches,
        outcomes=sweep_outcomes,
        failures="runs/{run_id}/sweeps/{sweep}/failures.parquet",
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
