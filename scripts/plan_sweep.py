"""Plan a sweep and state what it will cost."""

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.sweeps.asked import read_asked
        from localcal.sweeps.batch import plan_sweep
        from localcal.sweeps.given import setting_of

        asked = read_asked(snakemake.wildcards.sweep)
        plan_sweep(
            setting=setting_of(
                asked.name,
                asked.settings,
                dict(snakemake.input.items()),
                dict(snakemake.params.items()),
            ),
            sets=asked.sets,
            size=snakemake.params.cut["batch_size"],
            source=asked.source,
            outputs=paths(snakemake.output),
        )
