"""One cap over all classes of containers, on the emulator: any class may use all of it."""

import pytest

from tests.modal.conftest import finish, wait_until

MANY_AND_SOME = """
rule all:
    input: expand("large/{i}.txt", i=range(8)), expand("out/{i}.txt", i=range(56))

rule part:
    output: "out/{i}.txt"
    resources: mem_mb=100
    shell: "echo {wildcards.i} > {output}"

rule big:
    input: "out/{i}.txt"
    output: "large/{i}.txt"
    resources: mem_mb=700
    shell: "cp {input} {output}"
"""


def per_class(project) -> dict[str, int]:
    """The most containers that each class ever had alive."""
    tasks, apps = project.emulator.tasks, project.emulator.apps
    return {
        apps.definition(function_id).function_name.split("-")[1]: number
        for function_id, number in tasks.most_of.items()
    }


def test_fifty_containers_of_one_class_and_never_more_while_another_takes_some(project, finding):
    project.write("Snakefile", MANY_AND_SOME)
    project.options |= {
        "--jobs": "64",
        "--modal-max-containers": "50",
        "--modal-memory-classes": "500 1000",
        "--modal-scaledown-window": "60",
    }

    result = project.run(seconds=480)

    assert result.code == 0, result.output
    assert len(project.content()) == 56 and len(project.content("large/*")) == 8
    assert set(project.sent().values()) == {1}
    most = per_class(project)
    assert most["500x1"] == 50
    assert most["1000x1"] > 1
    assert project.emulator.most_containers == 50
    calls = project.emulator.calls
    asked = calls["FunctionGetSchedulingParams"] + calls["FunctionGetCurrentStats"]
    told = calls["FunctionUpdateSchedulingParams"]
    finding(f"{most} in {result.seconds:.0f} s; maxima asked for {asked} times, told {told} times")


SMALL_THEN_LARGE = """
rule all:
    input: "large/0.txt", "large/1.txt"

rule part:
    output: "out/{i}.txt"
    resources: mem_mb=100
    shell: "sleep 1; echo {wildcards.i} > {output}"

rule large:
    input: expand("out/{i}.txt", i=range(2))
    output: "large/{i}.txt"
    resources: mem_mb=700
    shell: "sleep 1; cat {input} > {output}"
"""


@pytest.mark.parametrize("outlive", [False, True])
def test_warm_containers_give_way_to_another_class_and_count_until_they_are_gone(project, outlive):
    project.write("Snakefile", SMALL_THEN_LARGE)
    project.options["--modal-memory-classes"] = "500 1000"
    project.emulator.tasks.idle_outlive_a_lower_maximum = outlive

    result = project.run()

    assert result.code == 0, result.output
    assert per_class(project)["500x1"] == 2
    assert project.emulator.most_containers == 2


def test_with_fewer_containers_than_classes_these_take_turns_without_waiting_for_idle_ones(project):
    project.write("Snakefile", SMALL_THEN_LARGE)
    project.options |= {
        "--modal-memory-classes": "500 1000",
        "--modal-max-containers": "1",
        "--modal-scaledown-window": "200",
    }

    result = project.run(seconds=100)

    assert result.code == 0, result.output
    assert project.emulator.most_containers == 1
    assert per_class(project) == {"500x1": 1, "1000x1": 1}


ONE_CLASS = """
rule all:
    input: expand("out/NAME-{i}.txt", i=range(6))

rule part:
    output: "out/NAME-{i}.txt"
    resources: mem_mb=MEMORY
    shell: "sleep 1; echo {wildcards.i} > {output}"
"""


def test_two_coordinators_share_the_cap_of_the_app(project):
    project.options |= {
        "--modal-memory-classes": "500 1000",
        "--modal-max-containers": "3",
        "--modal-scaledown-window": "2",
    }
    for name, memory in (("small", "100"), ("large", "700")):
        project.write(f"{name}.smk", ONE_CLASS.replace("NAME", name).replace("MEMORY", memory))
    # So that the two do not both deploy.
    assert project.run("--nolock", "-s", "small.smk", "out/small-0.txt").code == 0

    first = project.start("--nolock", "-s", "small.smk")
    wait_until(lambda: len(project.emulator.containers()) == 3)
    second = project.run("--nolock", "-s", "large.smk")

    assert finish(first).code == 0
    assert second.code == 0, second.output
    assert len(project.content()) == 12
    assert project.emulator.most_containers == 3
