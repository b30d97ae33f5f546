"""How two runs differ, as text: the first run's figures on the left, the second's on the right."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localcal.status.words import aligned

# Of what is long, the first ones; --json has everything.
MOST_ROWS = 15
MOST_CHARACTERS = 40
DIGEST_CHARACTERS = 12


def as_text(content: Mapping[str, Any]) -> str:
    """Return what `localcal.status.difference.compare` found as text."""
    first, second = content["runs"]
    parts = [
        _listed("Config", content["config"], "the same"),
        _listed("Inputs", content["inputs"], "the same"),
        _listed("Code", content["code"], "the same"),
        _listed("Versions", content["versions"], "the same"),
        _section("Commits", list(_commits(content["commits"]))),
        _targets(content["targets"]),
        *(_weights(scope, found) for scope, found in content["weights"].items()),
        *(_errors(scope, found) for scope, found in content["errors"].items()),
        _validation(content["validation"]),
    ]
    return "\n\n".join([f"{first} and {second}, in this order", *parts])


def _section(title: str, rows: Sequence[Sequence[str]]) -> str:
    return f"{title}\n{_indented(rows)}"


def _indented(rows: Sequence[Sequence[str]]) -> str:
    lines = aligned(rows[:MOST_ROWS]).splitlines()
    if len(rows) > MOST_ROWS:
        lines.append(f"and {len(rows) - MOST_ROWS} more, see --json")
    return "\n".join(f"  {line}" for line in lines)


def _listed(title: str, found: Sequence[Mapping[str, Any]], same: str) -> str:
    if not found:
        return f"{title}: {same}"
    rows = [(one["what"], *map(_value, one["values"])) for one in found]
    return _section(title, rows)


def _value(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value)
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    if is_digest:
        return text[:DIGEST_CHARACTERS]
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def _commits(found: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    names = [
        ", ".join("no commit" if one is None else one[:DIGEST_CHARACTERS] for one in run["commits"])
        for run in found
    ]
    yield ("commits", *names)
    yield ("clean trees", *("yes" if run["clean"] else "no" for run in found))


def _refused(title: str, found: Mapping[str, Any]) -> str | None:
    reason = found["not_compared"]
    return None if reason is None else f"{title}: not compared: {reason}"


def _targets(found: Mapping[str, Any]) -> str:
    if (refused := _refused("Targets", found)) is not None:
        return refused
    rows = [
        ("targets", *map(_count, found["count"])),
        ("only here", *map(_count, found["only"])),
        ("in both", _count(found["shared"]), ""),
        ("of these, with another value", _count(found["changed"]), ""),
    ]
    parts = [_section("Targets", rows)]
    if found["families"]:
        families = [(_family(one), *map(_count, one["count"])) for one in found["families"]]
        parts.append(_section("Targets by family, where their number differs", families))
    if found["largest_changes"]:
        changes = [
            (one["name"], *(f"{value:,.6g}" for value in one["values"]), _percent(one["change"]))
            for one in found["largest_changes"]
        ]
        parts.append(_section("Targets that changed most", changes))
    return "\n\n".join(parts)


def _weights(scope: str, found: Mapping[str, Any]) -> str:
    title = f"Weights, {scope}"
    if (refused := _refused(title, found)) is not None:
        return refused
    rows = [
        ("columns", *map(_count, found["columns"])),
        ("with a weight", *map(_count, found["records"])),
        ("sum of weights", *(f"{total:,.1f}" for total in found["sum_of_weights"])),
        ("design effect", *map(_number, found["design_effect"])),
    ]
    return "\n".join(
        [
            _section(title, rows),
            *_households(found["households"]),
            *_correlated("weight per column", found["same_columns"]),
        ]
    )


def _households(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _correlated("weight per household", found)
    if found["not_compared"] is None:
        ratio = found["ratio"].items()
        yield "  second over first, of households with both:"
        yield f"    {', '.join(f'{name} {_number(value)}' for name, value in ratio)}"


def _correlated(title: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a correlation, or why there is none."""
    reason = found["not_compared"]
    if reason is None:
        yield f"  {title}: correlation {_number(found['correlation'])}"
    else:
        yield f"  {title}: not compared: {reason}"


def _errors(scope: str, found: Mapping[str, Any]) -> str:
    title = f"Relative errors, {scope}"
    if (refused := _refused(title, found)) is not None:
        return refused
    levels = [_error_row(f"{one['level']}, {one['role']}", one) for one in found["levels"]]
    families = sorted(found["families"], key=_change, reverse=True)
    rows = [_error_row(f"{_family(one)}, {one['role']}", one) for one in families if _change(one)]
    parts = [_section(f"{title}, by level", [ERROR_HEADER, *levels])]
    if rows:
        words = f"{title}, by family, where the median changed most"
        parts.append(_section(words, [ERROR_HEADER, *rows]))
    return "\n\n".join(parts)


ERROR_HEADER = ("", "TARGETS", "", "MEDIAN", "", "90 % BELOW", "")


def _error_row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        *map(_count, one["count"]),
        *map(_percent, one["median"]),
        *map(_percent, one["p90"]),
    )


def _change(one: Mapping[str, Any]) -> float:
    """Return by how much a family's median error changed; much where only one run has it."""
    first, second = one["median"]
    if first is None and second is None:
        return 0.0
    return float("inf") if first is None or second is None else abs(second - first)


def _validation(found: Mapping[str, Any]) -> str:
    if (refused := _refused("Validation", found)) is not None:
        return refused
    rows = [
        ("areas", *map(_count, found["areas"])),
        ("impossible totals", *map(_count, found["insane"])),
    ]
    levels = [_error_row(one["level"], one) for one in found["levels"]]
    errors = _section("Validation, by level", [ERROR_HEADER, *levels])
    return f"{_section('Validation', rows)}\n\n{errors}"


def _family(one: Mapping[str, Any]) -> str:
    return " / ".join(filter(None, (one["level"], one["variable"], one["domain"])))


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3g} %"
