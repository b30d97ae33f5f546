"""Freeze take-up rates and whatever looks at the population as a whole."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from dataclasses import replace

        from localcal.clones.freeze import FreezeInputs
        from localcal.engine.client import run_with_engine

        inputs = FreezeInputs(**paths(snakemake.input))
        run_with_engine(
            snakemake.params.engine,
            "localcal.clones.freeze:freeze_from_files",
            inputs=inputs if snakemake.params.take_up["enabled"] else replace(inputs, rates=None),
            seed=snakemake.params.seed,
            path=Path(snakemake.output.frozen),
        )
