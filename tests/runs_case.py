"""Folders of runs as Snakemake leaves them, without Snakemake: two chunks, one state, one fit."""

import json
import os
from pathlib import Path

from localcal.files.atomic import sha256_file, write_json
from localcal.geography.areas import read_areas
from localcal.run.configuration import wanted_areas
from localcal.run.expected import Job, jobs

NOW = 1_800_000_000.0
TABLE = (
    "level\tarea\tname\tcode\tstate_fips\tcounties\n"
    "nation\tUS\tUnited States\tUS\t\t\n"
    "state\tCA\tCalifornia\t6\t6\t\n"
    "state\tNY\tNew York\t36\t36\t\n"
    "district\tCA-01\tCalifornia 1\t601\t6\t\n"
    "district\tCA-02\tCalifornia 2\t602\t6\t\n"
)
CONFIG = {
    "seed": 0,
    "population": {"households": 60},
    "geography": {"clones": 4},
    "matrix": {"workers": 2, "chunk_columns": 80},
    "weights": {
        "local": {"method": "descent", "replicates": 0},
        "national": {"method": "descent", "replicates": 0},
    },
    "areas": {"national": ["US"], "states": ["CA"], "districts": ["CA-01", "CA-02"], "cities": []},
    "validation": {"simulated_districts": 1},
}


class RunFolder:
    """A run's folder that tests fill.

    Args:
        runs: the folder of runs, which is made; the table of areas is beside it.
        name: of the run.
    """

    def __init__(self, runs: Path, name: str = "demo") -> None:
        self.folder = runs / name
        self.folder.mkdir(parents=True)
        self.table = runs.parent / "areas.tsv"
        self.table.write_text(TABLE)

    def freeze(self, **config: object) -> None:
        """Write run.json."""
        given = {"path": "areas.tsv", "sha256": sha256_file(self.table)}
        content = {
            "run_id": self.folder.name,
            "created": "2027-01-15T07:00:00+00:00",
            "config": CONFIG | config,
            "inputs": {"areas.path": given},
            "code": {"build_chunk": "c0de"},
            "versions": {"numpy": "2.0.0"},
        }
        write_json(self.folder / "run.json", content)

    @property
    def jobs(self) -> list[Job]:
        """All jobs of the run."""
        table = read_areas(self.table)
        config = json.loads((self.folder / "run.json").read_text())["config"]
        return jobs(config, table, wanted_areas(config["areas"], table, [("run.json", config)]))

    def finish(self, job: Job, ago: float = 0.0, **usage: float) -> None:
        """Make a job's files and records, and its log, which ends some seconds before NOW."""
        for file in job.files:
            if file != "run.json":
                self.write(file, "made", ago)
                self.write(f"made/{file}.json", "{}", ago)
        self.log(job.log, used(**usage), ago)

    def finish_all(self, ago: float = 0.0) -> None:
        """Make everything."""
        for job in self.jobs:
            self.finish(job, ago)

    def log(self, file: str, text: str, ago: float = 0.0) -> None:
        """Write a log."""
        self.write(file, f"10:00:00 job: begins\n{text}", ago)

    def write(self, file: str, text: str, ago: float = 0.0) -> Path:
        """Write a file of the run, some seconds before NOW."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (NOW - ago, NOW - ago))
        return path


def used(
    wall_seconds: float = 36.0,
    cpu_seconds: float = 18.0,
    warm_cpu_seconds: float = 0.0,
    peak_mb: float = 500,
) -> str:
    """Return the last line of a finished job's log."""
    content = {
        "wall_seconds": wall_seconds,
        "cpu_seconds": cpu_seconds,
        "warm_cpu_seconds": warm_cpu_seconds,
        "peak_mb": peak_mb,
    }
    return f"10:00:36 job: used {json.dumps(content)}\n"
