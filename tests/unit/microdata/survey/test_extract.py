"""The extract says what the published file says, and is the committed one."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.microdata.survey.extract import (
    cumulative,
    draw_households,
    inclusion,
    main,
    read_archive,
)
from localcal.microdata.survey.records import COLUMNS

COMMITTED = Path(__file__).parents[4] / "config" / "survey"
ARCHIVE = "taxcalc-6.8.0.tar.gz"


@pytest.fixture(scope="module")
def units():
    """Return 3,000 households of one or two units, with a heavy tail of incomes."""
    random = np.random.default_rng(3)
    household = np.sort(np.concatenate([np.arange(3_000), random.permutation(3_000)[:900]]))
    table = pd.DataFrame({name: 0 for name in COLUMNS}, index=range(household.size))
    table["FLPDYR"] = 2012 + household % 3
    table["h_seq"] = household
    table["fips"] = 1 + household % 7
    table["age_head"] = random.integers(18, 80, household.size)
    table["e00200p"] = np.floor(30_000 * random.pareto(1.3, household.size)).astype(int)
    table["s006"] = random.integers(20_000, 200_000, household.size)
    return table.drop(columns="weight")


def households(table):
    return table.groupby(["FLPDYR", "h_seq"])


def test_households_are_drawn_whole_exactly_so_many_and_always_the_same(units):
    extract = draw_households(units, 500, 1)
    assert list(extract) == list(COLUMNS)
    assert households(extract).ngroups == 500
    sizes = households(units).size()
    assert households(extract).size().equals(sizes[households(extract).size().index])
    assert extract.equals(draw_households(units, 500, 1))
    assert not extract.equals(draw_households(units, 500, 2))


def test_weights_undo_the_draw(units):
    first = households(units)["s006"].transform("first") / 100
    extract = draw_households(units, 500, 1)
    drawn = households(extract)["weight"].first().sum()
    assert drawn == pytest.approx(households(units)["s006"].first().sum() / 100, rel=0.03)
    wages = (extract["weight"] * extract["e00200p"]).sum()
    assert wages == pytest.approx((first * units["e00200p"]).sum(), rel=0.03)


def test_the_rich_are_drawn_more_often(units):
    income = households(units)["e00200p"].sum()
    drawn = households(draw_households(units, 500, 1))["e00200p"].sum()
    assert drawn.mean() > 1.5 * income.mean()


def test_households_of_minors_only_are_left_out(units):
    young = units.assign(age_head=units["age_head"].where(units["h_seq"] % 2 == 0, 17))
    extract = draw_households(young, 500, 1)
    assert (extract["h_seq"] % 2 == 0).all()


def test_probabilities_follow_sizes_up_to_certainty():
    chance = inclusion(np.array([1.0, 1.0, 2.0, 50.0, 4.0]), 3)
    assert chance.tolist() == [0.25, 0.25, 0.5, 1.0, 1.0]


def test_factors_are_multiplied_from_the_year_of_the_money_on():
    yearly = pd.DataFrame({"YEAR": [2013, 2014, 2015, 2016], "AWAGE": [9.0, 9.0, 1.5, 2.0]})
    assert cumulative(yearly).to_dict("list") == {"year": [2015, 2016], "AWAGE": [1.5, 3.0]}


def test_another_archive_is_refused(tmp_path):
    path = tmp_path / ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        content = gzip.compress(b"e00200\n1\n")
        member = tarfile.TarInfo("taxcalc-6.8.0/taxcalc/cps.csv.gz")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with pytest.raises(InputError, match=r"taxcalc/cps.csv.gz has the sha256 .* as published"):
        read_archive(path)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be read as the archive"):
        read_archive(path)


def test_the_committed_extract_is_what_the_archive_makes(tmp_path):
    raw = os.environ.get("LOCALCAL_RAW_DATA")
    found = sorted(Path(raw).rglob(ARCHIVE)) if raw else []
    if not found:
        pytest.skip(f"LOCALCAL_RAW_DATA names no folder with {ARCHIVE}")
    main([str(found[0]), str(tmp_path)])
    # Not byte by byte: what gzip makes depends on its version.
    made, committed = (
        gzip.decompress((folder / "households.csv.gz").read_bytes())
        for folder in (tmp_path, COMMITTED)
    )
    assert made == committed
    assert (tmp_path / "factors.csv").read_bytes() == (COMMITTED / "factors.csv").read_bytes()
