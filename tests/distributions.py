"""What is published of this repository by itself: Snakemake's plugins, and localcal as a wheel.

    python tests/distributions.py dist

makes source archives and wheels in the folder `dist`, each wheel of what its archive has, and runs
the plugins' tests where nothing but their wheels and what these ask for is installed.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[1]
PLUGINS = sorted(
    path.parent for path in (REPOSITORY / "workflow").glob("snakemake_*/pyproject.toml")
)
# Beside what the plugins' own MANIFEST.in leaves out.
RESTS = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info", ".pytest_cache")


class Built(NamedTuple):
    """A distribution: its source archive unpacked, and the wheel that was made of it."""

    source: Path
    wheel: Path


def build(project: Path, folder: Path) -> Built:
    """Build a project's archive and wheel into a folder, and nothing into the project itself."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work) / project.name
        shutil.copytree(project, copy, ignore=RESTS)
        archive = folder / _backend("build_sdist", copy, folder)
    unpacked = folder / "sources"
    with tarfile.open(archive) as opened:
        opened.extractall(unpacked, filter="data")
    source = unpacked / archive.name.removesuffix(".tar.gz")
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work) / source.name
        shutil.copytree(source, copy)
        return Built(source, folder / _backend("build_wheel", copy, folder))


def build_localcal(folder: Path) -> Path:
    """Build localcal's wheel into a folder; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, copy)
        shutil.copytree(REPOSITORY / "workflow", copy / "workflow", ignore=RESTS)
        return folder / _backend("build_wheel", copy, folder)


def _backend(function: str, project: Path, folder: Path) -> str:
    """Call a function of setuptools as pip does; return the name of the file that it made."""
    code = f"import sys; from setuptools import build_meta as b; b.{function}(sys.argv[1])"
    before = set(folder.iterdir())
    command = [sys.executable, "-c", code, str(folder.resolve())]
    done = subprocess.run(command, cwd=project, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = set(folder.iterdir()) - before
    return made.name


class Environment:
    """A Python without any package."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.programs = folder / "bin"

    def install(self, *asked: str) -> None:
        """Have pip of the Python that runs this install into it."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.programs / "python")]
        subprocess.run([*pip, "install", "--quiet", *asked], check=True)

    def call(self, program: str, *arguments: str, folder: Path) -> str:
        """What a program of it says; AssertionError with that if it fails.

        Nothing of this checkout is found: neither by the folder nor by PYTHONPATH.
        """
        own = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command, cwd=folder, env=own, capture_output=True, check=False, text=True
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{' '.join(command)}:\n{said}"
        return said


def run_tests(built: list[Built], environment: Environment) -> list[str]:
    """Install wheels of plugins at once, and run each one's tests; return the last lines."""
    folders = [f"--find-links={one.wheel.parent}" for one in built]
    # name-version, as the archive's folder is called.
    asked = [one.source.name.replace("_", "-").rpartition("-") for one in built]
    environment.install(*folders, *(f"{name}[test]=={version}" for name, _, version in asked))
    said = [environment.call("pytest", "-q", folder=one.source) for one in built]
    return [text.strip().splitlines()[-1] for text in said]


def main(folder: Path) -> None:
    built = [build(plugin, folder) for plugin in PLUGINS]
    built_localcal = build_localcal(folder)
    with tempfile.TemporaryDirectory() as work:
        lines = run_tests(built, Environment(Path(work)))
    for one, line in zip(built, lines, strict=True):
        sys.stdout.write(f"{one.wheel.name}: {line}\n")
    sys.stdout.write(f"{built_localcal.name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
