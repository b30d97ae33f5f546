"""Tables, figures and durations as HTML."""

import pytest

from localcal.report import elements


def test_a_table_is_escaped_named_and_sorted_by_what_its_figures_are():
    rows = [[elements.Cell("<b>", link="#x&y"), elements.figure(1.58e13, True)]] * 4
    text = elements.table("Which <is>", ["Name", "Total"], rows)
    assert "<b>" not in text and 'href="#x&amp;y"' in text
    assert "<caption>Which &lt;is&gt;</caption>" in text
    assert 'data-sort="1.58e+13">$15.8\u00a0trillion</td>' in text
    assert text.count('scope="col"') == 2 and text.count('scope="row"') == 4
    assert 'class="sortable"' in text
    assert elements.table("Empty", ["A"], []) == "<p>Empty: none.</p>"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00013, "0.013 %"), (0.051, "5.1 %"), (0.0996, "10 %"), (0, "0.0 %"), (1e-7, "< 0.001 %")],
)
def test_shares_have_two_digits(value, text):
    assert elements.percent(value).replace("\u00a0", " ") == text


def test_durations_are_in_words():
    said = [elements.seconds(value).text.replace("\u00a0", " ") for value in (8.2, 200, 7500)]
    assert said == ["8.2 s", "3 min 20 s", "2 h 05 min"]
