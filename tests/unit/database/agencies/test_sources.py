"""The agencies' own files, where a folder has them; and what is said where it has not."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from localcal.database.agencies.sources import DEFAULT_SOURCES, SOURCES, find_raw, write_source
from localcal.database.checks import check_database
from localcal.database.demo import write_demo_database
from localcal.errors import InputError
from localcal.run.sections import Targets
from tests.agency_files import AREAS, write_raw_files

RAW = os.environ.get("LOCALCAL_RAW_DATA")


def test_a_raw_file_is_found_once_or_refused(tmp_path):
    with pytest.raises(InputError, match="irs_states: 22in55cmcsv.csv is missing below"):
        find_raw("irs_states", tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "22in55cmcsv.csv").touch()
        if folder == "a":
            assert find_raw("irs_states", tmp_path) == [tmp_path / "a" / "22in55cmcsv.csv"]
    with pytest.raises(InputError, match="22in55cmcsv.csv is there 2 times"):
        find_raw("irs_states", tmp_path)


def test_a_source_of_several_files_needs_all_of_them(tmp_path):
    assert [name for name in SOURCES if name not in DEFAULT_SOURCES] == ["irs_districts"]
    (tmp_path / "22incd.csv").touch()
    with pytest.raises(InputError, match="geocorr2022_cd117_to_cd119.csv is missing below"):
        find_raw("irs_districts", tmp_path)
    (tmp_path / "geocorr2022_cd117_to_cd119.csv").touch()
    assert [path.name for path in find_raw("irs_districts", tmp_path)] == [
        "22incd.csv",
        "geocorr2022_cd117_to_cd119.csv",
    ]


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """A folder with a good file of every name."""
    folder = tmp_path_factory.mktemp("raw")
    write_raw_files(folder)
    return folder


def test_every_source_makes_a_table_and_all_fit_into_one_database(raw, tmp_path):
    tables = [str(tmp_path / f"{name}.csv") for name in sorted(SOURCES)]
    for name, table in zip(sorted(SOURCES), tables, strict=True):
        write_source(name, raw, AREAS, Path(table))
    write_demo_database(tables, AREAS, tmp_path / "policy_data.db")
    with closing(sqlite3.connect(tmp_path / "policy_data.db")) as connection:
        counted = connection.execute(
            "SELECT geo_level, count(*), count(DISTINCT geographic_id) FROM target_overview "
            "GROUP BY 1"
        ).fetchall()
    assert counted == [
        ("district", (18 + 1 + 1 + 2 * 26 + 3 * 9) * 436, 436),
        ("national", 18 + 2 + 1 + 2 * 26 + 3 * 10, 1),
        ("state", (18 + 2 + 1 + 1 + 1 + 2 * 26 + 3 * 10) * 51, 51),
    ]


def test_the_checks_of_a_database_find_nothing_that_ends_the_run(raw, tmp_path):
    """With the tables of figures that come with the project, too, of which all are in it."""
    tables = {name: tmp_path / f"{name}.csv" for name in sorted(SOURCES)}
    for name, table in tables.items():
        write_source(name, raw, AREAS, table)
    tables |= {figures: AREAS.parent.parent / figures for figures in Targets().figures}
    path = tmp_path / "policy_data.db"
    write_demo_database([str(table) for table in tables.values()], AREAS, path)
    with closing(sqlite3.connect(path)) as connection:
        names = "SELECT variable FROM targets UNION SELECT constraint_variable FROM "
        known = {name for (name,) in connection.execute(names + "stratum_constraints")}
    for name in [name for name, source in SOURCES.items() if not source.figures]:
        tables.pop(name)
    found = list(check_database(path, known, True, tables))
    assert [finding for finding in found if finding.stops] == []
    # A source that should have figures is missed.
    (tmp_path / "usda_snap.csv").write_text("source\n")
    again = check_database(path, known, True, tables)
    assert [(f.name, f.detail) for f in again if f.stops] == [
        ("usda_snap", "has no row"),
    ]


def test_a_file_without_figures_is_refused(raw, tmp_path, monkeypatch):
    empty = SOURCES["usda_snap"]._replace(read=lambda *files, **told: iter(()))
    monkeypatch.setitem(SOURCES, "usda_snap", empty)
    with pytest.raises(InputError, match="usda_snap: .*snap_fy69tocurrent.zip: no figures in it"):
        write_source("usda_snap", raw, AREAS, tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()


def test_the_same_files_give_the_same_tables(raw, tmp_path):
    for name in SOURCES:
        for table in ("first", "second"):
            write_source(name, raw, AREAS, tmp_path / table)
        assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_first_name(content: bytes) -> bytes:
    """Return a table with another name of its first needed column."""
    for name in (b"state_fips", b"GEO_ID", b"STATEFIPS", b"State Abbreviation", b"STATE", b"state"):
        if name in content:
            return content.replace(name, b"other")
    return content.replace(b"FY24.xlsx", b"FY25.xlsx")


def without_commas(content: bytes) -> bytes:
    return content.replace(b",", b";")


DAMAGES = {
    "web page": lambda content: b"<!DOCTYPE html><title>503 Service Unavailable</title>",
    "error in JSON": lambda content: b'{"error": "unknown variable"}',
    "nothing": lambda content: b"",
    "cut short": cut,
    "other column": without_first_name,
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "other delimiter": without_commas,
}


# A zip may have something before it, and has no delimiters; nor has JSON others than commas.
HARMLESS = {("zip", "not UTF-8"), ("zip", "other delimiter"), ("json", "other delimiter")}


@pytest.mark.parametrize(
    ("name", "file", "damage"),
    [
        (name, file, damage)
        for name, source in SOURCES.items()
        for file in source.files
        for damage in DAMAGES
        if (file.rpartition(".")[2], damage) not in HARMLESS
    ],
)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(raw, tmp_path, name, file, damage):
    for other in SOURCES[name].files:
        (tmp_path / other).write_bytes((raw / other).read_bytes())
    (tmp_path / file).write_bytes(DAMAGES[damage]((raw / file).read_bytes()))
    table = tmp_path / "table.csv"
    with pytest.raises(InputError) as caught:
        write_source(name, tmp_path, AREAS, table)
    message = str(caught.value)
    assert "\n" not in message and str(tmp_path / file) in message
    assert message.endswith(("what the agency publishes now", "or fetch the file again"))
    assert not table.exists()


@pytest.mark.skipif(RAW is None, reason="LOCALCAL_RAW_DATA names no folder of raw files")
def test_the_agencies_files_give_all_areas_and_the_same_people_at_every_level(tmp_path):
    assert RAW is not None
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in DEFAULT_SOURCES:
        write_source(name, Path(RAW), AREAS, folder / f"{name}.csv")
    write_demo_database(folder, AREAS, tmp_path / "policy_data.db")
    with closing(sqlite3.connect(tmp_path / "policy_data.db")) as connection:
        counted = connection.execute(
            "SELECT t.source, geo_level, count(*) FROM targets AS t "
            "JOIN target_overview USING (target_id) GROUP BY 1, 2"
        ).fetchall()
        people = connection.execute(
            "SELECT DISTINCT sum(t.value) FROM targets AS t "
            "JOIN target_overview USING (target_id) "
            "WHERE t.source = 'Census ACS S0101' GROUP BY geo_level"
        ).fetchall()
    assert counted == [
        ("CMS Medicaid enrollment", "state", 51),
        ("Census ACS S0101", "district", 18 * 436),
        ("Census ACS S0101", "national", 18),
        ("Census ACS S0101", "state", 18 * 51),
        ("Census ACS S2201", "district", 436),
        ("Census STC T40", "state", 51),
        ("IRS SOI", "national", 83),
        ("IRS SOI", "state", 83 * 51),
        ("USDA FNS SNAP", "national", 2),
        ("USDA FNS SNAP", "state", 2 * 51),
    ]
    assert people == [(340_110_990.0,)]
