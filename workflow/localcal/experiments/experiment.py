"""An experiment on a run: both arms in turn, as often as it takes, under conditions that hold."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal.experiments.bench import Bench, Taken
from localcal.experiments.conditions import Conditions, code, machine
from localcal.experiments.refusal import NoData
from localcal.experiments.settings import ARMS, COLD, Design, Setting, refuse_others
from localcal.experiments.work import Piece, chosen
from localcal.files.origins import record, refuse_other_files
from localcal.geography.geography import read_geography
from localcal.matrix.plan import MatrixInputs, Plan, read_plan
from localcal.targets.measures import distinct_measures, needed_variables
from localcal.targets.table import read_targets

PLAN = "matrix/plan.json"
INPUTS = MatrixInputs(
    population=Path("population/population.h5"),
    geography=Path("population/geography.h5"),
    frozen=Path("population/frozen.h5"),
    targets=Path("targets/targets.parquet"),
)
WARM_UP = 0
"""The round that does not count."""


@dataclass(frozen=True)
class Source:
    """The files of a run that an experiment works on."""

    plan_path: Path
    inputs: MatrixInputs
    plan: Plan


@dataclass(frozen=True)
class Measurement:
    """What an arm took in one round.

    Attributes:
        arm: A or B.
        round: 0 for the one that does not count.
        turn: 0 for the arm that was first in its round.
        taken: what it took.
    """

    arm: str
    round: int
    turn: int
    taken: Taken


@dataclass(frozen=True)
class Result:
    """An experiment that was made.

    Attributes:
        design: what was varied.
        conditions: those of both arms, by name.
        arms: those that each arm has for itself, by arm.
        measurements: all of them in order, those that do not count too.
    """

    design: Design
    conditions: Conditions
    arms: Mapping[str, Conditions]
    measurements: Sequence[Measurement]

    def counted(self, arm: str) -> list[Taken]:
        """Return what an arm took, pair by pair, without the round that does not count."""
        return [one.taken for one in self.measurements if one.arm == arm and one.round != WARM_UP]


def find_source(run: Path) -> Source:
    """Return the files of a run.

    Raises:
        NoData: the run has not come to them.
        InputError: they are damaged, or do not belong together.
    """
    inputs = MatrixInputs(**{name: run / path for name, path in vars(INPUTS).items()})
    for path in (run / PLAN, *vars(inputs).values()):
        if not path.is_file():
            raise NoData(
                f"{path}: no such file; an experiment works on a run that has its plan: "
                f"snakemake --cores 1 {run / PLAN}"
            )
    plan = read_plan(run / PLAN)
    refuse_other_files(run / PLAN, plan.digests, vars(inputs))
    return Source(run / PLAN, inputs, plan)


def make(
    source: Source, design: Design, engine: str, say: Callable[[str], None] = lambda _: None
) -> Result:
    """Measure both arms of an experiment in turn.

    Args:
        source: the run's files.
        design: what to vary.
        engine: the model as `module:Class`.
        say: is told how far it is.

    Raises:
        Refused: the arms differ in something else than what is varied, or the conditions changed.
        InputError: the work cannot be done.
        MemoryError: the work ran out of memory.
    """
    digests = record(vars(source.inputs))
    known = {str(path): digests[name] for name, path in vars(source.inputs).items()}
    with (
        tempfile.TemporaryDirectory(prefix="localcal_experiment_") as folder,
        Bench(engine, source.plan.calculated, known) as bench,
    ):
        arms, pieces = _prepared(source, design, Path(folder))
        around = machine() | code()
        say("loading the model")
        conditions = around | _data(source, design, engine, bench.version())
        measurements = list(_rounds(bench, design, pieces, say))
    refuse_others(around, machine() | code(), (), ("the beginning", "the end"), "; measure again")
    return Result(design, conditions, arms, measurements)


VARYING: Mapping[str, set[str]] = {
    "work": {"work"},
    "targets": {"targets", "targets_chosen"},
    "chunk-columns": {"chunk_columns", "chunks"},
    "process": {"process"},
    "workers": {"workers"},
}
"""The conditions of an arm that are what a variable says, and what follows from it."""


def _prepared(
    source: Source, design: Design, folder: Path
) -> tuple[dict[str, Conditions], dict[str, list[Piece]]]:
    """Return the conditions that arms have for themselves, and their chunks.

    Raises:
        Refused: the arms differ in something else than what is varied.
    """
    count = len(read_targets(source.inputs.targets))
    rows = {
        arm: chosen(count, setting.targets, design.seed) for arm, setting in design.arms.items()
    }
    pieces = {
        arm: list(_pieces(source, setting, design.columns, rows[arm], folder))
        for arm, setting in design.arms.items()
    }
    arms: dict[str, Conditions] = {
        arm: {
            "work": setting.work,
            "targets": count if rows[arm] is None else len(rows[arm] or ()),
            "targets_chosen": hashlib.sha256(json.dumps(rows[arm]).encode()).hexdigest(),
            "chunk_columns": setting.chunk_columns,
            "chunks": len(pieces[arm]),
            "columns_done": sum(piece.columns[1] - piece.columns[0] for piece in pieces[arm]),
            "process": setting.process,
            "workers": setting.workers,
        }
        for arm, setting in design.arms.items()
    }
    refuse_others(arms["A"], arms["B"], VARYING[design.variable])
    return arms, pieces


def _data(source: Source, design: Design, engine: str, version: str) -> Conditions:
    digests = dict(source.plan.digests)
    places = read_geography(source.inputs.geography, 0, design.columns)
    measures, _ = distinct_measures(read_targets(source.inputs.targets))
    simulated = {
        "variables": sorted(needed_variables(measures)),
        "reforms": sorted({measure.variable for measure in measures if measure.reform_id}),
        "warmed_up": source.plan.calculated,
    }
    return {
        "engine": engine,
        "engine_version": version,
        "population": digests["population"],
        "geography": digests["geography"],
        "frozen": digests["frozen"],
        "run_targets": digests["targets"],
        "simulated": hashlib.sha256(json.dumps(simulated).encode()).hexdigest(),
        "columns": design.columns,
        "households": int(np.unique(places.household).size),
        "seed": design.seed,
    }


def _pieces(
    source: Source, setting: Setting, columns: int, rows: tuple[int, ...] | None, folder: Path
) -> Iterator[Piece]:
    for start in range(0, columns, setting.chunk_columns):
        yield Piece(
            plan=source.plan_path,
            inputs=source.inputs,
            columns=(start, min(start + setting.chunk_columns, columns)),
            work=setting.work,
            rows=rows,
            shard=folder / f"{start}.h5",
        )


def orders(repeat: int, seed: int) -> list[tuple[str, str]]:
    """Return which arm is first in each pair: each as often as the other, in a drawn order.

    Of an odd number of pairs, one is drawn that is first once more.
    """
    random = np.random.default_rng(seed)
    first = [ARMS, ARMS[::-1]] * (repeat // 2)
    if repeat % 2:
        first.append(ARMS if random.integers(2) else ARMS[::-1])
    return [first[at] for at in random.permutation(len(first))]


def _rounds(
    bench: Bench,
    design: Design,
    pieces: Mapping[str, Sequence[Piece]],
    say: Callable[[str], None],
) -> Iterator[Measurement]:
    for number, arms in enumerate([ARMS, *orders(design.repeat, design.seed)]):
        for turn, arm in enumerate(arms):
            setting = design.arms[arm]
            if number == WARM_UP and setting.process == COLD:
                # The files are read already, and there is nothing else that it could find warm.
                continue
            taken = bench.take(setting, pieces[arm])
            what = f"pair {number} of {design.repeat}" if number else "not counted"
            say(f"{what}: {arm} took {taken.wall_seconds:.2f} s, {taken.cpu_seconds:.2f} s of CPU")
            yield Measurement(arm, number, turn, taken)
