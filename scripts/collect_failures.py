"""Gather what failed in a sweep from its batches."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.sweeps.collect import collect_failures

        collect_failures(
            plan=Path(snakemake.input.plan),
            batches=list(map(Path, snakemake.input.batches)),
            path=Path(snakemake.output.failures),
        )
