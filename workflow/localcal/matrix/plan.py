"""Which columns each chunk covers, and what the chunks are made from."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py

from localcal.errors import InputError
from localcal.files.atomic import sha256_file, write_json


@dataclass(frozen=True)
class Plan:
    """The cut of the columns into chunks.

    Attributes:
        n_columns: columns of the matrix.
        chunk_columns: columns per chunk; the last chunk may be shorter.
        digests: what is read (population, geography, frozen, targets) to the file's SHA-256.
        calculated: the model variables that every chunk calculates.
    """

    n_columns: int
    chunk_columns: int
    digests: dict[str, str]
    calculated: list[str]

    @property
    def n_chunks(self) -> int:
        """Return the number of chunks."""
        return -(-self.n_columns // self.chunk_columns)

    def columns(self, chunk: int) -> tuple[int, int]:
        """Return the first column of a chunk and the one after its last."""
        start = chunk * self.chunk_columns
        return start, min(start + self.chunk_columns, self.n_columns)

    def check_inputs(self, paths: dict[str, Path]) -> None:
        """Refuse inputs that are not the ones the plan was made for.

        Raises:
            InputError: a file differs.
        """
        for name, path in paths.items():
            if sha256_file(path) != self.digests[name]:
                raise InputError(
                    f"{path}: is not the file the plan was made for; remove matrix/plan.json and "
                    "run the same command again"
                )


def write_plan(
    path: Path,
    inputs: dict[str, Path],
    n_columns: int,
    chunk_columns: int,
    calculated: Collection[str] = (),
) -> None:
    """Write the plan for a run.

    Args:
        path: the file to write.
        inputs: population, geography, frozen and targets to their files.
        n_columns: households x clones, from the config.
        chunk_columns: columns per chunk.
        calculated: the model variables that targets need, so that loaded models get ready for them.

    Raises:
        InputError: the geography has another number of columns.
    """
    with h5py.File(inputs["geography"], "r") as file:
        found = file["household"].shape[0]
    if found != n_columns:
        raise InputError(
            f"{inputs['geography']}: has {found} columns, the config asks for {n_columns} "
            "(population.households x geography.clones)"
        )
    plan = Plan(
        n_columns=n_columns,
        chunk_columns=chunk_columns,
        digests={name: sha256_file(file) for name, file in inputs.items()},
        calculated=sorted(calculated),
    )
    write_json(path, asdict(plan))


def read_plan(path: Path) -> Plan:
    """Read what `write_plan` wrote.

    Raises:
        InputError: the file is missing or not a plan.
    """
    try:
        return Plan(**json.loads(Path(path).read_text()))
    except (OSError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: missing or not a plan; remove it and run again") from error
