"""Damaged files are refused, whatever the damage: by their digests, before anything is parsed.

    LOCALCAL_DAMAGE_TABLE=table.txt pytest tests/workflow/test_fuzz.py -m fuzz

tries ten thousand, and writes how often which file was refused.
"""

import os
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.files.made import read_records, record_path, refuse_changed_inputs
from tests.workflow.damage_jobs import JOBS, make_more, quicken
from tests.workflow.fuzz import DIED, HUNG, OTHER, READ, REFUSED, damaged, readers_alone

RUN = "runs/small"
SMALL = ("--configfile", "small.yaml")

# Whoever reads a file, and a file that is read; what makes the reader run again is its removal.
READERS = {
    "population/population.h5": "matrix/plan.json",
    "weights/local/fit.json": "areas/districts/CA-02.h5",
    "areas/states/NY.h5": "validation/totals/NY.h5",
    "validation/districts/NY-01.csv": "validation/summary.json",
}


@pytest.fixture(scope="module")
def copy(finished, tmp_path_factory) -> Path:
    """The folder of a finished checkout in which harm may be done."""
    folder = tmp_path_factory.mktemp("fuzz") / "checkout"
    run = finished.copy(folder).folder / RUN
    with pytest.MonkeyPatch.context() as patch:
        quicken(run, patch)
        make_more(run)
    return folder


@pytest.fixture
def inside(copy, monkeypatch) -> Path:
    """The run's folder, from inside of the checkout."""
    monkeypatch.chdir(copy)
    return copy / RUN


def test_every_product_of_a_run_has_a_record(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    records = read_records(RUN)
    folders = ("population", "targets", "matrix", "weights", "areas", "validation", "report")
    found = [path for folder in folders for path in Path(RUN, folder).rglob("*") if path.is_file()]
    assert sorted(records) == sorted(path.relative_to(RUN).as_posix() for path in found)
    files = [f"{RUN}/{name}" for name in records]
    paths = [*files, *(record_path(file, RUN) for file in files)]
    assert list(refuse_changed_inputs(paths, RUN)) == files


def by_digest(run: Path, tries: int) -> dict[str, Counter]:
    """Damage every product that has a record, and have its digest compared."""
    counts = {}
    for name in read_records(RUN):
        path, count = run / name, Counter()
        whole = path.read_bytes()
        paths = [f"{RUN}/{name}", record_path(f"{RUN}/{name}", RUN)]
        for seed in range(tries):
            _, content = damaged(whole, random.Random(seed))
            path.write_bytes(content)
            try:
                refuse_changed_inputs(paths, RUN)
            except InputError as error:
                right = str(error).startswith(f"{RUN}/{name}: damaged, ")
                count["refused" if right else "other"] += 1
            else:
                count["equal" if content == whole else "other"] += 1
        path.write_bytes(whole)
        counts[name] = count
    return counts


def test_a_digest_tells_every_damage(inside):
    counts = by_digest(inside, 20)
    assert sum(counts.values(), Counter())["other"] == 0
    # A zero that was zeroed is no damage.
    assert sum(count["refused"] for count in counts.values()) > 0.9 * 20 * len(counts)


def everything_read(run: Path) -> list[str]:
    """Return the products that jobs read."""
    return sorted({name for job in JOBS for name in job.reads if (run / name).is_file()})


def fuzz_readers(run: Path, scratch: Path, tries: int) -> dict[str, Counter]:
    """Run the readers on files that nobody compared; return counts and fail for any other end."""
    names = everything_read(run)
    plan = [(names[seed % len(names)], seed) for seed in range(tries)]
    counts: dict[str, Counter] = {name: Counter() for name in names}
    wrong = []
    for found in readers_alone(run, scratch, plan):
        counts[found.product][found.verdict] += 1
        is_hdf5 = found.product.endswith(".h5")
        if found.verdict == OTHER or (found.verdict in (HUNG, DIED) and not is_hdf5):
            wrong.append(f"{found.product}, {found.damage}: {found.detail}")
    tell(counts)
    assert not wrong, "\n".join(wrong)
    return counts


def tell(counts: dict[str, Counter]) -> None:
    """Print the table, and write it where it is asked for."""
    kinds = (REFUSED, READ, HUNG, DIED, OTHER)
    total = sum(counts.values(), Counter())
    rows = [(name, count) for name, count in counts.items()] + [("all", total)]
    head = f"{'file, its digest not looked at':34}{'tried':>9}" + "".join(f"{k:>9}" for k in kinds)
    lines = [head] + [
        f"{name:34}{sum(count.values()):>9}" + "".join(f"{count[kind]:>9}" for kind in kinds)
        for name, count in rows
    ]
    text = "\n".join(lines) + "\n"
    sys.stdout.write(f"\n{text}")
    if path := os.environ.get("LOCALCAL_DAMAGE_TABLE"):
        Path(path).write_text(text)


def test_a_reader_by_itself_refuses_or_reads(inside, tmp_path):
    """For files that are given, of which nobody knows what they should be, and for the API."""
    fuzz_readers(inside, tmp_path / "scratch", 250)


@pytest.mark.fuzz
def test_ten_thousand_damaged_files(inside, tmp_path):
    digests = by_digest(inside, 10_000 // len(read_records(RUN)) + 1)
    assert sum(digests.values(), Counter())["other"] == 0
    fuzz_readers(inside, tmp_path / "scratch", 10_000)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("population/population.h5", marks=pytest.mark.slow),
        pytest.param("weights/local/fit.json", marks=pytest.mark.slow),
        pytest.param("areas/states/NY.h5", marks=pytest.mark.slow),
        "validation/districts/NY-01.csv",
    ],
)
def test_a_damaged_file_is_named_and_removing_it_gives_the_run_back(finished, tmp_path, name):
    run = finished.copy(tmp_path / "checkout")
    path, reader = run.folder / RUN / name, run.folder / RUN / READERS[name]
    whole, expected = path.read_bytes(), reader.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    reader.unlink()
    target = str(reader.relative_to(run.folder))
    refused = run.snakemake("--cores", "1", target, *SMALL)
    assert refused.returncode == 1
    (line,) = {line for line in refused.stdout.splitlines() if line.startswith("error: ")}
    assert line.startswith(f"error: {RUN}/{name}: damaged, it is not what ")
    assert "; remove it and run the same command again" in line
    assert "Traceback" not in refused.stdout
    path.unlink()
    again = run.snakemake("--cores", "1", target, *SMALL)
    assert again.returncode == 0, again.stdout
    assert (path.read_bytes(), reader.read_bytes()) == (whole, expected)


def test_a_damaged_record_is_named_and_removing_it_gives_the_run_back(finished, tmp_path):
    run = finished.copy(tmp_path / "checkout")
    record = run.folder / RUN / "made/weights/national/weights.npy.json"
    whole = record.read_text()
    record.write_text(whole.replace('"size": ', '"size": 1'))
    refused = run.snakemake("-n", *SMALL)
    assert refused.returncode == 1
    name = record.relative_to(run.folder)
    assert refused.stdout.splitlines()[-1].startswith(f"error: {name}: damaged, it is not what was")
    record.unlink()
    # The fit, and what is made from it.
    wanted = (f"{RUN}/weights/national/weights.npy", f"{RUN}/areas/national/US.h5")
    again = run.snakemake("--cores", "2", *wanted, *SMALL)
    assert again.returncode == 0, again.stdout
    assert record.read_text() == whole
    shutil.rmtree(run.folder / ".snakemake")
    assert "Nothing to be done" in run.snakemake("-n", *wanted, *SMALL).stdout
