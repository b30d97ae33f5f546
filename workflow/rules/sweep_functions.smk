"""What the rules of policy sweeps share: which sweeps there are, and the files of each."""

from functools import cache

from localcal.run.overrides import overrides
from localcal.sweeps import settings as sweep_settings

with stopping():
    SWEEPS = sweep_settings.names()
for hint in sweep_settings.target_hints(sys.argv[1:], SWEEPS):
    warn(f"hint: {hint}")
# Jobs on other machines are sent them, and what overrides them.
workflow.configfiles.extend(sweep_settings.files())
workflow.register_envvars(*overrides())


wildcard_constraints:
    # Without a sweep there is nothing that this could be.
    sweep="|".join(SWEEPS) or "(?!)",
    batch="[0-9]+",
    outcome="[A-Za-z0-9_.-]+",


@cache
def sweep_of(name):
    """A sweep's settings, parameter sets and batches."""
    from localcal.sweeps import asked

    with stopping():
        found = asked.read_asked(name)
        asked.refuse_unknown_areas(found, AREAS)
        asked.refuse_other_years(found, config["period"])
        scopes = {name: area.scope for name, area in AREAS.items()}
        asked.refuse_missing_replicates(found, scopes, REPLICATED)
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
