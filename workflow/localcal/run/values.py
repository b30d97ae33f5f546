"""Values that sections of the config share: their types, and how they are refused.

Nothing is converted: a number in quotes is text, 1.0e3 is no count and true no number. What a key
means is the text below its field, which `localcal.run.describe` reads; it says nothing to Python,
so rewording it remakes nothing.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypedDict

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    with_config,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from localcal.geography.codes import NATION_IN_DATABASES, TARGET_LEVELS, level_named

# Types of errors: one that the schema has the words for, and one that brings its own.
NOT_ALLOWED = "not_allowed"
COMPLAINT = "complaint"


class Section(BaseModel):
    """A part of the config whose keys are known and cannot be changed once it is read."""

    # A default is checked too, since what it may be depends on other keys.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


def plain(value: Any) -> Any:
    """Return a section, or a value in it, as YAML has it: dicts and lists of text and numbers."""
    if isinstance(value, BaseModel):
        return {name: plain(content) for name, content in value}
    if isinstance(value, Mapping):
        return {name: plain(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def not_allowed() -> PydanticCustomError:
    """Return the error of a value of which the schema says what is allowed instead."""
    return PydanticCustomError(NOT_ALLOWED, "is not allowed")


def complaint(words: str) -> PydanticCustomError:
    """Return an error with words of its own."""
    return PydanticCustomError(COMPLAINT, "{words}", {"words": words})


def refused(problems: Iterable[tuple[tuple[str, ...], str]]) -> ValidationError:
    """Return the error of several keys, each with what is said about it."""
    lines: list[InitErrorDetails] = [
        {"type": complaint(words), "loc": key, "input": None} for key, words in problems
    ]
    return ValidationError.from_exception_data("config", lines)


def as_one(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Refuse a value as a whole instead of once for each alternative or item.

    Raises:
        PydanticCustomError: the value is refused, whatever for.
    """
    try:
        return validate(value)
    except ValidationError as error:
        raise not_allowed() from error


def _as_written(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    # Parameters are compared as text: 90 must not become 90.0.
    validate(value)
    return value


def _unique(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(items)) < len(items):
        raise not_allowed()
    return items


def one_of(choices: Iterable[str]) -> Any:
    """Refuse text that is none of the choices."""
    known = tuple(choices)

    def check(value: str) -> str:
        if value not in known:
            raise not_allowed()
        return value

    return AfterValidator(check)


def needed_with(*sources: str) -> Any:
    """Refuse null where the section's `source`, a field before this one, is one of `sources`."""

    def check(value: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source")
        if value is None and source in sources:
            raise complaint(f"null is not allowed with source: {source}; say which one")
        return value

    return AfterValidator(check)


def allowing(words: str, **schema: Any) -> Any:
    """Say what a field allows in words, where its schema alone does not read well."""
    return Field(json_schema_extra={"x-allowed": words, **schema})


# YAML has lists where a model that nobody can change has tuples.
AS_TUPLE = Field(strict=False)
UNIQUE = Field(json_schema_extra={"uniqueItems": True})
EACH_ONCE = AfterValidator(_unique)
# Limits stand before functions: after them they would not be part of the schema.
FINITE = Field(strict=True, allow_inf_nan=False)
AS_WRITTEN = WrapValidator(_as_written)

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, FINITE, Field(gt=0), AS_WRITTEN]
GivenFile = Annotated[str | None, allowing("a path, or null")]
Names = Annotated[tuple[str, ...], AS_TUPLE, UNIQUE, EACH_ONCE]
# As target databases spell it, the nation's level is understood too.
Level = Annotated[
    str,
    AfterValidator(level_named),
    one_of(TARGET_LEVELS),
    allowing(", ".join(TARGET_LEVELS), enum=[*TARGET_LEVELS, NATION_IN_DATABASES]),
]


@with_config(
    ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "minProperties": 1,
            "x-allowed": "variable, geo_level, domain_variable, constraints, at least one of them",
        },
    )
)
class TargetRule(TypedDict, total=False):
    """Chooses targets by what they are."""

    variable: str
    """The variable that is counted or summed."""
    geo_level: Level
    """The target's level."""
    domain_variable: str
    """The variables of the target's constraints, sorted and joined by commas; empty for none."""
    constraints: str
    """Conditions that must be among the target's own, as in `age>=65;snap>0`."""


def _not_empty(rule: TargetRule) -> TargetRule:
    if not rule:
        raise not_allowed()
    return rule


@with_config(
    ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"x-allowed": "as in include, and a reason"},
    )
)
class ExcludeRule(TargetRule, total=False):
    """Chooses targets to leave out."""

    reason: str
    """Why they are left out, for the preflight."""


def _says_which(rule: ExcludeRule) -> ExcludeRule:
    if not rule.keys() & TargetRule.__annotations__.keys():
        raise not_allowed()
    return rule


ExcludeRules = Annotated[tuple[Annotated[ExcludeRule, AfterValidator(_says_which)], ...], AS_TUPLE]
TargetRules = Annotated[tuple[Annotated[TargetRule, AfterValidator(_not_empty)], ...], AS_TUPLE]
