"""Make the table of one source from its agency's raw file."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.database.agencies.sources import write_source

        write_source(
            name=snakemake.wildcards.source,
            raw=Path(snakemake.input.raw[0]).parent,
            areas=Path(snakemake.config["areas"]["path"]),
            path=Path(snakemake.output.table),
        )
