"""Stored results: unlike conditions are refused one by one, and like ones compared."""

import json
from dataclasses import replace

import pytest

from localcal.errors import InputError
from localcal.experiments.conditions import GROUPS
from localcal.experiments.refusal import Refused
from localcal.experiments.stored import (
    arms_compared,
    content,
    disturbances,
    results_compared,
)
from localcal.files.atomic import write_json
from tests.experiment_case import CONDITIONS, OF_ARM, result, taken

FIRST, SECOND = [1.0, 1.1, 0.9, 1.0, 1.05], [2.0, 2.2, 1.8, 2.0, 2.1]


def written(path, made):
    write_json(path, content(made))
    return path


@pytest.fixture
def one(tmp_path):
    return written(tmp_path / "one.json", result(FIRST, SECOND))


def other_value(value):
    return value + 1 if isinstance(value, int) else f"another {value}"


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_that_differs_is_refused_unless_it_is_under_test(tmp_path, one, name):
    other = CONDITIONS | {name: other_value(CONDITIONS[name])}
    path = written(tmp_path / "other.json", result(FIRST, SECOND, conditions=other))
    with pytest.raises(Refused) as refused:
        results_compared(one, path, None)
    [reason] = refused.value.reasons
    assert reason.startswith(f"{name}: ") and f" in {one}, " in reason and f" in {path}" in reason
    assert results_compared(one, path, name)
    # Under test is another one.
    another = "frozen" if name != "frozen" else "seed"
    with pytest.raises(Refused, match=f"^{name}: .*; {another} is under test$"):
        results_compared(one, path, another)


@pytest.mark.parametrize("name", sorted(CONDITIONS.keys() - {"cores", "columns"}))
def test_a_condition_that_one_does_not_have_is_refused_too(tmp_path, one, name):
    less = {key: value for key, value in CONDITIONS.items() if key != name}
    path = written(tmp_path / "other.json", result(FIRST, SECOND, conditions=less))
    for pair in ((one, path), (path, one)):
        with pytest.raises(Refused, match=f"{name}: .*not said in "):
            results_compared(*pair, None)


@pytest.mark.parametrize("arm", ["A", "B"])
@pytest.mark.parametrize("name", OF_ARM)
def test_every_condition_of_an_arm_that_differs_is_refused(tmp_path, one, arm, name):
    made = result(FIRST, SECOND)
    arms = {**made.arms, arm: {**made.arms[arm], name: other_value(made.arms[arm][name])}}
    path = written(tmp_path / "other.json", replace(made, arms=arms))
    with pytest.raises(Refused) as refused:
        results_compared(one, path, None)
    assert [reason.partition(":")[0] for reason in refused.value.reasons] == [f"{arm}.{name}"]
    assert results_compared(one, path, f"{arm}.{name}")


def test_several_conditions_are_named_each(tmp_path, one):
    other = CONDITIONS | {"host": "there", "seed": 1, "cpu": "x"}
    path = written(tmp_path / "other.json", result(FIRST, SECOND, conditions=other))
    with pytest.raises(Refused) as refused:
        results_compared(one, path, "seed")
    assert [reason.partition(":")[0] for reason in refused.value.reasons] == ["cpu", "host"]


@pytest.mark.parametrize(
    ("group", "names"),
    [*GROUPS.items(), ("packages", ("package.numpy", "package.policyengine-us"))],
)
def test_what_changes_together_has_one_name(tmp_path, one, group, names):
    made = result(FIRST, SECOND)
    changed = {name: other_value(value) for name, value in CONDITIONS.items() if name in names}
    arms = {
        arm: own | {n: other_value(value) for n, value in own.items() if f"{arm}.{n}" in names}
        for arm, own in made.arms.items()
    }
    assert changed
    other = replace(made, conditions=CONDITIONS | changed, arms=arms)
    path = written(tmp_path / "other.json", other)
    assert results_compared(one, path, group)
    with pytest.raises(Refused):
        results_compared(one, path, "seed")


def test_a_variable_of_the_arms_is_a_name_for_what_follows_from_it(tmp_path, one):
    made = result(FIRST, SECOND)
    arms = {arm: own | {"chunk_columns": 10, "chunks": 5} for arm, own in made.arms.items()}
    path = written(tmp_path / "other.json", replace(made, arms=arms))
    assert results_compared(one, path, "chunk-columns")
    with pytest.raises(Refused, match="A.chunks"):
        results_compared(one, path, "A.chunk_columns")


def test_seconds_are_per_column_where_columns_differ(tmp_path, one):
    twice = {"conditions": CONDITIONS | {"columns": 2 * CONDITIONS["columns"]}}
    path = written(tmp_path / "other.json", result([4 * s for s in FIRST], SECOND, **twice))
    found, notes = results_compared(one, path, "columns")
    cpu, wall, peak = found[:3]
    assert (cpu.ratio.ratio, wall.ratio.ratio) == (pytest.approx(2.0), pytest.approx(2.0))
    # 20 batches of 50 columns, in seconds of one.
    assert cpu.first == pytest.approx([20 * s for s in FIRST])
    assert peak.ratio.ratio == 1.0 and notes == ["seconds are of 1,000 columns of each"]


def test_a_name_of_no_condition_is_refused(one):
    with pytest.raises(Refused, match="--vary cpus: no such condition.*did you mean cpu"):
        results_compared(one, one, "cpus")


def test_a_slowdown_between_two_results_is_found_arm_by_arm(tmp_path, one):
    path = written(tmp_path / "two.json", result([3 * s for s in FIRST], SECOND))
    found, notes = results_compared(one, path, None)
    assert [one.figure for one in found] == ["cpu_seconds", "wall_seconds", "peak_mb"] * 2
    assert notes == []
    slow, *_ = found
    assert slow.ratio.is_different and slow.ratio.ratio == pytest.approx(3.0)
    assert slow.verdict.startswith(f"A of {path} takes 3.00x (")
    assert not any(one.ratio.is_different for one in found[2:])
    assert "no difference in CPU seen beyond the noise: 1.000x (" in found[3].verdict


def test_throttled_results_are_not_compared(tmp_path, one):
    first = [*FIRST[:4], taken(1.0, throttled_seconds=0.25)]
    path = written(tmp_path / "two.json", result(first, SECOND))
    with pytest.raises(Refused, match=f"^{path}: the processor was throttled for 0.25 s"):
        results_compared(one, path, None)


def test_wall_time_of_a_busy_machine_is_not_compared(tmp_path, one):
    path = written(tmp_path / "two.json", result([*FIRST[:4], taken(1.0, load=2.5)], SECOND))
    found, notes = results_compared(one, path, None)
    assert {one.figure for one in found} == {"cpu_seconds", "peak_mb"}
    assert notes == [
        f"wall time is not compared: {path} was measured with a load of up to 2.5 on 2 cores"
    ]


def test_what_disturbed_an_experiment_is_said_with_it():
    assert disturbances(result(FIRST, SECOND)) == []
    throttled = result(
        [taken(1.0, throttled_seconds=0.5), 1.0], [taken(2.0, throttled_seconds=1.0), 2.0]
    )
    assert disturbances(throttled) == [
        "the control group was kept from the processor for 1.50 s in 2 of 4 measurements; raise "
        "its limit and measure again"
    ]
    [unknown] = disturbances(result([taken(1.0, throttled_seconds=None)], [1.0]))
    assert unknown.startswith("whether the processor was throttled is not known")
    [busy] = disturbances(result([taken(1.0, load=2.1)], [1.0]))
    assert busy.startswith("the machine's load was up to 2.1 with 2 cores")
    # Two cores, two workers.
    assert disturbances(result([taken(1.0, load=2.0)], [1.0])) == []


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (FIRST, SECOND, "B takes 2.00x (2.00-2.00) A's CPU"),
        (SECOND, FIRST, "B takes 0.50x (0.50-0.50) A's CPU"),
        (FIRST, FIRST[::-1], "no difference in CPU seen beyond the noise: 1.000x (0.909-1.100)"),
        ([1.0] * 3, [2.0] * 3, "B took 2.00x (2.00-2.00) A's CPU in 3 pairs: fewer than 5 give no"),
        ([0.0] * 5, SECOND, "CPU: no ratio, for a measurement is zero"),
    ],
)
def test_verdicts_are_words(first, second, said):
    assert arms_compared(result(first, second))[0].verdict.startswith(said)


def test_a_result_says_all_of_it(one):
    found = json.loads(one.read_text())
    assert (found["format"], found["variable"], found["repeat"]) == (1, "work", 5)
    assert found["values"] == {"A": "simulate", "B": "simulate+evaluate"}
    assert found["conditions"] == CONDITIONS
    assert len(found["measurements"]) == 12
    [cpu, *_] = found["comparisons"]
    assert (cpu["figure"], cpu["ratio"], cpu["count"]) == ("cpu_seconds", 2.0, 5)
    assert cpu["verdict"] == "B takes 2.00x (2.00-2.00) A's CPU"


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found.update(format=2),
        lambda found: found.pop("arms"),
        lambda found: found.update(arms={}),
        lambda found: found["measurements"].clear(),
        lambda found: found["measurements"][3].pop("cpu_seconds"),
        lambda found: found["conditions"].pop("cores"),
        lambda found: found.update(measurements=[1]),
    ],
)
def test_what_is_no_result_is_refused(one, damage):
    found = json.loads(one.read_text())
    del found["seal"]
    damage(found)
    one.write_text(json.dumps(found))
    with pytest.raises(InputError, match=str(one)):
        results_compared(one, one, None)


def test_a_figure_that_was_changed_by_hand_is_noticed(one):
    one.write_text(one.read_text().replace('"arm": "A"', '"arm": "B"', 1))
    with pytest.raises(InputError, match="damaged, it is not what was written"):
        results_compared(one, one, None)
