"""Freeze take-up rates and whatever looks at the population as a whole."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from dataclasses import replace

        from localcal.clones.freeze import FreezeInputs
        from localcal.engine.client import run_with_engine
        from localcal.targets.measures import distinct_measures, needed_variables
        from localcal.targets.table import read_targets

        inputs = FreezeInputs(**paths(snakemake.input))
        measures, _ = distinct_measures(read_targets(inputs.targets))
        run_with_engine(
            snakemake.params.engine,
            "localcal.clones.freeze:freeze_from_files",
            limit_mb=snakemake.resources.mem_mb,
            # The chunks' variables: no core would have anything else to do then.
            calculated=needed_variables(measures),
            inputs=inputs if snakemake.params.take_up["enabled"] else replace(inputs, rates=None),
            seed=snakemake.params.seed,
            path=Path(snakemake.output.frozen),
        )
