"""From a database to the rows of the matrix."""

import json
from pathlib import Path

import pandas as pd
import pytest

from localcal.database.own import copy_tables
from localcal.errors import InputError
from localcal.targets.resolve import resolve_targets
from localcal.targets.table import SCHEMA
from tests.database_factory import NATION, change_database, district, state, write_database
from tests.targets_case import FOUR, Engine, resolve, target

AREAS = Path(__file__).parents[3] / "config" / "areas.tsv"


def test_a_resolved_row_says_everything_about_its_target(path):
    constraints = (*state("06"), ("age", "<", "10"), ("age", ">", "4"))
    frame = resolve(
        path,
        [target("person_count", 100.0, constraints, period=2022, tolerance=2.0, source="ACS")],
    )
    assert frame.columns.tolist() == SCHEMA.names
    (row,) = frame.to_dict("records")
    assert row["value"] == pytest.approx(102.01)
    assert row["uprating_factor"] == pytest.approx(1.0201)
    assert row["value"] == row["original_value"] * row["uprating_factor"]
    del row["value"], row["uprating_factor"]
    assert row == {
        "target_id": 1,
        "stratum_id": 1,
        "variable": "person_count",
        "reform_id": 0,
        "period": 2022,
        "geo_level": "state",
        "geographic_id": "6",
        "domain_variable": "age",
        "constraints": '[["age", "<", "10"], ["age", ">", "4"]]',
        "original_value": 100.0,
        "tolerance": 2.0,
        "name": "state_6/person_count/[age>4,age<10]",
        "source": "ACS",
        "hold_out": False,
    }


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ({}, "national/snap"),
        ({"constraints": state("06")}, "state_6/snap"),
        ({"constraints": district("0601")}, "cd_601/snap"),
        ({"constraints": district("1198")}, "cd_1101/snap"),
        ({"constraints": (*state(6), ("snap", ">", "0"))}, "state_6/snap/[snap>0]"),
        (
            {"constraints": (("snap", ">", "0"), ("age", ">=", "4"), ("age", "<=", "9"))},
            "national/snap/[age>=4,age<=9,snap>0]",
        ),
        (
            {"variable": "salt_deduction", "reform_id": 1},
            "national/salt_deduction_expenditure",
        ),
    ],
)
def test_names_have_the_form_users_know(path, cells, name):
    assert resolve(path, [target(**cells)])["name"].tolist() == [name]


def test_rows_go_by_level_variable_reform_area_and_id(path):
    frame = resolve(
        path,
        [
            target("snap", constraints=district(601), target_id=10),
            target("snap", constraints=state(6), target_id=9),
            target("snap", constraints=state(10), target_id=8),
            target("snap", target_id=7),
            target("rent", constraints=state(6), target_id=6),
            target("salt_deduction", reform_id=1, target_id=3),
            target("salt_deduction", constraints=(("age", ">", "4"),), target_id=4),
            target("salt_deduction", reform_id=0, target_id=5),
            target("snap", constraints=(*state(6), ("snap", ">", "0")), target_id=2),
        ],
    )
    # Areas as texts: '10' before '6'.
    assert frame["target_id"].tolist() == [4, 5, 3, 7, 6, 8, 2, 9, 10]
    assert frame.index.tolist() == list(range(9))


def test_counts_grow_with_people_and_amounts_with_prices(path):
    engine = Engine()
    frame = resolve(
        path,
        [
            target("household_count", 10.0, period=2023),
            target("snap", 10.0, period=2022),
            target("rent", 10.0, period=2024),
            target("snap", 10.0, state(6), period=2022),
        ],
        engine=engine,
    ).set_index("name")
    assert frame["value"].to_dict() == pytest.approx(
        {
            "national/household_count": 10.1,
            "national/snap": 12.1,
            "national/rent": 10.0,
            "state_6/snap": 12.1,
        }
    )
    assert frame["uprating_factor"]["national/rent"] == 1.0
    assert sorted(engine.asked) == [("population", 2023, 2024), ("prices", 2022, 2024)]


def test_values_of_later_years_come_down(path):
    frame = resolve(path, [target("snap", 11.0, period=2025)])
    assert frame["value"].tolist() == pytest.approx([10.0])


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf")])
def test_a_growth_ratio_that_is_none_is_refused(path, ratio):
    engine = Engine({"population": 1.0, "prices": ratio})
    with pytest.raises(InputError, match="growth of prices to 2024"):
        resolve(path, [target(period=2023)], engine=engine)


def test_of_several_years_one_is_used(path):
    years = [2021, 2023, 2026]
    targets = [target("snap", year, period=year) for year in years]
    targets += [target("rent", 1.0, period=2027), target("rent", 1.0, period=2026)]
    frame = resolve(path, targets).set_index("variable")
    assert frame["period"].to_dict() == {"snap": 2023, "rent": 2026}


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        ([], [], {1, 2, 3, 4}),
        ([{"variable": "snap"}], [], {1, 2}),
        ([{"variable": "snap", "geo_level": "state"}], [], {2}),
        ([{"geo_level": "state"}, {"variable": "snap"}], [], {1, 2, 3}),
        ([{"domain_variable": ""}], [], {1, 2}),
        ([{"domain_variable": "snap"}], [], {3}),
        ([{"domain_variable": "age,snap"}], [], {4}),
        ([], [{"variable": "snap"}], {3, 4}),
        ([{"variable": "snap"}], [{"geo_level": "nation"}], {2}),
        ([], [{"variable": "snap"}, {"variable": "snap", "geo_level": "state"}], {3, 4}),
    ],
)
def test_rules_include_then_exclude(path, include, exclude, chosen):
    frame = resolve(path, FOUR, include, exclude)
    assert set(frame["target_id"]) == chosen


@pytest.mark.parametrize(
    ("include", "exclude", "message"),
    [
        ([{"variable": "snaps"}], [], 'include: rule {"variable": "snaps"} matches no target'),
        ([], [{"variable": "snaps"}], 'exclude: rule {"variable": "snaps"} matches no target'),
        (
            [{"variable": "snap"}, {"variable": "rent", "geo_level": "state"}],
            [],
            'rule {"variable": "rent", "geo_level": "state"} matches no target',
        ),
        (
            [{"variable": "snap"}],
            [{"variable": "rent"}],
            'exclude: rule {"variable": "rent"} matches no target',
        ),
        ([{"domain_variable": "snap,age"}], [], "matches no target"),
        ([{"level": "state"}], [], "unknown key 'level'; use variable, geo_level"),
        ([{"geo_level": "county"}], [], "use nation, state, district"),
        ([{}], [], "rule {} is empty"),
        ([{"variable": None}], [], "variable is None"),
        ([], [{"domain_variable": ""}, {"domain_variable": "snap"}, {"variable": "rent"}],
         "no target is left"),
    ],
)  # fmt: skip
def test_rules_that_do_nothing_are_refused_and_quoted(path, include, exclude, message):
    with pytest.raises(InputError) as raised:
        resolve(path, FOUR, include, exclude)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"variable": "snaps"}, "the model has no variable snaps .did you mean snap"),
        ({"variable": "snap_count"}, "the model has no variable snap_count"),
        ({"variable": "county_name"}, "county_name holds text"),
        ({"variable": "household_id"}, "household_id holds ids"),
        ({"constraints": (("tax_unit_household_id", "<", "9"),)}, "tax_unit_household_id holds id"),
        ({"variable": "snap", "reform_id": -1}, "reform_id is -1"),
        ({"variable": "household_count", "reform_id": 1}, "no reform"),
        ({"variable": "snaps", "reform_id": 1}, "the model has no variable snaps"),
        ({"constraints": (("snaps", ">", "0"),)}, "the model has no variable snaps"),
        ({"constraints": (("household_count", ">", "0"),)}, "no variable household_count"),
    ],
)
def test_what_the_model_cannot_compute_is_refused_with_the_way_out(path, cells, message):
    with pytest.raises(InputError, match=message) as raised:
        resolve(path, [target(), target(target_id=17) | cells])
    assert "target 17" in str(raised.value)
    assert "correct it where it stands, or exclude it with targets.exclude" in str(raised.value)


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (("age", ">", "old"), "'old' is not a number"),
        (("medicaid_enrolled", "==", "yes"), "true or false"),
        (("ssn_card_type", ">", "NONE"), "has no order|not a number"),
        (("ssn_card_type", "==", "CITIZN"), "is never 'CITIZN'.*did you mean CITIZEN"),
        (("ssn_card_type", "!=", "NOBODY"), "is never 'NOBODY'"),
        (("age", "==", "17.5"), "age is a whole number, never 17.5"),
        (("medicaid_enrolled", ">=", "0"), "holds for everybody or nobody"),
    ],
)
def test_a_constraint_that_does_not_fit_its_variable_is_refused(path, constraint, message):
    with pytest.raises(InputError, match=message):
        resolve(path, [target(constraints=(constraint,))])


def test_every_kind_of_variable_can_be_constrained(path):
    constraints = (
        ("age", ">", "4"),
        ("medicaid_enrolled", "==", "True"),
        ("ssn_card_type", "!=", "NONE"),
        ("county_name", "==", "Kings"),
        ("tax_unit_is_filer", "==", "1"),
    )
    (row,) = resolve(path, [target("person_count", constraints=constraints)]).to_dict("records")
    assert json.loads(row["constraints"]) == sorted(map(list, constraints))


def test_every_entity_can_be_counted(path):
    counts = [
        f"{entity}_count"
        for entity in ("person", "household", "tax_unit", "spm_unit", "family", "marital_unit")
    ]
    frame = resolve(path, [target(count) for count in counts])
    assert sorted(frame["variable"]) == sorted(counts)


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ((("age", ">", "9"), ("age", "<", "4")), "no value is in this range"),
        ((("age", "~", "4"),), "unknown operation '~'"),
        ((("age", "==", "4"), ("age", "<", "9")), "stand alone"),
    ],
)
def test_a_stratum_that_contradicts_itself_is_named(path, constraints, message):
    with pytest.raises(InputError, match=rf"policy_data\.db: stratum 2: .*{message}"):
        resolve(path, [target(), target(constraints=constraints)])


def test_an_excluded_target_may_be_wrong(path):
    wrong = [
        target("snaps", target_id=17),
        target("rent", constraints=(("age", "~", "4"),), target_id=18),
    ]
    frame = resolve(path, [target(), *wrong], [], [{"variable": "snaps"}, {"variable": "rent"}])
    assert frame["target_id"].tolist() == [1]


@pytest.mark.parametrize("zero", ["0", "0.0"])
def test_two_reforms_of_one_variable_are_one_total(path, zero):
    targets = [
        target("salt_deduction", constraints=(("snap", ">", "0"),), reform_id=1, target_id=21),
        target("salt_deduction", constraints=(("snap", ">", zero),), reform_id=2, target_id=22),
    ]
    with pytest.raises(InputError, match="target 21 and .*target 22 are both"):
        resolve(path, targets)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (district("201"), district("0200")),
        ((("age", ">", "4"), ("age", "<", "9")), (("age", "<", "9"), ("age", ">", "4"))),
        ((("snap", ">", "0"),), (("snap", ">", "0.0"),)),
        ((("medicaid_enrolled", "==", "True"),), (("medicaid_enrolled", "==", "1"),)),
        ((("ssn_card_type", "=", "NONE"),), (("ssn_card_type", "==", "NONE"),)),
        # Two totals, but nobody could tell them apart by name.
        (
            (("county_name", "==", "Kings,ssn_card_type==NONE"),),
            (("county_name", "==", "Kings"), ("ssn_card_type", "==", "NONE")),
        ),
    ],
)
def test_two_targets_for_one_total_are_refused_with_both_ids(path, one, other):
    targets = [
        target(constraints=one, target_id=21),
        target(value=2.0, constraints=other, target_id=22),
    ]
    with pytest.raises(InputError, match="target 21 and .*target 22 are both"):
        resolve(path, targets)


def test_the_same_stratum_may_carry_several_variables_and_reforms(path):
    targets = [
        target("salt_deduction"),
        target("salt_deduction", reform_id=1),
        target("rent"),
    ]
    assert resolve(path, targets)["name"].is_unique


def test_the_database_stays_as_it_is(path):
    write_database(path, FOUR)
    before = path.read_bytes()
    resolve(path)
    assert path.read_bytes() == before


def test_row_order_does_not_depend_on_the_databases_order(path, tmp_path):
    forwards = resolve(path, FOUR)
    backwards = write_database(tmp_path / "backwards.db", FOUR[::-1])
    columns = ["target_id", "name", "value"]
    pd.testing.assert_frame_equal(forwards[columns], resolve(backwards)[columns])


def test_two_strata_that_differ_only_in_their_parents_count_as_one(path):
    strata = {1: NATION, 2: state(6), 3: state(6)}
    write_database(
        path,
        [
            {"variable": "snap", "value": 1.0, "stratum_id": 2, "target_id": 21},
            {"variable": "snap", "value": 1.0, "stratum_id": 3, "target_id": 22},
        ],
        strata,
    )
    change_database(path, "UPDATE strata SET parent_stratum_id = 1 WHERE stratum_id = 2")
    with pytest.raises(InputError, match="target 21 and .*target 22 are both state_6/snap"):
        resolve(path)


class Newer(Engine):
    """A release in which two variables look at positions; nobody knows yet how."""

    version = "9.9"

    def looks_at_positions(self):
        return {"lottery": "formula uses random", "income_tax": "formula uses arange"}

    def dependencies(self, variable):
        return frozenset({variable, "lottery"} if variable == "snap" else {variable})


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            {"variable": "snap"},
            r"target 1 \(snap\): 'snap' .* from 'lottery', .* uses random in .*9.9",
        ),
        (
            {"variable": "person_count", "constraints": (*NATION, ("snap", ">", "0"))},
            r"target 1 \(person_count\): 'snap' may be calculated from 'lottery'",
        ),
        (
            {"variable": "salt_deduction", "reform_id": 1},
            "'income_tax' may be calculated from 'inc",
        ),
    ],
)
def test_what_may_look_at_positions_is_refused_until_it_is_judged(path, cells, message):
    with pytest.raises(InputError, match=message):
        resolve(path, [target(**cells)], engine=Newer())


def test_what_no_target_needs_is_only_warned_of(path, caplog):
    assert len(resolve(path, [target("rent")], engine=Newer())) == 1
    assert "lottery may depend on who else is simulated (formula uses random)" in caplog.text


def own_tables(folder, *rows):
    """Write and copy a table of users' own targets; return the copy."""
    table = folder / "mine.csv"
    table.write_text("\n".join(["area,variable,constraints,value,period", *rows, ""]))
    copy_tables([table], AREAS, folder / "tables.csv")
    return folder / "tables.csv"


def test_own_targets_are_rows_like_the_rest_and_need_match_no_rule(path, tmp_path):
    write_database(path, FOUR)
    own = own_tables(tmp_path, "CA,person_count,age>=65,100,2022", "NY,snap,,5,2024")
    frame = resolve_targets(path, 2024, [{"variable": "snap"}], [], Engine(), own)
    assert frame["name"].tolist() == [
        "national/snap",
        "state_6/person_count/[age>=65]",
        "state_36/snap",
        "state_6/snap",
    ]
    assert frame["target_id"].tolist() == [1, 5, 6, 2]
    assert frame["value"][1] == pytest.approx(102.01)
    assert frame["source"][2] == f"{tmp_path / 'mine.csv'}: line 3"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("CA,snapp,,1,2024", r"mine\.csv: line 2: the model has no variable snapp .*snap\?"),
        ("CA,snap,agee>4,1,2024", r"mine\.csv: line 2 \(snap\): the model has no variable agee"),
        ("CA,snap,age==4.5,1,2024", r"mine\.csv: line 2 .*age is a whole number, never 4\.5"),
        ("CA,snap,,1,2024", r"target 2 and .*mine\.csv: line 2 are both state_6/snap; remove one"),
    ],
)
def test_own_targets_are_checked_like_the_rest(path, tmp_path, row, complaint):
    write_database(path, FOUR)
    with pytest.raises(InputError, match=complaint):
        resolve_targets(path, 2024, [], [], Engine(), own_tables(tmp_path, row))


def test_of_several_years_of_an_own_target_the_nearest_counts(path, tmp_path):
    write_database(path, FOUR)
    rows = [f"NY,rent,,{value},{year}" for value, year in ((1, 2020), (2, 2023), (3, 2025))]
    frame = resolve_targets(path, 2024, [], [], Engine(), own_tables(tmp_path, *rows))
    assert frame[frame["geographic_id"] == "36"]["original_value"].tolist() == [2.0]


def test_totals_to_compare_with_give_way_to_targets_that_mean_the_same(path, tmp_path):
    write_database(path, [target("snap", 3.0), target("person_count", 4.0, (("age", ">=", "65"),))])
    header = "area,variable,constraints,value,period\n"
    mine, compare = tmp_path / "mine.csv", tmp_path / "compare.csv"
    mine.write_text(header + "US,rent,,5,2024\n")
    rows = ["US,snap,,9,2024", "US,rent,,9,2024", "US,person_count,age>=65,9,2024"]
    rows += ["US,person_count,age<18,7,2024", "CA,snap,,8,2024"]
    compare.write_text(header + "".join(f"{row}\n" for row in rows))
    copy_tables([mine], AREAS, tmp_path / "tables.csv", compare)
    frame = resolve_targets(path, 2024, [], [], Engine(), tmp_path / "tables.csv")
    rows = frame[["name", "value", "hold_out"]].itertuples(index=False)
    assert {row.name: (row.value, row.hold_out) for row in rows} == {
        "national/snap": (3.0, False),
        "national/rent": (5.0, False),
        "national/person_count/[age>=65]": (4.0, False),
        "national/person_count/[age<18]": (7.0, True),
        "state_6/snap": (8.0, True),
    }
