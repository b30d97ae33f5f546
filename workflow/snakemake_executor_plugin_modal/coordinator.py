"""A coordinator that needs no machine of yours: Snakemake itself runs in a container on Modal.

    python -m snakemake_executor_plugin_modal.coordinator start NAME [options] SNAKEMAKE'S OPTIONS
    python -m snakemake_executor_plugin_modal.coordinator logs NAME [--follow] --volume VOLUME
    python -m snakemake_executor_plugin_modal.coordinator stop NAME --volume VOLUME

`start` sends the sources of this folder, has Modal call Snakemake there with the same options, and
returns. The container is small, since every job that is not light has one of its own.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import modal
from modal.config import config

from snakemake_executor_plugin_modal import snapshot
from snakemake_executor_plugin_modal.api import environment_values, require_token
from snakemake_executor_plugin_modal.classes import MOST_SECONDS, parse_classes
from snakemake_executor_plugin_modal.deployment import (
    STORAGE_PLUGIN,
    Deployment,
    image_of,
    local_folders,
    with_folders,
)
from snakemake_executor_plugin_modal.errors import ModalPluginError
from snakemake_executor_plugin_modal.records import short_hash
from snakemake_executor_plugin_modal.settings import ExecutorSettings

# isort: split
from snakemake_modal_worker.coordinator import FUNCTION, cancel_left, coordinate
from snakemake_modal_worker.desk import REQUEST, SOURCES, STATE, STOP, Desk, logs
from snakemake_modal_worker.main import versions

PLUGIN = "snakemake_executor_plugin_modal"

JOBS = "-jobs"
"""What the app of its jobs is called, after that of a coordinator."""

ENDED = ("completed", "failed", "stopped")

STOP_PATIENCE = 150
"""Seconds after which a coordinator that was asked to stop is ended from outside."""

LOOK = 2.0
"""Seconds between two looks at the volume."""

WITH_VALUES = {
    "--cpu": "physical cores of the container (default 1)",
    "--memory": "memory that is kept for it, in MB (default 2048)",
    "--hours": "hours after which it goes on in a new call (default 23.5; Modal ends one after 24)",
    "--env": "names of variables of this machine that it gets, as a Modal Secret: A,B",
    "--take": "files and folders to take along that no config names: A,B",
}


@dataclass
class Wish:
    """What `start` is asked for."""

    name: str
    arguments: list[str]
    cpu: float = 1.0
    memory: int = 2048
    hours: float = 23.5
    env: tuple[str, ...] = ()
    take: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    for noisy in ("asyncio", "httpx", "hpack"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        if words[:1] == ["start"] and not {"-h", "--help"} & set(words[1:2]):
            return start(parse_start(words[1:]), Path.cwd())
        options = parser().parse_args(words)
        require_token()
        desk = Desk(existing(options.volume, options.environment), checked_name(options.name))
        if options.command == "stop":
            return stop(desk, options.environment)
        return show(desk, options.follow)
    except (ModalPluginError, modal.exception.Error) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 1


def parser() -> argparse.ArgumentParser:
    """The command line, without what follows `start`."""
    found = argparse.ArgumentParser(
        prog=f"python -m {PLUGIN}.coordinator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = found.add_subparsers(dest="command", required=True)
    lines = [f"  {name:10} {about}" for name, about in WITH_VALUES.items()]
    commands.add_parser(
        "start",
        usage="%(prog)s NAME [options] SNAKEMAKE'S OPTIONS",
        description="Send this folder and have Snakemake called on Modal.",
        epilog="options:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, about in (("logs", "print what it said"), ("stop", "end it, and its calls")):
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("name", metavar="NAME")
        command.add_argument("--volume", required=True, help="the Modal Volume of the run")
        command.add_argument("--environment", help="the Modal environment of the volume")
    commands.choices["logs"].add_argument("--follow", action="store_true", help="until it ends")
    return found


def parse_start(words: list[str]) -> Wish:
    """What follows `start`: a name, options of ours, and those of Snakemake.

    Raises:
        ModalPluginError: no name, or a value that cannot be one.
    """
    if not words or words[0].startswith("-"):
        raise ModalPluginError("start what? Give the coordinator a name: start NAME --profile ...")
    wish, rest = Wish(checked_name(words[0]), []), words[1:]
    while rest and rest[0] in WITH_VALUES:
        option, value = rest[0].removeprefix("--"), rest[1] if len(rest) > 1 else ""
        kind = type(getattr(wish, option))
        try:
            setattr(wish, option, tuple(value.split(",")) if kind is tuple else kind(value))
        except ValueError:
            raise ModalPluginError(f"--{option} {value}: expected a number") from None
        rest = rest[2:]
    if not 0 < wish.hours < MOST_SECONDS / 3600:
        raise ModalPluginError(f"--hours {wish.hours}: more than 0, less than 24")
    return replace(wish, arguments=rest[1:] if rest[:1] == ["--"] else rest)


def checked_name(name: str) -> str:
    """A name that can be that of a folder and of an app."""
    if not name or len(name) > 100 or not all(one.isalnum() or one in "._-" for one in name):
        raise ModalPluginError(
            f"{name!r} cannot be a coordinator's name: letters, digits, '.', '_' and '-'"
        )
    return name


# Starting


def start(wish: Wish, folder: Path) -> int:
    """Send a folder's sources and have Snakemake called with its options on Modal.

    Raises:
        ModalPluginError: it cannot be done there; nothing was started.
    """
    require_token()
    options = snakemake_options(wish.arguments)
    settings = settings_of(options)
    app = app_name(settings.volume_name, wish.name)
    arguments = wish.arguments
    if settings.app is None:
        # Somebody who deploys other code to the app that all share would end this one's functions.
        settings = replace(settings, app=f"{app}{JOBS}")
        arguments = ["--modal-app", f"{app}{JOBS}", *arguments]
    env = environment_values([*wish.env, *settings.env])
    named = needed_files(options, folder)
    archive = snapshot.pack(folder, [*named, *inside(wish.take, folder)])
    volume = existing(settings.volume_name, settings.environment, is_made(options, settings))
    desk = Desk(volume, wish.name)
    refuse_second(desk)
    classes = parse_classes(settings.memory_classes or ["4000", "16000"])
    # Now, so that it is seen here what is wrong with the image.
    asyncio.run(Deployment(settings, classes).functions(logging.getLogger(PLUGIN)))

    paths, folders = places(settings.packages, folder)
    request = {
        "kind": "coordinate",
        "name": wish.name,
        "id": uuid.uuid4().hex,
        "volume": settings.volume_name,
        # Of the client here, where no option says it: a container's own may be another.
        "environment": settings.environment or config.get("environment"),
        "sha256": sha256(archive).hexdigest(),
        "paths": paths,
        "arguments": arguments,
        "versions": versions(),
        "app": app,
        "seconds": wish.hours * 3600,
    }
    function = deploy(app, settings, folders, wish, env)
    desk.remove(desk.names() - {REQUEST})
    desk.write(SOURCES, archive)
    desk.write_json(REQUEST, request)
    call = function.spawn(request)
    desk.write_json(REQUEST, request | {"call": call.object_id, "time": time.time()})
    where = f"--volume {settings.volume_name}"
    if settings.environment:
        where += f" --environment {settings.environment}"
    sys.stdout.write(
        f"{wish.name} runs on Modal, in the app {app}; this machine is not needed any more.\n"
        f"  its log:  python -m {PLUGIN}.coordinator logs {wish.name} {where} --follow\n"
        f"  its end:  python -m {PLUGIN}.coordinator stop {wish.name} {where}\n"
    )
    return 0


def snakemake_options(arguments: list[str]) -> argparse.Namespace:
    """What Snakemake makes of its options, with those of the profile.

    Raises:
        ModalPluginError: with these nothing would run on Modal.
    """
    from snakemake.cli import parse_args

    _, options = parse_args(arguments)
    if options.executor != "modal":
        raise ModalPluginError(
            f"these options have jobs run by the executor {options.executor or 'local'}: a "
            "coordinator on Modal needs --executor modal, or a profile that says so"
        )
    for name in ("dryrun", "directory", "unlock", "touch"):
        if getattr(options, name):
            raise ModalPluginError(f"--{name} is nothing for a coordinator on Modal: leave it out")
    return options


def settings_of(options: argparse.Namespace) -> ExecutorSettings:
    """The executor's settings, with the volume's name."""
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    from snakemake_executor_plugin_modal.executor import default_volume

    settings = ExecutorPluginRegistry().get_plugin("modal").get_settings(options)
    return replace(settings, volume=settings.volume or default_volume(options))


def is_made(options: argparse.Namespace, settings: ExecutorSettings) -> bool:
    """Whether the volume is made where there is none."""
    from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

    tagged: Any = StoragePluginRegistry().get_plugin("modal").get_settings(options)
    return tagged.get_settings(None).create == settings.volume_name


def needed_files(options: argparse.Namespace, folder: Path) -> list[str]:
    """Files that Snakemake is started with, and those that the config names, from the folder.

    Raises:
        ModalPluginError: one is outside of the folder.
    """
    from snakemake.api import resolve_snakefile
    from snakemake.cli import get_profile_dir

    snakefile = Path(str(resolve_snakefile(options.snakefile)))
    profiles = [get_profile_dir(str(name)) for name in options.profile or []]
    configfiles = [str(path) for path in options.configfile or []]
    started = [str(snakefile), *configfiles]
    started += [str(found[1]) for found in profiles if found is not None]
    configs = snapshot.configs_of(snakefile, configfiles, options.config or [])
    return [*inside(started, folder), *snapshot.named_files(folder, configs)]


def inside(paths: Sequence[str], folder: Path) -> list[str]:
    """Paths from a folder; raises ModalPluginError if one is outside of it or not there."""
    found = []
    for path in paths:
        relative = os.path.relpath(folder / path, folder)
        if relative.startswith("..") or not (folder / path).exists():
            raise ModalPluginError(
                f"{path} is not in {folder}, which is all that is sent to Modal: copy it there"
            )
        found.append(relative)
    return found


def refuse_second(desk: Desk) -> None:
    """Raises ModalPluginError if a coordinator of this name is at work."""
    if is_at_work(desk):
        raise ModalPluginError(
            f"the coordinator {desk.name} is at work already: see `logs`, or end it with `stop`"
        )


def is_at_work(desk: Desk) -> bool:
    """Whether Modal has a call of a coordinator that has not ended."""
    call = call_of(desk)
    return call is not None and is_running(call)


def call_of(desk: Desk) -> str | None:
    """The call that a coordinator's work is done in, or was."""
    request, state = desk.read_json(REQUEST), desk.read_json(STATE)
    if state.get("id") == request.get("id") and "call" in state:
        return state["call"]
    return request.get("call")


def is_running(call_id: str) -> bool:
    """Whether Modal has not ended a call, nor forgotten it."""
    try:
        modal.FunctionCall.from_id(call_id).get(timeout=0)
    except TimeoutError:
        return True
    except modal.exception.Error:
        return False
    return False


def places(packages: list[str], folder: Path) -> tuple[list[str], dict[str, Path]]:
    """Where local packages are there: folders of the sources, and those that the image gets."""
    sent = snapshot.sources(folder)
    paths, others = set(), {}
    for name, place in local_folders([*packages, PLUGIN, STORAGE_PLUGIN]).items():
        relative = os.path.relpath(place, folder.resolve())
        if name != "snakemake_modal_worker" and any(one.startswith(f"{relative}/") for one in sent):
            paths.add(str(Path(relative).parent))
        else:
            others[name] = place
    return sorted(paths), others


def deploy(
    app_name: str,
    settings: ExecutorSettings,
    folders: dict[str, Path],
    wish: Wish,
    env: dict[str, str],
) -> modal.Function:
    """Deploy a coordinator's own app; its function.

    Of its own, so that no later deployment replaces a function that is at work.
    """
    python = settings.python or ".".join(map(str, sys.version_info[:2]))
    image = image_of(settings, python, {})
    # Snakemake asks Git for the sources; and Modal has to be asked by the same package.
    image = image.apt_install("git").pip_install(f"modal=={modal.__version__}")
    app = modal.App(app_name)
    app.function(
        name=FUNCTION,
        image=with_folders(image, folders),
        cpu=wish.cpu,
        # Kept for it, not a limit.
        memory=wish.memory,
        timeout=MOST_SECONDS,
        startup_timeout=settings.start_timeout,
        max_containers=1,
        scaledown_window=2,
        retries=3,
        secrets=[modal.Secret.from_dict(dict(env))] if env else [],
        include_source=False,
    )(coordinate)
    app.deploy(environment_name=settings.environment)
    return modal.Function.from_name(app_name, FUNCTION, environment_name=settings.environment)


def app_name(volume: str, name: str) -> str:
    """What the app of a coordinator is called."""
    return f"coordinator-{name[:38]}-{short_hash(f'{volume}/{name}')[:6]}"


def existing(name: str, environment: str | None, create: bool = False) -> modal.Volume:
    """A volume; raises ModalPluginError if there is none of this name."""
    volume = modal.Volume.from_name(
        name, environment_name=environment, version=2, create_if_missing=create
    )
    try:
        volume.hydrate()
    except modal.exception.NotFoundError:
        raise ModalPluginError(f"there is no Modal Volume {name!r}") from None
    return volume


# Watching and ending


def show(desk: Desk, follow: bool) -> int:
    """Print the logs; with `follow` until it has ended. 1 if it failed.

    Raises:
        ModalPluginError: there is no such coordinator.
    """
    shown: dict[str, int] = {}
    while True:
        names = desk.names()
        if REQUEST not in names:
            raise ModalPluginError(f"there is no coordinator {desk.name} on this volume")
        # Before its log is read, so that nothing of it is missed.
        over = not follow or has_ended(desk) or not is_at_work(desk)
        for name in logs(names):
            text = desk.read(name) or b""
            sys.stdout.write(text[shown.get(name, 0) :].decode(errors="replace"))
            shown[name] = len(text)
        sys.stdout.flush()
        if over:
            break
        time.sleep(LOOK)
    state = desk.read_json(STATE)
    sys.stdout.write(f"{desk.name}: {describe(state)}\n")
    return int(state.get("state") == "failed")


def describe(state: dict[str, Any]) -> str:
    """What became of a coordinator, in one line."""
    if not state:
        return "waiting for a container"
    text = state["state"]
    if "attempt" in state:
        text += f", container {state['attempt']}"
    return f"{text}: {state['error']}" if "error" in state else text


def stop(desk: Desk, environment: str | None) -> int:
    """End a coordinator and the calls that it has sent, and remove its apps.

    Raises:
        ModalPluginError: there is no such coordinator.
    """
    request = desk.read_json(REQUEST)
    if not request:
        raise ModalPluginError(f"there is no coordinator {desk.name} on this volume")
    if is_at_work(desk):
        desk.write(STOP, b"")
        end = time.monotonic() + STOP_PATIENCE
        while time.monotonic() < end and not has_ended(desk):
            time.sleep(LOOK)
    for app in (request["app"], f"{request['app']}{JOBS}"):
        with contextlib.suppress(modal.exception.NotFoundError):
            modal.App.lookup(app, environment_name=environment).stop()
    if not has_ended(desk):
        # It was not there to do so itself.
        cancel_left(desk, request["id"])
        desk.write_json(STATE, desk.read_json(STATE) | {"state": "stopped", "time": time.time()})
    sys.stdout.write(f"{desk.name}: {describe(desk.read_json(STATE))}\n")
    return 0


def has_ended(desk: Desk) -> bool:
    """Whether a coordinator has said how it ended."""
    return desk.read_json(STATE).get("state") in ENDED


if __name__ == "__main__":
    sys.exit(main())
