"""Which files a finished run has, and which job makes each: what `all` asks for.

Known before anything is built, from the config and the table of areas alone.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from localcal.geography.areas import Area
from localcal.run.configuration import chunk_names, parents, sampled_districts
from localcal.run.provenance import RUN_FILE

SCOPES = ("local", "national")

# The rules by the stage of the run they belong to, in the order in which a run comes to them.
STAGES: dict[str, tuple[str, ...]] = {
    "run": ("freeze_run",),
    "targets": (
        "fetch_raw",
        "parse_source",
        "build_database",
        "validate_database",
        "copy_tables",
        "resolve_targets",
        "write_preflight",
    ),
    "population": (
        "build_population",
        "assign_geography",
        "copy_take_up",
        "freeze_values",
        "follow_values",
    ),
    "chunks": ("plan_chunks", "build_chunk"),
    "matrix": ("assemble_matrix", "export_package"),
    "weights": ("prepare_l0", "fit_l0", "fit_weights", "fit_replicates", "estimate_totals"),
    "areas": ("write_area", "write_area_replicates"),
    "validation": ("simulate_area", "validate_area", "summarize_validation"),
    "report": ("write_report",),
    # Asked for by name.
    "sweeps": (
        "run_baseline",
        "plan_sweep",
        "run_batch",
        "collect_outcome",
        "collect_failures",
        "report_sweep",
        "collect_sweep",
    ),
}

# All that is made once, once per fit and once per simulation, so that what is lost shows, and comes
# back, also where nothing else needs it any more.
ONCE: dict[str, tuple[str, ...]] = {
    "freeze_run": (RUN_FILE,),
    "build_population": ("population/households.parquet", "population/population.h5"),
    "assign_geography": ("population/geography.h5",),
    "copy_take_up": ("population/take_up.csv",),
    "freeze_values": ("population/frozen.h5",),
    "follow_values": ("population/later.h5",),
    "build_database": ("targets/policy_data.db",),
    "validate_database": ("targets/database_checks.csv",),
    "copy_tables": ("targets/tables.csv",),
    "resolve_targets": ("targets/targets.parquet",),
    "write_preflight": ("targets/preflight.csv", "targets/preflight.html"),
    "plan_chunks": ("matrix/plan.json",),
    "assemble_matrix": ("matrix/summary.json", "matrix/matrix.h5"),
    "summarize_validation": (
        "validation/districts.csv",
        "validation/states.csv",
        "validation/summary.json",
    ),
    "write_report": (
        "report/errors.png",
        "report/sizes.png",
        "report/weights.png",
        "report/families.csv",
        "report/worst.csv",
        "report/totals.csv",
        "report/simulated.png",
        "report/areas.csv",
        "report/index.html",
    ),
}
PER_CHUNK = {"build_chunk": ("matrix/chunks/chunk_{}.h5",)}
PER_FIT = {
    "fit_weights": (
        "weights/{}/fit.json",
        "weights/{}/diagnostics.csv",
        "weights/{}/areas.csv",
        "weights/{}/trace.h5",
        "weights/{}/weights.npy",
    ),
    "estimate_totals": ("weights/{}/estimates.h5",),
}
PER_L0_FIT = {
    "prepare_l0": ("weights/{}/l0_problem.h5",),
    "fit_l0": ("weights/{}/l0_weights.h5",),
}
PER_REPLICATED_FIT = {
    "fit_replicates": (
        "weights/{}/standard_errors.csv",
        "weights/{}/diagnostics_with_errors.csv",
        "weights/{}/areas_with_errors.csv",
        "weights/{}/replicates.h5",
    )
}
# By folder of the level and area.
PER_AREA = {"write_area": ("areas/{}.h5",), "validate_area": ("validation/{}.csv",)}
PER_REPLICATED_AREA = {"write_area_replicates": ("areas/{}_replicates.h5",)}
PER_SIMULATION = {"simulate_area": ("validation/totals/{}.h5",)}


class Job(NamedTuple):
    """One job of a run.

    Attributes:
        rule: what makes the files.
        name: the job among those of its rule, as its log is called below logs/{rule}/.
        files: what it makes, by paths below the run's folder.
    """

    rule: str
    name: str
    files: tuple[str, ...]

    @property
    def log(self) -> str:
        """Return its log, by its path below the run's folder."""
        return f"logs/{self.rule}/{self.name}.log"


def stage_of(rule: str) -> str | None:
    """Return the stage a rule belongs to; None for a rule that is not known here."""
    return next((stage for stage, rules in STAGES.items() if rule in rules), None)


def l0_scopes(config: Mapping[str, Any]) -> list[str]:
    """Return the scopes that l0-python fits."""
    return [scope for scope in SCOPES if _fit(config, scope).get("method") == "l0"]


def replicated_scopes(config: Mapping[str, Any]) -> list[str]:
    """Return the scopes whose fits have replicates."""
    return [scope for scope in SCOPES if _fit(config, scope).get("replicates")]


def _fit(config: Mapping[str, Any], scope: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = config["weights"].get(scope, {})
    return found


def jobs(config: Mapping[str, Any], table: Sequence[Area], wanted: Sequence[Area]) -> list[Job]:
    """Return the jobs that make everything `all` asks for, stage by stage.

    Args:
        config: the run's, complete or as its record has it.
        table: all areas there are.
        wanted: those the config asks for.
    """
    order = [rule for rules in STAGES.values() for rule in rules]
    return sorted(_jobs(config, table, wanted), key=lambda job: order.index(job.rule))


def _jobs(
    config: Mapping[str, Any], table: Sequence[Area], wanted: Sequence[Area]
) -> Iterator[Job]:
    replicated = replicated_scopes(config)
    parent = parents(table)
    simulated = {parent[area.area] for area in wanted} | set(sampled_districts(config, wanted))
    yield from (Job(rule, rule, files) for rule, files in ONCE.items())
    yield from _each(PER_CHUNK, chunk_names(config))
    yield from _each(PER_FIT, SCOPES)
    yield from _each(PER_L0_FIT, l0_scopes(config))
    yield from _each(PER_REPLICATED_FIT, replicated)
    yield from _each(PER_AREA, [f"{area.folder}/{area.area}" for area in wanted])
    yield from _each(
        PER_REPLICATED_AREA,
        [f"{area.folder}/{area.area}" for area in wanted if area.scope in replicated],
    )
    yield from _each(PER_SIMULATION, sorted(simulated))


def _each(patterns: Mapping[str, Sequence[str]], names: Sequence[str]) -> Iterator[Job]:
    for rule, files in patterns.items():
        for name in names:
            yield Job(rule, name, tuple(file.format(name) for file in files))
