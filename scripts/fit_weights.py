"""Fit the weights of one scope to the targets."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.checkpoint import Checkpoint
        from localcal.fit import fit_weights, write_fit
        from localcal.fit_settings import Settings
        from localcal.geography import read_geography
        from localcal.matrix import read_matrix
        from localcal.targets import read_targets
        from localcal.trace import read_start

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        outputs = {name: Path(path) for name, path in snakemake.output.items()}
        params = dict(snakemake.params.items())
        matrix = read_matrix(inputs.pop("matrix"), inputs)
        matrix.verify()
        places = read_geography(inputs["geography"])
        start = snakemake.config["weights"][snakemake.wildcards.scope]["start"]
        checkpoint = Checkpoint(
            outputs["weights"].with_name("checkpoint.npz"), [params, matrix.attributes]
        )
        result = fit_weights(
            matrix=matrix,
            targets=read_targets(inputs["targets"]),
            design_weight=places.design_weight,
            household=places.household,
            state=places.state,
            district=places.district,
            settings=Settings.from_config(params["fit"]),
            seed=params["seed"],
            start=start and read_start(start, matrix.attributes["geography"], matrix.shape[1]),
            checkpoint=checkpoint,
        )
        write_fit(result, matrix.origins(), outputs)
        checkpoint.remove()
