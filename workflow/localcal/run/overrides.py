"""Environment variables that decide something, wherever a job runs.

Whoever hands work to another machine sends along those that are set.
"""

import os

# What overrides `batch_size` of sweeps, the stronger first. The second is what others call it.
BATCH_SIZE_VARIABLES = ("LOCALCAL_SWEEP_BATCH_SIZE", "MODELOPS_JOB_BATCH_SIZE")


def overrides() -> list[str]:
    """Return those that are set."""
    return [name for name in BATCH_SIZE_VARIABLES if name in os.environ]
