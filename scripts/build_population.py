"""Make, copy or fetch the base households and sample them."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.warm import run_with_engine

        run_with_engine(
            snakemake.params.engine,
            "localcal.population_sources:build_population",
            section=snakemake.config["population"],
            period=snakemake.params.period,
            seed=snakemake.params.seed,
            population_path=Path(snakemake.output.population),
            households_path=Path(snakemake.output.households),
        )
