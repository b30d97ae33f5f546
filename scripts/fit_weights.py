"""Fit the weights of one scope to the targets."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.fit import Settings, fit_weights, write_fit
        from localcal.geography import read_geography
        from localcal.l0_files import describe_refit, read_l0_weights
        from localcal.matrix import read_matrix
        from localcal.targets import read_targets

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        l0_path = inputs.pop("l0", None)
        matrix = read_matrix(inputs.pop("matrix"), inputs)
        matrix.verify()
        places = read_geography(inputs["geography"])
        raw = read_l0_weights(l0_path, matrix.shape[1]) if l0_path else None
        result = fit_weights(
            matrix=matrix,
            targets=read_targets(inputs["targets"]),
            design_weight=places.design_weight,
            household=places.household,
            state=places.state,
            district=places.district,
            settings=Settings.from_config(snakemake.params.fit),
            seed=snakemake.params.seed,
            support=raw.support if raw else None,
        )
        if raw:
            result = describe_refit(result, matrix, raw)
        write_fit(
            result=result,
            origins=matrix.origins(),
            fit_path=Path(snakemake.output.fit),
            diagnostics_path=Path(snakemake.output.diagnostics),
            weights_path=Path(snakemake.output.weights),
        )
