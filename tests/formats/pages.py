"""The tables of the pages on formats, and what a run's files differ from them in.

Reads `workflow/documentation/formats/*.md` and nothing of localcal.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq

PAGES = Path(__file__).parents[2] / "workflow" / "documentation" / "formats"

HEADING = re.compile(r"^## (`[^`]+`(?:, `[^`]+`)*)$")
EXTENDS = re.compile(r"^The columns of `([^`]+)`, and$")
PLACEHOLDER = re.compile(r"\{\w+\}")
HDF5_TYPES = {"int32": "<i4", "int64": "<i8", "float32": "<f4", "float64": "<f8"}
PARQUET_TYPES = {
    "int32": "int32",
    "int64": "int64",
    "float64": "double",
    "text": "string",
    "bool": "bool",
}
JSON_TYPES = {
    "text": str,
    "integer": int,
    "number": (int, float),
    "bool": bool,
    "null": type(None),
    "object": dict,
    "array": list,
}
CELLS = {
    "integer": re.compile(r"-?\d+"),
    "number": re.compile(r"-?(\d+(\.\d+)?([eE][+-]?\d+)?|inf)"),
    "bool": re.compile(r"True|False"),
    "text": re.compile(r".*", re.DOTALL),
}


@dataclass(frozen=True)
class Row:
    """One row of a table, for one name."""

    name: str
    types: tuple[str, ...]
    shape: str
    must: bool
    meaning: str


@dataclass
class Format:
    """What a page says of one kind of file, by the patterns of their names."""

    patterns: tuple[str, ...]
    page: str
    rows: list[Row] = field(default_factory=list)

    def matches(self, path: str) -> bool:
        """Say whether a path below a run's folder is such a file."""
        return any(regex(one, nested=True).fullmatch(path) for one in self.patterns)

    def literal(self, path: str) -> int:
        """Return how much of such a file's name a pattern says by itself."""
        matching = [one for one in self.patterns if regex(one, nested=True).fullmatch(path)]
        return max(len(PLACEHOLDER.sub("", one)) for one in matching)


def regex(pattern: str, nested: bool = False) -> re.Pattern:
    """Return what a name with placeholders stands for."""
    parts = PLACEHOLDER.split(pattern)
    # A record's name has its file's folders in it.
    some = ".+" if nested and pattern.startswith("made/") else "[^/@]+"
    return re.compile(some.join(map(re.escape, parts)))


@cache
def formats() -> tuple[Format, ...]:
    """Return what all pages say, in their order."""
    return tuple(one for page in sorted(PAGES.glob("*.md")) for one in _of_page(page))


def format_of(path: str) -> Format | None:
    """Return what is said of a file, by its path below the run's folder."""
    found = [one for one in formats() if one.matches(path)]
    return max(found, key=lambda one: one.literal(path), default=None)


def _of_page(page: Path) -> Iterator[Format]:
    found: list[Format] = []
    header: list[str] = []
    for line in page.read_text().splitlines():
        if line.startswith("## "):
            heading = HEADING.match(line)
            header = []
            if heading:
                found.append(Format(tuple(re.findall(r"`([^`]+)`", heading[1])), page.name))
        elif found and (extends := EXTENDS.match(line)):
            folder = found[-1].patterns[0].rpartition("/")[0]
            base = next(one for one in found if f"{folder}/{extends[1]}" in one.patterns)
            found[-1].rows.extend(base.rows)
        elif line.startswith("|") and found:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not header:
                header = cells
            elif not set(line) <= set("|- "):
                found[-1].rows.extend(_rows(page.name, dict(zip(header, cells, strict=True))))
    yield from found


def _rows(page: str, cells: Mapping[str, str]) -> Iterator[Row]:
    names = cells.get("name") or cells.get("key") or cells["column"]
    if cells["presence"] not in ("MUST", "MAY"):
        raise ValueError(f"{page}: {names}: presence is {cells['presence']!r}")
    for name in re.findall(r"`([^`]+)`", names):
        yield Row(
            name=name,
            types=tuple(cells["type"].split(" or ")),
            shape=cells.get("shape", ""),
            must=cells["presence"] == "MUST",
            meaning=cells["meaning"],
        )


def differences(path: Path, name: str) -> list[str]:
    """Return how a file differs from its page, one line each."""
    known = format_of(name)
    if known is None:
        return [f"{name}: no page has it"]
    kinds = {
        ".h5": _hdf5,
        ".json": _json,
        ".jsonl": _lines,
        ".csv": _csv,
        ".parquet": _parquet,
        ".npy": _nothing,
        ".html": _nothing,
    }
    return [f"{name}: {text} ({known.page})" for text in kinds[path.suffix](path, known.rows)]


def differences_in(run: Path, *folders: str) -> list[str]:
    """Return how the files of some of a run's folders differ from their pages."""
    paths = sorted(path for folder in folders for path in (run / folder).rglob("*"))
    files = (path for path in paths if path.is_file())
    return [text for path in files for text in differences(path, path.relative_to(run).as_posix())]


def _nothing(path: Path, rows: list[Row]) -> Iterator[str]:
    yield from ()


def _best(name: str, rows: list[Row]) -> Row | None:
    found = [row for row in rows if regex(row.name).fullmatch(name)]
    return min(found, key=lambda row: len(PLACEHOLDER.findall(row.name)), default=None)


# HDF5


def _hdf5(path: Path, rows: list[Row]) -> Iterator[str]:
    lengths: dict[str, int] = {}
    seen: set[str] = set()
    with h5py.File(path) as file:
        for name, value in everything(file, ""):
            row = _best(name, rows)
            if row is None:
                yield f"{name} is in no table"
                continue
            seen.add(row.name)
            yield from (f"{name}: {text}" for text in _wrong_array(row, value, lengths))
    yield from (f"lacks {row.name}" for row in rows if row.must and row.name not in seen)


def everything(group: h5py.Group, prefix: str) -> Iterator[tuple[str, object]]:
    """Yield every dataset and attribute, those of hard links as often as they are named."""
    for name, value in group.attrs.items():
        yield f"{prefix.rstrip('/')}@{name}", value
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            yield from everything(item, f"{prefix}{name}/")
            continue
        yield prefix + name, item
        for attribute, value in item.attrs.items():
            yield f"{prefix}{name}@{attribute}", value


def _wrong_array(row: Row, value, lengths: dict[str, int]) -> Iterator[str]:
    if not any(_is_of_type(kind, value) for kind in row.types):
        yield f"is of type {getattr(value, 'dtype', type(value).__name__)}, not {row.types}"
    shape = getattr(value, "shape", ())
    wanted = [] if row.shape == "scalar" else re.findall(r"[^\s,()]+", row.shape)
    if len(wanted) != len(shape):
        yield f"has the shape {shape}, not {row.shape}"
        return
    for symbol, length in zip(wanted, shape, strict=True):
        letter, _, more = symbol.partition("+")
        # Of each variable's own entity.
        if letter == "n" and PLACEHOLDER.search(row.name):
            continue
        base = (
            int(letter) if letter.isdigit() else lengths.setdefault(letter, length - int(more or 0))
        )
        if length != base + int(more or 0):
            yield f"has the shape {shape}, not {row.shape} with {letter} = {base}"


def _is_of_type(kind: str, value) -> bool:
    if kind == "text":
        return isinstance(value, str)
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return False
    if kind == "texts":
        return dtype.kind == "O" and all(isinstance(item, str) for item in value)
    if kind == "bytes":
        return dtype.kind == "S"
    return dtype == (np.dtype(bool) if kind == "bool" else np.dtype(HDF5_TYPES[kind]))


# JSON


def _json(path: Path, rows: list[Row]) -> Iterator[str]:
    yield from _wrong_object(json.loads(path.read_text()), rows)


def _lines(path: Path, rows: list[Row]) -> Iterator[str]:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        yield from (f"line {number}: {text}" for text in _wrong_object(json.loads(line), rows))


def _wrong_object(content, rows: list[Row]) -> Iterator[str]:
    steps = {row.name: tuple(_steps(row.name)) for row in rows}
    for where, value in _values(content, ()):
        found = [row for row in rows if _fits(steps[row.name], where)]
        if found:
            row = min(found, key=lambda row: len(PLACEHOLDER.findall(row.name)))
            if not any(_is_json(kind, value) for kind in row.types):
                yield f"{row.name} is {value!r:.60}, not {' or '.join(row.types)}"
        elif not any(_is_above(steps, row.name, where) for row in rows) and not any(
            _fits(own[: len(where)], where) for own in steps.values()
        ):
            yield f"{'.'.join(where)} is in no table"
    for row in rows:
        if row.must and _lacks(content, steps[row.name]):
            yield f"lacks {row.name}"


def _steps(name: str) -> Iterator[str]:
    for part in name.split("."):
        yield part.removesuffix("[]")
        if part.endswith("[]"):
            yield "[]"


def _values(value, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if where:
        yield where, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _values(item, (*where, key))
    elif isinstance(value, list):
        for item in value:
            yield from _values(item, (*where, "[]"))


def _fits(steps: tuple[str, ...], where: tuple[str, ...]) -> bool:
    return len(steps) == len(where) and all(
        step == part or PLACEHOLDER.fullmatch(step) and part != "[]"
        for step, part in zip(steps, where, strict=True)
    )


def _is_above(steps: Mapping[str, tuple[str, ...]], name: str, where: tuple[str, ...]) -> bool:
    """Say whether a row is of something that `where` is in and no table tells more about."""
    own = steps[name]
    inside = [
        other for other in steps.values() if len(other) > len(own) and other[: len(own)] == own
    ]
    return len(own) < len(where) and not inside and _fits(own, where[: len(own)])


def _is_json(kind: str, value) -> bool:
    if kind == "any":
        return True
    if kind.startswith("array of "):
        return isinstance(value, list) and all(_is_json(kind[9:], item) for item in value)
    is_number = kind in ("integer", "number")
    return isinstance(value, JSON_TYPES[kind]) and not (is_number and isinstance(value, bool))


def _lacks(value, steps: tuple[str, ...]) -> bool:
    if not steps:
        return False
    step, *rest = steps
    if step == "[]":
        return isinstance(value, list) and any(_lacks(item, tuple(rest)) for item in value)
    if not isinstance(value, dict):
        return True
    if PLACEHOLDER.fullmatch(step):
        return any(_lacks(item, tuple(rest)) for item in value.values())
    return step not in value or _lacks(value[step], tuple(rest))


# Tables


def _csv(path: Path, rows: list[Row]) -> Iterator[str]:
    with path.open(newline="") as file:
        header, *lines = csv.reader(file)
    yield from _wrong_columns(header, rows)
    for row in rows:
        if row.name not in header:
            continue
        place = header.index(row.name)
        for line in lines:
            cell = line[place]
            if cell == "" and row.types != ("text",) and "empty" not in row.meaning:
                yield f"{row.name} is empty"
            if cell and not any(CELLS[kind].fullmatch(cell) for kind in row.types):
                yield f"{row.name} is {cell!r}, not {' or '.join(row.types)}"


def _parquet(path: Path, rows: list[Row]) -> Iterator[str]:
    schema = pq.read_schema(path)
    yield from _wrong_columns(schema.names, rows)
    for column in schema:
        row = _best(column.name, rows)
        if row and str(column.type) not in [PARQUET_TYPES[kind] for kind in row.types]:
            yield f"{column.name} is {column.type}, not {' or '.join(row.types)}"


def _wrong_columns(found: list[str], rows: list[Row]) -> Iterator[str]:
    yield from (f"column {name} is in no table" for name in found if not _best(name, rows))
    for row in rows:
        if row.must and not any(regex(row.name).fullmatch(name) for name in found):
            yield f"lacks the column {row.name}"
