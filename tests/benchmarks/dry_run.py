"""How long `snakemake -n` takes on the whole production run.

    python tests/benchmarks/dry_run.py [--json]

In a temporary copy of the sources, `snakemake -n --configfile config/production.yaml` (another
config by option) is run several times, from the start of Python to the end, for

- `everything`: nothing is built yet, and every file of the run is wanted;
- `chunk`: the same, but only the first chunk is wanted;
- `area`: the same, but only one area's dataset is wanted;
- `nothing`: every file is there, so that nothing is to be done. The files are empty: run.json is
  written by the workflow, all others are faked and recorded by `snakemake --touch`.

Figures (`--json`), each name preceded by `{case}_`:

- `wall_seconds`, `cpu_seconds`: median over the repeats, with `_min` and `_max`;
- `jobs`: the jobs that the dry-run lists.

Mark: at most 5 s wall.
"""

import os
import re
import resource
import time

import yaml
from common import REPOSITORY, parser, report, spread, temporary_folder, with_spread

from tests.workflow.conftest import Checkout, copy_sources, listed_jobs

CASES = ["everything", "chunk", "area", "nothing"]


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--configfile",
        default="config/production.yaml",
        help="below the repository (default: config/production.yaml)",
    )
    options.add_argument(
        "--area", default="areas/districts/CA-12.h5", help="(default: areas/districts/CA-12.h5)"
    )
    options.add_argument(
        "--cases",
        nargs="+",
        choices=CASES,
        default=CASES,
        help="what to time (default: all)",
    )
    options.add_argument("--repeats", type=int, default=5, help="timed runs (default: 5)")
    given = options.parse_args()
    config = yaml.safe_load((REPOSITORY / given.configfile).read_text())
    run = f"runs/{config['run_id']}"
    targets = {"chunk": f"{run}/matrix/chunks/chunk_000000.h5", "area": f"{run}/{given.area}"}
    figures, rows = {}, []
    with temporary_folder() as folder:
        checkout = copy_sources(folder / "checkout")
        for case in given.cases:
            if case == "nothing":
                fake_everything(checkout, given.configfile, run)
            arguments = [targets[case]] if case in targets else []
            arguments += ["--configfile", given.configfile]
            timed = [dry_run(checkout, arguments) for _ in range(given.repeats)]
            wall, cpu, jobs = (list(values) for values in zip(*timed, strict=True))
            found = {**spread("wall_seconds", wall), **spread("cpu_seconds", cpu), "jobs": jobs[0]}
            figures |= {f"{case}_{name}": value for name, value in found.items()}
            rows.append([case, jobs[0], with_spread(wall), with_spread(cpu)])
    titles = ["wanted", "jobs", "wall s (range)", "CPU s (range)"]
    report(given.json, figures, titles, rows, ["Mark: <= 5 s wall."])


def dry_run(checkout: Checkout, arguments: list[str]) -> tuple[float, float, int]:
    """Return wall seconds, CPU seconds and the number of jobs."""
    wall, cpu = time.perf_counter(), _children_cpu()
    output = _snakemake(checkout, "-n", *arguments)
    wall, cpu = time.perf_counter() - wall, _children_cpu() - cpu
    return wall, cpu, sum(listed_jobs(output).values())


def fake_everything(checkout: Checkout, configfile: str, run: str) -> None:
    """Put an empty file wherever the run makes one, and have Snakemake record it as made."""
    output = _snakemake(checkout, "-n", "--configfile", configfile)
    _snakemake(checkout, "--cores", "1", f"{run}/run.json", "--configfile", configfile)
    for line in re.findall(r"^ +output: (.*)$", output, re.MULTILINE):
        for name in line.split(", "):
            path = checkout.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch()
    # One time for all: no file may look newer than one that is made from it.
    now = time.time()
    for path in (checkout.folder / run).rglob("*"):
        os.utime(path, (now, now))
    _snakemake(checkout, "--touch", "--cores", "1", "--configfile", configfile)


def _snakemake(checkout: Checkout, *arguments: str) -> str:
    result = checkout.snakemake(*arguments)
    if result.returncode:
        raise SystemExit(f"error: snakemake {' '.join(arguments)}\n{result.stdout[-2000:]}")
    return result.stdout


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
