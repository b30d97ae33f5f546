"""A sweep's setting from what a job is given: files by name, and the rule's parameters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localcal.sweeps.batch import Setting
from localcal.sweeps.bench import AreaFiles, RunFiles
from localcal.sweeps.settings import Sweep


def run_files(files: Mapping[str, Any], params: Mapping[str, Any]) -> RunFiles:
    """Return what draws are made from.

    Args:
        files: `population` and `frozen`.
        params: `clones`.
    """
    return RunFiles(Path(files["population"]), Path(files["frozen"]), params["clones"])


def setting_of(
    name: str, sweep: Sweep, files: Mapping[str, Any], params: Mapping[str, Any], folder: Path
) -> Setting:
    """Return what a job of a sweep works with.

    Args:
        name: the sweep's.
        sweep: its settings.
        files: `areas` and `baselines` in the order of the sweep's areas, `replicates` too or none,
            `population` and `frozen`.
        params: `engine`, `seed`, `clones`, `states`, and in `simulating` or else `code` a digest
            of the code that simulates.
        folder: the sweep's.
    """
    replicates: Sequence[str | None] = files["replicates"] or [None] * len(sweep.areas)
    by_area = zip(sweep.areas, files["areas"], replicates, files["baselines"], strict=True)
    return Setting(
        name=name,
        sweep=sweep,
        engine=params["engine"],
        run_seed=params["seed"],
        areas={
            area: AreaFiles(Path(path), None if weights is None else Path(weights), Path(baseline))
            for area, path, weights, baseline in by_area
        },
        run=run_files(files, params),
        states={int(code): state for code, state in params["states"].items()},
        store=folder / "sets",
        code=params.get("simulating", params["code"]),
    )
