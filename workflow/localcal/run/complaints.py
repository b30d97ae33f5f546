"""What is wrong in a part of the config, in the words of its model's schema.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from localcal.run.values import COMPLAINT

WORDS = {
    "object": "a section",
    "string": "text",
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "null": "null",
}
LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "minItems": "length at least",
    "maxItems": "length at most",
}
# What pydantic adds to where a key is that is itself of the wrong type.
KEY_ITSELF = "[key]"
# Characters of a wrong value that a complaint repeats.
MOST_SHOWN = 200


class Problem(NamedTuple):
    """One thing that is wrong in the config: the key as a path, and the complaint."""

    key: tuple[str, ...]
    complaint: str


def problems(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return what a model refused, sorted by key.

    Args:
        error: raised by the model or one derived from it.
        model: the one whose keys the error names.
    """
    schema = model.model_json_schema()
    found = error.errors(include_url=False)
    # A list is called too short for want of the entries that were refused.
    inside = {detail["loc"][:-1] for detail in found}
    wrong = [d for d in found if d["type"] != "too_short" or d["loc"] not in inside]
    return sorted(_problem(detail, schema) for detail in wrong)


def _problem(detail: ErrorDetails, schema: Mapping[str, Any]) -> Problem:
    key = tuple(str(part) for part in detail["loc"])
    if KEY_ITSELF in key:
        return Problem(
            key[:-1], f"the key {_shown(detail['input'])} is no text; write it in quotes"
        )
    if detail["type"] == COMPLAINT:
        return Problem(key, detail["msg"])
    if detail["type"] in ("extra_forbidden", "invalid_key"):
        return Problem(key, _unknown_key(key[-1], part_at(schema, key[:-1])))
    part, value = part_at(schema, key), _shown(detail["input"])
    if detail["type"] == "finite_number":
        return Problem(key, f"{value} is not a finite number; allowed: {allowed(part)}")
    near, advice = _near(detail["input"], part), _advice(detail["input"], part)
    return Problem(key, f"{value} is not allowed{near}; allowed: {allowed(part)}{advice}")


def _shown(value: Any) -> str:
    """Return a value as JSON, not all of a long one."""
    text = json.dumps(value, default=str)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _unknown_key(name: str, section: Mapping[str, Any]) -> str:
    if name in section.get("x-renamed", {}):
        return f"is called {section['x-renamed'][name]} now; rename it"
    known = section["properties"]
    return f"unknown key{did_you_mean(name, known)}; allowed: {', '.join(known)}"


def part_at(schema: Mapping[str, Any], key: Iterable[str]) -> Mapping[str, Any]:
    """Return the part of a JSON schema that is about a key."""
    part = schema
    for name in key:
        if "properties" in part:
            part = part["properties"][name]
        else:
            part = part["items"] if "items" in part else part["additionalProperties"]
        part = resolved(schema, part)
    return part


def resolved(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a JSON schema with what it refers to."""
    if "$ref" not in part:
        return part
    target: dict[str, Any] = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return {**target, **part}


def _near(value: Any, part: Mapping[str, Any]) -> str:
    if "enum" in part and isinstance(value, str):
        return did_you_mean(value, part["enum"])
    return ""


def _advice(value: Any, part: Mapping[str, Any]) -> str:
    """Say what makes a value of the wrong type one of the right type."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    types = {option.get("type") for option in (part, *part.get("anyOf", ()))}
    if is_number and "enum" not in part and types <= {"string", "null", None}:
        return "; write it in quotes, so that it stays text"
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return f"; write {int(value)}"
    if isinstance(value, str) and types & {"integer", "number"} and _is_number(value):
        if "number" not in types and not value.strip("+-").isdigit():
            return f"; write {int(float(value))}" if float(value).is_integer() else ""
        # YAML takes 1e-3 for text.
        exponent = ", and with a point, as in 1.0e-3" if "number" in types else ""
        return f"; write it without quotes{exponent}"
    return ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def allowed(part: Mapping[str, Any]) -> str:
    """Say in words what a part of a JSON schema allows."""
    if "x-allowed" in part:
        return str(part["x-allowed"])
    if "enum" in part:
        return ", ".join(json.dumps(value) for value in part["enum"])
    text = WORDS.get(part.get("type", ""), "any value")
    if "enum" in part.get("items", {}):
        text += f" of {allowed(part['items'])}"
    return ", ".join([text, *_limits(part)])


def _limits(part: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{phrase} {part[key]}" for key, phrase in LIMITS.items() if key in part)
    if part.get("uniqueItems"):
        yield "no entry twice"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a suggestion to append to a complaint about an unknown name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
