"""Whether this checkout is slower, or takes more memory, than a commit before.

    python tests/benchmarks/gate.py geography --against HEAD~1 [--repeats 5] [-- --options]

A benchmark's figures are taken in turn in a copy of that commit and here, each several times, and
compared as ratios: a machine's speed drifts, but both have the same of it. Seconds and MB should
not grow, what is counted per second should not fall. A change is beyond the noise where the ranges
of both do not overlap, which for five repeats happens by chance once in 252 times, and where the
medians are further apart than `--tolerance`.

The exit status is 1, with both numbers, where a figure is worse, where one is empty or has gone, or
where no figure is of memory; 2 for a bad call.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TOLERANCE = 0.1
FEWEST = 3
# Extremes of a benchmark's own repeats: its plain figures are medians.
EXTREMES = ("_min", "_max")
Figures = Mapping[str, object]


@dataclass(frozen=True)
class Verdict:
    """What became of one figure.

    Attributes:
        name: the figure.
        before: what it was, once for each repeat; None where it was empty.
        after: what it is.
        problem: what is wrong with it; "" for nothing.
    """

    name: str
    before: Sequence[float | None]
    after: Sequence[float | None]
    problem: str

    def __str__(self) -> str:
        ratio = ""
        if complete(self.before) and complete(self.after):
            low = min(self.after) / max(self.before)
            high = max(self.after) / min(self.before)
            middle = statistics.median(self.after) / statistics.median(self.before)
            ratio = f"  ratio {middle:.3f} ({low:.3f}-{high:.3f})"
        numbers = f"{in_words(self.before)} before, {in_words(self.after)} now{ratio}"
        return (
            f"{'FAIL' if self.problem else 'ok':4}  {self.name}: {numbers}  {self.problem}".rstrip()
        )


def judge(
    before: Sequence[Figures], after: Sequence[Figures], tolerance: float = TOLERANCE
) -> list[Verdict]:
    """Return a verdict on every figure of time and memory; those that are new have none.

    Args:
        before: a benchmark's figures, once for each repeat, with the commit before.
        after: with this checkout.
        tolerance: by how much of the one before medians may be worse whatever the noise.
    """
    names = sorted({name for figures in before for name in figures if is_gated(name)})
    found = []
    for name in names:
        old = [number(figures.get(name)) for figures in before]
        new = [number(figures.get(name)) for figures in after]
        found.append(Verdict(name, old, new, problem_of(name, old, new, tolerance)))
    if not any(is_memory(verdict.name) for verdict in found):
        nothing = [None] * len(before)
        found.append(Verdict("memory", nothing, nothing, "no figure of memory"))
    return found


def problem_of(
    name: str, old: Sequence[float | None], new: Sequence[float | None], tolerance: float
) -> str:
    """Return what is wrong with a figure, "" for nothing."""
    if not (complete(old) and complete(new)):
        return "empty"
    middle = statistics.median(new) / statistics.median(old)
    if is_rate(name):
        middle, apart = 1 / middle, max(new) < min(old)
    else:
        apart = min(new) > max(old)
    return "worse beyond the noise" if apart and middle > 1 + tolerance else ""


def is_gated(name: str) -> bool:
    """Say whether a figure should not become worse."""
    is_time = name.endswith("_seconds") or name == "seconds"
    return not name.endswith(EXTREMES) and (is_time or is_rate(name) or is_memory(name))


def is_rate(name: str) -> bool:
    """Say whether more is better."""
    return name.endswith("per_second")


def is_memory(name: str) -> bool:
    """Say whether a figure is of memory."""
    return name.endswith("_mb") or name == "mb"


def number(value: object) -> float | None:
    """Return a figure; None for one that says nothing, as zero seconds or MB do."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def complete(values: Sequence[float | None]) -> bool:
    """Say whether every repeat has the figure."""
    return bool(values) and None not in values


def in_words(values: Sequence[float | None]) -> str:
    """Return the median of repeats and their range."""
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    said = f"{statistics.median(known):.4g} ({min(known):.4g}-{max(known):.4g})"
    return said if len(known) == len(values) else f"{said} in {len(known)} of {len(values)}"


def figures_of(checkout: Path, benchmark: str, options: Sequence[str]) -> Figures:
    """Return the figures of a benchmark in a checkout, with the modules of that checkout."""
    command = [sys.executable, f"tests/benchmarks/{benchmark}.py", "--json", *options]
    result = subprocess.run(
        command,
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(f"error: {checkout}: {' '.join(command[1:])} failed:\n{result.stderr}")
    figures = json.loads(result.stdout)
    assert isinstance(figures, dict)
    return figures


def compare(
    repository: Path, against: str, benchmark: str, options: Sequence[str], repeats: int
) -> tuple[list[Figures], list[Figures]]:
    """Return the figures of a commit and of the checkout, taken in turn."""
    before: list[Figures] = []
    after: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="localcal_benchmark_") as folder:
        copy = Path(folder) / "before"
        git = ["git", "-C", str(repository), "worktree"]
        added = subprocess.run(
            [*git, "add", "--quiet", "--detach", str(copy), against], check=False
        )
        if added.returncode:
            # Git has said why.
            raise SystemExit(2)
        try:
            for at in range(repeats):
                # Whoever is first alternates too: the second finds files in the cache.
                turns = [(copy, before), (repository, after)]
                for checkout, figures in turns if at % 2 == 0 else reversed(turns):
                    figures.append(figures_of(checkout, benchmark, options))
        finally:
            subprocess.run([*git, "remove", "--force", str(copy)], check=True)
    return before, after


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="what follows -- are options of the benchmark",
    )
    parser.add_argument("benchmark", help="such as geography, for tests/benchmarks/geography.py")
    parser.add_argument("--against", default="HEAD~1", help="a commit (default: the one before)")
    parser.add_argument("--repeats", type=int, default=5, help="of each (default: 5)")
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help=f"of medians (default: {TOLERANCE})"
    )
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help="the checkout")
    words = list(sys.argv[1:] if arguments is None else arguments)
    # The benchmark's options may have the names of ours.
    at = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:at])
    if given.repeats < FEWEST:
        parser.error(f"--repeats {given.repeats}: at least {FEWEST}, or noise cannot be told")
    before, after = compare(
        given.repository, given.against, given.benchmark, words[at + 1 :], given.repeats
    )
    verdicts = judge(before, after, given.tolerance)
    for verdict in verdicts:
        print(verdict)
    return int(any(verdict.problem for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
