"""Names that people say."""

from localcal.report import named


def test_reasons_and_findings_are_in_words():
    assert named.reason("met", 50.0) == "met"
    assert named.reason("contradicted", 1.12).endswith("it rests on 1.1 effective households")
    assert named.family_in_words("household_count", "snap") == "Households by SNAP"
    said = named.finding_in_words("state / snap / snap: largest error 36%", {})
    assert said == "state: SNAP: largest error 36%"
    said = named.finding_in_words("state 12: 1 moved (state_12/snap)", {"state_12/snap": "SNAP"})
    assert said == "Florida: 1 moved (SNAP)"
