"""Parameters at a date, looked up when a formula asks for them."""

from typing import Any


def make_lazy(module: Any) -> type:
    """Have policyengine-core look up a parameter at a date when it is asked for, not all at once.

    It makes an object of every branch for each date, of which formulas ask for few: a process that
    is ready for a production run holds 1.0 GB instead of 1.5. What is looked up is kept, as it is.

    Args:
        module: policyengine-core's `parameters.parameter_node`, which makes these objects.

    Returns: the class of these objects.
    """
    if not hasattr(module.ParameterNodeAtInstant, "is_lazy"):
        module.ParameterNodeAtInstant = _lazy(module.ParameterNodeAtInstant)
    return module.ParameterNodeAtInstant


def _lazy(eager: Any) -> type:
    class LazyNodeAtInstant(eager):
        """A branch of the parameters at a date, whose children are made when they are read."""

        is_lazy = True

        def __init__(self, name: str, node: Any, instant_str: str) -> None:
            self._name = name
            self._instant_str = instant_str
            self._node = node

        def __getattr__(self, key: str) -> Any:
            if key in ("_name", "_instant_str", "_node"):
                raise AttributeError(key)
            if key == "_children":
                at_instant = {
                    name: child._get_at_instant(self._instant_str)
                    for name, child in self._node.children.items()
                }
                self._children = {
                    name: value for name, value in at_instant.items() if value is not None
                }
                return self._children
            child = self._node.children.get(key)
            value = None if child is None else child._get_at_instant(self._instant_str)
            if value is None:
                return super().__getattr__(key)
            setattr(self, key, value)
            return value

    return LazyNodeAtInstant
