"""Which columns each chunk covers, and what the chunks are made from."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import write_json
from localcal.files.documents import read_json
from localcal.files.hdf5 import open_h5
from localcal.files.origins import record


@dataclass(frozen=True)
class MatrixInputs:
    """The files that every shard of the matrix is made from."""

    population: Path
    geography: Path
    frozen: Path
    targets: Path

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each file, by name."""
        return record(vars(self))


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

    def about(self, chunk: int, start: int, stop: int, engine: str) -> dict[str, str | int]:
        """Return what the shard of a chunk's columns, or of some of them, says about itself.

        Args:
            chunk: its number.
            start: the first column.
            stop: the one after the last.
            engine: the model's version.
        """
        columns = {"chunk": chunk, "column_start": start, "column_stop": stop}
        return {**self.digests, **columns, "engine": engine}


def write_plan(
    path: Path,
    inputs: MatrixInputs,
    n_columns: int,
    chunk_columns: int,
    calculated: Collection[str] = (),
) -> None:
    """Write the plan for a run.

    Args:
        path: the file to write.
        inputs: what the matrix is made from.
        n_columns: households x clones, from the config.
        chunk_columns: columns per chunk.
        calculated: the model variables that targets need, so that loaded models get ready for them.

    Raises:
        InputError: the geography has another number of columns.
    """
    with open_h5(inputs.geography) as file:
        found = file["household"].shape[0]
    if found != n_columns:
        raise InputError(
            f"{inputs.geography}: has {found} columns, the config asks for {n_columns} "
            "(population.households x geography.clones); make it again"
        )
    plan = Plan(
        n_columns=n_columns,
        chunk_columns=chunk_columns,
        digests=inputs.digests(),
        calculated=sorted(calculated),
    )
    write_json(path, asdict(plan))


def read_plan(path: Path) -> Plan:
    """Read what `write_plan` wrote.

    Raises:
        InputError: the file is missing or not a plan.
    """
    names = [item.name for item in fields(Plan)]
    content = read_json(path, names)
    plan = Plan(**{name: content[name] for name in names})
    counts = (plan.n_columns, plan.chunk_columns)
    if not all(isinstance(count, int) and count > 0 for count in counts) or not (
        isinstance(plan.digests, dict) and isinstance(plan.calculated, list)
    ):
        raise InputError(f"{path}: damaged, not a plan; {REMAKE}")
    return plan
