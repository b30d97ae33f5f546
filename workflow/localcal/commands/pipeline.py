"""`localcal pipeline`: `localcal run` with options called as PolicyEngine's pipeline calls them."""

import argparse
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localcal.commands import run as running
from localcal.errors import InputError, one_line
from localcal.run.launch import (
    CONFIG_OPTIONS,
    config_of_profiles,
    values_of,
    with_config,
    with_values,
)

NAME = "pipeline"
ABOUT = (
    "the same as `localcal run`, with options called as PolicyEngine's pipeline calls them; all "
    "others, and files to make, are Snakemake's"
)

SCOPES = ("local", "national")
CONFIG = Path("config/config.yaml")

# What says on how many cores or containers the jobs run.
_MACHINES = ("--cores", "-c", "--jobs", "-j", "--profile", "--executor", "-e")

# Options of the reference that are something else here, and what.
ELSEWHERE = {
    "--parallel": "chunks are always built side by side: as many as --cores, or --profile modal",
    "--no-parallel": "--cores 1",
    "--num-matrix-workers": "--config 'matrix={workers: N}' and --cores N, or --profile modal",
    "--workers": "--cores N, or --profile modal --modal-max-containers N",
    "--chunked-matrix": "the matrix is always built in chunks; leave it out",
    "--chunk-size": "--config 'matrix={chunk_columns: N}', which changes no byte of the matrix",
    "--n-clones": "--config 'geography={clones: N}'",
    "--seed": "--config seed=N",
    "--target-config": "targets.include and targets.exclude in a file for --configfile",
    "--skip-takeup-rerandomize": "--config 'take_up={enabled: false}'",
    "--skip-source-impute": "nothing is imputed by a run; leave it out",
    "--resume-chunks": "the same command always goes on where it was; leave it out",
    "--keep-chunks": "shards are files of the run, and kept; leave it out",
    "--chunk-dir": "shards are runs/RUN/matrix/chunks/; leave it out",
    "--clean-old-runs": "the command `localcal clean`",
    "--skip-upload": "nothing is uploaded by a run; leave it out",
    "--push-results": "the commands `localcal stage RUN` and `localcal promote RUN`",
    "--promote-only": "the command `localcal promote RUN`",
    "--stage-only": "the command `localcal stage RUN`",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the reference's options beside those of `localcal run`."""
    running.add_arguments(parser)
    parser.add_argument(
        "--resume-run-id", dest="resume", metavar="RUN", help="the same as --resume"
    )
    parser.add_argument(
        "--gpu", metavar="MODEL", help="a GPU, such as T4, for a fit with method: l0"
    )
    parser.add_argument("--epochs", metavar="N", type=int, help="epochs of a fit with method: l0")
    parser.add_argument(
        "--build-database",
        action="store_true",
        help="build the target database of the agencies' files",
    )


def run(options: argparse.Namespace) -> int:
    """Make a run; the exit status is Snakemake's."""
    return running.make(options, translated(options, options.others))


def translated(options: argparse.Namespace, arguments: Sequence[str]) -> list[str]:
    """Return Snakemake's arguments for what the reference's options ask for.

    Raises:
        InputError: an option has no meaning for the configured run.
    """
    _refuse_elsewhere(arguments)
    wanted = list(arguments)
    if options.build_database:
        wanted = with_config(wanted, ["build_database=true"])
    if options.gpu is not None:
        _scopes_with_l0(arguments, "--gpu", "leave it out: the other fits need no GPU")
        resources = ["fit_l0:gpu=1", f"fit_l0:gpu_model={options.gpu}"]
        wanted = with_values(wanted, ["--set-resources"], resources)
    if options.epochs is not None:
        wanted = with_config(wanted, [_epochs(options.epochs, arguments)])
    if "SNAKEMAKE_PROFILE" in os.environ or any(_is_machines(text) for text in arguments):
        return wanted
    return with_values(wanted, ["--cores"], ["all"])


def _is_machines(text: str) -> bool:
    name = text.partition("=")[0]
    # Of options of one letter the value may follow at once, as in -j4.
    return name in _MACHINES or (not text.startswith("--") and text[:2] in ("-c", "-j", "-e"))


def _refuse_elsewhere(arguments: Sequence[str]) -> None:
    for text in arguments[: arguments.index("--") if "--" in arguments else None]:
        name = text.partition("=")[0]
        if name in ELSEWHERE:
            raise InputError(f"{name}: is not an option here; instead: {ELSEWHERE[name]}")


def _given(arguments: Sequence[str]) -> list[str]:
    """Return the values of --config, which may be a profile's."""
    return values_of(arguments, CONFIG_OPTIONS) or config_of_profiles(arguments)


def _epochs(epochs: int, arguments: Sequence[str]) -> str:
    if epochs < 1:
        raise InputError(f"--epochs: {epochs} is not allowed; allowed: an integer, at least 1")
    if any(text.startswith("weights=") for text in _given(arguments)):
        raise InputError(
            "--epochs: --config weights=... is given too; write it there, as "
            f"{{SCOPE: {{l0: {{epochs: {epochs}}}}}}}"
        )
    words = "the other fits end by themselves, after weights.SCOPE.max_sweeps at the latest"
    scopes = _scopes_with_l0(arguments, "--epochs", words)
    return f"weights={{{', '.join(f'{name}: {{l0: {{epochs: {epochs}}}}}' for name in scopes)}}}"


def _scopes_with_l0(arguments: Sequence[str], option: str, instead: str) -> list[str]:
    """Return the scopes that are fitted with l0-python.

    Raises:
        InputError: there is none, so that the option would have no effect.
    """
    weights = _section(_config(arguments), "weights")
    scopes = [scope for scope in SCOPES if _section(weights, scope).get("method") == "l0"]
    if not scopes:
        raise InputError(
            f"{option}: is for fits with l0-python, but neither weights.local.method nor "
            f"weights.national.method is l0 in the config; {instead}, or set method: l0 (see the "
            "README, Compare with l0-python)"
        )
    return scopes


def _section(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a section; where something else stands, Snakemake will refuse it."""
    section = content.get(key)
    return section if isinstance(section, Mapping) else {}


def _config(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the config as Snakemake will merge it, unchecked."""
    return functools.reduce(_laid_over, _configs(arguments), {})


def _configs(arguments: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for path in [CONFIG, *map(Path, values_of(arguments, ["--configfile", "--configfiles"]))]:
        try:
            yield _parsed(str(path), path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read ({one_line(error)})") from error
    for text in _given(arguments):
        if text.startswith("weights="):
            yield _parsed("--config", text.replace("=", ": ", 1))


def _parsed(name: str, text: str) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{name}: is no YAML ({one_line(error)})") from error
    return content if isinstance(content, Mapping) else {}


def _laid_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = dict(_section(merged, key))
        merged[key] = _laid_over(under, value) if isinstance(value, Mapping) else value
    return merged
