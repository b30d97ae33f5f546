"""Make a staged run the release that everybody reads."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.files.atomic import write_json
        from localcal.release.desk import Desk
        from localcal.release.promote import promote
        from localcal.run.sections import Release

        run = Path(snakemake.input.run).parent
        names = [Path(path).relative_to(run).as_posix() for path in snakemake.input.files]
        desk = Desk(run, Release.model_validate(snakemake.config["release"]))
        cloud = desk.uploaded(["run.json", *names])
        receipt = promote(run, desk.settings, desk.hub(), cloud, desk.judge)
        write_json(snakemake.output.promoted, receipt)
