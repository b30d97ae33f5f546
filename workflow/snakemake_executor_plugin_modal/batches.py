"""Several short jobs in one call: one Snakemake in the container runs one after the other.

To the Snakemake outside they stay single jobs. It has groups for the same end, but takes a group
whose one job fails as failed: it removes what the others made, and runs all of them again.
"""

from collections.abc import Iterable

from snakemake_executor_plugin_modal.errors import ModalPluginError

TARGETS = "--target-jobs"


def parse_sizes(texts: Iterable[str]) -> dict[str, int]:
    """How many jobs of a rule go into one call, from texts of the form RULE=JOBS.

    Raises:
        ModalPluginError: a text has another form.
    """
    sizes = {}
    for text in texts:
        rule, _, number = text.partition("=")
        if not (rule and number.isdigit() and int(number)):
            raise ModalPluginError(f"--modal-batches: {text!r} is not of the form RULE=JOBS")
        sizes[rule] = int(number)
    return sizes


def split[T](jobs: list[T], size: int) -> list[list[T]]:
    """Parts of at most `size`, in order."""
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]


def merged(commands: list[list[list[str]]]) -> list[list[str]] | None:
    """The commands that do what those of each job do; None if they differ in more than a target.

    What does not need a job that fails is still made, and each only after the one before it: a
    container has the cores and the memory of one.
    """
    targets, rests = [], []
    for one in commands:
        *before, last = one
        start = last.index(TARGETS) + 1
        length = next(
            (at for at, word in enumerate(last[start:]) if word.startswith("--")), len(last) - start
        )
        targets += last[start : start + length]
        rests.append((before, last[:start], last[start + length :]))
    before, first, rest = rests[0]
    if any(other != rests[0] for other in rests):
        return None
    return [*before, [*first, *targets, *rest, "--keep-going"]]


def made(files: Iterable[str], stored: Iterable[list]) -> bool:
    """Whether all of these paths, of files or folders, are among those that a call stored."""
    paths = [path for path, *_ in stored]
    return all(any(path == one or path.startswith(f"{one}/") for path in paths) for one in files)
