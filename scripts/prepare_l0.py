"""Write the problem of one scope as l0-python gets it."""

from pathlib import Path

from localcal.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.fit import pose_problem
        from localcal.fit_settings import Settings
        from localcal.geography import read_geography
        from localcal.l0_files import write_l0_problem
        from localcal.matrix import read_matrix
        from localcal.targets import read_targets

        inputs = {name: Path(path) for name, path in snakemake.input.items()}
        matrix = read_matrix(inputs.pop("matrix"), inputs)
        matrix.verify()
        places = read_geography(inputs["geography"])
        problem, records = pose_problem(
            matrix=matrix,
            targets=read_targets(inputs["targets"]),
            design_weight=places.design_weight,
            household=places.household,
            state=places.state,
            district=places.district,
            settings=Settings.from_config(snakemake.params.fit),
        )
        write_l0_problem(Path(snakemake.output.problem), problem, records)
