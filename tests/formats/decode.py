"""Reads a run's files as the pages on formats say, and knows nothing else of localcal.

Written from `workflow/documentation/formats/*.md` alone: what it needs to know and does not find
there is missing on a page. `test_formats.py` keeps its imports to what is named here.
"""

import csv
import hashlib
import json
from pathlib import Path

import h5py
import numpy as np

ENTITIES = ("person", "household", "tax_unit", "spm_unit", "family", "marital_unit")
LATER_YEARS = 10


class WrongFileError(Exception):
    """A file is not what a page says."""


def check(is_right: bool, path: Path, what: str) -> None:
    """Refuse a file of which something is not as a page says."""
    if not is_right:
        raise WrongFileError(f"{path}: {what}")


def sha256(path: Path) -> str:
    """Return the digest of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_object(path: Path, text: str | None = None) -> dict:
    """Return a JSON object whose seal is right."""
    content = json.loads(Path(path).read_text() if text is None else text)
    rest = {key: value for key, value in content.items() if key != "seal"}
    plain = json.dumps(rest, sort_keys=True)
    check(content["seal"] == hashlib.sha256(plain.encode()).hexdigest(), path, "its seal is broken")
    return rest


def read_lines(path: Path) -> list[dict]:
    """Return the objects of a file of lines, whose seals are right."""
    return [read_object(path, line) for line in Path(path).read_text().splitlines()]


def read_sparse(path: Path) -> tuple[np.ndarray, dict]:
    """Return a matrix or a shard in full, float64 (I, J), and what it says of itself."""
    with h5py.File(path) as file:
        group = file["matrix"]
        about = dict(file.attrs)
        encoding = (group.attrs["encoding-type"], group.attrs["encoding-version"])
        rows, columns = (int(length) for length in group.attrs["shape"])
        data, indices, indptr = (group[name][:] for name in ("data", "indices", "indptr"))
    check(encoding == ("csr_matrix", "0.1.0"), path, f"is encoded as {encoding}")
    check(len(indptr) == rows + 1 and indptr[0] == 0, path, "indptr does not fit its shape")
    check(len(data) == len(indices) == indptr[-1], path, "indptr does not fit its entries")
    check(not (data == 0).any(), path, "has an entry of 0")
    parts = (indptr.astype("<i8"), data.astype("<f4"), indices)
    digests = b"".join(hashlib.sha256(part.tobytes()).digest() for part in parts)
    found = hashlib.sha256(digests).hexdigest()
    check(found == about["content_sha256"], path, "its content has another checksum")
    full = np.zeros((rows, columns))
    for row in range(rows):
        own = slice(indptr[row], indptr[row + 1])
        check((np.diff(indices[own]) > 0).all(), path, f"row {row} is not in order")
        full[row, indices[own]] = data[own]
    return full, about


def read_shard(path: Path, plan: dict) -> tuple[int, np.ndarray]:
    """Return a shard's first column in the matrix, and its entries, float64 (I, C)."""
    full, about = read_sparse(path)
    start, chunk = plan["chunk_columns"] * about["chunk"], about["chunk"]
    stop = min(start + plan["chunk_columns"], plan["n_columns"])
    check(
        (about["column_start"], about["column_stop"]) == (start, stop), path, "is of other columns"
    )
    check(full.shape[1] == stop - start, path, "has another width")
    check(Path(path).name == f"chunk_{chunk:06d}.h5", path, "is another chunk's")
    for name, digest in plan["digests"].items():
        check(about[name] == digest, path, f"is made from another {name}")
    return start, full


def read_matrix(run: Path) -> np.ndarray:
    """Return the matrix, float64 (I, J), once it is what its shards say."""
    plan = read_object(run / "matrix/plan.json")
    full, about = read_sparse(run / "matrix/matrix.h5")
    for name, digest in plan["digests"].items():
        check(about[name] == digest, run / "matrix/matrix.h5", f"is made from another {name}")
    side_by_side = np.zeros_like(full)
    for path in sorted((run / "matrix/chunks").glob("chunk_*.h5")):
        start, part = read_shard(path, plan)
        side_by_side[:, start : start + part.shape[1]] = part
    check(np.array_equal(full, side_by_side), run / "matrix/matrix.h5", "is not its shards")
    return full


def read_geography(path: Path) -> dict[str, np.ndarray]:
    """Return the places of the columns."""
    with h5py.File(path) as file:
        places = {name: file[name][:] for name in file}
        households, clones = int(file.attrs["n_households"]), int(file.attrs["n_clones"])
    columns = np.arange(households * clones)
    check(np.array_equal(places["household"], columns // clones), path, "other households")
    check(np.array_equal(places["clone"], columns % clones), path, "other clones")
    check((places["district"] // 100 == places["state"]).all(), path, "a district of another state")
    return places


def read_weights(folder: Path) -> np.ndarray:
    """Return a fit's weights, float32 (J,), once they are what their trace says."""
    weights = np.load(folder / "weights.npy")
    with h5py.File(folder / "trace.h5") as file:
        base, probability, factor = (file[name][:] for name in ("base", "probability", "factor"))
        digest = file.attrs["weights"]
    check(weights.dtype == np.dtype("<f4"), folder / "weights.npy", "is not of 32-bit floats")
    check(digest == sha256(folder / "weights.npy"), folder / "trace.h5", "is of other weights")
    traced = (base / probability * factor).astype(np.float32)
    check(np.array_equal(weights, traced), folder / "trace.h5", "is of other weights")
    return weights


def read_dataset(path: Path) -> dict:
    """Return a population or an area's file: `year`, `values` and `entity` by name, `about`."""
    with h5py.File(path) as file:
        (year,) = set(file["household_weight"])
        values = {name: file[name][year][:] for name in file}
        entity = {name: file[name].attrs["entity"] for name in file if "entity" in file[name].attrs}
        about = dict(file.attrs)
        for later in range(int(year) + 1, int(year) + 1 + LATER_YEARS):
            same = file["person_id"][str(later)] == file["person_id"][year]
            check(same, path, f"other persons in {later}")
    sizes = {name: len(values[f"{name}_id"]) for name in ENTITIES}
    ids = {f"{name}_id" for name in ENTITIES}
    ids |= {f"person_{name}_id" for name in ENTITIES[1:]}
    references = {"parent_1_id", "parent_2_id", "medicaid_claiming_tax_unit_id"}
    check(values.keys() - entity.keys() <= ids | references, path, "a variable of no entity")
    for name, of in entity.items():
        check(len(values[name]) == sizes[of], path, f"{name} is not as long as its entity")
    for name in ENTITIES:
        own = values[f"{name}_id"]
        check(len(np.unique(own)) == len(own) and own.min() > 0, path, f"{name}_id is not unique")
        if name != "person":
            there = np.isin(values[f"person_{name}_id"], own).all()
            check(there, path, f"a person of no {name}")
    return {"year": int(year), "values": values, "entity": entity, "about": about}


def units_by_household(dataset: dict, entity: str) -> list[list[int]]:
    """Return the ids of the units of each household, in the file's order."""
    values = dataset["values"]
    place = {int(own): n for n, own in enumerate(values["household_id"])}
    of_household: list[list[int]] = [[] for _ in place]
    household = values["person_household_id"]
    units = values["person_id" if entity == "person" else f"person_{entity}_id"]
    found = {int(unit): place[int(own)] for unit, own in zip(units, household, strict=True)}
    for unit in values[f"{entity}_id"]:
        of_household[found[int(unit)]].append(int(unit))
    return of_household


def read_area(path: Path, run: Path) -> dict:
    """Return an area's file, once it is of this run's weights and its ids are its columns'."""
    area = read_dataset(path)
    scope = area["about"]["weights_scope"]
    made_from = {
        "population": run / "population/population.h5",
        "geography": run / "population/geography.h5",
        "frozen": run / "population/frozen.h5",
        "weights": run / f"weights/{scope}/weights.npy",
    }
    for name, file in made_from.items():
        check(area["about"][name] == sha256(file), path, f"is made from another {name}")
    base, values = read_dataset(run / "population/population.h5"), area["values"]
    places, weights = read_geography(made_from["geography"]), np.load(made_from["weights"])
    columns = values["household_id"] - 1
    for name, place in (
        ("state_fips", "state"),
        ("congressional_district_geoid", "district"),
        ("county_fips", "county"),
    ):
        check(np.array_equal(values[name], places[place][columns]), path, f"another {name}")
    check(np.array_equal(values["household_weight"], weights[columns]), path, "other weights")
    clones = places["clone"].max() + 1
    for entity in ENTITIES:
        before = np.cumsum([0, *map(len, units_by_household(base, entity))])
        found = units_by_household(area, entity)
        for number, column in enumerate(columns):
            household, clone = divmod(int(column), int(clones))
            size = int(before[household + 1] - before[household])
            first = 1 + int(before[household]) * int(clones) + clone * size
            check(found[number] == list(range(first, first + size)), path, f"other {entity}_id")
    return area


def draws(seed: int, variable: str, *keys: np.ndarray) -> np.ndarray:
    """Return the draws of take-up by their keys, float64 in [0, 1)."""
    digest = hashlib.sha256(f"{seed}:{variable}".encode()).digest()
    state = np.full(len(keys[0]), int.from_bytes(digest[:8], "little"), dtype=np.uint64)
    for key in keys:
        state = _mix(state ^ _mix(np.asarray(key, dtype=np.int64).view(np.uint64)))
    return (state >> np.uint64(11)) * 2.0**-53


def _mix(state: np.ndarray) -> np.ndarray:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def take_up(variable: str, area: dict, run: Path) -> np.ndarray:
    """Return who takes a benefit up in an area, by what is frozen, whatever the file says.

    For a variable with one rate for all its units that nobody reports.
    """
    with h5py.File(run / "population/frozen.h5") as file:
        seed, one = int(file.attrs["seed"]), file[f"take_up/{variable}/000000"]
        rate, entity = one["rate"][:], one.attrs["entity"]
        plain = (one.attrs["base"], one.attrs["reported"], len(one["members"])) == ("", "", 0)
    check(plain and len(rate) == 57, run / "population/frozen.h5", "is not so simple")
    base = read_dataset(run / "population/population.h5")["values"]["household_id"]
    places = read_geography(run / "population/geography.h5")
    columns = area["values"]["household_id"] - 1
    units = units_by_household(area, entity)
    household, clone, state, within = (
        np.array([item for number, own in enumerate(units) for item in kind(number, own)])
        for kind in (
            lambda n, own: [base[places["household"][columns[n]]]] * len(own),
            lambda n, own: [places["clone"][columns[n]]] * len(own),
            lambda n, own: [places["state"][columns[n]]] * len(own),
            lambda n, own: range(len(own)),
        )
    )
    return draws(seed, variable, household, clone, within) < rate[state]


def read_replicates(path: Path) -> dict:
    """Return an area's replicates: `weights` float32 (K, H), `household_id`, `variance_factor`."""
    with h5py.File(path) as file:
        (year,) = set(file["household_weight"])
        names = sorted(name for name in file if name.startswith("household_weight_rep_"))
        weights = np.array([file[name][year][:] for name in names])
        ids, factor = file["household_id"][year][:], float(file.attrs["variance_factor"])
        method = file.attrs["method"]
    count = len(names)
    expected = 1 / count if method == "bootstrap" else (count - 1) / count
    check(factor == expected, path, "has another variance_factor")
    return {"weights": weights, "household_id": ids, "variance_factor": factor}


def read_rows(folder: Path) -> list[dict[str, str]]:
    """Return what a fit says of the matrix' rows, one after the other."""
    with (folder / "diagnostics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def variance(path: Path, matrix: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the variance of every row's estimate by a fit's replicates, float64 (I,)."""
    with h5py.File(path) as file:
        columns, replicates = file["columns"][:], file["weights"][:].astype(np.float64)
        factor = float(file.attrs["variance_factor"])
        check(file.attrs["n_columns"] == matrix.shape[1], path, "is of another matrix")
    estimates = matrix[:, columns] @ replicates.T
    apart = estimates - (matrix @ weights.astype(np.float64))[:, None]
    return factor * np.sum(apart**2, axis=1)
