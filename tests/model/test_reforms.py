"""A reform of the loaded model has the bits of policyengine-us's own way to it."""

import weakref
from contextlib import closing

import numpy as np
import pytest

from localcal.engine.protocol import ParameterChange
from localcal.microdata.check import check_dataset
from localcal.microdata.synthetic.households import synthetic_households
from localcal.population.dataset import write_population

# The model's own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

PERIOD = 2024
YEAR = ("2024-01-01", "2024-12-31")
# New York and Alabama calculate credits under the rules of earlier years.
STATES = [36, 6, 48, 1]
COUNTIES = [b"36061", b"06037", b"48183", b"01001"]
CREDITS = [
    *(
        ParameterChange(f"gov.irs.credits.eitc.max[{children}].amount", *YEAR, 9_000 + children)
        for children in range(4)
    ),
    ParameterChange("gov.irs.credits.ctc.amount.base[0].amount", None, None, 3_600.0),
    ParameterChange("gov.irs.credits.ctc.refundable.fully_refundable", "2024-01-01", None, True),
]
RATES = [
    ParameterChange("gov.irs.income.bracket.rates.2", *YEAR, 0.155),
    ParameterChange("gov.irs.deductions.standard.amount.SINGLE", "2023-01-01", None, 20_000),
    # Half of the year; the first of January counts for what is taxed by the year.
    ParameterChange("gov.irs.income.bracket.rates.1", "2024-07-01", None, 0.5),
]
BENEFITS = [
    *(
        ParameterChange(f"gov.usda.snap.max_allotment.main.CONTIGUOUS_US.{size}", *dates, 1_000.5)
        for size in (1, 2, 3)
        for dates in [("2024-03-01", "2024-08-31")]
    ),
    ParameterChange("gov.ssa.ssi.amount.individual", *YEAR, 1_500),
    ParameterChange("gov.abolitions.ny_eitc", *YEAR, True),
]
VARIABLES = [
    "eitc",
    "ctc",
    "refundable_ctc",
    "income_tax",
    "snap",
    "ssi",
    "state_income_tax",
    "household_net_income",
    "household_benefits",
    "household_tax",
    "spm_unit_is_in_spm_poverty",
    "poverty_gap",
]


@pytest.fixture(scope="module")
def path(engine, tmp_path_factory):
    """Return the file of a few dozen households in four states."""
    population = synthetic_households(48, PERIOD, seed=11)
    population = check_dataset("synthetic", population, PERIOD, engine.variables())
    places = np.arange(population.count("household")) % len(STATES)
    state, county = np.array(STATES, dtype=np.int32)[places], np.array(COUNTIES)[places]
    population = population.with_values("household", {"state_fips": state, "county_fips": county})
    path = tmp_path_factory.mktemp("reforms") / "some.h5"
    write_population(path, population)
    return path


@pytest.fixture(scope="module")
def baseline(engine, path):
    """Return the values without a reform, before there was any."""
    return calculated(engine, path)


def calculated(engine, path, common=None):
    with closing(engine.load(path, PERIOD, common)) as simulation:
        return {name: simulation.calculate(name) for name in VARIABLES}


def by_the_public_way(path, changes):
    """Return values of policyengine-us's own simulation under a reform."""
    from policyengine_core.reforms import Reform
    from policyengine_us import Simulation

    reform = {}
    for change in changes:
        start = change.start or "0001-01-01"
        dates = start if change.stop is None else f"{start}.{change.stop}"
        reform.setdefault(change.path, {})[dates] = change.value
    simulation = Simulation(dataset=str(path), reform=Reform.from_dict(reform, country_id="us"))
    return {name: np.asarray(simulation.calculate(name, PERIOD)) for name in VARIABLES}


def differing(one, other):
    return [name for name in VARIABLES if one[name].tobytes() != other[name].tobytes()]


REFORMS = {
    # Each of them has a tax-benefit system made; a quick one is in test_policyengine.py.
    "all": pytest.param([*CREDITS, *RATES, *BENEFITS], marks=pytest.mark.slow),
    "credits": pytest.param(CREDITS, marks=pytest.mark.slow),
    "rates": pytest.param(RATES, marks=pytest.mark.slow),
    "benefits": pytest.param(BENEFITS, marks=pytest.mark.slow),
}


@pytest.mark.parametrize("changes", REFORMS.values(), ids=REFORMS)
def test_a_reform_has_the_bits_of_the_public_way_and_leaves_none(engine, path, baseline, changes):
    paths = {change.path for change in changes}
    with engine.watching(paths), closing(engine.load(path, PERIOD)) as simulation:
        watched = {name: simulation.calculate(name) for name in VARIABLES}
        common = simulation.unreached(paths)
    with engine.reformed(changes):
        tree = weakref.ref(engine.rules.make_system().parameters)
        plain, shared = calculated(engine, path), calculated(engine, path, common)
    assert tree() is None  # nothing of a reform stays
    after = calculated(engine, path)
    expected = by_the_public_way(path, changes)
    assert differing(plain, expected) == []
    assert differing(shared, expected) == []
    assert len(differing(expected, baseline)) > 5
    assert differing(watched, baseline) == []
    assert differing(after, baseline) == []
