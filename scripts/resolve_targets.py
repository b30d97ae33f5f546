"""Choose the run's targets and bring them to its year."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.engine.client import run_with_engine
        from localcal.targets.table import write_targets

        targets = run_with_engine(
            snakemake.params.engine,
            "localcal.targets.resolve:resolve_targets",
            limit_mb=snakemake.resources.mem_mb,
            database=Path(snakemake.input.database),
            period=snakemake.params.period,
            include=snakemake.params.include,
            exclude=snakemake.params.exclude,
            own=Path(snakemake.input.tables),
        )
        write_targets(targets, Path(snakemake.output.targets))
