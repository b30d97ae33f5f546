"""Has a run everything that its release is made of? Asked before Snakemake, which would make it."""

from pathlib import Path

from localcal.errors import InputError, near
from localcal.geography.areas import read_areas
from localcal.release.names import SCOPES, names
from localcal.run.configuration import wanted_areas
from localcal.run.provenance import RUN_FILE, read_record


def refuse_unknown(run: Path) -> None:
    """Refuse what is no run.

    Raises:
        InputError: it has no record.
    """
    if not (run / RUN_FILE).is_file():
        known = sorted(path.parent.name for path in run.parent.glob(f"*/{RUN_FILE}"))
        raise InputError(
            f"{run}: no such run{near(run.name, known)}; there are {', '.join(known) or 'none'}"
        )


def refuse_incomplete(run: Path) -> None:
    """Refuse a run that is not finished.

    Raises:
        InputError: a file of its release is missing, or its record is damaged.
    """
    wanted = wanted_names(run)
    missing = [name for name in wanted if not (run / name).is_file()]
    if missing:
        raise InputError(
            f"{run}: is not complete, it lacks {missing[0]} ({len(missing)} of {len(wanted)} "
            f"files); make it first, with `localcal run --resume {run.name}` and its options"
        )


def wanted_names(run: Path) -> list[str]:
    """Return the files that a run's release is made of, by what its record says it is.

    Raises:
        InputError: the record is damaged, or its table of areas is gone.
    """
    record = read_record(run)
    config, source = record["config"], str(run / RUN_FILE)
    table = read_areas(record["inputs"]["areas.path"]["path"])
    fits = {scope: config["weights"][scope] for scope in SCOPES}
    return names(
        wanted_areas(config["areas"], table, [(source, config)]),
        [scope for scope, fit in fits.items() if fit["replicates"]],
        [scope for scope, fit in fits.items() if fit["method"] == "l0"],
    )
