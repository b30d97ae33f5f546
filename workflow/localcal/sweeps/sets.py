"""Parameter sets: what a sweep changes, from a table or a sampler.

A set's id is made from what it changes and to which values, and from nothing else: not from where
it stands, in which order the columns are, how a number is written, or whether a table or a sampler
says it. A set that is there twice runs once.
"""

import csv
import datetime
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from localcal.engine.protocol import ParameterChange
from localcal.errors import InputError, one_line
from localcal.files.rows import NUMBER
from localcal.sweeps.settings import LARGEST, Sampler

# A column that is no parameter: what a set is called.
NAME = "name"
ID_BYTES = 16

# A parameter's path as the model writes it: names, keys of a table, and the numbers of brackets.
PATH = re.compile(r"[A-Za-z_]\w*(\.\w[\w-]*|\[\d+\])*")
DATES = re.compile(r"(?P<start>\d{4}-\d{2}-\d{2})?\.(?P<stop>\d{4}-\d{2}-\d{2})?")
WORDS = {"true": True, "false": False}

type Value = float | bool


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """What one simulation changes.

    Attributes:
        values: of the columns, in their order; numbers are floats.
        name: what the table calls it, '' if it does not.
        place: the words that say where it stands.
    """

    values: tuple[Value, ...]
    name: str
    place: str


@dataclass(frozen=True)
class ParameterSets:
    """All sets of a sweep, each once.

    Attributes:
        columns: parameters with their dates, sorted.
        sets: in the order of the table or the sampler.
        ids: of each set, hexadecimal.
        repeated: the words that say where a set stands that was there before, with those of the
            first.
    """

    columns: tuple[str, ...]
    sets: tuple[ParameterSet, ...]
    ids: tuple[str, ...]
    repeated: tuple[tuple[str, str], ...]

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the ids, in hexadecimal."""
        return hashlib.sha256("\n".join(self.ids).encode()).hexdigest()

    def changes(self, number: int, year: int) -> list[ParameterChange]:
        """Return what a set changes in a run of a year."""
        values = self.sets[number].values
        return [change(*each, year) for each in zip(self.columns, values, strict=True)]


def change(column: str, value: Value, year: int) -> ParameterChange:
    """Return what a column's value changes in a run of a year: without dates, from then on.

    Not the past: law that looks back, as New York's child credit to the federal one of 2017, would
    make a present value a reform.
    """
    start, stop = dates_of(column) or (f"{year}-01-01", "")
    return ParameterChange(column.partition("@")[0], start or None, stop or None, value)


def dates_of(column: str) -> tuple[str, str] | None:
    """Return the first and the last day of a column's change, '' for ever; None without dates."""
    _, dated, dates = column.partition("@")
    start, _, stop = dates.partition(".")
    return (start, stop) if dated else None


def touches(column: str, year: int) -> bool:
    """Say whether a column changes anything on a day of a year."""
    _, start, stop = _path_and_dates(column)
    return start <= f"{year}-12-31" and stop >= f"{year}-01-01"


def set_id(values: Mapping[str, Value]) -> str:
    """Return the id of a set: BLAKE2b of its canonical JSON."""
    text = json.dumps(dict(values), sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=ID_BYTES).hexdigest()


def parameter_sets(parameters: str | Sampler, source: str) -> ParameterSets:
    """Return the sets of a table or a sampler.

    Args:
        parameters: the path of a table, or a sampler.
        source: the sweep's file, which a sampler's complaints are about.

    Raises:
        InputError: the table is none, a column is no parameter or there twice, or a value is
            neither a number nor true or false, or of another kind than above it; or a bound's
            parameter is none.
    """
    if isinstance(parameters, Sampler):
        columns, sets = _sampled(parameters, source)
    else:
        columns, sets = _listed(Path(parameters))
    order = sorted(range(len(columns)), key=columns.__getitem__)
    names = tuple(columns[number] for number in order)
    first: dict[str, ParameterSet] = {}
    repeated = []
    for one in sets:
        values = tuple(one.values[number] for number in order)
        above = next(iter(first.values()), None)
        _refuse_mixed(names, values, one.place, above)
        own = set_id(dict(zip(names, values, strict=True)))
        if own in first:
            repeated.append((one.place, first[own].place))
        else:
            first[own] = ParameterSet(values, one.name, one.place)
    return ParameterSets(names, tuple(first.values()), tuple(first), tuple(repeated))


def _refuse_mixed(
    names: Sequence[str], values: Sequence[Value], place: str, above: ParameterSet | None
) -> None:
    """Refuse numbers where the first set has true or false, and the other way round."""
    for name, value, expected in zip(names, values, above.values if above else (), strict=False):
        if isinstance(value, bool) != isinstance(expected, bool):
            kind = "true or false" if isinstance(expected, bool) else "a number"
            assert above is not None  # or it had no values
            raise InputError(
                f"{place}, column {name}: expected {kind} as in {above.place}, found {value!r}; "
                "write all in one way"
            )


def _listed(path: Path) -> tuple[list[str], Iterator[ParameterSet]]:
    """Return the parameters of a table's columns, and its rows."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in _numbered(file) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else one_line(error)
        raise InputError(f"{path}: cannot be read as a table ({reason}); correct it") from error
    if len(rows) < 2:
        raise InputError(f"{path}: holds no parameter set; write one per row below the header")
    (line, header), *body = rows
    header = [text.strip() for text in header]
    columns = _columns(header, f"{path}: line {line}")
    return columns, _rows(path, header, body)


def _numbered(file: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    for row in reader:
        yield reader.line_num, row


def _rows(
    path: Path, header: Sequence[str], body: Sequence[tuple[int, list[str]]]
) -> Iterator[ParameterSet]:
    for line, row in body:
        place = f"{path}: line {line}"
        if len(row) != len(header):
            raise InputError(
                f"{place}: has {len(row)} fields, the first line {len(header)}; correct it"
            )
        values = tuple(
            _value(text.strip(), place, name)
            for name, text in zip(header, row, strict=True)
            if name != NAME
        )
        own = dict(zip(header, row, strict=True)).get(NAME, "").strip()
        yield ParameterSet(values, own, place)


def _value(text: str, place: str, column: str) -> Value:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    if not re.fullmatch(NUMBER, text) or abs(float(text)) > LARGEST:
        raise InputError(
            f"{place}, column {column}: expected a number, true or false, found {text!r}; correct "
            f"it, and write numbers without separators, none beyond {LARGEST:g}"
        )
    return canonical(float(text))


def canonical(number: float) -> float:
    """Return a number as ids have it: -0 is 0."""
    return float(number) + 0.0


def _columns(header: Sequence[str], place: str) -> list[str]:
    """Return what the columns are called, with dates as ids have them.

    Raises:
        InputError: one is no parameter, or there twice.
    """
    if header.count(NAME) > 1:
        raise InputError(f"{place}, column {NAME}: is there twice; take one out")
    columns = [_column(text, place) for text in header if text != NAME]
    if not columns:
        raise InputError(f"{place}: has no column with a parameter; name at least one")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(f"{place}, column {twice[0]}: is there twice; take one out")
    for one, other in itertools.pairwise(sorted(columns, key=_path_and_dates)):
        _refuse_overlap(one, other, place)
    return columns


def _path_and_dates(column: str) -> tuple[str, str, str]:
    """Return a column's parameter, and when its change begins and ends; '' and '~' for never."""
    start, stop = dates_of(column) or ("", "")
    return column.partition("@")[0], start, stop or "~"


def _refuse_overlap(one: str, other: str, place: str) -> None:
    """Refuse two changes of a parameter on the same day: which of them counts is not said.

    Raises:
        InputError: there are such.
    """
    (path, _, stop), (same, start, _) = map(_path_and_dates, (one, other))
    if path == same and start <= stop:
        raise InputError(
            f"{place}, column {other}: changes {path} on days on which column {one} changes it "
            "too; give them dates that do not overlap"
        )


def _column(text: str, place: str) -> str:
    path, at, dates = text.partition("@")
    if not PATH.fullmatch(path):
        raise InputError(
            f"{place}, column {text!r}: is no parameter of the model; write its path, as in "
            "gov.irs.credits.ctc.amount.base[0].amount"
        )
    if not at:
        return path
    found = DATES.fullmatch(dates)
    if found is None or dates == "." or not all(map(_is_date, filter(None, found.groups()))):
        raise InputError(
            f"{place}, column {text}: expected two dates after @, found {dates!r}; write them as "
            "in @2026-01-01.2026-12-31"
        )
    start, stop = found["start"] or "", found["stop"] or ""
    if start and stop and stop < start:
        raise InputError(f"{place}, column {text}: ends before it begins; exchange its dates")
    return f"{path}@{start}.{stop}"


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _sampled(sampler: Sampler, source: str) -> tuple[list[str], Iterator[ParameterSet]]:
    # By name, so that the order of the bounds changes no set.
    bounds = sorted(sampler.bounds.items())
    columns = _columns([name for name, _ in bounds], f"{source}: parameters.bounds")
    points = _grid(sampler) if sampler.sampler == "grid" else _spread(sampler)
    sets = (
        ParameterSet(tuple(map(canonical, point)), "", f"{source}: set {number}")
        for number, point in enumerate(points)
    )
    return columns, sets


def count_of(sampler: Sampler) -> int:
    """Return how many sets a sampler gives, without making them."""
    if sampler.sampler != "grid":
        assert sampler.n is not None  # its section refuses that
        return sampler.n
    return math.prod(
        sampler.n if sampler.n is not None and len(values) == 2 else len(set(values))
        for values in sampler.bounds.values()
    )


def _grid(sampler: Sampler) -> Iterator[tuple[float, ...]]:
    # scipy and numpy are for those who sample: the workflow is parsed by every job.
    import numpy as np

    steps = []
    for _, values in sorted(sampler.bounds.items()):
        if sampler.n is not None and len(values) == 2:
            steps.append(np.linspace(*values, num=sampler.n).tolist())
        else:
            steps.append(list(values))
    return itertools.product(*steps)


def _spread(sampler: Sampler) -> Iterator[tuple[float, ...]]:
    """Return points of a Latin hypercube or of a scrambled Sobol sequence, as scipy makes them."""
    import numpy as np
    from scipy.stats import qmc

    low, high = np.array([values for _, values in sorted(sampler.bounds.items())]).T
    kind = {"latin_hypercube": qmc.LatinHypercube, "sobol": qmc.Sobol}[sampler.sampler]
    engine = kind(d=low.size, rng=np.random.default_rng(sampler.seed))
    assert sampler.n is not None  # its section refuses that
    if sampler.sampler == "sobol":
        # Of any other number than a power of 2 scipy warns; the points are the first of these.
        points = engine.random_base2(math.ceil(math.log2(sampler.n)))[: sampler.n]
    else:
        points = engine.random(sampler.n)
    yield from map(tuple, qmc.scale(points, low, high).tolist())
