"""A CPS ASEC as a dataset of the model.

What is expected is read off the made-up files by other means: totals by line of the file, and one
person after the other.
"""

import numpy as np
import pandas as pd
import pytest

from localcal.engine.protocol import Variable
from localcal.errors import InputError
from localcal.microdata.check import check_dataset
from localcal.microdata.cps import households
from localcal.microdata.cps.files import Survey
from localcal.microdata.cps.households import cps_households
from localcal.population.dataset import id_names, read_population
from localcal.population.population import GROUPS
from tests.asec_files import random_asec
from tests.dataset_case import build_from
from tests.standin_engine import COMPUTED, StandIn, StandInSimulation

HOMES = ("household_weight", "state_fips", "tenure_type")
ENUMS = {
    "tenure_type": ("RENTED", "OWNED_OUTRIGHT", "OWNED_WITH_MORTGAGE", "NONE"),
    "spm_unit_tenure_type": ("OWNER_WITH_MORTGAGE", "OWNER_WITHOUT_MORTGAGE", "RENTER"),
    "tax_unit_role_input": ("UNSPECIFIED", "HEAD", "SPOUSE", "DEPENDENT"),
}
OF_SPM_UNITS = ("receives_housing_assistance", "spm_unit_tenure_type", *households.SPM_DOLLARS)


class Knowing(StandIn):
    """The toy model with inputs of the names that the survey is mapped to."""

    names = ()

    def variables(self):
        known = super().variables()
        for name, values in self.names:
            entity = "household" if name in HOMES else "person"
            entity = "spm_unit" if name in OF_SPM_UNITS else entity
            kind = {"b": "bool", "i": "int", "S": "enum"}.get(values.dtype.kind, "float")
            known[name] = Variable(name, entity, kind, False, members=ENUMS.get(name, ()))
        return known

    def simulate(self, population, common=None, units=None):
        return StandInSimulation(self, population, common=common, units=units)


def knowing(arrays):
    engine = Knowing()
    engine.names = [(n, a) for n, a in arrays.items() if n not in id_names() | COMPUTED.keys()]
    return engine


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Return the folder, the files' persons with their household's row, and the dataset."""
    asec = random_asec(300, seed=21)
    folder = asec.write(tmp_path_factory.mktemp("cps") / "asec")
    lines = asec.person.merge(asec.household, left_on="PH_SEQ", right_on="H_SEQ")
    return folder, lines, cps_households(folder, 2023, StandIn())


def weighted(arrays, name):
    """Return a person variable's total over the nation."""
    weight = dict(zip(arrays["household_id"], arrays["household_weight"], strict=True))
    weights = [weight[household] for household in arrays["person_household_id"]]
    return np.dot(arrays[name].astype(float), weights)


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["employment_income"], ["WSAL_VAL"]),
        (["self_employment_income"], ["SEMP_VAL"]),
        (["farm_operations_income"], ["FRSE_VAL"]),
        (["rental_income"], ["RNT_VAL"]),
        (["long_term_capital_gains"], ["CAP_VAL"]),
        (["taxable_interest_income", "tax_exempt_interest_income"], ["INT_VAL"]),
        (["qualified_dividend_income", "non_qualified_dividend_income"], ["DIV_VAL"]),
        ([f"social_security_{kind}" for kind in households.SOCIAL_SECURITY], ["SS_VAL"]),
        (["alimony_income", "strike_benefits", "miscellaneous_income"], ["OI_VAL"]),
        (
            ["taxable_private_pension_income", *households.ACCOUNTS],
            ["PNSN_VAL", "ANN_VAL", "DST_VAL1", "DST_VAL2", "DST_VAL1_YNG", "DST_VAL2_YNG"],
        ),
        (["unemployment_compensation"], ["UC_VAL"]),
        (["veterans_benefits"], ["VET_VAL"]),
        (["workers_compensation"], ["WC_VAL"]),
        (["child_support_received"], ["CSP_VAL"]),
        (["child_support_expense"], ["CHSP_VAL"]),
        (["educational_assistance"], ["ED_VAL"]),
        (["financial_assistance"], ["FIN_VAL"]),
        (["survivor_benefits"], ["SRVS_VAL"]),
        (["health_insurance_premiums_without_medicare_part_b"], ["PHIP_VAL"]),
        (["other_medical_expenses"], ["PMED_VAL"]),
        (["over_the_counter_health_expenses"], ["POTC_VAL"]),
    ],
)
def test_every_dollar_of_the_files_is_in_the_dataset_once(case, names, columns):
    _, lines, arrays = case
    expected = sum((lines[column] * lines["HSUP_WGT"] / 100).sum() for column in columns)
    assert expected != 0
    assert sum(weighted(arrays, name) for name in names) == pytest.approx(expected, rel=1e-6)


def by_person(case, name):
    """Yield each line of the person file with the value that the dataset has for that person."""
    _, lines, arrays = case
    value = dict(zip(arrays["person_id"], arrays[name], strict=True))
    assert len(value) == len(lines)
    for row in lines.itertuples():
        yield row, value[row.PH_SEQ * 100 + row.A_LINENO]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("age", lambda row: row.A_AGE),
        ("is_female", lambda row: row.A_SEX == 2),
        ("is_blind", lambda row: row.PEDISEYE == 1),
        ("is_separated", lambda row: row.A_MARITL == 6),
        ("is_hispanic", lambda row: row.PRDTHSP != 0),
        ("cps_race", lambda row: row.PRDTRACE),
        ("weekly_hours_worked", lambda row: row.HRSWK),
        ("hours_worked_last_week", lambda row: max(row.A_HRS1, 0)),
        ("weeks_unemployed", lambda row: max(row.LKWEEKS, 0)),
        ("weeks_worked", lambda row: row.WKSWORK),
        ("has_medicaid_health_coverage_at_interview", lambda row: row.NOW_CAID == 1),
        ("has_marketplace_health_coverage_at_interview", lambda row: row.NOW_MRK == 1),
        ("has_esi", lambda row: row.NOW_GRP == 1),
        ("is_full_time_college_student", lambda row: row.A_HSCOL == 2 and row.A_FTPT == 1),
        ("is_household_head", lambda row: row.A_LINENO == 1),
        ("meets_ssi_disability_criteria", lambda row: row.SSI_VAL > 0 and row.A_AGE < 65),
        (
            "is_disabled",
            lambda row: (
                1 in (row.PEDISDRS, row.PEDISEAR, row.PEDISEYE)
                or 1 in (row.PEDISOUT, row.PEDISPHY, row.PEDISREM)
                or (row.SSI_VAL > 0 and row.A_AGE < 65)
            ),
        ),
        (
            "taxable_401k_distributions",
            lambda row: (
                (row.DST_SC1 == 1) * row.DST_VAL1
                + (row.DST_SC2 == 1) * row.DST_VAL2
                + (row.DST_SC1_YNG == 1) * row.DST_VAL1_YNG
                + (row.DST_SC2_YNG == 1) * row.DST_VAL2_YNG
            ),
        ),
        (
            "tax_exempt_ira_distributions",
            lambda row: (
                (row.DST_SC1 == 3) * row.DST_VAL1
                + (row.DST_SC2 == 3) * row.DST_VAL2
                + (row.DST_SC1_YNG == 3) * row.DST_VAL1_YNG
                + (row.DST_SC2_YNG == 3) * row.DST_VAL2_YNG
            ),
        ),
        (
            "disability_benefits",
            lambda row: (row.DIS_SC1 != 1) * row.DIS_VAL1 + (row.DIS_SC2 != 1) * row.DIS_VAL2,
        ),
        ("alimony_income", lambda row: row.OI_VAL if row.OI_OFF == 20 else 0),
        ("strike_benefits", lambda row: row.OI_VAL if row.OI_OFF == 12 else 0),
        ("parent_1_id", lambda row: row.PH_SEQ * 100 + row.PEPAR1 if row.PEPAR1 > 0 else 0),
    ],
)
def test_persons_are_what_their_line_says(case, name, expected):
    seen = set()
    for row, value in by_person(case, name):
        assert value == expected(row), row
        seen.add(value)
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("age", "first", "second", "kind"),
    [
        (70, 1, 0, "retirement"),
        # Nobody retires before 62.
        (61, 1, 0, "disability"),
        (62, 1, 2, "retirement"),
        (50, 2, 3, "disability"),
        (58, 3, 0, "survivors"),
        (10, 5, 0, "survivors"),
        (40, 4, 0, "dependents"),
        (16, 6, 0, "dependents"),
        (40, 7, 0, "dependents"),
        # Another reason, or none: the second one, else age.
        (40, 8, 3, "survivors"),
        (64, 0, 0, "retirement"),
        (40, 8, 0, "disability"),
        (12, 0, 0, "dependents"),
    ],
)
def test_social_security_is_for_the_first_reason_given(age, first, second, kind):
    persons = pd.DataFrame({"A_AGE": [age], "RESNSS1": [first], "RESNSS2": [second]})
    (reason,) = households.social_security_reason(persons)
    assert households.SOCIAL_SECURITY[reason] == kind


def test_households_are_what_their_line_says(case):
    folder, lines, arrays = case
    head = lines[lines["A_LINENO"] == 1].set_index("PH_SEQ")
    assert arrays["household_id"].tolist() == sorted(head.index)
    for number, state, tenure in zip(
        *(arrays[n] for n in ("household_id", *HOMES[1:])), strict=True
    ):
        row = head.loc[number]
        assert state == row["GESTFIPS"]
        outright = b"OWNED_OUTRIGHT" if row["SPM_TENMORTSTATUS"] == 2 else b"OWNED_WITH_MORTGAGE"
        assert tenure == {0: b"NONE", 1: outright, 2: b"RENTED", 3: b"NONE"}[row["H_TENURE"]]
    assert len(set(arrays["tenure_type"])) == 4


def test_what_spm_units_have_is_counted_once(case):
    _, lines, arrays = case
    once = lines.drop_duplicates("SPM_ID")
    for name, column in households.SPM_DOLLARS.items():
        assert arrays[name].sum() == once[column].sum() > 0
        assert arrays[name].size == arrays["spm_unit_id"].size
    assert 0 < arrays["receives_housing_assistance"].sum() <= (once["SPM_CAPHOUSESUB"] > 0).sum()


def test_the_dataset_passes_the_checks_of_any_other(case):
    _, lines, arrays = case
    population = check_dataset("asec", arrays, 2023, knowing(arrays).variables())
    assert population.count("person") == len(lines)
    for group in GROUPS:
        assert set(population.membership[group]) == set(range(population.count(group)))


def test_a_later_year_has_the_model_s_dollars_and_weights(case, caplog):
    caplog.set_level("INFO")
    folder, _, arrays = case
    later = cps_households(folder, 2025, knowing(arrays))
    # The toy model's wages grow by 5 % a year, its weights by 1 %, and nothing else does.
    for name, yearly in (("employment_income", 1.05), ("household_weight", 1.01)):
        np.testing.assert_allclose(later[name], arrays[name] * yearly**2, rtol=1e-6)
    for name in arrays.keys() - {"employment_income", "household_weight"}:
        assert np.array_equal(later[name], arrays[name]), name
    assert "aged from 2023 to 2025: " in caplog.text
    assert "employment_income 1.1025" in caplog.text


@pytest.mark.parametrize("period", [2022, 2034])
def test_a_year_that_incomes_cannot_be_brought_to_is_refused(case, period):
    with pytest.raises(
        InputError, match=rf"incomes of 2023, .* {period}; .* 2023 to 2033"
    ) as error:
        cps_households(case[0], period, StandIn())
    assert f"the survey of {period + 1}" in str(error.value)


def test_a_minor_alone_stands_for_an_adult_and_nobody_is_stored_otherwise(case):
    _, lines, arrays = case
    alone = lines.groupby("PH_SEQ")["A_AGE"].max() < 18
    assert arrays["is_spm_independent_minor_role"].sum() == alone.sum() > 0
    adults = lines[lines["PH_SEQ"].map(~alone)]
    survey = Survey(adults, adults.drop_duplicates("PH_SEQ"), 2023, "asec")
    assert "is_spm_independent_minor_role" not in households.survey_arrays(survey)


def test_the_files_become_a_run_s_population(case, tmp_path):
    folder, _, arrays = case
    given = {"source": "cps", "households": 100}
    built = build_from(tmp_path, folder, knowing(arrays), **given)
    population = read_population(built[0])
    assert population.count("household") == 100
    assert population.period == 2024
    again = build_from(tmp_path / "again", folder, knowing(arrays), **given)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]
