"""Simulate an area without a reform, for a sweep."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.engine.client import run_with_engine
        from localcal.sweeps.asked import read_asked
        from localcal.sweeps.bench import AreaFiles
        from localcal.sweeps.given import run_files
        from localcal.sweeps.plan import draws_of

        asked = read_asked(snakemake.wildcards.sweep)
        sweep = asked.settings
        run_with_engine(
            snakemake.params.engine,
            "localcal.sweeps.simulate:write_baseline",
            limit_mb=snakemake.resources.mem_mb,
            files=AreaFiles(Path(snakemake.input.area)),
            run=run_files(dict(snakemake.input.items()), dict(snakemake.params.items())),
            draws=draws_of(sweep, snakemake.params.seed),
            outcomes=sweep.outcomes,
            together=sweep.households_together,
            path=Path(snakemake.output.baseline),
            columns=asked.sets.columns,
        )
