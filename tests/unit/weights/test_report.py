"""What fit.json says."""

import json

from tests.fit_case import make_case


def test_the_report_is_plain_json_and_names_its_settings():
    result = make_case(12).fit(records=100)
    text = json.dumps(result.report, allow_nan=False)
    report = json.loads(text)
    assert report["settings"]["records"] == 100 and report["seed"] == 0
    assert report["settings"]["bounds"] == [0.1, 10.0]
    assert make_case(12).fit().report["settings"]["records"] == "all"
    assert report["n_columns"] == 600 and report["n_targets"] == 50
    assert set(report["targets_by_verdict"]) <= set(report["verdict_meanings"])
    assert report["weights"]["effective_size_households"] <= 60
    assert report["weights"]["effective_size_districts"]["areas"] == 6
    assert report["sweeps"] > 0
