"""What the site takes from elsewhere in the checkout, so that nothing is written down twice.

A page's line `<!-- include: config/README.md -->` is replaced by that file without its title, and
`<!-- include: README.md, Targets -->` by the section of that name; links in them are turned to the
pages that show the same, and to plain text where there is none. `<!-- commands -->` is replaced by
what `localcal` says of its commands.
"""

import argparse
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = "workflow/documentation"

INCLUDE = re.compile(r"^<!-- include: ([\w./-]+)(?:, ([^>]+?))? -->$", re.MULTILINE)
COMMANDS = re.compile(r"^<!-- commands -->$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
COMMENT = re.compile(r"^<!-- (?:keys: .*|end of keys) -->\n", re.MULTILINE)

# Where what a file says is on the site; of the README by section.
PAGES = {
    "config/README.md": "reference/config.md",
    "config/sweeps/README.md": "sweeps.md",
}


def on_page_markdown(markdown: str, page, **_: object) -> str:
    """Fill in a page; called by MkDocs."""
    return filled(markdown, page.file.src_uri)


def filled(markdown: str, page: str) -> str:
    """Return a page with everything that it includes.

    Args:
        markdown: the page as it is written.
        page: its path below the site's folder.

    Raises:
        ValueError: there is no such section.
    """
    included = INCLUDE.sub(lambda found: _section(found[1], found[2], page), markdown)
    return COMMANDS.sub(lambda _: "\n".join(_commands()), included)


def _section(name: str, title: str | None, page: str) -> str:
    text = COMMENT.sub("", (ROOT / name).read_text())
    heading = f"## {title}\n" if title else ""
    if heading not in text or (title and f"\n{heading}" not in text):
        raise ValueError(f"{name}: has no section '{title}', which {page} includes")
    if title:
        text = text.split(f"\n{heading}")[1].split("\n## ")[0]
        text = re.sub(r"^###", "##", text, flags=re.MULTILINE)
    else:
        text = text.partition("\n")[2]
    return LINK.sub(lambda found: _turned(found[1], found[2], name, page), text).strip("\n")


def _turned(words: str, link: str, name: str, page: str) -> str:
    """Return a link of a file as it is on the page that includes it."""
    path, _, anchor = link.partition("#")
    if "://" in path:
        return f"[{words}]({link})"
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
    target = PAGES.get(path)
    if path.startswith(f"{DOCUMENTS}/"):
        target = path.removeprefix(f"{DOCUMENTS}/")
    if target is None:
        return words
    there = posixpath.relpath(target, posixpath.dirname(page) or ".")
    return f"[{words}]({there}{'#' + anchor if anchor else ''})"


def _commands() -> Iterator[str]:
    """Yield what each command is for and is told."""
    from localcal.command import COMMANDS as commands

    for command in commands:
        parser = argparse.ArgumentParser(prog=f"localcal {command.NAME}", add_help=False)
        command.add_arguments(parser)
        usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
        yield f"## `localcal {command.NAME}`\n\n{command.ABOUT}\n\n```text\n{usage}\n```\n"
        yield "| argument | meaning |\n|---|---|"
        for action in parser._actions:
            names = action.option_strings or [action.metavar or action.dest]
            told = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
            shown = ", ".join(names) + (f" {told}" if action.option_strings and told else "")
            meaning = (action.help or "").replace("|", "\\|") % {"default": action.default}
            yield f"| `{shown}` | {meaning} |"
        yield ""
