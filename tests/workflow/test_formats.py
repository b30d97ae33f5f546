"""The files of a finished run, as the pages on formats say and as a reader of theirs finds them."""

import numpy as np

from tests.formats import decode, pages
from tests.households import random_population

# For people, of others' formats, or of what a job wrote while it ran.
NO_PAGE = {
    ".lock",
    "population/take_up.csv",
    "targets/policy_data.db",
    "targets/preflight.html",
}
NO_PAGES_IN = {"benchmarks", "logs", "report"}


def test_every_file_of_a_run_is_as_its_page_says(finished):
    run = finished.folder / "runs/small"
    paths = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    names = [
        name
        for name in sorted(paths)
        if name not in NO_PAGE and name.partition("/")[0] not in NO_PAGES_IN
    ]
    assert len(names) > 100
    assert [text for name in names for text in pages.differences(paths[name], name)] == []
    # Nothing is on a page that no run has, but for what the example or other tests have.
    seen = {one.patterns for one in map(pages.format_of, names)}
    unseen = {one.patterns[0] for one in pages.formats() if one.patterns not in seen}
    assert {name for name in unseen if not name.startswith("sweeps/")} == {
        "areas/{level}/{area}_replicates.h5",
        "history.jsonl",
        "since.jsonl",
        "weights/{scope}/areas_with_errors.csv",
        "weights/{scope}/diagnostics_with_errors.csv",
        "weights/{scope}/replicates.h5",
        "weights/{scope}/standard_errors.csv",
    }


def test_a_reader_of_the_pages_finds_what_went_in(finished):
    run, population = finished.folder / "runs/small", random_population(60, seed=1)
    places = decode.read_geography(run / "population/geography.h5")
    persons = np.diff(population.starts["person"])
    matrix = decode.read_matrix(run)
    for number, row in enumerate(decode.read_rows(run / "weights/local")):
        worth = {"household_count": np.ones(60), "person_count": persons}[row["variable"]]
        here = np.ones(240)
        if row["geo_level"] != "nation":
            here = places[row["geo_level"]] == int(row["geographic_id"])
        assert np.array_equal(matrix[number], worth[places["household"]] * here), row["name"]
    for scope in ("local", "national"):
        decode.read_weights(run / "weights" / scope)
    of_household = np.split(population.values["age"], population.starts["person"][1:-1])
    for name in ("states/CA", "districts/NY-01", "cities/NYC", "national/US"):
        area = decode.read_area(run / f"areas/{name}.h5", run)
        columns = area["values"]["household_id"] - 1
        ages = np.concatenate([of_household[column // 4] for column in columns])
        assert np.array_equal(area["values"]["age"], ages)
        taken = decode.take_up("takes_up_snap_if_eligible", area, run)
        assert np.array_equal(area["values"]["takes_up_snap_if_eligible"], taken)
    for path in (run / "made").rglob("*.json"):
        made = decode.read_object(path)
        assert decode.sha256(run / made["file"]) == made["sha256"]
    decode.read_lines(run / "sessions.jsonl")
