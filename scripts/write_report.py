"""Draw what a person looks at first."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.report.fits import read_fit
        from localcal.report.page import write_report

        write_report(
            fits=[
                read_fit(scope, Path(file).parent)
                for scope, file in zip(snakemake.params.scopes, snakemake.input.fits, strict=True)
            ],
            validations=[Path(path) for path in snakemake.input.validations],
            validation_summary=Path(snakemake.input.validation),
            matrix_summary=Path(snakemake.input.matrix),
            outputs={name: Path(path) for name, path in snakemake.output.items()},
        )
