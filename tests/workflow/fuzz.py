"""Random damage to the files of a run, and what the code that reads them makes of it.

The readers run in a process of their own, which a damaged file may crash or hang.
"""

import multiprocessing
import random
import shutil
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

SECONDS = 20.0

REFUSED, READ, OTHER = "refused", "read", "other"
# What HDF5 itself does with some files, and the reason why digests are compared before it is asked.
HUNG, DIED = "hung", "died"


class Try(NamedTuple):
    """One damaged file: which, how, and what came of it."""

    product: str
    damage: str
    verdict: str
    detail: str


def damaged(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Return what was done, and bytes with one bit flipped, cut short or overwritten in part."""
    place = draw.randrange(len(content))
    kind = draw.choice(["flip", "flip", "cut", "zeros", "swap"])
    if kind == "cut":
        return f"cut to {place} bytes", content[:place]
    found = bytearray(content)
    if kind == "flip":
        bit = draw.randrange(8)
        found[place] ^= 1 << bit
        return f"bit {bit} of byte {place} flipped", bytes(found)
    length = min(draw.randrange(1, 64), len(content) - place)
    if kind == "zeros":
        found[place : place + length] = bytes(length)
        return f"{length} bytes from {place} zeroed", bytes(found)
    found[place : place + length] = draw.randbytes(length)
    return f"{length} bytes from {place} overwritten", bytes(found)


def readers_alone(run: Path, scratch: Path, plan: list[tuple[str, int]]) -> Iterator[Try]:
    """Yield what jobs make of damaged files that nobody compared with their digests before.

    Args:
        run: a finished run in which harm may be done.
        scratch: a folder for what the jobs make.
        plan: products and seeds of what is done to them.
    """
    at = 0
    while at < len(plan):
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        worker = context.Process(target=_work, args=(run, scratch, plan[at:], there), daemon=True)
        # Before there is anybody who damages them.
        whole = {product: (run / product).read_bytes() for product, _ in plan[at:]}
        worker.start()
        there.close()
        try:
            while at < len(plan):
                # The first answer waits for the imports too.
                if not here.poll(SECONDS):
                    yield Try(*_described(whole, plan[at]), HUNG, f"for {SECONDS} s")
                    at += 1
                    break
                yield Try(*_described(whole, plan[at]), *here.recv())
                at += 1
        except EOFError:
            worker.join()
            yield Try(*_described(whole, plan[at]), DIED, f"with {worker.exitcode}")
            at += 1
        finally:
            worker.kill()
            worker.join()
            for product, content in whole.items():
                (run / product).write_bytes(content)


def _described(whole: dict[str, bytes], tried: tuple[str, int]) -> tuple[str, str]:
    product, seed = tried
    return product, damaged(whole[product], random.Random(seed))[0]


def _work(run: Path, scratch: Path, plan: list[tuple[str, int]], answers: Connection) -> None:
    import pytest

    from localcal.errors import InputError
    from tests.workflow.damage_jobs import JOBS, quicken

    with pytest.MonkeyPatch.context() as patch:
        quicken(run, patch)
        for product, seed in plan:
            path = run / product
            whole = path.read_bytes()
            path.write_bytes(damaged(whole, random.Random(seed))[1])
            readers = [job for job in JOBS if product in job.reads]
            job = readers[seed % len(readers)]
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            try:
                job.do(run, scratch)
            except InputError as error:
                verdict, detail = REFUSED, str(error)
            except BaseException as error:  # noqa: BLE001 - that it is another kind is the finding
                verdict, detail = OTHER, f"{job.name}: {type(error).__name__}: {error}"
            else:
                verdict, detail = READ, ""
            path.write_bytes(whole)
            answers.send((verdict, detail))
