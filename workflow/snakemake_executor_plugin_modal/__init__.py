"""Snakemake executor for Modal: one call of a deployed function per job, files on a Volume."""

from typing import Any, Self

from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from snakemake_executor_plugin_modal.settings import COMMON_SETTINGS, ExecutorSettings

__all__ = ["ExecutorSettings", "Executor", "common_settings"]

common_settings = COMMON_SETTINGS


class Executor(RemoteExecutor):
    """What Snakemake asks for; made as a ModalExecutor.

    That is imported only when it is made: Snakemake imports every plugin at each start, and modal
    takes a third of a second.
    """

    def __new__(cls, *_: Any) -> Self:
        from snakemake_executor_plugin_modal.executor import ModalExecutor

        return object.__new__(ModalExecutor)
