"""Snakemake itself in a container: it goes on without the machine that started it."""

import json
import os
import sys
import time

import pytest

from tests.modal.conftest import REPOSITORY, VOLUME, begin, finish, wait_until

# Two jobs that take a while, one that is light, and what comes of them.
PARTS = """
configfile: "config.yaml"

localrules: begin

rule all:
    input: "out/total.txt"

rule begin:
    input: local(config["words"])
    output: "out/begin.txt"
    shell: "cp {input} {output}"

rule part:
    input: "out/begin.txt"
    output: "out/part_{i}.txt"
    resources: mem_mb=300
    shell: "sleep SECONDS; cat {input} > {output}; echo {wildcards.i} >> {output}"

rule total:
    input: expand("out/part_{i}.txt", i=range(2))
    output: "out/total.txt"
    resources: mem_mb=300
    shell: "cat {input} > {output}"
"""
MADE = "good day\n0\ngood day\n1\n"


class Detached:
    """A coordinator, started, watched and ended by its command line."""

    def __init__(self, project):
        self.project = project
        self.folder = project.folder

    def call(self, *words: str, seconds: float = 120):
        paths = [str(REPOSITORY / "workflow"), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        command = [sys.executable, "-m", "snakemake_executor_plugin_modal.coordinator", *words]
        return finish(begin(command, self.folder, environment), seconds)

    def start(self, *own: str):
        return self.call("start", "demo", *own, *self.project.command()[3:])

    def logs(self, *more: str):
        return self.call("logs", "demo", "--volume", VOLUME, *more)

    def stop(self):
        return self.call("stop", "demo", "--volume", VOLUME)

    @property
    def desk(self):
        return self.project.files / ".smk-modal/coordinators/demo"

    def state(self) -> dict:
        path = self.desk / "state.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def container(self):
        """The container in which the coordinator runs, None without one."""
        apps = self.project.emulator.apps
        found = [
            one
            for one in self.project.emulator.containers()
            if apps.definition(one.function_id).function_name == "coordinate" and not one.killed
        ]
        return found[0] if found else None

    def wait(self, seconds: float = 120) -> dict:
        wait_until(lambda: self.state().get("state") in ("completed", "failed", "stopped"), seconds)
        return self.state()


@pytest.fixture
def detached(project):
    (project.folder / "words.txt").write_text("good day\n")
    (project.folder / "config.yaml").write_text("words: words.txt\n")
    project.write("Snakefile", PARTS.replace("SECONDS", "1"))
    return Detached(project)


def test_a_run_goes_on_without_the_machine_that_started_it(detached, finding):
    started = detached.start()
    assert started.code == 0, started.output
    assert detached.wait()["state"] == "completed", detached.logs().output
    assert detached.project.content()["total.txt"] == MADE
    assert set(detached.project.sent().values()) == {1}
    # That of the coordinator and that of its jobs: what it has in the container is the same code.
    assert detached.project.emulator.apps.deployments == 2
    shown = detached.logs("--follow")
    assert shown.code == 0
    assert "5 of 5 steps" in shown.output and "demo: completed, container 1" in shown.output
    finding(f"started in {started.seconds:.0f} s")


def parts_under_way(detached) -> bool:
    """Whether both long jobs run, and the coordinator's record on the volume has their calls."""
    started = list((detached.project.files / ".smk-modal/calls").glob("*/n"))
    records = (detached.project.files / ".smk-modal/coordinators").glob("*.json")
    return len(started) == 2 and any(path.read_text().count("fc-") == 2 for path in records)


def slow(detached, seconds: int) -> None:
    detached.project.write("Snakefile", PARTS.replace("SECONDS", str(seconds)))


def test_a_killed_coordinator_is_replaced_and_takes_up_what_runs(detached, finding):
    slow(detached, 30)
    assert detached.start().code == 0
    wait_until(lambda: parts_under_way(detached))
    second = detached.start()
    assert second.code == 1
    assert "error: the coordinator demo is at work already" in second.output
    killed, since = detached.container(), time.monotonic()
    detached.project.emulator.kill(killed.task_id)
    state = detached.wait(150)
    assert state["state"] == "completed", detached.logs().output
    assert state["attempt"] == 2 and len(state["deaths"]) == 1
    assert detached.project.content()["total.txt"] == MADE
    # No job was sent, or begun, a second time, and nobody waited for a silence of three minutes.
    assert set(detached.project.deliveries().values()) == {1}
    assert "Waiting for the call" in detached.logs().output
    finding(f"kill -9: replaced and done after {time.monotonic() - since:.0f} s, 0 jobs run again")


def test_it_goes_on_in_a_new_call_before_its_time_is_over_and_after_a_preemption(detached):
    slow(detached, 30)
    assert detached.start("--hours", "0.008").code == 0
    wait_until(lambda: parts_under_way(detached))
    wait_until(lambda: detached.state()["attempt"] == 2)
    first = detached.state()["container"]
    detached.project.emulator.preempt(first)
    state = detached.wait(150)
    assert state["state"] == "completed", detached.logs().output
    # Neither is a death.
    assert state["attempt"] >= 3 and not state["deaths"]
    assert detached.project.content()["total.txt"] == MADE
    assert set(detached.project.deliveries().values()) == {1}


def test_stop_ends_it_and_all_that_it_has_sent(detached, finding):
    slow(detached, 100)
    assert detached.start().code == 0
    wait_until(lambda: parts_under_way(detached))
    stopped = detached.stop()
    assert stopped.code == 0 and "demo: stopped" in stopped.output
    wait_until(lambda: not detached.project.emulator.containers(), 10)
    files = detached.project.files
    assert not list((files / ".smk-modal/coordinators").glob("*.json"))
    assert not list((files / "out").glob("part_*"))
    finding(f"stopped after {stopped.seconds:.0f} s, no container left")
