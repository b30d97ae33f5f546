"""An experiment as people read it."""

from dataclasses import replace

import pytest

from localcal.experiments.settings import design
from localcal.experiments.show import as_text, comparison_as_text
from localcal.experiments.stored import content, results_compared
from localcal.files.atomic import write_json
from tests.experiment_case import plan, result, taken

FIRST, SECOND = [1.0, 1.1, 0.9, 1.0, 1.05], [1.5, 1.6, 1.4, 1.5, 1.5]


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines() if line]


def test_what_differs_what_is_held_the_figures_and_the_verdicts_are_said():
    said = lines(as_text(result(FIRST, SECOND)))
    assert said[:6] == [
        "A work simulate",
        "B work simulate+evaluate",
        "held targets all (270), chunk-columns 50, process warm, workers 1",
        "of columns 0 to 49, clones of 8 households; tests.standin_engine:StandIn stand-in 1",
        "on here: 2 cores, a processor",
        "FIGURE A MEDIAN (RANGE) B MEDIAN (RANGE) RATIO (INTERVAL)",
    ]
    # 1.5, 1.6/1.1, 1.4/0.9, 1.5 and 1.5/1.05; wall time is planted as twice of it.
    assert said[6] == "CPU s 1.00 (0.90-1.10) 1.50 (1.40-1.60) 1.50x (1.43-1.56)"
    assert said[7] == "wall s 2.00 (1.80-2.20) 3.00 (2.80-3.20) 1.50x (1.43-1.56)"
    assert said[8] == "peak MB 100.00 (100.00-100.00) 100.00 (100.00-100.00) 1.000x (1.000-1.000)"
    assert said[9:11] == [f"{arm}'s phases, in wall time: none of any length" for arm in "AB"]
    assert said[11:14] == [
        "B takes 1.50x (1.43-1.56) A's CPU",
        "B takes 1.50x (1.43-1.56) A's wall time",
        "no difference in peak memory seen beyond the noise: 1.000x (1.000-1.000)",
    ]
    assert said[14].startswith("5 pairs, each arm first in turn by seed 0, after a round that does")
    assert said[14].endswith("that of the sign test, which holds the true median with 94%.")
    assert len(said) == 15


def test_phases_are_told_by_the_measurements_that_had_them():
    both = [
        {"simulate": 1.0, "write": 0.001},
        {"simulate": 3.0},
        {"simulate": 2.0, "evaluate": 0.5},
    ]
    made = result([taken(1.0, phases=phases) for phases in both], [1.0] * 3)
    text = as_text(made)
    assert "A's phases, in wall time: simulate 2.00 s, evaluate 0.50 s\nB's phases" in text


def test_seconds_are_of_a_thousand_columns_where_chunks_differ():
    made = result(FIRST, SECOND)
    arms = {
        "A": made.arms["A"] | {"chunk_columns": 10, "chunks": 20},
        "B": made.arms["A"] | {"chunk_columns": 200, "chunks": 1},
    }
    wanted = design(plan(), [["chunk-columns", "10", "200"]])
    said = lines(as_text(replace(made, design=wanted, arms=arms)))
    assert said[:2] == ["A chunk-columns 10 (20 chunks)", "B chunk-columns 200 (1 chunk)"]
    assert "note both do the same columns; seconds are of 1,000 columns" in said
    [cpu] = [line for line in said if line.startswith("CPU s / 1,000 columns")]
    assert " 5.00 (4.50-5.50) 7.50 (7.00-8.00) 1.50x " in cpu


def test_equal_arms_and_a_disturbed_machine_are_said():
    made = result([taken(1.0, load=9.0)], [1.0])
    wanted = design(plan(), [["work", "simulate", "simulate"]])
    text = as_text(replace(made, design=wanted))
    assert "both arms are the same: what is seen is the noise" in text
    assert "note: the machine's load was up to 9.0 with 2 cores" in text


@pytest.mark.parametrize("load", [1.0, 3.0])
def test_two_results_have_a_table_for_each_arm(tmp_path, load):
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path, seconds in zip(paths, (FIRST, [taken(2 * s, load=load) for s in FIRST]), strict=True):
        write_json(path, content(result(seconds, SECOND)))
    text = comparison_as_text(*results_compared(*paths, None))
    assert text.count("FIGURE") == 2
    assert f"A of {paths[1]} takes 2.00x (" in text and "Mann-Whitney test" in text
    assert ("wall s" in text) == (load == 1.0) == ("note: wall time is not compared" not in text)
