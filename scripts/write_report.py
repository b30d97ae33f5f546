"""Draw what a person looks at first."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.report.fits import read_fit
        from localcal.report.page import ReportInputs, ReportOutputs, write_report

        write_report(
            fits=[
                read_fit(scope, Path(path).parent)
                for scope, path in zip(snakemake.params.scopes, snakemake.input.fits, strict=True)
            ],
            inputs=ReportInputs(
                validations=[Path(path) for path in snakemake.input.validations],
                validation=Path(snakemake.input.validation),
                states=Path(snakemake.input.states),
                matrix=Path(snakemake.input.matrix),
                errors=[Path(path) for path in snakemake.input.errors],
                geography=Path(snakemake.input.geography),
                run=Path(snakemake.input.run),
                limits=snakemake.params.limits,
            ),
            outputs=ReportOutputs(**paths(snakemake.output)),
        )
