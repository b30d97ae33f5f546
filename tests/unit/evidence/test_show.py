"""What is said of figures: as text for people, as JSON for programs."""

import json

import pytest

from localcal.evidence.lines import Reading, read_lines
from localcal.evidence.show import as_json, as_text
from tests.perf_case import chunks, planted, used


def table(text, title):
    """Return the rows of the table with a title, each by the name of its columns' order."""
    block = next(part for part in text.split("\n\n") if part.startswith(title))
    return {line.split()[0]: line.split()[1:] for line in block.splitlines()[1:]}


def test_the_figures_of_a_rule_stand_in_its_row():
    times = (10.0, 20.0, 90.0)
    lines = [
        used(f"build_chunk/{at:06}", wall_seconds=seconds, peak_mb=1500 + at, asked_mb=2000)
        for at, seconds in enumerate(times)
    ]
    row = table(as_text(read_lines(lines)), "RULE")["build_chunk"]
    jobs, median, _, total, largest, asked, share, unknown = row
    assert (jobs, median, total) == ("3", "20.00", "120.00")
    # The largest of three jobs with 2,000 MB each: 1,502 MB of them, three quarters.
    assert (largest, asked, share, unknown) == ("1,502", "2,000", "75%", "0")


def test_what_is_not_known_is_a_dash_and_null_and_never_nothing():
    reading = read_lines(chunks(3, asked_mb=None, phases=None, handed_bytes=None))
    row = table(as_text(reading), "RULE")["build_chunk"]
    assert row[-3:] == ["-", "-", "3"]
    content = json.loads(as_json(reading))
    [rule] = content["rules"]
    assert rule["asked_mb"]["largest"] is None and rule["asked_mb"]["unknown"] == 3
    handed = content["payload_bytes"]["handed over"]
    assert (handed["total"], handed["largest"], handed["unknown"]) == (None, None, 3)


def test_nothing_read_is_no_figure():
    content = json.loads(as_json(Reading()))
    assert content["wall_seconds"]["total"] is None
    assert {one["verdict"] for one in content["findings"]} == {"unknown"}


@pytest.mark.parametrize("extra", [0, 1])
def test_as_many_cases_as_fit_are_shown_and_the_rest_counted(extra):
    text = as_text(read_lines(chunks(10 + extra, attempt=2)))
    assert text.count(": attempt 2\n") == 10
    assert ("and 1 more, see --json" in text) == bool(extra)


def test_the_same_lines_are_told_in_the_same_bytes():
    assert as_json(read_lines(planted())) == as_json(read_lines(planted()))
    assert as_json(read_lines(planted())).endswith("}\n")
