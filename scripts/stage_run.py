"""Put a run where its release can be made of it."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.files.atomic import write_json
        from localcal.release.desk import Desk
        from localcal.release.stage import stage
        from localcal.run.sections import Release

        run = Path(snakemake.input.run).parent
        names = [Path(path).relative_to(run).as_posix() for path in snakemake.input.files]
        desk = Desk(run, Release.model_validate(snakemake.config["release"]))
        hub = desk.hub()
        hub.refuse_without_token()
        desk.write_summary()
        receipt = stage(run, ["run.json", *names], desk.settings, hub, desk.judge)
        write_json(snakemake.output.staged, receipt)
