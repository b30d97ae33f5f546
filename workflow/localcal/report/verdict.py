"""May a run be published: the answer in words, and five figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from localcal.release.gates import NAMES, Gate, check_tables
from localcal.report.elements import items, percent, section, table, tile
from localcal.report.fits import Fit
from localcal.report.named import in_words
from localcal.report.words import NO_BREAK
from localcal.run.sections import Gates
from localcal.weights.verdicts import MET, MET_MOVED, UNPUBLISHABLE_BELOW

QUESTIONS = {
    "complete": "Is every file there, and what was made?",
    "validation": "Was every area's file held against its targets, with totals that there can be?",
    "structure": "Can every area's file be used?",
    "errors": "Are the targets met, in each fit and at each level?",
    "effective": "Do the estimates rest on enough households?",
    "provenance": "Was it built with the code of one commit?",
    "live": "Is it no worse than what is published now?",
}
LATER = "asked when the run is staged"
# More than this of what is wrong is only counted.
MOST_TOLD = 8


def check_run(run: Path | None, limits: Mapping[str, float | None]) -> list[Gate]:
    """Hold a run against the gates of a release that can be asked now; none without its record."""
    return [] if run is None else check_tables(run, Gates(**limits))


def answer(fits: Sequence[Fit], gates: Sequence[Gate], known: dict[str, str]) -> str:
    """Return the first screen.

    Args:
        fits: one per scope, the local one first.
        gates: what was asked.
        known: the targets' names in words.
    """
    refusing = [gate for gate in gates if not gate.passed]
    if not gates:
        said = "Not known: the run's own record is not at hand."
    elif refusing:
        said = f"Not as it is: {len(refusing)} of {len(gates)} checks refuse it."
    else:
        said = f"Yes, as far as can be told now: all {len(gates)} checks pass."
    kind = "unknown" if not gates else "no" if refusing else "yes"
    reasons = [in_words(reason, known) for gate in refusing for reason in gate.reasons]
    told = [_sentence(reason) for reason in reasons[:MOST_TOLD]]
    more = [f"And {len(reasons) - MOST_TOLD} more, below."] * (len(reasons) > MOST_TOLD)
    figures = "".join(tile(*one) for one in five_figures(fits[0]))
    return section(
        "answer",
        "May this be published?",
        f'<p class="answer {kind}">{said}</p>',
        items([*told, *more]),
        f'<dl class="tiles">{figures}</dl>',
    )


def checks(gates: Sequence[Gate], known: dict[str, str]) -> str:
    """Return the table of all checks of a release, also of those that come later."""
    if not gates:
        return ""
    asked = {gate.name: gate for gate in gates}
    rows = []
    for name in NAMES:
        gate = asked.get(name)
        verdict = LATER if gate is None else "passes" if gate.passed else "refuses"
        reasons = [] if gate is None else [in_words(text, known) for text in gate.reasons]
        more = [f"and {len(reasons) - MOST_TOLD} more"] * (len(reasons) > MOST_TOLD)
        told = "; ".join([*reasons[:MOST_TOLD], *more])
        rows.append([QUESTIONS[name], name, verdict, told])
    return table("Checks of a release", ["Question", "Gate", "Answer", "Why"], rows)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def five_figures(fit: Fit) -> list[tuple[str, str, str]]:
    """Return the figures of a fit that say most: value, what it is, what to compare it with."""
    report, quality = fit.report, fit.report["weights"]
    verdicts = report["targets_by_verdict"]
    met = sum(verdicts.get(name, 0) for name in (MET, MET_MOVED))
    found = report["accuracy"]
    fitted, held_out = found["fitted"], found["held_out"]
    total = fitted["count"] if fitted else 0
    figures = [
        (
            _share_of(met, total),
            "of the targets are met",
            f"{met:,} of {total:,} that were fitted, of {report['n_targets']:,} in all",
        ),
        _median("half of the fitted targets are within", fitted, found["start"]["fitted"]),
        _median("half of those held out are within", held_out, found["start"]["held_out"]),
        (
            f"{quality['effective_size_households']:,.0f}",
            "effective households",
            f"{quality['records']:,} weights, design effect {quality['design_effect']:.2f}",
        ),
    ]
    levels = fit.areas[fit.areas["level"].isin(["state", "district"])]
    enough = int((levels["effective_households"] >= UNPUBLISHABLE_BELOW).sum())
    figures.append(
        (
            f"{enough:,} of {len(levels):,}",
            "states and districts rest on enough households",
            "ten effective ones or more, so that they may be published",
        )
    )
    return figures


def _share_of(part: int, whole: int) -> str:
    """Return a share that is not all, or nothing, before it is."""
    if not whole:
        return "none"
    share = part / whole
    return (
        percent(share) if part == whole else f"{min(share, 0.999):.1%}".replace("%", NO_BREAK + "%")
    )


def _median(label: str, after: Mapping | None, before: Mapping | None) -> tuple[str, str, str]:
    if not after:
        return "none", label, "no target of that kind"
    start = f"before the fit {percent(before['median'])}; " if before else ""
    return percent(after["median"]), label, f"{start}9 of 10 within {percent(after['p90'])}"
