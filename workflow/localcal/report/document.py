"""The report's page as one file that needs no network: its parts, how it looks and what it does."""

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localcal.report.embedded import as_script
from localcal.report.outlines import ASSETS

SORTER = "tablesort-5.6.0/tablesort.min.js"
ASSET_FILES = ("report.css", "report.js", "states.csv", SORTER)

_TITLE = re.compile(r'<section id="([^"]+)" aria-labelledby="[^"]+">\s*<h2 id="[^"]+">(.*?)</h2>')


def write_document(path: Path, run: str, sections: Sequence[str], data: Mapping[str, Any]) -> None:
    """Write the page.

    Args:
        path: the file.
        run: the run's name; empty where it is not known.
        sections: what it consists of, the answer first.
        data: what its script reads.
    """
    css, script, sorter = (
        (ASSETS / name).read_text(encoding="utf-8") for name in ("report.css", "report.js", SORTER)
    )
    title = html.escape(f"Run {run}" if run else "A run")
    contents = "".join(
        f'<li><a href="#{name}">{text}</a></li>' for name, text in map(_head, sections)
    )
    parts = [
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>
{css}</style></head><body>
<a class="skip" href="#targets">Skip to the targets</a>
<div id="run"><header><h1>{title}</h1>
<p class="muted">Calibrated households: how well they meet what is known, place by place.</p>
</header><main>
{sections[0]}
<nav aria-label="Contents"><ul>{contents}</ul></nav>""",
        *sections[1:],
        "</main></div>",
        '<main id="area" hidden></main>',
        as_script(data),
        f"<script>\n{sorter}\n</script>",
        f"<script>\n{script}</script>",
        "</body></html>\n",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _head(part: str) -> tuple[str, str]:
    """Return a section's anchor and title, both as HTML."""
    found = _TITLE.match(part)
    if found is None:
        raise ValueError(f"no section: {part[:80]}")
    return found[1], found[2]
