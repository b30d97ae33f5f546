"""Take a raw file of an agency from the cache, downloading it where it is not there."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.database.agencies.cache import fetch_raw

        section = snakemake.config["targets"]
        fetch_raw(
            file=snakemake.wildcards.raw_file,
            table=Path(section["raw_files"]),
            cache=section["cache"],
            path=Path(snakemake.output.raw),
        )
