"""The benchmarks at tiny sizes: they run, and their figures hang together."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
COST = ("cpu_seconds", "wall_seconds")
PEAKS = ("peak_rss_over_start_mb", "peak_private_over_start_mb")


@pytest.fixture
def figures(tmp_path):
    """Return a function that runs a benchmark and returns its figures."""

    def run(name: str, *options: str) -> dict[str, float]:
        result = subprocess.run(
            [sys.executable, f"tests/benchmarks/{name}.py", "--json", *options],
            cwd=REPOSITORY,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        # A Snakemake that was killed leaves a folder of its own.
        assert not list(tmp_path.glob("localcal_benchmark_*"))
        return json.loads(result.stdout)

    return run


def assert_costs(found: dict[str, float], way: str) -> None:
    for name in COST:
        least, median, most = (found[f"{way}_{name}{end}"] for end in ("_min", "", "_max"))
        assert 0 < least <= median <= most
    assert all(found[f"{way}_{name}"] >= 0 for name in PEAKS)


def test_assembly(figures):
    found = figures(
        "assembly",
        *("--shards", "4", "--entries", "60000", "--rows", "300", "--columns", "20000"),
        *("--repeats", "1"),
    )
    found = {name.removeprefix("4_shards_"): value for name, value in found.items()}
    assert found["same"] is True
    assert found["csr_mb"] == pytest.approx(4 * 60_000 * 8 / 1e6)
    for way in ("ours", "reference", "reference_written"):
        assert_costs(found, way)
    for kind in ("cpu", "wall"):
        mine = found[f"ours_{kind}_seconds"]
        for other, name in (("reference", ""), ("reference_written", "_written")):
            assert found[f"{kind}{name}_ratio"] == mine / found[f"{other}_{kind}_seconds"]
    for kind in ("rss", "private"):
        mine, its = (
            found[f"{way}_peak_{kind}_over_start_mb"] for way in ("ours", "reference_written")
        )
        assert found[f"{kind}_ratio"] == (mine / its if its else None)


def test_geography(figures):
    found = figures(
        "geography",
        *("--households", "50", "--clones", "20", "--reference-households", "10"),
        *("--reference-clones", "10", "--repeats", "1"),
    )
    for way in ("ours", "reference"):
        assert_costs(found, way)
    assert (found["columns"], found["reference_columns"]) == (1000, 100)
    assert found["ours_repeated_districts"] == 0
    mine, its = (found[f"{way}_cpu_seconds"] for way in ("ours", "reference"))
    assert found["ratio_per_column"] == pytest.approx((mine / 1000) / (its / 100))
    assert found["reference_cpu_seconds_extrapolated"] == pytest.approx(its * 5 * 4)
    assert found["ratio_extrapolated"] == pytest.approx(mine / (its * 5 * 4))


def test_dry_run(figures):
    found = figures(
        "dry_run", "--configfile", "config/config.yaml", "--cases", "chunk", "--repeats", "1"
    )
    assert 0 < found["chunk_wall_seconds_min"] <= found["chunk_wall_seconds"]
    assert found["chunk_cpu_seconds"] <= found["chunk_cpu_seconds_max"]
    assert found["chunk_jobs"] == 9


def test_resume(figures):
    found = figures("resume", "--chunk-columns", "80", "--kills", "1")
    assert found["chunks"] == 3
    assert 1 <= found["kill_0_built_before"] <= 3
    assert found["kill_0_built_again"] == 0
    assert found["kill_0_built_before"] + found["kill_0_built_after"] == 3
    assert found["kill_0_lost_seconds"] == pytest.approx(
        found["kill_0_after_seconds"]
        + found["kill_0_resumed_wall_seconds"]
        - found["undisturbed_wall_seconds"]
    )
    assert found["kill_0_same_matrix"] is True


def test_fit(figures):
    found = figures(
        "fit",
        *("--records", "3000", "--households", "60", "--clones", "50", "--clones-kept", "3000"),
        *("--clones-seeds", "0", "--l0-epochs", "0", "--l0-clones-epochs", "0"),
    )
    problems = {"independent_3000": 3000, "clones_3000_seed_0": 3000}
    for problem, kept in problems.items():
        mine = {
            name.removeprefix(f"{problem}_ours_"): value
            for name, value in found.items()
            if name.startswith(f"{problem}_")
        }
        assert mine["records"] == kept
        assert mine["cpu_seconds"] > 0 and mine["compile_seconds"] > 0 and mine["peak_mb"] > 0
        assert 0 <= mine["error_median"] <= mine["error_p90"] <= mine["error_max"]
        assert mine["loss"] >= mine["error_max"] ** 2
        assert 0 <= mine["error_within_5_percent"] <= 1 <= mine["design_effect"]
        assert mine["rms_gap"] >= 0
    assert not [name for name in found if "l0" in name or "ratio" in name]
