"""The problem of one scope, as l0-python gets it."""

from pathlib import Path

from localcal.targets.table import read_targets
from localcal.weights.columns import Columns
from localcal.weights.l0.exchange import write_l0_problem
from localcal.weights.pose import content_of, open_matrix, pose_problem
from localcal.weights.settings import Settings


def prepare_l0(
    matrix: Path, targets: Path, geography: Path, settings: Settings, seed: int, path: Path
) -> None:
    """Pose a scope's problem and write it to `path`.

    Raises:
        InputError: the files do not belong together, or nothing could be fitted.
    """
    opened, places = open_matrix(matrix, targets, geography)
    problem, records = pose_problem(
        opened, read_targets(targets), Columns.at(places), settings, seed
    )
    write_l0_problem(path, problem, records, content_of(opened))
