"""Keep the users' own targets with the run, where jobs on other machines find them."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.database.own import copy_tables

        section = snakemake.config["targets"]
        copy_tables(
            tables=[Path(table) for table in section["tables"]],
            compare=Path(section["compare"]) if snakemake.params.compare else None,
            areas=Path(snakemake.config["areas"]["path"]),
            path=Path(snakemake.output.tables),
        )
