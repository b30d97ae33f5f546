"""Write the matrix as the package that PolicyEngine's calibration tools read."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.matrix.package import PackageInputs, export_package

        export_package(
            inputs=PackageInputs(**paths(snakemake.input)),
            settings=snakemake.params.settings,
            package=Path(snakemake.output.package),
            metadata=Path(snakemake.output.metadata),
        )
