"""Copies of the model's rules are made once for all simulations with the same rules."""

from types import SimpleNamespace

import pytest

from localcal.engine.pins import Pins, pinned


def one(period):
    return period


def other(period):
    return period


def variable(formula=one, **changed):
    """A variable as policyengine-us registers it anew in each simulation."""
    given = {"name": "tax", "formulas": {"2020": formula}, "is_neutralized": False}
    return SimpleNamespace(**given | {"default_value": 0} | changed)


class Parameter:
    """A parameter with one value."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def get_descendants(self):
        return iter(())

    def clone(self):
        return Parameter(self.name, self.value)

    def update(self, value):
        self.value = value


class Branch:
    """Parameters by name."""

    def __init__(self, name, **children):
        self.name, self.children, self._at_instant_cache = name, children, {"2024": "cached"}
        vars(self).update(children)


class System(SimpleNamespace):
    """A simulation's rules."""

    def clone(self):
        return System(parameters=self.parameters.clone(), variables=self.variables)


def rules():
    """A tree of parameters: one below `irs`, two below `ny`."""
    irs = Branch("irs", ctc=Parameter("irs.ctc", 2000))
    ny = Branch("ny", rate=Parameter("ny.rate", 4), least=Parameter("ny.least", 100))
    return Branch("", irs=irs, ny=ny)


PARAMETERS = rules()


def system(parameters=PARAMETERS, **variables):
    return System(parameters=parameters, variables=variables)


@pytest.fixture
def made():
    """The systems that policyengine-us was asked for copies of."""
    return []


@pytest.fixture
def module(made):
    """policyengine-us's module, which makes a copy at every call."""

    def make(asked, name, pin):
        made.append(asked)
        return f"copy {len(made)} for {name}"

    return SimpleNamespace(_get_pinned_tbs=make)


@pytest.fixture
def pins(module):
    return Pins(module, system(), Parameter)


def pin_ctc(asked):
    asked.parameters.irs.ctc.update(value=1000)


def ask(module, pins, asked, name="ny"):
    with pins.kept():
        return module._get_pinned_tbs(asked, name, pin_ctc)


def test_a_copy_has_the_pin_s_parameters_and_shares_all_others(module, pins):
    copied = ask(module, pins, system()).parameters
    assert copied.irs.ctc.value == copied.children["irs"].children["ctc"].value == 1000
    assert copied.irs.ctc.parent is copied.irs and copied.irs.parent is copied
    assert not copied._at_instant_cache and not copied.irs._at_instant_cache
    assert PARAMETERS.irs.ctc.value == 2000 and PARAMETERS._at_instant_cache
    assert copied.ny is PARAMETERS.ny


def test_a_pin_that_goes_by_its_own_changes_gets_a_whole_copy():
    def pin(asked):
        asked.parameters.ny.rate.update(value=0)
        if asked.parameters.ny.rate.value == 0:
            asked.parameters.irs.ctc.update(value=0)

    class Cloned(Branch):
        def clone(self):
            return rules()

    parameters = rules()
    before = system(Cloned("", **parameters.children))
    copied = pinned(before, pin, Parameter).parameters
    assert (copied.irs.ctc.value, copied.ny.rate.value, copied.ny.least.value) == (0, 0, 100)
    assert (parameters.irs.ctc.value, parameters.ny.rate.value) == (2000, 4)


def test_simulations_with_the_same_rules_share_a_copy(module, pins, made):
    first = ask(module, pins, system(tax=variable()))
    assert ask(module, pins, system(tax=variable())) is first
    assert ask(module, pins, system(tax=variable()), "al") is not first
    assert not made


@pytest.mark.parametrize(
    "changed",
    [
        system(tax=variable(other)),
        system(tax=variable(is_neutralized=True)),
        system(tax=variable(default_value=1)),
        system(tax=variable(adds=["income"])),
        system(tax=variable(), credit=variable()),
        system(),
    ],
)
def test_other_variables_get_a_copy_of_their_own(module, pins, made, changed):
    first = ask(module, pins, system(tax=variable()))
    assert ask(module, pins, changed) is not first


def test_a_reform_s_copies_are_not_kept(module, pins, made):
    reformed = system(parameters=object(), tax=variable())
    ask(module, pins, reformed)
    ask(module, pins, reformed)
    assert len(made) == 2


def test_outside_of_our_simulations_the_model_is_as_it_was(module, pins, made):
    own = module._get_pinned_tbs
    ask(module, pins, system(tax=variable()))
    assert module._get_pinned_tbs is own
    with pytest.raises(ZeroDivisionError), pins.kept():
        raise ZeroDivisionError
    assert module._get_pinned_tbs is own
