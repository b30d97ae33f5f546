"""Fit the weights of one scope to the targets."""

from pathlib import Path

from localcal.jobs.job import job, paths

# Files that only the config names, and its keys.
GIVEN = {"given": "path", "prior": "prior"}

if __name__ == "__main__":
    with job(snakemake):
        from localcal.weights.fit import FitInputs, FitOutputs, fit_from_files
        from localcal.weights.settings import Settings

        section = snakemake.config["weights"][snakemake.wildcards.scope]
        given = {name: Path(section[key]) for name, key in GIVEN.items() if section[key]}
        params = dict(snakemake.params.items())
        fit_from_files(
            inputs=FitInputs(**paths(snakemake.input), **given),
            outputs=FitOutputs(**paths(snakemake.output)),
            settings=Settings.from_config(params["fit"]),
            seed=params["seed"],
            made_from=params,
        )
