"""Write the problem of one scope as l0-python gets it."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.weights.l0.prepare import prepare_l0
        from localcal.weights.settings import Settings

        prepare_l0(
            **paths(snakemake.input),
            settings=Settings.from_config(snakemake.params.fit),
            seed=snakemake.params.seed,
            path=Path(snakemake.output.problem),
        )
