"""The small run of the stand-in model on a Slurm cluster, and what kills its jobs."""

import re
import signal
from pathlib import Path

import pytest

from tests.slurm.conftest import PROFILE, final_files, wait_until
from tests.workflow.conftest import SMALL_JOBS, Checkout, copy_sources, give_inputs

RUN = Path("runs/small")
SMALL = ("--configfile", "small.yaml")
BESIDE_SNAKEMAKE = ("freeze_run", "build_database", "summarize_validation", "write_report", "all")
CHUNKS = [str(RUN / f"matrix/chunks/chunk_{number:06}.h5") for number in range(3)]


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Checkout:
    """A checkout whose small run was made on this machine without Slurm."""
    checkout = copy_sources(tmp_path_factory.mktemp("local") / "checkout")
    give_inputs(checkout.folder)
    result = checkout.snakemake("--cores", "2", *SMALL)
    assert result.returncode == 0, result.stdout
    return checkout


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """The same inputs, and nothing made from them yet."""
    checkout = copy_sources(tmp_path / "checkout")
    give_inputs(checkout.folder)
    return checkout


def digest_of_matrix(checkout: Checkout) -> str:
    return final_files(checkout.folder / RUN)["matrix/matrix.h5"]


def edit(checkout: Checkout, path: str, before: str, after: str) -> None:
    file = checkout.folder / path
    text = file.read_text()
    assert text.count(before) == 1, (path, before)
    file.write_text(text.replace(before, after))


def in_the_script(checkout: Checkout, line: str) -> None:
    """Have every chunk's script do something before its work."""
    edit(
        checkout,
        "scripts/build_chunk.py",
        "        inputs = paths(",
        f"        {line}\n        inputs = paths(",
    )


def test_a_run_on_two_nodes_has_the_bytes_of_a_local_one(cluster, checkout, local):
    before = cluster.jobs()
    result = checkout.snakemake(*PROFILE, *SMALL)
    assert result.returncode == 0, result.stdout
    assert "(100%) done" in result.stdout
    assert len(final_files(local.folder / RUN)) == 1 + 2 + 6
    assert final_files(checkout.folder / RUN) == final_files(local.folder / RUN)
    submitted = [rule for rule in SMALL_JOBS if rule not in BESIDE_SNAKEMAKE]
    count = sum(SMALL_JOBS[rule] for rule in submitted)

    def jobs() -> list[tuple[str, str, str]]:
        return [job for number, job in cluster.jobs().items() if number not in before]

    # Snakemake learns from a job's files that it ended, perhaps before the controller does.
    wait_until(
        lambda: len(jobs()) >= count and {state for state, _, _ in jobs()} == {"COMPLETED"},
        60,
        f"{count} jobs that the controller knows as completed",
    )
    assert len(jobs()) == count
    assert {node for _, node, _ in jobs()} == {"n1", "n2"}
    for arguments in (("-n", *PROFILE, *SMALL), ("-n", *SMALL)):
        assert "Nothing to be done" in checkout.snakemake(*arguments).stdout


def test_a_config_value_with_quotes_and_braces_reaches_the_jobs(cluster, checkout):
    change = ("--config", "run_id=2026_04_25", "geography={source: 'file', clones: 4}")
    target = "runs/2026_04_25/population/geography.h5"
    result = checkout.snakemake(target, *PROFILE, *SMALL, *change)
    assert result.returncode == 0, result.stdout
    assert (checkout.folder / target).exists()


def test_a_job_over_its_memory_is_named_and_tried_again_with_more(cluster, checkout):
    edit(checkout, "workflow/rules/matrix.smk", "# At most", "# Here less; at most")
    text = (checkout.folder / "workflow/rules/matrix.smk").read_text()
    chunk = text.index("rule build_chunk")
    smaller = text[:chunk] + text[chunk:].replace("memory(3000)", "memory(1000)", 1)
    (checkout.folder / "workflow/rules/matrix.smk").write_text(smaller)
    in_the_script(checkout, "import time; hoard = b'x' * 1_000_000_000; time.sleep(8); del hoard")
    result = checkout.snakemake(CHUNKS[0], *PROFILE, *SMALL)
    assert result.returncode == 0, result.stdout
    # Slurm killed everything of the job, so only its own log can say why.
    (log,) = set(re.findall(r"^ +log: .*?(\S+/slurm_logs/\S+\.log)", result.stdout, re.MULTILINE))
    assert "exceeded memory limit" in Path(log).read_text()
    asked = re.findall(
        r"^rule build_chunk:.*?mem_mb=(\d+)", result.stdout, re.DOTALL | re.MULTILINE
    )
    assert asked == ["1000", "2000"]
    assert (checkout.folder / CHUNKS[0]).exists()


def test_a_worker_killed_for_its_memory_is_told_of_and_its_chunk_goes_on_in_halves(
    cluster, checkout
):
    # What the kernel does to the largest process of a job, and of a machine.
    edit(
        checkout,
        "workflow/localcal/matrix/chunk.py",
        "\nlogger = ",
        "\nif not Path('killed').exists():\n"
        "    import os\n\n"
        "    Path('killed').touch()\n"
        "    os.kill(os.getpid(), 9)\n\nlogger = ",
    )
    result = checkout.snakemake(CHUNKS[0], *PROFILE, *SMALL)
    assert result.returncode == 0, result.stdout
    log = (checkout.folder / RUN / f"logs/build_chunk/{Path(CHUNKS[0]).stem[-6:]}.log").read_text()
    assert "work was killed from outside (SIGKILL, -9)" in log
    assert "columns; going on with" in log
    assert (checkout.folder / CHUNKS[0]).exists()


def test_a_cancelled_job_is_submitted_again(cluster, checkout, local, started):
    in_the_script(checkout, "import time; time.sleep(15)")
    process = checkout.start(str(RUN / "matrix/matrix.h5"), *PROFILE, *SMALL)
    started.append(process)
    (number, *_) = wait_for_chunks(cluster, checkout, 1)
    cluster.cancel(number)
    assert process.wait(timeout=300) == 0
    assert digest_of_matrix(checkout) == digest_of_matrix(local)


def test_a_killed_coordinator_is_replaced_and_its_jobs_do_no_more(
    cluster, checkout, local, started
):
    before = cluster.jobs()
    in_the_script(checkout, "import time; time.sleep(30)")
    process = checkout.start(str(RUN / "matrix/matrix.h5"), *PROFILE, *SMALL)
    started.append(process)
    running = wait_for_chunks(cluster, checkout, 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    waiting = [number for number in cluster.jobs("PENDING") if number not in before]
    assert waiting
    assert set(running) <= set(cluster.jobs("RUNNING"))

    result = checkout.snakemake(*PROFILE, *SMALL)
    assert result.returncode == 0, result.stdout
    assert final_files(checkout.folder / RUN) == final_files(local.folder / RUN)
    assert "Nothing to be done" in checkout.snakemake("-n", *SMALL).stdout
    assert not list((checkout.folder / "runs").rglob("*.part"))
    states = cluster.jobs()
    assert {states[number][0] for number in (*running, *waiting)} == {"FAILED"}
    for numbers, message in (
        (running, "has taken this run over; this job ends"),
        (waiting, "nothing was done"),
    ):
        for number in numbers:
            (log,) = checkout.folder.glob(f".snakemake/slurm_logs/*/*/{number}.log")
            assert message in log.read_text()


def wait_for_chunks(cluster, checkout: Checkout, count: int) -> list[str]:
    """Wait until as many chunks are being made, and return the numbers of their jobs."""

    def numbers() -> list[str]:
        logs = checkout.folder / RUN / "logs/build_chunk"
        jobs = cluster.jobs("RUNNING").items()
        found = [number for number, (_, _, comment) in jobs if "rule_build_chunk" in comment]
        return found if len(found) >= count and len(list(logs.glob("*.log"))) >= count else []

    wait_until(numbers, 300, "chunks that are being made")
    return numbers()
