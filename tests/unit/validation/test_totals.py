"""Which targets are about an area, and the file of their totals."""

import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.files.origins import record
from localcal.targets.table import read_targets
from localcal.validation.totals import Totals, read_totals, rows_of_area, write_totals
from tests.areas_case import ALABAMA, CITY, FIRST, NATION


def test_an_area_has_its_own_targets_and_a_city_those_of_the_nation(run):
    targets = read_targets(run["targets"])
    for area, level, place in (
        (NATION, "nation", "US"),
        (ALABAMA, "state", "1"),
        (FIRST, "district", "101"),
        (CITY, "nation", "US"),
    ):
        rows = targets.iloc[rows_of_area(area, targets)]
        assert len(rows) and set(rows["geo_level"]) == {level}
        assert set(rows["geographic_id"]) == {place}


def test_totals_come_back_by_row_and_only_with_what_they_were_made_from(tmp_path):
    inputs = {"area": tmp_path / "AL.h5", "targets": tmp_path / "targets.parquet"}
    for name, path in inputs.items():
        path.write_text(name)
    path = tmp_path / "totals.h5"
    inside = pd.Series([7.0], index=pd.MultiIndex.from_tuples([(4, 101)]))
    sizes = pd.Series([2.0, 3.0], index=[1, 6])
    totals = Totals(pd.Series([1.5, -3.0], index=[4, 2]), inside, sizes, 2 * sizes)
    write_totals(path, totals, record(inputs))
    again = read_totals(path, inputs)
    assert again.of_row.to_dict() == {4: 1.5, 2: -3.0}
    assert again.inside.to_dict() == {(4, 101): 7.0}
    assert again.households.to_dict() == {1: 2.0, 6: 3.0}
    assert again.persons.to_dict() == {1: 4.0, 6: 6.0}
    inputs["area"].write_text("another")
    with pytest.raises(InputError, match=r"totals\.h5.*AL\.h5"):
        read_totals(path, inputs)
