"""Parameters at a date are those of policyengine-core, found when they are asked for."""

from types import SimpleNamespace

import pytest

from localcal.engine.parameters import make_lazy


class Missing(AttributeError):
    """There is no such parameter at the date."""


class Eager:
    """A branch at a date as policyengine-core makes it: all children at once."""

    def __init__(self, name, node, instant):
        self._name, self._instant_str, self._children = name, instant, {}
        for child_name, child in node.children.items():
            if (value := child._get_at_instant(instant)) is not None:
                self._children[child_name] = value
                setattr(self, child_name, value)

    def __getattr__(self, key):
        if key == "_name":
            raise AttributeError(key)
        raise Missing(f"{self._name}.{key} at {self._instant_str}")

    def __iter__(self):
        return iter(self._children)


class Parameter:
    """A value from 2020 on, which counts how often it is looked up."""

    def __init__(self, value):
        self.value, self.looked_up = value, 0

    def _get_at_instant(self, instant):
        self.looked_up += 1
        return self.value if instant >= "2020" else None


@pytest.fixture
def module():
    return SimpleNamespace(ParameterNodeAtInstant=Eager)


@pytest.fixture
def node(module):
    make_lazy(module)
    tree = SimpleNamespace(name="irs", children={"ctc": Parameter(2000), "rate": Parameter(0.1)})
    return tree


def test_a_parameter_is_looked_up_once_when_it_is_read(module, node):
    at_date = module.ParameterNodeAtInstant("irs", node, "2024")
    assert [child.looked_up for child in node.children.values()] == [0, 0]
    assert at_date.ctc == at_date.ctc == 2000
    assert [child.looked_up for child in node.children.values()] == [1, 0]


def test_all_are_there_where_all_are_wanted(module, node):
    at_date = module.ParameterNodeAtInstant("irs", node, "2024")
    assert list(at_date) == ["ctc", "rate"] and at_date._children == {"ctc": 2000, "rate": 0.1}


@pytest.mark.parametrize("name", ["ctc", "eitc", "_vectorial_node"])
def test_what_is_not_there_is_missing_as_before(module, node, name):
    at_date = module.ParameterNodeAtInstant("irs", node, "2019")
    with pytest.raises(Missing, match=f"irs.{name} at 2019"):
        getattr(at_date, name)
    assert list(at_date) == []


def test_an_object_without_content_has_no_attributes(module, node):
    empty = object.__new__(module.ParameterNodeAtInstant)
    assert not hasattr(empty, "_node") and not hasattr(empty, "_name")


def test_twice_is_once(module, node):
    lazy = module.ParameterNodeAtInstant
    make_lazy(module)
    assert module.ParameterNodeAtInstant is lazy
