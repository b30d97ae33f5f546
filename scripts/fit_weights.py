"""Fit the weights of one scope to the targets."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.weights.fit import FitInputs, FitOutputs, fit_from_files
        from localcal.weights.settings import Settings

        prior = snakemake.config["weights"][snakemake.wildcards.scope]["prior"]
        params = dict(snakemake.params.items())
        fit_from_files(
            inputs=FitInputs(**paths(snakemake.input), prior=prior and Path(prior)),
            outputs=FitOutputs(**paths(snakemake.output)),
            settings=Settings.from_config(params["fit"]),
            seed=params["seed"],
            made_from=params,
        )
