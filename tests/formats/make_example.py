"""Make the run in `example/`: a small one with the toy model, replicates and a sweep.

    python -m tests.formats.make_example

For whoever changes a format: the run is a fixture for readers of others, and what is in it stays.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml

from localcal.geography.geography import write_geography
from localcal.population.dataset import write_population
from tests.database_factory import NATION, state, write_database
from tests.households import random_places, random_population
from tests.workflow.conftest import SMALL_CONFIG, copy_sources

EXAMPLE = Path(__file__).parent / "example"
HOUSEHOLDS, CLONES, SEED = 12, 3, 5
CONFIG = SMALL_CONFIG | {
    "run_id": "example",
    "population": {"source": "file", "households": HOUSEHOLDS, "path": "given/population.h5"},
    "geography": {"source": "file", "clones": CLONES, "path": "given/geography.h5"},
    "matrix": {"chunk_columns": 20},
    "weights": {
        "local": {"penalty": 0.01, "replicates": 3},
        "national": {"penalty": 0.01},
    },
    "areas": {"states": ["CA"], "districts": [], "cities": []},
}
SWEEP = {
    "parameters": "config/sweeps/snap.csv",
    "areas": ["CA"],
    "outcomes": ["cost"],
    "batch_size": 1,
    "memory_mb": 4000,
}
# Beside these: pages for people, what others have formats for, and what says how jobs went.
KEPT = (".h5", ".json", ".jsonl", ".csv", ".parquet", ".npy")
LEFT = ("benchmarks", "exports", "logs", "report")


def main() -> None:
    """Make the run anew and put its files into the folder."""
    with tempfile.TemporaryDirectory() as name:
        checkout = copy_sources(Path(name) / "checkout")
        expected = give_inputs(checkout.folder)
        (checkout.folder / "example.yaml").write_text(yaml.safe_dump(CONFIG))
        (checkout.folder / "config/sweeps/snap.csv").write_text("snap.maximum\n2000\n4000\n")
        (checkout.folder / "config/sweeps/snap.yaml").write_text(yaml.safe_dump(SWEEP))
        arguments = ("--cores", "2", "--configfile", "example.yaml")
        for targets in ((), ("--", "runs/example/sweeps/snap/manifest.json")):
            subprocess.run(
                checkout.command(*arguments, *targets),
                cwd=checkout.folder,
                env=checkout.environment,
                check=True,
            )
        keep(checkout.folder / "runs/example")
    (EXAMPLE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def give_inputs(folder: Path) -> dict:
    """Write what the run is given; return the same in plain numbers, for readers to compare with."""
    given = folder / "given"
    given.mkdir()
    population = random_population(HOUSEHOLDS, seed=SEED)
    write_population(given / "population.h5", population)
    places = random_places(population, CLONES, seed=SEED)
    write_geography(given / "geography.h5", places, {"source": "test"})
    (given / "take_up.csv").write_text(
        "variable,entity,state,rate,reported,source\n"
        "takes_up_snap_if_eligible,spm_unit,,0.6,,test\n"
    )
    households = float(population.values["household_weight"].sum())
    targets = [
        {"constraints": place, "variable": variable, "value": share * size * households}
        for place, share in ((NATION, 1.0), (state(6), 0.3))
        for variable, size in (("household_count", 1.0), ("person_count", 3.0))
    ]
    write_database(given / "policy_data.db", targets)
    of_household = np.split(population.values["age"], population.starts["person"][1:-1])
    return {
        "about": "What the run was given: a household's persons by age, a column's place, and "
        "targets by area and variable; and with that what every entry of the matrix has to be.",
        "clones": CLONES,
        "household_ids": population.ids["household"].tolist(),
        "household_weights": population.values["household_weight"].tolist(),
        "ages": [ages.tolist() for ages in of_household],
        "state_of_column": places.state.tolist(),
        "district_of_column": places.district.tolist(),
        "targets": {
            name: {"state": code, "variable": variable}
            for name, code, variable in (
                ("national/household_count", None, "household_count"),
                ("national/person_count", None, "person_count"),
                ("state_6/household_count", 6, "household_count"),
                ("state_6/person_count", 6, "person_count"),
            )
        },
    }


def keep(run: Path) -> None:
    """Replace what is in the folder by the files of a run that have a page."""
    shutil.rmtree(EXAMPLE, ignore_errors=True)
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run)
        if path.is_file() and path.suffix in KEPT and name.parts[0] not in LEFT:
            (EXAMPLE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, EXAMPLE / name)


if __name__ == "__main__":
    sys.exit(main())
