"""A damaged file of a run is refused in one line that names it and says what to do.

Every product of a small run that a job reads is damaged in every way that `tests.damages` knows,
and every job that reads it is run on it, in this process. Either the job refuses the file, or it
makes the bytes that it makes of the whole one; but for the digest, where a product says which file
it was made from.

    LOCALCAL_DAMAGE_TABLE=table.txt pytest tests/workflow/test_damage.py

writes how often which of the two happened, as `-s` prints.
"""

import hashlib
import os
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from localcal.errors import InputError
from tests.damages import damages
from tests.workflow.damage_jobs import JOBS, MADE_HERE, Job, make_more, quicken

# What no job reads: signs of life, what is for people, and what is checked before a job's work.
READ_BY_NOBODY = re.compile(
    r"logs/|benchmarks/|made/|report/|targets/(preflight|database_checks)\.|validation/districts\.csv$"
    r"|weights/local/\w+_with_errors\.csv$|areas/cities/NYC_replicates\.h5$|\.lock$|sessions\.jsonl$"
)

PRODUCTS = sorted({product for job in JOBS for product in job.reads})

# How a next step begins.
NEXT_STEP = re.compile(
    r"[;,] (or |then |whichever )?"
    r"(add|choose|complete|correct|delete|exclude|fetch|give|make|rebuild|remove|restore|set"
    r"|start) "
)


class Walk:
    """A copy of the run to do harm to, what jobs make of the whole one, and the count."""

    def __init__(self, run: Path, scratch: Path) -> None:
        self.run = run
        self.counts: dict[str, Counter] = {}
        self._scratch = scratch
        self._expected: dict[str, dict[str, bytes]] = {}

    def outcome(self, job: Job) -> dict[str, bytes]:
        """Return the content of every file a job makes."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        job.do(self.run, self._scratch)
        return {
            path.relative_to(self._scratch).as_posix(): path.read_bytes()
            for path in sorted(self._scratch.rglob("*"))
            if path.is_file()
        }

    def expected(self, job: Job) -> dict[str, bytes]:
        """Return what a job makes of whole files."""
        if job.name not in self._expected:
            self._expected[job.name] = self.outcome(job)
        return self._expected[job.name]

    def verdict(self, job: Job, product: str, whole: bytes) -> tuple[str, str]:
        """Run a job on a damaged product; return refused, equal or other, and what happened."""
        path = self.run / product
        try:
            made = self.outcome(job)
        except InputError as error:
            return _judge(str(error), path)
        except Exception as error:  # noqa: BLE001 - that it is of another kind is what is found
            return "other", f"{type(error).__name__}: {error}"
        digests = [hashlib.sha256(content).hexdigest() for content in (path.read_bytes(), whole)]
        found, meant = (digest.encode() for digest in digests)
        made = {name: content.replace(found, meant) for name, content in made.items()}
        differing = [
            name
            for name, content in self.expected(job).items()
            if name not in made or _unsealed(made[name]) != _unsealed(content)
        ]
        return ("other", f"makes another {differing[0]}") if differing else ("equal", "")


def _unsealed(content: bytes) -> bytes:
    """Return a file's content without the digest of what it says about its inputs' digests."""
    return re.sub(rb'"seal": "[0-9a-f]{64}"', b"", content)


def _judge(message: str, path: Path) -> tuple[str, str]:
    if "\n" in message:
        return "other", f"in several lines: {message}"
    if str(path) not in message:
        return "other", f"does not name the file: {message}"
    return ("refused", message) if NEXT_STEP.search(message) else ("other", f"no step: {message}")


@pytest.fixture(scope="module")
def walk(finished, tmp_path_factory):
    """A copy of the finished run, with what only some runs have."""
    folder = tmp_path_factory.mktemp("walk")
    run = folder / "runs" / "small"
    shutil.copytree(finished.folder / "runs" / "small", run)
    shutil.copytree(finished.folder / "given", folder / "given")
    with pytest.MonkeyPatch.context() as patch:
        quicken(run, patch)
        make_more(run)
        walk = Walk(run, folder / "scratch")
        yield walk
    _tell(walk.counts)


def _tell(counts: dict[str, Counter]) -> None:
    kinds = ("tried", "refused", "equal", "other")
    rows = [(product, *(str(found[kind]) for kind in kinds)) for product, found in counts.items()]
    total = sum(counts.values(), Counter())
    rows = [("product", *kinds), *rows, ("all", *(str(total[kind]) for kind in kinds))]
    table = "".join(
        f"{name:34}{''.join(f'{cell:>9}' for cell in cells)}\n" for name, *cells in rows
    )
    sys.stdout.write(f"\n{table}")
    if path := os.environ.get("LOCALCAL_DAMAGE_TABLE"):
        Path(path).write_text(table)


def test_every_product_of_the_run_is_damaged(walk):
    files = [path for path in walk.run.rglob("*") if path.is_file()]
    found = [path.relative_to(walk.run).as_posix() for path in files]
    assert sorted(name for name in found if not READ_BY_NOBODY.match(name)) == PRODUCTS


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_whole_files_give_what_the_workflow_made(walk, job):
    for name, content in walk.expected(job).items():
        if (walk.run / name).exists() and name not in MADE_HERE:
            assert content == (walk.run / name).read_bytes(), name


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_damaged_file_is_refused(walk, product):
    path = walk.run / product
    whole = path.read_bytes()
    readers = [job for job in JOBS if product in job.reads]
    for job in readers:
        walk.expected(job)
    count, wrong = Counter(), []
    try:
        for name, damage in list(damages(path)):
            path.write_bytes(whole)
            damage()
            for job in readers:
                verdict, detail = walk.verdict(job, product, whole)
                count.update(("tried", verdict))
                if verdict == "other":
                    wrong.append(f"{name}: {job.name}: {detail}")
    finally:
        path.write_bytes(whole)
        walk.counts[product] = count
    assert not wrong, "\n".join(wrong)
