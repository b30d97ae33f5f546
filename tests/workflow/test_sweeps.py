"""Sweeps: rules that are asked for by name, and what a change remakes."""

import json

import pyarrow.parquet as pq
import pytest
import yaml

from tests.formats.pages import differences_in
from tests.workflow.conftest import SMALL_JOBS, Checkout, give_inputs

MANIFEST = "runs/small/sweeps/snap/manifest.json"
CONFIG = ("--configfile", "small.yaml")
SETTINGS = {
    "parameters": "config/sweeps/snap.csv",
    "areas": ["US", "CA"],
    "outcomes": ["cost", "revenue"],
    "seeds": {"count": 2},
    "batch_size": 2,
    "memory_mb": 4000,
}


@pytest.fixture
def swept(finished, tmp_path) -> Checkout:
    """A finished small run with a sweep."""
    checkout = finished.copy(tmp_path / "checkout")
    write(checkout)
    (checkout.folder / "config/sweeps/snap.csv").write_text(
        "snap.maximum\n2000\n3000\n4000\n2e3\n5000\n"
    )
    return checkout


def write(checkout, **settings):
    path = checkout.folder / "config/sweeps/snap.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | settings))


def outcomes(checkout):
    folder = checkout.folder / "runs/small/sweeps/snap"
    paths = [*sorted((folder / "outcomes").iterdir()), folder / "manifest.json"]
    paths.append(folder / "report.html")
    return [path.read_bytes() for path in paths]


def test_a_sweep_is_made_where_it_is_asked_for_and_cut_anew_at_no_simulation(swept):
    assert swept.jobs(*CONFIG) == {}
    of_batches = {"run_batch": 2, "collect_outcome": 2, "collect_failures": 1}
    of_batches |= {"report_sweep": 1, "collect_sweep": 1}
    first = {"run_baseline": 2, "plan_sweep": 1, **of_batches}
    assert swept.jobs(*CONFIG, "--", MANIFEST) == first
    result = swept.snakemake("--cores", "2", *CONFIG, "--", MANIFEST)
    assert result.returncode == 0, result.stdout
    assert "snap.csv: line 5 repeats the parameter set of config/sweeps/snap.csv: line 2" in (
        result.stdout
    )
    folder = swept.folder / "runs/small/sweeps/snap"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["status"], manifest["sets"], manifest["found"]) == ("complete", 4, 32)
    table = pq.read_table(folder / "outcomes/cost.parquet").to_pandas()
    present = table["param_snap.maximum"] == 3000
    assert (table.delta == 0).equals(present) and present.sum() == 4
    assert differences_in(swept.folder / "runs/small", "sweeps") == []
    assert swept.jobs(*CONFIG, "--", MANIFEST) == {} == swept.jobs(*CONFIG)

    before = outcomes(swept)
    kept = {path: path.stat().st_mtime_ns for path in (folder / "sets").rglob("*.parquet")}
    assert len(kept) == 16
    write(swept, batch_size=3)
    assert swept.jobs(*CONFIG, "--", MANIFEST) == {"plan_sweep": 1, **of_batches}
    result = swept.snakemake("--cores", "1", *CONFIG, "--", MANIFEST)
    assert result.returncode == 0, result.stdout
    now = {path: path.stat().st_mtime_ns for path in (folder / "sets").rglob("*.parquet")}
    assert now == kept
    assert outcomes(swept) == before


WRONG = [
    ({"areas": ["US", "CX"]}, "snap.yaml: areas: the table of areas has no 'CX'"),
    ({"outcome": ["cost"]}, "snap.yaml: outcome: unknown key (did you mean 'outcomes'?)"),
    ({"parameters": "nowhere.csv"}, "nowhere.csv: cannot be read as a table"),
    ({"replicates": True}, "the weights of US have none; set weights.national.replicates"),
    ({"largest": {"simulations": 3}}, "above largest.simulations = 3"),
    (
        {"parameters": {"sampler": "grid", "bounds": {"snap.maximum@2031-01-01.": [1, 2]}}},
        "snap.yaml: column snap.maximum@2031-01-01.: lies outside 20",
    ),
    ({"outcomes": ["own.py:f"]}, "outcome 'own.py:f': there is no file own.py"),
]


def test_a_wrong_sweep_is_refused_before_any_job_and_stops_nothing_else(checkout):
    give_inputs(checkout.folder)
    (checkout.folder / "config/sweeps/snap.csv").write_text("snap.maximum\n2000\n")
    for settings, words in WRONG:
        write(checkout, **settings)
        result = checkout.snakemake("-n", *CONFIG, "--", MANIFEST)
        assert result.returncode != 0
        assert words in result.stdout and "Traceback" not in result.stdout, result.stdout
    assert checkout.jobs(*CONFIG) == SMALL_JOBS
