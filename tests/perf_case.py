"""Lines of jobs' logs with figures that tests plant."""

import json
from collections.abc import Iterator

BEGUN = 1_800_000_000.0
USUAL = {
    "wall_seconds": 10.0,
    "cpu_seconds": 9.0,
    "warm_cpu_seconds": 8.0,
    "peak_mb": 1000,
    "worker": "one",
    "attempt": 1,
    "asked_mb": 1500,
    "start": "warm",
    "phases": {"import": 1.0, "simulate": 8.0, "write": 0.5},
    "read_bytes": 400_000,
    "made_bytes": 200_000,
    "handed_bytes": 5000,
    "throttled_seconds": 0.0,
}


def used(job: str, **more: object) -> str:
    """Return the line that says what a job took: the usual figures, with others given."""
    return f"10:00:00 {job}: used {json.dumps(USUAL | more)}"


def chunks(n: int, **more: object) -> list[str]:
    """Return lines of several usual chunks, one after the other."""
    return [used(f"build_chunk/{at:06}", begun=BEGUN + 10 * at, **more) for at in range(n)]


def files(job: str, read: dict[str, int], made: dict[str, int]) -> str:
    """Return the line that says which files a job read and made."""
    return f"10:00:00 {job}: files {json.dumps({'read': read, 'made': made})}"


def planted() -> Iterator[str]:
    """Yield lines of a run with a straggler, a retry and an oversized payload."""
    yield from chunks(6)
    slow = {"import": 1.0, "simulate": 58.0, "write": 0.5}
    yield used("build_chunk/000006", wall_seconds=60.0, phases=slow, worker="slow")
    yield used("build_chunk/000007", attempt=2, asked_mb=3000)
    yield used("build_chunk/000008", handed_bytes=250_000_000)
