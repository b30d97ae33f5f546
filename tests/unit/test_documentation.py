"""The documentation's site: its pages are linked, and what they tell to type can be typed."""

import ast
import importlib.util
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from localcal import command
from tests import site
from tests.held import HELD, How, held

# Programs of others that a page names, with the subcommands whose help is asked for.
OF_OTHERS = {
    "git": ("subtree",),
    "hf": ("auth", "login"),
    "loginctl": (),
    "modal": ("setup",),
}
# Files that a page asks the reader to write.
READERS = {"mine.yaml", "mine.csv"}


class Plain(yaml.SafeLoader):
    """Reads what MkDocs reads, which has no tags in ours."""


def site_config():
    return yaml.load((site.ROOT / "mkdocs.yml").read_text(), Plain)


def in_navigation(items):
    for item in items:
        for content in item.values() if isinstance(item, dict) else [item]:
            yield from [content] if isinstance(content, str) else in_navigation(content)


def test_every_page_is_in_the_navigation_once():
    assert sorted(in_navigation(site_config()["nav"])) == sorted(site.pages())


def test_every_link_leads_somewhere():
    pages, lost = site.pages(), []
    for page, link in site.links():
        path, _, anchor = link.partition("#")
        there = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        if there not in pages or (anchor and anchor not in site.anchors(pages[there])):
            lost.append(f"{page}: {link}")
    assert not lost


def test_nothing_that_is_included_is_left_open():
    for page, text in site.pages().items():
        assert "<!-- include" not in text and "<!-- commands" not in text, page


def test_the_site_asks_nothing_of_the_network():
    config = site_config()
    assert config["theme"]["font"] is False
    assert not {"extra_javascript", "social"} & config.keys()
    assert "://" not in (site.DOCUMENTS / "site.css").read_text()


COMMANDS = site.commands()


def test_there_are_commands_of_every_kind():
    programs = {found.words[0] for found in COMMANDS}
    assert programs >= {"localcal", "snakemake", "make", "python"} and len(COMMANDS) > 60
    assert {one.how for one in HELD.values()} == set(How)


def test_it_is_said_of_every_command_how_it_is_held_and_of_no_other():
    unsaid = [str(found) for found in COMMANDS if held(found) is None]
    assert not unsaid, f"not in tests/held.py: {unsaid}"
    assert HELD.keys() == {" ".join(found.words) for found in COMMANDS}


def those(*ways: How) -> list[tuple[str, ...]]:
    # The test above says of which nothing is said.
    said = [(found.words, one.how) for found in COMMANDS if (one := held(found))]
    return list(dict.fromkeys(words for words, how in said if how in ways))


@pytest.mark.parametrize("words", those(How.TEST), ids=" ".join)
def test_a_command_that_another_test_runs_is_in_that_test(words):
    file, _, name = HELD[" ".join(words)].by.partition("::")
    text = (site.ROOT / file).read_text()
    if not name:
        assert " ".join(words) in text
        return
    tree = ast.parse(text)
    assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    written = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    told = [word for word in words if word.startswith("-") and word != "-m"]
    # Of a run, the config file may have the name.
    after = dict(zip(words, words[1:], strict=False))
    told = [word for word in told if not after.get(word, "").startswith("run_id=")]
    told += words[1:2] if words[0] == "localcal" else []
    told += words[3:4] if words[0] == "python" and len(words) > 3 else []
    assert set(told) <= written


@pytest.fixture(scope="module")
def snakemake_parser():
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


@pytest.mark.parametrize("words", those(*How), ids=" ".join)
def test_what_a_page_tells_to_type_can_be_typed(words, monkeypatch, pytestconfig, snakemake_parser):
    """Whatever else is done with it."""
    program, *told = words
    if program == "snakemake":
        check_snakemake(told, snakemake_parser)
    elif program == "localcal":
        check_localcal(told, monkeypatch, snakemake_parser)
    elif program == "make":
        check_make(told)
    elif program == "python":
        check_python(told)
    elif program in ("pip", ".venv-l0/bin/pip"):
        check_pip(told)
    elif program == "pytest":
        asked = pytestconfig._parser.parse_known_args(told)
        assert asked.markexpr == "network"
        tests = [path for one in asked.file_or_dir for path in (site.ROOT / one).glob("test_*.py")]
        assert any("pytest.mark.network" in path.read_text() for path in tests)
    elif program in OF_OTHERS:
        check_of_others(program, told)
    else:
        assert program in ("cat", "python3.12", "source") and HELD[" ".join(words)].how == How.RUN


def check_localcal(words, monkeypatch, snakemake_parser):
    taken = []
    for one in command.COMMANDS:
        monkeypatch.setattr(one, "run", lambda options: taken.append(options) or 0)
    if HELD[" ".join(["localcal", *words])].how == How.NAMED:
        with pytest.raises(SystemExit, match="^0$"):
            command.main([*words, "--help"])
        return
    assert command.main(words) == 0
    check_snakemake(taken[0].others, snakemake_parser)


def check_snakemake(words, parser):
    options = parser.parse_args(words)
    for path in options.configfile or []:
        assert str(path) in READERS or (site.ROOT / path).is_file(), path
    for name in options.profile or []:
        assert any((site.ROOT / folder / name).is_dir() for folder in (".", "profiles")), name


def check_make(words):
    """make says what it would do."""
    told = ["make", "--dry-run", *words]
    found = subprocess.run(told, cwd=site.ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    variables = re.findall(r"\$\((?:if \$\()?(\w+)\)?", (site.ROOT / "Makefile").read_text())
    assert {word.partition("=")[0] for word in words if "=" in word} <= set(variables)


def check_python(words):
    first, *others = words
    if first == "-c":
        compile(others[0], "page", "exec")
    elif first == "-m":
        assert importlib.util.find_spec(others[0]), others[0]
    else:
        assert (site.ROOT / first).is_file(), first


def check_pip(words):
    from pip._internal.commands import create_command

    options, asked = create_command(words[0]).parse_args(words[1:])
    assert asked or options.requirements or options.editables
    for path in [*options.requirements, *options.constraints]:
        assert (site.ROOT / path).is_file()
    extras = tomllib.loads((site.ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for word in [*asked, *options.editables]:
        if found := re.fullmatch(r"\.?(?:localcal)?\[(\w+)\]", word):
            assert found[1] in extras


def check_of_others(program, words):
    """What helps with it says every option."""
    parts = OF_OTHERS[program]
    assert [word for word in words if not word.startswith("-")][: len(parts)] == list(parts)
    # Of the environment, or of the machine, which may not have these two.
    beside = Path(sys.executable).with_name(program)
    path = str(beside) if beside.exists() else shutil.which(program)
    if path is None and program in ("loginctl", "git"):
        pytest.skip(f"no {program} here")
    asked = [path, *parts, "-h" if program == "git" else "--help"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    said = (found.stdout + found.stderr).replace("[no-]", "")
    for word in [*parts, *(word for word in words if word.startswith("-"))]:
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said), word


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="needs requirements-docs.txt")
    built = tmp_path / "site"
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(built)],
        cwd=site.ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0 and "WARNING" not in result.stderr, result.stderr
    for path in built.rglob("*.html"):
        # A link may lead elsewhere; nothing is loaded from there.
        loaded = re.findall(r'<(?:script|img|iframe)[^>]*src="(https?:)?//', path.read_text())
        loaded += re.findall(
            r'<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="http', path.read_text()
        )
        assert not loaded, path
