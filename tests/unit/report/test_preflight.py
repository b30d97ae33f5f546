"""What is said of targets before a run: each planted fault is named, and nothing else is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from localcal.database.own import copy_tables
from localcal.geography.areas import read_areas
from localcal.geography.codes import STATES
from localcal.geography.geography import write_geography
from localcal.population.dataset import write_population
from localcal.report.preflight import PreflightInputs, write_preflight
from localcal.targets.resolve import resolve_targets
from localcal.targets.table import write_targets
from tests.database_factory import district, state, write_database
from tests.households import random_places, random_population
from tests.standin_engine import StandIn

AREAS = Path(__file__).parents[3] / "config" / "areas.tsv"
DISTRICTS = [area.code for area in read_areas(AREAS) if area.level == "district"]
OLD = (("age", ">=", "65"),)


def consistent():
    """Return one family at all levels: a thousand old people in every district."""
    parts = {code: 0 for code in STATES}
    for code in DISTRICTS:
        parts[int(code) // 100] += 1000
    rows = [("person_count", 1000.0 * len(DISTRICTS), OLD)]
    rows += [("person_count", float(value), (*state(code), *OLD)) for code, value in parts.items()]
    rows += [("person_count", 1000.0, (*district(code), *OLD)) for code in DISTRICTS]
    return [dict(zip(("variable", "value", "constraints"), row, strict=True)) for row in rows]


@pytest.fixture
def preflight(tmp_path):
    """Write the inputs, run it, and return findings and page."""

    def run(targets, include=(), exclude=(), population=None, own=()):
        population = population or random_population(200, seed=1)
        paths = {name: tmp_path / name for name in ("population", "geography", "targets")}
        write_population(paths["population"], population)
        write_geography(paths["geography"], random_places(population, 2, seed=1), {})
        database = write_database(tmp_path / "policy_data.db", targets)
        table = tmp_path / "mine.csv"
        table.write_text("\n".join(["area,variable,constraints,value,period", *own, ""]))
        copy_tables([table], AREAS, tmp_path / "tables")
        rules = (list(include), list(exclude))
        found = resolve_targets(database, 2024, *rules, StandIn(), tmp_path / "tables")
        write_targets(found, paths["targets"])
        inputs = PreflightInputs(database=database, tables=tmp_path / "tables", **paths)
        outputs = (tmp_path / "preflight.csv", tmp_path / "preflight.html")
        write_preflight(inputs, 2024, *rules, *outputs)
        return pd.read_csv(outputs[0], dtype={"geographic_id": str}), outputs[1].read_text()

    return run


def of_kind(findings, kind):
    return findings[findings["finding"] == kind]


def test_targets_that_agree_give_no_finding_but_where_nobody_lives(preflight):
    findings, page = preflight(consistent())
    assert set(findings["finding"]) <= {"unreachable"}
    assert f"{1 + 51 + len(DISTRICTS)} targets" in page


def test_a_level_that_disagrees_is_named_with_its_area_and_grade(preflight):
    targets = consistent()
    targets[2]["value"] *= 1.2  # Alaska
    targets[-1]["value"] *= 1.04  # the last district, Wyoming's only one
    found = of_kind(preflight(targets)[0], "levels disagree")
    assert set(found["geo_level"]) == {"state"}
    told = dict(zip(found["geographic_id"], found["what"], strict=True))
    assert set(told) == {"2", "56"}
    assert told["2"].startswith("critical: its districts sum to ")
    assert told["56"].startswith("flag: ") and "(+4.0%)" in told["56"]


def test_a_wrong_unit_a_zero_and_an_impossible_number_are_suspicious(preflight):
    targets = consistent()
    targets[-1]["value"], targets[-2]["value"], targets[1]["value"] = 1e6, 0.0, 9e8
    found = of_kind(preflight(targets)[0], "suspicious")
    told = dict(zip(found["geographic_id"], found["what"], strict=True))
    assert told == {
        DISTRICTS[-1]: "is 1e+03 times the middle district's",
        DISTRICTS[-2]: "is zero",
        "1": "is more than the 44,000,000 that there can be",
    }


def test_what_nobody_can_add_to_is_unreachable(preflight):
    population = random_population(200, seed=1)
    age = np.minimum(population.values["age"], 64)
    young = population.with_values("person", {"age": age})
    targets = [
        {"variable": "person_count", "value": 5.0, "constraints": OLD},
        {"variable": "person_count", "value": 5.0, "constraints": (*state(6), ("age", "<", "65"))},
        # Puerto Rico.
        {"variable": "person_count", "value": 5.0, "constraints": state(72)},
        # Nobody knows yet who has it.
        {"variable": "person_count", "value": 5.0, "constraints": (("snap", ">", "1e12"),)},
    ]
    found = of_kind(preflight(targets, population=young)[0], "unreachable")
    assert dict(zip(found["geographic_id"], found["what"], strict=True)) == {
        "US": "nobody there is who counts",
        "72": "no column lies there",
    }


def test_what_is_left_out_is_listed_with_the_reason(preflight):
    targets = [
        {"variable": "person_count", "value": 5.0},
        {"variable": "person_count", "value": 4.0, "constraints": OLD},
        {"variable": "snap", "value": 5.0, "active": 0},
        {"variable": "snap", "value": 5.0, "period": 2020, "stratum_id": 1},
        {"variable": "snap", "value": 6.0, "period": 2022, "stratum_id": 1},
        {"variable": "household_count", "value": 5.0},
    ]
    rules = [{"variable": "person_count", "constraints": "age>=65.0", "reason": "too <old>"}]
    include = [{"variable": "person_count"}, {"variable": "snap"}]
    _, page = preflight(targets, include, rules, own=["CA,household_count,,7,2024"])
    assert "too &lt;old&gt;" in page and "too <old>" not in page
    assert "matches no rule of targets.include" in page
    assert "active is 0" in page
    assert "of a year nearer to the run" in page
    assert "1 of them from tables of your own" in page
