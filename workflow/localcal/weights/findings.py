"""What a reader of fit.json must not overlook."""

from localcal.weights.diagnostics import (
    FEW_EFFECTIVE,
    MANY_AT_BOUND,
    group_name,
)
from localcal.weights.verdicts import (
    CONTRADICTED,
    MISSED,
    MISSED_ABOVE,
    NO_SUPPORT,
    THIN,
    UNPUBLISHABLE_BELOW,
    UNREACHABLE,
    ZERO,
)

# How a fit ended that was none.
GIVEN = "given"


def findings(report: dict) -> list[str]:
    """Return in words what a reader of fit.json must not overlook; empty if there is nothing."""
    lines = []
    if report["stopped_by"] == "max_sweeps":
        lines.append(
            f"ended by the cap on sweeps with an rms gap of {report['rms_gap']:.2g}, above the "
            f"tolerance of {report['settings']['tolerance']:g}"
        )
    if report["stopped_by"] == GIVEN:
        lines.append("the weights were given, nothing was fitted")
    if report["stopped_by"] == "line_search":
        lines.append(
            f"ended where no Newton step led on, with an rms gap of {report['rms_gap']:.2g}, above "
            f"the tolerance of {report['settings']['tolerance']:g}; use descent"
        )
    verdicts = report["targets_by_verdict"]
    for verdict in (CONTRADICTED, MISSED, UNREACHABLE, NO_SUPPORT, THIN, ZERO):
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
            "effective columns"
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
    return lines
