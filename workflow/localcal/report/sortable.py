"""A table that sorts by the column that is clicked on, and scrolls in a box of its own."""

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

# Rows without a value come last in both directions.
SORTABLE = """<style>
.tall { max-height: 40em; overflow: auto }
.sortable th { vertical-align: bottom; position: sticky; top: 0; background: #fff }
.sortable th button { font: inherit; text-align: inherit; border: 0; background: none; padding: 0;
  cursor: pointer; color: inherit }
.sortable th[aria-sort=ascending] button::after { content: " \\25b2" }
.sortable th[aria-sort=descending] button::after { content: " \\25bc" }
</style><script>
document.addEventListener("click", event => {
  const head = event.target.closest(".sortable th");
  if (!head) return;
  const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => row.cells[column].dataset.value ?? "";
  const order = (a, b) => isNaN(a) || isNaN(b) ? (a < b ? -1 : +(a > b)) : a - b;
  const rows = [...body.rows].sort((one, two) => {
    const a = key(one), b = key(two);
    if (a === "" || b === "") return (a === "") - (b === "");
    return down ? order(b, a) : order(a, b);
  });
  body.append(...rows);
});
</script>"""


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: what it says.
        value: what it sorts by; None for last.
        about: what is said where one points at it.
    """

    text: str = ""
    value: float | str | None = None
    about: str = ""


def sortable_table(heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yield a table as HTML, line by line; a page that has one has SORTABLE, too."""
    yield '<div class="wide tall" tabindex="0"><table class="dataframe sortable"><thead><tr>'
    yield "".join(f"<th><button>{_breakable(head)}</button></th>" for head in heads)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(map(_cell, row))}</tr>"
    yield "</tbody></table></div>"


def _cell(cell: Cell) -> str:
    value = "" if cell.value is None else f' data-value="{html.escape(str(cell.value))}"'
    about = f' title="{html.escape(cell.about)}"' if cell.about else ""
    return f"<td{value}{about}>{html.escape(cell.text)}</td>"


def _breakable(text: str) -> str:
    """Return text that may break after the dots of a path."""
    return html.escape(text).replace(".", ".<wbr>")
