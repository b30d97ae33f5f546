"""A changed tree of parameters shares all else with the one that it was made from."""

import copy
from types import SimpleNamespace

import pytest

from localcal.engine.parameters import make_lazy
from localcal.engine.trees import leaves, watched, with_leaves
from tests.unit.engine.test_parameters import Eager


class Parameter:
    """A parameter of policyengine-core: values by the day from which they hold, latest first."""

    def __init__(self, name, *values):
        self.name, self.parent = name, None
        self.values_list = [SimpleNamespace(instant_str=day, value=value) for day, value in values]

    def get_descendants(self):
        return iter(())

    def clone(self):
        cloned = copy.copy(self)
        cloned.values_list = list(self.values_list)
        return cloned

    def update(self, value):
        self.values_list = [SimpleNamespace(instant_str="0001-01-01", value=value)]
        self.parent.clear_parent_cache()

    def _get_at_instant(self, instant):
        return next((v.value for v in self.values_list if v.instant_str <= instant), None)


class Node:
    """A branch, which keeps what it has looked up at a date."""

    def __init__(self, name, **children):
        self.name, self.children, self.parent = name, children, None
        self._at_instant_cache = {}
        vars(self).update(children)
        for child in children.values():
            child.parent = self

    def get_descendants(self):
        for child in self.children.values():
            yield child
            yield from child.get_descendants()

    def clear_parent_cache(self):
        self._at_instant_cache.clear()
        if self.parent is not None:
            self.parent.clear_parent_cache()

    def _get_at_instant(self, instant):
        if instant not in self._at_instant_cache:
            self._at_instant_cache[instant] = MODULE.ParameterNodeAtInstant(
                self.name, self, instant
            )
        return self._at_instant_cache[instant]


class Scale:
    """A scale, which makes a new list of amounts whenever it is looked up."""

    def __init__(self, name, *brackets):
        self.name, self.brackets, self.parent = name, list(brackets), None

    def get_descendants(self):
        for bracket in self.brackets:
            yield bracket
            yield from bracket.children.values()

    def clear_parent_cache(self):
        self.parent.clear_parent_cache()

    def _get_at_instant(self, instant):
        found = [bracket._get_at_instant(instant) for bracket in self.brackets]
        return [at.amount for at in found if "amount" in at._children]


class Indexed(Eager):
    """As policyengine-core's: also by the names of children."""

    def __getitem__(self, key):
        return self._children[key]


MODULE = SimpleNamespace(ParameterNodeAtInstant=Indexed)
LAZY = make_lazy(MODULE)
YEAR = "2024-01-01"
CTC = "irs.ctc.amount[1].amount"


def one(name, value):
    return Parameter(name, ("2020-01-01", value))


@pytest.fixture
def tree():
    brackets = [
        Node(f"irs.ctc.amount[{i}]", amount=one(f"irs.ctc.amount[{i}].amount", 100 * i))
        for i in (0, 1)
    ]
    ctc = Node("irs.ctc", amount=Scale("irs.ctc.amount", *brackets), age=one("irs.ctc.age", 17))
    rates = Node("irs.rates", **{"1": one("irs.rates.1", 0.1), "2": one("irs.rates.2", 0.2)})
    irs = Node("irs", ctc=ctc, rates=rates)
    return Node("", irs=irs, snap=Node("snap", most=one("snap.most", 900)))


def at(tree):
    return tree._get_at_instant(YEAR)


def test_every_parameter_is_found_by_its_path(tree):
    assert set(leaves(tree)) == {
        "irs.ctc.age",
        "irs.ctc.amount[0].amount",
        CTC,
        "irs.rates.1",
        "irs.rates.2",
        "snap.most",
    }
    for path in leaves(tree):
        changed, found = with_leaves(tree, [path])
        assert found[path].name == path
        assert leaves(changed)[path] is found[path]
        assert found[path] is not leaves(tree)[path]


def test_a_change_leaves_the_tree_and_its_caches_as_they_were(tree):
    before = at(tree).irs.ctc.amount, at(tree).irs.rates["2"], at(tree).snap
    changed, found = with_leaves(tree, [CTC, "irs.rates.2"])
    found[CTC].update(5)
    found["irs.rates.2"].update(0.5)
    assert (at(changed).irs.ctc.amount, at(changed).irs.rates["2"]) == ([0, 5], 0.5)
    assert (at(tree).irs.ctc.amount, at(tree).irs.rates["2"]) == before[:2]
    # What has nothing changed in it is the same object, with all that it has looked up.
    assert changed.snap is tree.snap
    assert at(changed).snap is before[2]
    assert changed.irs.ctc.amount.brackets[0] is tree.irs.ctc.amount.brackets[0]
    assert changed.irs.ctc.children["age"] is tree.irs.ctc.age


def test_an_update_after_a_look_is_seen(tree):
    changed, found = with_leaves(tree, ["irs.rates.1", CTC])
    assert at(changed).irs.rates["1"] == 0.1
    assert at(changed).irs.ctc.amount == [0, 100]
    found["irs.rates.1"].update(0.9)
    found[CTC].update(1)
    assert at(changed).irs.rates["1"] == 0.9
    assert at(changed).irs.ctc.amount == [0, 1]


@pytest.fixture
def looks():
    return []


LOOKS = {
    "by date": lambda tree: at(tree).irs.ctc.amount,
    "from the branch above": lambda tree: list(at(tree.irs.ctc)),
    "as a child of a name": lambda tree: at(tree)["irs"]["ctc"]["amount"],
    "without a date": lambda tree: tree.irs.ctc.amount.brackets[1].amount.values_list,
    "when it is copied": lambda tree: leaves(tree)[CTC].clone(),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_every_look_at_a_watched_parameter_is_told(tree, looks, look):
    seen = watched(tree, [CTC], looks.append, LAZY)
    for _ in range(2):
        looks.clear()
        look(seen)
        assert set(looks) == {CTC}
    looks.clear()
    look(tree)
    assert looks == []


def test_a_look_at_something_else_is_not(tree, looks):
    seen = watched(tree, [CTC, "irs.rates.2"], looks.append, LAZY)
    assert at(seen).irs.ctc.age == 17
    assert at(seen)["snap"].most == 900
    assert at(seen).irs.rates["1"] == 0.1
    assert looks == []


def test_a_branch_that_is_held_tells_of_a_later_look(tree, looks):
    rates = at(watched(tree, ["irs.rates.2"], looks.append, LAZY)).irs.rates
    assert looks == []
    assert (rates["2"], getattr(rates, "2"), getattr(rates, "2")) == (0.2, 0.2, 0.2)
    assert [list(rates), list(rates)] == [["1", "2"]] * 2
    assert looks == ["irs.rates.2"] * 5


def test_a_watched_tree_has_the_same_values(tree, looks):
    seen = watched(tree, leaves(tree), looks.append, LAZY)
    for path, leaf in leaves(tree).items():
        assert leaves(seen)[path]._get_at_instant(YEAR) == leaf._get_at_instant(YEAR)
    with pytest.raises(AttributeError):
        _ = at(seen).irs.other
    with pytest.raises(KeyError):
        at(seen).irs["other"]
    with pytest.raises(KeyError):
        seen._get_at_instant("2019-01-01").irs["rates"]["1"]
