"""A copy of the checkout to run Snakemake in, and a small run of the stand-in engine."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from localcal.geography.geography import write_geography
from localcal.population.dataset import write_population
from tests.database_factory import NATION, district, state, write_database
from tests.households import random_places, random_population
from tests.workflow.forks import call

REPOSITORY = Path(__file__).parents[2]
NOT_SOURCES = (
    ".git",
    ".venv*",
    "runs",
    "artifacts",
    "build",
    ".snakemake",
    ".hypothesis",
    # What another process has not finished compiling, and nothing else of `__pycache__`.
    "*.pyc.*",
    "*.nbc.*",
    ".*cache",
    "*.egg-info",
)

# The smallest run with an area at every level.
SMALL_CONFIG = {
    "run_id": "small",
    "engine": "tests.standin_engine:StandIn",
    "population": {"source": "file", "households": 60, "path": "given/population.h5"},
    "geography": {"source": "file", "clones": 4, "path": "given/geography.h5"},
    "take_up": {"rates": "given/take_up.csv"},
    "targets": {"source": "file", "path": "given/policy_data.db"},
    "matrix": {"chunk_columns": 80},
    # Too few targets for folds.
    "weights": {"national": {"penalty": 0.1}},
    "areas": {"states": ["CA", "NY"], "districts": ["CA-02", "NY-01"]},
}
SMALL_JOBS = {
    "freeze_run": 1,
    "build_population": 1,
    "build_database": 1,
    "validate_database": 1,
    "resolve_targets": 1,
    "write_preflight": 1,
    "assign_geography": 1,
    "copy_take_up": 1,
    "copy_tables": 1,
    "freeze_values": 1,
    "follow_values": 1,
    "plan_chunks": 1,
    "build_chunk": 3,
    "assemble_matrix": 1,
    "fit_weights": 2,
    "estimate_totals": 2,
    "write_area": 6,
    "simulate_area": 6,
    "validate_area": 6,
    "summarize_validation": 1,
    "write_report": 1,
    "all": 1,
}


@dataclass(frozen=True)
class Checkout:
    """A copy of the project whose own package is imported, whatever is installed."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of Snakemake."""
        return [sys.executable, "-m", "snakemake", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment: no user's profile, no way to the network."""
        hidden = ("SNAKEMAKE_PROFILE", "LOCALCAL_COORDINATOR", "HF_TOKEN")
        return {name: text for name, text in os.environ.items() if name not in hidden} | {
            "PYTHONPATH": f"{self.folder / 'workflow'}{os.pathsep}{self.folder}",
            "https_proxy": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        }

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run Snakemake to its end; what it writes to both streams is in `stdout`."""
        return call(list(arguments), self.folder, self.environment)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake and return at once."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry-run lists."""
        result = self.snakemake("-n", *arguments)
        assert result.returncode == 0, result.stdout
        return listed_jobs(result.stdout)

    def copy(self, folder: Path) -> "Checkout":
        """Return a copy of everything, runs and Snakemake's own records included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Checkout(folder)


def listed_jobs(output: str) -> dict[str, int]:
    """Read the table of jobs that Snakemake prints."""
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", output.partition("Job stats:")[2], re.MULTILINE))
    jobs.pop("total", None)
    return {rule: int(count) for rule, count in jobs.items()}


def started_jobs(folder: Path) -> dict[str, int]:
    """Read the table of jobs of the last start in a checkout, which only its log shows."""
    return listed_jobs(max((folder / ".snakemake/log").glob("*.snakemake.log")).read_text())


def jobs_because(output: str, reason: str) -> Counter:
    """Return how many jobs of each rule a dry-run lists for a reason."""
    found = Counter()
    for block in re.split(r"^(?:local)?rule ", output, flags=re.MULTILINE)[1:]:
        match = re.search(r"^ +reason: (.*)$", block, re.MULTILINE)
        if match and reason in match[1]:
            found[block.partition(":")[0]] += 1
    return found


def copy_sources(folder: Path) -> Checkout:
    """Copy the project's sources."""
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    return Checkout(folder)


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Checkout:
    """A checkout in which nothing was ever run; tests must leave it so."""
    return copy_sources(tmp_path_factory.mktemp("sources") / "checkout")


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A checkout of one's own."""
    return copy_sources(tmp_path / "checkout")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Checkout:
    """A checkout with a finished small run; take a copy before changing anything."""
    here = tmp_path_factory.getbasetemp()
    # Made once for all workers of pytest-xdist.
    shared = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "finished").exists():
            make_finished(shared / "made").rename(shared / "finished")
    return Checkout(shared / "finished").copy(here / "finished_run")


def make_finished(folder: Path) -> Path:
    """Make a small run, in processes of its own like a user's."""
    checkout = copy_sources(folder)
    give_inputs(folder)
    result = subprocess.run(
        checkout.command("--cores", "2", "--configfile", "small.yaml"),
        cwd=folder,
        env=checkout.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return folder


def give_inputs(folder: Path) -> None:
    """Write the small run's config and the files it is given."""
    given = folder / "given"
    given.mkdir()
    population = random_population(60, seed=1)
    write_population(given / "population.h5", population)
    places = random_places(population, 4, seed=2)
    manhattan = np.where(places.state == 36, b"36061", places.county)
    blocks = np.char.add(manhattan, b"0000000000").astype("S15")
    places = replace(places, county=manhattan, block=blocks)
    write_geography(given / "geography.h5", places, {"source": "test"})
    (given / "take_up.csv").write_text(
        "variable,entity,state,rate,reported,source\n"
        "takes_up_snap_if_eligible,spm_unit,,0.8,,test\n"
    )
    write_database(given / "policy_data.db", _targets(population))
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL_CONFIG))


def _targets(population) -> list[dict[str, object]]:
    """Return totals near what the population has, so that the fit has an easy life."""
    households = float(population.values["household_weight"].sum())
    areas = [(NATION, 1.0), (state(6), 0.25), (state(36), 0.25)]
    areas += [(district(602), 0.08), (district(3601), 0.08)]
    sizes = {"household_count": households, "person_count": 3 * households}
    return [
        {"constraints": place, "variable": variable, "value": share * size}
        for place, share in areas
        for variable, size in sizes.items()
    ]
