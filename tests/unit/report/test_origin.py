"""What a run was made of."""

from localcal.report.origin import origin


def test_what_a_run_was_made_of_is_told_and_escaped(recorded_run):
    text = origin(recorded_run("now", 20))
    assert "c" * 40 in text and "numpy" in text and "&lt;3&gt;" in text and "<3>" not in text
    assert "Nothing was changed" in text
