"""What the CMS publishes: people enrolled in Medicaid, by month and state."""

from collections.abc import Iterator
from pathlib import Path

from localcal.database.agencies.figures import Published
from localcal.database.agencies.raw import REMEDY, Row, read_csv_rows, refuse_other_states
from localcal.errors import InputError

SOURCE = "CMS Medicaid enrollment"
ENROLLED = "Total Medicaid Enrollment"
COLUMNS = ("State Abbreviation", "Reporting Period", "Final Report", ENROLLED)


def medicaid_figures(path: Path, period: int, states: dict[str, str]) -> Iterator[Published]:
    """Yield the people enrolled in every state in December, or its last month with a figure.

    Args:
        path: the table of all months.
        period: the year.
        states: code of every state by its two letters.
    """
    months: dict[str, dict[str, Row]] = {}
    december = f"{period}12"
    for row in read_csv_rows(SOURCE, path, COLUMNS):
        state, month, final, _ = (row.cells[column] for column in COLUMNS)
        if final != "Y" or state not in states or not f"{period}01" <= month <= december:
            continue
        of_state = months.setdefault(states[state], {})
        if month in of_state:
            raise InputError(f"{row.place}: {state} has {month} twice; {REMEDY}")
        of_state[month] = row
    refuse_other_states(SOURCE, path, [int(code) for code in months])
    if not any(december in of_state for of_state in months.values()):
        raise InputError(f"{SOURCE}: {path}: column Reporting Period has no {december}; {REMEDY}")
    for code in sorted(months, key=int):
        # States that have not reported are listed with 0, or with nothing.
        reported = [month for month in months[code] if _enrolled(months[code][month]) > 0]
        if not reported:
            raise InputError(
                f"{SOURCE}: {path}: state {code} has no month of {period} with {ENROLLED}; {REMEDY}"
            )
        month = max(reported)
        yield Published(
            "state",
            code,
            "person_count",
            period,
            "medicaid_enrolled==True",
            _enrolled(months[code][month]),
            SOURCE,
            notes="" if month == december else f"of {month}, the last month with a figure",
        )


def _enrolled(row: Row) -> float:
    return row.number(ENROLLED) if row.cells[ENROLLED] else 0.0
