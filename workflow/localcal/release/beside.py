"""A run beside the release that it replaces."""

from collections.abc import Iterator, Mapping
from typing import Any

# An error that is several times the live release's means nothing while it is smaller than this.
NEGLIGIBLE = 0.01


def moved(new: Mapping[str, Any], old: Mapping[str, Any], limit: float | None) -> Iterator[str]:
    """Yield the totals that moved by more than a share of the live ones."""
    if limit is None:
        return
    for area in sorted(new.keys() & old.keys()):
        for name in sorted(new[area].keys() & old[area].keys()):
            before, after = float(old[area][name]), float(new[area][name])
            if not abs(after - before) <= limit * abs(before):
                yield f"{name} of {area} moved from {before:.4g} to {after:.4g}"


def worse(new: Mapping[str, Any], old: Mapping[str, Any], limit: float | None) -> Iterator[str]:
    """Yield the errors that are several times the live release's."""
    if limit is None:
        return
    for scope, level, found, before in _levels(new, old):
        for key in ("median", "largest", "median_held_out"):
            if key in found and key in before:
                allowed = max(limit * float(before[key]), NEGLIGIBLE)
                if not found[key] <= allowed:
                    yield (
                        f"{key.replace('_', ' ')} error of {level} targets in the {scope} fit is "
                        f"{found[key]:.4g}, was {before[key]:.4g}"
                    )


def fewer(new: Mapping[str, Any], old: Mapping[str, Any], limit: float | None) -> Iterator[str]:
    """Yield the levels that have fewer fitted targets than the live release."""
    if limit is None:
        return
    for scope, level, found, before in _levels(new, old):
        if found.get("fitted", 0) < (1.0 - limit) * before["fitted"]:
            yield (
                f"{found.get('fitted', 0)} {level} targets were fitted in the {scope} fit, were "
                f"{before['fitted']}"
            )


def _levels(
    new: Mapping[str, Any], old: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield what both releases, or the live one alone, say of a level of a fit."""
    for scope, fit in sorted(old.items()):
        for level, before in sorted(fit["levels"].items()):
            yield scope, level, new.get(scope, {"levels": {}})["levels"].get(level, {}), before
