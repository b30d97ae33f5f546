"""The tables in config/agencies: what they say, and that they fit to the agencies' sources."""

import csv
import os
from collections import defaultdict
from pathlib import Path

import pytest

from localcal.database.agencies.irs import FILERS
from localcal.database.demo import COLUMNS, OPTIONAL_COLUMNS, write_demo_database
from localcal.database.reader import read_targets_table
from localcal.errors import InputError
from localcal.run.sections import Targets
from localcal.targets.measures import REFORM_MEASURE
from tests.agency_files import AREAS

CONFIG = AREAS.parent
FOLDER = CONFIG / "agencies"
TABLES = [str(CONFIG.parent / table) for table in Targets().figures]
RAW = os.environ.get("LOCALCAL_RAW_DATA")


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def by_size(year: int, variable: str) -> dict[str, float]:
    """Return a variable's figures by the bounds of income; "" for all incomes."""
    return {
        row["constraints"].removeprefix(FILERS).removeprefix(";"): float(row["value"])
        for row in rows("irs_nation.csv")
        if (row["period"], row["variable"]) == (str(year), variable)
        and all(c.startswith("adjusted_gross_income") for c in row["constraints"].split(";")[1:])
    }


def test_the_default_are_all_tables_and_each_names_its_sources():
    assert sorted(TABLES) == sorted(map(str, FOLDER.glob("*.csv")))
    readme = (FOLDER / "README.md").read_text()
    for table in map(Path, TABLES):
        assert f"`{table.name}`" in readme
        for row in rows(table.name):
            assert row["source"] and (row["geo_level"], row["code"]) == ("nation", "US")
            assert row.keys() <= {*COLUMNS, *OPTIONAL_COLUMNS}
            assert row["notes"] or row.get("active") != "0"


@pytest.mark.parametrize("variable", ["tax_unit_count", "adjusted_gross_income"])
def test_sizes_of_income_come_to_all_incomes(variable):
    """All 19 of 2023, and of the wider ones those that are their sums; figures are rounded."""
    figures = by_size(2023, variable)
    whole = figures.pop("")
    low = "adjusted_gross_income>="
    wide = {
        f"{low}1;adjusted_gross_income<10000": 2,
        f"{low}10000;adjusted_gross_income<25000": 3,
        f"{low}25000;adjusted_gross_income<50000": 3,
        f"{low}1000000": 5,
    }
    sums = {size: figures.pop(size) for size in wide}
    assert len(figures) == 19
    assert sum(figures.values()) == pytest.approx(whole, abs=1000)
    in_order = sorted(figures.items(), key=lambda item: _least(item[0]))
    for size, parts in wide.items():
        first = next(i for i, (name, _) in enumerate(in_order) if _least(name) == _least(size))
        assert sums[size] == sum(value for _, value in in_order[first : first + parts])


def _least(size: str) -> float:
    return float(size.split(";")[0].split(">=")[1]) if ">=" in size else -1.0


def test_expenditures_are_reforms_of_the_nation_without_constraints(tmp_path):
    """As the matrix takes them: what income tax rises by without the deduction."""
    write_demo_database(TABLES, AREAS, tmp_path / "policy_data.db")
    targets = read_targets_table(tmp_path / "policy_data.db")
    reforms = targets[targets["reform_id"] > 0]
    assert dict(zip(reforms["variable"], reforms["value"], strict=True)) == {
        "salt_deduction": 21.247e9,
        "medical_expense_deduction": 11.4e9,
        "charitable_deduction": 65.301e9,
        "deductible_mortgage_interest": 24.8e9,
        "qualified_business_income_deduction": 63.1e9,
    }
    assert list(reforms["reform_id"]) == [1, 2, 3, 4, 5]
    assert not reforms["constraints"].map(len).any()
    assert REFORM_MEASURE == "income_tax"


def test_social_security_is_the_sum_of_its_kinds():
    """Within the rounding of the kinds."""
    amounts = {r["variable"]: float(r["value"]) for r in rows("nation.csv") if not r["constraints"]}
    kinds = [v for name, v in amounts.items() if name.startswith("social_security_")]
    assert len(kinds) == 4
    assert sum(kinds) == pytest.approx(amounts["social_security"], rel=0.005)


def test_a_figure_that_a_source_has_too_is_refused(tmp_path):
    table = tmp_path / "again.csv"
    table.write_text(
        ",".join(COLUMNS) + "\nnation,US,rent,2024,,1,x\n",
    )
    with pytest.raises(InputError, match=r"again.csv: line 2: says the same as .*nation.csv: line"):
        write_demo_database([*TABLES, str(table)], AREAS, tmp_path / "policy_data.db")


@pytest.mark.skipif(RAW is None, reason="LOCALCAL_RAW_DATA names no folder of raw files")
def test_the_irs_figures_are_those_of_another_extract_of_the_publication():
    """Every figure with a column and a row against the table that has them by column and row."""
    assert RAW is not None
    (path,) = Path(RAW).rglob("soi_targets.csv")
    known: dict[tuple[str, ...], set[float]] = defaultdict(set)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            place = (row["Year"], row["SOI table"], row["XLSX column"], row["XLSX row"])
            known[place].add(float(row["Value"]))
    compared = 0
    for row in rows("irs_nation.csv"):
        _, table, _, column, word, line = row["notes"].removesuffix(", their sum").split()
        if word == "row":
            place = (row["period"], f"Table {table}", column, line)
            assert known[place] == {float(row["value"])}, row
            compared += 1
    assert compared == len(rows("irs_nation.csv")) - 8
