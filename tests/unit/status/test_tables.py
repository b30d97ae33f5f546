"""Tables of areas are found by what is in them."""

import pytest

from localcal.errors import InputError
from localcal.files.atomic import sha256_file
from localcal.status.tables import LocalTables
from tests.runs_case import TABLE


def test_a_table_is_where_the_run_had_it_or_where_a_checkout_has_its_own(tmp_path):
    (tmp_path / "config").mkdir()
    usual = tmp_path / "config/areas.tsv"
    usual.write_text(TABLE)
    digest = sha256_file(usual)
    other = tmp_path / "mine.tsv"
    other.write_text(TABLE + "district\tNY-01\tNew York 1\t3601\t36\t\n")
    tables = LocalTables(tmp_path)
    assert len(tables("mine.tsv", sha256_file(other))) == 6
    # The run's own was changed since, but is the same as the checkout's.
    assert len(tables("mine.tsv", digest)) == 5
    assert len(tables(None, digest)) == 5


def test_another_table_is_not_taken(tmp_path):
    (tmp_path / "mine.tsv").write_text(TABLE)
    with pytest.raises(InputError, match=r"mine\.tsv: not the table of areas that the run was"):
        LocalTables(tmp_path)("mine.tsv", "0" * 64)
