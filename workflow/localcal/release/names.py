"""Which files of a run get out, and where they lie in the repository.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

from collections.abc import Collection, Iterable

from localcal.geography.areas import Area
from localcal.run.expected import SCOPES
from localcal.run.provenance import RUN_FILE

_REPORT = (
    "areas.csv",
    "errors.png",
    "families.csv",
    "index.html",
    "simulated.png",
    "sizes.png",
    "totals.csv",
    "weights.png",
    "worst.csv",
)
_PER_FIT = ("fit.json", "diagnostics.csv", "areas.csv")
_PER_REPLICATED_FIT = (
    "standard_errors.csv",
    "diagnostics_with_errors.csv",
    "areas_with_errors.csv",
    "replicates.h5",
)
_WEIGHTS = ("weights.npy", "replicates.h5", "l0_weights.h5")


def names(areas: Iterable[Area], replicated: Collection[str], l0: Collection[str]) -> list[str]:
    """Return the files of a run that a release is made of, by their names below its folder.

    Args:
        areas: those the run was asked for.
        replicated: the scopes whose fits have replicate weights.
        l0: the scopes fitted by l0-python.
    """
    found = [RUN_FILE, "targets/policy_data.db", "targets/preflight.csv"]
    found += ["targets/database_checks.csv"]
    for scope in SCOPES:
        fit = [*_PER_FIT, "weights.npy"]
        fit += [*_PER_REPLICATED_FIT] * (scope in replicated)
        fit += ["l0_weights.h5"] * (scope in l0)
        found += [f"weights/{scope}/{file}" for file in fit]
    for area in areas:
        found.append(f"areas/{area.folder}/{area.area}.h5")
        if area.scope in replicated:
            found.append(f"areas/{area.folder}/{area.area}_replicates.h5")
        found.append(f"validation/{area.folder}/{area.area}.csv")
    found += [f"validation/{file}" for file in ("summary.json", "states.csv", "districts.csv")]
    return found + [f"report/{file}" for file in _REPORT]


def place(name: str) -> str | None:
    """Return where a file of a run is published, by its name below the run's folder.

    None for those that are no part of a release but of what is said about it.
    """
    first, _, rest = name.partition("/")
    if first == "areas":
        return rest
    if name == "targets/policy_data.db":
        return f"calibration/{rest}"
    if first == "weights" and rest.endswith(_WEIGHTS):
        return f"calibration/{rest}"
    return None


def source(path: str) -> str:
    """Return the file of a run that is published at a path, by its name below the run's folder."""
    first, _, rest = path.partition("/")
    if first != "calibration":
        return f"areas/{path}"
    return f"targets/{rest}" if rest == "policy_data.db" else f"weights/{rest}"
