"""Keep the table of take-up rates with the run, where jobs on other machines find it."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.files.atomic import atomic_path

        with atomic_path(snakemake.output.rates) as part:
            part.write_bytes(Path(snakemake.config["take_up"]["rates"]).read_bytes())
