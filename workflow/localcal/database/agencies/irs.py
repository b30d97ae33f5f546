"""What the IRS publishes: individual income tax returns by state and size of income."""

import math
from collections.abc import Iterator
from pathlib import Path

from localcal.database.agencies.figures import Published
from localcal.database.agencies.raw import REMEDY, Row, read_csv_rows, refuse_other_states
from localcal.errors import InputError

SOURCE = "IRS SOI"
FILERS = "tax_unit_is_filer==1"
ITEMIZED = "tax_unit_itemizes==1"
THOUSAND = 1000.0

# The SOI's number of an item: the model's variable, and who is meant besides those who have it.
ITEMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "00200": ("irs_employment_income", ()),
    "00300": ("taxable_interest_income", ()),
    "00400": ("tax_exempt_interest_income", ()),
    "00600": ("dividend_income", ()),
    "00650": ("qualified_dividend_income", ()),
    "00900": ("self_employment_income", ()),
    "01000": ("net_capital_gains", ()),
    "01400": ("taxable_ira_distributions", ()),
    "01700": ("taxable_pension_income", ()),
    "02300": ("taxable_unemployment_compensation", ()),
    "02500": ("taxable_social_security", ()),
    "04475": ("qualified_business_income_deduction", ()),
    "05800": ("income_tax_before_credits", ()),
    "06500": ("income_tax", ()),
    "07225": ("non_refundable_ctc", ()),
    "11070": ("refundable_ctc", ()),
    "17000": ("medical_expense_deduction", (ITEMIZED,)),
    "18460": ("salt_deduction", (ITEMIZED,)),
    "18500": ("real_estate_taxes", (ITEMIZED,)),
    "25870": ("rental_income", ()),
    "26270": ("tax_unit_partnership_s_corp_income", ()),
    "59661": ("eitc", ("eitc_child_count==0",)),
    "59662": ("eitc", ("eitc_child_count==1",)),
    "59663": ("eitc", ("eitc_child_count==2",)),
    "59664": ("eitc", ("eitc_child_count>2",)),
    "85770": ("aca_ptc", ()),
}
# Adjusted gross income from here up to the next, by the number of the stub.
BOUNDS = (-math.inf, 1, 10e3, 25e3, 50e3, 75e3, 100e3, 200e3, 500e3, 1e6, math.inf)
ALL_INCOMES = "0"
COLUMNS = ("STATE", "AGI_STUB", "N1", "N2", "A00100", "A59660") + tuple(
    f"{letter}{item}" for item in ITEMS for letter in "NA"
)
# Returns of people who are dependents on somebody else's are among those with small incomes. In
# 2022 those of 1 to 10,000 dollars have 16,570,990 primary taxpayers and 1,527,170 spouses, but
# only 16,745,140 individuals with all dependents: the file counts as individuals no taxpayers who
# are themselves dependents.
DEPENDENTS = (1, 25e3)
DEPENDENTS_NOTE = "dependents' own returns are among them, which tax units do not have"
CREDITS = ("A59661", "A59662", "A59663", "A59664")


def state_figures(path: Path, period: int, states: dict[str, str]) -> Iterator[Published]:
    """Yield returns, people and incomes of every state, in all and by size of income.

    Args:
        path: the table of states, such as `22in55cmcsv.csv`.
        period: the tax year.
        states: code of every state by its two letters.
    """
    stubs = [str(stub) for stub in range(len(BOUNDS))]
    found: dict[tuple[str, str], Row] = {}
    for row in read_csv_rows(SOURCE, path, COLUMNS):
        state, stub = row.cells["STATE"], row.cells["AGI_STUB"]
        # The nation, Puerto Rico and other areas.
        if state not in states:
            continue
        if stub not in stubs or (states[state], stub) in found:
            raise InputError(
                f"{row.place}: column AGI_STUB is {stub!r}, expected 0 to {stubs[-1]}, once for "
                f"{state}; {REMEDY}"
            )
        found[states[state], stub] = row
    refuse_other_states(SOURCE, path, [int(code) for code, stub in found if stub == ALL_INCOMES])
    for code in sorted({code for code, _ in found}, key=int):
        for stub in stubs:
            if (code, stub) not in found:
                raise InputError(f"{SOURCE}: {path}: state {code} lacks AGI_STUB {stub}; {REMEDY}")
        yield from _all_incomes(code, period, found[code, ALL_INCOMES])
        for number in range(1, len(BOUNDS)):
            yield from _one_size(code, period, number, found[code, str(number)])


def _all_incomes(code: str, period: int, row: Row) -> Iterator[Published]:
    _refuse_other_unit(row)
    income = row.number("A00100") * THOUSAND
    yield Published("state", code, "adjusted_gross_income", period, FILERS, income, SOURCE)
    for item, (variable, who) in ITEMS.items():
        # A rule, so that the two rows of an item are of one stratum.
        constraints = ";".join((FILERS, *who, f"{variable}>0"))
        returns, amount = row.number(f"N{item}"), row.number(f"A{item}") * THOUSAND
        yield Published("state", code, "tax_unit_count", period, constraints, returns, SOURCE)
        yield Published("state", code, variable, period, constraints, amount, SOURCE)


def _one_size(code: str, period: int, stub: int, row: Row) -> Iterator[Published]:
    low, high = BOUNDS[stub - 1 : stub + 1]
    size = [FILERS]
    if low > -math.inf:
        size.append(f"adjusted_gross_income>={low:.0f}")
    if high < math.inf:
        size.append(f"adjusted_gross_income<{high:.0f}")
    of_dependents = DEPENDENTS[0] <= low and high <= DEPENDENTS[1]
    for variable, column, unit in (
        ("tax_unit_count", "N1", 1.0),
        ("person_count", "N2", 1.0),
        ("adjusted_gross_income", "A00100", THOUSAND),
    ):
        value = row.number(column) * unit
        figure = Published("state", code, variable, period, ";".join(size), value, SOURCE)
        if of_dependents and variable != "person_count":
            figure = figure._replace(active=0, notes=DEPENDENTS_NOTE)
        yield figure


def _refuse_other_unit(row: Row) -> None:
    """Refuse earned income credits by children that are not in the unit of their sum.

    Some years' files have the last of them in dollars, where all others are in thousands.
    """
    parts, whole = sum(map(row.number, CREDITS)), row.number("A59660")
    if abs(parts - whole) > 0.01 * whole + len(CREDITS):
        raise InputError(
            f"{row.place}: columns {', '.join(CREDITS)} come to {parts:.0f}, expected A59660, "
            f"{whole:.0f}; one of them is not in thousands of dollars, or suppressed; {REMEDY}"
        )
