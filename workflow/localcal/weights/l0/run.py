"""Have l0-python fit a problem, in an interpreter that has it.

torch and l0-python are in an environment of their own, and all that goes there or comes back are
files (`localcal.weights.l0.exchange`). Nothing heavy is imported here.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import atomic_path
from localcal.files.hdf5 import open_h5
from localcal.jobs.processes import die_with_parent

logger = logging.getLogger(__name__)

# Run by the other interpreter, which need not have localcal.
RUNNER = Path(__file__).with_name("runner.py")
NEEDED = "h5py, scipy, torch, l0.calibration"
# What a problem's file holds, and what tells whose it is.
ARRAYS = ("indptr", "indices", "data", "goal", "base", "columns")
ORIGINS = ("matrix",)


def run_l0(
    problem_path: Path,
    weights_path: Path,
    settings: Mapping[str, float | int],
    seed: int,
    device: str,
    python: str | None = None,
) -> None:
    """Fit the problem of one file and write the weights to another.

    Args:
        problem_path: of `l0_files.write_l0_problem`.
        weights_path: to write, read by `l0_files.read_l0_weights`.
        settings: lambda_l0, lambda_l2, beta, learning_rate, epochs.
        seed: of the starting noise and of the gates.
        device: cpu or cuda.
        python: the interpreter; None = the running one.

    Raises:
        InputError: the interpreter lacks something, or l0-python failed.
    """
    python = python or sys.executable
    check_problem(problem_path)
    check_interpreter(python)
    with atomic_path(weights_path) as part:
        given = json.dumps({**settings, "seed": seed, "device": device})
        # -P: the runner's folder holds modules that are called like others' packages.
        process = subprocess.Popen(
            [python, "-P", str(RUNNER), str(problem_path), given, str(part)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent,
        )
        with process:
            assert process.stdout is not None  # a pipe, as asked for
            last = ""
            for line in process.stdout:
                last = line.strip() or last
                logger.info("%s", line.rstrip())
        if process.returncode:
            raise InputError(f"l0-python failed ({process.returncode}) in {python}: {last}")


def check_problem(path: Path) -> None:
    """Refuse a damaged problem, of which the other interpreter could only say that it failed.

    Raises:
        InputError: the file is missing or damaged.
    """
    with open_h5(path) as file:
        indptr, indices, data, goal, base, columns = (file[name][:] for name in ARRAYS)
        missing = [name for name in ORIGINS if name not in file.attrs]
    if missing:
        raise InputError(f"{path}: does not say which {missing[0]} it was made from; {REMAKE}")
    if (
        len(indptr) != len(base) + 1
        or len(columns) != len(base)
        or not len(data) == len(indices) == indptr[-1]
        or (len(indices) and indices.max() >= len(goal))
    ):
        raise InputError(f"{path}: damaged, its arrays do not fit together; {REMAKE}")


def check_interpreter(python: str) -> None:
    """Refuse an interpreter that cannot run l0-python.

    Raises:
        InputError: it does not exist or lacks a package.
    """
    advice = (
        "install them as the README says and name that interpreter in weights.<scope>.l0.python"
    )
    try:
        tried = subprocess.run(
            [python, "-P", "-c", f"import {NEEDED}"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise InputError(f"{python}: {error.strerror}; {advice}") from error
    if tried.returncode:
        reason = (tried.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise InputError(f"{python}: cannot import {NEEDED} ({reason}); {advice}")
