"""Going on with a fit that was cut off, to the bytes it would have had.

A fit is a fixed sequence of descents. The checkpoint holds the results of those that are over,
and of the one under way everything its next sweep depends on: weights, the records' order, the
state of the shuffle and the position on the path. What lies between descents is computed again.
"""

import hashlib
import io
import json
import logging
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from localcal.errors import one_line
from localcal.files.atomic import atomic_path
from localcal.weights.descent import Certificate, Position

logger = logging.getLogger(__name__)

# Writing takes well below a second, and a minute is what a death may cost.
SECONDS_BETWEEN_WRITES = 60.0


@dataclass
class Result:
    """What a descent came to."""

    weights: np.ndarray
    """float64 (n,)."""
    certificate: Certificate
    sweeps: int
    dual: np.ndarray
    """float64 (m,): multipliers of the firm rows."""


class Checkpoint:
    """A file beside the outputs of a fit that holds how far it has come.

    Args:
        path: the file; its folder need not exist yet.
        made_from: JSON-ready description of all that decides the result. A file about something
            else is not used.
        seconds: least time between two writes.
    """

    def __init__(
        self, path: str | Path, made_from: object, seconds: float = SECONDS_BETWEEN_WRITES
    ) -> None:
        self.path = Path(path)
        text = json.dumps(made_from, sort_keys=True, default=str)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        self.seconds = seconds
        self._written = time.monotonic()
        self._next = 0
        self._results: list[Result] = []
        self._position: tuple[int, Position] | None = None
        self._read()

    def next_result(self) -> Result | None:
        """Return the result of the next descent if it is known from before."""
        if self._next == len(self._results):
            return None
        self._next += 1
        return self._results[self._next - 1]

    def position(self) -> tuple[int, Position | None]:
        """Return stage and position at which the descent that begins now was cut off, once."""
        position, self._position = self._position, None
        return position or (0, None)

    def offer(self, stage: int, position: Position) -> None:
        """Write the position in a stage of the descent under way, if it is time to."""
        if time.monotonic() - self._written >= self.seconds:
            self._write(stage, position)
            self._written = time.monotonic()

    def finish(self, result: Result) -> None:
        """Remember the result of a descent."""
        self._results.append(result)
        self._next += 1

    def remove(self) -> None:
        """Remove the file: the outputs exist."""
        self.path.unlink(missing_ok=True)

    def _write(self, stage: int, position: Position) -> None:
        content: dict[str, Any] = {
            "weights": position.weights, "order": position.order, "shuffle": position.shuffle,
            "dual": position.dual,
        }  # fmt: skip
        results = []
        for number, result in enumerate(self._results):
            content[f"weights{number}"], content[f"dual{number}"] = result.weights, result.dual
            results.append({"certificate": asdict(result.certificate), "sweeps": result.sweeps})
        about = {"stage": stage, "done": position.done, "results": results}
        # Through memory: NumPy's own writer does not say when the disk is full.
        memory = io.BytesIO()
        np.savez(memory, key=self.key, about=json.dumps(about), **content)
        with atomic_path(self.path) as part:
            part.write_bytes(memory.getvalue())

    def _read(self) -> None:
        if not self.path.is_file():
            return
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                content = dict(file.items())
            key = str(content["key"])
            about = json.loads(str(content["about"]))
            position = (
                about["stage"],
                Position(
                    about["done"],
                    *(content[name] for name in ("weights", "order", "shuffle", "dual")),
                ),
            )
            results = [
                Result(
                    content[f"weights{number}"],
                    Certificate(**result["certificate"]),
                    result["sweeps"],
                    content[f"dual{number}"],
                )
                for number, result in enumerate(about["results"])
            ]
        except (
            OSError,
            EOFError,
            ValueError,
            KeyError,
            TypeError,
            # What looks encrypted, or compressed as nothing is.
            NotImplementedError,
            zipfile.BadZipFile,
        ) as error:
            logger.warning("%s: damaged (%s); the fit starts anew", self.path, one_line(error))
            return
        if key != self.key:
            logger.info("%s: of another fit; this one starts anew", self.path)
            return
        self._position, self._results = position, results
        logger.info(
            "%s: goes on after %d finished descents, %d sweeps into the next",
            self.path, len(self._results), about["done"],
        )  # fmt: skip
