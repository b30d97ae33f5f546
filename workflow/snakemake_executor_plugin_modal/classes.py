"""Classes of containers: what each offers, and which one a job goes to."""

import re
from dataclasses import dataclass

from snakemake_executor_plugin_modal.errors import ModalPluginError

MOST_MEMORY_MB = 336 * 1024
MOST_CPUS = 64
MOST_SECONDS = 24 * 60 * 60
"""The most that Modal sells in one container, and the longest that one call may take."""

HEADROOM_MB = 1024
"""Least distance between a class's memory and the hard limit of its containers: a job that takes
too much shall meet the guard in the container, which says so, before Modal ends the container."""

FORM = re.compile(r"(?P<memory>\d+)(x(?P<cpus>\d+))?(@(?P<gpu>[\w-]+))?(:(?P<containers>\d+))?")


@dataclass(frozen=True)
class Class:
    """Containers of one size; memory in MiB, cpus in physical cores, at most `containers` of them.

    0 containers: no bound but that over all classes.
    """

    memory_mb: int
    cpus: int = 1
    gpu: str = ""
    containers: int = 0

    @property
    def name(self) -> str:
        return f"{self.memory_mb}x{self.cpus}" + (f"-{self.gpu}" if self.gpu else "")

    @property
    def hard_limit_mb(self) -> int:
        return self.memory_mb + max(self.memory_mb // 10, HEADROOM_MB)


@dataclass(frozen=True)
class Needs:
    """What a job asks for; None where its rule does not say."""

    memory_mb: int | None
    cpus: int
    gpus: int = 0
    gpu_model: str = ""
    seconds: int = MOST_SECONDS


def parse_classes(texts: list[str]) -> list[Class]:
    """The classes, smallest first; a text is MEMORY[xCPUS][@GPU][:CONTAINERS].

    Raises:
        ModalPluginError: a text has another form, asks for more than there is, or comes twice.
    """
    classes = [_parse(text) for text in texts]
    names = [one.name for one in classes]
    if len(set(names)) < len(names):
        raise ModalPluginError(f"--modal-memory-classes names a class twice: {' '.join(texts)}")
    return sorted(classes, key=lambda one: (bool(one.gpu), one.memory_mb, one.cpus))


def choose(classes: list[Class], needs: Needs) -> Class:
    """The smallest class that has what a job needs.

    Raises:
        ModalPluginError: none has; the text says what would.
    """
    memory = needs.memory_mb or 0
    if memory > MOST_MEMORY_MB or needs.cpus > MOST_CPUS or needs.seconds > MOST_SECONDS:
        raise ModalPluginError(
            f"asks for {_describe(needs)}; Modal sells at most {MOST_MEMORY_MB} MB, "
            f"{MOST_CPUS} cores and {MOST_SECONDS // 60} minutes: lower the rule's resources"
        )
    if needs.gpus > 1:
        raise ModalPluginError(f"asks for {needs.gpus} GPUs; one is the most here")
    for one in classes:
        enough = one.memory_mb >= memory and one.cpus >= needs.cpus
        right_gpu = bool(one.gpu) == bool(needs.gpus) and needs.gpu_model in ("", one.gpu)
        if enough and right_gpu:
            return one
    raise ModalPluginError(
        f"asks for {_describe(needs)}, and no class of containers has that "
        f"({', '.join(one.name for one in classes)}): add one to --modal-memory-classes"
    )


def _parse(text: str) -> Class:
    match = FORM.fullmatch(text)
    if match is None:
        raise ModalPluginError(
            f"--modal-memory-classes: {text!r} is not of the form MEMORY[xCPUS][@GPU][:CONTAINERS]"
        )
    memory, cpus = int(match["memory"]), int(match["cpus"] or 1)
    if not (0 < memory <= MOST_MEMORY_MB and 0 < cpus <= MOST_CPUS):
        raise ModalPluginError(
            f"--modal-memory-classes: {text!r} is outside of what Modal sells "
            f"(at most {MOST_MEMORY_MB} MB and {MOST_CPUS} cores)"
        )
    return Class(memory, cpus, match["gpu"] or "", int(match["containers"] or 0))


def _describe(needs: Needs) -> str:
    memory = f"{needs.memory_mb} MB, " if needs.memory_mb else ""
    gpu = f", {needs.gpu_model or 'a'} GPU" if needs.gpus else ""
    return f"{memory}{needs.cpus} cores{gpu} and {needs.seconds // 60} minutes"
