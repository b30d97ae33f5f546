"""What a run must be to be released, gate by gate.

Every gate says what it found and what its limits are, whether it lets the run pass or not, and a
refusal can be accepted by the gate's name. What cannot be read is no refusal but an error: nobody
can accept what nobody has seen.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localcal.errors import InputError, near, one_line
from localcal.files.documents import read_json
from localcal.files.origins import record
from localcal.files.table import read_table
from localcal.geography.areas import Area
from localcal.release import beside
from localcal.release.structure import look_at, wrong_replicates
from localcal.release.summary import FORMAT, Asked, asked_of, summarize
from localcal.run.expected import jobs, replicated_scopes
from localcal.run.identity import provenance
from localcal.run.provenance import HISTORY_FILE, RUN_FILE, config_of, read_history, read_state
from localcal.run.sections import Gates
from localcal.run.verify import MISSING, WHOLE, verify
from localcal.targets.table import read_targets
from localcal.validation.compare import is_sane
from localcal.validation.totals import rows_of_area

logger = logging.getLogger(__name__)

NAMES = ("complete", "validation", "structure", "errors", "effective", "provenance", "live")
# More than this of what is wrong is only counted.
MOST_TOLD = 3
# What the live release says of itself, in the folder of its run's diagnostics.
SUMMARY = "diagnostics/summary.json"


@dataclass(frozen=True)
class Gate:
    """What one gate says of a run.

    Attributes:
        name: one of NAMES.
        figures: what was found, JSON-ready.
        limits: what it was held against, by the keys of `release.gates`; null is switched off.
        reasons: why the run must not pass; none where it may.
        look: the files to look at.
    """

    name: str
    figures: Mapping[str, Any]
    limits: Mapping[str, Any]
    reasons: Sequence[str]
    look: str

    @property
    def passed(self) -> bool:
        """Say whether the run may pass."""
        return not self.reasons


def check(
    run: str | Path,
    settings: Gates,
    live: Mapping[str, Any] | None,
    override: Sequence[str] = (),
) -> list[Gate]:
    """Hold a run against all gates; only files of the run and its table of areas are read.

    A run that is not complete is held against no other gate, since they read what it lacks, unless
    that is accepted.

    Args:
        run: the run's folder.
        settings: the limits.
        live: the summary of the release that is live, see `summarize`; None if nothing is, {} if
            that release has none.
        override: names of gates whose refusal is accepted.

    Raises:
        InputError: a file is damaged, or the live release's summary is.
    """
    run = Path(run)
    asked = asked_of(run)
    first = _complete(run, asked)
    if not first.passed and first.name not in override:
        return [first]
    summary = summarize(run)
    return [
        first,
        _validation(run, asked.areas),
        _structure(run, asked.areas),
        _errors(run, summary, settings),
        _effective(run, summary, settings),
        _provenance(run),
        _live(run, summary, settings, live),
    ]


def check_tables(run: str | Path, settings: Gates) -> list[Gate]:
    """Hold a run against the gates that read its tables, not its areas' files or what is live.

    Args:
        run: the run's folder; it has at least its record, targets, fits and validation.
        settings: the limits.

    Raises:
        InputError: a file is missing or damaged.
    """
    run = Path(run)
    summary = summarize(run)
    return [
        _validation(run, asked_of(run).areas),
        _errors(run, summary, settings),
        _effective(run, summary, settings),
        _provenance(run),
    ]


def refuse(gates: Sequence[Gate], override: Sequence[str]) -> list[dict[str, Any]]:
    """Refuse a run that a gate refuses, unless that is accepted by its name.

    Args:
        gates: what `check` returned.
        override: names of gates.

    Returns:
        What every gate said, JSON-ready, for the receipt: its fields, `passed`, and `accepted`
        where its refusal was.

    Raises:
        InputError: a gate refuses the run, or a name is none of a gate.
    """
    for name in override:
        if name not in NAMES:
            raise InputError(
                f"release.override: {name!r} is no gate{near(name, NAMES)}; the gates are "
                f"{', '.join(NAMES)}"
            )
    refused = [gate for gate in gates if not gate.passed and gate.name not in override]
    if refused:
        names = sorted({*override, *(gate.name for gate in refused)}, key=NAMES.index)
        said = "; ".join(
            f"gate {gate.name}: {_list(gate.reasons)} (see {gate.look})" for gate in refused
        )
        raise InputError(
            f"not released: {said}; mend it, or accept it by name with --config "
            f"'release={{override: [{', '.join(names)}]}}'"
        )
    unchecked = [name for name in NAMES if name not in {gate.name for gate in gates}]
    if unchecked:
        raise InputError(
            f"not released: gate complete: {_list(gates[0].reasons)} (see {gates[0].look}); it "
            f"cannot be accepted before {', '.join(unchecked)} were checked, which read what is "
            "missing"
        )
    for gate in gates:
        if gate.name in override and gate.passed:
            logger.warning("release.override: gate %s passed; take it from the list", gate.name)
        elif gate.name in override:
            logger.warning("accepted by name: gate %s: %s", gate.name, _list(gate.reasons))
    return [
        asdict(gate)
        | {"passed": gate.passed, "accepted": not gate.passed and gate.name in override}
        for gate in gates
    ]


def _list(items: Sequence[str]) -> str:
    more = len(items) - MOST_TOLD
    return ", ".join([*items[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])])


def _complete(run: Path, asked: Asked) -> Gate:
    """Is every file there that the run is to have, and is each what was made?"""
    wanted = [file for job in jobs(*asked) for file in job.files]
    found = dict(verify(run))
    verdicts = {name: found.get(name, MISSING) for name in wanted}
    wrong = [f"{name} is {verdict}" for name, verdict in verdicts.items() if verdict != WHOLE]
    return Gate(
        "complete",
        {"wanted": len(wanted), **dict(sorted(Counter(verdicts.values()).items()))},
        {},
        wrong,
        f"`localcal verify {run}`",
    )


def _validation(run: Path, areas: Sequence[Area]) -> Gate:
    """Was every area validated against each of its targets, with totals that there can be?"""
    summary = read_json(run / "validation" / "summary.json", ("areas", "rows", "insane", "digests"))
    targets = read_targets(run / "targets" / "targets.parquet")
    expected, rows, reasons, beyond = 0, 0, [], []
    for area in areas:
        name = f"{area.folder}/{area.area}"
        path = run / "validation" / f"{name}.csv"
        wanted = rows_of_area(area, targets)
        table = read_table(path, ("target_id", "name", "variable", "simulated"), _NAMES)
        expected, rows = expected + wanted.size, rows + len(table)
        if sorted(table["target_id"]) != sorted(targets["target_id"].iloc[wanted]):
            reasons.append(f"{name} has {len(table)} rows for {wanted.size} targets")
        if record({name: path})[name] != summary["digests"].get(name):
            reasons.append(f"{name} is not the table that was summed up")
        sane = is_sane(area.level, table["variable"].to_numpy(), table["simulated"].to_numpy())
        beyond += [
            f"{name}: {target} comes to {total:.4g}, beyond what there can be"
            for target, total in table.loc[~sane, ["name", "simulated"]].itertuples(index=False)
        ]
    if (summary["areas"], summary["rows"]) != (len(areas), expected):
        reasons.append(
            f"{summary['rows']} rows of {summary['areas']} areas were summed up, not {expected} of "
            f"{len(areas)}"
        )
    figures = {
        "areas": len(areas),
        "areas_summed_up": summary["areas"],
        "rows_expected": expected,
        "rows": rows,
        "rows_summed_up": summary["rows"],
        "beyond_ceilings": len(beyond),
    }
    return Gate("validation", figures, {}, [*reasons, *beyond], f"{run}/validation/")


_NAMES = ("name", "variable")


def _structure(run: Path, areas: Sequence[Area]) -> Gate:
    """Can every file of an area be used: ids, links, sizes, weights and values?"""
    replicated = replicated_scopes(config_of(read_state(run)))
    counts: Counter[str] = Counter()
    reasons = []
    for area in areas:
        path = run / "areas" / area.folder / f"{area.area}.h5"
        found = look_at(path, area)
        counts.update(found.sizes)
        wrong = list(found.wrong)
        if area.scope in replicated:
            counts["replicate_files"] += 1
            beside_it = path.with_name(f"{area.area}_replicates.h5")
            wrong += [f"replicates: {complaint}" for complaint in wrong_replicates(beside_it, path)]
        reasons += [f"{area.folder}/{area.area}: {complaint}" for complaint in wrong]
    figures = {"files": len(areas), **counts, "wrong": len(reasons)}
    return Gate("structure", figures, {}, reasons, f"{run}/areas/")


def _limits(settings: Gates, *names: str) -> dict[str, float | None]:
    return {name: getattr(settings, name) for name in names}


def _above(what: str, found: float | None, limit: float | None) -> Iterator[str]:
    """Yield a reason if something is larger than it may be, or no number at all."""
    if limit is not None and found is not None and not found <= limit:
        yield f"{what} is {found:.4g}, more than {limit:g}"


def _below(what: str, found: float | None, limit: float | None) -> Iterator[str]:
    if limit is not None and found is not None and not found >= limit:
        yield f"{what} is {found:.4g}, less than {limit:g}"


def _errors(run: Path, summary: Mapping[str, Any], settings: Gates) -> Gate:
    """Are the targets met, in each fit and at each level by itself?"""
    reasons: list[str] = []
    figures: dict[str, Any] = {}
    for scope, fit in summary["fits"].items():
        figures[scope] = fit["levels"]
        for level, found in fit["levels"].items():
            where = f"of {level} targets in the {scope} fit"
            reasons += _above(f"median error {where}", found.get("median"), settings.median_error)
            reasons += _above(
                f"largest error {where} ({found.get('largest_of')})",
                found.get("largest"),
                settings.largest_error,
            )
            reasons += _below(f"share met {where}", found.get("share_met"), settings.share_met)
            reasons += _above(
                f"median error of held-out targets {where}",
                found.get("median_held_out"),
                settings.held_out_error,
            )
        if not any(found["fitted"] for found in fit["levels"].values()):
            reasons.append(f"the {scope} fit fitted no target")
    for level, found in summary["validated"].items():
        what = f"median error of {level} files in the model"
        reasons += _above(what, found["median"], settings.median_error)
    figures["validated"] = summary["validated"]
    limits = _limits(settings, "median_error", "largest_error", "share_met", "held_out_error")
    look = f"{run}/weights/*/diagnostics.csv and {run}/report/index.html"
    return Gate("errors", figures, limits, reasons, look)


def _effective(run: Path, summary: Mapping[str, Any], settings: Gates) -> Gate:
    """Do the estimates rest on enough households?"""
    reasons: list[str] = []
    for scope, fit in summary["fits"].items():
        weights = fit["weights"]
        what = f"of the {scope} weights"
        reasons += _above(f"design effect {what}", weights["design_effect"], settings.design_effect)
        reasons += _below(
            f"effective number of households {what}",
            weights["effective_households"],
            settings.effective_households,
        )
        for level, share in weights["unpublishable"].items():
            what = f"share of {level}s with fewer than 10 effective households in the {scope} fit"
            reasons += _above(what, share, settings.unpublishable)
    return Gate(
        "effective",
        {scope: fit["weights"] for scope, fit in summary["fits"].items()},
        _limits(settings, "design_effect", "effective_households", "unpublishable"),
        reasons,
        f"{run}/weights/*/fit.json and {run}/weights/*/areas.csv",
    )


def _provenance(run: Path) -> Gate:
    """Was the run built with the code of one commit?"""
    found = provenance(run)
    changed = [change["what"] for entry in read_history(run) for change in entry["changes"]]
    code = sorted({what.removeprefix("code.") for what in changed if what.startswith("code.")})
    reasons = []
    if None in found.commits:
        reasons.append("it was built with code of no commit")
    if len(found.commits) > 1:
        commits = " and ".join((commit or "none")[:12] for commit in found.commits)
        reasons.append(f"it was built with the code of {len(found.commits)} commits ({commits})")
    if not found.clean and found.commits != [None]:
        reasons.append("the checkout had changes that no commit has")
    if code:
        reasons.append(f"code changed while it was built ({_list(code)})")
    figures = {
        "commits": found.commits,
        "clean": found.clean,
        "code_changed": code,
        "amended": sorted({what for what in changed if what.startswith(("config.", "inputs."))}),
    }
    return Gate("provenance", figures, {}, reasons, f"{run}/{RUN_FILE} and {run}/{HISTORY_FILE}")


def _live(
    run: Path, summary: Mapping[str, Any], settings: Gates, live: Mapping[str, Any] | None
) -> Gate:
    """Is the run no worse than what it replaces, and no surprise?"""
    limits = _limits(settings, "live_total_moved", "live_error_ratio", "live_fewer_targets")
    look = f"runs/RUN/{SUMMARY} of the live release in the repository, and {run}/report/index.html"
    if live is None:
        return Gate("live", {"live": None}, limits, [], look)
    if not live:
        reasons = [f"the live release has no {SUMMARY} to be compared with"]
        return Gate("live", {"live": {}}, limits, reasons, look)
    if live.get("format") != FORMAT:
        raise InputError(
            f"{SUMMARY} of the live release: has the format {live.get('format')!r}, but this "
            f"localcal compares format {FORMAT}; use the localcal that the live release was made "
            "with, or a newer one"
        )
    try:
        moved = list(beside.moved(summary["totals"], live["totals"], settings.live_total_moved))
        worse = list(beside.worse(summary["fits"], live["fits"], settings.live_error_ratio))
        fewer = list(beside.fewer(summary["fits"], live["fits"], settings.live_fewer_targets))
        gone = sorted(set(live["areas"]) - set(summary["areas"]))
        of = {"live": live["run_id"], "live_period": live["period"], "period": summary["period"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{SUMMARY} of the live release: damaged ({type(error).__name__}: {one_line(error)}); "
            "restore it"
        ) from error
    missing = [f"{len(gone)} areas of the live release are missing ({_list(gone)})"] if gone else []
    figures = {"areas_gone": gone, "fewer_targets": fewer, "errors_worse": worse}
    figures |= {"totals_moved": moved}
    return Gate("live", of | figures, limits, [*missing, *fewer, *worse, *moved], look)
