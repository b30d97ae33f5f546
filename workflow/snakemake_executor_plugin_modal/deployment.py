"""The deployed app: one function per class of containers, all of the same image."""

import hashlib
import importlib.metadata
import importlib.util
import platform
import sys
from pathlib import Path

import modal

from snakemake_executor_plugin_modal.api import Log
from snakemake_executor_plugin_modal.classes import MOST_SECONDS, Class
from snakemake_executor_plugin_modal.errors import ModalPluginError
from snakemake_executor_plugin_modal.settings import ExecutorSettings

IMAGE = Path(__file__).parent / "image"
STORAGE_PLUGIN = "snakemake_storage_plugin_modal"
IGNORED = ["**/__pycache__", "**/*.pyc"]

if str(IMAGE) not in sys.path:
    sys.path.append(str(IMAGE))

from snakemake_modal_worker.code import digest_of, not_code  # noqa: E402  (found in the folder above)
from snakemake_modal_worker.main import CHECKED, run  # noqa: E402


class Deployment:
    """What shall be deployed; `digest` changes with anything that containers depend on.

    `packages` has the digest of each local package's code, by which containers know whom they may
    work for.
    """

    def __init__(self, settings: ExecutorSettings, classes: list[Class]) -> None:
        self.settings, self.classes = settings, classes
        self.app_name = settings.app or f"snakemake-{settings.volume}"
        self.python = settings.python or ".".join(platform.python_version_tuple()[:2])
        self.folders = local_folders(settings.packages)
        self.packages = {name: digest_of(folder) for name, folder in self.folders.items()}
        self.digest = self._digest()

    def function_name(self, one: Class) -> str:
        return f"job-{one.name}-{self.digest}"

    async def functions(self, logger: Log) -> dict[Class, modal.Function]:
        """The deployed functions, after a deployment if there was none with these settings.

        Raises:
            ModalPluginError: Modal could not build the image or refuses the functions.
        """
        functions = {
            one: modal.Function.from_name(
                self.app_name,
                self.function_name(one),
                environment_name=self.settings.environment,
            )
            for one in self.classes
        }
        try:
            await functions[self.classes[0]].hydrate.aio()
        except modal.exception.NotFoundError:
            logger.info(f"Deploying the Modal app {self.app_name} (image and settings are new).")
            await self._deploy()
        return functions

    async def _deploy(self) -> None:
        settings = self.settings
        volume = modal.Volume.from_name(settings.volume_name, environment_name=settings.environment)
        image = image_of(settings, self.python, self.folders)
        app = modal.App(self.app_name)
        for one in self.classes:
            app.function(
                name=self.function_name(one),
                image=image,
                cpu=one.cpus,
                memory=(one.memory_mb, one.hard_limit_mb),
                gpu=one.gpu or None,
                timeout=MOST_SECONDS,
                startup_timeout=settings.start_timeout,
                # More only once jobs want them, see snakemake_executor_plugin_modal.shares.
                max_containers=1,
                scaledown_window=settings.scaledown_window,
                volumes={settings.mount: volume},
                include_source=False,
            )(run)
        try:
            await app.deploy.aio(environment_name=settings.environment)
        except (modal.exception.RemoteError, modal.exception.InvalidError) as error:
            raise ModalPluginError(f"Modal could not deploy {self.app_name}: {error}") from error

    def _digest(self) -> str:
        settings = self.settings
        digest = hashlib.sha256()
        facts: list[object] = [
            settings.volume,
            settings.mount,
            settings.base_image,
            settings.scaledown_window,
        ]
        # How many containers a class may have is not deployed: it changes while jobs run.
        facts += [[(one.name, one.hard_limit_mb) for one in self.classes]]
        facts += [self.python, settings.start_timeout, modal.__version__]
        digest.update(repr(facts).encode())
        if settings.requirements:
            digest.update(read_requirements(settings.requirements))
        else:
            digest.update(repr(pinned()).encode())
        digest.update(repr(sorted(self.packages.items())).encode())
        return digest.hexdigest()[:12]


def image_of(settings: ExecutorSettings, python: str, folders: dict[str, Path]) -> modal.Image:
    """What the settings ask for, with local folders in /root."""
    if settings.base_image:
        image = modal.Image.from_registry(settings.base_image)
    else:
        image = modal.Image.debian_slim(python)
    if settings.requirements:
        image = image.pip_install_from_requirements(settings.requirements)
    else:
        image = image.pip_install(*pinned())
    return with_folders(image, folders)


def with_folders(image: modal.Image, folders: dict[str, Path]) -> modal.Image:
    """An image with local folders in /root."""
    for name, folder in folders.items():
        ignored = [*IGNORED, *not_code(folder)]
        image = image.add_local_dir(folder, f"/root/{name}", ignore=ignored)
    return image


def local_folders(packages: list[str]) -> dict[str, Path]:
    """Folders that are copied to /root, by their names there.

    Raises:
        ModalPluginError: a package is neither a folder nor can be imported here.
    """
    folders = {"snakemake_modal_worker": IMAGE / "snakemake_modal_worker"}
    wanted = list(packages)
    if importlib.util.find_spec(STORAGE_PLUGIN) is not None:
        wanted.append(STORAGE_PLUGIN)
    for name in wanted:
        if Path(name).is_dir():
            folders[Path(name).resolve().name] = Path(name).resolve()
            continue
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            raise ModalPluginError(
                f"--modal-packages: {name!r} is no folder and no package that can be imported here"
            )
        folders[name] = Path(spec.submodule_search_locations[0])
    return folders


def read_requirements(path: str) -> bytes:
    """Contents of the requirements file; raises ModalPluginError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModalPluginError(f"--modal-requirements: {error}") from error


def pinned() -> list[str]:
    """The requirements of an image in which Snakemake is what it is here."""
    return [f"{name}=={importlib.metadata.version(name)}" for name in CHECKED]
