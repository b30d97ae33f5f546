"""What a start changes in Snakemake."""

from tests.workflow.conftest import give_inputs

RUN = "runs/small"
TELL = """
from snakemake.scheduling.job_scheduler import JobScheduler
JobScheduler._schedule_reevalutation = lambda self, delay: print("looks again later")
"""


def test_snakemake_looks_for_jobs_only_when_one_has_ended(checkout):
    give_inputs(checkout.folder)
    snakefile = checkout.folder / "Snakefile"
    snakefile.write_text(snakefile.read_text() + TELL)
    made = [f"{RUN}/population/take_up.csv", f"{RUN}/targets/policy_data.db"]
    result = checkout.snakemake("--cores", "1", *made, "--configfile", "small.yaml")
    assert result.returncode == 0, result.stdout
    assert all((checkout.folder / path).exists() for path in made)
    assert "looks again later" not in result.stdout
    # Nor is a run complete of which only a part was asked for.
    assert not (checkout.folder / "artifacts").is_symlink()
