"""The tables in config/: complete, consistent, and pointing at each other."""

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[3] / "config"


def rows(name: str, delimiter: str = ",") -> list[dict[str, str]]:
    with (CONFIG / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@pytest.fixture(scope="module")
def areas() -> list[dict[str, str]]:
    return rows("areas.tsv", "\t")


@pytest.fixture(scope="module")
def districts(areas) -> dict[str, str]:
    """Return each district's state by the district's code."""
    return {row["code"]: row["state_fips"] for row in areas if row["level"] == "district"}


def test_there_are_489_areas_and_every_district_lies_in_its_state(areas, districts):
    levels = Counter(row["level"] for row in areas)
    assert levels == {"nation": 1, "state": 51, "district": 436, "city": 1}
    state = {row["code"]: row["area"] for row in areas if row["level"] == "state"}
    for row in areas:
        if row["level"] == "district":
            number = int(row["code"]) % 100
            assert int(row["code"]) // 100 == int(row["state_fips"])
            assert row["area"] == f"{state[row['state_fips']]}-{number:02d}"
    assert {"AK-01", "DC-01", "CA-52"} <= {row["area"] for row in areas}
    assert set(districts.values()) == set(state)


def test_new_york_city_is_its_five_counties(areas):
    city = next(row for row in areas if row["level"] == "city")
    assert city["area"] == "NYC"
    assert city["counties"].split(",") == ["36005", "36047", "36061", "36081", "36085"]


def test_county_shares_add_up_to_one_in_every_district_and_stay_in_its_state(districts):
    total: dict[str, float] = defaultdict(float)
    seen = set()
    for row in rows("geography/county_district.csv"):
        assert len(row["county_fips"]) == 5
        assert int(row["county_fips"][:2]) == int(districts[row["district"]])
        assert 0 < float(row["share"]) <= 1
        seen.add((row["district"], row["county_fips"]))
        total[row["district"]] += float(row["share"])
    assert total.keys() == districts.keys()
    assert all(share == pytest.approx(1, abs=1e-12) for share in total.values())
    assert len(seen) == len(rows("geography/county_district.csv"))


def test_every_district_has_a_population_and_they_add_up_to_the_nation(districts):
    population = {
        row["district"]: int(row["population"]) for row in rows("geography/district_population.csv")
    }
    assert population.keys() == districts.keys()
    assert sum(population.values()) == 340_110_990
    counties: dict[str, float] = defaultdict(float)
    for row in rows("geography/county_district.csv"):
        counties[row["county_fips"]] += float(row["share"]) * population[row["district"]]
    # Of the 2020 Census (P.L. 94-171), to the precision that four years' growth allows: Los
    # Angeles, Prince George's, Queen Anne's, St. Mary's and Doña Ana.
    counted = {"06037": 10_014_009, "24033": 967_201, "24035": 49_874, "24037": 113_777}
    counted["35013"] = 219_561
    for county, residents in counted.items():
        assert counties[county] == pytest.approx(residents, rel=0.05)


def test_residents_agree_between_nation_states_and_districts():
    figures = rows("published/census_age.csv")
    total: dict[str, int] = defaultdict(int)
    by_state: dict[str, dict[int, int]] = {"state": defaultdict(int), "district": defaultdict(int)}
    for row in figures:
        total[row["geo_level"]] += int(row["value"])
        if row["geo_level"] != "nation":
            code = int(row["code"]) // (100 if row["geo_level"] == "district" else 1)
            by_state[row["geo_level"]][code] += int(row["value"])
    assert set(total.values()) == {340_110_990}
    assert by_state["state"] == by_state["district"]
    assert Counter(row["geo_level"] for row in figures) == {
        "nation": 18,
        "state": 4 * 51,
        "district": 436,
    }


def test_the_margins_of_the_census_are_given_where_it_publishes_any():
    figures = {
        (row["geo_level"], row["code"], row["constraints"]): row["tolerance"]
        for row in rows("published/census_age.csv") + rows("published/census_households.csv")
    }
    # Alaska, Delaware, DC, the Dakotas, Vermont and Wyoming have one district each.
    without = {code for (level, code, _), text in figures.items() if not text}
    assert without == {"201", "1001", "1101", "3801", "4601", "5001", "5601"}
    # 8,065 of 760,389 residents of AL-1; of Alabama's bands below 20 3,966, 8,424, 8,785 and 6,567.
    assert float(figures["district", "101", ""]) == pytest.approx(100 * 8065 / 760389, rel=1e-3)
    margin = (3966**2 + 8424**2 + 8785**2 + 6567**2) ** 0.5
    found = float(figures["state", "1", "age>-1;age<20"])
    assert found == pytest.approx(100 * margin / (285758 + 312813 + 328997 + 358378), rel=1e-3)
    assert all(0 < float(text) < 5 for text in figures.values() if text)


def test_the_age_bands_of_the_states_are_sums_of_the_nations():
    nation: dict[tuple[int, int], int] = {}
    states: dict[tuple[int, int], int] = defaultdict(int)
    for row in rows("published/census_age.csv"):
        if row["constraints"]:
            low, high = row["constraints"].split(";")
            band = int(low.removeprefix("age>")), int(high.removeprefix("age<"))
            if row["geo_level"] == "nation":
                nation[band] = int(row["value"])
            else:
                states[band] += int(row["value"])
    assert sorted(states) == [(-1, 20), (19, 40), (39, 65), (64, 1000)]
    for (low, high), value in states.items():
        inside = [part for band, part in nation.items() if low <= band[0] and band[1] <= high]
        assert sum(inside) == value


def test_snap_of_the_states_adds_up_to_the_nation():
    total: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows("published/usda_snap.csv"):
        total[row["variable"], row["geo_level"]] += float(row["value"])
    assert total["snap", "nation"] == total["snap", "state"]
    assert total["household_count", "nation"] == pytest.approx(
        total["household_count", "state"], abs=0.01
    )
    # A household's benefit a month, the nation over the year.
    month = total["snap", "nation"] / total["household_count", "nation"] / 12
    assert month == pytest.approx(352, abs=1)


def test_income_brackets_cover_all_returns_once():
    total: dict[str, int] = defaultdict(int)
    whole: dict[str, int] = {}
    edges = []
    for row in rows("published/irs_income.csv"):
        conditions = row["constraints"].split(";")
        assert conditions[0] == "tax_unit_is_filer==1"
        if row["geo_level"] != "nation" or "eitc" in row["constraints"]:
            continue
        if len(conditions) == 1:
            whole[row["variable"]] = int(row["value"])
            continue
        total[row["variable"]] += int(row["value"])
        if row["variable"] == "tax_unit_count":
            edges.append([part.removeprefix("adjusted_gross_income") for part in conditions[1:]])
    assert edges[0] == ["<1"]
    uppers = [edge[-1].removeprefix("<") for edge in edges[:-1]]
    assert uppers == [edge[0].removeprefix(">=") for edge in edges[1:]]
    for variable, value in whole.items():
        # Published figures are rounded one by one.
        assert total[variable] == pytest.approx(value, abs=2_000)


def test_take_up_rates_are_shares_and_medicaid_has_one_per_state(areas):
    states = {row["code"] for row in areas if row["level"] == "state"}
    table = rows("take_up.csv")
    # Below 65 the data mark who receives SSI: that row is no published share.
    ssi = {row["base"]: row for row in table if row["variable"] == "takes_up_ssi_if_eligible"}
    assert {base: float(row["rate"]) for base, row in ssi.items()} == {"age>=65": 0.5, "age<65": 1}
    table.remove(ssi["age<65"])
    # Those of filing have a test of their own.
    table = [row for row in table if row["variable"] != "would_file_taxes_voluntarily"]
    assert all(0 < float(row["rate"]) < 1 for row in table)
    assert {row["base"] for row in table} == {"", "age>=65"}
    assert {row["entity"] for row in table} <= {"person", "tax_unit", "spm_unit"}
    assert all(row["source"] for row in table)
    where = defaultdict(list)
    for row in table:
        where[row["variable"]].append(row["state"])
    medicaid = where.pop("takes_up_medicaid_if_eligible")
    assert sorted(medicaid) == sorted(states)
    assert all(places == [""] for places in where.values())
    assert len(where) == 7


def test_units_of_every_income_with_and_without_earnings_have_a_rate_of_filing():
    variable = "would_file_taxes_voluntarily"
    table = [row for row in rows("take_up.csv") if row["variable"] == variable]
    assert all(0 <= float(row["rate"]) <= 1 and not row["state"] for row in table)
    assert {row["entity"] for row in table} == {"tax_unit"}
    for earnings in (">0", "<=0"):
        bases = [row["base"] for row in table if row["base"].endswith(f"earned_income{earnings}")]
        bounds = [re.findall("adjusted_gross_income(>=|<)([0-9]+)", base) for base in bases]
        # From the lowest to the highest, each beginning where the one before it ends.
        assert [found[0] for found in bounds[1:]] == [(">=", found[-1][1]) for found in bounds[:-1]]
        assert [len(found) for found in bounds] == [1, 2, 2, 2, 2, 2, 1]
        assert [found[-1][0] for found in bounds] == ["<"] * 6 + [">="]


def test_each_table_of_figures_names_its_sources_in_the_readme():
    readme = (CONFIG / "published" / "README.md").read_text()
    tables = sorted((CONFIG / "published").glob("*.csv"))
    assert len(tables) == 4
    for table in tables:
        assert f"`{table.name}`" in readme
        assert all(row["source"] for row in rows(f"published/{table.name}"))
