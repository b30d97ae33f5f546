"""Follow frozen values into the years after the run's."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.engine.client import run_with_engine

        run_with_engine(
            snakemake.params.engine,
            "localcal.clones.follow:follow_from_files",
            limit_mb=snakemake.resources.mem_mb,
            **paths(snakemake.input),
            path=Path(snakemake.output.later),
        )
