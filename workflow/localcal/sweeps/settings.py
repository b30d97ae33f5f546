"""What a sweep's file in config/sweeps/ may say.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from localcal.errors import InputError, near, one_line
from localcal.run.complaints import problems
from localcal.run.overrides import BATCH_SIZE_VARIABLES
from localcal.run.values import (
    AS_TUPLE,
    EACH_ONCE,
    FINITE,
    UNIQUE,
    Count,
    Section,
    allowing,
    complaint,
    plain,
    refused,
)

# Where sweeps are, and what a sweep may be called: it is part of file names.
FOLDER = Path("config/sweeps")
NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9_-]*"

# Beyond this no picture has an axis, and differences are soon infinite.
LARGEST = 1e300

# The number of a batch has at least this many digits in file names.
BATCH_DIGITS = 4

Number = Annotated[float, FINITE]
Bounds = Annotated[tuple[Number, ...], AS_TUPLE, Field(min_length=2)]
Nonnegative = Annotated[int, Field(ge=0)]
SomeNames = Annotated[tuple[str, ...], AS_TUPLE, UNIQUE, Field(min_length=1), EACH_ONCE]


def _has_bounds(bounds: dict[str, Any]) -> dict[str, Any]:
    if not bounds:
        raise complaint("is empty; name at least one parameter with its bounds")
    return bounds


class Sampler(Section):
    """Parameter sets that are sampled instead of listed."""

    sampler: Literal["grid", "latin_hypercube", "sobol"]
    """How: every combination (`grid`), or points that scipy.stats.qmc spreads between bounds."""
    n: Annotated[Count | None, allowing("an integer, at least 1, or null")] = None
    """How many sets; of a grid, how many values between two bounds. A Sobol sequence is balanced
    for powers of 2."""
    seed: Nonnegative = 0
    """Seed of the sample; a grid has none."""
    bounds: Annotated[dict[str, Bounds], AfterValidator(_has_bounds)]
    """Parameter to the lowest and the highest value; of a grid also to a list of values."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wrong: list[tuple[tuple[str, ...], str]] = []
        if self.sampler != "grid" and self.n is None:
            wrong.append(
                (("n",), f"null is not allowed with sampler: {self.sampler}; say how many")
            )
        for name, values in self.bounds.items():
            if self.sampler != "grid" and (len(values) != 2 or values[0] >= values[1]):
                words = "has to be the lowest and the highest value, the lower one first"
                wrong.append((("bounds", name), words))
            elif max(map(abs, values)) > LARGEST:
                wrong.append((("bounds", name), f"has a value beyond {LARGEST:g}"))
        if wrong:
            raise refused(wrong)
        return self


class Seeds(Section):
    """New simulations with other draws of who takes up what."""

    count: Nonnegative = 0
    """How many draws, each a simulation of its own; 0 keeps the draws that the area files hold."""
    base_seed: Nonnegative = 0
    """What the draws' seeds are made from; the same for every parameter set."""
    variables: Annotated[SomeNames | None, allowing("a list of names, or null")] = None
    """The take-up variables that are drawn anew; all that the run draws if none are named."""


class Largest(Section):
    """What a sweep may take; planning refuses more."""

    simulations: Count = 20_000
    """Simulations, those of the baseline included."""
    hours: Annotated[float, FINITE, Field(gt=0)] = 48.0
    """Hours of work by the pilot's measure, if one job at a time runs."""


class Sweep(Section):
    """A sweep: which parameter sets, in which areas, and what is asked of each."""

    parameters: str | Sampler
    """A table of parameter sets, one per row, with the columns' names as the model names
    parameters, if need be with dates as in `gov.x@2026-01-01.2026-12-31`; or a sampler."""
    areas: SomeNames
    """Area files of the run, such as US, CA or CA-12."""
    outcomes: SomeNames
    """What is asked of each simulation: names, or `module.py:function` of your own."""
    seeds: Seeds = Field(default_factory=Seeds)
    replicates: bool = False
    """true also takes the weight replicates of the areas, at no further simulation."""
    by_state: bool = False
    """true also asks every outcome of each state, in areas that have several."""
    batch_size: Count = 200
    """Parameter sets per job. LOCALCAL_SWEEP_BATCH_SIZE overrides it."""
    households_together: Annotated[int, Field(ge=1)] = 10_000
    """Households put into the model at a time, at some 120 kB each."""
    pilot: Nonnegative = 1
    """Parameter sets simulated while planning, from which the cost is reckoned; they are kept."""
    memory_mb: Count = 16_000
    """What a batch may take, the loaded model included; it is ended when it takes more."""
    on_out_of_memory: Literal["split", "more_memory", "fail"] = "split"
    """What follows when a batch runs out of memory: the rest goes to a fresh process in smaller
    parts and a set that is too large by itself is marked (`split`); the job fails and asks for more
    when it is retried (`more_memory`); or it fails."""
    tolerate_failed_sets: Nonnegative = 0
    """How many parameter sets may fail before the sweep counts as failed."""
    largest: Largest = Field(default_factory=Largest)


class _EachKeyOnce(yaml.SafeLoader):
    """Reads plain YAML, and refuses a key that is there twice: the last would count in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in found:
                problem = f"found key '{key.value}' twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            found.add(key.value)
        return super().construct_mapping(node, deep)


def names() -> list[str]:
    """Return what sweeps there are, sorted.

    Raises:
        InputError: one has a name that no path may have.
    """
    found = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    for name in found:
        if not re.fullmatch(NAME_PATTERN, name):
            raise InputError(
                f"{sweep_path(name)}: a sweep's name has letters, digits, '_' and '-', and begins "
                "with a letter or digit; rename the file"
            )
    return found


def target_hints(arguments: Sequence[str], known: Sequence[str]) -> list[str]:
    """Say which requested files are of a sweep that there is not.

    Snakemake's own message is that there is no rule to produce them.

    Args:
        arguments: of the command line.
        known: the sweeps that there are.
    """
    hints = []
    for argument in arguments:
        match argument.split("/"):
            case ["runs", _, "sweeps", name, _, *_] if name not in known:
                path = sweep_path(name)
                hints.append(f"{argument}: there is no {path}{near(name, known)}; name a sweep")
    return hints


def files() -> list[str]:
    """Return the files of all sweeps, and what lies beside them for them, sorted."""
    return sorted(str(path) for path in FOLDER.glob("*") if path.is_file())


def sweep_path(name: str) -> Path:
    """Return the file of a sweep."""
    return FOLDER / f"{name}.yaml"


def read_sweep(path: Path) -> Sweep:
    """Read a sweep's file.

    Raises:
        InputError: one line per problem: file, key, what is wrong, what is allowed.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)  # noqa: S506
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a sweep by its file there") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: is no YAML ({one_line(error)}); correct it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no keys; it needs parameters, areas and outcomes")
    parameters = content.get("parameters", "")
    if isinstance(parameters, dict):
        # As a model of its own, so that what is said is about what was meant.
        _checked(path, Sampler, parameters, "parameters.")
    elif not isinstance(parameters, str):
        raise InputError(f"{path}: parameters: expected a path or a sampler, found {parameters!r}")
    sweep: Sweep = _checked(path, Sweep, content)
    return sweep


def _checked(path: Path, model: type[Section], content: Mapping[str, Any], prefix: str = "") -> Any:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = _missing(path, error, prefix) or [
            f"{path}: {prefix}{'.'.join(problem.key)}: {problem.complaint}"
            for problem in problems(error, model)
        ]
        raise InputError("\n".join(found)) from error


def _missing(path: Path, error: ValidationError, prefix: str) -> list[str]:
    return [
        f"{path}: {prefix}{'.'.join(map(str, detail['loc']))}: is missing; add it"
        for detail in error.errors(include_url=False)
        if detail["type"] == "missing"
    ]


def batch_size(sweep: Sweep) -> int:
    """Return how many parameter sets a job takes.

    Raises:
        InputError: an environment variable that overrides the file is no count.
    """
    for name in BATCH_SIZE_VARIABLES:
        text = os.environ.get(name)
        if text is None:
            continue
        if not text.isascii() or not text.isdecimal() or int(text) < 1:
            raise InputError(f"{name}={text!r}: expected a whole number of at least 1; correct it")
        return int(text)
    return sweep.batch_size


def batch_names(sets: int, size: int) -> list[str]:
    """Return the numbers of all batches as file names have them."""
    count = math.ceil(sets / size)
    digits = max(BATCH_DIGITS, len(str(max(count - 1, 0))))
    return [f"{number:0{digits}}" for number in range(count)]


def science(sweep: Sweep) -> dict[str, Any]:
    """Return the part of a sweep that decides its numbers, as plain values.

    How the work is cut, how much memory it has and what is tolerated change nothing.
    """
    content: dict[str, Any] = plain(sweep)
    decide = ("areas", "outcomes", "seeds", "replicates", "by_state")
    return {name: content[name] for name in decide}
