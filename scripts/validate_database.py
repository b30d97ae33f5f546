"""Say what is right and wrong in the target database."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.database.checks import validate_database
        from localcal.engine.client import run_with_engine

        names = run_with_engine(snakemake.params.engine, "localcal.engine.protocol:variable_names")
        tables = paths(snakemake.input)
        if snakemake.config["targets"]["source"] == "agencies":
            tables |= {table: Path(table) for table in snakemake.config["targets"]["figures"]}
        validate_database(
            database=tables.pop("database"),
            variables=names,
            is_built=snakemake.params.built,
            tables=tables,
            checks=Path(snakemake.output.checks),
            refused=Path(snakemake.log[0]).with_suffix(".csv"),
        )
