"""Write the problem of one scope as l0-python gets it."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake.log[0]):
        from localcal.geography.geography import read_geography
        from localcal.matrix.assemble import read_matrix
        from localcal.targets.table import read_targets
        from localcal.weights.l0.exchange import write_l0_problem
        from localcal.weights.pose import pose_problem
        from localcal.weights.settings import Settings

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
