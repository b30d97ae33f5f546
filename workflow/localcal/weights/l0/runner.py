"""Fit weights with l0-python: run by an interpreter that need not have localcal.

    python -P runner.py PROBLEM SETTINGS WEIGHTS

PROBLEM and WEIGHTS are HDF5 files as `localcal.weights.l0.exchange` describes them, SETTINGS is a
JSON object. The loss is the sum of squares |goal - A w|^2, that of the scaled problem. One call
makes all epochs, since every call begins with a new Adam, without momentum.
"""

import json
import sys
import time
from importlib.metadata import version

import h5py
import numpy as np
import scipy.sparse
import torch
from l0.calibration import SparseCalibrationWeights

EPOCHS_BETWEEN_LINES = 50
# PolicyEngine's: all records begin as good as kept, with noise so that clones can part.
KEEP_PROBABILITY = 0.999
LOG_WEIGHT_JITTER, LOG_ALPHA_JITTER = 0.05, 0.01


class Logged(SparseCalibrationWeights):
    """Says now and then how far it is; draws the same random numbers as its base."""

    epoch = 0

    def forward(self, matrix: torch.Tensor, deterministic: bool = False) -> torch.Tensor:
        if not deterministic and self.epoch % EPOCHS_BETWEEN_LINES == 0:
            kept = int((self.get_deterministic_gates() > 0).sum())
            write_line(f"epoch {self.epoch}: {kept} records")
        self.epoch += not deterministic
        return super().forward(matrix, deterministic)


def write_line(text: str) -> None:
    """Write to stdout at once; whoever started this process logs it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    problem_path, settings, weights_path = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    torch.manual_seed(settings["seed"])
    torch.set_num_threads(1)
    if settings["device"] == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no GPU; give the job one, or ask for none (gpu=0)")
    with h5py.File(problem_path) as file:
        origins = dict(file.attrs)
        goal, base, columns = file["goal"][:], file["base"][:], file["columns"][:]
        record_major = scipy.sparse.csr_matrix(
            (file["data"][:], file["indices"][:], file["indptr"][:]), shape=(len(base), len(goal))
        )
    began = time.monotonic()
    model = Logged(
        n_features=len(base),
        beta=settings["beta"],
        init_keep_prob=KEEP_PROBABILITY,
        init_weights=base,
        log_weight_jitter_sd=LOG_WEIGHT_JITTER,
        log_alpha_jitter_sd=LOG_ALPHA_JITTER,
        device=settings["device"],
        seed=settings["seed"],
    )
    model.fit(
        record_major.T,
        goal,
        lambda_l0=settings["lambda_l0"],
        lambda_l2=settings["lambda_l2"],
        lr=settings["learning_rate"],
        epochs=settings["epochs"],
        loss_type="mse",
    )
    with torch.no_grad():
        weights = model.get_weights(deterministic=True).cpu().numpy()
    with h5py.File(weights_path, "w") as file:
        file["weights"], file["columns"] = weights.astype(np.float32), columns
        file.attrs.update(
            **origins,
            seed=settings["seed"],
            device=settings["device"],
            epochs=model.epoch,
            seconds=time.monotonic() - began,
            l0_python=version("l0-python"),
            torch=version("torch"),
        )
    write_line(f"{np.count_nonzero(weights)} of {len(weights)} records kept")


if __name__ == "__main__":
    main()
