"""Copies of the model's rules are made once for all simulations with the same rules."""

from types import SimpleNamespace

import pytest

from localcal.engine.pins import Pins

PARAMETERS = object()


def one(period):
    return period


def other(period):
    return period


def variable(formula=one, **changed):
    """A variable as policyengine-us registers it anew in each simulation."""
    given = {"name": "tax", "formulas": {"2020": formula}, "is_neutralized": False}
    return SimpleNamespace(**given | {"default_value": 0} | changed)


def system(parameters=PARAMETERS, **variables):
    """A simulation's rules."""
    return SimpleNamespace(parameters=parameters, variables=variables)


@pytest.fixture
def made():
    """The systems that copies were made of."""
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
    return Pins(module, SimpleNamespace(parameters=PARAMETERS))


def ask(module, pins, asked, name="ny"):
    with pins.kept():
        return module._get_pinned_tbs(asked, name, None)


def test_simulations_with_the_same_rules_share_a_copy(module, pins, made):
    first = ask(module, pins, system(tax=variable()))
    assert ask(module, pins, system(tax=variable())) == first
    assert ask(module, pins, system(tax=variable()), "al") != first
    assert len(made) == 2


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
    ask(module, pins, system(tax=variable()))
    ask(module, pins, changed)
    assert len(made) == 2


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
