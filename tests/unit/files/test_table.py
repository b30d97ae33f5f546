"""Tables whose complaints name the row, whatever kind of file they are in."""

import gzip

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.files.table import Table, read_table

TEXT = "code,count,share\n00123,7,0.5\n12345,08,\n00009,9,many\n"


@pytest.fixture(params=["t.csv", "t.csv.gz", "t.parquet"])
def path(tmp_path, request):
    """Write the same table as each kind of file."""
    path = tmp_path / request.param
    if path.suffix == ".parquet":
        rows = [line.split(",") for line in TEXT.splitlines()]
        pd.DataFrame(rows[1:], columns=rows[0]).to_parquet(path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(TEXT.encode()))
    else:
        path.write_text(TEXT)
    return path


def test_columns_are_read_as_what_they_are_asked_for(path):
    table = Table(path)
    assert table.n_rows == 3
    assert table.has(("code",)) and not table.has(("name",))
    # Leading zeros are part of a code and mean nothing in a number.
    assert table.codes(("fips", "code"), 5).tolist() == [b"00123", b"12345", b"00009"]
    assert table.whole_numbers(("count",)).tolist() == [7, 8, 9]
    np.testing.assert_array_equal(table.real_numbers(("share",)), [0.5, np.nan, np.nan])


def test_complaints_count_a_csv_file_s_lines_and_a_parquet_file_s_rows(path):
    table = Table(path)
    name = "row 1" if path.suffix == ".parquet" else "line 3"
    with pytest.raises(InputError, match=f"{path.name}: {name} is odd; correct it"):
        table.refuse_rows(np.array([False, True, True]), "is odd")
    table.refuse_rows(np.zeros(3, dtype=bool), "is odd")
    with pytest.raises(InputError, match="has the code '00123', which is not 4 digits"):
        table.codes(("code",), 4)
    with pytest.raises(InputError, match="has no column 'fips' or 'name', only code, count"):
        table.codes(("fips", "name"), 5)


def test_asked_for_columns_of_a_table_of_the_run_are_returned(tmp_path):
    (tmp_path / "t.csv").write_text(TEXT)
    table = read_table(tmp_path / "t.csv", ("count", "code"), ["code"])
    assert table.columns.tolist() == ["count", "code"]
    assert table["code"].tolist() == ["00123", "12345", "00009"]


def test_codes_and_names_in_one_column_of_a_long_table_are_read_without_a_word(tmp_path):
    # More than pandas looks at in one go, with numbers alone in some of its parts.
    path = tmp_path / "areas.csv"
    path.write_text("area,error,name\n" + "US,0.5,n\n" + 300_000 * "6,0.5,nnnnnnn\n")
    table = read_table(path, ["error"])
    assert len(table) == 300_001 and (table["error"] == 0.5).all()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (TEXT[:-1], "its last line is cut short"),
        (TEXT[:-6], "its last line is cut short"),
        ("", "no table"),
        ("count,share\n1,2\n", "lacks the column code"),
        ("code,count\n001,x7\n", "not all of count is a number"),
    ],
)
def test_a_damaged_table_of_the_run_is_refused(tmp_path, content, complaint):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=rf"t\.csv: damaged, {complaint}.*; remove it"):
        read_table(tmp_path / "t.csv", ("code", "count"), ["code"])


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_byte_order_mark_is_no_part_of_the_first_column_s_name(tmp_path, name):
    """Spreadsheets write one."""
    content = TEXT.encode("utf-8-sig")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    table = Table(tmp_path / name)
    assert table.codes(("code",), 5).tolist() == [b"00123", b"12345", b"00009"]
    if name == "t.csv":
        assert read_table(tmp_path / name, ["code"], ["code"])["code"][0] == "00123"
