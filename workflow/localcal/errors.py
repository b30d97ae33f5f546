"""The one error a user is meant to read."""

import difflib
from collections.abc import Sequence

# What to do about a file of the run that cannot be used.
REMAKE = "remove it and run the same command again"


class InputError(Exception):
    """Something the user gave or owns is wrong.

    The message is one line that names the file or item, says what is wrong with it, and what to
    do next. Scripts print it without a traceback.
    """


def one_line(error: BaseException) -> str:
    """Return what an error says, without its line breaks."""
    return " ".join(str(error).split())


# More names than this say nothing to a reader.
FEW_NAMES = 12


def one_of(word: str, known: Sequence[str]) -> str:
    """Return which names there are, for a word that is none: the nearest, or all if few."""
    by_upper = {name.upper(): name for name in known}
    near = difflib.get_close_matches(word.upper(), by_upper, n=1, cutoff=0.7)
    hint = f"; did you mean {by_upper[near[0]]}?" if near else ""
    if len(known) <= FEW_NAMES:
        return f"one of {', '.join(known)}{hint}"
    return f"one of {len(known)} names such as {by_upper[near[0]] if near else known[0]}{hint}"
