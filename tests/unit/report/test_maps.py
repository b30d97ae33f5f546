"""The maps."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from localcal.geography.codes import STATES
from localcal.report import maps


class Links(HTMLParser):
    """Collects the links of a page, with their labels."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        of = dict(attrs)
        if tag == "a":
            self.found[of["href"]] = of


@pytest.fixture
def areas():
    rows = [("state", str(code), 0.0004, 80.0) for code in STATES]
    rows += [("district", "612", 0.2, 3.5), ("district", "601", np.nan, 40.0)]
    return pd.DataFrame(rows, columns=["level", "area", "p90", "effective_households"])


def test_the_maps_have_every_state_and_district_with_its_page_and_figures(areas):
    found = Links(maps.draw_maps(areas)).found
    assert {f"#area/state/{code}" for code in STATES} < found.keys()
    assert len(found) == len(STATES) + 2
    label = found["#area/district/612"]["aria-label"]
    assert label == (
        "California, district 12: 9 of 10 targets within 20\u00a0%, 3.5 effective households"
    )
    assert maps.WORST_ERROR in found["#area/district/612"]["style"]
    assert "not known" in found["#area/district/601"]["aria-label"]
    assert f"--error:{maps.UNKNOWN}" in found["#area/district/601"]["style"]


def test_a_place_that_the_run_has_not_leads_nowhere(areas):
    one = areas[areas["area"] == "6"]
    text = maps.draw_maps(one)
    assert Links(text).found.keys() == {"#area/state/6"}
    assert text.count(": not in this run</title>") == len(STATES) - 1
