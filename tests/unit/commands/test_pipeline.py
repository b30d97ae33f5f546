"""The reference's options become ours, or are refused with what to write instead."""

import re
from pathlib import Path

import pytest
import yaml

from localcal.command import main
from localcal.commands import pipeline
from localcal.commands import run as running
from localcal.run.identity import Checkout
from localcal.run.sections import Config

README = Path(__file__).parents[3] / "README.md"
L0 = {"weights": {"local": {"method": "l0"}, "national": {"method": "descent"}}}


@pytest.fixture(autouse=True)
def told(tmp_path, monkeypatch):
    """Return what Snakemake is told, in a folder with a run `x` and two configs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    for folder in ("config", "runs/x"):
        Path(folder).mkdir(parents=True)
    Path("config/config.yaml").write_text("seed: 0\nweights: {national: {records: 5}}\n")
    Path("l0.yaml").write_text(yaml.safe_dump(L0))
    told = []
    monkeypatch.setattr(running, "snakemake", lambda arguments: told.append(arguments) or 0)
    monkeypatch.setattr(running, "read_checkout", lambda: Checkout("a" * 40, True, "main"))
    return told


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("--branch main", "--cores all --config run_id=x"),
        ("--cores 2", "--cores 2 --config run_id=x"),
        ("-j4", "-j4 --config run_id=x"),
        ("--profile modal", "--profile modal --config run_id=x"),
        ("--build-database", "--config build_database=true run_id=x --cores all"),
        (
            "--gpu T4 --configfile l0.yaml",
            "--configfile l0.yaml --set-resources fit_l0:gpu=1 fit_l0:gpu_model=T4 --cores all "
            "--config run_id=x",
        ),
        (
            "-j4 --gpu T4 --configfile l0.yaml --set-resources a:mem_mb=5",
            "-j4 --configfile l0.yaml --set-resources a:mem_mb=5 fit_l0:gpu=1 fit_l0:gpu_model=T4 "
            "--config run_id=x",
        ),
    ],
)
def test_names_of_the_reference_become_ours(told, typed, expected):
    assert main(["pipeline", "--resume-run-id", "x", *typed.split()]) == 0
    assert told == [expected.split()]


def test_what_a_profile_configures_is_kept(told, capsys):
    Path("mine").mkdir()
    Path("mine/config.yaml").write_text(
        yaml.safe_dump({"config": ["seed=7", f"weights={L0['weights']}"]})
    )
    given = ["--profile", "mine", "--resume-run-id", "x"]
    assert main(["pipeline", *given, "--build-database"]) == 0
    assert told[0][2:] == [
        "--config",
        "seed=7",
        f"weights={L0['weights']}",
        "build_database=true",
        "run_id=x",
    ]
    assert main(["pipeline", *given, "--epochs", "5"]) == 1
    assert "--config weights=... is given too" in capsys.readouterr().err


def test_epochs_are_those_of_the_scopes_that_l0_fits(told):
    both = "weights={local: {method: l0}, national: {method: l0}}"
    assert pipeline._scopes_with_l0(["--config", both], "--epochs", "") == ["local", "national"]
    assert main(["pipeline", "--resume", "x", "--epochs", "200", "--configfile", "l0.yaml"]) == 0
    (arguments,) = told
    added = [text for text in arguments if text.startswith("weights=")]
    assert added == ["weights={local: {l0: {epochs: 200}}}"]
    # As Snakemake lays it over the config.
    config = L0["weights"]["local"] | yaml.safe_load(added[0].partition("=")[2])["local"]
    assert Config.model_validate({"weights": {"local": config}}).weights.local.l0.epochs == 200


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--gpu T4", "--gpu: is for fits with l0-python.*leave it out.*or set method: l0"),
        ("--epochs 5", "--epochs: is for fits with l0-python.*max_sweeps"),
        ("--epochs 0 --configfile l0.yaml", "--epochs: 0 is not allowed; .* at least 1"),
        ("--epochs 5 --configfile no.yaml", "no.yaml: cannot be read"),
        ("--epochs 5 --config weights={}", "--epochs: --config weights=.* write it there"),
        ("--gpu T4 --config weights={", "--config: is no YAML"),
        ("--gpu T4 --config weights=5", "--gpu: is for fits"),
        ("--branch dev", "is on branch main, not on dev"),
        ("--parallel", "--parallel: is not an option here; instead: .*--cores"),
        ("--num-matrix-workers=50", "--num-matrix-workers: is not an option here"),
        ("--clean-old-runs", "the command `localcal clean`"),
    ],
)
def test_what_has_no_meaning_is_refused_with_what_to_write(told, typed, said, capsys):
    assert main(["pipeline", *typed.split()]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert re.search(f"^error: .*{said}", captured.err)
    assert told == []


def test_what_follows_two_dashes_is_a_file(told):
    assert main(["pipeline", "--resume", "x", "-j4", "--", "--parallel"]) == 0
    assert told[0][-2:] == ["--", "--parallel"]


def test_the_readme_has_the_table():
    text = README.read_text()
    for name in pipeline.ELSEWHERE:
        assert f"`{name}" in text, name
