"""What lines of logs say."""

import pytest

from localcal.errors import InputError
from localcal.evidence.lines import Aggregated, Simulated, read_lines, read_run
from localcal.status.folder import LocalRuns
from tests.perf_case import USUAL, chunks, files, used
from tests.runs_case import RunFolder

SIM = "10:00:00 run_batch/a/0000: SIM_TIMING: param_id=x seed=4 duration_ms=1500.0 worker=one"
AGG = (
    "10:00:00 run_batch/a/0000: AGG_TIMING: run_id=r target=cost n_sim_returns=3 n_outputs=7 "
    "total_inline_mb=2.500 max_single_kb=900.0 duration_ms=20.0 worker=one"
)


def test_figures_have_the_units_that_their_names_say():
    found = read_lines([SIM, AGG, "10:00:00 run_batch/a/0000: other words", "no log"])
    assert found.simulated == [Simulated("run_batch/a/0000", 1.5)]
    # 2.5 MB are 2,500,000 bytes, 900 kB are 900,000.
    assert found.aggregated == [Aggregated("run_batch/a/0000", "cost", 3, 2.5e6, 9e5, 0.02)]
    assert not found.attempts and not found.is_empty and not found.damaged


def test_files_belong_to_what_the_same_job_says_next():
    lines = [
        files("build_chunk/0", {"a": 1}, {"b": 2}),
        used("build_chunk/1"),
        used("build_chunk/0"),
        used("build_chunk/0", attempt=2),
    ]
    found = [(one.job, one.read, one.made) for one in read_lines(lines).attempts]
    assert found == [
        ("build_chunk/1", None, None),
        ("build_chunk/0", {"a": 1}, {"b": 2}),
        ("build_chunk/0", None, None),
    ]


def test_what_a_coordinator_printed_of_a_job_is_the_same_attempt():
    log = [SIM, files("run_batch/a/0000", {}, {"b": 2}), used("run_batch/a/0000", begun=5.0)]
    for lines in ([*log, log[-1]], [log[-1], *log], [*log, *log]):
        found = read_lines(lines)
        assert [one.made for one in found.attempts] == [{"b": 2}]
        assert len(found.simulated) == 1


def test_two_equal_simulations_of_a_job_are_two():
    assert len(read_lines([SIM, SIM]).simulated) == 2


def test_what_collects_logs_may_have_written_before_a_line():
    assert (
        len(read_lines([f"2027-01-15T07:00:00Z pod-3 {used('fit_weights/local')}\n"]).attempts) == 1
    )


def test_figures_of_a_later_version_are_passed_over_and_older_ones_not_known():
    found = read_lines([used("x", colour="red")]).attempts[0].usage
    assert found.wall_seconds == 10.0
    old = {name: USUAL[name] for name in list(USUAL)[:4]}
    missing = {name: None for name in USUAL if name not in old}
    assert read_lines([used("x", **missing)]).attempts[0].usage.phases is None


@pytest.mark.parametrize(
    "line",
    [
        used("x", wall_seconds=None),
        used("x", wall_seconds="10"),
        used("x", wall_seconds=-1),
        used("x", wall_seconds=float("nan")),
        used("x", peak_mb=10**400),
        used("x", attempt=True),
        used("x", phases=[1]),
        used("x", phases={"write": None}),
        used("x", start="tepid"),
        used("x", worker=3),
        used("x")[:-20],
        "10:00:00 x: files {}",
        "10:00:00 x: SIM_TIMING: param_id=x duration_ms=soon",
        "10:00:00 x: AGG_TIMING: target=cost duration_ms=1.0",
    ],
)
def test_a_line_that_holds_no_figures_is_counted_and_nothing_is_made_of_it(line):
    found = read_lines([line])
    assert found.is_empty and found.damaged == ["x"]


def test_logs_of_a_run_are_of_its_jobs_alone(tmp_path):
    run = RunFolder(tmp_path / "runs")
    for at, line in enumerate(chunks(2)):
        run.write(f"logs/build_chunk/{at:06}.log", f"{line}\n")
    run.write("logs/assemble_matrix/assemble_matrix.log", "10:00:00 assemble_matrix: begins\n")
    run.write("logs/fit_weights/local.log", f"{used('fit_weights/local')}\nerror: no\n")
    # What a coordinator printed is in the jobs' own logs.
    run.write("logs/coordinator/coordinator.log", f"{used('build_chunk/000009')}\n")
    found = read_run(LocalRuns(tmp_path / "runs"), "demo")
    jobs = [one.job for one in found.attempts]
    assert jobs == ["build_chunk/000000", "build_chunk/000001", "fit_weights/local"]
    assert found.silent == ["assemble_matrix"]
    assert found.failed == ["fit_weights/local"]


def test_a_log_that_cannot_be_read_is_an_error_and_one_that_has_gone_a_job_at_work(
    tmp_path, monkeypatch
):
    run = RunFolder(tmp_path / "runs")
    log = run.write("logs/build_chunk/000000.log", "")
    runs = LocalRuns(tmp_path / "runs")
    listed = runs.files("demo")
    log.unlink()
    answers = [listed, {}]
    monkeypatch.setattr(runs, "files", lambda name: answers.pop(0))
    assert read_run(runs, "demo").silent == ["build_chunk/000000"]
    answers += [listed, listed]
    with pytest.raises(InputError, match=r"000000\.log: cannot be read"):
        read_run(runs, "demo")
