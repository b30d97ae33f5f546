"""What an arm does, in the process that has the model.

It is the job of a chunk, of which parts may be left out, on any columns of a run. What is left out
of the evaluation is simulated all the same: so the model's work is equal in arms that differ in
what is made of it.
"""

import os
import resource
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal import timing
from localcal.clones.frozen import read_frozen
from localcal.engine.protocol import Engine, naming_households
from localcal.experiments.refusal import Refused
from localcal.experiments.settings import SIMULATE, WRITE
from localcal.files.csr import write_csr
from localcal.files.origins import refuse_other_files
from localcal.geography.geography import read_geography
from localcal.matrix.alike import Part
from localcal.matrix.chunk import evaluate_parts, simulate_columns
from localcal.matrix.plan import MatrixInputs, read_plan
from localcal.population.dataset import read_population
from localcal.targets.measures import (
    REFORM_MEASURE,
    Measure,
    distinct_measures,
    needed_variables,
)
from localcal.targets.table import read_targets


@dataclass(frozen=True)
class Piece:
    """A chunk of an arm.

    Attributes:
        plan: the run's plan.
        inputs: what it was made for.
        columns: the first column and the one after the last.
        work: one of `settings.WORKS`.
        rows: positions of the targets to evaluate, ascending; None for all.
        shard: where to write it.
    """

    plan: Path
    inputs: MatrixInputs
    columns: tuple[int, int]
    work: str
    rows: tuple[int, ...] | None
    shard: Path


@dataclass(frozen=True)
class Done:
    """What a chunk took in the process that did its work.

    Attributes:
        cpu_seconds: that it used.
        peak_mb: its most memory in 10^6 bytes, with what it shares with its server.
        phases: seconds by phase (`localcal.timing`).
        server: the process that has the model.
    """

    cpu_seconds: float
    peak_mb: float
    phases: Mapping[str, float]
    server: int


def do(engine: Engine, piece: Piece) -> Done:
    """Do a chunk's work and say what that took.

    Raises:
        InputError: an input is not the one planned for, or a target cannot be evaluated.
    """
    _work(engine, piece)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Done(
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss * 1024 / 1e6,
        phases=dict(timing.figures().seconds),
        server=os.getppid(),
    )


def _work(engine: Engine, piece: Piece) -> None:
    plan = read_plan(piece.plan)
    refuse_other_files(piece.plan, plan.digests, vars(piece.inputs))
    start, stop = piece.columns
    targets = read_targets(piece.inputs.targets)
    places = read_geography(piece.inputs.geography, start, stop)
    population = read_population(piece.inputs.population)
    frozen = read_frozen(piece.inputs.frozen)
    distinct = distinct_measures(targets)
    everything = distinct[0]
    parts = simulate_columns(population, places, frozen, everything, engine)
    with naming_households(population.ids["household"][places.household]):
        if piece.work == SIMULATE:
            for _ in _simulated_too(parts, everything, ()):
                pass
            return
        if piece.rows is not None:
            targets = targets.iloc[list(piece.rows)].reset_index(drop=True)
            distinct = distinct_measures(targets)
        with timing.phase(timing.EVALUATE):
            parts = _simulated_too(parts, everything, distinct[0])
            matrix = evaluate_parts(parts, places, targets, distinct, engine)
    if piece.work == WRITE:
        write_csr(piece.shard, matrix, plan.about(0, start, stop, engine.version))


def _simulated_too(
    parts: Iterable[Part], everything: Sequence[Measure], evaluated: Sequence[Measure]
) -> Iterator[Part]:
    """Yield simulations that were asked for all that is not asked for by evaluating some of it."""
    variables = sorted(_asked_for(everything) - _asked_for(evaluated))
    reforms = sorted(_reforms(everything) - _reforms(evaluated))
    for part in parts:
        for variable in variables:
            part.simulation.calculate(variable)
        for variable in reforms:
            reformed = part.simulation.neutralize(variable)
            reformed.calculate(REFORM_MEASURE)
            reformed.close()
        yield part


def _asked_for(measures: Iterable[Measure]) -> set[str]:
    """Return the variables that evaluating measures asks a simulation for."""
    # A reform neutralises its variable, and asks for what that changes.
    plain = [
        one._replace(variable=REFORM_MEASURE, reform_id=0) if one.reform_id else one
        for one in measures
    ]
    return needed_variables(plain)


def _reforms(measures: Iterable[Measure]) -> set[str]:
    return {measure.variable for measure in measures if measure.reform_id}


def chosen(count: int, wanted: int | None, seed: int) -> tuple[int, ...] | None:
    """Return the positions of some of all targets, ascending; None for all of them.

    Those of a smaller number are among those of a larger one.

    Args:
        count: how many there are.
        wanted: how many to choose; None for all.
        seed: what to draw with.

    Raises:
        Refused: there are not so many.
    """
    if wanted is None:
        return None
    if wanted > count:
        raise Refused([f"targets: {wanted:,} are asked for, the run has {count:,}; or write all"])
    drawn = np.random.default_rng(seed).permutation(count)[:wanted]
    return tuple(sorted(drawn.tolist()))
