"""Freeze take-up rates and whatever looks at the population as a whole."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.engine import load_engine
        from localcal.evaluate import distinct_measures, needed_variables
        from localcal.frozen import freeze_values, write_frozen
        from localcal.geography import read_geography
        from localcal.population import read_population
        from localcal.targets import read_targets

        section = snakemake.config["take_up"]
        measures, _ = distinct_measures(read_targets(Path(snakemake.input.targets)))
        frozen = freeze_values(
            population=read_population(Path(snakemake.input.population)),
            geography=read_geography(Path(snakemake.input.geography)),
            needed=needed_variables(measures),
            rates=Path(section["rates"]) if section["enabled"] else None,
            seed=snakemake.params.seed,
            engine=load_engine(snakemake.params.engine),
        )
        write_frozen(Path(snakemake.output.frozen), frozen)
