"""Check that a sweep is complete, and say what there is."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.sweeps.asked import read_asked
        from localcal.sweeps.collect import collect_sweep
        from localcal.sweeps.plan import draws_of

        asked = read_asked(snakemake.wildcards.sweep)
        collect_sweep(
            name=asked.name,
            run_id=snakemake.wildcards.run_id,
            sweep=asked.settings,
            draws=draws_of(asked.settings, snakemake.params.seed),
            repeated=len(asked.sets.repeated),
            files={
                "plan": [Path(snakemake.input.plan)],
                "batches": list(map(Path, snakemake.input.batches)),
                "outcomes": list(map(Path, snakemake.input.outcomes)),
                "failures": [Path(snakemake.input.failures)],
            },
            path=Path(snakemake.output.manifest),
        )
