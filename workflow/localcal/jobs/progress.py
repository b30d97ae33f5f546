"""Log lines that say how far long work has come."""

import logging
import time

import psutil

logger = logging.getLogger(__name__)

# Often enough to see that work goes on, rarely enough for a log file to stay readable.
SECONDS_BETWEEN_LINES = 5.0
# From here on three digits would need an exponent.
THOUSAND = 999.5


def memory_mb() -> int:
    """Return this process's resident memory in MB (10^6 bytes)."""
    return psutil.Process().memory_info().rss // 10**6


class Progress:
    """Count units of work done and log done/total, rate, time left and memory.

    Args:
        label: what the units are.
        total: how many there are.
        before: how many of them were done before, in another process.
    """

    def __init__(self, label: str, total: int, before: int = 0) -> None:
        self.label = label
        self.total = total
        self.done = self._before = before
        self._start = self._last_line = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Add `count` finished units; log a line if one is due or the work is complete."""
        self.done += count
        now = time.monotonic()
        if self.done < self.total and now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        elapsed = max(now - self._start, 1e-9)
        rate = (self.done - self._before) / elapsed
        left = (self.total - self.done) / rate if rate else float("inf")
        logger.info(
            "%s: %d/%d, %s/s, %.0f s left, %d MB",
            self.label,
            self.done,
            self.total,
            f"{rate:.3g}" if rate < THOUSAND else f"{rate:.0f}",
            left,
            memory_mb(),
        )
