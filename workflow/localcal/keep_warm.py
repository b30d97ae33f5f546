"""Importing this makes warm processes live as long as the process that imports it.

For a process that outlives Snakemake and starts it again and again, as there is one in every
container: jobs that follow each other then share the loaded model.
"""

import os

from localcal.jobs.job import KEEPER_VARIABLE

os.environ[KEEPER_VARIABLE] = str(os.getpid())
