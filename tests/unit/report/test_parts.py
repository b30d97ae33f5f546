"""What pages have in common."""

import pandas as pd

from localcal.report.parts import PAGE, table_of


def test_a_table_shows_what_it_holds_and_no_markup_of_others():
    shown = table_of(pd.DataFrame({"name": ["<b>a</b>", None], "value": [1234.5, float("nan")]}))
    assert "&lt;b&gt;a&lt;/b&gt;" in shown and "<b>" not in shown
    assert "1,234" in shown and "NaN" not in shown and "None" not in shown


def test_a_page_has_its_title_and_its_body():
    page = PAGE.format(title="Fit", body="<p>good</p>")
    assert "<title>Fit</title>" in page and page.count("<p>good</p>") == 1
