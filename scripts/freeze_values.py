"""Freeze take-up rates and whatever looks at the population as a whole."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.engine.client import run_with_engine

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        rates = inputs.pop("rates")
        run_with_engine(
            snakemake.params.engine,
            "localcal.clones.freeze:freeze_from_files",
            inputs=inputs,
            rates=rates if snakemake.params.take_up["enabled"] else None,
            seed=snakemake.params.seed,
            path=Path(snakemake.output.frozen),
        )
