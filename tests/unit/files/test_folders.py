"""Which files of a folder are read."""

from localcal.files.folders import TABLES, files_in
from localcal.population.population import ENTITIES


def test_every_entity_has_a_table():
    assert TABLES == ENTITIES


def test_only_the_source_s_files_are_found(tmp_path):
    for name in ("person.csv", "household.parquet", "person.csv.part", "notes.txt", "Person.csv"):
        (tmp_path / name).touch()
    names = [path.name for path in files_in(tmp_path, "tables")]
    assert names == ["household.parquet", "person.csv"]
