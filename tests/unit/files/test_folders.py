"""Which files of a folder are read."""

from localcal.files.folders import TABLES, files_in, names_in
from localcal.population.population import ENTITIES


def test_every_entity_has_a_table():
    assert TABLES == ENTITIES


def test_only_the_source_s_files_are_found(tmp_path):
    for name in ("person.csv", "household.parquet", "person.csv.part", "notes.txt", "Person.csv"):
        (tmp_path / name).touch()
    names = [path.name for path in files_in(tmp_path, "tables")]
    assert names == ["household.parquet", "person.csv"]


def test_files_of_a_year_are_found_by_their_pattern(tmp_path):
    for name in ("pppub24.csv", "hhpub24.csv", "pppub2024.csv", "pppub24.dat", "repwgt24.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in files_in(tmp_path, "cps")] == ["hhpub24.csv", "pppub24.csv"]
    assert names_in("cps") == "pppubYY.csv, ffpubYY.csv, hhpubYY.csv"
