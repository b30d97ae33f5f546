"""A sweep's setting from what a job is given: files by name, and the rule's parameters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localcal.sweeps.batch import Setting
from localcal.sweeps.bench import AreaFiles, RunFiles
from localcal.sweeps.settings import Sweep

# The folder of finished simulations.
FINISHED = "sets"


def run_files(files: Mapping[str, Any], params: Mapping[str, Any]) -> RunFiles:
    """Return what draws are made from.

    Args:
        files: `population` and `frozen`.
        params: `clones`.
    """
    return RunFiles(Path(files["population"]), Path(files["frozen"]), params["clones"])


def finished_folder(baseline: Path) -> Path:
    """Return where a sweep's finished simulations are: beside its other files.

    Beside the file that `baseline` leads to, if it is a link: where a storage is mounted, a job's
    inputs are links into it, and its own folder is gone with it. So what it finishes is there for
    the next one, also if it fails.
    """
    real = baseline.resolve() if baseline.is_symlink() else baseline
    return real.parent.parent / FINISHED


def setting_of(
    name: str, sweep: Sweep, files: Mapping[str, Any], params: Mapping[str, Any]
) -> Setting:
    """Return what a job of a sweep works with.

    Args:
        name: the sweep's.
        sweep: its settings.
        files: `areas` and `baselines` in the order of the sweep's areas, `replicates` too or none,
            `population` and `frozen`.
        params: `engine`, `seed`, `clones`, `states`, and in `simulating` or else `code` a digest
            of the code that simulates.
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
        store=finished_folder(Path(files["baselines"][0])),
        code=params.get("simulating", params["code"]),
    )
