"""The nation's totals: what was published, and what the households come to before and after."""

import json
from collections.abc import Mapping, Sequence

import pandas as pd

from localcal.database.constraints import Constraint
from localcal.database.reader import INCOME_VARIABLE
from localcal.errors import InputError
from localcal.report.fits import Fit
from localcal.report.words import (
    COUNTED,
    NO_BREAK,
    figure_in_words,
    is_money,
    share_in_words,
    target_in_words,
)

# Of totals that no fit was told.
COMPARED = "compared"


def national_totals(
    fits: Sequence[Fit], margins: Mapping[str, pd.Series] | None = None
) -> pd.DataFrame:
    """Return the nation's targets with each fit's estimates before and after.

    Args:
        fits: one per scope.
        margins: 90 % margins of the estimates after, by scope, where a fit has replicates; by the
            target's name.

    Returns:
        One row per target of the nation, people first, then other counts, then amounts:
        target, name, variable, published (in the run's year), source, and per scope
        `{scope}_verdict`, `{scope}_before`, `{scope}_after` (dollars or units) and their relative
        differences from what was published, `{scope}_before_error` and `{scope}_after_error`; and
        `{scope}_margin_90` where there are margins.
    """
    found: pd.DataFrame | None = None
    for fit in fits:
        nation = fit.targets[fit.targets["geo_level"] == "nation"].set_index("name")
        value = nation["target_value"]
        of_scope = {
            "verdict": nation["verdict"].replace("held_out", COMPARED),
            "before": nation["base_estimate"],
            "after": nation["final_estimate"],
            "before_error": nation["base_estimate"] / value - 1,
            "after_error": nation["final_estimate"] / value - 1,
        }
        if margins and fit.scope in margins:
            of_scope["margin_90"] = margins[fit.scope].reindex(nation.index)
        if found is None:
            labels = nation[["variable", "source", "constraints"]]
            found = labels.assign(published=value)
        found = found.join(pd.DataFrame(of_scope).add_prefix(f"{fit.scope}_"))
    if found is None:
        raise InputError("no fit to report on; name a scope")
    conditions = [
        [Constraint(*item) for item in json.loads(text)] for text in found.pop("constraints")
    ]
    found = found.reset_index()
    # The second part of a reform's name says that it is one.
    said = [name.split("/")[1] for name in found["name"]]
    found.insert(0, "target", list(map(target_in_words, said, conditions)))
    ranks = list(map(_rank, said, conditions, found["name"]))
    order = sorted(range(len(found)), key=ranks.__getitem__)
    return found.iloc[order].reset_index(drop=True)


def _rank(variable: str, conditions: Sequence[Constraint], name: str) -> tuple:
    """Sort counts before amounts, and what has bounds by these."""
    counts = list(COUNTED)
    place = counts.index(variable) if variable in counts else len(counts)
    by = sorted({c.variable for c in conditions if c.variable in ("age", INCOME_VARIABLE)})
    bounds = [float(c.value) for c in conditions if c.variable in by]
    lower = min(bounds) if bounds else 0.0
    # What ends below a bound comes before what begins there.
    begins = any(c.operation in (">", ">=") for c in conditions if c.variable in by)
    return place, variable, by, lower, begins, name


def totals_in_words(totals: pd.DataFrame, scopes: Sequence[str]) -> pd.DataFrame:
    """Return the table as people read it."""
    money = totals["variable"].map(is_money)

    def figures(column: str) -> list[str]:
        pairs = zip(totals[column], money, strict=True)
        return [figure_in_words(value, is_dollars) for value, is_dollars in pairs]

    shown = {"": totals["target"], "published": figures("published")}
    shown |= {"before the fits": figures(f"{scopes[0]}_before")}
    shown |= {"off by": [share_in_words(x) for x in totals[f"{scopes[0]}_before_error"]]}
    for scope in scopes:
        shown |= {f"{scope} fit": figures(f"{scope}_after")}
        if f"{scope}_margin_90" in totals:
            margins = [f"±{NO_BREAK}{text}" for text in figures(f"{scope}_margin_90")]
            shown |= {f"{scope}: 90 % margin": margins}
        shown |= {f"{scope}: off by": [share_in_words(x) for x in totals[f"{scope}_after_error"]]}
        shown |= {f"{scope}: verdict": totals[f"{scope}_verdict"].str.replace("_", " ")}
    return pd.DataFrame(shown | {"source": totals["source"]})
