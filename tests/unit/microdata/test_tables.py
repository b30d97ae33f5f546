"""A population given as one flat table per entity."""

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.microdata.tables import read_tables
from localcal.population.dataset import read_population
from localcal.population.population import GROUPS
from tests.dataset_case import as_tables, build, build_from
from tests.households import random_dataset
from tests.standin_engine import StandIn

# A couple with a child in one household and a lodger in another, each unit kind a file of its own.
PERSON = (
    "person_id,person_household_id,person_tax_unit_id,person_spm_unit_id,person_family_id,"
    "person_marital_unit_id,age,employment_income,is_disabled\n"
    "1,10,1,1,1,1,40,50000,true\n"
    "2,10,1,1,1,1,38,0.5,False\n"
    "3,10,1,1,1,2,6,0,0\n"
    "4,20,2,2,2,3,70,1e3,1\n"
)
HOUSEHOLD = "household_id,household_weight,tenure_type\n10,1500,RENTED\n20,900,OWNED_OUTRIGHT\n"
TAX_UNIT = "tax_unit_id,charitable_deduction\n2,7\n1,300\n"
FILES = {"person.csv": PERSON, "household.csv": HOUSEHOLD, "tax_unit.csv": TAX_UNIT}


def folder_of(path, files=FILES):
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / name).write_bytes(text.encode(errors="surrogateescape"))
    return path


def read(folder, left=()):
    return read_tables(folder, 2024, StandIn().variables(), left)


def write_files(folder, data, ending):
    """Write a dataset as the files that somebody would give."""
    folder.mkdir(exist_ok=True)
    for entity, table in as_tables(data).items():
        path = folder / f"{entity}{ending}"
        table.to_csv(path, index=False) if ending == ".csv" else table.to_parquet(path)
    return folder


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_tables_give_the_population_of_a_dataset(tmp_path, ending):
    data = random_dataset(25, seed=56, shuffle=True)
    expected = build(tmp_path, data)
    theirs, table = read_population(expected[0]), expected[1].read_bytes()
    folder = write_files(tmp_path / "given", data, ending)
    built = build_from(tmp_path, folder, source="tables")
    ours = read_population(built[0])
    assert ours.values.keys() == theirs.values.keys()
    for name, values in theirs.values.items():
        assert np.array_equal(ours.values[name], values), name
        assert ours.values[name].dtype.kind == values.dtype.kind, name
    for group in GROUPS:
        assert np.array_equal(ours.membership[group], theirs.membership[group])
        assert np.array_equal(ours.ids[group], theirs.ids[group])
    assert built[1].read_bytes() == table


def test_cells_are_read_as_their_variable_s_kind(tmp_path):
    arrays = read(folder_of(tmp_path / "given")).arrays
    assert arrays["is_disabled"].tolist() == [True, False, False, True]
    assert arrays["employment_income"].tolist() == [50_000, 0.5, 0, 1_000]
    assert arrays["tenure_type"].tolist() == ["RENTED", "OWNED_OUTRIGHT"]
    # Whose file it is says what order its values are in.
    assert arrays["tax_unit_id"].tolist() == [2, 1]
    assert arrays["charitable_deduction"].tolist() == [7, 300]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("50000", '"50000"'),
        ("50000", " 50000.0"),
        ("50000", "+5e4"),
        ("true", "TRUE"),
        ("false", "0.0"),
        ("person_id,", "\ufeffperson_id,"),
        # As programs write whole numbers that were floats.
        ("1,10,1,1,1,1,", "1,10.0,1.0,1,1,1,"),
        ("1,10,1,1,1,1,", "01,010,1,1,1,1,"),
        ("\n", "\r\n"),
    ],
)
def test_spellings_of_the_same_cells_give_the_same(tmp_path, old, new):
    expected = read(folder_of(tmp_path / "given")).arrays
    files = FILES | {"person.csv": PERSON.replace(old, new)}
    arrays = read(folder_of(tmp_path / "given", files)).arrays
    assert {name: list(values) for name, values in arrays.items()} == {
        name: list(values) for name, values in expected.items()
    }


def test_codes_of_an_enum_and_ids_that_are_texts_are_understood(tmp_path):
    files = FILES | {
        "person.csv": PERSON.replace("person_id,", "parent_1_id,person_id,")
        .replace("\n1,10,", "\n,a,h1,")
        .replace("\n2,10,", "\n0,b,h1,")
        .replace("\n3,10,", "\na,c,h1,")
        .replace("\n4,20,", "\n,d,h2,"),
        "household.csv": "household_id,household_weight,tenure_type\nh1,1500,0\nh2,900,2\n",
    }
    folder = folder_of(tmp_path / "given", files)
    outputs = build_from(tmp_path, folder, source="tables", households=2)
    population = read_population(outputs[0])
    assert population.references["parent_1_id"].tolist() == [-1, -1, 0, -1]
    assert population.values["tenure_type"].tolist() == [b"RENTED", b"OWNED_WITH_MORTGAGE"]


def test_whoever_points_to_an_empty_cell_or_0_points_to_nobody(tmp_path):
    text = PERSON.replace("person_id,", "parent_1_id,person_id,", 1)
    text = text.replace("\n1,10", "\n,1,10").replace("\n2,10", "\n0,2,10")
    text = text.replace("\n3,10", "\n1.0,3,10").replace("\n4,20", "\n,4,20")
    arrays = read(folder_of(tmp_path / "given", FILES | {"person.csv": text})).arrays
    assert arrays["parent_1_id"].tolist() == [0, 0, 1, 0]


def test_an_entity_without_a_file_has_the_units_that_persons_name(tmp_path):
    arrays = read(folder_of(tmp_path / "given")).arrays
    assert arrays["marital_unit_id"].tolist() == [1, 2, 3]
    assert arrays["spm_unit_id"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("person.csv", "50000", "NaN", r"line 2 has the employment_income 'NaN', .* not a number;"),
        ("person.csv", "50000", "", r"line 2 has the employment_income '', .* not a number;"),
        ("person.csv", "50000", "inf", r"line 2 has the employment_income 'inf'"),
        ("person.csv", "50000", "1e39", r"line 2 has the employment_income '1e39', .* that size"),
        ("person.csv", "50000", '"50,000"', r"line 2 has the employment_income '50,000'"),
        ("person.csv", "50000", "50,000", r"cannot be read as a table .*Expected 9 columns"),
        ("person.csv", "38", "38.5", r"line 3 has the age '38.5', which is not a whole number"),
        ("person.csv", "False", "no", r"line 3 has the is_disabled 'no', .* not true or false"),
        ("person.csv", "1e3,1", "1e3,2", r"line 5 has the is_disabled '2', .* not true or false"),
        ("person.csv", "\n3,", "\n2,", r"line 4 has a person_id that a row above it has"),
        ("person.csv", "\n3,", "\n,", r"line 4 has the person_id '', which is not an id"),
        ("person.csv", "4,20,2", "4,20,9", r"line 5 .* person_tax_unit_id '9', .*tax_unit\.csv"),
        ("person.csv", "4,20,2", "4,20,", r"line 5 has the person_tax_unit_id '', .* an id"),
        (
            "person.csv",
            "4,20",
            "4,30",
            r"line 5 has the person_household_id '30', .*household\.csv",
        ),
        (
            "person.csv",
            "4,20,2,2",
            "4,20,2,1",
            r"line 5 .*person_spm_unit_id 1, which household 10",
        ),
        ("person.csv", "person_family_id", "family", r"no column 'person_family_id'.*add it"),
        ("person.csv", ",age", ",age,age", r"the column 'age' twice|Expected"),
        ("household.csv", "1500", "-1", r"household\.csv: line 2 has the household_weight '-1'"),
        ("household.csv", "20,900", "20,", r"line 3 has the household_weight ''"),
        ("household.csv", "weight", "wait", r"no column 'household_weight'.*add it"),
        ("household.csv", "RENTED", "LEASED", r"line 2 has the tenure_type 'LEASED', .*RENTED"),
        ("household.csv", "20,", "10,", r"line 3 has a household_id that a row above it has"),
        ("household.csv", ",", ";", r"household\.csv: line 1 separates columns by ';'"),
        ("household.csv", HOUSEHOLD, "household_id\n", r"holds no rows"),
        ("household.csv", "RENTED", "R\udce9", r"household\.csv: cannot be read as a table"),
        ("household.csv", HOUSEHOLD, "", r"household\.csv: cannot be read as a table"),
        ("tax_unit.csv", "2,7", "2,7\n5,1", r"line 3 has the tax_unit_id '5', .* of anybody"),
        ("tax_unit.csv", "tax_unit_id", "tax_unit", r"tax_unit\.csv: has no column 'tax_unit_id'"),
        ("tax_unit.csv", "charitable_deduction", "age", r"tax_unit\.csv: has the column 'age'"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, file, old, new, message):
    assert old in FILES[file]
    folder = folder_of(tmp_path / "given", FILES | {file: FILES[file].replace(old, new)})
    with pytest.raises(InputError, match=message) as error:
        read(folder)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_weights_that_are_all_zero_are_refused(tmp_path):
    text = HOUSEHOLD.replace("1500", "0").replace("900", "0")
    folder = folder_of(tmp_path / "given", FILES | {"household.csv": text})
    with pytest.raises(InputError, match=r"household\.csv: household_weight is 0 in every row"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("person.parquet", r"has both person\.csv and person\.parquet; keep one"),
        ("tax_units.csv", r"tax_units\.csv: is no entity's table .did you mean tax_unit\.csv"),
        ("Family.CSV", r"Family\.CSV: is no entity's table .did you mean family\.csv"),
        ("family.xlsx", r"family\.xlsx: is no entity's table"),
        ("family.csv.gz", r"family\.csv\.gz: is no entity's table"),
    ],
)
def test_a_table_that_would_not_be_read_is_refused(tmp_path, name, message):
    folder = folder_of(tmp_path / "given", FILES | {name: PERSON})
    with pytest.raises(InputError, match=message):
        read(folder)


def test_persons_and_households_need_a_file(tmp_path):
    for name in ("person", "household"):
        files = {file: text for file, text in FILES.items() if file != f"{name}.csv"}
        with pytest.raises(InputError, match=f"has neither {name}.csv nor {name}.parquet"):
            read(folder_of(tmp_path / name, files))
    with pytest.raises(InputError, match=r"nowhere: No such file.*population\.path"):
        read(tmp_path / "nowhere")


def test_a_person_pointed_to_in_another_household_is_refused(tmp_path):
    text = PERSON.replace("person_id,", "parent_1_id,person_id,", 1)
    text = text.replace("\n1,10", "\n4,1,10").replace("\n2,10", "\n0,2,10")
    text = text.replace("\n3,10", "\n0,3,10").replace("\n4,20", "\n0,4,20")
    folder = folder_of(tmp_path / "given", FILES | {"person.csv": text})
    with pytest.raises(InputError, match=r"line 2 has the parent_1_id 4, which household 20 has"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("age", [40, 38, None, 70], r"person\.parquet: 'age' is nan in row 2"),
        ("age", ["40", "38", "6", "70"], r"person\.parquet: 'age' is '40' in row 0; .* whole"),
        ("is_disabled", [True, None, False, True], r"'is_disabled' is None in row 1"),
        ("person_id", [1, 2, None, 4], r"row 2 has the person_id None, which is not an id"),
        ("person_id", [1, 2, 2, 4], r"row 2 has a person_id that a row above it has"),
    ],
)
def test_rows_of_parquet_are_counted_from_0(tmp_path, name, values, message):
    folder = folder_of(tmp_path / "given")
    table = pd.read_csv(folder / "person.csv").assign(is_disabled=True)
    (folder / "person.csv").unlink()
    table.assign(**{name: values}).to_parquet(folder / "person.parquet")
    with pytest.raises(InputError, match=message):
        read(folder)


def test_cells_that_nobody_looks_at_may_be_anything(tmp_path):
    """Dropped variables, and where households live."""
    text = HOUSEHOLD.replace("tenure_type", "county_fips,old").replace("RENTED", "?,x")
    text = text.replace("OWNED_OUTRIGHT", ",y")
    folder = folder_of(tmp_path / "given", FILES | {"household.csv": text})
    given = {"source": "tables", "households": 2}
    with pytest.raises(InputError, match="no variable 'old'.*population.drop"):
        build_from(tmp_path, folder, **given)
    population_path, _ = build_from(tmp_path, folder, drop=["old"], **given)
    assert not read_population(population_path).values.keys() & {"county_fips", "old"}


def test_a_variable_in_another_entity_s_file_is_refused(tmp_path):
    text = TAX_UNIT.replace("charitable_deduction", "tenure_type").replace("7", "RENTED")
    text = text.replace("300", "RENTED")
    household = "household_id,household_weight\n10,1500\n20,900\n"
    folder = folder_of(
        tmp_path / "given", FILES | {"tax_unit.csv": text, "household.csv": household}
    )
    with pytest.raises(InputError, match="'tenure_type' is in the table tax_unit, .* household"):
        build_from(tmp_path, folder, source="tables", households=2)
