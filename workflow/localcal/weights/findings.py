"""What a reader of fit.json must not overlook."""

from localcal.weights.culprits import CONTRADICTION
from localcal.weights.diagnostics import (
    FEW_EFFECTIVE,
    MANY_AT_BOUND,
    group_name,
)
from localcal.weights.harmonize import DISTRICTS_TO_NATION, DISTRICTS_TO_STATES, STATES_TO_NATION
from localcal.weights.verdicts import (
    CONTRADICTED,
    MET_MOVED,
    MISSED,
    MISSED_ABOVE,
    NO_SUPPORT,
    SUSPECT,
    THIN,
    UNPUBLISHABLE_BELOW,
    UNREACHABLE,
    ZERO,
)

# How a fit ended that was none.
GIVEN = "given"
# Where a weaker pull would bring the mean error of the fitted targets down by this much, it is told
# what that would cost.
WORTH_TELLING = 0.02
# Areas named in findings; the others are in the table.
NAMED_AREAS = 5


def findings(report: dict) -> list[str]:
    """Return in words what a reader of fit.json must not overlook; empty if there is nothing."""
    lines = []
    if report["stopped_by"] == "max_sweeps":
        lines.append(
            f"ended by the cap on sweeps with an rms gap of {report['rms_gap']:.2g}, above the "
            f"tolerance of {report['settings']['tolerance']:g}"
        )
    asked = report["settings"]["penalty"]
    if asked == "auto" and not report["penalty"]["path"] and report["stopped_by"] != GIVEN:
        lines.append(
            f"too few targets to choose a penalty by, {report['penalty']['value']:g} was taken"
        )
    lines += _price_of_meeting(report["penalty"])
    if report["stopped_by"] == GIVEN:
        lines.append("the weights were given, nothing was fitted")
    if report["stopped_by"] == "line_search":
        lines.append(
            f"ended where no Newton step led on, with an rms gap of {report['rms_gap']:.2g}, above "
            f"the tolerance of {report['settings']['tolerance']:g}; use descent"
        )
    verdicts = report["targets_by_verdict"]
    for verdict in (
        CONTRADICTED, MISSED, MET_MOVED, SUSPECT, UNREACHABLE, NO_SUPPORT, THIN, ZERO,
    ):  # fmt: skip
        if verdicts.get(verdict):
            lines.append(f"{verdicts[verdict]} of {report['n_targets']} targets {verdict}")
    lines += [
        f"{group_name(row)}: largest error {row['max']:.0%} in {row['count']} fitted targets"
        for row in report["errors"]
        if row["role"] == "fitted" and (row["max"] or 0.0) > MISSED_ABOVE
    ]
    lines += [
        f"{group_name(row)}, held out: {row['finding']} (median error {row['median']:.0%}, "
        f"{row['base_median']:.0%} by the base weights)"
        for row in report["errors"]
        if row["finding"] and row["median"] is not None
    ]
    if report["carried_by_few"]:
        lines.append(
            f"{report['carried_by_few']} fitted targets rest on fewer than {FEW_EFFECTIVE:g} "
            "effective households"
        )
    for level, count in report["not_publishable"].items():
        if count:
            lines.append(
                f"{count} {level}s have fewer than {UNPUBLISHABLE_BELOW:g} effective households: "
                "not publishable"
            )
    for bound in ("lower", "upper"):
        share = report["weights"][f"share_at_{bound}_bound"]
        # Given ones know no bounds.
        if share > MANY_AT_BOUND and report["stopped_by"] != GIVEN:
            lines.append(f"{share:.0%} of the weights are at their {bound} bound")
    lines += [
        f"levels contradict each other: {line}"
        for line in report["harmonization"]["contradictions"]
    ]
    lines += [_suspect_line(row) for row in report["harmonization"]["suspects"]]
    return lines + _moved_lines(report["harmonization"]["moved"])


def _price_of_meeting(penalty: dict) -> list[str]:
    """Tell who wants targets met what a chosen penalty leaves undone, and what that would cost."""
    by_value = {step["penalty"]: step for step in penalty["path"]}
    chosen = by_value.get(penalty["value"])
    if chosen is None:
        return []
    closest = min(by_value.values(), key=lambda step: step["error_fitted"])
    if chosen["error_fitted"] - closest["error_fitted"] < WORTH_TELLING:
        return []
    near, chosen_at = closest["penalty"], chosen["penalty"]
    return [
        f"penalty {chosen_at:g} was chosen, for weaker ones bring those left out no closer "
        f"(mean error {chosen['error_held_out']:.1%}; {closest['error_held_out']:.1%} with "
        f"{near:g}). With penalty: {near:g} the mean error of the fitted ones would be about "
        f"{closest['error_fitted']:.1%} instead of {chosen['error_fitted']:.1%}, and the design "
        f"effect {closest['design_effect']:.2f} instead of {chosen['design_effect']:.2f}; set it "
        "if targets are to be met whatever it takes, or exact for some; more households do both"
    ]


def _suspect_line(row: dict) -> str:
    what = f"{row['geo_level']} {row['geographic_id']}, {row['variable']} {row['constraints']}"
    levels = {
        STATES_TO_NATION: "the states do not sum to the nation",
        DISTRICTS_TO_STATES: f"the districts of state {row['of']} do not sum to it",
        DISTRICTS_TO_NATION: "the districts do not sum to the nation",
    }
    done = "left out, the others stay as published" if row["applied"] else "not harmonized, fitted"
    return (
        f"{what}: {row['value']:.6g} alone explains why {levels[row['step']]}; the others leave "
        f"{row['implied_value']:.6g} for it, and compared with them by "
        f"{' and '.join(row['compared_by'])} it would be {row['expected_value']:.6g} ({done}): "
        "correct it"
    )


def _moved_lines(moved: list[dict]) -> list[str]:
    """Name the areas that were moved most; all are in the table of areas."""
    lines = [
        f"{row['level']} {row['area']}: {row['targets']} targets moved by more than "
        f"{CONTRADICTION:.0%} to make the levels agree, at most by {row['most']:+.1%} "
        f"({row['name']})"
        for row in moved[:NAMED_AREAS]
    ]
    if len(moved) > NAMED_AREAS:
        lines.append(
            f"{len(moved) - NAMED_AREAS} further areas moved by more than {CONTRADICTION:.0%}: "
            "see moved in areas.csv"
        )
    return lines
