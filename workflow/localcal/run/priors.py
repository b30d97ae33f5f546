"""Where the places and the households of another fit's columns are.

Alone in its module: it is read while Snakemake parses the workflow, and by the fit.
"""

import os
from pathlib import Path

# What says what the columns of a trace are, by the names under which the trace records them.
BESIDE = ("geography", "population")


def files_beside(trace: str | Path) -> dict[str, Path]:
    """Return the geography and the population of the run that a trace.h5 lies in, by name.

    Neither need exist: a trace may lie by itself.

    Args:
        trace: `<run>/weights/<scope>/trace.h5`.
    """
    folder = Path(os.path.normpath(Path(trace).parent / ".." / ".." / "population"))
    return {name: folder / f"{name}.h5" for name in BESIDE}
