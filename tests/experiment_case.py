"""A run that experiments are made on, and results that were measured by nobody."""

import shutil
from dataclasses import replace

from localcal.experiments.bench import Taken
from localcal.experiments.experiment import INPUTS, PLAN, Measurement, Result
from localcal.experiments.settings import design
from localcal.matrix.plan import MatrixInputs, Plan, write_plan
from tests.matrix_case import make_inputs

ENGINE = "tests.standin_engine:StandIn"
COLUMNS, CHUNK_COLUMNS = 210, 50


def make_run(folder):
    """Make the files of a run up to its plan: 30 households, 7 clones, 5 chunks."""
    run = folder / "runs" / "demo"
    given = make_inputs(folder)
    files = {name: run / path for name, path in vars(INPUTS).items()}
    for name, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(given[name], path)
    (run / PLAN).parent.mkdir()
    write_plan(run / PLAN, MatrixInputs(**files), COLUMNS, CHUNK_COLUMNS)
    return run


def plan(**changes):
    """A plan of 210 columns in chunks of 50."""
    return replace(Plan(COLUMNS, CHUNK_COLUMNS, {}, []), **changes)


def taken(seconds, **changes):
    """What an arm took that needed so many seconds, and nothing disturbed it."""
    return replace(Taken(2 * seconds, seconds, 100.0, {}, 0.0, 0.5), **changes)


CONDITIONS = {
    "host": "here",
    "cpu": "a processor",
    "cores": 2,
    "memory_mb": 8_000,
    "system": "Linux",
    "python": "3.12",
    "code": "c" * 64,
    "package.numpy": "2.5.5",
    "package.policyengine-us": "2.68.0",
    "engine": ENGINE,
    "engine_version": "stand-in 1",
    "population": "a" * 64,
    "geography": "b" * 64,
    "frozen": "d" * 64,
    "run_targets": "e" * 64,
    "simulated": "f" * 64,
    "columns": 50,
    "households": 8,
    "seed": 0,
}
OF_ARM = {
    "work": "simulate",
    "targets": 270,
    "targets_chosen": "1" * 64,
    "chunk_columns": 50,
    "chunks": 1,
    "columns_done": 50,
    "process": "warm",
    "workers": 1,
}


def result(first, second, **changes):
    """An experiment of which A and B took so many seconds, pair by pair."""
    words = [["work", "simulate", "simulate+evaluate"]]
    arms = {"A": OF_ARM, "B": OF_ARM | {"work": "simulate+evaluate"}}
    # Of the first round nothing counts.
    measurements = [Measurement(arm, 0, turn, taken(99.0)) for turn, arm in enumerate("AB")]
    for number, pair in enumerate(zip(first, second, strict=True), 1):
        measurements += [
            Measurement(arm, number, turn, one if isinstance(one, Taken) else taken(one))
            for turn, (arm, one) in enumerate(zip("AB", pair, strict=True))
        ]
    made = Result(design(plan(), words, repeat=len(first)), CONDITIONS, arms, measurements)
    return replace(made, **changes)
