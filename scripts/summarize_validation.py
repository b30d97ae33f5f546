"""Sum up the validation of all areas."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.geography.areas import Area
        from localcal.validation.across import Comparisons
        from localcal.validation.summary import SummaryOutputs, summarize_validation

        areas = [Area(**row) for row in snakemake.params.areas]
        by_name = {area.area: area for area in areas}
        tables = [Path(path) for path in snakemake.input.validations]
        simulated = zip(
            snakemake.input.sampled, snakemake.input.own, snakemake.input.parents, strict=True
        )
        summarize_validation(
            table_paths={
                f"{area.folder}/{area.area}": table
                for area, table in zip(areas, tables, strict=True)
            },
            areas=areas,
            files=Comparisons(
                districts={
                    by_name[name]: tuple(map(Path, files))
                    for name, files in zip(snakemake.params.sampled, simulated, strict=True)
                },
                nation=next(map(Path, snakemake.input.nation), None),
                states={by_name[path.stem]: path for path in map(Path, snakemake.input.states)},
                targets=Path(snakemake.input.targets),
            ),
            outputs=SummaryOutputs(**paths(snakemake.output)),
        )
