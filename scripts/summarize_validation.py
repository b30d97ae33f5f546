"""Sum up the validation of all areas."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.geography.areas import Area
        from localcal.validation.compare import summarize_validation

        areas = [Area(**row) for row in snakemake.params.areas]
        names = [f"{area.folder}/{area.area}" for area in areas]
        tables = [Path(path) for path in snakemake.input.validations]
        summarize_validation(
            table_paths=dict(zip(names, tables, strict=True)),
            areas=areas,
            targets_path=Path(snakemake.input.targets),
            path=Path(snakemake.output.summary),
        )
