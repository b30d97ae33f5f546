"""The data inside the page."""

import pytest

from localcal.report import named
from localcal.report.embedded import embedded


@pytest.fixture
def data(fit, simulated):
    return embedded([fit], simulated, None)


def test_every_target_has_words_its_place_and_its_three_values(fit, data):
    columns = data["targets"]["local"]
    assert {len(column) for column in columns.values()} == {len(fit.targets)}
    said = [data["what"][at] for at in columns["what"]]
    assert said == named.subjects(fit.targets)
    assert all(text and "_" not in text for text in said)
    for key, column in (("published", "published_value"), ("harmonized", "harmonized_value")):
        assert columns[key] == pytest.approx(fit.targets[column].tolist(), rel=1e-5)
    placed = [data["areas"][at] for at in columns["area"]]
    pairs = zip(fit.targets["geo_level"], fit.targets["geographic_id"], strict=True)
    assert [(one["level"], one["code"]) for one in placed] == list(pairs)


def test_a_district_knows_its_state_and_the_state_its_districts(data):
    areas = data["areas"]
    for at, area in enumerate(areas):
        if area["level"] == "district":
            assert at in areas[area["part_of"]]["parts"] and at not in area["near"]
