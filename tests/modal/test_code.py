"""Containers work for the code that their coordinator has, and for no other."""

import hashlib
import os
import signal

from tests.modal.conftest import finish, wait_until

PARTS = """
rule all:
    input: expand("out/{i}.txt", i=range(2)), "out/script.txt"

rule part:
    output: "out/{i}.txt"
    resources: mem_mb=300
    run:
        import time, local
        word = local.word
        time.sleep(local.seconds)
        with open(output[0], "w") as file:
            file.write(word)

rule script:
    output: "out/script.txt"
    resources: mem_mb=300
    script: "scripts/script.py"
"""
SCRIPT = 'open(snakemake.output[0], "w").write("WORD")\n'


def write(project, word: str, seconds: int = 0) -> None:
    project.write("Snakefile", PARTS)
    project.write("local/__init__.py", f"word, seconds = '{word}', {seconds}\n")
    project.write("scripts/script.py", SCRIPT.replace("WORD", word))
    project.options["--modal-packages"] = "local"


def test_a_script_is_the_coordinators_also_in_a_warm_container(project):
    write(project, "first")
    project.options |= {"--modal-scaledown-window": "60", "--modal-max-containers": "1"}
    assert project.run().code == 0
    project.write("scripts/script.py", SCRIPT.replace("WORD", "second"))
    assert project.run("--forcerun", "script").code == 0
    assert project.content() == {"0.txt": "first", "1.txt": "first", "script.txt": "second"}
    assert project.emulator.tasks.started == 1


def test_a_container_with_other_code_of_a_package_refuses_in_one_line(project):
    write(project, "first")
    project.options["--modal-scaledown-window"] = "2"
    assert project.run().code == 0
    wait_until(lambda: not project.emulator.containers(), 20)
    # As if it had been edited between the look at it and the deployment.
    digest = hashlib.sha256(b"word, seconds = 'first', 0\n").hexdigest()
    assert digest in project.emulator.apps.files
    project.emulator.apps.files[digest] = b"word, seconds = 'other', 0\n"

    refused = project.run("--forcerun", "part", "--rerun-triggers", "mtime")

    assert refused.code == 1
    assert "this container has other code than the coordinator (local is " in refused.output
    assert "nothing was done" in refused.output
    assert "other" not in project.content().values()


def test_calls_that_other_code_sent_are_ended_before_their_jobs_are_sent_anew(project, finding):
    write(project, "first", seconds=40)
    process = project.start()
    calls = project.files / ".smk-modal" / "calls"
    wait_until(lambda: len(list(calls.glob("*/n"))) == 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    project.write("local/__init__.py", "word, seconds = 'second', 0\n")

    result = finish(project.start("--ignore-incomplete", "--nolock"))

    assert result.code == 0, result.output
    assert "calls of an earlier run, whose code or config was another" in result.output
    assert {project.content()[f"{i}.txt"] for i in range(2)} == {"second"}
    # The old ones did not end by themselves, and nothing waited for them.
    assert result.seconds < 40 and project.deliveries()["out/0.txt"] == 2
    finding(f"the package was edited after kill -9: 2 calls ended, {result.seconds:.0f} s")
