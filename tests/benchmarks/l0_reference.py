"""Fit with l0-python, in an interpreter that has it: the reference of fit.py.

    python l0_reference.py PROBLEM SETTINGS RESULT

PROBLEM is a folder of `problems.py` with the values and start weights of `fit.py`, SETTINGS a JSON
object, RESULT the .npz file to write: for every checkpoint the epoch, the CPU seconds until then
and the weights that l0-python would deliver; and the peak memory.

Everything is as PolicyEngine's production does it: relative loss without groups, one fresh draw
of the gates per epoch. In two points it is kinder to l0-python: Adam is made once instead of every
hundred epochs, and the start is the scaled design weights.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from l0.calibration import SparseCalibrationWeights


class _Watched(SparseCalibrationWeights):
    """Looks at the deterministic weights after some epochs, without disturbing the random draws."""

    def __init__(self, checkpoints: list[int], **arguments) -> None:
        super().__init__(**arguments)
        self.checkpoints, self.calls, self.seen = checkpoints, 0, []
        self.start = time.process_time()

    def forward(self, matrix, deterministic=False):
        if not deterministic:
            self.look()
            self.calls += 1
        return super().forward(matrix, deterministic)

    def look(self) -> None:
        """Called before each epoch, and once after the last."""
        if self.calls in self.checkpoints:
            seconds = time.process_time() - self.start
            with torch.no_grad():
                weights = self.get_weights(deterministic=True).numpy()
            self.seen.append((self.calls, seconds, weights))


def main() -> None:
    folder, settings, result = Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    torch.manual_seed(settings["seed"])
    indptr, value, start = (np.load(folder / f"{n}.npy") for n in ("indptr", "value", "start"))
    data = np.fromfile(folder / "data.bin", dtype="<f4")
    indices = np.fromfile(folder / "indices.bin", dtype="<i4")
    matrix = scipy.sparse.csr_matrix((data, indices, indptr), shape=(len(value), len(start)))
    model = _Watched(
        settings["checkpoints"],
        n_features=len(start),
        beta=settings["beta"],
        init_keep_prob=0.999,
        init_weights=start,
        log_weight_jitter_sd=0.05,
        log_alpha_jitter_sd=0.01,
        seed=settings["seed"],
    )
    model.fit(
        matrix,
        value,
        lambda_l0=settings["lambda_l0"],
        lambda_l2=settings["lambda_l2"],
        lr=settings["learning_rate"],
        epochs=settings["epochs"],
        loss_type="relative",
    )
    model.look()
    status = Path("/proc/self/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    epoch, seconds, weights = zip(*model.seen, strict=True)
    np.savez(
        result,
        epoch=epoch,
        seconds=seconds,
        weights=weights,
        peak_mb=int(peak) * 1.024e-3,
        versions=[f"{name} {version(name)}" for name in ("l0-python", "torch")],
    )


if __name__ == "__main__":
    main()
