"""Write down what the run is made from."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.run.identity import read_checkout
        from localcal.run.provenance import freeze_run

        freeze_run(
            config=snakemake.config,
            scripts=Path(snakemake.scriptdir),
            path=Path(snakemake.output.run),
            checkout=read_checkout()._asdict(),
        )
