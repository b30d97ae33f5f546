"""Download a file over HTTP: all of it, within limits of size and time, or an error in one line.

Proxies, certificates and logins for them are those of the environment, as the library reads them.
"""

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_plus, urlsplit

import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from localcal.errors import InputError, one_line
from localcal.jobs.progress import Progress

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 20.0
# Without a byte of the answer.
READ_SECONDS = 60.0
# For all attempts at one file.
TOTAL_SECONDS = 1800.0
# Before the second and each further attempt, unless the server asks for more.
WAITS = (1.0, 2.0, 4.0, 8.0)
MOST_WAIT = 60.0
MOST_REDIRECTS = 5
# What a server says of a trouble that may be over in a moment.
PASSING = (408, 425, 429, 500, 502, 503, 504)
PIECE = 1 << 16
# Some agencies' servers turn away what does not begin as a browser does.
USER_AGENT = "Mozilla/5.0 (compatible; localcal)"
# The parameter that a host wants a key in, and the variable of the environment that holds the key.
KEYS = {"api.census.gov": ("key", "CENSUS_API_KEY")}


def _parts(error: Exception) -> tuple[object, ...]:
    return (getattr(error, "reason", None), *error.args)


class Order(NamedTuple):
    """What to download.

    Attributes:
        file: what it is called.
        url: http or https, where redirects may lead elsewhere.
        max_bytes: of a larger one no more is read, whatever its server says of its length.
        otherwise: what else the user can do where it fails.
    """

    file: str
    url: str
    max_bytes: int
    otherwise: str

    def refused(self, words: str) -> InputError:
        """Return the error that says what is wrong and what to do."""
        return InputError(f"{self.file}: {self.url}: {words}, {self.otherwise}")

    def key(self) -> dict[str, str]:
        """Return the parameter with the host's key, where it wants one and one is set."""
        name, variable = self._wanted_key()
        key = os.environ.get(variable, "").strip() if variable else ""
        return {name: key} if key else {}

    def key_hint(self) -> str:
        """Return what may be wrong with the key, where the host wants one."""
        _, variable = self._wanted_key()
        if not variable:
            return ""
        return f" (check {variable})" if self.key() else f" (set {variable} to a key of yours)"

    def _wanted_key(self) -> tuple[str, str]:
        return KEYS.get(urlsplit(self.url).hostname or "", ("", ""))

    def without_key(self, error: Exception) -> str:
        """Return what is at the bottom of an error of the library, which may hold the address."""
        inner = error
        while causes := [part for part in _parts(inner) if isinstance(part, Exception)]:
            inner = causes[0]
        text = f"{type(inner).__name__}: {one_line(inner)}"
        for key in self.key().values():
            text = text.replace(key, "***").replace(quote_plus(key), "***")
        return text


class _PassingError(Exception):
    """What went wrong in one attempt and need not in the next one, in words without a key."""

    def __init__(self, words: str, wait: float = 0.0) -> None:
        super().__init__(words)
        # Seconds that the server asks for.
        self.wait = wait


def download(order: Order, path: Path) -> str:
    """Download a file and return the SHA-256 of its bytes.

    A host's key is added to the request alone; no message or log has it.

    Args:
        order: what to download.
        path: the file to write; whoever calls removes what a failure leaves of it.

    Raises:
        InputError: no attempt gave a whole file in time, it is too large, a web page instead of
            data or empty, or the server does not have it.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    for attempt, wait in enumerate((*WAITS, None), 1):
        try:
            return _attempt(order, path, deadline)
        except _PassingError as failure:
            pause = min(max(wait or 0.0, failure.wait), MOST_WAIT)
            if wait is None or time.monotonic() + pause > deadline:
                raise order.refused(
                    f"{failure} (attempt {attempt}, the last); check the connection and run the "
                    "same command again"
                ) from None
            logger.warning("%s: %s; trying again in %.0f s", order.file, failure, pause)
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _attempt(order: Order, path: Path, deadline: float) -> str:
    with requests.Session() as session, _explained(order):
        session.max_redirects = MOST_REDIRECTS
        # A length of what is compressed on its way says nothing about the file.
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        limits = (CONNECT_SECONDS, READ_SECONDS)
        with session.get(order.url, params=order.key(), stream=True, timeout=limits) as response:
            _refuse_answer(order, response)
            return _write(order, response, path, deadline)


@contextlib.contextmanager
def _explained(order: Order) -> Iterator[None]:
    """Turn the library's errors into a line each.

    They hold the address that was asked for, with the key, so that none is left as a cause.
    """
    try:
        yield
    except requests.TooManyRedirects:
        raise order.refused(f"leads on more than {MOST_REDIRECTS} times; correct the url") from None
    except (
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidURL,
    ) as error:
        words = order.without_key(error)
        raise order.refused(
            f"leads to no address of http or https ({words}); correct the url"
        ) from None
    except (requests.RequestException, HTTPError) as error:
        raise _PassingError(f"the download failed ({order.without_key(error)})") from None


def _refuse_answer(order: Order, response: requests.Response) -> None:
    """Refuse what is not the beginning of the file."""
    status = response.status_code
    if status in PASSING:
        raise _PassingError(
            f"the server answered {status}", _retry_after(response.headers.get("Retry-After"))
        )
    if status in (401, 403):
        raise order.refused(
            f"the server refused access, {status}{order.key_hint()}; fetch it with a browser"
        )
    if status != requests.codes.ok:
        raise order.refused(
            f"the server answered {status}, the agency may have moved the file; correct the url"
        )
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise _web_page(order)
    length = _length(response)
    if length is not None and length > order.max_bytes:
        raise _too_large(order, f"{length / 1e6:.1f} MB")


def _retry_after(text: str | None) -> float:
    """Return the seconds until a server wants to be asked again; 0 where it does not say."""
    if text is None:
        return 0.0
    try:
        return Retry().parse_retry_after(text)
    except InvalidHeader:
        return 0.0


def _length(response: requests.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _web_page(order: Order) -> InputError:
    return order.refused(
        f"is a web page, expected data{order.key_hint()}; look at it with a browser and correct "
        "the url"
    )


def _too_large(order: Order, size: str) -> InputError:
    return order.refused(
        f"has {size}, expected at most {order.max_bytes / 1e6:.1f} MB; raise its max_mb if that "
        "is right"
    )


def _write(order: Order, response: requests.Response, path: Path, deadline: float) -> str:
    """Write the body of an answer and return its SHA-256."""
    digest = hashlib.sha256()
    progress = Progress(f"{order.file}, bytes", _length(response) or order.max_bytes)
    begun = False
    with path.open("wb") as file:
        # As it comes: to wait for whole pieces would be to wait without end for a slow server.
        while piece := response.raw.read1(PIECE, decode_content=True):
            # The first piece may hold nothing but what a page may begin with.
            if not begun and (text := piece.lstrip(b"\xef\xbb\xbf \t\r\n")):
                begun = True
                if text.startswith(b"<"):
                    raise _web_page(order)
            if progress.done + len(piece) > order.max_bytes:
                raise _too_large(order, "more")
            if time.monotonic() > deadline:
                raise order.refused(
                    f"not all of it came in {TOTAL_SECONDS / 60:.0f} minutes; check the connection "
                    "and run the same command again"
                )
            file.write(piece)
            digest.update(piece)
            progress.advance(len(piece))
    if not progress.done:
        raise _PassingError("the answer is empty")
    return digest.hexdigest()
