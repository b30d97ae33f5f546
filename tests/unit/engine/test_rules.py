"""Rules under other parameters are made of those that were loaded, which stay as they are."""

from types import SimpleNamespace

import pytest

from localcal.engine.pins import Pins
from localcal.engine.protocol import ParameterChange
from localcal.engine.reads import Reads
from localcal.engine.rules import Modules, Reformer, Watch, as_read, as_reform
from tests.unit.engine.test_trees import LAZY, YEAR, Node, Parameter, at, one


class Dated(Parameter):
    """A parameter that can be changed for some days."""

    def update(self, start, stop, value):
        self.values_list.insert(0, SimpleNamespace(instant_str=str(start or ""), value=value))
        self.parent.clear_parent_cache()


class System(SimpleNamespace):
    """A tax-benefit system, with the reform that it was made under."""


def structural(tree, start):
    """Look for what decides which formulas there are, as policyengine-us does."""
    return at(tree).contrib.flat_tax or None


@pytest.fixture
def made():
    """Return a reformer, and the loaded system."""
    tree = Node(
        "",
        irs=Node("irs", rate=Dated("irs.rate", (YEAR, 0.1)), age=one("irs.age", 17)),
        contrib=Node("contrib", flat_tax=Dated("contrib.flat_tax", (YEAR, False))),
        calibration=Node("calibration", people=Dated("calibration.people", (YEAR, 5))),
        gov=Node("gov", simulation=Node("gov.simulation", e=Dated("gov.simulation.e", (YEAR, 0)))),
    )
    loaded = System(parameters=tree, variables={"tax": "formula"}, reform=None)
    pinning = SimpleNamespace(_get_pinned_tbs=lambda system, name, pin: "made by policyengine-us")
    modules = Modules(
        system=SimpleNamespace(
            create_structural_reforms_from_parameters=structural,
            CountryTaxBenefitSystem=lambda reform: System(parameters=tree, reform=reform),
        ),
        pins=pinning,
        spm=SimpleNamespace(share_spm_policy=lambda system: System(**vars(system))),
        parameters=SimpleNamespace(Parameter=Parameter),
        periods=SimpleNamespace(instant=str),
        reforms=SimpleNamespace(Reform=SimpleNamespace(from_dict=dict)),
    )
    return Reformer(modules, loaded, Pins(pinning, loaded, Parameter), LAZY), loaded


def change(path, value, start=YEAR, stop=None):
    return ParameterChange(path, start, stop, value)


def test_a_reform_shares_all_but_what_it_changes(made):
    reformer, loaded = made
    rules = reformer.reformed([change("irs.rate", 0.2)])
    system = rules.make_system(reform=rules, spm=None, start_instant=YEAR)
    assert (at(system.parameters).irs.rate, at(loaded.parameters).irs.rate) == (0.2, 0.1)
    assert system.variables is loaded.variables
    assert system.parameters.contrib is loaded.parameters.contrib
    assert rules.shares
    # Two simulations have systems of their own.
    assert rules.make_system() is not system


def test_changes_are_made_in_the_order_of_their_days(made):
    later, first, again = (
        change("irs.rate", 3, "2023-01-01"),
        change("irs.rate", 1, None),
        change("irs.rate", 2, "2023-01-01"),
    )
    rules = made[0].reformed([later, first, again])
    assert [v.value for v in rules.make_system().parameters.irs.rate.values_list] == [2, 3, 1, 0.1]


@pytest.mark.parametrize("path", ["contrib.flat_tax", "calibration.people"])
def test_what_decides_of_formulas_is_left_to_policyengine_us(made, path):
    reformer, loaded = made
    rules = reformer.reformed([change("irs.rate", 0.2), change(path, 1)])
    assert not rules.shares
    assert rules.make_system().reform == {"irs.rate": {YEAR: 0.2}, path: {YEAR: 1}}
    assert at(loaded.parameters).irs.rate == 0.1


def test_what_decides_of_responses_shares_nothing(made):
    rules = made[0].reformed([change("gov.simulation.e", 1)])
    assert not rules.shares
    assert rules.make_system().reform is None


def test_who_looks_at_a_watched_parameter_is_noted(made):
    watch = Watch(["irs.rate"])
    tree = made[0].watching(watch).make_system().parameters
    reads = watch.reads = Reads()
    with reads.reading("income_tax"):
        with reads.reading("tax_before_credits"):
            assert at(tree).irs.rate == 0.1
        with reads.reading("is_child"):
            assert at(tree).irs.age == 17
    reached = reads.dependents([as_read("irs.rate")])
    assert reached == {"income_tax", "tax_before_credits", "parameter irs.rate"}
    assert not watch.outside
    assert at(tree).irs.rate == 0.1
    assert watch.outside


def test_whoever_uses_rules_of_earlier_years_may_read_anything(made):
    reformer, _ = made
    watch = Watch(["irs.rate", "irs.age"])
    rules = reformer.watching(watch)
    with rules.kept(), watch.reads.reading("ny_ctc"):
        made_once = reformer._modules.pins._get_pinned_tbs
        assert made_once(System(parameters="another tree"), "2017", None) == (
            "made by policyengine-us"
        )
        assert watch.reads.read_by(["ny_ctc"]) == set()
        # The pin changes nothing here, so that the copy can be made of what there is.
        system = rules.make_system()
        system.clone = lambda: system
        made_once(system, "2017", lambda copied: None)
    assert watch.reads.read_by(["ny_ctc"]) == {as_read("irs.rate"), as_read("irs.age")}


@pytest.mark.parametrize(
    ("dates", "key"),
    [
        ((None, None), "ETERNITY"),
        ((YEAR, None), YEAR),
        ((YEAR, "2024-12-31"), f"{YEAR}.2024-12-31"),
        ((None, "2024-12-31"), "0001-01-01.2024-12-31"),
    ],
)
def test_dates_are_written_as_policyengine_core_reads_them(dates, key):
    assert as_reform([change("irs.rate", 2, *dates)]) == {"irs.rate": {key: 2}}
