"""What breaks on Modal, what is lost (nothing), and how many jobs have to be run again."""

import json
import os
import signal
import time

import pytest

from tests.modal.conftest import finish, wait_until

FOUR = """
rule all:
    input: expand("out/{i}.txt", i=range(4))

rule part:
    output: "out/{i}.txt"
    log: "logs/{i}.log"
    resources: mem_mb=300
    run:
        import time
        with open(output[0], "w") as file:
            file.write("half")
            file.flush()
            time.sleep(SECONDS)
            file.write(" and half of " + wildcards.i)
"""
FOUR_MADE = {f"{i}.txt": f"half and half of {i}" for i in range(4)}


@pytest.fixture
def four(project):
    """Four jobs that each write half of their file, wait, and write the rest."""
    project.write("Snakefile", FOUR.replace("SECONDS", "1"))
    return project


def slow(project, seconds: int) -> None:
    project.write("Snakefile", FOUR.replace("SECONDS", str(seconds)))


def running(project) -> int:
    """How many jobs are under way in containers: their start is committed."""
    calls = project.files / ".smk-modal" / "calls"
    return len(list(calls.glob("*/n")))


def nothing_to_do(project) -> bool:
    return "Nothing to be done" in project.run().output


def test_a_users_error_keeps_the_other_jobs_and_shows_the_log(four, finding):
    wrong = FOUR.replace("SECONDS", "0").replace(
        "import time", 'import time; assert wildcards.i != "2", "two is not allowed"'
    )
    four.write("Snakefile", wrong)

    first = four.run("--keep-going")
    four.write("Snakefile", FOUR.replace("SECONDS", "0"))
    before = four.sent()
    second = four.run("--rerun-triggers", "mtime")

    assert first.code == 1
    assert "two is not allowed" in first.output
    assert second.code == 0, second.output
    assert four.content() == FOUR_MADE
    again = four.sent() - before
    assert again == {"out/2.txt": 1}
    finding("other 3 jobs kept; the failed one was run again")


def test_out_of_memory_is_said_and_the_retry_gets_more(project, finding):
    project.write(
        "Snakefile",
        """
rule big:
    output: "out/big.txt"
    resources: mem_mb=lambda wildcards, attempt: 250 * attempt
    run:
        import time
        block = bytearray(350 * 2**20)
        time.sleep(1)
        with open(output[0], "w") as file:
            file.write(str(len(block)))
""",
    )
    project.options["--modal-memory-classes"] = "250 500"

    result = project.run("--retries", "1")

    assert result.code == 0, result.output
    assert "out of memory" in result.output and "mem_mb=250" in result.output
    assert project.deliveries() == {"out/big.txt": 2}
    assert project.emulator.tasks.ended == [] or all(
        code == 0 for _, code in project.emulator.tasks.ended
    )
    finding("the container survived; 1 attempt with 250 MB failed, the next with 500 MB succeeded")


def killer(project, at_commit: int, times: int):
    """Kill a container at its so-manieth commit of a job, so many times."""
    commits: dict[str, int] = {}
    killed: list[str] = []

    def hook(container):
        commits[container.task_id] = commits.get(container.task_id, 0) + 1
        if commits[container.task_id] == at_commit and len(killed) < times:
            killed.append(container.task_id)
            container.end()

    return hook, killed


@pytest.mark.parametrize(("when", "commit"), [("before", 1), ("at", 2)])
def test_a_container_killed_around_its_commit_is_replaced(four, finding, when, commit):
    hook, killed = killer(four, commit, 1)
    four.emulator.hooks["VolumeCommit"] = hook

    result = four.run()

    assert killed
    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert sum(four.deliveries().values()) == 5
    finding(f"killed {when} its write: nothing lost, 1 of 4 jobs begun again by Modal")


def test_a_container_killed_after_its_write_is_replaced(four, finding):
    killed = []

    def hook(container):
        if container.inputs and not killed and container.call.input_id != "in-000001":
            killed.append(container.task_id)
            container.end()

    four.emulator.hooks["FunctionPutOutputs"] = hook
    result = four.run()

    assert killed
    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert sum(four.deliveries().values()) == 5
    finding("killed after its write: nothing lost, 1 of 4 jobs begun again by Modal")


def test_no_half_file_is_ever_published(four, finding):
    slow(four, 3)
    process = four.start()
    wait_until(lambda: running(four) == 2)
    time.sleep(1.5)
    for container in four.emulator.containers():
        four.emulator.commit_in_background(container.task_id)
    assert four.content() == {}
    for container in four.emulator.containers():
        four.emulator.kill(container.task_id)

    result = finish(process)

    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    finding("killed during its write, after a background commit: 2 of 4 jobs begun again by Modal")


def test_a_crash_loop_ends_after_three_starts(project, finding):
    project.write("Snakefile", FOUR.replace("SECONDS", "30").replace("range(4)", "range(1)"))
    process = project.start()
    kills = 0
    while process.poll() is None:
        for container in project.emulator.containers():
            if container.call and running(project):
                time.sleep(0.5)
                project.emulator.kill(container.task_id)
                kills += 1
                wait_until(lambda task=container.task_id: task not in project.emulator.tasks.live)
        time.sleep(0.1)
        assert kills < 10
    result = finish(process)

    assert result.code == 1
    assert "the container died 3 times" in result.output
    assert kills == 3
    assert running(project) == 0
    finding("given up after 3 starts; 0 jobs lost")


def test_preemptions_do_not_count_as_crashes(project, finding):
    project.write("Snakefile", FOUR.replace("SECONDS", "4").replace("range(4)", "range(1)"))
    process = project.start()
    for _ in range(4):
        wait_until(lambda: running(project) == 1 and project.emulator.containers())
        time.sleep(0.3)
        (container,) = [one for one in project.emulator.containers() if not one.retired]
        project.emulator.preempt(container.task_id)
        assert running(project) == 0
    result = finish(process)

    assert result.code == 0, result.output
    assert project.deliveries() == {"out/0.txt": 5}
    finding("4 preemptions, then done: nothing lost, the job begun again 4 times by Modal")


def test_after_kill_9_the_same_command_takes_up_the_running_calls(four, finding):
    slow(four, 6)
    process = four.start()
    wait_until(lambda: running(four) == 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    result = four.run("--ignore-incomplete", "--nolock")

    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert sum(four.sent().values()) == 4
    assert sum(four.deliveries().values()) == 4
    finding("2 running calls taken up again: 0 jobs run again")


def test_after_kill_9_another_machine_takes_up_the_calls_once_the_record_is_stale(four, finding):
    slow(four, 25)
    process = four.start()
    (four.files / ".smk-modal").mkdir(exist_ok=True)
    wait_until(lambda: running(four) == 2)
    # The record is written again some seconds after a call was sent.
    folder = four.files / ".smk-modal" / "coordinators"
    wait_until(lambda: any("fc-" in path.read_text() for path in folder.glob("*.json")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (record,) = folder.glob("*.json")
    elsewhere = json.loads(record.read_text()) | {"host": "elsewhere", "time": 0}
    record.write_text(json.dumps(elsewhere))
    for path in (four.folder / ".snakemake").rglob("modal/*.json"):
        path.unlink()

    result = four.run("--ignore-incomplete", "--nolock")

    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert sum(four.sent().values()) == 4
    finding("calls of a dead coordinator elsewhere taken up: 0 jobs run again")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_no_container_and_the_same_command_goes_on(four, finding, times):
    slow(four, 30)
    process = four.start()
    wait_until(lambda: running(four) == 2)
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
    stopped = finish(process, 30)
    assert stopped.code != 0
    wait_until(lambda: not four.emulator.containers(), 3)

    slow(four, 0)
    result = four.run("--rerun-triggers", "mtime")

    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert running(four) == 0
    finding(f"Ctrl-C x{times}: stopped in {stopped.seconds:.1f} s, no container left")


def test_api_errors_for_a_while_are_waited_out(four, finding):
    process = four.start()
    wait_until(lambda: running(four) == 2)
    four.emulator.fail("*", 15)
    result = finish(process)

    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert "Modal does not answer" in result.output
    finding("15 errors waited out: 0 jobs run again")


def test_api_errors_without_an_end_fail_the_run_clearly_and_it_can_be_resumed(four, finding):
    slow(four, 8)
    four.options |= {"--modal-patience": "3", "--storage-modal-patience": "3"}
    process = four.start()
    wait_until(lambda: running(four) == 2)
    four.emulator.fail("*", 10**6)
    failed = finish(process)
    four.emulator.fail("*", 0)
    result = four.run("--ignore-incomplete", "--nolock")

    assert failed.code == 1
    assert "Modal has not answered for" in failed.output
    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert sum(four.deliveries().values()) == 4
    finding(f"clear failure after {failed.seconds:.0f} s; resumed: 0 jobs run again")


def test_a_missing_commit_is_noticed(four, finding):
    four.emulator.commits_are_lost = True
    result = four.run("--keep-going")
    assert result.code == 1
    assert "out/0.txt" in result.output
    finding("noticed as missing output")


def test_a_slow_volume_only_costs_time(four, finding):
    four.emulator.container_latency = 1.0
    four.emulator.latency = 0.1
    result = four.run()
    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert sum(four.deliveries().values()) == 4
    finding(f"1 s per commit and reload, 0.1 s per call: {result.seconds:.0f} s, 0 jobs run again")


def test_a_second_coordinator_on_the_same_files_is_refused(four, finding):
    slow(four, 8)
    first = four.start()
    wait_until(lambda: running(four) == 2)
    second = four.run("--nolock")
    assert second.code == 1
    assert "another coordinator" in second.output
    result = finish(first)
    assert result.code == 0, result.output
    assert sum(four.sent().values()) == 4
    assert nothing_to_do(four)
    finding("refused; the first is not disturbed")


def test_a_coordinator_that_sleeps_goes_on_where_it_was(four, finding):
    slow(four, 3)
    process = four.start()
    wait_until(lambda: running(four) == 2)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(15)
    # Its connections did not survive that.
    four.emulator.fail("*", 5)
    os.killpg(process.pid, signal.SIGCONT)
    result = finish(process)

    assert result.code == 0, result.output
    assert four.content() == FOUR_MADE
    assert sum(four.deliveries().values()) == 4
    finding("the lid closed: 0 jobs run again")
