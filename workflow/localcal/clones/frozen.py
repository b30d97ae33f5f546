"""What is fixed once per run, so that no value depends on how the work is cut."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from localcal.clones.take_up import TakeUpRate, in_words
from localcal.database.constraints import constraints_in
from localcal.files.hdf5 import create_h5, open_h5
from localcal.timing import WRITE, phase

# Model variable to its values by state, (STATE_CODES,), in each of the years after the run's.
Later = Mapping[str, Mapping[int, np.ndarray]]


@dataclass(frozen=True)
class Frozen:
    """What every chunk and every area file is given.

    Attributes:
        take_up: the take-up rates, empty when switched off.
        variables: model variable to its value by state FIPS code, (STATE_CODES,); zero for
            states without columns.
        entity: model variable to its entity.
        seed: the key of the take-up draws.
        later: what the variables come to in later years; only area files are given these.
    """

    take_up: tuple[TakeUpRate, ...]
    variables: Mapping[str, np.ndarray]
    entity: Mapping[str, str]
    seed: int
    later: Later = field(default_factory=dict)


@phase(WRITE)
def write_frozen(path: str | Path, frozen: Frozen) -> None:
    """Write what is frozen to an HDF5 file."""
    with create_h5(path) as file:
        file.attrs["seed"] = frozen.seed
        take_up = file.create_group("take_up")
        for rate in frozen.take_up:
            of_variable = take_up.require_group(rate.variable)
            of_base = of_variable.create_group(f"{len(of_variable):06d}")
            of_base.create_dataset("rate", data=rate.rate)
            of_base.create_dataset("members", data=rate.members)
            of_base.attrs["entity"] = rate.entity
            of_base.attrs["reported"] = rate.reported
            of_base.attrs["base"] = in_words(rate.base)
        file.attrs["variables"] = sorted(frozen.variables)
        variables = file.create_group("variables")
        for name, by_state in sorted(frozen.variables.items()):
            variables.create_dataset(name, data=by_state).attrs["entity"] = frozen.entity[name]


@phase(WRITE)
def write_later(path: str | Path, later: Later) -> None:
    """Write what frozen variables come to in later years to an HDF5 file."""
    with create_h5(path) as file:
        file.attrs["values"] = [f"{name}/{year}" for name in sorted(later) for year in later[name]]
        for name, by_year in sorted(later.items()):
            for year, by_state in by_year.items():
                file.create_dataset(f"{name}/{year}", data=by_state)


def read_frozen(path: str | Path, later: str | Path | None = None) -> Frozen:
    """Read what `write_frozen` wrote.

    Args:
        path: its file.
        later: that of `write_later`, if later years are wanted.

    Raises:
        InputError: a file is missing, truncated or something else.
    """
    with open_h5(path) as file:
        variables = {name: file[f"variables/{name}"] for name in file.attrs["variables"]}
        return Frozen(
            take_up=tuple(
                TakeUpRate(
                    name,
                    of_base.attrs["entity"],
                    of_base["rate"][:],
                    of_base.attrs["reported"],
                    constraints_in(f"{path}: {name}", of_base.attrs["base"]),
                    of_base["members"][:],
                )
                for name, of_variable in sorted(file["take_up"].items())
                for _, of_base in sorted(of_variable.items())
            ),
            variables={name: values[:] for name, values in variables.items()},
            entity={name: values.attrs["entity"] for name, values in variables.items()},
            seed=int(file.attrs["seed"]),
            later={} if later is None else _read_later(later),
        )


def _read_later(path: str | Path) -> Later:
    found: dict[str, dict[int, np.ndarray]] = {}
    with open_h5(path) as file:
        for value in file.attrs["values"]:
            name, year = value.split("/")
            found.setdefault(name, {})[int(year)] = file[value][:]
    return found
