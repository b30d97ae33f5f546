"""Write the replicate weights of one area."""

from pathlib import Path

from localcal.jobs.job import job, paths

if __name__ == "__main__":
    with job(snakemake):
        from localcal.areas.replicates import AreaReplicateInputs, write_area_replicates
        from localcal.geography.areas import Area

        write_area_replicates(
            area=Area(**snakemake.params.row),
            inputs=AreaReplicateInputs(**paths(snakemake.input)),
            path=Path(snakemake.output.replicates),
        )
