"""What is conspicuous in the figures of a run."""

import pytest

from localcal.evidence.findings import FINE, LOOK, UNKNOWN, find
from localcal.evidence.lines import Reading, read_lines
from tests.perf_case import BEGUN, chunks, files, planted, used


def found(lines):
    return {one.name: one for one in find(read_lines(lines))}


def worth(lines):
    """Return the names of the thresholds that have cases."""
    return [name for name, one in found(lines).items() if one.verdict == LOOK]


def test_what_was_planted_is_named_and_nothing_else():
    of = found(planted())
    names = ["stragglers", "retries", "oversized payloads"]
    assert [name for name, one in of.items() if one.verdict == LOOK] == names
    straggler, retry, payload = (of[name].cases for name in names)
    assert [one.job for one in straggler] == ["build_chunk/000006"]
    assert straggler[0].said == (
        "60.0 s, the median of its rule is 10.0 s; simulate 58.0 s against 8.0 s on slow"
    )
    assert [(one.job, one.said) for one in retry] == [("build_chunk/000007", "attempt 2")]
    assert "--set-resources build_chunk:mem_mb=3000" in retry[0].change
    assert [one.job for one in payload] == ["build_chunk/000008"]
    assert payload[0].said == "handed over 250 MB, the median of its rule is 0.005 MB"
    assert all(one.change for cases in (straggler, retry, payload) for one in cases)


def test_a_run_without_anything_conspicuous_is_fine():
    lines = [files("build_chunk/000000", {"a": 1}, {"a": 1}), *chunks(6)]
    assert {name: one.verdict for name, one in found(lines).items()} == dict.fromkeys(
        found(lines), FINE
    )


def test_without_any_figure_nothing_is_fine():
    verdicts = {one.verdict for one in find(Reading())}
    assert verdicts == {UNKNOWN}
    nothing = dict.fromkeys(
        ("attempt", "asked_mb", "phases", "start", "read_bytes", "made_bytes", "handed_bytes",
         "throttled_seconds", "worker"),
    )  # fmt: skip
    of = found(chunks(6, **nothing))
    fine = {name for name, one in of.items() if one.verdict == FINE}
    # How long each took is known all the same, and that none failed.
    assert fine == {"stragglers", "failures"}
    assert of["retries"].unknown == 6


@pytest.mark.parametrize(
    "phases, wall, change",
    [
        ({"import": 1.0, "load": 50.0, "simulate": 8.0}, 60.0, "see cold starts"),
        ({"import": 1.0, "write": 50.0, "simulate": 8.0}, 60.0, "the disk was slow"),
        ({"import": 1.0, "simulate": 8.0}, 60.0, "run fewer jobs at once there"),
        (None, 60.0, "run fewer jobs at once there"),
    ],
)
def test_a_straggler_is_mended_by_what_it_took_its_time_for(phases, wall, change):
    lines = [*chunks(6), used("build_chunk/000009", phases=phases, wall_seconds=wall)]
    [case] = found(lines)["stragglers"].cases
    assert change in case.change


def test_twice_a_short_time_is_no_straggler_and_neither_is_one_of_few():
    short = chunks(6, wall_seconds=1.0)
    assert not found([*short, used("build_chunk/000009", wall_seconds=5.0)])["stragglers"].cases
    long = chunks(6, wall_seconds=100.0)
    assert not found([*long, used("build_chunk/000009", wall_seconds=150.0)])["stragglers"].cases
    few = [*chunks(2), used("build_chunk/000009", wall_seconds=500.0)]
    assert (found(few)["stragglers"].verdict, found(few)["stragglers"].unknown) == (UNKNOWN, 3)


def test_memory_near_its_limit_and_memory_left_idle():
    of = found([used("fit_weights/local", peak_mb=1910, asked_mb=2000)])
    [case] = of["memory too short"].cases
    # A quarter more than 1,910 MB, in steps of 100.
    assert case.change == "--set-resources fit_weights:mem_mb=2400"
    lines = [
        used(f"fit_weights/{at}", peak_mb=peak, asked_mb=8000) for at, peak in ((1, 90), (2, 990))
    ]
    [case] = found(lines)["memory left idle"].cases
    assert case.said == "at most 990 MB of 8,000 MB in 2 jobs"
    assert "mem_mb=1300 for" in case.change
    # Nothing is to ask for less than imports take.
    [case] = found([used("fit_weights/local", peak_mb=90, asked_mb=8000)])["memory left idle"].cases
    assert case.said == "at most 90 MB of 8,000 MB in its only job"
    assert "mem_mb=500 for" in case.change
    assert worth([used("fit_weights/local", peak_mb=90, asked_mb=1900)]) == []


def test_a_payload_is_oversized_against_its_rule_or_by_itself():
    lines = [*chunks(6), used("build_chunk/000009", made_bytes=2_500_000)]
    [case] = found(lines)["oversized payloads"].cases
    assert case.said == "made 2.5 MB, the median of its rule is 0.2 MB"
    # Ten times nothing much is nothing much.
    assert worth([*chunks(6), used("build_chunk/000009", handed_bytes=900_000)]) == []
    [case] = found([used("fit_weights/local", handed_bytes=250_000_000)])[
        "oversized payloads"
    ].cases
    assert case.said == "handed over 250 MB"
    result = (
        "10:00:00 run_batch/a/0000: AGG_TIMING: run_id=r target=cost n_sim_returns=3 n_outputs=7 "
        "total_inline_mb=250.000 max_single_kb=150000.0 duration_ms=20.0 worker=one"
    )
    [case] = found([result])["oversized payloads"].cases
    assert case.said == "one of 3 results put together to cost has 150 MB"


def test_work_away_from_its_data():
    lines = [
        files("a", {}, {"x": 100}),
        used("a"),
        files("b", {"x": 100}, {}),
        used("b", worker="two"),
    ]
    [case] = found(lines)["work away from its data"].cases
    assert case.job == "1 of 1 jobs" and case.said.startswith("100% of the work")


def cold(at, begun, worker="one"):
    phases = {"import": 1.0, "load": 20.0, "simulate": 5.0}
    wall = {"wall_seconds": 26.0, "begun": BEGUN + begun}
    return used(f"build_chunk/{at:06}", start="cold", phases=phases, worker=worker, **wall)


def test_a_model_that_was_loaded_again_is_a_cold_start_too_many():
    [case] = found([cold(1, 0), cold(2, 300)])["cold starts"].cases
    assert case.job == "one"
    assert case.said.startswith("loaded models 2 times, for which 2 jobs waited 40.0 s")
    # Two that waited at the same time, and one for each worker, have loaded it once.
    assert found([cold(1, 0), cold(2, 5)])["cold starts"].verdict == FINE
    assert found([cold(1, 0), cold(2, 300, "two")])["cold starts"].verdict == FINE


def test_time_beside_the_work_and_throttling():
    lines = chunks(5, phases={"import": 1.0, "check": 6.0, "simulate": 2.0})
    [case] = found(lines)["time beside the work"].cases
    assert (
        case.said == "35.0 s of 50.0 s in 5 jobs went beside the work, most of it to check (30.0 s)"
    )
    [case] = found([used("fit_weights/local", throttled_seconds=3.0)])["throttling"].cases
    assert case.said == "kept from the processor for 3.0 s in 10.0 s"


def test_failures_are_named():
    reading = Reading(failed=["fit_weights/local"], silent=["fit_weights/local"])
    of = {one.name: one for one in find(reading)}
    assert [case.job for case in of["failures"].cases] == ["fit_weights/local"]
