"""Say what is right and wrong in the target database."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.database.agencies.sources import SOURCES
        from localcal.database.checks import validate_database
        from localcal.engine.client import run_with_engine

        names = run_with_engine(
            snakemake.params.engine,
            "localcal.engine.protocol:variable_names",
            limit_mb=snakemake.resources.mem_mb,
        )
        files = paths(snakemake.input)
        with_figures = {name for name, source in SOURCES.items() if source.figures}
        validate_database(
            database=files["database"],
            variables=names,
            is_built=snakemake.params.built,
            tables={name: path for name, path in files.items() if name in with_figures},
            checks=Path(snakemake.output.checks),
            refused=Path(snakemake.log[0]).with_suffix(".csv"),
        )
