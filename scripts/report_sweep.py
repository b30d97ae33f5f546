"""Write the page of a sweep."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.report.sweep import SweepInputs, write_sweep_page

        write_sweep_page(
            name=snakemake.wildcards.sweep,
            run_id=snakemake.wildcards.run_id,
            inputs=SweepInputs(
                plan=Path(snakemake.input.plan),
                about=Path(snakemake.input.about),
                outcomes=list(map(Path, snakemake.input.outcomes)),
                failures=Path(snakemake.input.failures),
                replicates=list(map(Path, snakemake.input.replicates)),
            ),
            path=Path(snakemake.output.page),
        )
