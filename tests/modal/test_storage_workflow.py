"""A workflow with its files on a volume, run on this machine: calls, reruns, other machines."""

import io
import os
import subprocess
import sys
from pathlib import Path

import modal
import pytest

REPOSITORY = Path(__file__).parents[2]
PARTS = 300
SNAKEFILE = """
PARTS = int(config.get("parts", 3))
rule all:
    input: "total.txt"
rule part:
    input: "given.txt"
    output: "parts/{i}.txt"
    shell: "echo {wildcards.i} | cat - {input} > {output}"
rule total:
    input: expand("parts/{i}.txt", i=range(PARTS))
    output: "total.txt"
    log: "logs/total.log"
    shell: "cat {input} > {output} 2> {log}"
"""


@pytest.fixture
def volume(emulator):
    volume = modal.Volume.from_name("v", version=2, create_if_missing=True).hydrate()
    put(volume, {"given.txt": b"given\n"})
    return volume


@pytest.fixture
def folder(tmp_path):
    return machine(tmp_path / "here")


def machine(folder: Path) -> Path:
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE)
    return folder


def put(volume, files: dict[str, bytes]) -> None:
    with volume.batch_upload(force=True) as batch:
        for path, content in files.items():
            batch.put_file(io.BytesIO(content), path)


def snakemake(folder, *arguments, volume="v", check=True, environment=None):
    """Snakemake's closing status and all it printed."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    command += ["--default-storage-provider", "modal"]
    command += ["--default-storage-prefix", f"modal://{volume}"]
    python_path = os.pathsep.join([str(REPOSITORY / "workflow"), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        command,
        cwd=folder,
        env={**(os.environ if environment is None else environment), "PYTHONPATH": python_path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert not check or run.returncode == 0, run.stdout
    assert "AsyncUsageWarning" not in run.stdout
    return run


def test_a_run_leaves_its_files_on_the_volume_and_nothing_to_do(folder, volume, emulator, tmp_path):
    snakemake(folder)
    committed = emulator.volumes.committed("v")
    assert (committed / "total.txt").read_text() == "0\ngiven\n1\ngiven\n2\ngiven\n"
    assert (committed / "logs/total.log").exists()
    assert all(path.stat().st_mtime % 1 == 0 for path in committed.rglob("*.txt"))
    assert "Nothing to be done" in snakemake(folder, "-n").stdout
    assert "Nothing to be done" in snakemake(machine(tmp_path / "there"), "-n").stdout


def test_what_is_missing_is_made_again_and_what_depends_on_it(folder, volume, emulator):
    snakemake(folder)
    volume.remove_file("parts/1.txt")
    volume.remove_file("total.txt")
    listed = snakemake(folder, "-n").stdout
    assert "parts/1.txt" in listed and "output: modal://v/parts/2.txt" not in listed
    snakemake(folder, "parts/1.txt")
    assert (emulator.volumes.committed("v") / "parts/1.txt").exists()
    assert not (emulator.volumes.committed("v") / "total.txt").exists()


@pytest.mark.parametrize("made", [False, True], ids=["everything to do", "nothing to do"])
def test_a_dry_run_lists_once(folder, volume, emulator, finding, made):
    if made:
        names = [f"parts/{i}.txt" for i in range(PARTS)]
        put(volume, dict.fromkeys(names, b"1\n"))
        put(volume, {"total.txt": b"1\n"})
    emulator.calls.clear()
    text = snakemake(folder, "-n", "--config", f"parts={PARTS}").stdout
    assert ("Nothing to be done" in text) == made
    finding(f"dry run of {PARTS + 2} jobs: {dict(emulator.calls)}")
    assert emulator.calls["VolumeListFiles2"] == 1
    assert sum(emulator.calls.values()) <= 3


def test_calls_of_a_run(folder, volume, emulator, finding):
    emulator.calls.clear()
    snakemake(folder, "--config", "parts=10")
    finding(f"run of 11 jobs on this machine: {dict(emulator.calls)}")
    # Each stored file: two to upload, one to ask for its time; one of the 12 files is the log.
    assert emulator.calls["VolumePutFiles2"] <= 2 * 12
    assert emulator.calls["VolumeListFiles2"] <= 12 + 6


def test_a_wrong_volume_name_is_named_with_what_to_do(folder, volume):
    run = snakemake(folder, "-n", volume="w", check=False)
    assert run.returncode == 1
    assert "There is no Modal volume 'w'" in run.stdout
    assert 'File "' not in run.stdout


@pytest.mark.parametrize(
    "text",
    [
        'rule all:\n    input: storage.modal("modal://none/x"), storage.modal("modal://none/y")\n',
        'found = glob_wildcards(storage.modal("modal://none/{name}.txt"))\nrule all:\n',
    ],
    ids=["input", "glob"],
)
def test_a_wrong_volume_name_in_a_workflow_of_others_is_one_line(emulator, tmp_path, text):
    (tmp_path / "Snakefile").write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 1
    said = run.stdout[run.stdout.index("VolumeError") :].strip()
    _, line, *rest = said.splitlines()
    assert line.startswith("There is no Modal volume 'none' in this environment: correct the name")
    assert not rest, run.stdout


def test_without_a_token_the_error_says_which_variables_to_set(folder, volume):
    without = {k: v for k, v in os.environ.items() if not k.startswith("MODAL_TOKEN")}
    run = snakemake(folder, "-n", check=False, environment=without)
    assert run.returncode == 1
    assert "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET" in run.stdout
    assert 'File "' not in run.stdout


def test_importing_the_plugin_does_not_import_modal():
    code = "import sys, snakemake_storage_plugin_modal; assert 'modal' not in sys.modules"
    path = str(REPOSITORY / "workflow")
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})
