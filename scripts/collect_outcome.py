"""Gather one outcome of a sweep from its batches."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.sweeps.asked import read_asked
        from localcal.sweeps.collect import collect_outcome

        asked = read_asked(snakemake.wildcards.sweep)
        collect_outcome(
            plan=Path(snakemake.input.plan),
            batches=list(map(Path, snakemake.input.batches)),
            outcome=asked.outcome_of(snakemake.wildcards.outcome),
            path=Path(snakemake.output.outcome),
        )
