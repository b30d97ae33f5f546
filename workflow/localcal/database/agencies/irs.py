"""What the IRS publishes: individual income tax returns by area and size of income."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from localcal.database.agencies.crosswalk import move, read_crosswalk, refuse_other_districts
from localcal.database.agencies.figures import Published
from localcal.database.agencies.raw import REMEDY, Row, read_csv_rows, refuse_other_states
from localcal.errors import InputError
from localcal.geography.codes import STATES, at_large_code

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
# Districts have the two highest in one.
DISTRICT_BOUNDS = (*BOUNDS[:-2], math.inf)
ALL_INCOMES = 0
INCOME = "A00100"
# What is published by size of income: a variable, the column, and its unit.
BY_SIZE = (
    ("tax_unit_count", "N1", 1.0),
    ("person_count", "N2", 1.0),
    ("adjusted_gross_income", INCOME, THOUSAND),
)
SIZE_COLUMNS = tuple(column for _, column, _ in BY_SIZE)
CREDITS, CREDIT = ("A59661", "A59662", "A59663", "A59664"), "A59660"
ITEM_COLUMNS = (INCOME, CREDIT, *(f"{letter}{item}" for item in ITEMS for letter in "NA"))
COLUMNS = ("STATE", "AGI_STUB", *dict.fromkeys(SIZE_COLUMNS + ITEM_COLUMNS))
DISTRICT_COLUMNS = ("STATEFIPS", "CONG_DISTRICT", *COLUMNS[1:])
# Rows of the table of states that are of no state, though they are in its sum.
NATION, ELSEWHERE = "US", ("OA", "PR")
# Returns of people who are dependents on somebody else's are among those with small incomes. In
# 2022 those of 1 to 10,000 dollars have 16,570,990 primary taxpayers and 1,527,170 spouses, but
# only 16,745,140 individuals with all dependents: the file counts as individuals no taxpayers who
# are themselves dependents.
DEPENDENTS = (1, 25e3)
DEPENDENTS_NOTE = "dependents' own returns are among them, which tax units do not have"

# The numbers of one area by column, by the number of the stub.
Stubs = dict[int, dict[str, float]]


def state_figures(path: Path, period: int, states: dict[str, str]) -> Iterator[Published]:
    """Yield returns, people and incomes of every state, in all and by size of income.

    Args:
        path: the table of states, such as `22in55cmcsv.csv`.
        period: the tax year.
        states: code of every state by its two letters.
    """
    found = _stubs_of(path, states)
    refuse_other_states(SOURCE, path, [int(states[state]) for state in found])
    for state in sorted(found, key=lambda state: int(states[state])):
        yield from _figures("state", states[state], period, found[state], BOUNDS)


def nation_figures(path: Path, period: int) -> Iterator[Published]:
    """Yield the same of the nation: all returns but those from Puerto Rico and from abroad.

    Args:
        path: the table of states, such as `22in55cmcsv.csv`.
        period: the tax year.
    """
    found = _stubs_of(path, (NATION, *ELSEWHERE))
    for area in (NATION, *ELSEWHERE):
        if area not in found:
            raise InputError(f"{SOURCE}: {path}: column STATE has no {area}; {REMEDY}")
    stubs = {
        stub: {
            column: number - sum(found[area][stub][column] for area in ELSEWHERE)
            for column, number in numbers.items()
        }
        for stub, numbers in found[NATION].items()
    }
    for figure in _figures("nation", NATION, period, stubs, BOUNDS):
        notes = filter(None, ["without Puerto Rico and addresses abroad", figure.notes])
        yield figure._replace(notes="; ".join(notes))


def district_figures(
    path: Path, crosswalk: Path, period: int, districts: Collection[str]
) -> Iterator[Published]:
    """Yield the same of every district of the 119th Congress.

    Args:
        path: the table of the 117th Congress's districts, such as `22incd.csv`.
        crosswalk: the table that says how many people of an old district are in which new ones.
        period: the tax year.
        districts: codes of the new districts.
    """
    shares = read_crosswalk(crosswalk, districts)
    found = _districts(path, shares)
    stubs = range(len(DISTRICT_BOUNDS))
    moved = {stub: move(shares, {old: found[old][stub] for old in shares}) for stub in stubs}
    for new in sorted(map(int, districts)):
        of_district = {stub: moved[stub][new] for stub in stubs}
        yield from _figures("district", str(new), period, of_district, DISTRICT_BOUNDS)


def _stubs_of(path: Path, areas: Collection[str]) -> dict[str, Stubs]:
    """Return the numbers of those of some areas that the table of states has."""
    rows: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in read_csv_rows(SOURCE, path, COLUMNS):
        if row.cells["STATE"] in areas:
            _add(rows[row.cells["STATE"]], row, row.cells["STATE"], BOUNDS)
    return {
        area: _numbers(path, area, of_area, range(len(BOUNDS))) for area, of_area in rows.items()
    }


def _districts(path: Path, expected: Collection[int]) -> dict[int, Stubs]:
    """Return the numbers of every old district, in all and by stub."""
    rows: dict[int, dict[int, Row]] = defaultdict(dict)
    for row in read_csv_rows(SOURCE, path, DISTRICT_COLUMNS, upper=True):
        # Besides the nation and territories.
        if (state := row.whole("STATEFIPS")) in STATES:
            code = 100 * state + row.whole("CONG_DISTRICT")
            _add(rows[code], row, f"district {code}", DISTRICT_BOUNDS)
    numbered = {code // 100 for code in rows if code % 100}
    # Number 0 is the state's only district, or the sum of others.
    found = {
        at_large_code(code): rows[code]
        for code in rows
        if code % 100 or code // 100 not in numbered
    }
    place = f"{SOURCE}: {path}: column CONG_DISTRICT"
    refuse_other_districts(place, set(map(str, found)), set(map(str, expected)), "the crosswalk")
    stubs = range(len(DISTRICT_BOUNDS))
    # Some years have no rows of all incomes.
    if not any(ALL_INCOMES in of_district for of_district in found.values()):
        stubs = stubs[1:]
    return {code: _numbers(path, f"district {code}", found[code], stubs) for code in sorted(found)}


def _add(rows: dict[int, Row], row: Row, area: str, bounds: Sequence[float]) -> None:
    stub = row.whole("AGI_STUB")
    if stub >= len(bounds) or stub in rows:
        raise InputError(
            f"{row.place}: column AGI_STUB is {stub}, expected 0 to {len(bounds) - 1}, once for "
            f"{area}; {REMEDY}"
        )
    rows[stub] = row


def _numbers(path: Path, area: str, rows: dict[int, Row], stubs: Sequence[int]) -> Stubs:
    """Return what is needed of an area's rows; all incomes are the sum of the others if need be."""
    for stub in stubs:
        if stub not in rows:
            raise InputError(f"{SOURCE}: {path}: {area} lacks AGI_STUB {stub}; {REMEDY}")
    found = {
        stub: {column: rows[stub].number(column) for column in SIZE_COLUMNS}
        for stub in rows
        if stub != ALL_INCOMES
    }
    wholes = [rows[ALL_INCOMES]] if ALL_INCOMES in rows else [rows[stub] for stub in stubs]
    items = {column: sum(row.number(column) for row in wholes) for column in ITEM_COLUMNS}
    place = f"{SOURCE}: {path}: {area}" if len(wholes) > 1 else wholes[0].place
    return {ALL_INCOMES: _in_thousands(place, items), **found}


def _figures(
    level: str, code: str, period: int, stubs: Stubs, bounds: Sequence[float]
) -> Iterator[Published]:
    numbers = stubs[ALL_INCOMES]
    income = numbers[INCOME] * THOUSAND
    yield Published(level, code, "adjusted_gross_income", period, FILERS, income, SOURCE)
    for item, (variable, who) in ITEMS.items():
        # A rule, so that the two rows of an item are of one stratum.
        constraints = ";".join((FILERS, *who, f"{variable}>0"))
        returns, amount = numbers[f"N{item}"], numbers[f"A{item}"] * THOUSAND
        yield Published(level, code, "tax_unit_count", period, constraints, returns, SOURCE)
        yield Published(level, code, variable, period, constraints, amount, SOURCE)
    for stub, (low, high) in enumerate(pairwise(bounds), 1):
        size = [FILERS]
        if low > -math.inf:
            size.append(f"adjusted_gross_income>={low:.0f}")
        if high < math.inf:
            size.append(f"adjusted_gross_income<{high:.0f}")
        of_dependents = DEPENDENTS[0] <= low and high <= DEPENDENTS[1]
        for variable, column, unit in BY_SIZE:
            value = stubs[stub][column] * unit
            figure = Published(level, code, variable, period, ";".join(size), value, SOURCE)
            # Individuals leave them out.
            if of_dependents and variable != "person_count":
                figure = figure._replace(active=0, notes=DEPENDENTS_NOTE)
            yield figure


def _in_thousands(place: str, items: dict[str, float]) -> dict[str, float]:
    """Return an area's amounts with all earned income credits in the unit of their sum.

    Some years' files have the last of them, of three children or more, in dollars, where all other
    amounts are in thousands.
    """
    *others, last = (items[column] for column in CREDITS)
    for amount in (last, last / THOUSAND):
        if abs(sum(others) + amount - items[CREDIT]) <= 0.01 * items[CREDIT] + len(CREDITS):
            return items | {CREDITS[-1]: amount}
    raise InputError(
        f"{place}: columns {', '.join(CREDITS)} come to {sum(others) + last:.0f}, expected "
        f"{CREDIT}, {items[CREDIT]:.0f}; one of them is not in thousands of dollars, or "
        f"suppressed; {REMEDY}"
    )
