"""A population given as flat tables: a folder with one CSV or Parquet file per entity.

Columns are ids, links and variables as in PolicyEngine's datasets. What is wrong with a cell is
said here, where its file and line are known; what becomes of the whole is checked as of any other
dataset.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.engine.protocol import Variable
from localcal.errors import InputError, near, one_of
from localcal.files.folders import FILES_IN, TABLE_ENDINGS, TABLES, files_in
from localcal.files.table import Table
from localcal.microdata.kinds import LARGEST_FLOAT, LARGEST_INT, as_kind
from localcal.population.dataset import find, id_names
from localcal.population.entity_tables import EntityTables
from localcal.population.ids import NOBODY
from localcal.population.population import GROUPS, PERSON, REFERENCES

HOUSEHOLD = "household"
WEIGHT = "household_weight"

# A column of whole numbers with an empty cell is written with decimals by some.
WHOLE_NUMBER = r"-?[0-9]{1,18}(?:\.0*)?"
TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def read_tables(
    folder: str | Path, period: int, variables: Mapping[str, Variable], left: Collection[str]
) -> EntityTables:
    """Read the tables of a folder.

    An entity other than persons and households needs no file: its units are then those that the
    persons' link names.

    Args:
        folder: what holds `person.csv` or `person.parquet`, and so on.
        period: the year, which the tables do not say.
        variables: the model's.
        left: the columns that nobody will look at, and whose cells may be anything.

    Raises:
        InputError: a file, a column or a link is missing or there twice, or a cell is not what its
            column needs; names file, line and column.
    """
    tables = {entity: _table(path) for entity, path in _paths(folder).items()}
    table = _table_of(tables)
    arrays: dict[str, np.ndarray] = {}
    for name, entity in table.items():
        if name in variables and name not in left and name not in id_names():
            arrays[name] = _values(tables[entity], variables[name])
        else:
            arrays[name] = tables[entity].cells(name)
    arrays |= _linked(tables)
    _check_weights(tables[HOUSEHOLD], arrays)
    return EntityTables(arrays, table, period)


def _paths(folder: str | Path) -> dict[str, Path]:
    """Return the file of each entity that has one.

    Raises:
        InputError: an entity has two, persons or households none, or there is another table.
    """
    try:
        found = files_in(folder, "tables")
        everything = sorted(Path(folder).iterdir())
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; correct population.path") from error
    for path in everything:
        name = path.name.lower()
        is_table = name.endswith((*TABLE_ENDINGS, ".csv.gz")) or name.split(".")[0] in TABLES
        if is_table and not name.startswith(".") and path not in found:
            raise InputError(
                f"{path}: is no entity's table{near(path.name, FILES_IN['tables'])}; rename it to "
                f"one of {', '.join(FILES_IN['tables'])}, or move it elsewhere"
            )
    paths: dict[str, Path] = {}
    for path in found:
        if path.stem in paths:
            raise InputError(
                f"{folder}: has both {paths[path.stem].name} and {path.name}; keep one"
            )
        paths[path.stem] = path
    for entity in (PERSON, HOUSEHOLD):
        if entity not in paths:
            raise InputError(f"{folder}: has neither {entity}.csv nor {entity}.parquet; add one")
    return {entity: paths[entity] for entity in TABLES if entity in paths}


def _table(path: Path) -> Table:
    table = Table(path)
    names = table.names
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: has the column '{name}' twice; keep one")
    for delimiter in (";", "\t", "|"):
        if len(names) == 1 and delimiter in names[0]:
            raise InputError(
                f"{path}: line 1 separates columns by {delimiter!r}; separate them by commas"
            )
    return table


def _table_of(tables: Mapping[str, Table]) -> dict[str, str]:
    """Return the entity in whose table each column is."""
    found: dict[str, str] = {}
    for entity, table in tables.items():
        for name in table.names:
            if name in found:
                raise InputError(
                    f"{table.path}: has the column '{name}', which {tables[found[name]].path} has "
                    "too; keep one"
                )
            found[name] = entity
    return found


def _values(table: Table, variable: Variable) -> np.ndarray:
    """Return a variable's column as values that `as_kind` takes."""
    cells = table.cells(variable.name)
    if table.is_parquet:
        return as_kind(str(table.path), variable, cells)
    if variable.kind == "text":
        return cells.astype(np.str_)
    if variable.kind == "enum":
        return _members(table, variable, cells)
    if variable.kind == "bool":
        texts = pd.Series(cells).str.lower()
        table.refuse_cells(variable.name, ~texts.isin(TRUTHS.keys()).to_numpy(), "true or false")
        return texts.map(TRUTHS).to_numpy(bool)
    is_whole = variable.kind == "int"
    need = "a whole number" if is_whole else "a number"
    numbers = table.numbers(variable.name, need)
    largest = LARGEST_INT if is_whole else LARGEST_FLOAT
    table.refuse_cells(variable.name, ~(np.abs(numbers) <= largest), f"{need} of that size")
    if not is_whole:
        return numbers.astype(np.float32)
    table.refuse_cells(variable.name, numbers != np.floor(numbers), need)
    return numbers


def _members(table: Table, variable: Variable, cells: np.ndarray) -> np.ndarray:
    """Return an enum's cells as names or, where all are numbers, as codes."""
    if _match(cells, "[0-9]{1,9}").all():
        codes = cells.astype(np.str_).astype(np.int64)
        last = len(variable.members) - 1
        need = f"one of the codes 0 ({variable.members[0]}) to {last} ({variable.members[last]})"
        table.refuse_cells(variable.name, codes > last, need)
        return codes
    wrong = ~np.isin(cells.astype(np.str_), variable.members)
    word = str(cells[np.argmax(wrong)])
    table.refuse_cells(variable.name, wrong, one_of(word, variable.members))
    return cells.astype(np.str_)


def _match(cells: np.ndarray, pattern: str) -> np.ndarray:
    return pd.Series(cells, dtype=object).str.fullmatch(pattern).to_numpy(bool)


def _linked(tables: Mapping[str, Table]) -> dict[str, np.ndarray]:
    """Return ids, links and references, once they are known to fit together.

    Whole numbers come back as such, other ids as text.
    """
    persons = tables[PERSON]
    arrays: dict[str, np.ndarray] = {}
    for entity in TABLES:
        columns = _columns_about(entity, tables)
        texts = {name: _id_texts(table, name) for name, table in columns.items()}
        own = f"{entity}_id"
        if own in columns:
            _refuse_repeated(columns[own], own, texts[own])
        link = f"{PERSON}_{entity}_id"
        if entity != PERSON and own not in columns:
            # In the order in which persons name them.
            texts[own] = np.array(pd.unique(texts[link]), dtype=np.str_)
        for name, values in texts.items():
            lost = ~np.isin(values, texts[own])
            if name in REFERENCES:
                lost &= ~np.isin(values, NOBODY)
            if name != own:
                listed = tables[entity].path if entity in tables else persons.path
                persons.refuse_cells(name, lost, f"a {own} in {listed}")
        if entity != PERSON and own in columns:
            empty = ~np.isin(texts[own], texts[link])
            columns[own].refuse_cells(own, empty, f"the {link} of anybody in {persons.path}")
        is_numeric = all(_match(values, f"{WHOLE_NUMBER}|").all() for values in texts.values())
        arrays |= {n: _whole(values) if is_numeric else values for n, values in texts.items()}
    _refuse_torn(tables, arrays)
    return arrays


def _columns_about(entity: str, tables: Mapping[str, Table]) -> dict[str, Table]:
    """Return the tables of the columns that hold an entity's ids, its own first.

    Raises:
        InputError: one that has to be there is not.
    """
    columns = {}
    if entity in tables:
        columns[f"{entity}_id"] = tables[entity]
    if entity != PERSON:
        columns[f"{PERSON}_{entity}_id"] = tables[PERSON]
    for name, table in columns.items():
        if name not in table.names:
            whose = "each row is" if name == f"{entity}_id" else "each person belongs to"
            raise InputError(
                f"{table.path}: has no column '{name}', which says which {entity} {whose}"
                f"{near(name, table.names)}; add it"
            )
    references = [name for name, of in REFERENCES.items() if of == entity]
    return columns | {n: tables[PERSON] for n in references if n in tables[PERSON].names}


def _id_texts(table: Table, name: str) -> np.ndarray:
    """Return ids as text, whole numbers without decimals."""
    cells = pd.Series(table.cells(name), dtype=object)
    cells = cells.where(cells.notna(), "").map(lambda cell: _decoded(cell).strip())
    whole = _match(cells.to_numpy(), WHOLE_NUMBER)
    cells[whole] = [str(int(cell.partition(".")[0])) for cell in cells[whole]]
    if name not in REFERENCES:
        table.refuse_cells(name, (cells == "").to_numpy(), "an id")
    return cells.to_numpy().astype(np.str_)


def _decoded(cell: object) -> str:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)


def _refuse_repeated(table: Table, name: str, texts: np.ndarray) -> None:
    repeated = pd.Series(texts).duplicated().to_numpy()
    table.refuse_rows(repeated, f"has a {name} that a row above it has")


def _whole(texts: np.ndarray) -> np.ndarray:
    return np.where(texts == "", "0", texts).astype(np.int64)


def _refuse_torn(tables: Mapping[str, Table], arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse units with members in several households, and references into another one."""
    own = arrays[f"{PERSON}_household_id"]
    for group in GROUPS:
        link = arrays[f"{PERSON}_{group}_id"]
        theirs = pd.Series(own).groupby(link).transform("first").to_numpy()
        _refuse_elsewhere(tables[PERSON], f"{PERSON}_{group}_id", own, theirs)
    for name, entity in REFERENCES.items():
        if name in arrays:
            members = arrays["person_id" if entity == PERSON else f"{PERSON}_{entity}_id"]
            position = find(members, arrays[name])
            somebody = (position >= 0) & ~np.isin(arrays[name].astype(np.str_), NOBODY)
            theirs = np.where(somebody, own[position], own)
            _refuse_elsewhere(tables[PERSON], name, own, theirs)


def _refuse_elsewhere(table: Table, name: str, own: np.ndarray, theirs: np.ndarray) -> None:
    """Refuse the first person whose unit, or whom they point to, is in another household."""
    if (own != theirs).any():
        row = int(np.argmax(own != theirs))
        raise InputError(
            f"{table.row_name(row)} has the {name} {table.cells(name)[row]}, which household "
            f"{theirs[row]} has, and is in household {own[row]}; correct one"
        )


def _check_weights(table: Table, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse weights that are missing, negative or all zero."""
    if WEIGHT not in table.names:
        raise InputError(
            f"{table.path}: has no column '{WEIGHT}'{near(WEIGHT, table.names)}; add it"
        )
    weights = arrays[WEIGHT]
    if weights.dtype.kind in "iuf":
        table.refuse_cells(WEIGHT, weights < 0, "a weight of 0 or more")
        if not weights.any():
            raise InputError(f"{table.path}: {WEIGHT} is 0 in every row; give weights")
