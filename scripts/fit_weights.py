"""Fit the weights of one scope to the targets."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.files.atomic import sha256_file
        from localcal.geography.geography import read_geography
        from localcal.matrix.assemble import read_matrix
        from localcal.targets.table import read_targets
        from localcal.weights.checkpoint import Checkpoint
        from localcal.weights.fit import fit_weights, write_fit
        from localcal.weights.l0.exchange import read_l0_weights
        from localcal.weights.l0.refit import describe_refit
        from localcal.weights.settings import Settings
        from localcal.weights.trace import read_prior

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        outputs = {name: Path(path) for name, path in snakemake.output.items()}
        params = dict(snakemake.params.items())
        l0_path = inputs.pop("l0", None)
        matrix = read_matrix(inputs.pop("matrix"), inputs)
        matrix.verify()
        places = read_geography(inputs["geography"])
        raw = read_l0_weights(l0_path, matrix.shape[1]) if l0_path else None
        prior = snakemake.config["weights"][snakemake.wildcards.scope]["prior"]
        made_from = [params, matrix.attributes, sha256_file(l0_path) if l0_path else None]
        checkpoint = Checkpoint(outputs["weights"].with_name("checkpoint.npz"), made_from)
        result = fit_weights(
            matrix=matrix,
            targets=read_targets(inputs["targets"]),
            design_weight=places.design_weight,
            household=places.household,
            state=places.state,
            district=places.district,
            settings=Settings.from_config(params["fit"]),
            seed=params["seed"],
            start=prior and read_prior(prior, matrix.attributes["geography"], matrix.shape[1]),
            checkpoint=checkpoint,
            support=raw.support if raw else None,
        )
        if raw:
            result = describe_refit(result, matrix, raw)
        write_fit(result, matrix.origins(), outputs)
        checkpoint.remove()
