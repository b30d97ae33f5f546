"""What may happen to a file: cut short, emptied, or robbed of one of its parts."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq

Damage = tuple[str, Callable[[], None]]


def damages(path: Path) -> Iterator[Damage]:
    """Yield names of damages with functions that do them to a whole file at `path`."""
    content = path.read_bytes()
    yield "cut to half", lambda: path.write_bytes(content[: len(content) // 2]) and None
    yield "cut to nothing", lambda: path.write_bytes(b"") and None
    yield from BY_KIND[path.suffix](path)


def _h5(path: Path) -> Iterator[Damage]:
    with h5py.File(path) as file:
        found: list[tuple[str, str | None]] = [("/", name) for name in file.attrs]

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            found.extend((name, attribute) for attribute in item.attrs)
            if isinstance(item, h5py.Dataset):
                found.append((name, None))

        file.visititems(visit)
    for place, attribute in found:
        yield (
            f"without {place}"
            if attribute is None
            else f"without the attribute {attribute} of {place}",
            lambda place=place, attribute=attribute: _rob_h5(path, place, attribute),
        )


def _rob_h5(path: Path, place: str, attribute: str | None) -> None:
    with h5py.File(path, "r+") as file:
        if attribute is None:
            del file[place]
        else:
            del file[place].attrs[attribute]


def _json(path: Path) -> Iterator[Damage]:
    content = json.loads(path.read_text())
    for key in content:
        rest = {name: value for name, value in content.items() if name != key}
        yield f"without {key}", lambda rest=rest: path.write_text(json.dumps(rest)) and None
    yield from _foreign_byte(path)


def _jsonl(path: Path) -> Iterator[Damage]:
    *before, last = path.read_text().splitlines()
    entry = json.loads(last)
    for key in entry:
        rest = json.dumps({name: value for name, value in entry.items() if name != key})
        text = "\n".join([*before, rest]) + "\n"
        yield f"without {key}", lambda text=text: path.write_text(text) and None
    for key in entry.get("changes", [{}])[0]:
        fewer = json.loads(last)
        del fewer["changes"][0][key]
        text = "\n".join([*before, json.dumps(fewer)]) + "\n"
        yield f"without {key} of a change", lambda text=text: path.write_text(text) and None
    yield from _foreign_byte(path)


def _csv(path: Path) -> Iterator[Damage]:
    text = path.read_text()
    rows = list(csv.reader(io.StringIO(text)))
    for column, name in enumerate(rows[0]):
        fewer = [[*row[:column], *row[column + 1 :]] for row in rows]
        yield f"without the column {name}", lambda fewer=fewer: _write_rows(path, fewer)
    lines = text.splitlines(keepends=True)
    for number, kept in (("the last", lines), ("a", lines[: len(lines) // 2 + 1])):
        whole = "".join(kept)
        start = len(whole) - len(kept[-1])
        for cut in sorted({start + (len(whole) - start) * part // 8 for part in range(1, 8)}):
            shorter = whole[:cut]
            yield (
                f"cut inside {number} line, {cut - start} characters into it",
                lambda shorter=shorter: path.write_text(shorter) and None,
            )
        yield (
            f"cut before the last sign of {number} line",
            lambda whole=whole: path.write_text(whole[:-2]) and None,
        )
    yield "cut to its first line", lambda: path.write_text(lines[0]) and None
    yield from _foreign_byte(path)


def _write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _foreign_byte(path: Path) -> Iterator[Damage]:
    content = path.read_bytes()
    middle = len(content) // 2
    yield (
        "with a byte that is no text",
        lambda: path.write_bytes(content[:middle] + b"\xff" + content[middle + 1 :]) and None,
    )


def _parquet(path: Path) -> Iterator[Damage]:
    table = pq.read_table(path)
    for name in table.column_names:
        yield (
            f"without the column {name}",
            lambda name=name: pq.write_table(table.drop_columns([name]), path),
        )


def _npy(path: Path) -> Iterator[Damage]:
    array = np.load(path)
    yield "without its last number", lambda: np.save(path, array[:-1])
    yield "of another type", lambda: np.save(path, array.astype("<f8"))


def _npz(path: Path) -> Iterator[Damage]:
    with np.load(path) as file:
        content = dict(file.items())
    for name in content:
        rest = {key: array for key, array in content.items() if key != name}
        yield f"without {name}", lambda rest=rest: np.savez(path, **rest)
    about = json.loads(str(content["about"]))
    for key in about:
        rest = content | {"about": json.dumps({k: v for k, v in about.items() if k != key})}
        yield f"without {key} in about", lambda rest=rest: np.savez(path, **rest)


def _db(path: Path) -> Iterator[Damage]:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = [name for (name,) in tables]
    for name in names:
        yield f"without the table {name}", lambda name=name: _drop_table(path, name)


def _drop_table(path: Path, name: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"DROP TABLE {name}")


BY_KIND: dict[str, Callable[[Path], Iterator[Damage]]] = {
    ".h5": _h5,
    ".json": _json,
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
    ".npy": _npy,
    ".npz": _npz,
    ".db": _db,
}
