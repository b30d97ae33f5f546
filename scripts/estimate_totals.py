"""Multiply the matrix by one scope's weights."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.geography.areas import Area
        from localcal.validation.estimates import EstimateInputs, estimate_totals

        estimate_totals(
            inputs=EstimateInputs(**paths(snakemake.input)),
            cities=[Area(**row) for row in snakemake.params.cities],
            path=Path(snakemake.output.estimates),
        )
