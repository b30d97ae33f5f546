"""Evaluate every target on the columns of one chunk."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.chunk import build_chunk
        from localcal.warm import run_with_engine

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        run_with_engine(
            snakemake.params.engine,
            build_chunk,
            chunk=int(snakemake.wildcards.chunk),
            plan_path=inputs.pop("plan"),
            inputs=inputs,
            path=Path(snakemake.output.chunk),
        )
