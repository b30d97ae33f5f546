"""What a run loses when it is killed.

    python tests/benchmarks/resume.py [--json]

With a stand-in for the tax-benefit model, so that a chunk takes as long as starting its job: one
run up to matrix.h5 is left in peace. Others, in checkouts of their own, get `kill -9` at a random
moment between the first and the last chunk, then the same command again. Compared with each other
are the files and the time.

Figures (`--json`): `chunks` in all, `undisturbed_wall_seconds` and, each name preceded by
`kill_{number}_`, in the order of the moments:

- `after_seconds`: from the start of the command to the kill;
- `built_before`: chunks whose file was there after the kill, under its final name;
- `built_again`: how many of these the second command made again; must be 0;
- `built_after`: chunks that the second command made;
- `resumed_wall_seconds`: the second command;
- `lost_seconds`: after_seconds + resumed_wall_seconds - undisturbed_wall_seconds, which is mostly
  Snakemake's second start and, at worst, one chunk per core;
- `same_matrix`: whether matrix.h5 has the SHA-256 of the undisturbed run's.
"""

import random
import signal
import subprocess
import time
from pathlib import Path

import yaml
from common import parser, report, temporary_folder

from localcal.files.atomic import sha256_file
from tests.workflow.conftest import SMALL_CONFIG, Checkout, copy_sources, give_inputs

COLUMNS = SMALL_CONFIG["population"]["households"] * SMALL_CONFIG["geography"]["clones"]
RUN = Path("runs") / SMALL_CONFIG["run_id"]
MATRIX = RUN / "matrix/matrix.h5"
SECONDS_TO_END = 30


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--chunk-columns", type=int, default=6, help=f"of {COLUMNS} in all (default: 6)"
    )
    options.add_argument("--kills", type=int, default=4, help="moments (default: 4)")
    options.add_argument("--cores", type=int, default=2, help="jobs at a time (default: 2)")
    given = options.parse_args()
    n_chunks = -(-COLUMNS // given.chunk_columns)
    with temporary_folder() as folder:
        # Copied once: somebody may edit the sources meanwhile.
        pristine = prepare(folder / "pristine", given.chunk_columns)
        checkout = pristine.copy(folder / "undisturbed")
        undisturbed = finish(checkout, given.cores)
        digest = sha256_file(checkout.folder / MATRIX)
        # How long after the start of the command the chunks came.
        came = sorted(file.stat().st_mtime for file in chunk_files(checkout).values())
        ended = (checkout.folder / MATRIX).stat().st_mtime
        first, last = (undisturbed - (ended - moment) for moment in (came[0], came[-1]))
        moments = random.Random(given.seed)
        kills = []
        for number, after in enumerate(
            sorted(moments.uniform(first, last) for _ in range(given.kills))
        ):
            checkout = pristine.copy(folder / f"kill_{number}")
            kills.append(kill_and_resume(checkout, given.cores, after, undisturbed, digest))
    figures = {"chunks": n_chunks, "undisturbed_wall_seconds": undisturbed}
    for number, found in enumerate(kills):
        figures |= {f"kill_{number}_{name}": value for name, value in found.items()}
    rows = [[number, *map(_as_text, found.values())] for number, found in enumerate(kills)]
    titles = ["kill", *(name.replace("_", " ") for name in kills[0])]
    notes = [f"{n_chunks} chunks; undisturbed {undisturbed:.1f} s"]
    report(given.json, figures, titles, rows, notes)


def prepare(folder: Path, chunk_columns: int) -> Checkout:
    """Return a checkout with the inputs of a small run cut into chunks of this size."""
    checkout = copy_sources(folder)
    give_inputs(folder)
    config = SMALL_CONFIG | {"matrix": {"chunk_columns": chunk_columns}}
    (folder / "small.yaml").write_text(yaml.safe_dump(config))
    return checkout


def command(cores: int) -> list[str]:
    return ["--cores", str(cores), str(MATRIX), "--configfile", "small.yaml"]


def finish(checkout: Checkout, cores: int) -> float:
    """Run to the matrix and return the wall seconds."""
    start = time.monotonic()
    result = checkout.snakemake(*command(cores))
    if result.returncode:
        raise SystemExit(f"error: the run failed\n{result.stdout[-2000:]}")
    return time.monotonic() - start


def kill_and_resume(
    checkout: Checkout, cores: int, after: float, undisturbed: float, digest: str
) -> dict[str, float | int | bool]:
    start = time.monotonic()
    process = checkout.start(*command(cores))
    time.sleep(after)
    # A run may be slower than the undisturbed one was: nothing to lose, nothing to measure.
    while not chunk_files(checkout) and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = time.monotonic() - start
    wait_for_orphans(checkout)
    before = file_states(checkout)
    resumed = finish(checkout, cores)
    now = file_states(checkout)
    return {
        "after_seconds": killed,
        "built_before": len(before),
        "built_again": sum(now[name] != state for name, state in before.items()),
        "built_after": sum(before.get(name) != state for name, state in now.items()),
        "resumed_wall_seconds": resumed,
        "lost_seconds": killed + resumed - undisturbed,
        "same_matrix": sha256_file(checkout.folder / MATRIX) == digest,
    }


def chunk_files(checkout: Checkout) -> dict[str, Path]:
    return {path.name: path for path in (checkout.folder / RUN / "matrix/chunks").glob("*.h5")}


def file_states(checkout: Checkout) -> dict[str, tuple[int, int]]:
    """Return what changes when a file is made again, by name."""
    states = {name: path.stat() for name, path in chunk_files(checkout).items()}
    return {name: (state.st_ino, state.st_mtime_ns) for name, state in states.items()}


def wait_for_orphans(checkout: Checkout) -> None:
    """Wait until the killed command's jobs have ended too, as they must by themselves."""
    end = time.monotonic() + SECONDS_TO_END
    scripts = str(checkout.folder / ".snakemake")
    while (
        scripts
        in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    ):
        if time.monotonic() > end:
            raise SystemExit(f"error: jobs of a killed run still run after {SECONDS_TO_END} s")
        time.sleep(0.05)


def _as_text(value: float | int | bool) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
