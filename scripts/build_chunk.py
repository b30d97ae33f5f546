"""Evaluate every target on the columns of one chunk."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.chunk import build_chunk
        from localcal.engine import load_engine

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        build_chunk(
            chunk=int(snakemake.wildcards.chunk),
            plan_path=inputs.pop("plan"),
            inputs=inputs,
            engine=load_engine(snakemake.params.engine),
            path=Path(snakemake.output.chunk),
        )
