"""Small planted problems for the fit."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse

from localcal.weights.columns import Columns
from localcal.weights.fit import fit_weights
from localcal.weights.l0.exchange import write_l0_problem
from localcal.weights.pose import pose_problem
from localcal.weights.report import FitResult
from localcal.weights.settings import Settings

# Targets are those of a later year than what was published.
UPRATING = 1.25

# Of all targets together; fits have it unless they are about how the penalty is chosen.
PENALTY = 1.0

# What a problem for l0-python was made from.
MATRIX = {"matrix": "0" * 64}

DISTRICTS = np.array([101, 102, 201, 202, 203, 301], dtype=np.int32)


@dataclass
class Case:
    """A small fit: matrix, targets and what is known about the columns."""

    matrix: scipy.sparse.csr_array
    targets: pd.DataFrame
    design_weight: np.ndarray
    household: np.ndarray
    state: np.ndarray
    district: np.ndarray

    def fit(self, seed: int = 0, prior=None, checkpoint=None, **settings) -> FitResult:
        """Fit with the given settings; of records, None means all."""
        if settings.get("records", 0) is None:
            settings["records"] = "all"
        settings = {"penalty": PENALTY / len(self.targets)} | settings
        return fit_weights(
            **self.arguments(), settings=Settings(**settings), seed=seed, prior=prior,
            checkpoint=checkpoint,
        )  # fmt: skip

    def arguments(self) -> dict:
        """Return matrix, targets and columns as the fit takes them."""
        columns = Columns(self.design_weight, self.household, self.state, self.district)
        targets = self.targets.assign(original_value=self.targets["value"] / UPRATING)
        return {"matrix": self.matrix, "targets": targets, "columns": columns}


def make_case(seed: int = 0, households: int = 60, clones: int = 10) -> Case:
    """Six districts in three states; four kinds of people, household income, and a tilted truth."""
    rng = np.random.default_rng(seed)
    household = np.repeat(np.arange(households), clones).astype(np.int32)
    district = rng.permutation(np.resize(DISTRICTS, households * clones)).astype(np.int32)
    people = rng.integers(0, 3, (households, 4)).astype(np.float32)
    income = rng.lognormal(11.0, 0.8, households).astype(np.float32)
    design = rng.uniform(50.0, 150.0, households)[household]
    truth = 1.3 * design * np.exp(rng.normal(0.0, 0.25, len(household)))
    columns = {("person_count", "age", f'[["age", "==", "{k}"]]'): people[:, k] for k in range(4)}
    columns["adjusted_gross_income", "", "[]"] = income
    rows, labels = [], []
    areas = [("nation", "US", district > 0)]
    areas += [("state", str(area), district // 100 == area) for area in (1, 2, 3)]
    areas += [("district", str(area), district == area) for area in DISTRICTS]
    for level, area, inside in areas:
        for (variable, domain, constraints), value in columns.items():
            row = np.where(inside, value[household], 0.0)
            rows.append(row)
            labels.append((level, area, variable, domain, constraints, float(row @ truth)))
    names = ["geo_level", "geographic_id", "variable", "domain_variable", "constraints", "value"]
    targets = pd.DataFrame(labels, columns=names)
    targets["reform_id"] = 0
    targets["tolerance"] = np.nan
    targets["target_id"] = np.arange(len(targets)) + 1000
    targets["name"] = [f"{a}/{v}/{c}" for _, a, v, _, c, _ in labels]
    matrix = scipy.sparse.csr_array(np.array(rows, dtype=np.float32))
    return Case(matrix, targets, design, household, district // 100, district)


def make_states_case(seed: int, n_states: int = 20, households: int = 1_500) -> Case:
    """People and income of a nation and its states, of 4 clones per household, that agree."""
    rng = np.random.default_rng(seed)
    household = np.repeat(np.arange(households), 4).astype(np.int32)
    size = 1.0 / (np.arange(n_states) + 5.0)
    state = rng.choice(np.arange(1, n_states + 1), len(household), p=size / size.sum())
    state = state.astype(np.int32)
    income = rng.lognormal(11.0, 0.8, households)[household]
    people = rng.integers(1, 6, households)[household].astype(np.float64)
    design = rng.uniform(50.0, 150.0, households)[household]
    truth = design * np.exp(rng.normal(0.0, 0.1, len(household)))
    rows, labels = [], []
    areas = [("nation", "US", state > 0)]
    areas += [("state", str(area), state == area) for area in range(1, n_states + 1)]
    for variable, value in (("person_count", people), ("adjusted_gross_income", income)):
        for level, area, inside in areas:
            rows.append(np.where(inside, value, 0.0))
            labels.append((level, area, variable, float(rows[-1] @ truth)))
    targets = pd.DataFrame(labels, columns=["geo_level", "geographic_id", "variable", "value"])
    number = np.arange(len(targets))
    targets = targets.assign(
        domain_variable="", constraints="[]", reform_id=0, tolerance=np.nan, target_id=number,
        name=[f"{area}/{variable}" for _, area, variable, _ in labels],
    )  # fmt: skip
    matrix = scipy.sparse.csr_array(np.array(rows, dtype=np.float32))
    return Case(matrix, targets, design, household, state, state * 100 + 1)


def with_rows(case: Case, rows: np.ndarray, values: list[float], kind: str) -> Case:
    """Add district targets, each a family of its own."""
    extra = pd.DataFrame(
        {
            "geo_level": "district",
            "geographic_id": "101",
            "variable": kind,
            "domain_variable": "",
            "constraints": [f'[["{kind}", "==", "{i}"]]' for i in range(len(values))],
            "value": values,
            "reform_id": 0,
            "tolerance": np.nan,
            "target_id": np.arange(len(values)) + 10 * len(case.targets) + 5000,
            "name": [f"{kind} {i}" for i in range(len(values))],
        }
    )
    return replace(
        case,
        matrix=scipy.sparse.vstack([case.matrix, rows.astype(np.float32)]).tocsr(),
        targets=pd.concat([case.targets, extra], ignore_index=True),
    )


def make_planted_case(seed: int, n: int = 20_000) -> tuple[Case, np.ndarray]:
    """1,143 targets, of which 50 contradict another one, 20 have no columns, 20 are zero and 20 a
    thousandfold; returned with what each of them is.

    65 districts in 13 states, 13 kinds of people and income; what is not planted is consistent.
    """
    rng = np.random.default_rng(seed)
    place = np.sort(rng.integers(0, 65, n))
    state = (place // 5 + 1).astype(np.int32)
    district = (state * 100 + place % 5 + 1).astype(np.int32)
    people = (rng.random((n, 13)) < rng.uniform(0.05, 0.5, 13)) * rng.integers(1, 4, (n, 13))
    income = rng.lognormal(10.5, 1.0, n)
    design = rng.uniform(500.0, 3000.0, n)
    tilt = rng.normal(0.0, 0.3, n) + 0.06 * (np.log(income) - 10.5)
    truth = design * np.exp(tilt) * rng.uniform(0.8, 1.25, 65)[place]
    areas = [("nation", "US", place >= 0)]
    areas += [("state", str(area), state == area) for area in range(1, 14)]
    areas += [("district", str(area), district == area) for area in np.unique(district)]
    rows, labels = [], []
    for kind in range(14):
        value = income if kind == 13 else people[:, kind].astype(np.float64)
        variable, domain = ("adjusted_gross_income", "") if kind == 13 else ("person_count", "age")
        for level, area, inside in areas:
            if level == "state" and kind == 13:
                continue
            rows.append(scipy.sparse.csr_array(np.where(inside, value, 0.0)[None]))
            total = float(np.sum(value * truth, where=inside))
            labels.append((level, area, variable, domain, f"{kind}", total))
    names = ["geo_level", "geographic_id", "variable", "domain_variable", "constraints", "value"]
    targets = pd.DataFrame(labels, columns=names)
    chosen = rng.permutation(np.flatnonzero(targets["geo_level"] != "nation"))
    contradicted, empty, zero, thousandfold = np.split(chosen[:110], [50, 70, 90])
    copies = targets.iloc[contradicted].assign(constraints=[f"copy {i}" for i in range(50)])
    copies["value"] *= 1.5
    targets = pd.concat([targets, copies], ignore_index=True)
    kept = np.ones(len(labels), dtype=np.float32)
    kept[empty] = 0.0
    matrix = scipy.sparse.diags_array(kept) @ scipy.sparse.vstack(rows)
    matrix = scipy.sparse.vstack([matrix, matrix.tocsr()[contradicted]])
    targets.loc[zero, "value"] = 0.0
    targets.loc[thousandfold, "value"] *= 1000.0
    planted = np.full(len(targets), "clean", dtype="<U12")
    planted[contradicted], planted[len(labels) :] = "original", "contradicted"
    planted[empty], planted[zero], planted[thousandfold] = "empty", "zero", "thousandfold"
    number = np.arange(len(targets))
    targets = targets.assign(
        reform_id=0, tolerance=np.nan, target_id=number, name=[f"target {i}" for i in number]
    )
    matrix = scipy.sparse.csr_array(matrix, dtype=np.float32)
    matrix.eliminate_zeros()
    household = np.arange(n, dtype=np.int32)
    return Case(matrix, targets, design, household, state, district), planted


def pose(case: Case, path) -> np.ndarray:
    """Write a case's problem; return its columns."""
    problem, columns = pose_problem(**case.arguments(), settings=Settings(), seed=0)
    write_l0_problem(path, problem, columns, MATRIX)
    return columns
