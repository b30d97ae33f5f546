"""A run keeps what it was made from."""

import copy
import json
import os
from pathlib import Path

import pytest
import yaml

from localcal.errors import InputError
from localcal.run import provenance
from localcal.run import start as starts
from localcal.run.code_digest import CodeDigest
from localcal.run.identity import Checkout
from localcal.run.lock import release_locks
from localcal.run.provenance import (
    describe_state,
    differences,
    freeze_run,
    given_files,
    products,
    read_history,
    refuse_orphans,
    science,
)
from localcal.run.start import start_run

REPOSITORY = Path(__file__).parents[3]
ENGINE = "tests.standin_engine:StandIn"
CHECKOUT = Checkout("c0" * 20, True, "main")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A working folder with two scripts, given files and a config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(starts, "read_checkout", lambda: CHECKOUT)
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "freeze_run.py").write_text("from localcal.provenance import freeze_run\n")
    (scripts / "build_chunk.py").write_text("from localcal.files import sha256_file\n")
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    config |= {"run_id": "x", "engine": ENGINE}
    config["areas"]["path"] = _given("areas.tsv")
    config["take_up"]["rates"] = _given("rates.csv")
    config["geography"]["places"] = _given("places.csv")
    config["geography"]["district_population"] = _given("population.csv")
    config["targets"]["compare"] = _given("totals.csv")
    config["population"]["survey"] = "survey"
    Path("survey").mkdir()
    _given("survey/households.csv")
    config["targets"]["published"] = "published"
    Path("published").mkdir()
    _given("published/figures.csv")
    yield Run(config, scripts)
    release_locks()


def _given(name: str) -> str:
    Path(name).write_text(name)
    return name


class Run:
    """One run's config and folder."""

    folder = Path("runs/x")

    def __init__(self, config: dict, scripts: Path) -> None:
        self.config = config
        self.scripts = scripts

    def freeze(self) -> dict:
        """Write run.json and return its content."""
        path = self.folder / "run.json"
        freeze_run(self.config, self.scripts, path, checkout=CHECKOUT._asdict())
        return json.loads((self.folder / "run.json").read_text())

    @property
    def state(self) -> dict:
        """What config, files and code are now."""
        code = CodeDigest(self.scripts, self.config["engine"])
        return describe_state(self.config, given_files(self.config, self.folder), code)

    @property
    def changes(self) -> list[str]:
        """What differs from the run."""
        return [change.what for change in differences(self.folder, self.state)]

    def start(self, amend: bool = False) -> None:
        """Start and end a coordinator."""
        start_run(self.folder, self.state, {}, amend)
        release_locks()


def test_the_record_says_what_the_run_is_made_from(run):
    record = run.freeze()
    assert record["run_id"] == "x"
    assert record["config"]["matrix"] == {"workers": 2, "chunk_columns": None}
    rates = record["inputs"]["take_up.rates"]
    assert rates["sha256"] == provenance.sha256_file("rates.csv")
    assert rates["size"] == len("rates.csv")
    assert record["code"].keys() == {"build_chunk"}
    assert record["versions"]["python"].startswith("3.")
    assert {name: record[name] for name in CHECKOUT._fields} == CHECKOUT._asdict()


def test_a_frozen_run_differs_in_nothing(run):
    run.freeze()
    assert run.changes == []


def test_neither_the_run_id_nor_the_place_of_a_file_is_science(run):
    run.freeze()
    Path("rates.csv").rename("moved.csv")
    run.config["take_up"]["rates"] = "moved.csv"
    run.config["run_id"] = "y"
    run.config["targets"]["cache"] = "elsewhere"
    run.config["release"] = {"version": "1.0.0", "repo_id": "me/data"}
    assert run.changes == []
    assert not {"path", "survey"} & science(run.config)["population"].keys()
    section = {"weights": {"local": {"l0": {"python": "a", "epochs": 3}, "penalty": 1}}}
    assert science(section) == {"weights": {"local": {"l0": {"epochs": 3}, "penalty": 1}}}


def test_a_changed_setting_file_and_module_are_each_named(run):
    run.freeze()
    run.config["seed"] = 5
    Path("rates.csv").write_text("other")
    Path("survey/households.csv").write_text("other")
    Path("published/figures.csv").rename("published/renamed.csv")
    (run.scripts / "build_chunk.py").write_text("from localcal.files import write_json\n")
    assert run.changes == [
        "code.build_chunk",
        "config.seed",
        "inputs.population.survey",
        "inputs.take_up.rates",
        "inputs.targets.published",
    ]


def test_touching_files_changes_nothing(run):
    run.freeze()
    for path in Path().rglob("*.csv"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    assert run.changes == []


def test_a_file_that_is_gone_counts_as_recorded_but_must_exist_at_first(run):
    run.freeze()
    Path("rates.csv").unlink()
    assert run.changes == []
    (run.folder / "run.json").unlink()
    with pytest.raises(InputError, match="rates.csv: No such file.*take_up.rates"):
        run.state  # noqa: B018


def test_only_files_that_the_source_reads_are_inputs(run):
    run.config["population"]["path"] = "nowhere.h5"
    assert "population.path" not in given_files(run.config, run.folder)
    run.config["population"]["source"] = "file"
    with pytest.raises(InputError, match="nowhere.h5"):
        given_files(run.config, run.folder)


def _tables(run) -> Path:
    """Have the run's population come from tables."""
    folder = Path("tables")
    folder.mkdir()
    for name in ("person.csv", "household.csv", "notes.txt"):
        _given(f"tables/{name}")
    run.config["population"] |= {"source": "tables", "path": "tables"}
    return folder


def test_each_table_of_a_population_s_folder_is_an_input(run):
    folder = _tables(run)
    run.freeze()
    inputs = given_files(run.config, run.folder)
    names = {"population.path.person.csv", "population.path.household.csv"}
    assert {name for name in inputs if name.startswith("population")} == names
    (folder / "notes.txt").write_text("nobody reads this")
    assert run.changes == []
    (folder / "person.csv").write_text("other")
    (folder / "family.parquet").write_text("new")
    assert run.changes == [
        "inputs.population.path.family.parquet",
        "inputs.population.path.person.csv",
    ]


def test_a_folder_that_is_gone_counts_as_recorded_but_must_hold_tables_at_first(run):
    folder = _tables(run)
    run.freeze()
    folder.rename("elsewhere")
    assert run.changes == []
    run.config["population"]["path"] = "elsewhere"
    assert run.changes == []
    (run.folder / "run.json").unlink()
    for path, reason in [("tables", "No such file"), ("rates.csv", "Not a dir"), ("published", "")]:
        run.config["population"]["path"] = path
        with pytest.raises(InputError, match=rf"{path}: {reason}.*population\.path.*person\.csv"):
            run.state  # noqa: B018


def test_tables_of_figures_count_by_their_content_where_the_database_is_built(run):
    run.config["targets"] |= {"raw_files": _given("raw.csv"), "figures": [_given("figures.csv")]}
    assert "targets.figures.1" not in given_files(run.config, run.folder)
    run.config["targets"]["source"] = "agencies"
    digest = run.state["inputs.targets.figures.1"]
    Path("figures.csv").rename("moved.csv")
    run.config["targets"]["figures"] = ["moved.csv"]
    assert run.state["inputs.targets.figures.1"] == digest
    assert "config.targets.figures" not in run.state
    Path("moved.csv").write_text("other figures")
    assert run.state["inputs.targets.figures.1"] != digest


def test_a_start_is_refused_with_the_difference_until_amended(run):
    run.freeze()
    before = (run.folder / "run.json").read_bytes()
    run.config["seed"] = 5
    with pytest.raises(InputError, match=r"config.seed: 0 -> 5.*amend=true") as error:
        run.start()
    assert "\n" not in str(error.value)
    release_locks()
    run.start(amend=True)
    (entry,) = read_history(run.folder)
    assert entry["changes"] == [{"what": "config.seed", "old": 0, "new": 5}]
    assert (run.folder / "run.json").read_bytes() == before


def test_an_amended_run_goes_on_and_going_back_is_a_change_again(run):
    run.freeze()
    original = copy.deepcopy(run.config)
    run.config["seed"] = 5
    run.start(amend=True)
    run.start()
    assert len(read_history(run.folder)) == 1
    run.config = original
    with pytest.raises(InputError, match="config.seed: 5 -> 0"):
        run.start()


def test_code_may_change_and_is_recorded_once(run):
    run.freeze()
    (run.scripts / "build_chunk.py").write_text("from localcal.files import write_json\n")
    run.start()
    run.start()
    (entry,) = read_history(run.folder)
    assert [change["what"] for change in entry["changes"]] == ["code.build_chunk"]


def test_nothing_is_recorded_where_nothing_changed(run):
    run.start()
    run.freeze()
    run.start()
    assert read_history(run.folder) == []


def test_products_without_a_record_are_refused_logs_are_not(run):
    for name in ("logs/freeze_run", "matrix/chunks"):
        (run.folder / name).mkdir(parents=True)
    (run.folder / "logs/freeze_run/freeze_run.log").write_text("")
    refuse_orphans(run.folder, products(run.folder))
    (run.folder / "matrix/chunks/chunk_000000.h5").write_text("")
    with pytest.raises(InputError, match=r"run.json is missing.*chunk_000000.h5.*new run id"):
        refuse_orphans(run.folder, products(run.folder))
    run.freeze()
    refuse_orphans(run.folder, products(run.folder))


@pytest.mark.parametrize("name", ["run.json", "history.jsonl"])
def test_a_damaged_record_is_named(run, name):
    run.freeze()
    (run.folder / name).write_text("{broken\n")
    with pytest.raises(InputError, match=f"{name}: .*JSON"):
        differences(run.folder, {})


def test_an_empty_history_and_a_file_without_its_digest_are_damage_too(run):
    run.freeze()
    (run.folder / "history.jsonl").write_text("")
    with pytest.raises(InputError, match="history.jsonl: holds nothing; restore or delete it"):
        differences(run.folder, {})
    (run.folder / "history.jsonl").unlink()
    record = json.loads((run.folder / "run.json").read_text())
    record["inputs"] = {"areas.path": {"path": "areas.tsv"}}
    del record["seal"]
    (run.folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="run.json: does not say which areas.path .*; restore it"):
        differences(run.folder, {})


def test_given_weights_count_by_their_content(run):
    assert "path" not in run.freeze()["config"]["weights"]["local"]
    run.config["weights"]["local"] |= {"method": "given", "path": _given("w.npy")}
    assert run.changes == ["config.weights.local.method", "inputs.weights.local.path"]
    digest = run.state["inputs.weights.local.path"]
    Path("w.npy").write_text("other weights")
    assert run.state["inputs.weights.local.path"] != digest
    Path("w.npy").unlink()
    with pytest.raises(InputError, match="the config's weights.local.path must name it"):
        _ = run.state


def test_the_fit_another_one_begins_from_counts_by_its_content(run):
    first = run.freeze()
    assert "prior" not in first["config"]["weights"]["local"]
    run.config["weights"]["local"]["prior"] = _given("trace.h5")
    assert run.changes == ["inputs.weights.local.prior"]
    digest = run.state["inputs.weights.local.prior"]
    Path("moved").mkdir()
    Path("trace.h5").rename("moved/trace.h5")
    run.config["weights"]["local"]["prior"] = "moved/trace.h5"
    assert run.state["inputs.weights.local.prior"] == digest
    Path("moved/trace.h5").write_text("another fit")
    assert run.state["inputs.weights.local.prior"] != digest
    Path("moved/trace.h5").unlink()
    with pytest.raises(InputError, match="the config's weights.local.prior must name it"):
        _ = run.state


def test_what_the_columns_of_another_fit_are_counts_by_its_content(run):
    beside = ["old/population/geography.h5", "old/population/population.h5"]
    for folder in ("old/weights/local", "old/population"):
        Path(folder).mkdir(parents=True)
    run.config["weights"]["local"]["prior"] = _given("old/weights/local/trace.h5")
    # Alone it can be begun from where the columns are the same, which nobody knows yet.
    (words,) = provenance.lone_priors(given_files(run.config, run.folder))
    assert "no folder of a run with its population/geography.h5 and population/pop" in words
    _given(beside[0])
    (words,) = provenance.lone_priors(given_files(run.config, run.folder))
    assert "with its population/population.h5, so that weights.local.prior can only" in words
    _given(beside[1])
    record = run.freeze()["inputs"]
    assert provenance.lone_priors(record) == []
    found = [record[f"weights.local.prior.{name}"] for name in ("geography", "population")]
    assert [file["path"] for file in found] == beside
    assert [file["sha256"] for file in found] == [*map(provenance.sha256_file, beside)]
    Path(beside[0]).write_text("other places")
    assert run.changes == ["inputs.weights.local.prior.geography"]
    # The run knows it as it was.
    Path(beside[1]).unlink()
    assert run.changes == ["inputs.weights.local.prior.geography"]


@pytest.mark.parametrize("path", ["published", ""])
def test_a_folder_for_a_file_is_refused(run, path):
    run.config["take_up"]["rates"] = path
    with pytest.raises(
        InputError, match="is a folder; the config's take_up.rates must name a file"
    ):
        _ = run.state


def test_a_record_that_is_no_file_hangs_nobody(run):
    run.freeze()
    os.mkfifo(run.folder / "history.jsonl")
    with pytest.raises(InputError, match=r"history.jsonl: is no file; remove it"):
        differences(run.folder, {})
