"""Evaluate every target on the columns of one chunk."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.matrix.plan import MatrixInputs
        from localcal.matrix.supervised import build_shard

        inputs = paths(snakemake.input)
        plan = inputs.pop("plan")
        build_shard(
            engine=snakemake.params.engine,
            chunk=int(snakemake.wildcards.chunk),
            plan_path=plan,
            inputs=MatrixInputs(**inputs),
            path=Path(snakemake.output.shard),
            limit_mb=snakemake.resources.mem_mb,
        )
