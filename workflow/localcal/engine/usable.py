"""What policyengine-us can use, asked of itself, before anything expensive is computed."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from localcal.engine.protocol import UnusableUnit
from localcal.population.population import Population, one_person_per_state

if TYPE_CHECKING:
    from localcal.engine.policyengine import PolicyEngineUS

# Any two states, and any year: what a county's code means depends on neither.
TWO_STATES = (1, 6)
COUNTY_PERIOD = 2024
UNKNOWN_COUNTY = "UNKNOWN"

SPM_ADULTS = "spm_measurement_adults"


def unknown_counties(engine: "PolicyEngineUS", counties: Collection[str]) -> frozenset[str]:
    """Return those of some county codes that the model has no county for.

    It makes such a household live in the first county of its state. So a code is unknown if what
    becomes of it depends on the state that is said with it.
    """
    codes = sorted(counties)
    if not codes:
        return frozenset()
    found = []
    for state in TWO_STATES:
        households = one_person_per_state(COUNTY_PERIOD, [state] * len(codes))
        stored = {"county_fips": np.array(codes, dtype="S5")}
        simulation = engine.simulate(households.with_values("household", stored))
        found.append(simulation.calculate("county"))
        simulation.close()
    unknown = (found[0] != found[1]) | (found[0] == UNKNOWN_COUNTY)
    return frozenset(code for code, lost in zip(codes, unknown, strict=True) if lost)


def unusable_units(engine: "PolicyEngineUS", population: Population) -> list[UnusableUnit]:
    """Return the SPM units without an adult, for whom the model has no poverty threshold."""
    simulation = engine.simulate(population)
    adults = simulation.calculate(SPM_ADULTS)
    simulation.close()
    reason = (
        "has nobody whom the model counts as an adult (18 or older, or 15 or older and "
        "is_spm_independent_minor_role)"
    )
    return [
        UnusableUnit("spm_unit", int(unit), SPM_ADULTS, reason)
        for unit in np.flatnonzero(adults < 1)
    ]
