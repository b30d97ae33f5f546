"""Draw what a person looks at first."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.report import read_fit, write_report

        files = (snakemake.input.fits, snakemake.input.diagnostics, snakemake.input.weights)
        write_report(
            fits=[
                read_fit(scope, *map(Path, of_scope))
                for scope, *of_scope in zip(snakemake.params.scopes, *files, strict=True)
            ],
            validations=[Path(path) for path in snakemake.input.validations],
            validation_summary=Path(snakemake.input.validation),
            matrix_summary=Path(snakemake.input.matrix),
            outputs={name: Path(path) for name, path in snakemake.output.items()},
        )
