"""A sweep as it is asked for: its settings, its parameter sets, and how they are cut.

Read while Snakemake parses the workflow where a sweep is asked for, or has been made.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from localcal.errors import InputError, near
from localcal.sweeps.names import file_of, outcome_digests, refuse_bad_names
from localcal.sweeps.plan import refuse_too_many
from localcal.sweeps.sets import ParameterSets, count_of, parameter_sets, touches
from localcal.sweeps.settings import (
    Sampler,
    Sweep,
    batch_names,
    batch_size,
    read_sweep,
    science,
    sweep_path,
)


@dataclass(frozen=True)
class Asked:
    """A sweep that is asked for.

    Attributes:
        name: its name.
        settings: what its file says.
        sets: its parameter sets.
        size: how many of them a batch has.
    """

    name: str
    settings: Sweep
    sets: ParameterSets
    size: int

    @property
    def source(self) -> str:
        """Return the sweep's file."""
        return str(sweep_path(self.name))

    @property
    def batches(self) -> list[str]:
        """Return the numbers of its batches, as file names have them."""
        return batch_names(len(self.sets.ids), self.size)

    @property
    def outcome_files(self) -> list[str]:
        """Return what the files of its outcomes are called, in its order."""
        return list(map(file_of, self.settings.outcomes))

    def outcome_of(self, file: str) -> str:
        """Return the outcome of a file.

        Raises:
            InputError: the sweep has no such outcome.
        """
        by_file = dict(zip(self.outcome_files, self.settings.outcomes, strict=True))
        if file not in by_file:
            known = ", ".join(by_file)
            raise InputError(
                f"{self.source}: outcomes: has none whose file is {file}{near(file, by_file)}; it "
                f"has {known}"
            )
        return by_file[file]

    def science(self) -> dict[str, Any]:
        """Return what decides its numbers, files of one's own by their content."""
        return science(self.settings) | {"outcomes": outcome_digests(self.settings.outcomes)}

    def cut(self) -> dict[str, Any]:
        """Return what decides its plan besides: its sets, and how they are cut.

        A digest of the sets: Snakemake prints what has changed, and there may be many thousands.
        """
        settings = self.settings
        return {
            "sets": self.sets.digest,
            "batch_size": self.size,
            "pilot": settings.pilot,
            "largest": [settings.largest.simulations, settings.largest.hours],
        }


def read_asked(name: str) -> Asked:
    """Read a sweep.

    Raises:
        InputError: its file or its table is wrong, or it is larger than it says it may be.
    """
    path = sweep_path(name)
    sweep = read_sweep(path)
    refuse_bad_names(sweep.outcomes, str(path))
    outcome_digests(sweep.outcomes)
    if isinstance(sweep.parameters, Sampler):
        # Before they are made: a grid has soon more than a machine can hold.
        refuse_too_many(sweep, count_of(sweep.parameters), str(path))
    sets = parameter_sets(sweep.parameters, str(path))
    refuse_too_many(sweep, len(sets.ids), str(path))
    return Asked(name, sweep, sets, batch_size(sweep))


def refuse_other_years(asked: Asked, year: int) -> None:
    """Refuse a change that is over before the year that is simulated, or comes after it.

    It would change nothing, which would look like a policy that costs nothing.

    Raises:
        InputError: there is such a change.
    """
    for column in asked.sets.columns:
        if not touches(column, year):
            parameters = asked.settings.parameters
            source = parameters if isinstance(parameters, str) else asked.source
            raise InputError(
                f"{source}: column {column}: lies outside {year}, the run's year (`period` of the "
                "config); give dates that touch it, or none"
            )


def refuse_missing_replicates(
    asked: Asked, scopes: Mapping[str, str], replicated: Collection[str]
) -> None:
    """Refuse replicates of areas whose weights have none.

    Args:
        asked: the sweep.
        scopes: area to the scope of the fit that its weights come from.
        replicated: the scopes whose fits have replicates.

    Raises:
        InputError: there is such an area.
    """
    for area in asked.settings.areas if asked.settings.replicates else ():
        if scopes[area] not in replicated:
            raise InputError(
                f"{asked.source}: replicates: the weights of {area} have none; set "
                f"weights.{scopes[area]}.replicates of the run's config, or replicates to false"
            )


def refuse_unknown_areas(asked: Asked, areas: Collection[str]) -> None:
    """Refuse a sweep in an area that there is not.

    Args:
        asked: the sweep.
        areas: those of the table of areas.

    Raises:
        InputError: there is no such area.
    """
    for area in asked.settings.areas:
        if area not in areas:
            raise InputError(
                f"{asked.source}: areas: the table of areas has no '{area}'{near(area, areas)}; "
                "name one of its areas"
            )
