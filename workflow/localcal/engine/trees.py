"""Trees of parameters that share with another tree every branch in which nothing is changed.

policyengine-core's way to a reform is another tax-benefit system, made in half a minute. Here the
branches above the changed parameters are copied and nothing else, so that a reform takes
milliseconds, the tree it was made from stays as it is, and what is cached in the shared branches
serves both.

A watched parameter says so whenever one of its values is looked at. policyengine-core keeps what
it has looked up in the branches above; above a watched parameter nothing is kept.
"""

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

type Look = Callable[[str], None]


def with_leaves(tree: Any, paths: Collection[str]) -> tuple[Any, dict[str, Any]]:
    """Return a tree with copies of some parameters, and these copies by path.

    Args:
        tree: the parameters, which stay as they are.
        paths: those to copy; each is one of `leaves`.
    """
    root = _copied(tree)
    own = {id(root)}
    found = {}
    for path in sorted(paths):
        node = root
        for name, index in _steps(path):
            node = _own_child(node, name, own)
            if index is not None:
                node = _own_bracket(node, index, own)
        found[path] = node
    return root, found


def _steps(path: str) -> list[tuple[str, int | None]]:
    """Return the names on a path, each with the number of its bracket if it has one."""
    steps = []
    for part in path.split("."):
        name, opening, number = part.partition("[")
        steps.append((name, int(number[:-1]) if opening else None))
    return steps


def _own_child(node: Any, name: str, own: set[int]) -> Any:
    """Return a child that belongs to this tree alone, made if need be."""
    child = node.children[name]
    if id(child) not in own:
        child = node.children[name] = _copied(child)
        setattr(node, name, child)
        child.parent = node
        own.add(id(child))
    return child


def _own_bracket(scale: Any, index: int, own: set[int]) -> Any:
    """Return a bracket of a scale that belongs to this tree alone, made if need be."""
    bracket = scale.brackets[index]
    if id(bracket) not in own:
        bracket = scale.brackets[index] = _copied(bracket)
        bracket.parent = scale
        own.add(id(bracket))
    return bracket


def _copied(node: Any) -> Any:
    """Return a copy of a branch, a scale or a parameter, with the same children."""
    if hasattr(node, "values_list"):
        return node.clone()
    copied = copy.copy(node)
    if hasattr(node, "children"):
        copied.children, copied._at_instant_cache = dict(node.children), {}
    else:
        copied.brackets = list(node.brackets)
    return copied


def watched(tree: Any, paths: Collection[str], look: Look, lazy: type) -> Any:
    """Return a tree that says when somebody looks at one of some parameters.

    Args:
        tree: the parameters, which stay as they are.
        paths: those to watch.
        look: is called with the path of a parameter when its value is read.
        lazy: the class of branches at a date, which look up a child when it is read.
    """
    root, leaves = with_leaves(tree, paths)
    for path, leaf in leaves.items():
        leaf.__class__ = _watched_leaf(type(leaf))
        leaf._localcal_look, leaf._localcal_path = look, path
        node = leaf.parent
        while node is not None and not getattr(node, "is_above_watched", False):
            if hasattr(node, "children"):
                node.__class__ = _watched_branch(type(node), _uncached(lazy))
            node = node.parent
    return root


def leaves(tree: Any) -> Mapping[str, Any]:
    """Return every parameter that has values of its own, by path."""
    return {node.name: node for node in tree.get_descendants() if hasattr(node, "values_list")}


_CLASSES: dict[type, type] = {}


def _watched_leaf(plain: type) -> type:
    """Return the class of parameters that say when their values are read."""
    if plain not in _CLASSES:

        def get(self: Any) -> list:
            self._localcal_look(self._localcal_path)
            return self.__dict__["values_list"]

        def put(self: Any, values: list) -> None:
            self.__dict__["values_list"] = values

        # However it is read, by date or as a whole, it is this list that is read.
        members = {"values_list": property(get, put)}
        _CLASSES[plain] = type(f"Watched{plain.__name__}", (plain,), members)
    return _CLASSES[plain]


def _watched_branch(plain: type, at_instant: type) -> type:
    """Return the class of branches that keep nothing they have looked up."""
    if plain not in _CLASSES:

        def get(self: Any, instant: str) -> Any:
            return at_instant(self.name, self, instant)

        members = {"_get_at_instant": get, "is_above_watched": True}
        _CLASSES[plain] = type(f"Watched{plain.__name__}", (plain,), members)
    return _CLASSES[plain]


def _uncached(lazy: Any) -> type:
    """Return a class of branches at a date that looks up a child whenever it is read."""
    if lazy not in _CLASSES:

        class UncachedNodeAtInstant(lazy):
            """A branch at a date above a watched parameter."""

            def __getattr__(self, key: str) -> Any:
                value = super().__getattr__(key)
                self.__dict__.pop(key, None)
                return value

            def __getitem__(self, key: Any) -> Any:
                if isinstance(key, str):
                    value = self._node.children[key]._get_at_instant(self._instant_str)
                    if value is None:
                        raise KeyError(key)
                    return value
                return super().__getitem__(key)

        _CLASSES[lazy] = UncachedNodeAtInstant
    return _CLASSES[lazy]
