"""The pages on formats: what they say of the example, and a reader written from them alone."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from localcal.jobs.job import same_arithmetic
from localcal.run.provenance import Change, record_changes
from localcal.run.since import Entry, record_since
from tests.formats import decode, make_example, pages

EXAMPLE = make_example.EXAMPLE
ALLOWED = {"csv", "h5py", "hashlib", "json", "numpy", "pathlib"}
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def files_of(run):
    names = (path.relative_to(run) for path in sorted(run.rglob("*")) if path.is_file())
    return [name.as_posix() for name in names if name.as_posix() != "expected.json"]


@pytest.fixture(scope="module")
def given():
    return json.loads((EXAMPLE / "expected.json").read_text())


def test_the_reader_knows_nothing_of_localcal():
    tree = ast.parse(Path(decode.__file__).read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported <= ALLOWED <= sys.stdlib_module_names | {"h5py", "numpy"}


@pytest.mark.parametrize("name", files_of(EXAMPLE))
def test_a_file_of_the_example_is_as_its_page_says(name):
    assert pages.differences(EXAMPLE / name, name) == []


def test_the_matrix_holds_what_was_given(given):
    matrix = decode.read_matrix(EXAMPLE)
    for number, row in enumerate(decode.read_rows(EXAMPLE / "weights/local")):
        for column, (state, district) in enumerate(
            zip(given["state"], given["district"], strict=True)
        ):
            household = column // given["clones"]
            ages = given["age"][household]
            worth = {
                "household_count": 1,
                "person_count": len(ages),
                "employment_income": sum(given["employment_income"][household]),
            }[row["variable"]]
            if row["constraints"] != "[]":
                worth = sum(4 < age < 18 for age in ages)
            place = {"nation": "US", "state": str(state), "district": str(district)}
            is_there = place[row["geo_level"]] == row["geographic_id"]
            # Sums of 32-bit values.
            assert matrix[number, column] == pytest.approx(worth * is_there, rel=1e-6)


@pytest.mark.parametrize("scope", ["local", "national"])
def test_weights_are_what_their_trace_says_and_come_to_the_estimates(scope):
    folder = EXAMPLE / "weights" / scope
    weights, matrix = decode.read_weights(folder), decode.read_matrix(EXAMPLE)
    rows = decode.read_rows(folder)
    estimate = [float(row["final_estimate"]) for row in rows]
    assert matrix @ weights.astype(float) == pytest.approx(estimate, rel=1e-12)
    with (folder / "standard_errors.csv").open(newline="") as file:
        errors = [float(row["standard_error"]) for row in decode.csv.DictReader(file)]
    variance = decode.variance(folder / "replicates.h5", matrix, weights)
    assert np.sqrt(variance) == pytest.approx(errors[: len(rows)], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["states/CA", "national/US"])
def test_an_area_s_file_has_the_persons_that_were_given(given, name):
    area = decode.read_area(EXAMPLE / f"areas/{name}.h5", EXAMPLE)
    values = area["values"]
    columns = values["household_id"] - 1
    weights = np.load(EXAMPLE / f"weights/{area['about']['weights_scope']}/weights.npy")
    lives = np.array([name == "national/US" or state == 6 for state in given["state"]])
    assert columns.tolist() == np.flatnonzero(lives & (weights > 0)).tolist()
    for kind in ("age", "employment_income"):
        expected = [item for column in columns for item in given[kind][column // given["clones"]]]
        assert values[kind].tolist() == expected
    taken = decode.take_up("takes_up_snap_if_eligible", area, EXAMPLE)
    assert np.array_equal(values["takes_up_snap_if_eligible"], taken)
    assert 0 < taken.sum() < len(taken)
    replicates = decode.read_replicates(EXAMPLE / f"areas/{name}_replicates.h5")
    assert np.array_equal(replicates["household_id"], values["household_id"])
    assert replicates["weights"].shape == (3, len(columns))


def test_places_and_objects_are_read(given):
    places = decode.read_geography(EXAMPLE / "population/geography.h5")
    assert places["state"].tolist() == given["state"]
    base = decode.read_dataset(EXAMPLE / "population/population.h5")
    assert base["values"]["household_id"].tolist() == given["household_id"]
    assert base["values"]["household_weight"].tolist() == given["household_weight"]
    assert np.bincount(places["household"], places["design_weight"]) == pytest.approx(
        given["household_weight"]
    )
    for name in ("weights/local/fit.json", "matrix/summary.json"):
        decode.read_object(EXAMPLE / name)


def changed_entry(file):
    file["matrix/data"][0] += 1


def unordered_row(file):
    file["matrix/indices"][:2] = file["matrix/indices"][:2][::-1]


@pytest.mark.parametrize("damage", [changed_entry, unordered_row])
def test_the_reader_refuses_another_matrix(tmp_path, damage):
    run = shutil.copytree(EXAMPLE, tmp_path / "run")
    with h5py.File(run / "matrix/matrix.h5", "a") as file:
        damage(file)
    with pytest.raises(decode.WrongFileError):
        decode.read_matrix(run)


def test_the_reader_refuses_other_weights_places_and_seals(tmp_path):
    run = shutil.copytree(EXAMPLE, tmp_path / "run")
    with h5py.File(run / "weights/local/trace.h5", "a") as file:
        file["factor"][0] *= 1.001
    with pytest.raises(decode.WrongFileError, match="other weights"):
        decode.read_weights(run / "weights/local")
    with h5py.File(run / "areas/states/CA.h5", "a") as file:
        file["person_id/2024"][:2] = file["person_id/2024"][:2][::-1]
    with pytest.raises(decode.WrongFileError, match="person_id"):
        decode.read_area(run / "areas/states/CA.h5", run)
    text = (
        (run / "matrix/plan.json").read_text().replace('"chunk_columns": 20', '"chunk_columns": 21')
    )
    (run / "matrix/plan.json").write_text(text)
    with pytest.raises(decode.WrongFileError, match="seal"):
        decode.read_matrix(run)


def test_what_a_page_does_not_say_is_found(tmp_path):
    name = "weights/local/trace.h5"
    path = tmp_path / "trace.h5"
    shutil.copyfile(EXAMPLE / name, path)
    with h5py.File(path, "a") as file:
        file["more"] = [1]
        file.attrs["note"] = "new"
        del file["factor"], file.attrs["engine"]
        short = file["probability"][:-1]
        del file["probability"]
        file["probability"] = short.astype(np.float32)
    found = "\n".join(pages.differences(path, name))
    for words in ("more is in no table", "@note is in no table", "lacks factor", "lacks @engine"):
        assert words in found
    assert "probability: is of type float32" in found and "not (J,) with J" in found


def test_keys_and_columns_that_a_page_does_not_say_are_found(tmp_path):
    name = "matrix/plan.json"
    content = json.loads((EXAMPLE / name).read_text())
    del content["n_columns"], content["digests"]["frozen"]
    content |= {"note": 1, "chunk_columns": "20"}
    (tmp_path / "plan.json").write_text(json.dumps(content))
    found = pages.differences(tmp_path / "plan.json", name)
    assert {text.split(": ", 1)[1] for text in found} == {
        "chunk_columns is '20', not integer (matrix.md)",
        "note is in no table (matrix.md)",
        "lacks n_columns (matrix.md)",
        "lacks digests.frozen (matrix.md)",
    }
    name = "weights/local/areas.csv"
    text = (EXAMPLE / name).read_text().replace("records", "kept", 1).replace("True", "yes", 1)
    (tmp_path / "areas.csv").write_text(text)
    found = pages.differences(tmp_path / "areas.csv", name)
    assert {text.split(": ", 1)[1] for text in found} == {
        "column kept is in no table (weights.md)",
        "lacks the column records (weights.md)",
        "is_publishable is 'yes', not bool (weights.md)",
    }
    assert pages.differences(tmp_path / "areas.csv", "weights/areas.bin") == [
        "weights/areas.bin: no page has it"
    ]


def test_records_of_what_changed_are_as_their_page_says(tmp_path):
    history = record_changes(tmp_path, [Change("config.seed", 0, 1)])
    since = record_since(tmp_path, [Entry(None, {"fit_weights": None})], {"fit_weights": "b"}, 1.0)
    for path in (history, since):
        assert pages.differences(path, path.name) == []
        assert len(decode.read_lines(path)) >= 1


@pytest.mark.skipif(
    "OPENBLAS_CORETYPE" not in same_arithmetic(), reason="the example is of a processor with AVX2"
)
def test_the_example_is_what_localcal_writes_now(tmp_path):
    made, kept = tmp_path / "made", EXAMPLE
    # In a process of its own: of this one a plugin may have imported numpy before it was told how.
    command = [sys.executable, "-m", "tests.formats.make_example", str(made)]
    subprocess.run(command, check=True, cwd=EXAMPLE.parents[2])
    assert files_of(made) == files_of(kept)
    for name in files_of(kept):
        assert content_of(made / name) == content_of(kept / name), name


def content_of(path):
    """Return what is in a file, but for digests: those of HDF5 files are another library's."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return [
                (name, DIGEST.sub("", str(value)) if "@" in name else value[()].tolist())
                for name, value in pages.everything(file, "")
            ]
    if path.suffix in (".npy", ".parquet"):
        return path.read_bytes()
    return DIGEST.sub("", path.read_text())
