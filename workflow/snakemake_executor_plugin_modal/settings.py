"""The settings of the executor, as Snakemake offers them on the command line and in profiles."""

from dataclasses import dataclass, field
from typing import Any

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

COMMON_SETTINGS = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    job_deploy_sources=True,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    # Values go with the call instead of into a command line that is logged.
    pass_envvar_declarations_to_cmd=False,
    # The storage plugin is in the image; otherwise every job would run pip.
    auto_deploy_default_storage_provider=False,
)


def _setting(help: str, default: Any = None, **metadata: Any) -> Any:
    if isinstance(default, list):
        return field(default_factory=list, metadata={"help": help, "nargs": "+", **metadata})
    return field(default=default, metadata={"help": help, **metadata})


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    volume: str | None = _setting(
        "Name of the Modal Volume (version 2) that is mounted in every container and holds the "
        "workflow's files. Default: that of --default-storage-prefix modal://VOLUME.",
        type=str,
    )
    mount: str = _setting("Where the volume is mounted in containers.", "/vol")
    app: str | None = _setting(
        "Name of the Modal app that is deployed. Default: snakemake-VOLUME.", type=str
    )
    environment: str | None = _setting(
        "Modal environment of volume and app. Default: that of your Modal profile.", type=str
    )
    requirements: str | None = _setting(
        "File of pinned requirements that the image is built from; it must contain Snakemake. "
        "Default: the versions of Snakemake that are installed here, and nothing else.",
        type=str,
    )
    packages: list[str] = _setting(
        "Local packages that are put into the image: names that can be imported here, or paths "
        "of folders.",
        [],
    )
    python: str | None = _setting(
        "Python version of the image, as 3.12. Default: the one that runs Snakemake here.",
        type=str,
    )
    base_image: str | None = _setting(
        "Image of a registry to build on. It needs the Python of --modal-python and pip. "
        "Default: Debian with that Python.",
        type=str,
    )
    max_containers: int = _setting(
        "Most containers alive at any time, over all classes; each may use all of them. "
        "0: as many as --jobs.",
        0,
    )
    memory_classes: list[str] = _setting(
        "Sizes of containers, each MEMORY[xCPUS][@GPU][:CONTAINERS], memory in MB: '4000:40', "
        "'16000x4:10', '16000@A10G'. A job runs in the smallest that has its mem_mb, threads and "
        "gpu. A number of containers is the most of that class; together they may be more than "
        "--modal-max-containers. Default: 4000 and 16000.",
        [],
    )
    batches: list[str] = _setting(
        "Rules of short jobs, each RULE=JOBS: so many jobs of the rule that are ready at a time go "
        "into one call, which runs one after the other. One that fails is sent again by itself.",
        [],
    )
    scaledown_window: int = _setting(
        "Seconds that an idle container is kept, and paid, in case another job comes (2 to 3600).",
        60,
    )
    preload: list[str] = _setting(
        "Modules that are imported once per container; jobs that use `run:` find them loaded.", []
    )
    check: str | None = _setting(
        "Command that the first container after a deployment has to carry out, before any job is "
        "sent; if it fails, the run ends with what it printed.",
        type=str,
    )
    env: list[str] = _setting("Names of environment variables that jobs get from here.", [])
    patience: int = _setting("Seconds during which Modal may not answer before the run fails.", 900)
    start_timeout: int = _setting(
        "Seconds that the first container may take to start and import everything.", 300
    )

    def __post_init__(self) -> None:
        # Here, because the storage is asked before there is an executor, and says it in many lines.
        from snakemake_executor_plugin_modal.api import require_token

        require_token()

    @property
    def volume_name(self) -> str:
        """The name of the volume, once the executor has filled in what was left out."""
        assert self.volume is not None
        return self.volume
