"""Questions to the model about what it can use, on a toy model."""

from types import SimpleNamespace

import numpy as np

from localcal.engine.usable import unknown_counties, unusable_units
from tests.households import random_population


class Toy:
    """Knows three counties, and puts everybody else into the first of their state."""

    counties = {"01001": "AUTAUGA_AL", "06037": "LOS_ANGELES_CA", "72001": "UNKNOWN"}
    first = {1: "AUTAUGA_AL", 6: "ALAMEDA_CA"}

    def simulate(self, population):
        state, code = population.values["state_fips"], population.values["county_fips"]
        county = [
            self.counties.get(code.decode(), self.first[state])
            for state, code in zip(state.tolist(), code.tolist(), strict=True)
        ]
        return SimpleNamespace(calculate=lambda name: np.array(county), close=lambda: None)


def test_a_county_is_known_if_its_state_does_not_matter():
    given = ["01001", "06037", "06999", "01999", "72001", "09110"]
    assert unknown_counties(Toy(), given) == {"06999", "01999", "72001", "09110"}
    assert unknown_counties(Toy(), []) == frozenset()


def test_units_without_an_adult_are_found():
    population = random_population(10, seed=1)
    adults = np.ones(population.count("spm_unit"))
    adults[[2, 5]] = 0
    asked = []

    def calculate(name):
        asked.append(name)
        return adults

    engine = SimpleNamespace(
        simulate=lambda given: SimpleNamespace(calculate=calculate, close=lambda: None)
    )
    found = unusable_units(engine, population)
    assert [(unit.entity, unit.position) for unit in found] == [("spm_unit", 2), ("spm_unit", 5)]
    assert "counts as an adult" in found[0].reason
    assert asked == ["spm_measurement_adults"] == [found[0].variable]
