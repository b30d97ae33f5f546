"""Workflows that have nothing to do with localcal, run by the executor on the emulator."""

import pytest

from tests.modal.conftest import wait_until

SIX = """
rule all:
    input: "out/total.txt", expand("out/{i}.txt", i=range(6))

rule total:
    input: expand("out/{i}.txt", i=range(6))
    output: "out/total.txt"
    run:
        with open(output[0], "w") as file:
            file.write(str(sum(int(open(path).read()) for path in input)))

rule part:
    output: "out/{i}.txt"
    log: "logs/{i}.log"
    run:
        import time
        time.sleep(0.5)
        with open(log[0], "w") as file:
            file.write("log of " + wildcards.i)
        with open(output[0], "w") as file:
            file.write(wildcards.i)
"""
SIX_MADE = {**{f"{i}.txt": str(i) for i in range(6)}, "total.txt": "15"}


def test_jobs_run_in_at_most_three_containers_and_their_files_are_on_the_volume(project, finding):
    project.write("Snakefile", SIX)
    project.options["--modal-max-containers"] = "3"

    result = project.run()

    assert result.code == 0, result.output
    assert project.content() == SIX_MADE
    assert project.content("logs/*")["3.log"] == "log of 3"
    assert project.emulator.most_containers <= 3
    assert set(project.sent().values()) == {1}
    # Nothing of the plugin is left but the note that the image was checked.
    assert [p.name[:8] for p in (project.files / ".smk-modal").rglob("*") if p.is_file()] == [
        "checked-"
    ]
    calls = project.emulator.calls
    assert calls["FunctionMap"] == 8
    finding(f"{sum(calls.values())} API calls for 7 jobs in {result.seconds:.1f} s: {dict(calls)}")


def test_a_container_imports_the_modules_once_for_all_its_jobs(project):
    project.write(
        "heavy/__init__.py",
        "print('heavy is imported')\nloaded = True\n",
    )
    project.write(
        "Snakefile",
        SIX.replace("import time\n", "import sys; assert 'heavy' in sys.modules; import time\n"),
    )
    project.options |= {"--modal-packages": "heavy", "--modal-preload": "heavy"}

    result = project.run()

    assert result.code == 0, result.output
    logs = [path.read_text() for path in (project.emulator.root / "logs").glob("*.log")]
    assert [log.count("heavy is imported") for log in logs] == [1] * len(logs)
    assert len(logs) == 2


ONE = """
rule one:
    output: "out/one.txt"
    threads: THREADS
    resources: RESOURCES
    shell: "echo one > {output}"
"""


def one(project, threads="1", resources="mem_mb=100") -> None:
    project.write("Snakefile", ONE.replace("THREADS", threads).replace("RESOURCES", resources))


def last_error(result) -> str:
    """What Snakemake says last, in one line."""
    assert result.code == 1, result.output
    assert "Traceback" not in result.output, result.output
    assert 'File "' not in result.output, result.output
    return result.output


def test_the_app_is_deployed_again_only_if_image_or_settings_changed(project):
    one(project)
    project.write("local/__init__.py", "")
    project.options["--modal-packages"] = "local"
    deployments = []

    for change in ("", "", "settings", "package"):
        if change == "settings":
            project.options["--modal-scaledown-window"] = "7"
        if change == "package":
            project.write("local/__init__.py", "changed = True")
        assert project.run("--force").code == 0
        deployments.append(project.emulator.apps.deployments)

    assert deployments == [1, 1, 2, 3]


def test_a_second_class_takes_what_the_first_cannot_and_the_cap_holds_over_both(project):
    project.write(
        "Snakefile",
        """
rule all:
    input: expand("out/{i}.txt", i=range(6))

rule part:
    output: "out/{i}.txt"
    resources: mem_mb=lambda wildcards: 300 if int(wildcards.i) % 2 else 700
    shell: "sleep 1; echo {wildcards.i} > {output}"
""",
    )
    project.options |= {"--modal-memory-classes": "500:1 1000", "--modal-max-containers": "3"}

    result = project.run()

    assert result.code == 0, result.output
    assert len(project.content()) == 6
    assert project.emulator.most_containers == 3
    per_class = {c.function_name for c in map(definition, project.emulator.apps.functions.values())}
    assert {name.split("-")[1] for name in per_class} == {"500x1", "1000x1"}


def definition(function):
    return function.definition


def test_an_image_that_cannot_import_stops_the_run_before_any_job(project, finding):
    one(project)
    project.options["--modal-preload"] = "no_such_module"

    result = project.run()

    text = last_error(result)
    assert "cannot run jobs: import no_such_module: ModuleNotFoundError" in text
    assert not project.sent()
    finding(f"found out after {result.seconds:.0f} s")


def test_the_check_has_to_succeed_before_any_job_and_its_container_is_used_on(project):
    one(project)
    project.options |= {"--modal-check": "false", "--modal-scaledown-window": "20"}
    assert "cannot run jobs: false: it failed" in last_error(project.run())
    assert not project.sent()

    project.options["--modal-check"] = "true"
    assert project.run().code == 0
    assert project.emulator.tasks.started == 1


LEAVES_A_PROCESS = """
rule all:
    input: expand("out/{i}.txt", i=range(3))

rule part:
    output: "out/{i}.txt"
    resources: mem_mb=300
    shell:
        "if mkdir /tmp/left; then "
        "setsid python -c 'import time; b = bytearray(200 * 2**20); time.sleep(100)' "
        "> /dev/null 2>&1 < /dev/null & "
        "fi; sleep 3; echo {wildcards.i} > {output}"
"""


def test_memory_that_an_earlier_job_left_in_use_does_not_count_against_a_later_one(project):
    project.write("Snakefile", LEAVES_A_PROCESS)
    project.options["--modal-max-containers"] = "1"
    project.options["--modal-memory-classes"] = "300"
    result = project.run()
    assert result.code == 0, result.output
    assert len(project.content()) == 3


def test_memory_of_a_process_that_a_job_detached_is_the_jobs(project):
    project.write("Snakefile", LEAVES_A_PROCESS.replace("200 *", "500 *"))
    project.options["--modal-max-containers"] = "1"
    project.options["--modal-memory-classes"] = "300"
    assert "out of memory" in last_error(project.run())


def test_the_volume_is_that_of_the_default_storage(project):
    one(project)
    project.options["--modal-volume"] = None
    assert project.run().code == 0
    assert project.content() == {"one.txt": "one\n"}


def test_a_volume_is_made_only_where_that_is_said_of_its_name(project):
    one(project)
    project.options["--modal-volume"] = None
    project.options["--default-storage-prefix"] = "modal://fresh"
    refused = project.run()
    assert refused.code == 1 and "There is no Modal volume 'fresh'" in refused.output
    project.options["--storage-modal-create"] = "fresh"
    assert project.run().code == 0
    assert (project.emulator.volumes.committed("fresh") / "out/one.txt").exists()


def test_a_config_file_outside_of_the_folder_reaches_the_jobs(project, tmp_path):
    outside = tmp_path / "elsewhere" / "config.yaml"
    outside.parent.mkdir()
    outside.write_text("word: good\n")
    project.write(
        "Snakefile",
        'rule one:\n    output: "out/one.txt"\n    run:\n'
        '        open(output[0], "w").write(config["word"])\n',
    )
    assert project.run("--configfile", str(outside)).code == 0
    assert project.content() == {"one.txt": "good"}


def test_other_versions_in_the_image_stop_the_run(project):
    one(project)
    project.write("other/snakemake-1.0.dist-info/METADATA", "Name: snakemake\nVersion: 1.0\n")
    project.options["--modal-packages"] = "other/snakemake-1.0.dist-info"

    text = last_error(project.run())

    assert "snakemake is 1.0 in the image and " in text
    assert not project.sent()


def test_a_container_that_never_gets_ready_stops_the_run(project, finding):
    one(project)
    project.write("endless/__init__.py", "import time; time.sleep(600)")
    project.options |= {"--modal-packages": "endless", "--modal-preload": "endless"}
    project.options["--modal-start-timeout"] = "5"

    result = project.run()

    assert "was ready within 5 s" in last_error(result)
    wait_until(lambda: not project.emulator.containers(), 5)


def test_without_a_token_one_line_says_what_to_set(project, monkeypatch):
    one(project)
    monkeypatch.delenv("MODAL_TOKEN_ID")
    monkeypatch.delenv("MODAL_TOKEN_SECRET")
    text = last_error(project.run())
    assert "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET" in text


def test_a_wrong_volume_name_is_said(project):
    one(project)
    project.options["--modal-volume"] = "dada"
    assert "there is no Modal Volume 'dada'" in last_error(project.run())


@pytest.mark.parametrize(
    ("threads", "resources", "says"),
    [
        ("1", "mem_mb=500000", "Modal sells at most"),
        ("100", "mem_mb=100", "Modal sells at most"),
        ("1", "mem_mb=100, runtime=2000", "Modal sells at most"),
        ("1", "mem_mb=600", "no class of containers"),
    ],
)
def test_a_job_that_asks_for_too_much_is_refused_before_anything_is_sent(
    project, threads, resources, says
):
    one(project, threads, resources)
    text = last_error(project.run())
    assert says in text
    assert "job one asks for" in text
    sent = project.emulator.calls
    assert not sent["FunctionMap"] and not sent["AppCreate"]


def test_a_job_that_exceeds_its_runtime_is_ended(project):
    # The least that Snakemake can express is a minute.
    project.write(
        "Snakefile",
        'rule one:\n    output: "out/one.txt"\n    resources: runtime=1, mem_mb=100\n'
        '    shell: "sleep 100"\n',
    )
    assert "out of time" in last_error(project.run())


def test_named_variables_reach_the_jobs(project, monkeypatch):
    monkeypatch.setenv("GREETING", "good day")
    project.write(
        "Snakefile",
        'rule one:\n    output: "out/one.txt"\n    shell: "echo $GREETING > {output}"\n',
    )
    project.options["--modal-env"] = "GREETING"
    assert project.run().code == 0
    assert project.content() == {"one.txt": "good day\n"}
    project.options["--modal-env"] = "NOT_THERE"
    assert "not set here: NOT_THERE" in last_error(project.run("--force"))


def test_a_dry_run_lists_and_sends_nothing(project, finding):
    project.write("Snakefile", SIX)
    result = project.run("-n")
    assert result.code == 0, result.output
    assert not project.emulator.calls["FunctionMap"]
    finding(f"{sum(project.emulator.calls.values())} API calls: {dict(project.emulator.calls)}")
