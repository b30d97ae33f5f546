"""Rows of text tables, with the line each stands in."""

import pytest

from localcal.errors import InputError
from localcal.files.rows import read_rows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def read(path, *arguments) -> list:
    return list(read_rows(path, ("name", "code"), *arguments))


def test_rows_come_with_the_line_they_end_in(path):
    path.write_text('code,name,more\n1,a,\n2,"b\nc",x\n')
    assert read(path) == [
        (f"{path}: line 2", {"code": "1", "name": "a", "more": ""}),
        (f"{path}: line 4", {"code": "2", "name": "b\nc", "more": "x"}),
    ]


def test_a_byte_order_mark_and_other_delimiters_are_read(path):
    path.write_bytes("name\tcode\nä\t1\n".encode("utf-8-sig"))
    assert read(path, "\t") == [(f"{path}: line 2", {"name": "ä", "code": "1"})]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "has no column 'name', it needs name, code; correct it"),
        (b"name,kode\n", "has no column 'code', it needs name, code; correct it"),
        (b"name,code\na,1\nb\n", "line 3 does not have 2 fields, as the first line has; corr"),
        (b"name,code\na,1,2\n", "line 2 does not have 2 fields, as the first line has; corr"),
        (b"name,code\n\xe4,1\n", "cannot be read as a table .*decode byte 0xe4.*; correct it"),
        (b'name,code\n"a,1\n', "cannot be read as a table .*end of data.*; correct it"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(path, content, complaint):
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"table.csv: {complaint}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_an_absent_table_is_named_with_the_remedy_asked_for(path):
    with pytest.raises(InputError, match=r"table\.csv: cannot be read .*; correct areas.path"):
        read(path, ",", "correct areas.path")
