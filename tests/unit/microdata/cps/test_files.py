"""Reading the files of a CPS ASEC, and what is refused."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.microdata.cps.files import read_survey
from tests.asec_files import random_asec


@pytest.fixture
def asec():
    return random_asec(40, seed=5)


def test_interviewed_households_come_back_in_order(tmp_path, asec, caplog):
    caplog.set_level("INFO")
    asec.person = asec.person.sample(frac=1, random_state=1)
    asec.household = asec.household.sample(frac=1, random_state=2)
    survey = read_survey(asec.write(tmp_path / "asec"))
    interviewed = asec.household[asec.household["H_HHTYPE"] == 1].sort_values("H_SEQ")
    left_out = len(asec.household) - len(interviewed)
    assert left_out > 0
    assert (
        f"hhpub24.csv: {left_out} of {len(asec.household)} households are left out" in caplog.text
    )
    assert survey.households["H_SEQ"].tolist() == interviewed["H_SEQ"].tolist()
    # Weights have two implied decimals.
    expected = [weight / 100 for weight in interviewed["HSUP_WGT"]]
    np.testing.assert_allclose(survey.households["HSUP_WGT"], expected)
    rows = list(zip(survey.persons["PH_SEQ"], survey.persons["A_LINENO"], strict=True))
    assert rows == sorted(zip(asec.person["PH_SEQ"], asec.person["A_LINENO"], strict=True))
    assert survey.income_year == 2023
    assert survey.source.endswith("pppub24.csv")


def test_the_files_of_one_year_are_needed(tmp_path, asec):
    with pytest.raises(InputError, match=r"nowhere: No such file.*population\.path"):
        read_survey(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no pppubYY\.csv"):
        read_survey(tmp_path / "empty")
    folder = asec.write(tmp_path / "mixed")
    (folder / "ffpub24.csv").rename(folder / "ffpub23.csv")
    with pytest.raises(InputError, match=r"several years \(ffpub23\.csv, hhpub24\.csv, pppub24"):
        read_survey(folder)
    for name in ("pppub24.csv", "ffpub24.csv", "hhpub24.csv"):
        folder = asec.write(tmp_path / name)
        (folder / name).unlink()
        with pytest.raises(InputError, match=rf"lacks {name}; add it"):
            read_survey(folder)


@pytest.mark.parametrize(
    ("table", "column", "file"),
    [
        ("person", "WSAL_VAL", "pppub24.csv"),
        ("person", "NOW_CAID", "pppub24.csv"),
        ("family", "FFPOS", "ffpub24.csv"),
        ("household", "HSUP_WGT", "hhpub24.csv"),
    ],
)
def test_a_changed_column_name_is_named_with_its_file(tmp_path, asec, table, column, file):
    frame = getattr(asec, table)
    setattr(asec, table, frame.rename(columns={column: f"{column}_NEW"}))
    folder = asec.write(tmp_path / "asec")
    message = rf"{file}: has no column '{column}' \(did you mean {column}_NEW\?\)"
    with pytest.raises(InputError, match=message):
        read_survey(folder)


def put(table, row, column, value):
    """Change a cell of a table, which its column's kind need not have."""

    def change(asec):
        frame = getattr(asec, table).astype({column: object})
        frame.loc[row, column] = value
        setattr(asec, table, frame)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            put("person", 2, "WSAL_VAL", ""),
            r"pppub24\.csv: line 4 has the WSAL_VAL '', .* a number",
        ),
        (put("person", 2, "WSAL_VAL", "x"), r"pppub24\.csv: line 4 has the WSAL_VAL 'x'"),
        (put("person", 2, "WSAL_VAL", -5), r"line 4 has the WSAL_VAL '-5', .* of 0 or more"),
        (put("person", 2, "DST_VAL1_YNG", -5), r"line 4 has the DST_VAL1_YNG '-5'"),
        (put("person", 2, "SPM_ENGVAL", -5), r"line 4 has the SPM_ENGVAL '-5'"),
        (put("person", 2, "A_SEX", 3), r"line 4 has the A_SEX '3', .* a code of 1 to 2"),
        (put("person", 2, "A_MARITL", 0), r"line 4 has the A_MARITL '0', .* a code of 1 to 7"),
        (put("person", 2, "A_AGE", 99), r"line 4 has the A_AGE '99', .* an age of 0 to 85"),
        (put("person", 2, "A_LINENO", 0), r"line 4 has the A_LINENO '0', .* line number"),
        (put("person", 1, "A_LINENO", 1), r"line 3 has the PH_SEQ and A_LINENO of a line above"),
        (put("person", 2, "PH_SEQ", 9_999), r"line 4 has the PH_SEQ '9999', .*hhpub24\.csv"),
        (put("person", 0, "PF_SEQ", 7), r"line 2 has the PF_SEQ '7', .*ffpub24\.csv"),
        (put("person", 0, "PEPAR2", 14), r"line 2 has the PEPAR2 '14', .* A_LINENO of anybody"),
        (put("person", 0, "A_SPOUSE", 14), r"line 2 has the A_SPOUSE '14', .* A_LINENO"),
        (put("household", 0, "HSUP_WGT", -1), r"hhpub24\.csv: line 2 has the HSUP_WGT '-1'"),
        (put("household", 0, "H_HHTYPE", 4), r"hhpub24\.csv: line 2 has the H_HHTYPE '4'"),
        (put("household", 0, "H_HHTYPE", 2), r"pppub24\.csv: line 2 .* that was interviewed"),
        (put("household", 0, "H_TENURE", 4), r"line 2 has the H_TENURE '4', .* code of 0 to 3"),
        (put("household", 0, "GESTFIPS", 72), r"line 2 has the GESTFIPS '72', .* of a state"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, asec, change, message):
    change(asec)
    folder = asec.write(tmp_path / "asec")
    with pytest.raises(InputError, match=message) as error:
        read_survey(folder)
    assert "\n" not in str(error.value)


def test_losses_are_no_mistakes(tmp_path, asec):
    for column in ("SEMP_VAL", "FRSE_VAL", "RNT_VAL"):
        put("person", 2, column, -9_999)(asec)
    survey = read_survey(asec.write(tmp_path / "asec"))
    assert (survey.persons["SEMP_VAL"] == -9_999).sum() == 1


def test_a_household_twice_and_one_without_persons_are_refused(tmp_path, asec):
    first = asec.household["H_SEQ"].iloc[0]
    whole = asec.person
    asec.person = whole[whole["PH_SEQ"] != first]
    with pytest.raises(InputError, match=rf"hhpub24\.csv: line 2 has the H_SEQ '{first}', .*pppub"):
        read_survey(asec.write(tmp_path / "asec"))
    asec.person = whole
    asec.household.loc[1, "H_SEQ"] = first
    with pytest.raises(InputError, match=r"hhpub24\.csv: line 3 has an H_SEQ that a line above"):
        read_survey(asec.write(tmp_path / "asec"))


def test_weights_that_are_all_zero_are_refused(tmp_path, asec):
    asec.household["HSUP_WGT"] = 0
    with pytest.raises(InputError, match=r"hhpub24\.csv: HSUP_WGT is 0 in every interviewed"):
        read_survey(asec.write(tmp_path / "asec"))


def test_an_spm_unit_in_two_households_is_refused(tmp_path, asec):
    asec.person.loc[asec.person.index[-1], "SPM_ID"] = asec.person["SPM_ID"].iloc[0]
    line = len(asec.person) + 1
    with pytest.raises(InputError, match=rf"line {line} has the SPM_ID .* of this household"):
        read_survey(asec.write(tmp_path / "asec"))


def test_a_file_cut_short_is_refused(tmp_path, asec):
    folder = asec.write(tmp_path / "asec")
    path = folder / "pppub24.csv"
    text = path.read_text()
    path.write_text(text[: len(text) - 30])
    with pytest.raises(InputError, match=r"pppub24\.csv: cannot be read as a table"):
        read_survey(folder)
