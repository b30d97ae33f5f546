"""Evaluate every target on the columns of one chunk."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.engine.client import run_with_engine
        from localcal.matrix.plan import MatrixInputs, read_plan

        inputs = paths(snakemake.input)
        plan = inputs.pop("plan")
        run_with_engine(
            snakemake.params.engine,
            "localcal.matrix.chunk:build_chunk",
            calculated=read_plan(plan).calculated,
            chunk=int(snakemake.wildcards.chunk),
            plan_path=plan,
            inputs=MatrixInputs(**inputs),
            path=Path(snakemake.output.shard),
        )
