"""What the config allows, in the words of its errors."""

import copy
from pathlib import Path

import pytest
import yaml

from localcal.errors import InputError
from localcal.geography.areas import read_areas
from localcal.run.configuration import (
    canonical,
    check_config,
    chunk_names,
    parents,
    target_hints,
    wanted_areas,
)

REPOSITORY = Path(__file__).parents[3]
SCHEMA = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text())
DEFAULT = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
AREAS = read_areas(REPOSITORY / "config/areas.tsv")


def complaint(changes: dict) -> str:
    """Return what is said about the default config with some values replaced, by dotted key."""
    config, typed = copy.deepcopy(DEFAULT), {}
    for key, value in changes.items():
        for mapping in (config, typed):
            *sections, name = key.split(".")
            for section in sections:
                mapping = mapping.setdefault(section, {})
            mapping[name] = value
    with pytest.raises(InputError) as error:
        check_config(config, SCHEMA, [("config/config.yaml", DEFAULT), ("mine.yaml", typed)])
    return str(error.value)


def test_the_default_is_allowed():
    check_config(DEFAULT, SCHEMA, [("config/config.yaml", DEFAULT)])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("run_id", "a/b", 'run_id: "a/b" is not allowed; allowed: letters, digits'),
        ("run_id", 20260425, "run_id: 20260425 is not allowed; allowed: letters, digits"),
        ("seed", "x", 'seed: "x" is not allowed; allowed: an integer, at least 0'),
        ("seed", -1, "seed: -1 is not allowed; allowed: an integer, at least 0"),
        ("seed", True, "seed: true is not allowed; allowed: an integer"),
        ("engine", "model", 'engine: "model" is not allowed; allowed: module:Class'),
        ("matrix.chunk_columns", 0, "matrix.chunk_columns: 0 is not allowed; allowed: an integer"),
        ("matrix.chunk_column", 5, "matrix.chunk_column: unknown key (did you mean 'chunk_colu"),
        ("population.source", "fil", '(did you mean \'file\'?); allowed: "synthetic", "file"'),
        ("population.source", "file", "population.path: null is not allowed with source: file"),
        ("targets.source", "file", "targets.path: null is not allowed with source: file"),
        ("take_up.enabled", "no", 'take_up.enabled: "no" is not allowed; allowed: true or false'),
        ("take_up", [], "take_up: [] is not allowed; allowed: a section"),
        ("weights.local.records", "some", "allowed: all, or an integer of at least 1"),
        ("weights.local.bounds", [2, 3], "allowed: a range that contains 1"),
        ("weights.local.bounds", [1], "length at least 2"),
        (
            "weights.local.groups",
            [{"weight": 2, "tolerance": 1}],
            "is not allowed; allowed: variable",
        ),
        ("weights.local.groups", [{"variable": "snap"}], "at least one of them, and at least one"),
        ("weights.local.groups", [{"variable": "snap", "wieght": 2}], "did you mean 'weight'?"),
        ("weights.local.groups", [{"variable": "a", "weight": 0}], "groups.0.weight: 0 is not all"),
        ("weights.local.huber", 0, "weights.local.huber: 0 is not allowed; allowed: a number abo"),
        ("weights.local.start", "runs/demo/weights/local/trace.h5", "would be overwritten; name"),
        ("weights.local.method", "l1", 'method: "l1" is not allowed; allowed: "descent", "newton"'),
        ("weights.local.l0.epochs", 0, "weights.local.l0.epochs: 0 is not allowed"),
        ("areas.states", ["CA", "CA"], "allowed: all, or a list of areas, each once"),
        ("targets.include", [{}], "targets.include.0: {} is not allowed; allowed: variable"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(key, value, message):
    text = complaint({key: value})
    assert "\n" not in text
    assert message in text


def test_the_file_that_sets_the_wrong_value_is_named():
    assert complaint({"seed": "x"}).startswith("mine.yaml: seed: ")
    # Nobody but the default sets population.path.
    assert complaint({"population.source": "file"}).startswith(
        "config/config.yaml: population.path"
    )


def test_a_number_as_run_id_gets_told_about_quotes():
    assert complaint({"run_id": 20260425}).endswith("write it in quotes, so that it stays text")


def test_a_missing_key_is_named_with_what_it_allows():
    config = {key: value for key, value in DEFAULT.items() if key != "seed"}
    with pytest.raises(InputError, match="seed: missing; allowed: an integer, at least 0"):
        check_config(config, SCHEMA, [("config/config.yaml", config)])


def test_l0_cannot_be_asked_for_a_number_of_records():
    text = complaint({"weights.local.method": "l0", "weights.local.records": 50})
    assert "weights.local.records: 50 is not allowed with method: l0" in text


def test_every_problem_gets_its_line():
    lines = complaint({"seed": "x", "period": 1}).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["period", "seed"]


@pytest.mark.parametrize(("columns", "chunks"), [(10_000, 1), (9_999, 2), (1_250, 8), (1, 10_000)])
def test_chunks_cover_all_columns(columns, chunks):
    names = chunk_names(DEFAULT | {"matrix": {"chunk_columns": columns}})
    assert len(names) == chunks
    assert names[-1] == f"{chunks - 1:06d}"


def test_more_chunks_than_names_are_refused():
    text = complaint({"matrix.chunk_columns": 1, "population.households": 100_000})
    assert "matrix.chunk_columns: makes 1,000,000 chunks" in text


def test_all_means_every_area_of_a_level():
    section = {"path": "t", "national": "all", "states": "all", "districts": [], "cities": ["NYC"]}
    wanted = wanted_areas(section, AREAS, [("mine.yaml", {})])
    assert [area.area for area in wanted][:2] == ["US", "AL"]
    assert len(wanted) == 1 + 51 + 1


def test_an_unknown_area_is_named_with_the_file_and_a_suggestion():
    section = DEFAULT["areas"] | {"states": ["CAL"]}
    sources = [("config/config.yaml", DEFAULT), ("mine.yaml", {"areas": {"states": ["CAL"]}})]
    with pytest.raises(InputError, match=r"mine.yaml: areas.states: no area 'CAL'; did you mean"):
        wanted_areas(section, AREAS, sources)


def test_a_districts_parent_is_its_state_and_others_are_their_own():
    found = parents(AREAS)
    assert (found["CA-12"], found["CA"], found["US"], found["NYC"]) == ("CA", "CA", "US", "NYC")


def test_a_district_without_its_state_is_refused():
    orphans = [area for area in AREAS if area.area != "CA"]
    with pytest.raises(InputError, match="district CA-01 lies in a state the table lacks"):
        parents(orphans)


def test_what_can_be_made_gets_no_hint():
    possible = ["runs/demo/areas/states/CA.h5", "runs/demo/validation/totals/CA.h5", "-n", "all"]
    possible += ["runs/demo/matrix/chunks/chunk_000007.h5", "runs/demo/run.json"]
    assert target_hints(possible, "demo", AREAS, chunk_names(DEFAULT)) == []


def test_parameters_do_not_depend_on_the_order_of_keys():
    assert repr(canonical({"b": {"d": 1, "c": (2,)}, "a": 0})) == repr(
        canonical({"a": 0, "b": {"c": [2], "d": 1}})
    )
