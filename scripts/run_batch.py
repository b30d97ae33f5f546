"""Simulate one batch of a sweep's parameter sets."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.sweeps.batch import run_batch
        from localcal.sweeps.given import setting_of
        from localcal.sweeps.settings import read_sweep, sweep_path

        name = snakemake.wildcards.sweep
        run_batch(
            setting=setting_of(
                name,
                read_sweep(sweep_path(name)),
                dict(snakemake.input.items()),
                dict(snakemake.params.items()),
            ),
            plan=Path(snakemake.input.plan),
            batch=int(snakemake.wildcards.batch),
            limit_mb=snakemake.resources.mem_mb,
            path=Path(snakemake.output.batch),
        )
