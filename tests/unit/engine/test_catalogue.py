"""What a model says about its variables, on a toy model."""

from enum import Enum
from types import SimpleNamespace

import pytest

from localcal.engine.catalogue import described, place_variables


class Tenure(Enum):
    RENTED = "Rented"
    NONE = "None"


for number, member in enumerate(reversed(Tenure)):
    member.index = number


def variable(name, value_type=bool, label="", entity="household", formulas=None, **more):
    return SimpleNamespace(
        name=name,
        value_type=value_type,
        label=label,
        entity=SimpleNamespace(key=entity),
        formulas=formulas or {},
        is_input_variable=lambda: not formulas,
        **more,
    )


def formula(household):
    return household


def by_name(*variables):
    return {item.name: item for item in variables}


def test_members_are_in_the_order_of_their_codes():
    found = described(by_name(variable("tenure", Tenure, possible_values=Tenure)), ())
    assert found["tenure"].kind == "enum"
    assert found["tenure"].members == ("NONE", "RENTED")


@pytest.mark.parametrize(
    ("name", "value_type", "formulas", "expected"),
    [
        ("takes_up_snap_if_eligible", bool, None, True),
        ("would_file_taxes_voluntarily", bool, None, True),
        ("is_female", bool, None, False),
        ("takes_up_amount", float, None, False),
        ("takes_up_by_formula", bool, {"2020": formula}, False),
        ("snap_if_takes_up", bool, None, False),
    ],
)
def test_only_flags_that_are_choices_are_take_up(name, value_type, formulas, expected):
    found = described(by_name(variable(name, value_type, formulas=formulas)), ())
    assert found[name].is_take_up is expected


def test_what_the_model_refuses_or_computes_is_said():
    variables = by_name(variable("a", float), variable("b", float, formulas={"2020": formula}))
    found = described(variables, {"a"})
    assert [found[name].refused for name in "ab"] == [True, False]
    assert [found[name].computed for name in "ab"] == [False, True]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (variable("county_fips", str, "County FIPS code"), True),
        (variable("in_yonkers", bool, "Resident of Yonkers, New York"), True),
        (variable("is_on_tribal_land", bool, "Is on tribal land"), True),
        (variable("ct_region", Tenure, "Connecticut payment region"), True),
        (variable("provider_area", Tenure, "Provider rate area", "person"), True),
        (variable("zone", int, None), True),
        (variable("is_homeless", bool, "Is homeless"), False),
        (variable("ma_living", Tenure, "Massachusetts State Living Arrangement"), False),
        (variable("tribal_income", float, "Income from tribal land"), False),
        (variable("in_county_program", bool, "In a County's program", "spm_unit"), False),
        (variable("county_staff", bool, "Works in the area", "person"), False),
        (variable("placement", bool, "Placement in an areal survey"), False),
    ],
)
def test_inputs_are_places_by_what_they_are_called(item, expected):
    assert (item.name in place_variables({item.name: item}, {item.name: ()})) is expected


def test_what_follows_from_nothing_but_places_is_a_place_however_far():
    computed = {"2020": formula}
    variables = by_name(
        variable("county_fips", str, "County"),
        variable("age", float, "Age", "person"),
        variable("county_name", str, formulas=computed),
        variable("region", str, formulas=computed),
        variable("region_of_unit", str, entity="tax_unit", formulas=computed),
        variable("allowance", float, entity="tax_unit", formulas=computed),
        variable("pension", float, entity="person", formulas=computed),
        variable("constant", float, formulas=computed),
    )
    read = {
        "county_fips": (),
        "age": (),
        "county_name": {"county_fips"},
        "region": {"county_name", "county_fips"},
        "region_of_unit": {"region"},
        "allowance": {"region_of_unit"},
        "pension": {"region", "age"},
        "constant": set(),
    }
    assert place_variables(variables, read) == {
        "county_fips",
        "county_name",
        "region",
        "region_of_unit",
        "allowance",
    }


def test_a_sum_over_a_list_may_read_more_than_it_shows(monkeypatch):
    item = variable("eligible", bool, formulas={"2020": formula})
    variables = by_name(variable("county_fips", str, "County"), item)
    read = {"county_fips": (), "eligible": {"county_fips"}}
    assert "eligible" in place_variables(variables, read)
    monkeypatch.setattr("localcal.engine.catalogue.reads_lists", lambda found: found is item)
    assert "eligible" not in place_variables(variables, read)
