"""What is published of this repository is whole, and knows nothing of the rest."""

import ast
import re
import shutil
import sys
import tomllib
import zipfile
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from tests.distributions import PLUGINS, REPOSITORY, Environment, build, build_localcal, run_tests

# Runs in an interpreter of its own, which has torch and need not have localcal.
RUNNER = REPOSITORY / "workflow/localcal/weights/l0/runner.py"
NAMES = [plugin.name for plugin in PLUGINS]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    return {plugin.name: build(plugin, folder) for plugin in PLUGINS}


def test_every_plugin_of_this_repository_is_published():
    folders = [path.name for path in (REPOSITORY / "workflow").glob("snakemake_*_plugin_*")]
    assert sorted(folders) == NAMES
    for plugin in PLUGINS:
        assert (plugin / "LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_has_all_code_of_its_plugin_and_nothing_else(built, name):
    with zipfile.ZipFile(built[name].wheel) as wheel:
        packed = {one for one in wheel.namelist() if ".dist-info/" not in one}
        content = {one: wheel.read(one).decode() for one in packed}
        (metadata,) = [one for one in wheel.namelist() if one.endswith(".dist-info/METADATA")]
        said = Parser().parsestr(wheel.read(metadata).decode())
    plugin = REPOSITORY / "workflow" / name
    code = {path for path in plugin.rglob("*.py") if "tests" not in path.relative_to(plugin).parts}
    assert packed == {path.relative_to(plugin.parent).as_posix() for path in code}
    assert all("localcal" not in text for text in content.values())
    # What the catalog of Snakemake's plugins finds them by.
    assert said["Name"] == name.replace("_", "-")
    assert said["License-Expression"] == "MIT" and said.get_payload()
    requires = [one for one in said.get_all("Requires-Dist") if "extra ==" not in one]
    asked = {re.match(r"[\w-]+", one)[0] for one in requires}
    assert f"snakemake-interface-{name.split('_')[1]}-plugins" in asked
    assert _foreign(content.values()) <= {one.replace("-", "_") for one in asked} | {"yaml"}


def _foreign(texts) -> set[str]:
    """Packages of others that are imported, wherever in the code."""
    found: set[str] = set()
    for tree in map(ast.parse, texts):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    own = {*NAMES, "snakemake_modal_worker"}
    return found - own - set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_has_what_the_catalog_and_the_tests_need(built, name):
    source = built[name].source
    plugin = REPOSITORY / "workflow" / name
    for part in ("README.md", "LICENSE", "docs/intro.md", "docs/further.md", "pyproject.toml"):
        assert (source / part).read_bytes() == (plugin / part).read_bytes()
    tests = {path.name for path in (plugin / "tests").glob("*.py")}
    assert tests and {path.name for path in (source / "tests").iterdir()} == tests


def test_the_wheel_of_localcal_is_imported_where_nothing_else_is(tmp_path):
    wheel = build_localcal(tmp_path / "dist")
    with zipfile.ZipFile(wheel) as opened:
        packed = {Path(one).parts[0] for one in opened.namelist()}
    assert packed == {"localcal", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
    environment = Environment(tmp_path / "empty")
    environment.install("--no-deps", "--no-index", str(wheel))
    where = environment.call(
        "python", "-c", "print(__import__('localcal').__file__)", folder=tmp_path
    )
    assert Path(where.strip()).is_relative_to(tmp_path / "empty")
    # All that the command needs to say what it can do.
    shutil.copytree(Path(yaml.__file__).parent, Path(where.strip()).parents[1] / "yaml")
    assert "usage: localcal" in environment.call("localcal", "--help", folder=tmp_path)


@pytest.mark.network
def test_plugins_pass_their_tests_where_nothing_else_is_installed(built, tmp_path):
    environment = Environment(tmp_path / "empty")
    lines = run_tests(list(built.values()), environment)
    assert all("passed" in line and "failed" not in line for line in lines)
    known = environment.call("snakemake", "--help", folder=tmp_path)
    assert "--storage-modal-create" in known and "--modal-memory-classes" in known


def test_localcal_asks_for_all_that_it_imports():
    """Within functions too, which the test below would not find out."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = {canonical(one) for one in project["dependencies"]}
    # Parts of pydantic and policyengine-us, which ask for the version that they need.
    asked |= {"pydantic-core", "policyengine-core"}
    # An extra's, and of what it asks for.
    assert project["optional-dependencies"]["gcs"] == ["google-cloud-storage"]
    asked |= {"google-cloud-storage", "google-crc32c"}
    needed: dict[str, set[Path]] = {}
    for path in (REPOSITORY / "workflow/localcal").rglob("*.py"):
        for name in _foreign([path.read_text()]) - {"localcal"}:
            needed.setdefault(name, set()).add(path)
    assert needed.pop("torch") == needed.pop("l0") == {RUNNER}
    of = packages_distributions()
    missing = {
        name for name in needed if not asked & {canonical(one) for one in of.get(name, [name])}
    }
    assert not missing, {name: needed[name] for name in missing}


def canonical(name: str) -> str:
    return name.lower().replace("_", "-")


@pytest.mark.network
@pytest.mark.slow
def test_every_module_of_localcals_wheel_is_imported_with_what_it_asks_for(tmp_path):
    environment = Environment(tmp_path / "empty")
    environment.install(
        "--constraint", str(REPOSITORY / "requirements.txt"), str(build_localcal(tmp_path))
    )
    code = (
        "import importlib, pkgutil, localcal\n"
        "for one in pkgutil.walk_packages(localcal.__path__, 'localcal.'):\n"
        f"    if one.name != 'localcal.weights.l0.{RUNNER.stem}':\n"
        "        importlib.import_module(one.name)\n"
    )
    environment.call("python", "-c", code, folder=tmp_path)


def test_the_workflow_is_as_the_catalog_of_workflows_wants_it():
    """Its rules are in scripts/generate-catalog.py of snakemake/snakemake-workflow-catalog."""
    settings = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())
    usage = settings["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert usage["software-stack-deployment"] == {"conda": False} and usage["report"] is True
    readme = (REPOSITORY / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    assert (REPOSITORY / "config/README.md").is_file()
    assert list((REPOSITORY / "workflow/rules").glob("*.smk"))
    assert (REPOSITORY / "workflow/Snakefile").is_file()
