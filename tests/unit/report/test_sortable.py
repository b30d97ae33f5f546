"""Tables that sort."""

from localcal.report.sortable import Cell, sortable_table


def test_a_cell_says_what_it_sorts_by_and_nothing_is_taken_for_markup():
    rows = [[Cell("$1.2 billion", 1.2e9, 'then "x"'), Cell("<b>", "<b>")], [Cell(), Cell("a", 0)]]
    text = "".join(sortable_table(["gov.irs.x", "a<b"], rows))
    assert '<td data-value="1200000000.0" title="then &quot;x&quot;">$1.2 billion</td>' in text
    assert '<td data-value="&lt;b&gt;">&lt;b&gt;</td>' in text
    assert '<tr><td></td><td data-value="0">a</td></tr>' in text
    assert "<th><button>gov.<wbr>irs.<wbr>x</button></th>" in text and "a&lt;b" in text
