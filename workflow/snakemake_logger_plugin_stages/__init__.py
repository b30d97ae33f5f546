"""Snakemake logger that shows a line per stage: how far it is, how fast, and what is left."""

from dataclasses import dataclass, field
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

__all__ = ["LogHandler", "LogHandlerSettings"]


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    groups: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Rules that are one stage together, each NAME=RULE,RULE. Any other rule is a "
            "stage of its own, with its own name.",
            "nargs": "+",
        },
    )
    memory: str | None = field(
        default=None,
        metadata={
            "help": "Regular expression with one group, a number of MB, that finds in a finished "
            "job's log files how much memory it took; a stage's line has the largest. Of several "
            "places in a file the last one counts. Default: no memory is shown.",
            "type": str,
        },
    )
    progress: str | None = field(
        default=None,
        metadata={
            "help": "Regular expression with one group that finds in the log files of a job at "
            "work how far it is; a stage's line has it, of the job that has been at work longest. "
            "Of several places in a file the last one counts, also where the group is empty. "
            "Default: nothing is shown of jobs at work.",
            "type": str,
        },
    )
    every: float = field(
        default=30.0,
        metadata={
            "help": "Seconds between two lines on stages that go on, where there is no terminal.",
            "type": float,
        },
    )


class LogHandler(LogHandlerBase):
    """What Snakemake asks for; the work is that of a Reporter.

    That is imported only when it is made: Snakemake imports every plugin at each start.
    """

    def __post_init__(self) -> None:
        from snakemake_logger_plugin_stages.reporter import reporter

        settings = self.settings
        if not isinstance(settings, LogHandlerSettings):
            settings = LogHandlerSettings()
        self._reporter = reporter(self.common_settings, settings)

    def emit(self, record: LogRecord) -> None:
        self._reporter.take(record)

    def close(self) -> None:
        self._reporter.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False
