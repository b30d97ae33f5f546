"""The agencies' own files, where a folder has them; and what is said where it has not."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from localcal.database.agencies.sources import DEFAULT_SOURCES, SOURCES, find_raw, write_source
from localcal.database.demo import write_demo_database
from localcal.errors import InputError

AREAS = Path(__file__).parents[4] / "config" / "areas.tsv"
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
