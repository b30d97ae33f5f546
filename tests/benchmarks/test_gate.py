"""The gate lets noise pass, and neither a planted slowdown nor planted memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

GATE = Path(__file__).parent / "gate.py"
USUAL = {"fit_seconds": 2.0, "fit_seconds_max": 9.0, "fit_peak_mb": 300.0, "rows_per_second": 50.0}
# Works on nothing: its figures are its own, a little different with each call.
TOY = """
import json, sys
from pathlib import Path

assert sys.argv[1:] == ["--json", "--repeats", "1"]
calls = Path("calls")
at = len(calls.read_text()) if calls.exists() else 0
calls.write_text("x" * (at + 1))
figures = json.loads({figures!r})
noise = 1 + 0.02 * (at % 3)
print(json.dumps({{name: value and value * noise for name, value in figures.items()}}))
"""


@pytest.fixture
def gate(tmp_path):
    """Return a function that gates a change of a benchmark's figures in a repository of its own."""

    def git(*words):
        names = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        subprocess.run(["git", *names, *words], cwd=tmp_path, check=True, capture_output=True)

    def write(figures):
        folder = tmp_path / "tests/benchmarks"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "toy.py").write_text(TOY.format(figures=json.dumps(figures)))

    def run(after, before=USUAL):
        git("init", "--quiet")
        write(before)
        git("add", "tests")
        git("commit", "--quiet", "--message", "before")
        write(after)
        command = [sys.executable, GATE, "toy", "--against", "HEAD", "--repeats", "3"]
        result = subprocess.run(
            [*command, "--repository", tmp_path, "--", "--repeats", "1"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not result.stderr
        worktrees = ["git", "worktree", "list"]
        listed = subprocess.run(worktrees, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert len(listed.stdout.splitlines()) == 1
        failed = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
        assert result.returncode == bool(failed)
        return failed

    return run


@pytest.mark.parametrize(
    "change",
    [
        {},
        # Within the noise, or the tolerance; better; new; an extreme; and no figure of cost.
        {"fit_seconds": 2.03},
        {"fit_peak_mb": 325.0},
        {"fit_seconds": 1.0, "rows_per_second": 90.0},
        {"more_seconds": 100.0},
        {"fit_seconds_max": 90.0},
        {"rows": 3},
    ],
)
def test_what_is_not_worse_passes(gate, change):
    assert gate(USUAL | change) == []


@pytest.mark.parametrize(
    "change, says",
    [
        ({"fit_seconds": 3.0}, "fit_seconds: 2.04 (2-2.08) before, 3.06 (3-3.12) now  ratio 1.500"),
        ({"fit_peak_mb": 450.0}, "fit_peak_mb: 306 (300-312) before, 459 (450-468) now  ratio 1.5"),
        ({"rows_per_second": 25.0}, "rows_per_second: 51 (50-52) before, 25.5 (25-26) now"),
        ({"fit_seconds": None}, "fit_seconds: 2.04 (2-2.08) before, none now  empty"),
        ({"fit_peak_mb": 0}, "fit_peak_mb: 306 (300-312) before, none now  empty"),
    ],
)
def test_a_planted_change_fails_with_both_numbers(gate, change, says):
    [failed] = gate(USUAL | change)
    assert says in failed


def test_a_figure_that_has_gone_fails(gate):
    [failed] = gate({name: value for name, value in USUAL.items() if name != "fit_seconds"})
    assert "fit_seconds: 2.04 (2-2.08) before, none now  empty" in failed


def test_a_benchmark_without_any_figure_of_memory_fails(gate):
    [failed] = gate({"fit_seconds": 2.0}, before={"fit_seconds": 2.0})
    assert failed == "FAIL  memory: none before, none now  no figure of memory"
