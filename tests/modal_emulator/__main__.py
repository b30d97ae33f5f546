"""Runs the emulator by hand: python -m tests.modal_emulator --root DIR --port N [--latency S]."""

import argparse
import signal
from pathlib import Path

from tests.modal_emulator import Emulator

parser = argparse.ArgumentParser(prog="python -m tests.modal_emulator", description=__doc__)
parser.add_argument("--root", type=Path, required=True, help="where volumes and logs are kept")
parser.add_argument("--port", type=int, default=0, help="0 for a free one")
parser.add_argument("--latency", type=float, default=0.0, help="seconds each call takes")
arguments = parser.parse_args()

with Emulator(arguments.root, arguments.port, arguments.latency) as emulator:
    print(  # noqa: T201
        f"export MODAL_SERVER_URL={emulator.url} MODAL_TOKEN_ID=ak-emulated",
        "MODAL_TOKEN_SECRET=as-emulated MODAL_CONFIG_PATH=/nonexistent",
        flush=True,
    )
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
