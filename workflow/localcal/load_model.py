"""Load the model in a warm process, or say why it cannot be loaded.

python -m localcal.load_model localcal.engine:PolicyEngineUS
"""

import logging
import sys

from localcal.engine.client import run_with_engine
from localcal.engine.protocol import Engine
from localcal.errors import InputError


def version(engine: Engine) -> str:
    """Return the version of a loaded model."""
    return engine.version


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        loaded = run_with_engine(sys.argv[1], "localcal.load_model:version")
    except InputError as error:
        sys.exit(f"error: {error}")
    logging.info("%s %s is loaded", sys.argv[1], loaded)
