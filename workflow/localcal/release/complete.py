"""Has a run everything that its release is made of? Asked before Snakemake, which would make it."""

from pathlib import Path

from localcal.errors import InputError, near
from localcal.release.names import names
from localcal.release.summary import asked_of
from localcal.run.expected import l0_scopes, replicated_scopes
from localcal.run.provenance import RUN_FILE


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
    config, _, areas = asked_of(run)
    return names(areas, replicated_scopes(config), l0_scopes(config))
