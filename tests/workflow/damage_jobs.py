"""The jobs of a small run as functions: what each reads, and how to run it in this process."""

import dataclasses
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from localcal.areas.replicates import AreaReplicateInputs, write_area_replicates
from localcal.areas.write import AreaInputs, write_area
from localcal.clones.follow import follow_from_files
from localcal.clones.freeze import FreezeInputs, freeze_from_files
from localcal.database.checks import validate_database
from localcal.database.reader import district_income
from localcal.engine.protocol import variable_names
from localcal.geography.areas import read_areas
from localcal.geography.geography import write_geography
from localcal.geography.given import load_geography
from localcal.geography.households import read_households
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs, read_plan, write_plan
from localcal.report import figures, page
from localcal.report.fits import read_fit
from localcal.report.page import ReportInputs, ReportOutputs, write_report
from localcal.report.preflight import PreflightInputs, write_preflight
from localcal.run import configuration, provenance
from localcal.run.lock import release_locks
from localcal.run.start import start_run
from localcal.targets.measures import distinct_measures, needed_variables
from localcal.targets.resolve import resolve_targets
from localcal.targets.table import read_targets, write_targets
from localcal.validation.across import Comparisons
from localcal.validation.compare import validate_area
from localcal.validation.estimates import EstimateInputs, estimate_totals
from localcal.validation.inputs import ValidationInputs
from localcal.validation.simulate import simulate_area
from localcal.validation.summary import SummaryOutputs, summarize_validation
from localcal.weights import fit as fits
from localcal.weights.checkpoint import Checkpoint
from localcal.weights.fit import FitInputs, FitOutputs, fit_from_files
from localcal.weights.l0 import run as l0
from localcal.weights.l0.prepare import prepare_l0
from localcal.weights.settings import Settings
from localcal.weights.standard_errors import (
    ReplicateInputs,
    ReplicateOutputs,
    replicate_from_files,
)
from tests.standin_engine import StandIn
from tests.workflow.conftest import REPOSITORY, SMALL_CONFIG

FILES = {
    "population": "population/population.h5",
    "geography": "population/geography.h5",
    "rates": "population/take_up.csv",
    "frozen": "population/frozen.h5",
    "later": "population/later.h5",
    "households": "population/households.parquet",
    "database": "targets/policy_data.db",
    "tables": "targets/tables.csv",
    "targets": "targets/targets.parquet",
    "plan": "matrix/plan.json",
    "matrix": "matrix/matrix.h5",
    "matrix_summary": "matrix/summary.json",
    "validation": "validation/summary.json",
    "districts": "validation/districts.csv",
    "states": "validation/states.csv",
    "problem": "weights/local/l0_problem.h5",
    "l0": "weights/local/l0_weights.h5",
    "checkpoint": "weights/local/checkpoint.npz",
    "fit": "weights/local/fit.json",
    "diagnostics": "weights/local/diagnostics.csv",
    "fitted_areas": "weights/local/areas.csv",
    "trace": "weights/local/trace.h5",
    "weights": "weights/local/weights.npy",
    "errors": "weights/local/standard_errors.csv",
    "replicates": "weights/local/replicates.h5",
}
CONFIG = configuration.check_config(SMALL_CONFIG, [("small.yaml", SMALL_CONFIG)])
SEED = CONFIG["seed"]
CHUNKS = [f"matrix/chunks/chunk_{chunk}.h5" for chunk in configuration.chunk_names(CONFIG)]
SCOPES = ("local", "national")

_TABLE = read_areas(REPOSITORY / "config" / "areas.tsv")
AREAS = configuration.wanted_areas(CONFIG["areas"], _TABLE, [("small.yaml", SMALL_CONFIG)])
PARENTS = configuration.parents(_TABLE)
BY_NAME = {area.area: area for area in AREAS}
TABLES = [f"validation/{area.folder}/{area.area}.csv" for area in AREAS]

SAMPLED = configuration.sampled_districts(CONFIG, AREAS)
STATES = [area for area in AREAS if area.level == "state"]
COMPARED = tuple(
    dict.fromkeys(
        [
            *(f"areas/districts/{name}.h5" for name in SAMPLED),
            *(f"validation/totals/{name}.h5" for name in SAMPLED),
            *(f"validation/totals/{PARENTS[name]}.h5" for name in SAMPLED),
            *(f"validation/totals/{area.area}.h5" for area in STATES),
            "validation/totals/US.h5",
        ]
    )
)

# Files of a run that other configs or times have.
MADE_HERE = ("history.jsonl", FILES["problem"], FILES["l0"], FILES["checkpoint"])

# Stands in for l0-python: keeps every third record, at thrice its start.
RUNNER = """
import json, sys, h5py
problem, settings, weights = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
with h5py.File(problem) as file:
    start, columns = file["base"][:], file["columns"][:]
    origins = dict(file.attrs)
start[1::3] = start[2::3] = 0.0
about = {"seed": settings["seed"], "device": settings["device"], "epochs": 1, "seconds": 0.5}
with h5py.File(weights, "w") as file:
    file["weights"], file["columns"] = (3 * start).astype("f4"), columns
    file.attrs.update(origins | about | {"l0_python": "0", "torch": "0"})
"""


@dataclass(frozen=True)
class Job:
    """One job: its name, the products it reads, and what it does (run's folder, new folder)."""

    name: str
    reads: tuple[str, ...]
    do: Callable[[Path, Path], object]


def _reads(*names: str) -> tuple[str, ...]:
    return tuple(FILES.get(name, name) for name in names)


def _at(run: Path, *names: str) -> dict[str, Path]:
    return {name: run / FILES[name] for name in names}


def _recall(run: Path, new: Path) -> None:
    known = {
        "state": provenance.read_state(run),
        "history": [entry["changes"] for entry in provenance.read_history(run)],
        "inputs": provenance.given_files(CONFIG, run),
        "differences": provenance.differences(run, {"config.seed": 1}),
    }
    (new / "state.json").write_text(json.dumps(known, sort_keys=True))


def _assign_geography(run: Path, new: Path) -> None:
    section = CONFIG["geography"]
    households = read_households(run / FILES["households"])
    given = load_geography(run.parents[1] / section["path"], households, section["clones"])
    settings = configuration.canonical(provenance.science(CONFIG)["geography"])
    write_geography(new / FILES["geography"], given, {**settings, "seed": SEED})


def _resolve_targets(run: Path, new: Path) -> None:
    section, database = CONFIG["targets"], run / FILES["database"]
    rules = (section["include"], section["exclude"])
    tables = run / FILES["tables"]
    targets = resolve_targets(database, CONFIG["period"], *rules, StandIn(), tables)
    write_targets(targets, new / FILES["targets"])
    (new / "income").write_text(str(district_income(database, CONFIG["period"])))


def _validate_database(run: Path, new: Path) -> None:
    names, checks = variable_names(StandIn()), new / "targets/database_checks.csv"
    validate_database(run / FILES["database"], names, False, {}, checks, new / "refused.csv")


PREFLIGHT_INPUTS = ("database", "tables", "targets", "population", "geography")


def _preflight(run: Path, new: Path) -> None:
    section, inputs = CONFIG["targets"], PreflightInputs(**_at(run, *PREFLIGHT_INPUTS))
    outputs = (new / "targets/preflight.csv", new / "targets/preflight.html")
    rules = (section["include"], section["exclude"])
    write_preflight(inputs, CONFIG["period"], *rules, *outputs)


def _freeze(run: Path, new: Path) -> None:
    inputs = FreezeInputs(**_at(run, "population", "geography", "targets", "rates"))
    freeze_from_files(inputs, SEED, StandIn(), new / FILES["frozen"])


def _follow(run: Path, new: Path) -> None:
    inputs = _at(run, "population", "geography", "frozen")
    follow_from_files(**inputs, engine=StandIn(), path=new / FILES["later"])


MATRIX_INPUTS = ("population", "geography", "frozen", "targets")


def _plan(run: Path, new: Path) -> None:
    measures, _ = distinct_measures(read_targets(run / FILES["targets"]))
    write_plan(
        new / FILES["plan"],
        MatrixInputs(**_at(run, *MATRIX_INPUTS)),
        configuration.column_count(CONFIG),
        CONFIG["matrix"]["chunk_columns"],
        needed_variables(measures),
    )


def _build_chunk(run: Path, new: Path) -> None:
    plan = run / FILES["plan"]
    StandIn().warm_up(read_plan(plan).calculated)
    build_chunk(0, plan, MatrixInputs(**_at(run, *MATRIX_INPUTS)), StandIn(), new / CHUNKS[0])


def _assemble(run: Path, new: Path) -> None:
    assemble_matrix(
        plan_path=run / FILES["plan"],
        shard_paths=[run / chunk for chunk in CHUNKS],
        targets_path=run / FILES["targets"],
        path=new / FILES["matrix"],
        summary_path=new / FILES["matrix_summary"],
    )


FIT_INPUTS = ("matrix", "targets", "geography")


def _outputs(folder: Path) -> FitOutputs:
    return FitOutputs(
        fit=folder / "fit.json",
        diagnostics=folder / "diagnostics.csv",
        areas=folder / "areas.csv",
        trace=folder / "trace.h5",
        weights=folder / "weights.npy",
    )


def _fit(scope: str, run: Path, folder: Path, **more: Path) -> None:
    inputs = FitInputs(**_at(run, *FIT_INPUTS), **more)
    settings = Settings.from_config(provenance.science(CONFIG)["weights"][scope])
    fit_from_files(inputs, _outputs(folder), settings, SEED, "the small run")


def _fit_on(run: Path, new: Path) -> None:
    folder = new / "weights" / "local"
    folder.mkdir(parents=True)
    (folder / "checkpoint.npz").write_bytes((run / FILES["checkpoint"]).read_bytes())
    _fit("local", run, folder)


def _run_l0(run: Path, new: Path) -> None:
    l0.run_l0(run / FILES["problem"], new / FILES["l0"], {"epochs": 1}, SEED, "cpu")


def _fits() -> Iterator[Job]:
    for scope in SCOPES:
        yield Job(
            f"fit_weights {scope}",
            _reads(*FIT_INPUTS),
            lambda run, new, scope=scope: _fit(scope, run, new / "weights" / scope),
        )
    trace = "weights/national/trace.h5"
    yield Job(
        "fit_weights from another",
        (trace,),
        lambda run, new: _fit("national", run, new / "from_another", prior=run / trace),
    )
    yield Job("fit_weights cut off", _reads("checkpoint"), _fit_on)
    yield Job(
        "fit_weights after l0",
        _reads("l0", *FIT_INPUTS),
        lambda run, new: _fit("local", run, new / "after_l0", l0=run / FILES["l0"]),
    )
    yield Job(
        "prepare_l0",
        _reads(*FIT_INPUTS),
        lambda run, new: prepare_l0(
            **_at(run, *FIT_INPUTS),
            settings=Settings.from_config(provenance.science(CONFIG)["weights"]["local"]),
            seed=0,
            path=new / FILES["problem"],
        ),
    )
    yield Job("fit_l0", _reads("problem"), _run_l0)


OF_FIT = ("trace", "diagnostics", "fit")
REPLICATES = 2


def _replicate(run: Path, new: Path) -> None:
    folder = new / "weights/local"
    settings = provenance.science(CONFIG)["weights"]["local"] | {"replicates": REPLICATES}
    replicate_from_files(
        ReplicateInputs(**_at(run, *FIT_INPUTS, *OF_FIT), areas=run / FILES["fitted_areas"]),
        ReplicateOutputs(
            errors=folder / "standard_errors.csv",
            diagnostics=folder / "diagnostics_with_errors.csv",
            areas=folder / "areas_with_errors.csv",
            replicates=folder / "replicates.h5",
        ),
        Settings.from_config(settings),
        SEED,
    )


AREA_REPLICATE_INPUTS = ("population", "geography", "weights", "replicates")


def _replicate_area(run: Path, new: Path) -> None:
    inputs = AreaReplicateInputs(**_at(run, *AREA_REPLICATE_INPUTS))
    write_area_replicates(BY_NAME["NYC"], inputs, new / "areas/cities/NYC_replicates.h5")


def _estimates() -> Iterator[Job]:
    for scope in ("local", "national"):
        weights = f"weights/{scope}/weights.npy"
        cities = [area for area in AREAS if area.level == "city" and area.scope == scope]

        def estimate(run, new, scope=scope, weights=weights, cities=cities):
            given = _at(run, "matrix", "targets", "geography") | {"weights": run / weights}
            path = new / f"weights/{scope}/estimates.h5"
            estimate_totals(EstimateInputs(**given), cities, path)

        reads = (*_reads("matrix", "targets", "geography"), weights)
        yield Job(f"estimate_totals {scope}", reads, estimate)


def _areas() -> Iterator[Job]:
    for area in AREAS:
        scope = area.scope
        parent = BY_NAME[PARENTS[area.area]]
        inputs = {
            "totals": f"validation/totals/{parent.area}.h5",
            "area": f"areas/{area.folder}/{area.area}.h5",
            "parent": f"areas/{parent.folder}/{parent.area}.h5",
            "weights": f"weights/{scope}/weights.npy",
            "estimates": f"weights/{scope}/estimates.h5",
            **{name: FILES[name] for name in ("targets", "population", "geography")},
        }
        made_from = {
            "weights": inputs["weights"],
            "fit": f"weights/{scope}/fit.json",
            **{name: FILES[name] for name in ("population", "geography", "frozen", "later")},
        }

        def write(run, new, area=area, files=made_from, path=inputs["area"]):
            given = AreaInputs(**{name: run / file for name, file in files.items()})
            write_area(area, given, new / path)

        def simulate(run, new, area=area, files=inputs):
            given = run / files["area"]
            totals = new / f"validation/totals/{area.area}.h5"
            simulate_area(area, given, run / FILES["targets"], StandIn(), totals)

        def validate(run, new, area=area, files=inputs):
            given = ValidationInputs(**{name: run / file for name, file in files.items()})
            validate_area(area, given, new / f"validation/{area.folder}/{area.area}.csv")

        # One per scope; the others read the same files.
        if area.area in ("US", "NYC"):
            yield Job(f"write_area {area.area}", tuple(made_from.values()), write)
        if area == parent or area.area in SAMPLED:
            reads = (inputs["area"], FILES["targets"])
            yield Job(f"simulate_area {area.area}", reads, simulate)
        reads = tuple(dict.fromkeys(inputs.values()))
        yield Job(f"validate_area {area.area}", reads, validate)


def _summarize(run: Path, new: Path) -> None:
    names = [f"{area.folder}/{area.area}" for area in AREAS]
    totals = run / "validation" / "totals"
    files = Comparisons(
        districts={
            BY_NAME[name]: (
                run / f"areas/districts/{name}.h5",
                totals / f"{name}.h5",
                totals / f"{PARENTS[name]}.h5",
            )
            for name in SAMPLED
        },
        nation=totals / "US.h5",
        states={area: totals / f"{area.area}.h5" for area in STATES},
        targets=run / FILES["targets"],
    )
    summarize_validation(
        {name: run / table for name, table in zip(names, TABLES, strict=True)},
        AREAS,
        files,
        SummaryOutputs(
            districts=new / FILES["districts"],
            states=new / FILES["states"],
            summary=new / FILES["validation"],
        ),
    )


def _report(run: Path, new: Path) -> None:
    names = [field.name for field in dataclasses.fields(ReportOutputs)]
    write_report(
        fits=[read_fit(scope, run / "weights" / scope) for scope in SCOPES],
        inputs=ReportInputs(
            validations=[run / table for table in TABLES],
            validation=run / FILES["validation"],
            states=run / FILES["states"],
            matrix=run / FILES["matrix_summary"],
            errors=[run / FILES["errors"]],
        ),
        outputs=ReportOutputs(**{name: new / "page" / name for name in names}),
    )


_OF_FITS = ("fit.json", "diagnostics.csv", "areas.csv", "trace.h5")
_SHOWN = [f"weights/{scope}/{name}" for scope in SCOPES for name in _OF_FITS]

JOBS = [
    Job("the next run", ("run.json", "history.jsonl"), _recall),
    Job("assign_geography", _reads("households"), _assign_geography),
    Job("resolve_targets", _reads("database", "tables"), _resolve_targets),
    Job("validate_database", _reads("database"), _validate_database),
    Job("write_preflight", _reads(*PREFLIGHT_INPUTS), _preflight),
    Job("freeze_values", _reads("population", "geography", "targets", "rates"), _freeze),
    Job("follow_values", _reads("population", "geography", "frozen"), _follow),
    Job("plan_chunks", _reads(*MATRIX_INPUTS), _plan),
    Job("build_chunk", _reads("plan", *MATRIX_INPUTS), _build_chunk),
    Job("assemble_matrix", (*_reads("plan", "targets"), *CHUNKS), _assemble),
    *_fits(),
    Job("fit_replicates", _reads(*FIT_INPUTS, *OF_FIT, "fitted_areas"), _replicate),
    Job("write_area_replicates NYC", _reads(*AREA_REPLICATE_INPUTS), _replicate_area),
    *_estimates(),
    *_areas(),
    Job("summarize_validation", (*TABLES, *COMPARED, FILES["targets"]), _summarize),
    Job(
        "write_report",
        (*_SHOWN, *TABLES, *_reads("validation", "states", "matrix_summary", "errors")),
        _report,
    ),
]


class _Careful(Checkpoint):
    """Writes at every chance and stays."""

    def offer(self, stage, position) -> None:
        self._write(stage, position)

    def remove(self) -> None:
        pass


def _once(draw: Callable) -> Callable:
    """Return a function that returns what is drawn, and draws the same only once."""
    known: dict[bytes, bytes] = {}

    def again(content):
        key = pickle.dumps(content)
        if key not in known:
            known[key] = _drawn(draw(content))
        return known[key]

    return again


def _drawn(figure) -> bytes:
    """Return what is drawn in a picture, which is quicker than drawing it."""
    parts = []
    for axes in figure.axes:
        parts += [axes.get_title(), axes.get_title(loc="left"), axes.get_xscale()]
        parts += [line.get_xydata().tolist() for line in axes.lines]
        parts += [patch.get_extents().extents.tolist() for patch in axes.patches]
        parts += [np.asarray(points.get_offsets()).tolist() for points in axes.collections]
        parts += [text.get_text() for text in axes.get_yticklabels()]
    return json.dumps(parts).encode()


def quicken(run: Path, patch: pytest.MonkeyPatch) -> None:
    """Make pictures and l0-python quick."""
    patch.setattr(page, "png", lambda drawn: drawn)
    drawings = [name for name in dir(page) if hasattr(figures, name) and name.startswith("draw_")]
    for name in drawings:
        patch.setattr(page, name, _once(getattr(page, name)))
    runner = run.parents[1] / "runner.py"
    runner.write_text(RUNNER)
    patch.setattr(l0, "RUNNER", runner)
    patch.setattr(l0, "check_interpreter", lambda python: None)


def make_more(run: Path) -> None:
    """Add to a run what only some runs have."""
    state = provenance.read_state(run)
    for seed in (7, 123456):
        start_run(run, state | {"config.seed": seed}, None, amend=True)
        release_locks()
    prepare_l0(
        **_at(run, *FIT_INPUTS),
        settings=Settings.from_config(provenance.science(CONFIG)["weights"]["local"]),
        seed=0,
        path=run / FILES["problem"],
    )
    _run_l0(run, run)
    _replicate(run, run)
    _replicate_area(run, run)
    with pytest.MonkeyPatch.context() as meanwhile:
        meanwhile.setattr(fits, "Checkpoint", _Careful)
        _fit("local", run, run / "copy")
    (run / "copy" / "checkpoint.npz").rename(run / FILES["checkpoint"])
    for path in (run / "copy").iterdir():
        path.unlink()
    (run / "copy").rmdir()
