"""What the config allows, in the words of its errors."""

import copy
import math
from pathlib import Path

import jsonschema
import pytest
import yaml

from localcal.errors import InputError
from localcal.geography.areas import read_areas
from localcal.run.configuration import (
    canonical,
    check_command_line,
    check_config,
    chunk_columns,
    chunk_count,
    chunk_names,
    parents,
    target_hints,
    wanted_areas,
)

REPOSITORY = Path(__file__).parents[3]
SCHEMA = jsonschema.Draft202012Validator(
    yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text())
)
DEFAULT = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
# What is another word for a source of targets is no key any more once it is read.
CHECKED = {key: value for key, value in DEFAULT.items() if key != "build_database"}
AREAS = read_areas(REPOSITORY / "config/areas.tsv")


def changed(changes: dict, config: dict = DEFAULT) -> dict:
    """Return a config with some values replaced, by dotted key."""
    config = copy.deepcopy(config)
    for key, value in changes.items():
        mapping = config
        *sections, name = key.split(".")
        for section in sections:
            mapping = mapping.setdefault(section, {})
        mapping[name] = value
    return config


def complaint(changes: dict) -> str:
    """Return what is said about the default config with some values replaced, by dotted key."""
    sources = [("config/config.yaml", DEFAULT), ("mine.yaml", changed(changes, {}))]
    with pytest.raises(InputError) as error:
        check_config(changed(changes), sources)
    return str(error.value)


def test_the_default_is_allowed():
    assert check_config(DEFAULT, [("config/config.yaml", DEFAULT)]) == CHECKED


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
        ("population.source", "fil", '(did you mean \'file\'?); allowed: "survey", "synthetic"'),
        ("population.source", "file", "population.path: null is not allowed with source: file"),
        ("targets.source", "file", "targets.path: null is not allowed with source: file"),
        ("take_up.enabled", "no", 'take_up.enabled: "no" is not allowed; allowed: true or false'),
        ("take_up", [], "take_up: [] is not allowed; allowed: a section"),
        ("weights.local.records", "some", "allowed: all, or an integer of at least 1"),
        ("weights.local.bounds", [2, 3], "allowed: a range that contains 1"),
        (
            "weights.local.bounds",
            [1],
            "[1] is not allowed; allowed: two numbers above 0, the first",
        ),
        (
            "weights.local.groups",
            [{"weight": 2, "tolerance": 1}],
            "is not allowed; allowed: variable",
        ),
        ("weights.local.groups", [{"variable": "snap"}], "at least one of them, and at least one"),
        ("weights.local.groups", [{"variable": "snap", "wieght": 2}], "did you mean 'weight'?"),
        ("weights.local.groups", [{"variable": "a", "weight": 0}], "groups.0.weight: 0 is not all"),
        ("weights.local.huber", 0, "weights.local.huber: 0 is not allowed; allowed: a number abo"),
        ("weights.local.prior", "runs/demo/weights/local/trace.h5", "would be overwritten; name"),
        ("weights.local.method", "l1", 'method: "l1" is not allowed; allowed: "descent", "newton"'),
        ("weights.local.l0.epochs", 0, "weights.local.l0.epochs: 0 is not allowed"),
        ("weights.local.distance", "entropy", 'allowed: "least_squares", "raking", "logit"'),
        ("areas.states", ["CA", "CA"], "allowed: all, or a list of areas, each once"),
        ("targets.include", [{}], "targets.include.0: {} is not allowed; allowed: variable"),
        (
            "targets.agencies",
            ["usda_snap", "irs_district"],
            "targets.agencies.1: \"irs_district\" is not allowed (did you mean 'irs_districts'?); "
            "allowed: census_age_nation, ",
        ),
        ("targets.agencies", ["usda_snap"] * 2, "allowed: a list of sources, no entry twice"),
        ("targets.agencies", "usda_snap", "allowed: a list of sources, no entry twice"),
        ("targets.figures", ["a.csv", "a.csv"], "allowed: a list of paths, no entry twice"),
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


def test_what_is_left_out_takes_the_default():
    config = {"period": 2025, "weights": {"national": {"records": 7}}}
    national = DEFAULT["weights"]["national"] | {"records": 7}
    expected = CHECKED | {"period": 2025, "weights": DEFAULT["weights"] | {"national": national}}
    # As text, which is how parameters are compared: 90 is not 90.0.
    assert repr(canonical(check_config(config, []))) == repr(canonical(expected))


def test_rules_are_returned_as_they_are_written():
    rules = [{"variable": "snap", "weight": 2}, {"geo_level": "state", "hold_out": True}]
    config = {"targets": {"include": [{"domain_variable": ""}]}}
    config["weights"] = {"local": {"groups": rules, "bounds": [1, 2.5], "huber": None}}
    found = check_config(config, [])
    assert found["targets"]["include"] == [{"domain_variable": ""}]
    fit = found["weights"]["local"]
    assert repr([fit["groups"], fit["bounds"], fit["huber"]]) == repr([rules, [1, 2.5], None])


@pytest.mark.parametrize("name", ["config", "production", "held_out"])
def test_the_configs_that_come_with_the_project_are_allowed(name):
    config = yaml.safe_load((REPOSITORY / f"config/{name}.yaml").read_text())
    found = check_config(config, [(name, config)])
    assert check_config(found, []) == found


NUMBERS = [
    "geography.state_exponent",
    "geography.income_percentile",
    *(f"weights.national.{key}" for key in ("tolerance", "huber")),
    *(f"weights.local.l0.{key}" for key in ("lambda_l0", "lambda_l2", "beta", "learning_rate")),
]


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize(
    ("value", "word"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_what_is_no_finite_number_is_refused(key, value, word):
    assert complaint({key: value}).startswith(
        f"mine.yaml: {key}: {word} is not a finite number; allowed: a number"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_number_in_a_list_is_anything_but_finite(value):
    text = complaint({"weights.local.bounds": [0.1, value]})
    assert text.startswith("mine.yaml: weights.local.bounds.1: ")
    rule = {"variable": "snap", "tolerance": value}
    text = complaint({"weights.local.groups": [rule]})
    assert text.startswith("mine.yaml: weights.local.groups.0.tolerance: ")
    for key in ("seed", "geography.clones", "weights.local.records", "weights.local.max_sweeps"):
        assert complaint({key: value}).startswith(f"mine.yaml: {key}: ")


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("geography.clones", 1.0e3, "an integer, at least 1; write 1000"),
        ("geography.clones", "1", "an integer, at least 1; write it without quotes"),
        ("geography.clones", True, "true is not allowed; allowed: an integer, at least 1"),
        ("weights.local.penalty", "1e-3", "quotes, and with a point, as in 1.0e-3"),
        ("weights.local.penalty", "nan", '"nan" is not allowed; allowed: auto, or a num'),
        ("weights.local.penalty", 0, "0 is not allowed; allowed: auto, or a number above 0"),
        ("weights.local.penalty", float("inf"), "Infinity is not allowed; allowed: auto, or a num"),
        ("weights.local.hold_out", 1.0, "1.0 is not allowed; allowed: a number, at least 0, below"),
        ("weights.local.penalty", True, "true is not allowed; allowed: auto, or a number above 0"),
        ("weights.local.strict", 1, "1 is not allowed; allowed: true or false"),
        ("weights.local.harmonize", "true", '"true" is not allowed; allowed: true or false'),
        ("population.revision", 1234567, "write it in quotes, so that it stays text"),
        ("population.drop", ["a", "a"], "a list, no entry twice"),
        ("weights.local.levels", ["state", "county"], 'levels.1: "county" is not allowed; allowed'),
    ],
)  # fmt: skip
def test_nothing_is_converted(key, value, advice):
    text = complaint({key: value})
    assert "\n" not in text
    assert advice in text


@pytest.mark.parametrize("run_id", ["", "x" * 101, "demo\n", "a\nb", "-x", ".", "ä", "a b"])
def test_a_run_id_is_a_name_that_any_file_system_takes(run_id):
    assert complaint({"run_id": run_id}).startswith("mine.yaml: run_id: ")
    assert check_config({"run_id": "x" * 100}, [])["run_id"] == "x" * 100


@pytest.mark.parametrize("engine", ["a:B\n", "a.b:", "1:B"])
def test_an_engine_is_a_module_and_a_class(engine):
    assert "allowed: module:Class" in complaint({"engine": engine})


def test_a_renamed_key_is_told_its_new_name():
    text = complaint({"weights.national.start": None})
    assert text == "mine.yaml: weights.national.start: is called prior now; rename it"


def test_a_key_that_is_no_text_is_unknown():
    assert "matrix.1: unknown key; allowed: workers, chunk_columns" in complaint({"matrix": {1: 2}})
    assert "1: unknown key; allowed: run_id" in complaint({"1": 2})


def test_a_repository_needs_all_of_its_place():
    text = complaint({"targets": {"source": "huggingface", "repo_id": "a/b"}})
    keys = [line.split(": ")[1] for line in text.splitlines()]
    assert keys == ["targets.filename", "targets.revision"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weights.local.groups": [{"variable": "snap", "weight": 2, "hold_out": True}]},
        {"weights.local.records": 5, "weights.local.huber": None, "areas.states": "all"},
        {"targets.include": [{"geo_level": "state"}], "population.path": "p.h5"},
        {"targets.agencies": ["irs_districts"], "targets.figures": []},
    ],
)
def test_the_schema_takes_what_the_models_take(changes):
    config = changed(changes)
    check_config(config, [])
    SCHEMA.validate(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run_id", "a/b"),
        ("run_id", "x" * 101),
        ("seed", -1),
        ("period", 1999),
        ("geography.state_exponent", 1.5),
        ("geography.income_percentile", "90"),
        ("matrix.chunk_column", 5),
        ("population.drop", ["a", "a"]),
        ("take_up", []),
        ("weights.local.levels", []),
        ("weights.local.levels", ["county"]),
        ("weights.local.records", "some"),
        ("weights.local.bounds", [1]),
        ("weights.local.bounds", [0, 1]),
        ("weights.local.huber", 0),
        ("weights.local.start", None),
        ("weights.local.l0.lambda_l2", -1),
        ("weights.local.groups", [{"variable": "snap"}]),
        ("weights.local.groups", [{"weight": 2, "tolerance": 1}]),
        ("targets.include", [{}]),
        ("targets.agencies", ["irs_district"]),
        ("targets.agencies", ["usda_snap", "usda_snap"]),
        ("areas.states", ["CA", "CA"]),
    ],
)
def test_the_schema_refuses_what_the_models_refuse(key, value):
    complaint({key: value})
    assert not SCHEMA.is_valid(changed({key: value}))


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


@pytest.mark.parametrize(
    ("households", "clones", "workers", "columns", "chunks"),
    [
        (12_000, 430, 50, 103_200, 50),
        (12_000, 430, 20, 86_000, 60),
        (12_000, 430, 1, 107_500, 48),
        (1_000, 10, 2, 5_000, 2),
        (1_001, 10, 2, 5_010, 2),
        (3, 10, 8, 10, 3),
        (2, 200_000, 2, 200_000, 2),
    ],
)
def test_chunks_are_of_whole_households_for_the_workers_there_are(
    households, clones, workers, columns, chunks
):
    config = {
        "population": {"households": households},
        "geography": {"clones": clones},
        "matrix": {"workers": workers, "chunk_columns": None},
    }
    assert chunk_columns(config) == columns
    assert chunk_count(config) == chunks


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
    possible += ["runs/demo/matrix/chunks/chunk_000001.h5", "runs/demo/run.json"]
    assert target_hints(possible, "demo", AREAS, chunk_names(DEFAULT)) == []


def test_parameters_do_not_depend_on_the_order_of_keys():
    assert repr(canonical({"b": {"d": 1, "c": (2,)}, "a": 0})) == repr(
        canonical({"a": 0, "b": {"c": [2], "d": 1}})
    )


RULE = {"variable": "snap", "geo_level": "state"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"weights.local.records": 10_001}, "weights.local.records: 10,001 is more than there are"),
        ({"targets.include": [RULE], "targets.exclude": [{"variable": "snap"}]}, "leaves out all"),
        (
            {"weights.national.groups": [{"geo_level": "state", "weight": 2.0}]},
            "weights.national.groups.0.geo_level: state is not among the levels of this fit",
        ),
        (
            {"weights.local.groups": [RULE | {"weight": 2.0}], "targets.exclude": [RULE]},
            "weights.local.groups.0: targets.include and targets.exclude leave no target",
        ),
        (
            {
                "weights.local.groups": [RULE | {"weight": 2.0}],
                "targets.include": [{"variable": "x"}],
            },
            "weights.local.groups.0: targets.include and targets.exclude leave no target",
        ),
        (
            {"weights.local.prior": "./runs/../runs/demo/weights/local/trace.h5"},
            "is this run's and would be overwritten",
        ),
        (
            {"weights.local.method": "given", "weights.local.path": "runs/demo/weights/w.npy"},
            "weights.local.path: runs/demo/weights/w.npy is this run's and would be overwritten",
        ),
        (
            {"weights.local.method": "given"},
            "weights.local.path: null is not allowed with method: given; name a calibration_weig",
        ),
        (
            {"weights.national.path": "w.npy"},
            "weights.national.path: w.npy is not used with method: descent; allowed: null",
        ),
        (
            {
                "weights.local.method": "given",
                "weights.local.path": "w.npy",
                "weights.local.prior": "other/trace.h5",
            },
            "weights.local.prior: other/trace.h5 is not used with method: given",
        ),
        (
            {
                "weights.local.method": "given",
                "weights.local.path": "w.npy",
                "weights.local.records": 100,
            },
            "weights.local.records: 100 is not allowed with method: given",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, complaint):
    with pytest.raises(InputError, match=complaint.replace(".", r"\.")) as error:
        check_config(changed(changes), [("config.yaml", {})])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights.local.records": 10_000},
        {"targets.include": [{"variable": "snap"}], "targets.exclude": [RULE]},
        {"targets.include": [RULE, {"variable": "x"}], "targets.exclude": [RULE]},
        {"weights.local.groups": [{"variable": "snap", "weight": 2.0}], "targets.exclude": [RULE]},
        {"weights.local.groups": [{"variable": "snap", "weight": 2.0}], "targets.include": [RULE]},
        {"weights.local.prior": "runs/other/weights/local/trace.h5"},
        {"weights.local.method": "given", "weights.local.path": "w.npy"},
    ],
)
def test_settings_that_leave_something_are_allowed(changes):
    check_config(changed(changes), [("config.yaml", {})])


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("population.path", "a\0b", "'a\\\\x00b' is not allowed; allowed: one line of text"),
        ("areas.path", "a\nb", "one line of text"),
        ("take_up.rates", "\x1b[31m", "one line of text"),
        ("geography.places", "a" * 5000, "has 5,000 characters; allowed: at most 4,095"),
        ("targets.repo_id", "https://u:s3cret@h/x", r"//\*\*\*@h/x holds credentials"),
        ("weights.local.groups", [{"variable": "a\tb", "weight": 2.0}], "groups.0.variable: 'a"),
    ],
)
def test_text_that_no_path_may_hold_is_refused_and_no_secret_shown(key, value, complaint):
    with pytest.raises(InputError, match=complaint) as error:
        check_config(changed({key: value}), [("config.yaml", {})])
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("run_id", ["a\nb", "a\n", "a" * 300, "", "..", "a/b"])
def test_a_run_id_that_is_no_folders_name_is_refused_in_one_short_line(run_id):
    with pytest.raises(InputError, match="run_id: .* is not allowed; .* at most 100$") as error:
        check_config(changed({"run_id": run_id}), [("config.yaml", {})])
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("value", "advice"),
    [(1000.0, "; write 1000"), ("1.0e3", "; write 1000"), ("1000", "; write it without quotes")],
)
def test_a_count_that_is_no_integer_is_told_how_to_write_it(value, advice):
    with pytest.raises(InputError, match=f"an integer, at least 1, or null{advice}$"):
        check_config(changed({"matrix.chunk_columns": value}), [("config.yaml", {})])


def test_what_is_typed_after_config_is_short_and_amend_is_true_or_false():
    check_command_line(["seed=1"], amend=True)
    with pytest.raises(InputError, match="amend: 'flase' is not allowed; allowed: true or false"):
        check_command_line([], amend="flase")
    with pytest.raises(InputError, match="--config: .* bytes .*; put them into a file and name it"):
        check_command_line(["areas={districts: [" + "CA-12, " * 20_000 + "]}"], amend=False)


def test_a_database_is_built_whichever_way_it_is_asked_for():
    by_flag = changed({"build_database": True})
    by_source = changed({"targets.source": "agencies"})
    flagged = check_config(by_flag, [("config.yaml", by_flag)])
    assert flagged == check_config(by_source, [("config.yaml", by_source)])
    # As a job on another machine gets it, which is sent what was checked.
    again = {**flagged, "build_database": True}
    assert check_config(again, [("config.yaml", again)]) == flagged
    assert check_config(DEFAULT, [("config.yaml", DEFAULT)])["targets"]["source"] == "demo"
