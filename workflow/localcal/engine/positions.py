"""Formulas that may look at where somebody stands among those who are simulated.

A clone is simulated in a chunk, in a part of one and in an area file, each time among others, so
no value may depend on that. Ids are the clone's own, and sums over everybody are frozen; anything
else has to be looked at by somebody. Found in the code by the names it uses, so what is found need
not be wrong: what is not is listed here with the reason, and anything new is refused until it is.
"""

import dis
import types
from collections.abc import Iterator, Mapping

from localcal.engine.formulas import codes_of
from localcal.engine.model import ModelVariable

# What numbers, orders or draws for everybody who is there. (The position in one's own household or
# unit is not such: localcal keeps it.)
LOOKS = frozenset(
    [
        "arange",
        "argsort",
        "choice",
        "cumcount",
        "cumsum",
        "default_rng",
        "factorize",
        "hash",
        "lexsort",
        "permutation",
        "rand",
        "randint",
        "random",
        "shuffle",
        "sort",
    ]
)

# What a comparison is made with that depends on how many there are.
COUNT = "count"

_POINTERS = "rows that point to members of one's own household"
_TABLE = "numbers rows, to put them back in order or to pick from each"

# (function, what it uses) to why a clone's values do not depend on it.
JUDGED = {
    ("person_id.formula", "arange"): "is not run: localcal stores ids, also for later years",
    ("_parent_indices", "arange"): _POINTERS,
    ("group_member_indices", "arange"): _POINTERS,
    ("medicaid_established_spouse_indices", "arange"): _POINTERS,
    ("medicaid_step_parent_index", "arange"): _POINTERS,
    ("medicaid_non_filer_member_sum", "arange"): _POINTERS,
    ("_spouse_rule", "arange"): _POINTERS,
    ("_ssi_established_spouse_indices", "arange"): _POINTERS,
    ("_ssi_established_spouse_indices", COUNT): "localcal never simulates a couple alone",
    ("_ssi_unlinked_parental_resource_pool", "arange"): _POINTERS,
    ("_ssi_parental_resource_pool", "sort"): "orders the keys of each row",
    ("cts_filing_unit", "arange"): _POINTERS,
    ("wi_cts_caretaker_children.formula", "arange"): _POINTERS,
    ("_compute_aime", "sort"): "orders each person's own years",
    ("hud_fair_market_rent.formula", "arange"): _TABLE,
    ("map_county_string_to_enum", "arange"): _TABLE,
    ("lookup_sized_income_limit", "arange"): _TABLE,
    ("_lookup_expanded_rate", "arange"): _TABLE,
    ("fl_sr_max_daily_rate.formula", "arange"): _TABLE,
}


def unjudged(variables: Mapping[str, ModelVariable]) -> dict[str, str]:
    """Return the variables whose formulas look at positions in a way nobody has judged.

    Returns:
        Variable to the function and what it uses.
    """
    found = {}
    for name, variable in sorted(variables.items()):
        for formula in variable.formulas.values():
            looks = {look for look in _looks(formula) if look not in JUDGED}
            if looks:
                function, used = min(looks)
                found[name] = f"{function} uses {used}"
    return found


def _looks(formula: types.FunctionType) -> Iterator[tuple[str, str]]:
    """Yield the functions that a formula runs and what they use."""
    for code in codes_of(formula):
        function = code.co_qualname.removesuffix(".<lambda>")
        for name in LOOKS.intersection(code.co_names):
            yield function, name
        if COUNT in code.co_names and _compares_count(code):
            yield function, COUNT


def _compares_count(code: types.CodeType) -> bool:
    """Say whether a number of units is compared, instead of giving an array its size."""
    steps = list(dis.get_instructions(code))
    return any(
        step.opname == "LOAD_ATTR"
        and step.argval == COUNT
        and any(after.opname == "COMPARE_OP" for after in steps[number + 1 : number + 3])
        for number, step in enumerate(steps)
    )
