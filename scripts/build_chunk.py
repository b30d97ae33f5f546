"""Evaluate every target on the columns of one chunk."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.engine.client import run_with_engine
        from localcal.matrix.plan import read_plan

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        plan = inputs.pop("plan")
        run_with_engine(
            snakemake.params.engine,
            "localcal.matrix.chunk:build_chunk",
            calculated=read_plan(plan).calculated,
            chunk=int(snakemake.wildcards.chunk),
            plan_path=plan,
            inputs=inputs,
            path=Path(snakemake.output.chunk),
        )
