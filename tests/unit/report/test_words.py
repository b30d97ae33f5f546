"""Targets and figures as people say them."""

import math

import pytest

from localcal.database.constraints import constraints_in
from localcal.report.words import figure_in_words, share_in_words, target_in_words

FILERS = "tax_unit_is_filer==1"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("national/person_count", "People"),
        ("national/person_count/[age>4,age<10]", "People aged 5 to 9"),
        ("national/person_count/[age>-1,age<5]", "People under 5"),
        ("state_6/person_count/[age<18]", "People under 18"),
        ("cd_601/person_count/[age>=65]", "People aged 65 and over"),
        ("national/person_count/[age>84,age<1000]", "People aged 85 and over"),
        ("national/household_count/[snap>0]", "Households with SNAP"),
        ("national/snap/[snap>0]", "SNAP"),
        (f"national/tax_unit_count/[{FILERS}]", "Returns"),
        ("national/tax_unit_count", "Tax units"),
        (f"national/adjusted_gross_income/[{FILERS}]", "AGI on returns"),
        (
            f"national/tax_unit_count/[adjusted_gross_income>=1,adjusted_gross_income<5000,{FILERS}]",
            "Returns with AGI of $1 to $5k",
        ),
        (
            f"national/tax_unit_count/[adjusted_gross_income<1,{FILERS}]",
            "Returns with AGI below $1",
        ),
        (
            f"national/adjusted_gross_income/[adjusted_gross_income>=1500000,{FILERS}]",
            "AGI on returns with AGI of $1.5m or more",
        ),
        (f"national/eitc/[eitc>0,{FILERS}]", "EITC on returns"),
        (f"national/tax_unit_count/[eitc>0,{FILERS}]", "Returns with EITC"),
        (
            "national/eitc/[eitc_child_count>2]",
            "EITC where eitc_child_count>2",
        ),
        (
            "national/person_count/[ssn_card_type==NONE]",
            "People where ssn_card_type==NONE",
        ),
        ("national/person_count/[tax_unit_is_filer==0]", "People tax_unit_is_filer==0"),
        ("national/salt_deduction_expenditure", "SALT deduction expenditure"),
        ("national/spm_unit_count/[tanf>0]", "SPM units with TANF"),
    ],
)
def test_targets_are_said_as_people_say_them(name, words):
    _, variable, *rest = name.split("/")
    text = rest[0].strip("[]").replace(",", ";") if rest else ""
    assert target_in_words(variable, constraints_in(name, text)) == words


@pytest.mark.parametrize(
    ("value", "money", "words"),
    [
        (15_830_000_000_000, True, "$15.8 trillion"),
        (-144_194_936_000, True, "-$144 billion"),
        (72_929_312, False, "72.9 million"),
        (999_600, False, "1.00 million"),
        (999_400, False, "999,400"),
        (0.0, True, "$0"),
        (9_994_000, False, "9.99 million"),
        (9_996_000, False, "10.0 million"),
        (99_960_000_000, True, "$100 billion"),
        (999_600_000_000, True, "$1.00 trillion"),
        (math.nan, True, ""),
    ],
)
def test_figures_have_three_digits_and_a_size(value, money, words):
    assert figure_in_words(value, money) == words.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0132, "+1.3 %"),
        (-0.5, "-50.0 %"),
        (123.4, "+12,340 %"),
        (-0.0004, "0 %"),
        (math.nan, ""),
        (math.inf, "+inf %"),
    ],
)
def test_shares_are_signed_percentages(share, words):
    assert share_in_words(share) == words.replace(" ", "\u00a0")
