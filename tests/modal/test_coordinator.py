"""Snakemake itself in a container: it goes on without the machine that started it."""

import json
import os
import subprocess
import sys

import pytest

from tests.modal.conftest import REPOSITORY, VOLUME, begin, finish, wait_until

# Two jobs that take a while, one that is light, and what comes of them.
PARTS = """
configfile: "config.yaml"

localrules: begin

rule all:
    input: "out/total.txt"

rule begin:
    input: config["words"]
    output: "out/begin.txt"
    shell: "cp {input} {output}"

rule part:
    input: "out/begin.txt"
    output: "out/{i}.txt"
    resources: mem_mb=300
    shell: "sleep SECONDS; cat {input} > {output}; echo {wildcards.i} >> {output}"

rule total:
    input: expand("out/{i}.txt", i=range(2))
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


def jobs_under_way(project) -> int:
    return len(list((project.files / ".smk-modal/calls").glob("*/n")))


def test_a_run_goes_on_without_the_machine_that_started_it(detached, finding):
    started = detached.start()
    assert started.code == 0, started.output
    assert detached.wait()["state"] == "completed", detached.logs().output
    assert detached.project.content()["total.txt"] == MADE
    assert set(detached.project.sent().values()) == {1}
    shown = detached.logs("--follow")
    assert shown.code == 0
    assert "5 of 5 steps" in shown.output and "demo: completed, container 1" in shown.output
    finding(f"started in {started.seconds:.0f} s")
