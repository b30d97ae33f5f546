"""Fit one scope's problem with l0-python, in the interpreter that has it."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        from localcal.weights.l0.run import run_l0

        section = snakemake.config["weights"][snakemake.wildcards.scope]["l0"]
        run_l0(
            problem_path=Path(snakemake.input.problem),
            weights_path=Path(snakemake.output.weights),
            settings=snakemake.params.l0,
            seed=snakemake.params.seed,
            device="cuda" if snakemake.resources.gpu else "cpu",
            python=section["python"],
        )
