"""The documentation's site: its pages are linked, and what they tell to type can be typed."""

import importlib.util
import os
import posixpath
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from localcal import command
from tests import site

# Programs of others that a page names, with what it says after them.
OF_OTHERS = {
    ("python3.12", "-m", "venv", ".venv-l0"),
    ("source", ".venv/bin/activate"),
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


@pytest.fixture(scope="module")
def snakemake_parser():
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


@pytest.mark.parametrize("found", dict.fromkeys(COMMANDS), ids=str)
def test_what_a_page_tells_to_type_can_be_typed(found, monkeypatch, snakemake_parser):
    program, *words = found.words
    checks = {"localcal": check_localcal, "make": check_make, "python": check_python}
    if program == "snakemake":
        check_snakemake(words, snakemake_parser)
    elif program == "localcal":
        check_localcal(words, monkeypatch, snakemake_parser)
    elif program in ("pip", ".venv-l0/bin/pip"):
        check_pip(words)
    elif program in checks:
        checks[program](words)
    else:
        assert found.words in OF_OTHERS


def check_localcal(words, monkeypatch, snakemake_parser):
    taken = []
    for one in command.COMMANDS:
        monkeypatch.setattr(one, "run", lambda options: taken.append(options) or 0)
    if len(words) == 1:
        # Named, not told to type.
        assert words[0] in [one.NAME for one in command.COMMANDS]
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
    rules = re.findall(r"^([\w-]+):", (site.ROOT / "Makefile").read_text(), re.MULTILINE)
    variables = re.findall(r"\$\((?:if \$\()?(\w+)\)?", (site.ROOT / "Makefile").read_text())
    for word in words:
        name, is_set, _ = word.partition("=")
        assert name in (variables if is_set else rules), word


def check_python(words):
    first, *others = words
    if first == "-c":
        compile(others[0], "page", "exec")
    elif first == "-m":
        assert importlib.util.find_spec(others[0]), others[0]
    else:
        assert (site.ROOT / first).is_file(), first


def check_pip(words):
    assert words[0] == "install"
    extras = tomllib.loads((site.ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for word in words[1:]:
        if word.endswith(".txt"):
            assert (site.ROOT / word).is_file()
        if found := re.fullmatch(r"\.?(?:localcal)?\[(\w+)\]", word):
            assert found[1] in extras


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
