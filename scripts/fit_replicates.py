"""Fit one scope's weights again with other households, and say how sure its estimates are."""

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.weights.settings import Settings
        from localcal.weights.standard_errors import (
            ReplicateInputs,
            ReplicateOutputs,
            replicate_from_files,
        )

        replicate_from_files(
            inputs=ReplicateInputs(**paths(snakemake.input)),
            outputs=ReplicateOutputs(**paths(snakemake.output)),
            settings=Settings.from_config(snakemake.params.fit),
            seed=snakemake.params.seed,
        )
