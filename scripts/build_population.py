"""Make, copy or fetch the base households and sample them."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.engine.client import run_with_engine

        run_with_engine(
            snakemake.params.engine,
            "localcal.microdata.sources:build_population",
            limit_mb=snakemake.resources.mem_mb,
            section=snakemake.config["population"],
            period=snakemake.params.period,
            seed=snakemake.params.seed,
            population_path=Path(snakemake.output.population),
            households_path=Path(snakemake.output.households),
        )
