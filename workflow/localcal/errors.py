"""The errors whose message a user is meant to read."""

import difflib
import re
from collections.abc import Iterable, Sequence

# What to do about a file of the run that cannot be used.
REMAKE = "remove it and run the same command again"


# What stands before the host of an address, up to the last @ since passwords are not always
# quoted; the same without the slashes; tokens of the Hugging Face Hub; and what follows the word
# in a header that some servers send back.
_SECRETS = re.compile(
    r"(?P<before>//)[^\s'\"]*@|(?<![^\s'\"=(])[^\s'\"/:@=(]+:[^\s'\"/@]+@"
    r"|\bhf_(?:oauth_|jwt_|app_)?[A-Za-z0-9]{20,}[\w.-]*"
    r"|(?P<bearer>\b[Bb]earer\s+)[\w.~+/=-]{8,}"
)
# Texts that are secrets whatever they look like, see `keep_secret`; and what is too short for one.
_KNOWN: set[str] = set()
_SHORT = 8


class InputError(Exception):
    """Something the user gave or owns is wrong.

    The message is one line that names the file or item, says what is wrong with it, and what to
    do next, without the credentials of any address in it. Scripts print it without a traceback.
    """

    def __init__(self, message: object) -> None:
        super().__init__(without_secrets(str(message)))


class OutOfMemory(MemoryError):
    """Work ran out of memory; the message says what was seen and which number to change."""


class OverLimit(MemoryError):
    """A process was ended by us since it took more than it may."""


def keep_secret(text: str | None) -> None:
    """Have no message of this process show a text, such as a token that is in use."""
    if text is not None and len(text) >= _SHORT:
        _KNOWN.add(text)


def without_secrets(text: str) -> str:
    """Return a text without credentials.

    Those in addresses, //user:secret@host becoming //***@host; tokens that look like ones; and
    what `keep_secret` was told.
    """
    for secret in sorted(_KNOWN):
        text = text.replace(secret, "***")
    return _SECRETS.sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    before = match["before"] or match["bearer"] or ""
    return f"{before}***{'@' if match[0].endswith('@') else ''}"


def one_line(error: BaseException) -> str:
    """Return what an error says, without its line breaks."""
    return " ".join(str(error).split())


# More names than this say nothing to a reader.
FEW_NAMES = 12


def near(word: str, known: Iterable[str]) -> str:
    """Return a question about the nearest of some names, '' if none is near."""
    by_upper = {name.upper(): name for name in known}
    found = difflib.get_close_matches(word.upper(), by_upper, n=1, cutoff=0.7)
    return f" (did you mean {by_upper[found[0]]}?)" if found else ""


def one_of(word: str, known: Sequence[str]) -> str:
    """Return which names there are, for a word that is none of them."""
    if len(known) <= FEW_NAMES:
        return f"one of {', '.join(known)}{near(word, known)}"
    return f"one of {len(known)} names{near(word, known) or f', such as {known[0]}'}"
