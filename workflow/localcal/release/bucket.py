"""A Cloud Storage bucket through its client, whose refusals are one line each.

google-cloud-storage is an extra, and only imported where a bucket is named.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from localcal.errors import InputError, without_secrets

if TYPE_CHECKING:
    from google.cloud.storage import Bucket, Client
    from google.cloud.storage.retry import ConditionalRetryPolicy

# Seconds: before the first retry, between retries at most, in all, and for one answer.
FIRST_WAIT, LONGEST_WAIT, GIVE_UP, ANSWER = 1.0, 60.0, 300.0, 60.0

_ADDRESS = re.compile(r"https?://\S+")
_BEARER = re.compile(r"(?i)\b(?:bearer\s+|ya29\.|upload_id=)[^\s&'\"]+")


# Has the client not read the bucket's place in a thread of its own, for traces that nobody takes;
# that would need a right of its own, and a connection that outlives the client.
_NO_TRACES = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"


@contextlib.contextmanager
def opened(bucket: str) -> Iterator["Bucket"]:
    """Yield a bucket of a client that is closed again; asks the service nothing.

    Raises:
        InputError: google-cloud-storage is not installed, or there are no credentials.
    """
    client = _client(bucket)
    try:
        yield client.bucket(bucket)
    finally:
        client.close()


def _client(bucket: str) -> "Client":
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage import Client
    except ImportError as error:
        raise InputError(
            f"release.gcs.bucket: {bucket} needs google-cloud-storage; pip install 'localcal[gcs]'"
        ) from error
    os.environ.setdefault(_NO_TRACES, "true")
    try:
        # A release needs no project: the bucket's is meant.
        return Client(project=None)
    except (GoogleAuthError, OSError, ValueError) as error:
        raise InputError(
            f"gs://{bucket}: no usable credentials ({_told(error)}); run `gcloud auth "
            "application-default login`, or let GOOGLE_APPLICATION_CREDENTIALS name a key file"
        ) from error


def retry_policy() -> "ConditionalRetryPolicy":
    """Return the client's own policy: what names a generation is repeated, nothing else."""
    from google.cloud.storage.retry import (
        DEFAULT_RETRY,
        ConditionalRetryPolicy,
        is_generation_specified,
    )

    patience = DEFAULT_RETRY.with_delay(initial=FIRST_WAIT, maximum=LONGEST_WAIT)
    return ConditionalRetryPolicy(
        patience.with_timeout(GIVE_UP), is_generation_specified, ["query_params"]
    )


def writing(generation: int) -> dict[str, Any]:
    """Return the options of a write that replaces a generation, and may be repeated therefore."""
    return {"if_generation_match": generation, "timeout": ANSWER, "retry": retry_policy()}


def reading() -> dict[str, Any]:
    """Return the options of a read, which may always be repeated."""
    return {"timeout": ANSWER, "retry": retry_policy().retry_policy}


def fetched(download: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Return what one of the client's downloads does, repeated as often as other requests.

    The client itself leaves the connection of an attempt open that the service refused.
    """
    from google.api_core.exceptions import GoogleAPICallError

    def attempt() -> Any:
        try:
            return download(*given, timeout=ANSWER, retry=None, **named)
        except GoogleAPICallError as error:
            if error.response is not None:
                error.response.close()
            raise

    return retry_policy().retry_policy(attempt)()


def address(holder: "Bucket", name: str, generation: int | None = None) -> str:
    """Return what an object, or one generation of it, is called in messages."""
    return f"gs://{holder.name}/{name}" + ("" if generation is None else f"#{generation}")


@contextlib.contextmanager
def explained(holder: "Bucket", name: str, generation: int | None = None) -> Iterator[None]:
    """Turn the client's errors into one line each."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.cloud.storage.exceptions import DataCorruption
    from requests.exceptions import RequestException

    label = address(holder, name, generation)
    try:
        yield
    except GoogleAPICallError as error:
        raise InputError(f"{label}: {_refusal(error)}") from error
    except DataCorruption as error:
        raise InputError(
            f"{label}: arrived damaged, its CRC32C is another; run the same command again"
        ) from error
    except RetryError as error:
        raise InputError(f"{label}: {_refusal(error.cause or error)}") from error
    except (TransportError, RequestException, ConnectionError) as error:
        raise InputError(
            f"{label}: the connection failed ({type(error).__name__}: {_told(error)}); check it "
            "and run the same command again"
        ) from error
    except GoogleAuthError as error:
        raise InputError(
            f"{label}: the credentials are not accepted ({_told(error)}); run `gcloud auth "
            "application-default login` again"
        ) from error


# What the service calls the reasons for a 403 that is about how much, not about who.
_TOO_MUCH = ("quotaExceeded", "rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded")


def _refusal(error: BaseException) -> str:
    """Return what the service refused in the end, and what to do about it."""
    status, reason = _status(error), _reason(error)
    told = ", ".join(filter(None, [str(status or ""), reason, _told(error)]))
    if status == 401:
        return f"not signed in ({told}); run `gcloud auth application-default login`"
    if status == 429 or reason in _TOO_MUCH:
        return f"more than the quota allows ({told}); run the same command again later"
    if status == 403:
        return (
            f"access refused ({told}); the account needs the role Storage Object User on the "
            "bucket, and the bucket's project must be in good standing"
        )
    if status == 404:
        return f"not found ({told}); check release.gcs.bucket, and that the bucket exists"
    if status >= 500:
        return f"the service failed ({told}); run the same command again later"
    if not status:
        return f"the connection failed ({told}); check it and run the same command again"
    return f"the service refused it ({told}); run the same command again"


def _status(error: BaseException) -> int:
    """Return the status of the answer, 0 if there was none."""
    response = getattr(error, "response", None)
    return int(getattr(error, "code", None) or getattr(response, "status_code", None) or 0)


def _answered(error: BaseException) -> dict[str, Any]:
    """Return the error that the service's answer holds, {} if it holds none."""
    response = getattr(error, "response", None)
    try:
        found = response.json()["error"] if response is not None else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _reason(error: BaseException) -> str:
    details = _answered(error).get("errors", [])
    return next((str(one["reason"]) for one in details if "reason" in one), "")


def _told(error: BaseException) -> str:
    """Return what an error says, without addresses, which may hold what lets others in."""
    said = _answered(error).get("message") or getattr(error, "message", None) or str(error)
    text = _BEARER.sub("***", _ADDRESS.sub("(address)", str(said)))
    return without_secrets(" ".join(text.split()))
