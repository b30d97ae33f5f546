"""Put an area's file into the model and total it for every area inside."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.engine.client import run_with_engine
        from localcal.geography.areas import Area

        run_with_engine(
            snakemake.params.engine,
            "localcal.validation.simulate:simulate_area",
            limit_mb=snakemake.resources.mem_mb,
            area=Area(**snakemake.params.row),
            area_path=Path(snakemake.input.area),
            targets_path=Path(snakemake.input.targets),
            path=Path(snakemake.output.totals),
        )
