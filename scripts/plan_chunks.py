"""Cut the columns of the matrix into chunks."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.matrix.plan import MatrixInputs, write_plan
        from localcal.targets.measures import distinct_measures, needed_variables
        from localcal.targets.table import read_targets

        measures, _ = distinct_measures(read_targets(snakemake.input.targets))
        write_plan(
            path=Path(snakemake.output.plan),
            inputs=MatrixInputs(**paths(snakemake.input)),
            n_columns=snakemake.params.columns,
            chunk_columns=snakemake.params.chunk_columns,
            calculated=needed_variables(measures),
        )
