"""The answer whether a run may be published."""

from dataclasses import replace

from localcal.release.gates import Gate
from localcal.report import verdict


def test_the_answer_is_no_where_a_gate_refuses_and_says_why_in_words(fit):
    known = {"state_6/snap": "SNAP, California"}
    gate = Gate("errors", {}, {}, ["largest error (state_6/snap) is 0.9"], "")
    text = verdict.answer([fit], [gate, replace(gate, name="live", reasons=[])], known)
    assert "Not as it is: 1 of 2 checks refuse it." in text
    assert "Largest error (SNAP, California) is 0.9." in text
    assert text.count("<dt>") == 5
    assert "all 1 checks pass" in verdict.answer([fit], [replace(gate, reasons=[])], known)
    assert "Not known" in verdict.answer([fit], [], known)
    assert verdict.LATER in verdict.checks([gate], known)
