"""What the report's page consists of: tables, pictures, and figures that stand out, as HTML."""

import base64
import html
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from localcal.report.words import figure_in_words, share_in_words

# A table with fewer rows is taken in at a glance.
SORTED_FROM = 4
SEARCHED_FROM = 20
# A longer text needs some width, or a row of the table becomes a column of words.
LONG = 40


class Cell(NamedTuple):
    """One cell of a table.

    Attributes:
        text: as it is read; escaped when it is written.
        key: what it is sorted by; None for the text.
        link: where it leads, within the page; none where it is empty.
    """

    text: str
    key: float | None = None
    link: str = ""


def figure(value: float, money: bool) -> Cell:
    """Return a total: `$15.8 trillion`."""
    return Cell(figure_in_words(value, money), value)


def share(value: float) -> Cell:
    """Return a relative difference with its sign; it is sorted by its size."""
    return Cell(share_in_words(value), abs(value))


def percent(value: float) -> str:
    """Return a share without a sign, to two digits or so: `0.013 %`, `5.1 %`, `99 %`."""
    if not math.isfinite(value):
        return ""
    size = 100 * abs(value)
    if 0 < size < 0.0005:
        return "<\u00a00.001\u00a0%"
    # Rounded before digits are counted, so that what is nearly 10 % has as many as 10 %.
    digits = 0 if size >= 9.95 else 1 if size >= 0.95 or size == 0 else 2 if size >= 0.095 else 3
    return f"{100 * value:,.{digits}f}\u00a0%"


def size(value: float) -> Cell:
    """Return an absolute error or another share."""
    return Cell(percent(value), value)


def number(value: float, digits: int = 0) -> Cell:
    """Return a plain number."""
    return Cell(f"{value:,.{digits}f}" if math.isfinite(value) else "", value)


def seconds(value: float) -> Cell:
    """Return a duration: `8.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if not math.isfinite(value):
        return Cell("", value)
    if value < 59.95:
        return Cell(f"{value:.1f}\u00a0s", value)
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return Cell(f"{minutes}\u00a0min {rest:02d}\u00a0s", value)
    hours, minutes = divmod(minutes, 60)
    return Cell(f"{hours:,}\u00a0h {minutes:02d}\u00a0min", value)


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell | str]], name: str = ""
) -> str:
    """Return a table whose first column names its rows, scrolling by itself on a narrow screen.

    Args:
        caption: what it shows.
        columns: what its columns are called.
        rows: its cells; texts are what they are.
        name: its anchor.
    """
    made = [[Cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    if not made:
        return f"<p>{html.escape(caption)}: none.</p>"
    numeric = [all(row[at].key is not None for row in made) for at in range(len(columns))]
    heads = "".join(
        f'<th scope="col"{_method(is_number)}>{html.escape(column)}</th>'
        for column, is_number in zip(columns, numeric, strict=True)
    )
    body = "\n".join(_row(row, numeric) for row in made)
    kinds = ["sortable"] * (len(made) >= SORTED_FROM) + ["searched"] * (len(made) >= SEARCHED_FROM)
    anchor = f' id="{html.escape(name)}"' if name else ""
    told = html.escape(caption)
    return (
        f'<div class="wide" role="region" aria-label="{told}" tabindex="0">'
        f'<table class="{" ".join(kinds)}"{anchor}><caption>{told}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _method(is_number: bool) -> str:
    return ' class="number" data-sort-method="number"' if is_number else ""


def _row(row: Sequence[Cell], numeric: Sequence[bool]) -> str:
    cells = []
    for at, (cell, is_number) in enumerate(zip(row, numeric, strict=True)):
        tag = 'th scope="row"' if at == 0 else "td"
        key = f' data-sort="{_key(cell.key)}"' if cell.key is not None else ""
        kind = ' class="number"' if is_number else ' class="long"' if len(cell.text) > LONG else ""
        text = html.escape(cell.text)
        if cell.link:
            text = f'<a href="{html.escape(cell.link)}">{text}</a>'
        cells.append(f"<{tag}{kind}{key}>{text}</{tag.split()[0]}>")
    return f"<tr>{''.join(cells)}</tr>"


def _key(value: float) -> str:
    # What is not known comes before everything.
    return f"{value:.6g}" if math.isfinite(value) else "-1e300"


def facts(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of two columns, what and what it is."""
    body = "\n".join(
        f'<tr><th scope="row">{html.escape(what)}</th><td>{html.escape(value)}</td></tr>'
        for what, value in rows
    )
    return (
        f'<div class="wide" role="region" aria-label="{html.escape(caption)}" tabindex="0">'
        f'<table class="facts"><caption>{html.escape(caption)}</caption><tbody>\n{body}\n'
        "</tbody></table></div>"
    )


def picture(image: bytes, alt: str, caption: str = "") -> str:
    """Return a PNG inside the page, which may be moved or shown by Snakemake's report."""
    data = base64.b64encode(image).decode("ascii")
    told = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">{told}</figure>'
    )


def tile(value: str, label: str, more: str) -> str:
    """Return a figure that stands out, with what it is and what to compare it with."""
    return (
        f"<div><dt>{html.escape(label)}</dt><dd><strong>{html.escape(value)}</strong>"
        f"<span>{html.escape(more)}</span></dd></div>"
    )


def paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def items(texts: Iterable[str]) -> str:
    """Return a list."""
    lines = "".join(f"<li>{html.escape(text)}</li>" for text in texts)
    return f"<ul>{lines}</ul>" if lines else ""


def section(name: str, title: str, *parts: str) -> str:
    """Return a part of the page, with an anchor for the contents."""
    body = "\n".join(part for part in parts if part)
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n'
        f'<h2 id="{name}-title">{html.escape(title)}</h2>\n{body}\n</section>'
    )


def rounded(values: pd.Series | np.ndarray) -> list[float | None]:
    """Return numbers as JSON has them, of six digits, None where there is none."""
    return [
        float(f"{value:.6g}") if math.isfinite(value) else None
        for value in np.asarray(values, dtype=np.float64).tolist()
    ]
