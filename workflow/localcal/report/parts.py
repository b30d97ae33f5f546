"""What the pages that people look at have in common."""

import pandas as pd

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title><style>
body {{ font: 15px/1.4 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em }}
.wide {{ overflow-x: auto; max-width: 100% }}
table {{ border-collapse: collapse; font-size: 13px }}
th, td {{ padding: .2em .6em; border-bottom: 1px solid #ddd; text-align: right }}
td:first-child, th:first-child {{ text-align: left; min-width: 8em }}
li, p {{ overflow-wrap: anywhere }}
img {{ max-width: 100% }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


def table_of(table: pd.DataFrame, index: bool = False) -> str:
    """Return a table as HTML, which scrolls by itself where the page is too narrow for it."""
    found = table.to_html(index=index, border=0, na_rep="", float_format="{:,.4g}".format)
    return f'<div class="wide" tabindex="0">{found}</div>'
