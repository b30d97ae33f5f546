import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.release.gates import NAMES
from localcal.run.expected import PER_REPLICATED_FIT
from tests.gates_case import (
    AREA,
    CONFIG,
    change_area,
    change_json,
    gates_of,
    keep,
    refused,
    set_first,
)


def shorten(file):
    shorter = file["age/2024"][:-1]
    del file["age/2024"]
    file["age/2024"] = shorter


DAMAGES = [
    (set_first("household_weight", lambda values: np.nan), "1 values that are no number"),
    (set_first("household_weight", lambda values: np.inf), "1 values that are no number"),
    (set_first("household_weight", lambda values: -1), "1 weights are negative"),
    (set_first("employment_income", lambda values: np.nan), "employment_income/2024 has 1 values"),
    (set_first("person_id", lambda values: values[1]), "more than once"),
    (set_first("household_id", lambda values: values[1]), "more than once"),
    (set_first("person_household_id", lambda values: 10**6), "belongs to household 1000000"),
    (set_first("person_tax_unit_id", lambda values: values[-1]), "tax_unit"),
    (shorten, "age/2024 has the shape"),
    (lambda file: file["household_weight/2024"].write_direct(np.zeros_like(
        file["household_weight/2024"])), "no household has a weight"),
    (lambda file: file.attrs.__setitem__("area", "WY"), "is about states/WY"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "told"), DAMAGES)
def test_a_file_that_the_model_cannot_use_is_told(run, damage, told):
    change_area(run, damage)
    gate = refused(run)
    assert gate.name == "structure" and gate.figures["wrong"] >= 1
    assert any(told in reason for reason in gate.reasons)
    assert all(reason.startswith("states/AL: ") for reason in gate.reasons)


def test_a_file_that_cannot_be_read_is_an_error(run):
    content = (run / AREA).read_bytes()
    (run / AREA).write_bytes(content[: len(content) // 2])
    keep(run, AREA)
    with pytest.raises(InputError, match="AL.h5: truncated"):
        gates_of(run)
    # It cannot be accepted either.
    with pytest.raises(InputError, match="AL.h5: truncated"):
        gates_of(run, override=NAMES)


def replicate(run, change=lambda file: None):
    """Give every area of the local fit replicate weights."""
    fits = {scope: dict(fit) for scope, fit in CONFIG["weights"].items()}
    fits["local"]["replicates"] = 2
    change_json(run, "run.json", lambda record: record["config"].update(weights=fits))
    files = PER_REPLICATED_FIT["fit_replicates"]
    names = [file.format("local") for file in files]
    for name in names:
        (run / name).write_text(name)
    for area in ("states/AL", "districts/AL-01", "cities/NYC"):
        names.append(f"areas/{area}_replicates.h5")
        with h5py.File(run / f"areas/{area}.h5") as data, h5py.File(run / names[-1], "w") as file:
            for name in ("household_id", "household_weight"):
                file[f"{name}/2024"] = data[f"{name}/2024"][()]
            for number in (1, 2):
                weights = data["household_weight/2024"][()]
                file[f"household_weight_rep_{number:03d}/2024"] = weights
            if area == "states/AL":
                change(file)
    for name in names:
        keep(run, name)


REPLICATE = "household_weight_rep_002"


def test_replicate_weights_are_looked_at_too(run):
    replicate(run)
    gate = gates_of(run)["structure"]
    assert gate.passed and gate.figures["replicate_files"] == 3


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (set_first(REPLICATE, lambda values: np.nan), f"{REPLICATE} has values that are no"),
        (set_first(REPLICATE, lambda values: np.inf), f"{REPLICATE} has values that are no"),
        (set_first(REPLICATE, lambda values: -1), f"{REPLICATE} has values that are no"),
        (set_first("household_id", lambda values: 0), "household_id is not the dataset's"),
        (set_first("household_weight", lambda values: 0), "household_weight is not the"),
        (lambda file: [file.__delitem__(name) for name in list(file) if "rep" in name], "are none"),
    ],
)
def test_replicate_weights_that_cannot_be_are_told(run, damage, told):
    replicate(run, damage)
    (reason,) = refused(run).reasons
    assert reason.startswith("states/AL: replicates: ") and told in reason
