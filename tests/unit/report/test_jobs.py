"""When jobs worked and what they took."""

import os
import re
import subprocess
import sys
import time

from localcal.report import jobs
from localcal.report.jobs import Job, read_jobs

USED = 'used {"wall_seconds": 2.5, "cpu_seconds": 2.0, "warm_cpu_seconds": 0.5, "peak_mb": 300}'


def job(name, begun, wall, **other):
    rule = {"rule": name, "name": name, "asked_mb": None, "worker": None, "failed": False}
    return Job(**{**rule, "begun": begun, "wall": wall, "cpu": wall, "peak_mb": 100.0, **other})


def test_jobs_at_the_same_time_stand_in_different_lanes_and_pauses_are_cut_out():
    found = [job("a", 0, 10), job("b", 5, 10), job("c", 10, 5), job("d", 1000, 10)]
    assert [[one.name for one in lane] for _, lane in jobs.lanes(found)] == [["a", "c", "d"], ["b"]]
    text = jobs.draw_timeline(found)
    assert "1 pauses" in text and "25.0\u00a0s" in text
    assert text.count("<title>") == 4
    workers = [job("a", 0, 1, worker="w2"), job("b", 5, 1, worker="<w1>")]
    assert [name for name, _ in jobs.lanes(workers)] == ["<w1>", "w2"]
    assert "<w1>" not in jobs.draw_timeline(workers)


def test_a_long_name_of_a_worker_leaves_room_for_its_bars():
    text = jobs.draw_timeline([job("fit_weights", 0, 10, worker="w" * 300)])
    assert f">{'w' * 27}…<title>{'w' * 300}</title>" in text
    (bar,) = re.findall(r'<rect x="([\d.]+)" y="1.0" width="([\d.]+)"', text)
    assert float(bar[1]) > jobs.WIDTH / 2
    assert float(bar[0]) + float(bar[1]) < jobs.WIDTH


def test_failed_jobs_are_counted_in_words():
    found = [job("fit_weights", 0, 1, failed=True), job("write_area", 1, 1)]
    assert "1 failed in their last attempt" in jobs.sum_up(found)
    assert "failed" not in jobs.sum_up(found[1:])


def test_jobs_stand_where_they_began_with_the_memory_and_worker_that_they_wrote(
    tmp_path, monkeypatch
):
    """Written as jobs do, in a folder whose logs were copied a day later."""
    log = tmp_path / "run/logs/write_area/OH.log"
    lines = "from localcal.jobs.job import logged\nfrom localcal.jobs.usage import Asked\n"
    lines += f"with logged({str(log)!r}, asked=Asked('run', 2, 3000)): pass\n"
    monkeypatch.setenv("MODAL_TASK_ID", "ta-01")
    before = time.time()
    subprocess.run([sys.executable, "-c", lines], check=True, capture_output=True)
    os.utime(log, (before + 86400, before + 86400))
    (found,) = read_jobs(tmp_path / "run")
    assert (found.asked_mb, found.worker) == (3000, "ta-01")
    assert before - 1 < found.begun < time.time()


def test_memory_is_told_against_what_was_asked_where_that_is_known():
    text = jobs.sum_up([job("fit_weights", 0, 1, asked_mb=400.0), job("write_area", 1, 1)])
    assert "25\u00a0%" in text and "not known" in text
    assert "not beside it" in jobs.sum_up([])


def test_the_graph_has_no_edge_that_follows_from_others():
    graph = {"a": set(), "b": {"a"}, "c": {"a", "b"}}
    assert jobs.layers(graph) == [["a"], ["b"], ["c"]]
    assert jobs.direct(graph) == [("a", "b"), ("b", "c")]
    assert jobs.draw_graph(graph, []).count("<path") == 2


def test_jobs_are_read_of_logs_that_say_what_they_took(tmp_path):
    folder = tmp_path / "now"
    for name, text in (("write_area/states/OH", f"12:00:00 x: {USED}\n"), ("a/a", "12:00:00 x: y")):
        log = folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True)
        log.write_text(text)
    (job,) = read_jobs(folder)
    assert (job.rule, job.name) == ("write_area", "write_area/states/OH")
    assert (job.wall, job.cpu, job.peak_mb, job.failed) == (2.5, 2.0, 300, False)
