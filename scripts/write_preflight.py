"""Say what can be said of the targets before anything is computed."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.report.preflight import PreflightInputs, write_preflight

        write_preflight(
            inputs=PreflightInputs(**paths(snakemake.input)),
            period=snakemake.params.period,
            include=snakemake.params.include,
            exclude=snakemake.params.exclude,
            findings_path=Path(snakemake.output.findings),
            page_path=Path(snakemake.output.page),
        )
