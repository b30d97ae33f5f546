"""Build, copy or fetch the target database."""

from pathlib import Path

from localcal.jobs.job import job

if __name__ == "__main__":
    with job(snakemake):
        section = snakemake.config["targets"]
        path = Path(snakemake.output.database)
        match section["source"]:
            case "demo" | "agencies" as origin:
                from localcal.database.demo import write_demo_database
                from localcal.engine.client import run_with_engine

                write_demo_database(
                    published=(
                        Path(section["published"])
                        if origin == "demo"
                        else [
                            *(snakemake.input.get(name) for name in sorted(section["agencies"])),
                            *section["figures"],
                        ]
                    ),
                    areas=Path(snakemake.config["areas"]["path"]),
                    path=path,
                    variables=run_with_engine(
                        snakemake.params.engine,
                        "localcal.engine.protocol:variable_names",
                        limit_mb=snakemake.resources.mem_mb,
                    ),
                )
            case "file":
                from localcal.database.reader import copy_database

                copy_database(Path(section["path"]), path)
            case "huggingface":
                from localcal.files.huggingface import fetch_file

                address = ("repo_id", "filename", "revision", "repo_type")
                fetch_file(path=path, **{name: section[name] for name in address})
