"""What is right and wrong in a target database, as a table.

Of a database that is built here, everything is known that should be in it, so what is wrong with
its structure ends the run. A database that somebody gives may hold less, and what the run uses of
it is refused where targets are resolved: only what no database may be ends the run. Levels that
disagree never do; they are harmonized, and here it says by how much they disagree.
"""

import csv
import functools
import json
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from localcal.database.constraints import (
    GEOGRAPHY_VARIABLES,
    Constraint,
    check_child,
    check_constraints,
    meaning,
    split_geography,
)
from localcal.database.levels import FAMILY, GRADES, compare_levels
from localcal.database.reader import (
    STRATUM_COLUMNS,
    TABLES,
    columns_of,
    open_database,
    read_constraints,
    rows_of,
    unknown_columns,
)
from localcal.database.schema import COUNTS, definition_hash
from localcal.errors import InputError, near
from localcal.files.atomic import atomic_path
from localcal.files.rows import read_rows
from localcal.geography.codes import DISTRICTS, STATES, TARGET_LEVELS

logger = logging.getLogger(__name__)

Verdict = Literal["ok", "note", "failed"]

# Up to the first, a level and the sum of its parts agree; from the second on, one must be wrong.
AGREE_BELOW = GRADES[0][0]
DISAGREE_FROM = GRADES[-2][0]
# Checks of which a failure ends the run, if the database was built here and if it was given.
STOPS_BUILT = frozenset(
    {"areas", "constraints", "hashes", "parents", "sources", "tables", "territories", "values"}
    | {"variables"}
)
STOPS_GIVEN = frozenset({"parents exist", "territories"})
# How many areas a level has; the nation is one.
PARTS = {"state": len(STATES), "district": DISTRICTS}
# A message names so many of them, the log so many; the others are in the table.
NAMED = 3
LOGGED = 100


class Finding(NamedTuple):
    """One row of the table."""

    check: str
    """What was checked."""
    level: str
    """nation, state or district; empty where it is about no level."""
    area: str
    """US, FIPS code or state * 100 + district; empty where it is about no area."""
    name: str
    """The stratum, target, source or table."""
    found: object
    """What the database has."""
    expected: object
    """What it should have; empty where nothing is known."""
    threshold: float | str
    """Relative difference from which on the verdict is what it is; empty where none is allowed."""
    verdict: Verdict
    """ok, note (worth a look) or failed."""
    stops: int
    """1 where it ends the run, else 0."""
    detail: str
    """What it means."""


class _Target(NamedTuple):
    """A row of the table targets, as it is."""

    target_id: Any
    variable: Any
    period: Any
    stratum_id: Any
    reform_id: Any
    value: Any
    active: Any
    tolerance: Any
    source: Any


class _Place(NamedTuple):
    """What a stratum says: a place, and who counts there."""

    level: str
    area: str
    rest: tuple[Constraint, ...]


@dataclass(frozen=True)
class _Contents:
    """Everything that a database says."""

    path: Path
    strata: dict[int, tuple[Any, Any]]
    """Hash and parent of each stratum."""
    constraints: dict[int, tuple[Constraint, ...]]
    """Of each stratum; empty for those without."""
    targets: list[_Target]
    unknown: list[str]
    """Columns that are not known, as `table.column`."""
    lacking: list[str]
    """Tables and columns that databases of today have, and this one has not."""

    @functools.cached_property
    def active(self) -> list[_Target]:
        """The targets in use whose stratum says where they belong."""
        return [row for row in self.targets if row.active == 1 and row.stratum_id in self.places]

    @functools.cached_property
    def places(self) -> dict[int, _Place]:
        """What the strata say whose constraints make sense."""
        found = {}
        for stratum, constraints in self.constraints.items():
            try:
                found[stratum] = _Place(*split_geography("", constraints))
            except InputError:  # `_constraints` says what is wrong with it
                continue
        return found

    def named(self, target: _Target) -> str:
        """Return what a target is called in the table."""
        conditions = ",".join(map(str, self.places[target.stratum_id].rest))
        reform = f" (reform {target.reform_id})" if target.reform_id else ""
        return f"{target.variable}{f'[{conditions}]' if conditions else ''}{reform}"


def validate_database(
    database: Path,
    variables: Collection[str],
    is_built: bool,
    tables: Mapping[str, Path],
    checks: Path,
    refused: Path,
) -> None:
    """Check a target database and write what was found.

    Args:
        database: the target database.
        variables: names of the model's variables.
        is_built: whether it was built here, from figures of which everything is known.
        tables: the tables of figures it was built from, by name, as far as they are at hand.
        checks: the table to write, columns those of `Finding`.
        refused: where the table goes instead if something ends the run: what a failed job makes
            does not stay.

    Raises:
        InputError: something ends the run; or the file is missing or no target database.
    """
    found = list(check_database(database, variables, is_built, tables))
    fatal = [finding for finding in found if finding.stops]
    refused.unlink(missing_ok=True)
    _write(found, refused if fatal else checks)
    counts = Counter(finding.verdict for finding in found)
    logger.info("%s: %s", database, ", ".join(f"{counts[name]} {name}" for name in sorted(counts)))
    # The table stays where the job ran, the log comes back.
    for finding in fatal[:LOGGED]:
        logger.warning("%s", _in_words(finding))
    if fatal:
        shown = "; ".join(map(_in_words, fatal[:NAMED]))
        more = f" and {len(fatal) - NAMED} more" if len(fatal) > NAMED else ""
        raise InputError(
            f"{database}: {shown}{more}; see {refused}, correct what the database is made from "
            "and make it again"
        )


def check_database(
    database: Path, variables: Collection[str], is_built: bool, tables: Mapping[str, Path]
) -> Iterator[Finding]:
    """Yield what was found, check by check; one finding at least of each.

    The arguments are those of `validate_database`.

    Raises:
        InputError: the file is missing or no target database.
    """
    contents = _read(database)
    fatal = STOPS_BUILT | STOPS_GIVEN if is_built else STOPS_GIVEN
    checks = {
        "schema": _schema(contents),
        "hashes": _hashes(contents),
        "parents exist": _parents_exist(contents),
        "parents": _parents(contents),
        "constraints": _constraints(contents),
        "variables": _variables(contents, frozenset(variables)),
        "areas": _areas(contents),
        "territories": _territories(contents),
        "coverage": _coverage(contents),
        "values": _values(contents),
        "zeros": _zeros(contents),
        "periods": _periods(contents),
        "duplicates": _duplicates(contents),
        "sources": _sources(contents),
        "tables": _tables(contents, tables),
        "tax expenditures": _tax_expenditures(contents),
        "levels": _levels(contents),
    }
    for check, findings in checks.items():
        rows = [finding._replace(check=check) for finding in findings]
        yield from (
            row._replace(stops=int(row.verdict == "failed" and check in fatal)) for row in rows
        )
        if not rows:
            yield _finding("ok", detail="nothing found")._replace(check=check)


def _read(path: Path) -> _Contents:
    with open_database(path) as connection:
        rows = rows_of(connection, "strata", STRATUM_COLUMNS)
        strata = {stratum: (digest, parent) for stratum, digest, parent in rows}
        known = read_constraints(path, connection)
        targets = [_Target(*row) for row in rows_of(connection, "targets")]
        lacking = [
            f"{name}.{column}"
            for name, columns in (*TABLES.items(), ("strata", STRATUM_COLUMNS))
            for column in columns
            if column not in columns_of(connection, name)
        ]
        if not columns_of(connection, "field_valid_values"):
            lacking.append("field_valid_values")
        unknown = unknown_columns(connection)
    constraints = {stratum: tuple(known.get(stratum, ())) for stratum in strata}
    return _Contents(path, strata, constraints, targets, unknown, lacking)


def _finding(
    verdict: Verdict,
    name: object = "",
    found: object = "",
    expected: object = "",
    detail: str = "",
    level: str = "",
    area: str = "",
    threshold: float | str = "",
) -> Finding:
    return Finding("", level, area, str(name), found, expected, threshold, verdict, 0, detail)


def _schema(contents: _Contents) -> Iterator[Finding]:
    for name in contents.unknown:
        detail = "is not known here, so nothing reads it; the database may be of a newer schema"
        yield _finding("note", name, "there", "", detail)
    for name in contents.lacking:
        yield _finding("note", name, "missing", "", "the database is of an older schema")


def _hashes(contents: _Contents) -> Iterator[Finding]:
    if "strata.definition_hash" in contents.lacking:
        return
    for stratum, (digest, parent) in contents.strata.items():
        meant = definition_hash(parent, contents.constraints[stratum])
        if digest != meant:
            yield _finding(
                "failed", f"stratum {stratum}", digest, meant, "is not the hash of its definition"
            )


def _parents_exist(contents: _Contents) -> Iterator[Finding]:
    for stratum, (_, parent) in contents.strata.items():
        if parent is not None and parent not in contents.strata:
            yield _finding("failed", f"stratum {stratum}", parent, "", "its parent is missing")
            continue
        above, seen = parent, {stratum}
        while above in contents.strata and above not in seen:
            seen.add(above)
            above = contents.strata[above][1]
        if above in seen:
            yield _finding("failed", f"stratum {stratum}", above, "", "it is above itself")


def _parents(contents: _Contents) -> Iterator[Finding]:
    for stratum, (_, parent) in contents.strata.items():
        # What makes no sense by itself is no part of anything.
        if stratum in contents.places and parent in contents.places:
            own, above = contents.constraints[stratum], contents.constraints[parent]
            check = functools.partial(check_child, "", above)
            yield from _refused(f"stratum {stratum}", own, check, above)


def _refused(
    name: str,
    constraints: tuple[Constraint, ...],
    check: Callable[[tuple[Constraint, ...]], None],
    expected: Iterable[Constraint] = (),
) -> Iterator[Finding]:
    """Yield what a check of a stratum's constraints says of them, if it refuses them."""
    try:
        check(constraints)
    except InputError as error:
        detail = str(error).removeprefix(": ")
        yield _finding("failed", name, _joined(constraints), _joined(expected), detail)


def _joined(constraints: Iterable[Constraint]) -> str:
    return ",".join(map(str, constraints))


def _constraints(contents: _Contents) -> Iterator[Finding]:
    for stratum, constraints in contents.constraints.items():
        yield from _refused(f"stratum {stratum}", constraints, _check_set)
    for target in contents.targets:
        if target.stratum_id not in contents.strata:
            detail = "its stratum is missing"
            yield _finding("failed", f"target {target.target_id}", target.stratum_id, "", detail)


def _check_set(constraints: tuple[Constraint, ...]) -> None:
    """Refuse a stratum's constraints if they name no place or contradict each other."""
    _, _, rest = split_geography("", constraints)
    check_constraints("", rest)


def _variables(contents: _Contents, known: frozenset[str]) -> Iterator[Finding]:
    used: defaultdict[str, list[str]] = defaultdict(list)
    for target in contents.targets:
        if target.variable not in known and target.variable not in COUNTS:
            used[str(target.variable)].append(f"target {target.target_id}")
    for stratum, constraints in contents.constraints.items():
        for name in {c.variable for c in constraints} - known - GEOGRAPHY_VARIABLES:
            used[name].append(f"stratum {stratum}")
    for name, places in sorted(used.items()):
        detail = f"the model has no such variable{near(name, known)}: {places[0]}"
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        yield _finding("failed", name, len(places), 0, detail + more)


def _areas(contents: _Contents) -> Iterator[Finding]:
    places = {place.area: place.level for place in contents.places.values()}
    counts = Counter(places.values())
    for level, expected in PARTS.items():
        if found := counts[level]:
            verdict: Verdict = "ok" if found == expected else "failed"
            yield _finding(verdict, "areas of the strata", found, expected, level=level)


def _territories(contents: _Contents) -> Iterator[Finding]:
    used = {target.stratum_id for target in contents.active}
    for stratum, place in contents.places.items():
        state = _state_of(place)
        if state is not None and state not in STATES:
            yield _finding(
                "failed" if stratum in used else "note",
                f"stratum {stratum}",
                place.area,
                "",
                "is none of the 50 states or the District of Columbia; Puerto Rico and other "
                "territories stay out",
                place.level,
                place.area,
            )


def _state_of(place: _Place) -> int | None:
    if place.level == "nation":
        return None
    return int(place.area) // 100 if place.level == "district" else int(place.area)


def _coverage(contents: _Contents) -> Iterator[Finding]:
    """Say of every family that has one area of a level whether it has all."""
    areas: defaultdict[tuple[str, Any, str], set[str]] = defaultdict(set)
    for target in contents.active:
        place = contents.places[target.stratum_id]
        areas[contents.named(target), target.period, place.level].add(place.area)
    for (name, period, level), found in sorted(areas.items(), key=lambda item: str(item[0])):
        if level in PARTS:
            verdict: Verdict = "ok" if len(found) == PARTS[level] else "note"
            yield _finding(verdict, f"{name} {period}", len(found), PARTS[level], level=level)


def _values(contents: _Contents) -> Iterator[Finding]:
    for target in contents.targets:
        name = f"target {target.target_id}"
        if target.active not in (0, 1):
            yield _finding("failed", name, target.active, "0 or 1", "active is neither")
        for column, cell in (("period", target.period), ("reform_id", target.reform_id)):
            if not isinstance(cell, int) or cell < 0:
                yield _finding("failed", name, cell, "", f"{column} is no number of that kind")
        if target.active == 1 and not _is_number(target.value):
            yield _finding("failed", name, target.value, "", "value is no finite number")
        tolerance = target.tolerance
        if tolerance is not None and not (_is_number(tolerance) and tolerance >= 0):
            yield _finding("failed", name, tolerance, "", "tolerance is no percentage")


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and math.isfinite(cell)


def _zeros(contents: _Contents) -> Iterator[Finding]:
    for target in contents.active:
        if not _is_number(target.value):
            continue
        place = contents.places[target.stratum_id]
        words = (contents.named(target), target.value, "")
        if target.value == 0:
            detail = "is zero, which no fit can miss by a share"
            yield _finding("note", *words, detail, place.level, place.area)
        elif target.value < 0 and str(target.variable).endswith("_count"):
            detail = "is a negative number of units"
            yield _finding("failed", *words, detail, place.level, place.area)


def _periods(contents: _Contents) -> Iterator[Finding]:
    """Say which years there are, and of which families the levels have none in common."""
    years = Counter(target.period for target in contents.active)
    for year, count in sorted(years.items(), key=str):
        yield _finding("ok", year, count, "", "targets of that year")
    families: defaultdict[str, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for target in contents.active:
        level = contents.places[target.stratum_id].level
        families[contents.named(target)][level].add(target.period)
    for name, levels in sorted(families.items()):
        if not set.intersection(*levels.values()):
            found = ", ".join(
                f"{level} {' '.join(map(str, sorted(levels[level], key=str)))}"
                for level in TARGET_LEVELS
                if level in levels
            )
            yield _finding("note", name, found, "", "no year is known at every level")


def _duplicates(contents: _Contents) -> Iterator[Finding]:
    known: dict[tuple, Any] = {}
    for target in contents.active:
        place = contents.places[target.stratum_id]
        is_reform = bool(target.reform_id)
        total = (place[:2], target.variable, target.period, is_reform, meaning(place.rest))
        if total in known:
            detail = f"says the same as target {known[total]}"
            name = f"target {target.target_id}: {contents.named(target)}"
            yield _finding("failed", name, 2, 1, detail, place.level, place.area)
        known.setdefault(total, target.target_id)


def _sources(contents: _Contents) -> Iterator[Finding]:
    counts = Counter(target.source or "" for target in contents.targets)
    for source, count in sorted(counts.items()):
        verdict: Verdict = "ok" if source else "note"
        yield _finding(verdict, source, count, "", "targets" if source else "targets of no source")
    if not counts:
        yield _finding("failed", "targets", 0, "", "the database has no target")


def _tables(contents: _Contents, tables: Mapping[str, Path]) -> Iterator[Finding]:
    """Say of every table that the database was built from whether its rows are in it.

    There may be more of a source: tables that are not at hand may name it, too.
    """
    found = Counter(target.source or "" for target in contents.targets)
    rows = {
        name: Counter(row["source"] for _, row in read_rows(path, ("source",)))
        for name, path in tables.items()
    }
    expected: Counter[str] = sum(rows.values(), Counter())
    for name, counts in sorted(rows.items()):
        count, sources = sum(counts.values()), ", ".join(sorted(counts))
        verdict: Verdict = "ok" if count else "failed"
        yield _finding(verdict, name, count, "", f"rows of {sources}" if count else "has no row")
    for source, count in sorted(expected.items()):
        verdict = "ok" if found[source] >= count else "failed"
        yield _finding(verdict, source, found[source], count, "targets, and rows of tables")


def _tax_expenditures(contents: _Contents) -> Iterator[Finding]:
    for target in contents.active:
        if not target.reform_id:
            continue
        place = contents.places[target.stratum_id]
        verdict: Verdict = "note" if place.level != "nation" or place.rest else "ok"
        detail = "published of the whole nation only" if verdict == "note" else ""
        yield _finding(
            verdict, contents.named(target), target.value, "", detail, place.level, place.area
        )


def _levels(contents: _Contents) -> Iterator[Finding]:
    """Set nation, states and districts of one year beside each other."""
    rows = []
    for target in contents.active:
        place = contents.places[target.stratum_id]
        family = (str(target.variable), target.reform_id, json.dumps([list(c) for c in place.rest]))
        if _is_number(target.value) and isinstance(target.period, int):
            rows.append((*family, *place[:2], float(target.value), target.period))
    columns = [*FAMILY, "geo_level", "geographic_id", "value", "period"]
    table = pd.DataFrame(rows, columns=columns).drop_duplicates(
        [name for name in columns if name != "value"]
    )
    for period, of_year in table.groupby("period"):
        for row in compare_levels(of_year).itertuples():
            yield _of_levels(row, period)


def _of_levels(row: Any, period: object) -> Finding:
    size = abs(row.difference)
    verdict: Verdict = "ok" if size < AGREE_BELOW else "failed" if size >= DISAGREE_FROM else "note"
    conditions = ",".join("".join(item) for item in json.loads(row.constraints))
    name = f"{row.variable}[{conditions}]" if conditions else row.variable
    return _finding(
        verdict,
        f"{name}{f' (reform {row.reform_id})' if row.reform_id else ''} {period}",
        row.parts,
        row.value,
        f"{row.grade}: sum of its {row.lower}s, {row.difference:+.1%}",
        row.upper,
        row.area,
        DISAGREE_FROM if verdict == "failed" else AGREE_BELOW,
    )


def _in_words(finding: Finding) -> str:
    place = f" ({finding.level}{f' {finding.area}' if finding.area else ''})"
    meant = f", expected {finding.expected}" if finding.expected != "" else ""
    return (
        f"{finding.check}: {finding.name}{place if finding.level else ''}: found "
        f"{finding.found}{meant}{f': {finding.detail}' if finding.detail else ''}"
    )


def _write(findings: Iterable[Finding], path: Path) -> None:
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Finding._fields)
        table.writerows(findings)
