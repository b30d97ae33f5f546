"""The table of the nation's totals."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from localcal.database.constraints import constraints_in
from localcal.report.totals import national_totals, totals_in_words

FILERS = "tax_unit_is_filer==1"
ROWS = [
    ("snap", "snap", 100e9, 80e9, 99e9, "met"),
    ("tax_unit_count", f"tax_unit_count/[adjusted_gross_income>=5000,{FILERS}]", 9, 8, 9, "met"),
    ("tax_unit_count", f"tax_unit_count/[adjusted_gross_income<1,{FILERS}]", 4, 5, 6, "held_out"),
    ("tax_unit_count", f"tax_unit_count/[{FILERS}]", 20e6, 10e6, 30e6, "held_out"),
    ("person_count", "person_count/[age>9,age<15]", 50, 60, 40, "missed"),
    ("person_count", "person_count/[age>4,age<10]", 40, 50, 40, "met"),
    ("person_count", "person_count", 340e6, 330e6, 340e6, "met"),
    ("tax_unit_count", f"tax_unit_count/[adjusted_gross_income>=1,{FILERS}]", 9, 8, 0, "met"),
]
WORDS = [
    "People",
    "People aged 5 to 9",
    "People aged 10 to 14",
    "Returns",
    "Returns with AGI below $1",
    "Returns with AGI of $1 or more",
    "Returns with AGI of $5k or more",
    "SNAP",
]


@pytest.fixture
def fits(fit):
    names = ["variable", "name", "target_value", "base_estimate", "final_estimate", "verdict"]
    nation = pd.DataFrame(ROWS, columns=names)
    texts = nation["name"].str.partition("/[")[2].str.removesuffix("]").str.replace(",", ";")
    nation["constraints"] = [json.dumps(constraints_in("here", text)) for text in texts]
    nation["name"] = "national/" + nation["name"]
    elsewhere = nation.assign(geo_level="state")
    nation = nation.assign(geo_level="nation")
    targets = pd.concat([elsewhere, nation], ignore_index=True).assign(source="agency")
    other = targets.assign(final_estimate=targets["final_estimate"] * 2)
    return [replace(fit, targets=targets), replace(fit, scope="national", targets=other)]


def test_counts_come_first_and_classes_in_their_order(fits):
    totals = national_totals(fits)
    assert totals["target"].tolist() == WORDS
    row = totals.set_index("target").loc["SNAP"]
    assert (row["published"], row["local_before"], row["local_after"]) == (100e9, 80e9, 99e9)
    assert row["local_before_error"] == pytest.approx(-0.2)
    assert row["local_after_error"] == pytest.approx(-0.01)
    assert row["national_after"] == 198e9
    # Shuffled rows give the same table.
    shuffled = [replace(f, targets=f.targets.sample(frac=1, random_state=1)) for f in fits]
    pd.testing.assert_frame_equal(national_totals(shuffled), totals)


def test_people_read_words(fits):
    shown = totals_in_words(national_totals(fits), ["local", "national"]).set_index("")
    plain = shown.map(lambda text: text.replace("\u00a0", " "))
    assert plain.loc["Returns"].tolist() == [
        "20.0 million",
        "10.0 million",
        "-50.0 %",
        "30.0 million",
        "+50.0 %",
        "compared",
        "60.0 million",
        "+200.0 %",
        "compared",
        "agency",
    ]
    assert plain.loc["SNAP", "local fit"] == "$99.0 billion"
