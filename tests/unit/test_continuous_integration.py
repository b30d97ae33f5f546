"""The public CI files are well-formed, and what they call is there."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from localcal import command
from localcal.status.look import Cost, Failure, RunStatus

REPOSITORY = Path(__file__).parents[2]
FILES = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def steps(path: Path) -> list[dict]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def scripts(path: Path) -> list[str]:
    return [step["run"] for step in steps(path) if "run" in step]


def commands(program: str) -> list[list[str]]:
    """Every call of a program in any of the files: its words after the program."""
    found = []
    for script in [script for path in FILES for script in scripts(path)]:
        for line in script.replace("\\\n", " ").splitlines():
            # Optional words count; what follows the call does not.
            line = re.sub(r"\$\{\w+:\+(.*?)\}(?= |$)", r"\1", line)
            words = [word for word in re.split(r"\s(?:\||>|\|\||&&)(?:\s|$)", line) if word]
            calls = [shlex.split(word) for word in words if f"{program} " in word]
            found += [call[call.index(program) + 1 :] for call in calls if program in call]
    return found


def test_there_is_a_file_for_tests_runs_and_releases():
    assert [path.stem for path in FILES] == ["release", "run", "tests"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_others_actions_are_pinned_and_rights_are_few(path):
    content = read(path)
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used and all(PINNED.fullmatch(name) for name in used)
    assert content["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in content["jobs"].values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_that_somebody_typed_and_no_secret_is_put_into_a_script(path):
    for script in scripts(path):
        assert "${{" not in script
        assert not re.search(r"echo .*(TOKEN|CREDENTIALS|SECRET)", script)
        assert "set -x" not in script


def test_targets_of_make_are_there():
    targets = [word for words in commands("make") for word in words]
    assert set(targets) == {"test", ".venv/installed"}
    # Not what a make that runs this test was told: its flags, and what stood on its command line.
    told = {"MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "VENV"}
    alone = {name: text for name, text in os.environ.items() if name not in told}
    for target in targets:
        asked = ["make", "--dry-run", "--always-make", target]
        subprocess.run(asked, cwd=REPOSITORY, env=alone, check=True, capture_output=True)


def test_commands_of_localcal_are_there_and_take_these_options(monkeypatch):
    called = commands(".venv/bin/localcal")
    assert {words[0] for words in called} == {"pipeline", "status", "stage", "promote"}
    asked = []
    for module in command.COMMANDS:
        monkeypatch.setattr(module, "run", lambda options: asked.append(options) or 0)
    for words in called:
        assert command.main([word.replace("$EPOCHS", "200") for word in words]) == 0
    started = asked[[words[0] for words in called].index("pipeline")]
    assert started.detach and started.others[:2] == ["--profile", "modal"]


def test_marks_of_slow_tests_are_known():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    known = {
        line.partition(":")[0] for line in settings["tool"]["pytest"]["ini_options"]["markers"]
    }
    (job,) = [
        job
        for job in read(REPOSITORY / ".github/workflows/tests.yml")["jobs"].values()
        if "strategy" in job
    ]
    for marks in job["strategy"]["matrix"]["marks"]:
        assert set(marks.split()) - {"and", "or", "not"} <= known


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
@pytest.mark.parametrize("failed", [False, True])
def test_the_summary_says_time_cost_and_error(failed, tmp_path):
    (script,) = [
        step["run"]
        for step in steps(REPOSITORY / ".github/workflows/run.yml")
        if step.get("name") == "summary"
    ]
    error = Failure("logs/build_chunk/1.log", "a | b") if failed else None
    cost = Cost(cpu_hours=None if failed else 1.234, gb_hours=5.678, jobs=1, without_figures=0)
    status = RunStatus(
        "demo", "failed", begun=0.0, written=90.0, done=1, expected=2, cost=cost, last_error=error
    )
    (tmp_path / "status.json").write_text(json.dumps({"runs": [asdict(status)]}))
    program = script[script.index("jq ") :].replace('"$GITHUB_STEP_SUMMARY"', "summary")
    subprocess.run(["bash", "-euc", program], cwd=tmp_path, check=True)
    text = (tmp_path / "summary").read_text()
    assert "| files | 1 of 2 |\n| wall time | 1.5 minutes |" in text
    assert f"| CPU hours | {'unknown' if failed else '1.23'} |\n| GB-hours | 5.68 |" in text
    assert ("| last error | a / b |" in text) == failed
