"""How often Modal's API is asked, and how long that takes when each answer does.

    python tests/benchmarks/modal_calls.py [--json]

On the emulator of Modal's server (tests/modal_emulator), with and without a latency of 100 ms for
each call from outside of a container:

- `dry_run`: `snakemake -n --profile modal` of the whole production run, everything being there;
- `per_job`: a workflow of trivial jobs, 4 containers: the difference between 60 and 20 jobs by 40;
- `per_job_of_ten`: the same with ten jobs in a call.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from common import REPOSITORY, parser, report, temporary_folder
from dry_run import fake_everything

from tests.modal_emulator import Emulator
from tests.workflow.conftest import Checkout, copy_sources

PRODUCTION = "config/production.yaml"
TRIVIAL = """
rule all:
    input: expand("out/{i}.txt", i=range(int(config["jobs"])))

rule part:
    output: "out/{i}.txt"
    resources: mem_mb=100
    run:
        with open(output[0], "w") as file:
            file.write(wildcards.i)
"""
OPTIONS = [
    *("--executor", "modal", "--jobs", "50", "--latency-wait", "5"),
    *("--default-storage-provider", "modal", "--default-storage-prefix", "modal://trivial"),
    *("--storage-modal-create", "trivial"),
    *("--modal-max-containers", "4", "--modal-memory-classes", "500"),
]
TEN = ["--modal-batches", "part=10"]
WORDS = {"per_job": "a finished job", "per_job_of_ten": "one of ten jobs in a call"}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--latencies", type=float, nargs="+", default=[0.0, 0.1], help="seconds")
    options.add_argument("--configfile", default=PRODUCTION, help=f"(default: {PRODUCTION})")
    options.add_argument("--jobs", type=int, nargs=2, default=[20, 60], help="(default: 20 60)")
    given = options.parse_args()
    figures, rows = {}, []
    with temporary_folder() as folder:
        checkout = copy_sources(folder / "checkout")
        run = re.search(r"^run_id: (\S+)", (REPOSITORY / given.configfile).read_text(), re.M)[1]
        fake_everything(checkout, given.configfile, f"runs/{run}")
        (folder / "Snakefile").write_text(TRIVIAL)
        for latency in given.latencies:
            name = f"{1000 * latency:.0f}_ms"
            with Emulator(folder / name, latency=latency) as emulator:
                calls, seconds = dry_run(checkout, emulator, given.configfile)
                rows.append(["no-op dry-run", name, sum(calls.values()), f"{seconds:.1f}"])
                figures |= {f"dry_run_{name}_calls": sum(calls.values())}
                figures |= {f"dry_run_{name}_seconds": seconds}
                for what, words in (("per_job", []), ("per_job_of_ten", TEN)):
                    few, many = (trivial(folder, emulator, jobs, words) for jobs in given.jobs)
                    difference = given.jobs[1] - given.jobs[0]
                    per_job = [(b - a) / difference for a, b in zip(few, many, strict=True)]
                    rows.append([WORDS[what], name, f"{per_job[0]:.1f}", f"{per_job[1]:.2f}"])
                    figures |= {f"{what}_{name}_calls": per_job[0]}
                    figures |= {f"{what}_{name}_seconds": per_job[1]}
    report(given.json, figures, ["what", "latency", "API calls", "wall s"], rows, [])


def dry_run(checkout: Checkout, emulator: Emulator, configfile: str) -> tuple[dict, float]:
    """Return the calls by name and the seconds of a dry-run in which nothing is to be done."""
    arguments = ["-n", "--profile", "modal", "--configfile", configfile]
    # Makes the volume.
    call(checkout.folder, emulator, *arguments)
    volume = emulator.volumes.committed("localcal")
    subprocess.run(["cp", "-a", checkout.folder / "runs", volume], check=True)
    emulator.calls.clear()
    start = time.perf_counter()
    output = call(checkout.folder, emulator, *arguments)
    seconds = time.perf_counter() - start
    if "Nothing to be done" not in output:
        raise SystemExit(f"error: something was to be done\n{output[-2000:]}")
    return dict(emulator.calls), seconds


def trivial(folder: Path, emulator: Emulator, jobs: int, words: list[str]) -> tuple[int, float]:
    """Return the calls and the seconds of a run of so many jobs, all containers being warm."""
    arguments = [*words, "--forceall", "--nolock", "--config", f"jobs={jobs}"]
    call(folder, emulator, *OPTIONS, *arguments)
    emulator.calls.clear()
    start = time.perf_counter()
    call(folder, emulator, *OPTIONS, *arguments)
    return sum(emulator.calls.values()), time.perf_counter() - start


def call(folder: Path, emulator: Emulator, *arguments: str) -> str:
    """Return what Snakemake prints."""
    paths = [str(REPOSITORY / "workflow"), str(REPOSITORY)]
    if (folder / "workflow").exists():
        paths = [str(folder / "workflow"), str(folder)]
    environment = {name: text for name, text in os.environ.items() if not name.endswith("_proxy")}
    environment |= {
        "PYTHONPATH": os.pathsep.join(paths),
        "MODAL_SERVER_URL": emulator.url,
        "MODAL_TOKEN_ID": "ak-emulated",
        "MODAL_TOKEN_SECRET": "as-emulated",
        "MODAL_CONFIG_PATH": "/nonexistent",
    }
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode:
        raise SystemExit(f"error: snakemake {' '.join(arguments)}\n{result.stdout[-3000:]}")
    return result.stdout


if __name__ == "__main__":
    main()
