"""Modal's API from the coordinator: patience with its errors, and plain words for the rest."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import modal.exception
from grpclib.exceptions import StreamTerminatedError
from modal.config import config

from snakemake_executor_plugin_modal.errors import ModalPluginError

PASSING = (
    modal.exception.ConnectionError,
    modal.exception.InternalError,
    modal.exception.ResourceExhaustedError,
    modal.exception.ServiceError,
    StreamTerminatedError,
)
"""Errors of the connection or the service, after which asking again may help."""

PAUSES = (0.5, 1, 2, 5, 10)
"""Seconds between tries, the last one for all further ones."""

IN_CONTAINER = "MODAL_TASK_ID"
"""Variable that Modal sets in a container: what the container is called."""

WARN_EVERY = 10
"""Seconds between two warnings."""


def require_token() -> None:
    """Raises ModalPluginError, in one line, if there is no token for Modal.

    A container has an identity of its own.
    """
    if IN_CONTAINER in os.environ:
        return
    if not (config.get("token_id") and config.get("token_secret")):
        raise ModalPluginError(
            "no token for Modal: set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run `modal setup`; "
            "`snakemake -n` without the profile needs none"
        )


class Log(Protocol):
    """The part of Snakemake's logger that says what goes on."""

    def info(self, msg: str) -> None: ...

    def warning(self, msg: str) -> None: ...


class Patience:
    """Repeats calls that fail for a passing reason, for at most so many seconds without success.

    Shared by all calls of a run: an answer to any of them is an answer. `lost` says that it ended.
    """

    def __init__(self, seconds: float, logger: Log) -> None:
        self._seconds, self._logger = seconds, logger
        self._failing_since: float | None = None
        self._warned: float = -WARN_EVERY
        self.errors = 0
        self.lost = False

    async def ask[T](self, call: Callable[[], Awaitable[T]], what: str) -> T:
        """What `call()` gives, tried again while it fails for a passing reason.

        Raises:
            ModalPluginError: Modal did not answer for too long, or refused the token.
        """
        tries = 0
        while True:
            try:
                result = await call()
            except PASSING as error:
                self._failed(error, what)
                await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1
            except (modal.exception.AuthError, modal.exception.PermissionDeniedError) as error:
                self.lost = True
                raise ModalPluginError(f"Modal refused the token for {what}: {error}") from error
            else:
                self.answered()
                return result

    def answered(self) -> None:
        self._failing_since = None
        self.errors = 0

    def _failed(self, error: Exception, what: str) -> None:
        now = time.monotonic()
        self.errors += 1
        self._failing_since = self._failing_since or now
        silent = now - self._failing_since
        if silent > self._seconds:
            self.lost = True
            raise ModalPluginError(
                f"Modal has not answered for {silent:.0f} s ({self.errors} errors, the last one "
                f"for {what}: {error}). Calls that run go on; the same command takes them up again"
            ) from error
        if now - self._warned > WARN_EVERY:
            self._warned = now
            self._logger.warning(
                f"Modal does not answer ({what}: {error}); error {self.errors}, trying again for "
                f"{self._seconds - silent:.0f} s"
            )


def environment_values(names: list[str]) -> dict[str, str]:
    """Values of environment variables; raises ModalPluginError if one is not set."""
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise ModalPluginError(f"--modal-env: not set here: {', '.join(missing)}")
    return {name: os.environ[name] for name in names}
