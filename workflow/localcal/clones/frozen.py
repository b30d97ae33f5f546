"""What is fixed once per run, so that no value depends on how the work is cut."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from localcal.clones.take_up import TakeUpRate
from localcal.files.hdf5 import create_h5, open_h5


@dataclass(frozen=True)
class Frozen:
    """What every chunk and every area file is given.

    Attributes:
        take_up: the take-up rates, empty when switched off.
        variables: model variable to its value by state FIPS code, (STATE_CODES,); zero for
            states without columns.
        entity: model variable to its entity.
        seed: the key of the take-up draws.
        later: model variable to its values by state in each of the years after the run's.
    """

    take_up: tuple[TakeUpRate, ...]
    variables: Mapping[str, np.ndarray]
    entity: Mapping[str, str]
    seed: int
    later: Mapping[str, Mapping[int, np.ndarray]] = field(default_factory=dict)


def write_frozen(path: str | Path, frozen: Frozen) -> None:
    """Write what is frozen to an HDF5 file."""
    with create_h5(path) as file:
        file.attrs["seed"] = frozen.seed
        take_up = file.create_group("take_up")
        for rate in frozen.take_up:
            dataset = take_up.create_dataset(rate.variable, data=rate.rate)
            dataset.attrs["entity"] = rate.entity
            dataset.attrs["reported"] = rate.reported
        variables = file.create_group("variables")
        for name, by_state in sorted(frozen.variables.items()):
            variables.create_dataset(name, data=by_state).attrs["entity"] = frozen.entity[name]
        later = file.create_group("later")
        for name, by_year in sorted(frozen.later.items()):
            for year, by_state in by_year.items():
                later.create_dataset(f"{name}/{year}", data=by_state)


def read_frozen(path: str | Path) -> Frozen:
    """Read what `write_frozen` wrote.

    Raises:
        InputError: the file is missing, truncated or something else.
    """
    with open_h5(path) as file:
        variables = file["variables"]
        return Frozen(
            take_up=tuple(
                TakeUpRate(name, rate.attrs["entity"], rate[:], rate.attrs["reported"])
                for name, rate in sorted(file["take_up"].items())
            ),
            variables={name: values[:] for name, values in variables.items()},
            entity={name: values.attrs["entity"] for name, values in variables.items()},
            seed=int(file.attrs["seed"]),
            later={
                name: {int(year): by_state[:] for year, by_state in by_year.items()}
                for name, by_year in file["later"].items()
            },
        )
