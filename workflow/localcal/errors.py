"""The one error a user is meant to read."""

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
