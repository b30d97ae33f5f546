"""Choose the run's targets and bring them to its year."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.engine import load_engine
        from localcal.targets import resolve_targets, write_targets

        targets = resolve_targets(
            database=Path(snakemake.input.database),
            period=snakemake.params.period,
            include=snakemake.params.include,
            exclude=snakemake.params.exclude,
            engine=load_engine(snakemake.params.engine),
        )
        write_targets(targets, Path(snakemake.output.targets))
