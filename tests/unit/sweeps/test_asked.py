"""Sweeps as they are asked for, before anything is simulated."""

import pytest
import yaml

from localcal.errors import InputError
from localcal.sweeps import asked
from localcal.sweeps.asked import (
    read_asked,
    refuse_missing_replicates,
    refuse_other_years,
)


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/sweeps").mkdir(parents=True)
    (tmp_path / "sets.csv").write_text("a@2024-01-01.2024-12-31,b\n1,2\n")

    def ask(**settings):
        content = {"parameters": "sets.csv", "areas": ["US"], "outcomes": ["cost"]} | settings
        (tmp_path / "config/sweeps/x.yaml").write_text(yaml.safe_dump(content))
        return read_asked("x")

    return ask


@pytest.mark.parametrize(
    "sampler",
    [
        {"sampler": "grid", "n": 1000, "bounds": {name: [0, 1] for name in "abc"}},
        {"sampler": "sobol", "n": 10**9, "bounds": {"a": [0, 1]}},
        {"sampler": "latin_hypercube", "n": 10**9, "bounds": {"a": [0, 1]}},
    ],
)
def test_a_sample_that_is_too_large_is_refused_before_it_is_made(ask, sampler, monkeypatch):
    monkeypatch.setattr(asked, "parameter_sets", None)
    words = r"x.yaml: 1,000,000,000 parameter sets x 1 areas .* above largest.simulations = 20,000"
    with pytest.raises(InputError, match=words):
        ask(parameters=sampler)


def test_a_change_outside_the_run_s_year_is_refused_since_it_would_change_nothing(ask):
    found = ask()
    refuse_other_years(found, 2024)
    words = r"sets.csv: column a@2024-01-01.2024-12-31: lies outside 2026, the run's year"
    with pytest.raises(InputError, match=words):
        refuse_other_years(found, 2026)
    sampled = ask(parameters={"sampler": "grid", "bounds": {"a@2027-01-01.": [1, 2]}})
    with pytest.raises(InputError, match=r"sweeps/x.yaml: column a@2027-01-01.: lies outside"):
        refuse_other_years(sampled, 2026)


def test_replicates_of_weights_that_have_none_are_refused_by_the_key_to_set(ask):
    scopes = {"US": "national", "CA": "local"}
    for replicates, replicated in ((False, []), (True, ["local", "national"])):
        asked_for = ask(areas=["US", "CA"], replicates=replicates)
        refuse_missing_replicates(asked_for, scopes, replicated)
    words = r"x.yaml: replicates: the weights of CA have none; set weights.local.replicates"
    with pytest.raises(InputError, match=words):
        refuse_missing_replicates(ask(areas=["US", "CA"], replicates=True), scopes, ["national"])


def test_what_decides_a_plan_is_short_and_changes_with_any_set(ask):
    bounds = {"a": [0, 1], "b": [0, 1]}
    cuts = [
        ask(parameters={"sampler": "grid", "n": n, "bounds": bounds}, **settings).cut()
        for n, settings in ((90, {}), (91, {}), (90, {"batch_size": 7}), (90, {"pilot": 0}))
    ]
    assert len({str(cut) for cut in cuts}) == 4
    assert max(len(str(cut)) for cut in cuts) < 200
