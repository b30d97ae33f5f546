"""How far stages are by what became of their jobs, and the words for it."""

import random

import pytest

from snakemake_logger_plugin_stages.stages import Stages
from snakemake_logger_plugin_stages.words import (
    as_block,
    as_line,
    bar,
    folded,
    in_words,
    of_all,
    rate,
)


def run_of(counts, **groups):
    stages = Stages(groups)
    stages.plan(counts)
    return stages


def named(stages):
    return {stage.name: stage for stage in stages}


def test_the_time_left_is_that_of_finished_jobs_over_those_at_work():
    stages = run_of({"part": 10})
    for job in range(4):
        stages.begin(job, "part", 100.0)
    (part,) = stages
    assert part.seconds_left(110.0) is None
    # Two took 20 seconds; two more begin in their places.
    for job in (0, 1):
        stages.end(job, 120.0)
        stages.begin(job + 4, "part", 120.0)
    # Of jobs 2 and 3 nothing is missing, of 4 and 5 twenty seconds each, and four wait: 120 / 4.
    assert part.seconds_left(120.0) == 30
    # Five seconds later 4 and 5 lack fifteen; 2 and 3 do not lack less than nothing.
    assert part.seconds_left(125.0) == (2 * 15 + 4 * 20) / 4
    # Four at a time in twenty seconds each.
    assert part.per_second() == 4 / 20


def test_a_stage_that_waits_is_reckoned_as_wide_as_it_was():
    stages = run_of({"part": 6, "other": 1})
    for job in range(2):
        stages.begin(job, "part", 0.0)
    for job in range(2):
        stages.end(job, 10.0)
    assert named(stages)["part"].seconds_left(1000.0) == 4 * 10 / 2


def test_jobs_of_another_rule_say_nothing_of_how_long_a_rule_s_are():
    stages = run_of({"plan": 1, "part": 4}, chunks=("plan", "part"))
    stages.begin(0, "plan", 0.0)
    stages.end(0, 1.0)
    (chunks,) = stages
    for job in (1, 2):
        stages.begin(job, "part", 1.0)
    assert (chunks.seconds_left(2.0), chunks.per_second()) == (None, None)
    assert stages.seconds_left(2.0) == (0.0, False)
    assert as_line(chunks, 2.0) == "chunks: 1/5, 2 at work"
    stages.end(1, 61.0)
    # What is missing of one is over, and two wait for a minute each.
    assert chunks.seconds_left(61.0) == 2 * 60
    assert chunks.per_second() == 1 / 60


def test_the_time_of_all_is_a_least_one_until_every_stage_has_shown_its_length():
    stages = run_of({"part": 3, "sum": 1, "all": 1})
    assert stages.total == 4
    stages.begin(0, "part", 0.0)
    stages.end(0, 10.0)
    stages.begin(1, "part", 10.0)
    assert stages.seconds_left(10.0) == (20.0, False)
    assert of_all(stages, 0.0, 10.0) == "1 of 4 jobs, 10 s so far, at least 20 s left"
    for job in (1, 2):
        stages.begin(job, "part", 10.0)
        stages.end(job, 20.0)
    stages.begin(3, "sum", 20.0)
    stages.end(3, 30.0)
    assert stages.seconds_left(30.0) == (0.0, True)
    assert of_all(stages, 0.0, 30.0) == "4 of 4 jobs, 30 s so far"


def test_an_attempt_that_failed_counts_only_until_it_is_begun_again():
    stages = run_of({"part": 2})
    stages.begin(0, "part", 0.0)
    stages.fail(0)
    (part,) = stages
    assert (part.done, part.failed, part.at_work, part.waiting) == (0, 1, 0, 1)
    stages.begin(0, "part", 5.0)
    assert (part.done, part.failed, part.at_work, part.waiting) == (0, 0, 1, 1)
    stages.end(0, 15.0)
    # The second attempt's length, not both.
    assert (part.done, part.kinds["part"].each) == (1, 10.0)


@pytest.mark.parametrize("seed", range(20))
def test_counts_only_grow_and_add_up_whatever_comes_when(seed):
    drawn = random.Random(seed)
    stages = run_of({"a": 5, "b": 3}, both=("b", "c"))
    before = (0, 0)
    for step in range(200):
        job, now = drawn.randrange(12), float(step)
        rule = ("a", "b", "c", "all")[job % 4]
        drawn.choice(
            [
                lambda job=job, rule=rule, now=now: stages.begin(job, rule, now),
                lambda job=job, now=now: stages.end(job, now, drawn.randrange(9)),
                lambda job=job: stages.fail(job),
                lambda: stages.plan({"c": drawn.randrange(9), "all": 1}),
            ]
        )()
        assert before <= (stages.done, stages.total)
        assert stages.done >= before[0] and stages.total >= before[1]
        before = stages.done, stages.total
        for stage in stages:
            counted = stage.done + stage.failed + stage.at_work + stage.waiting
            assert counted == stage.total and stage.name in ("a", "both")
            assert (stage.seconds_left(now) or 0) >= 0
        assert len(as_block(stages, now)) == len(list(stages))


def test_the_largest_of_a_stage_is_kept_and_none_is_not_zero():
    stages = run_of({"part": 3})
    (part,) = stages
    for job, peak in enumerate((None, 700, 12)):
        stages.begin(job, "part", 0.0)
        assert (" MB" in as_line(part, 0.0)) == (job == 2)
        stages.end(job, 1.0, peak)
    # One at a time, a second each, whenever they were told of.
    assert as_line(part, 9.0) == "part: 3/3, 1.0/s, took 1 s, 700 MB"


def test_a_bar_is_full_only_with_all_and_empty_only_without_any():
    assert bar(0, 207, 4) == "────"
    assert bar(1, 207, 4) == "━───"
    assert bar(104, 207, 4) == "━━──"
    assert bar(206, 207, 4) == "━━━─"
    assert bar(207, 207, 4) == "━━━━"


def test_columns_stand_below_each_other_and_empty_ones_take_no_room():
    stages = run_of({"long_name": 12, "b": 1})
    stages.begin(0, "long_name", 0.0)
    assert as_block(stages, 1.0) == [
        f"long_name  {bar(0, 12)}  0/12  1 at work",
        f"b          {bar(0, 1)}   0/1",
    ]


def test_where_room_is_short_complete_stages_go_first_and_working_ones_last():
    stages = run_of(dict.fromkeys("abcde", 1))
    for job, rule in enumerate("abc"):
        stages.begin(job, rule, 0.0)
    stages.end(0, 1.0)
    listed = list(stages)
    assert ["".join(s.name for s in folded(listed, most)[0]) for most in (9, 4, 3, 2, 1, 0)] == [
        *("abcde", "bcde", "bcd", "bc", "b", "b")
    ]
    assert folded(listed, 2)[1] == 3


def test_times_and_rates_are_in_units_that_people_use():
    assert [in_words(s) for s in (-1, 40, 99.6, 300, 7200, 200_000)] == [
        *("0 s", "40 s", "100 s", "5 min", "2.0 h", "2 days")
    ]
    assert [rate(r) for r in (1500, 2.5, 0.2, 1 / 90)] == ["1,500/s", "2.5/s", "12/min", "40/h"]
