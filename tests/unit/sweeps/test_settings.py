"""The file of a sweep."""

import pytest

from localcal.errors import InputError
from localcal.sweeps.settings import (
    Sampler,
    batch_names,
    batch_size,
    read_sweep,
    science,
    target_hints,
)

REST = "areas: [US]\noutcomes: [cost]\n"


def grid(bounds):
    return f"parameters: {{sampler: grid, bounds: {bounds}}}\n{REST}"


def read(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return read_sweep(path)


def test_a_sweep_says_what_it_needs_and_has_defaults_for_the_rest(tmp_path):
    sweep = read(tmp_path, f"parameters: sets.csv\n{REST}")
    assert (sweep.parameters, sweep.areas, sweep.batch_size) == ("sets.csv", ("US",), 200)
    assert (sweep.seeds.count, sweep.replicates, sweep.on_out_of_memory) == (0, False, "split")
    sampler = "parameters: {sampler: sobol, n: 8, bounds: {a.b: [0, 1]}}\n"
    assert isinstance(read(tmp_path, sampler + REST).parameters, Sampler)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "holds no keys"),
        ("a: [", "is no YAML"),
        (REST, "parameters: is missing; add it"),
        (f"parameters: 3\n{REST}", "parameters: expected a path or a sampler, found 3"),
        (f"parameters: x\nbatch_sise: 3\n{REST}", r"batch_sise: unknown key \(did you mean"),
        (f"parameters: x\nbatch_size: 0\n{REST}", "batch_size: 0 is not allowed"),
        (f"parameters: x\nbatch_size: '3'\n{REST}", "write it without quotes"),
        (f"parameters: x\nseeds: {{cuont: 3}}\n{REST}", "seeds.cuont: unknown key"),
        ("parameters: x\nareas: [US, US]\noutcomes: [cost]\n", "areas: .* no entry twice"),
        ("parameters: x\nareas: []\noutcomes: [cost]\n", "areas: .* length at least 1"),
        (f"parameters: {{sampler: sobol, bounds: {{a: [0, 1]}}}}\n{REST}", "parameters.n: null is"),
        (f"parameters: {{sampler: sobl, bounds: {{a: [0, 1]}}}}\n{REST}", "did you mean 'sobol'"),
        (f"parameters: {{sampler: grid, bounds: {{}}}}\n{REST}", "bounds: is empty"),
        (
            f"parameters: {{sampler: latin_hypercube, n: 3, bounds: {{a: [2, 1]}}}}\n{REST}",
            "parameters.bounds.a: has to be the lowest and the highest value",
        ),
        (f"parameters: x\n{REST}areas: [CA]\n", "is no YAML .found key 'areas' twice"),
        (f"parameters: x\n? [a]\n: 3\n{REST}", "is no YAML .*unhashable key"),
        (grid("{a: [1, 2], a: [3, 4]}"), "found key 'a' twice"),
        (grid("{a: [.nan, 1]}"), r"parameters.bounds.a.0: NaN is not a finite number"),
        (grid("{a: 3}"), "parameters.bounds.a: 3 is not allowed; allowed: a list, length at least"),
        (grid("{a: [1]}"), r"parameters.bounds.a: \[1\] is not allowed; allowed: a list, length"),
        (grid("{a: [yes, no]}"), "parameters.bounds.a.0: true is not allowed; allowed: a number"),
        (grid("{a: ['1', 2]}"), "parameters.bounds.a.0: .* write it without quotes"),
        (grid("{7: [1, 2]}"), "parameters.bounds.7: the key 7 is no text; write it in quotes"),
        (grid("{a: [-1.7e+308, 1.7e+308]}"), "parameters.bounds.a: has a value beyond 1e"),
    ],
)
def test_what_it_does_not_know_is_refused_by_file_and_key(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "x.yaml"))


def test_the_environment_overrides_the_size_of_batches(tmp_path, monkeypatch):
    sweep = read(tmp_path, f"parameters: x\nbatch_size: 7\n{REST}")
    assert batch_size(sweep) == 7
    monkeypatch.setenv("MODELOPS_JOB_BATCH_SIZE", "50")
    assert batch_size(sweep) == 50
    monkeypatch.setenv("LOCALCAL_SWEEP_BATCH_SIZE", "60")
    assert batch_size(sweep) == 60
    for wrong in ("0", "-1", "many", "", "1.5"):
        monkeypatch.setenv("LOCALCAL_SWEEP_BATCH_SIZE", wrong)
        with pytest.raises(InputError, match="LOCALCAL_SWEEP_BATCH_SIZE=.* expected a whole"):
            batch_size(sweep)


def test_batches_are_numbered_by_four_digits_or_as_many_as_are_needed():
    assert batch_names(5, 2) == ["0000", "0001", "0002"]
    assert batch_names(4, 2) == ["0000", "0001"]
    assert batch_names(10_001, 1)[-1] == "10000" and len(batch_names(10_001, 1)[0]) == 5


def test_how_the_work_is_cut_decides_no_number(tmp_path):
    before = science(read(tmp_path, f"parameters: x\n{REST}"))
    cut = "batch_size: 3\nmemory_mb: 5\npilot: 9\ntolerate_failed_sets: 4\nhouseholds_together: 2\n"
    assert science(read(tmp_path, f"parameters: x\n{cut}{REST}")) == before
    assert science(read(tmp_path, f"parameters: x\nreplicates: true\n{REST}")) != before


def test_a_file_of_a_sweep_that_there_is_not_is_told_from_one_that_cannot_be_made():
    files = ["runs/x/sweeps/ctc/manifest.json", "runs/x/sweeps/snapp/outcomes/cost.parquet"]
    (hint,) = target_hints(["-n", *files, "runs/x/sweeps"], ["ctc", "snap"])
    words = "there is no config/sweeps/snapp.yaml (did you mean snap?); name a sweep"
    assert hint == f"{files[1]}: {words}"
