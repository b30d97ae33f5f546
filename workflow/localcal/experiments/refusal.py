"""Why an experiment is not made, or two results are not compared."""

from collections.abc import Sequence

from localcal.errors import InputError


class Refused(InputError):
    """What would be compared is unlike in more than what is under test.

    Attributes:
        reasons: a line each.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)


class NoData(InputError):
    """A run that has not come to what an experiment works on."""
