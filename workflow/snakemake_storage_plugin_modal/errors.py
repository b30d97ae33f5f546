"""Errors that are shown as what they say, without the lines of code that they went through."""

from pathlib import Path
from types import TracebackType

from snakemake_interface_common.exceptions import WorkflowError

_HERE = str(Path(__file__).parent)
_WHOLE = BaseException.__dict__["__traceback__"]


class VolumeError(WorkflowError):
    """An error whose traceback ends where the plugin is called.

    Snakemake prints the calls after its own last one, as if they were the user's: for a wrong
    volume in a Snakefile's `glob_wildcards`, ten lines of this plugin. The line of the Snakefile
    stays.
    """

    @property
    def __traceback__(self) -> TracebackType | None:
        frames = []
        traceback = _WHOLE.__get__(self)
        while traceback is not None and not traceback.tb_frame.f_code.co_filename.startswith(_HERE):
            frames.append(traceback)
            traceback = traceback.tb_next
        shown = None
        for one in reversed(frames):
            shown = TracebackType(shown, one.tb_frame, one.tb_lasti, one.tb_lineno)
        return shown

    @__traceback__.setter
    def __traceback__(self, traceback: TracebackType | None) -> None:
        self.with_traceback(traceback)
