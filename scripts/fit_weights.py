"""Fit the weights of one scope to the targets."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        import io

        import numpy as np

        from localcal.files import atomic_path, sha256_file, write_json
        from localcal.fit import Settings, fit_weights
        from localcal.geography import read_geography
        from localcal.matrix import read_matrix
        from localcal.targets import read_targets

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        matrix = read_matrix(inputs.pop("matrix"), inputs)
        matrix.verify()
        places = read_geography(inputs["geography"])
        result = fit_weights(
            matrix=matrix,
            targets=read_targets(inputs["targets"]),
            design_weight=places.design_weight,
            household=places.household,
            state=places.state,
            district=places.district,
            settings=Settings.from_config(snakemake.params.fit),
            seed=snakemake.params.seed,
        )
        # The weights are renamed last, because areas depend on them.
        with atomic_path(Path(snakemake.output.weights)) as part:
            # Through memory: NumPy's own writer does not say when the disk is full.
            content = io.BytesIO()
            np.save(content, result.weights)
            part.write_bytes(content.getvalue())
            digests = matrix.origins() | {"weights": sha256_file(part)}
            write_json(Path(snakemake.output.fit), result.report | {"digests": digests})
            with atomic_path(Path(snakemake.output.diagnostics)) as table:
                result.diagnostics.to_csv(table, index=False)
