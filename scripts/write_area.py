"""Write the dataset of one area."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.areas.write import AreaInputs, write_area
        from localcal.geography.areas import Area

        write_area(
            area=Area(**snakemake.params.row),
            inputs=AreaInputs(**paths(snakemake.input)),
            path=Path(snakemake.output.area),
        )
