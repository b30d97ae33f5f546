"""Compare an area's simulated totals with its targets and with matrix times weights."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.engine.client import run_where_warm
        from localcal.geography.areas import Area
        from localcal.validation.inputs import ValidationInputs

        run_where_warm(
            snakemake.params.engine,
            "localcal.validation.compare:validate_area",
            limit_mb=snakemake.resources.mem_mb,
            area=Area(**snakemake.params.row),
            inputs=ValidationInputs(**paths(snakemake.input)),
            path=Path(snakemake.output.validation),
        )
