"""The documentation's site as a reader meets it, without MkDocs: its pages, links and commands."""

import importlib.util
import re
import shlex
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT / "workflow" / "documentation"

PROGRAMS = ("localcal", "snakemake", "make", "python", "pip", "python3.12", "source")
# Of others, which a page names in its text.
PROGRAMS += ("cat", "git", "hf", "loginctl", "modal", "pytest")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`\n]+)`")
ASSIGNMENTS = re.compile(r"^(?:\w+=\S+ )+")
# A block of commands and what they show, directly below it.
SHOWN = re.compile(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What stands for more of the same in a text.
MORE = ("...", "…", "[files]")


class Command(NamedTuple):
    """A command of a page.

    Attributes:
        page: its path below the site's folder.
        words: as a shell would hand them over, the program first.
    """

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


@cache
def pages() -> dict[str, str]:
    """Return the Markdown of all pages, with what they include, by path below the folder."""
    path = DOCUMENTS / "fill_in.py"
    spec = importlib.util.spec_from_file_location("fill_in", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = {path.relative_to(DOCUMENTS).as_posix(): path for path in DOCUMENTS.rglob("*.md")}
    return {name: module.filled(path.read_text(), name) for name, path in sorted(names.items())}


def commands() -> list[Command]:
    """Return the commands of all pages: in blocks of `sh`, indented, and in the text."""
    return [
        Command(page, words)
        for page, text in pages().items()
        for line in _lines(text)
        if (words := _words(line))
    ]


def shown() -> Iterator[tuple[Command, list[str]]]:
    """Yield each command whose output a page shows, the last of its block, with the lines of it."""
    for page, text in pages().items():
        for found in SHOWN.finditer(text):
            lines = [line for line in found[2].splitlines() if line.strip()]
            yield Command(page, _words(list(_whole(found[1]))[-1])), lines


# What differs from run to run: figures and their units, and how long a bar is.
VARYING = (r"<?\d[\d,.]*", r"(?<![\w<])(?:s|min|h|kB|MB|GB)(?!\w)", r"━+(?: ?─+)?|─+")
ANY_VARYING = re.compile("|".join(f"({one})" for one in VARYING))


def unlike(lines: Iterable[str], output: str) -> list[str]:
    """Return the lines of a page that an output has not, in their order, whatever the figures.

    Args:
        lines: as a page shows them; one of `...` stands for any others.
        output: what there was to see.
    """
    there, missing = (" ".join(line.split()) for line in output.splitlines()), []
    for line in lines:
        if line.strip() in MORE:
            continue
        shape, end = "", 0
        plain = " ".join(line.split())
        for found in ANY_VARYING.finditer(plain):
            assert found.lastindex
            shape += re.escape(plain[end : found.start()]) + f"(?:{VARYING[found.lastindex - 1]})"
            end = found.end()
        shape += re.escape(plain[end:])
        if not any(re.fullmatch(shape, other) for other in there):
            missing.append(line)
    return missing


def _lines(text: str) -> Iterator[str]:
    for fence in FENCE.finditer(text):
        if fence[2] == "sh":
            block = re.sub(rf"^{fence[1]}", "", fence[3], flags=re.MULTILINE)
            yield from _whole(block.replace("\\\n", " "))
    rest = FENCE.sub("", text)
    for line in rest.splitlines():
        if line.startswith("    ") and line.split()[0] in PROGRAMS:
            yield line.strip()
    for found in INLINE.findall(rest):
        line = ASSIGNMENTS.sub("", found)
        if line.split()[0] in PROGRAMS and " " in line:
            yield line


def _whole(block: str) -> Iterator[str]:
    """Yield the commands of a block; a quotation may take several lines."""
    begun = ""
    for line in block.splitlines():
        begun += line
        if begun.count('"') % 2 == 0:
            yield begun
            begun = ""
    if begun:
        raise ValueError(f"a quotation is not closed: {begun}")


def _words(line: str) -> tuple[str, ...]:
    for more in MORE:
        line = line.replace(more, " ")
    return tuple(shlex.split(line, comments=True))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as Markdown makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


def links() -> Iterator[tuple[str, str]]:
    """Yield each page with each of its links that is not to another site."""
    for page, text in pages().items():
        for link in LINK.findall(INLINE.sub("", FENCE.sub("", text))):
            if "://" not in link:
                yield page, link
