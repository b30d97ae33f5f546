"""Targets by names that people say, with the place: `Returns with AGI of $1 to $5k, Ohio`."""

import json
import re
from functools import cache

import pandas as pd

from localcal.database.constraints import Constraint
from localcal.report.outlines import place_name
from localcal.report.words import COUNTED, target_in_words, variable_in_words
from localcal.weights import verdicts

REASONS = {
    verdicts.MET: "met",
    verdicts.MET_MOVED: "met as harmonized, but making the levels agree moved it",
    verdicts.MISSED: "the kept records miss it, all of them together met it",
    verdicts.CONTRADICTED: "other targets, the bounds or the penalty stand against it",
    verdicts.MERGED: "too thin by itself: fitted in a sum with others",
    verdicts.HELD_OUT: "not told to the fit",
    verdicts.UNREACHABLE: "left out: no weights within the bounds reach it",
    verdicts.SUSPECT: "left out: its level disagrees with another, and this value explains it",
    verdicts.THIN: "left out: too few columns or households contribute",
    verdicts.NO_SUPPORT: "left out: no column contributes",
    verdicts.ZERO: "left out: nothing has a relative error from zero",
    verdicts.NOT_FITTED: "left out: its level is not among the fitted ones",
}
# Estimates that rest on fewer are a household or two's.
FEW_HOUSEHOLDS = 10.0


@cache
def subject_of(name: str, constraints: str) -> str:
    """Return what a target is about, without its place.

    Args:
        name: its name, whose second part is its variable, or that of a reform.
        constraints: as tables of targets have them.
    """
    conditions = [Constraint(*item) for item in json.loads(constraints)]
    return target_in_words(name.split("/")[1], conditions)


def subjects(targets: pd.DataFrame) -> list[str]:
    """Return what targets are about, without their places."""
    pairs = zip(targets["name"], targets["constraints"], strict=True)
    return [subject_of(name, constraints) for name, constraints in pairs]


def places(targets: pd.DataFrame) -> list[str]:
    """Return where targets are."""
    pairs = zip(targets["geo_level"], targets["geographic_id"], strict=True)
    return [place_name(level, str(code)) for level, code in pairs]


def names(targets: pd.DataFrame) -> dict[str, str]:
    """Return what people say, by the targets' own names."""
    said = zip(subjects(targets), places(targets), strict=True)
    whole = [f"{subject}, {place}" for subject, place in said]
    return dict(zip(targets["name"], whole, strict=True))


def in_words(text: str, known: dict[str, str]) -> str:
    """Return a text in which targets' own names, the longest first, are what people say."""
    found = [name for name in known if name in text]
    for name in sorted(found, key=len, reverse=True):
        text = text.replace(name, known[name])
    return text


_FAMILY = re.compile(r"^(nation|state|district) / (\w+)(?: / ([\w,]+))?")
_PLACE = re.compile(r"^(state|district) (\d+)(?=:)")


def finding_in_words(text: str, known: dict[str, str]) -> str:
    """Return what a fit says is not to be overlooked, with names that people say."""
    text = _FAMILY.sub(
        lambda found: f"{found[1]}: {family_in_words(found[2], found[3] or '')}", text
    )
    text = _PLACE.sub(lambda found: place_name(found[1], found[2]), text)
    return in_words(text, known)


def family_in_words(variable: str, domain: str) -> str:
    """Return a family of targets: `Households by SNAP`, `AGI`."""
    subject = COUNTED.get(variable) or variable_in_words(variable)
    subject = subject[0].upper() + subject[1:]
    domains = [part.strip() for part in domain.split(",") if part.strip() not in ("", variable)]
    return f"{subject} by {' and '.join(map(variable_in_words, domains))}" if domains else subject


def reason(verdict: str, households: float) -> str:
    """Say why a target is off: what became of it, and where it rests on few households."""
    said = REASONS.get(verdict, verdict.replace("_", " "))
    if households < FEW_HOUSEHOLDS:
        said += f"; it rests on {households:.1f} effective households"
    return said
