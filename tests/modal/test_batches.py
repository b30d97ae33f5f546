"""Several short jobs in one call, on the emulator; to Snakemake they stay single jobs."""

import os
import signal

import pytest

from tests.modal.conftest import finish, payloads, wait_until

EIGHT = """
rule all:
    input: expand("out/{i}.txt", i=range(8))

rule part:
    output: "out/{i}.txt"
    log: "logs/{i}.log"
    resources: mem_mb=lambda wildcards, attempt: 100 * attempt, runtime=2
    shell:
        "echo this is {wildcards.i} > {log}; test ! -e /tmp/busy; touch /tmp/busy; sleep SECONDS; "
        "rm /tmp/busy; test {wildcards.i} != WRONG; echo {wildcards.i} > {output}"
"""


def write(project, seconds: str = "0.1", wrong: str = "none") -> None:
    project.write("Snakefile", EIGHT.replace("SECONDS", seconds).replace("WRONG", wrong))


def sizes(project) -> list[int]:
    """How many jobs there were in each call."""
    return sorted(len(call["files"]) for call in payloads(project.emulator))


@pytest.fixture
def eight(project):
    """Eight jobs, three in a call, of which no two may run at a time in a container."""
    write(project)
    project.options |= {"--modal-batches": "part=3", "--modal-memory-classes": "500 1000"}
    return project


def test_jobs_go_in_as_many_calls_as_batches_and_run_one_after_the_other(eight, finding):
    result = eight.run()

    assert result.code == 0, result.output
    assert sizes(eight) == [2, 3, 3]
    assert {call["memory_mb"] for call in payloads(eight.emulator)} == {100}
    assert {call["seconds"] for call in payloads(eight.emulator)} == {240, 360}
    assert eight.content() == {f"{i}.txt": f"{i}\n" for i in range(8)}
    assert eight.content("logs/*")["3.log"] == "this is 3\n"
    assert result.steps_done == "9 of 9"
    finding(f"8 jobs in {result.seconds:.0f} s")


def test_a_job_that_fails_costs_the_others_nothing_and_gets_its_retry(eight):
    write(eight, wrong="4")

    first = eight.run("--keep-going", "--retries", "1")

    assert first.code == 1
    assert sorted(eight.content()) == [f"{i}.txt" for i in range(8) if i != 4]
    assert "this is 4" in first.output and "this is 3" not in first.output
    # In the batch, by itself, and by itself with twice the memory.
    assert [
        call["memory_mb"] for call in payloads(eight.emulator) if "out/4.txt" in call["files"]
    ] == [*(100, 100, 200)]
    assert sizes(eight) == [1, 1, 2, 3, 3]

    write(eight)
    second = eight.run("--rerun-triggers", "mtime")
    assert second.code == 0, second.output
    assert sizes(eight) == [1, 1, 1, 2, 3, 3]


FIRST_TAKES_TOO_MUCH = """
rule all:
    input: expand("out/{i}.txt", i=range(8))

rule part:
    output: "out/{i}.txt"
    resources: mem_mb=100
    shell:
        "if mkdir /tmp/first; then "
        "python -c 'import time; block = bytes(1) * (500 * 2**20); time.sleep(20)'; "
        "fi; echo new > {output}"
"""


def test_a_file_from_before_does_not_pass_for_one_that_was_made(eight):
    assert eight.run().code == 0
    # The others of its batch are never begun.
    eight.write("Snakefile", FIRST_TAKES_TOO_MUCH)
    result = eight.run("--keep-going", "--forceall")
    assert result.code == 0, result.output
    assert set(eight.content().values()) == {"new\n"}


def test_after_kill_9_the_calls_of_batches_are_taken_up(eight):
    write(eight, seconds="2")
    process = eight.start()
    marks = eight.files / ".smk-modal" / "calls"
    wait_until(lambda: len(list(marks.glob("*/n"))) == 2)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)

    result = eight.run("--ignore-incomplete", "--nolock")

    assert result.code == 0, result.output
    assert len(eight.content()) == 8
    assert sizes(eight) == [2, 3, 3]


def test_a_batch_whose_container_dies_is_done_again(eight):
    write(eight, seconds="1")
    process = eight.start()
    marks = eight.files / ".smk-modal" / "calls"
    wait_until(lambda: len(list(marks.glob("*/n"))) == 2)
    eight.emulator.kill(eight.emulator.containers()[0].task_id)
    result = finish(process)
    assert result.code == 0, result.output
    assert len(eight.content()) == 8
    assert sizes(eight) == [2, 3, 3]
