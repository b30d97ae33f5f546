"""Put the shards together to one matrix."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.matrix.assemble import assemble_matrix

        assemble_matrix(
            plan_path=Path(snakemake.input.plan),
            shard_paths=[Path(path) for path in snakemake.input.shards],
            targets_path=Path(snakemake.input.targets),
            path=Path(snakemake.output.matrix),
            summary_path=Path(snakemake.output.summary),
        )
