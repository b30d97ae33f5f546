"""Give every clone of every household a place."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.database.reader import district_income
        from localcal.geography.draw import assign_geography
        from localcal.geography.geography import write_geography
        from localcal.geography.given import load_geography
        from localcal.geography.households import read_households

        section = snakemake.config["geography"]
        households = read_households(snakemake.input.households)
        if section["source"] == "file":
            geography = load_geography(
                path=Path(section["path"]),
                households=households,
                n_clones=section["clones"],
                district_population=Path(section["district_population"]),
            )
        else:
            income = district_income(Path(snakemake.input.database), snakemake.params.period)
            geography = assign_geography(
                households=households,
                places=Path(section["places"]),
                district_population=Path(section["district_population"]),
                n_clones=section["clones"],
                income_percentile=section["income_percentile"],
                income=income,
                state_exponent=section["state_exponent"],
                seed=snakemake.params.seed,
            )
        write_geography(
            Path(snakemake.output.geography),
            geography,
            {**snakemake.params.geography, "seed": snakemake.params.seed},
        )
