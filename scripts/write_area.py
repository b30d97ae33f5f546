"""Write the dataset of one area."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.areas.write import write_area
        from localcal.geography.areas import Area

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        write_area(
            area=Area(**snakemake.params.row),
            fit_path=inputs.pop("fit"),
            inputs=inputs,
            path=Path(snakemake.output.area),
        )
