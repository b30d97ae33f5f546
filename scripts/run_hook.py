"""Run the user's own command after a release."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.files.atomic import write_json
        from localcal.files.documents import read_json
        from localcal.release.hook import run_hook

        promoted = Path(snakemake.input.promoted)
        command, receipt = snakemake.config["release"]["hook"], read_json(promoted)
        write_json(snakemake.output.hook, run_hook(command, promoted.parents[1], receipt))
