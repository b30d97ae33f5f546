"""Small populations, places and targets for tests."""

import json

import numpy as np
import pandas as pd

from localcal.geography.geography import Geography
from localcal.population.dataset import assemble
from localcal.population.population import GROUPS, Population

STATES = (1, 6, 36, 56)
RATES_HEADER = "variable,entity,state,rate,reported,source\n"


def random_dataset(n_households: int, seed: int, shuffle: bool = False) -> dict[str, np.ndarray]:
    """Return a dataset whose households have 1-5 persons in several units of every kind."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 6, n_households)
    household = np.repeat(np.arange(n_households), sizes)
    data = {"person_household_id": household + 500, "household_id": np.arange(n_households) + 500}
    for group, most in (("tax_unit", 3), ("spm_unit", 2), ("family", 2), ("marital_unit", 4)):
        # Some household members share a unit; ids have gaps and do not follow the order.
        raw = household * 10 + random.integers(0, most, household.size)
        ids, unit = np.unique(raw, return_inverse=True)
        new = random.permutation(ids.size) + 1_000
        data[f"{group}_id"] = new
        data[f"person_{group}_id"] = new[unit]
    n_persons = household.size
    data["person_id"] = random.permutation(n_persons) + 7
    data["age"] = random.integers(0, 95, n_persons).astype(np.int32)
    income = random.lognormal(10, 1.2, n_persons) * (random.random(n_persons) < 0.6)
    data["employment_income"] = income.astype(np.float32)
    data["has_medicaid_health_coverage_at_interview"] = random.random(n_persons) < 0.1
    data["charitable_deduction"] = np.round(
        random.gamma(1.0, 900.0, data["tax_unit_id"].size)
    ).astype(np.float32)
    data["household_weight"] = random.uniform(50, 3_000, n_households).astype(np.float32)
    data["state_fips"] = random.choice(STATES, n_households).astype(np.int32)
    data["tenure_type"] = random.choice([b"RENTED", b"OWNED_OUTRIGHT"], n_households)
    return _shuffled(data, random) if shuffle else data


def _shuffled(data: dict[str, np.ndarray], random: np.random.Generator) -> dict[str, np.ndarray]:
    orders = {}
    for name, array in data.items():
        orders.setdefault(array.size, random.permutation(array.size))
        data = data | {name: array[orders[array.size]]}
    return data


ENTITY = {
    "age": "person",
    "employment_income": "person",
    "has_medicaid_health_coverage_at_interview": "person",
    "charitable_deduction": "tax_unit",
    "household_weight": "household",
    "state_fips": "household",
    "tenure_type": "household",
}


def random_population(n_households: int, seed: int) -> Population:
    """Return `random_dataset` as a population of 2024."""
    return assemble("test", random_dataset(n_households, seed), 2024, ENTITY)


def random_places(population: Population, n_clones: int, seed: int) -> Geography:
    """Put every clone into one of ten districts that exist, with one county per state."""
    random = np.random.default_rng(seed)
    n_households = population.count("household")
    columns = n_households * n_clones
    state = random.choice(STATES, columns)
    # Wyoming has but one.
    district = state * 100 + np.where(state == 56, 1, random.integers(1, 4, columns))
    county = np.char.add(np.char.zfill(state.astype("S2"), 2), b"001").astype("S5")
    weight = population.values["household_weight"].astype(float) / n_clones
    return Geography(
        n_households=n_households,
        n_clones=n_clones,
        household=np.repeat(np.arange(n_households), n_clones).astype(np.int32),
        clone=np.tile(np.arange(n_clones), n_households).astype(np.int32),
        state=state.astype(np.int32),
        district=district.astype(np.int32),
        county=county,
        block=np.char.add(county, b"0000000000").astype("S15"),
        design_weight=np.repeat(weight, n_clones),
    )


# Every kind of target: counts and sums of each entity, with and without constraints, a reform.
MEASURES = [
    ("person_count", 0, []),
    ("person_count", 0, [("age", ">", "4"), ("age", "<", "18")]),
    ("person_count", 0, [("medicaid_enrolled", "==", "True")]),
    ("tax_unit_count", 0, [("tax_unit_is_filer", "==", "1")]),
    ("tax_unit_count", 0, [("age", ">=", "65"), ("employment_income", ">", "0")]),
    ("spm_unit_count", 0, [("snap", ">", "0")]),
    ("household_count", 0, []),
    ("household_count", 0, [("snap", ">", "0")]),
    ("household_count", 0, [("tenure_type", "==", "RENTED")]),
    ("employment_income", 0, []),
    ("employment_income", 0, [("age", ">=", "65")]),
    ("adjusted_gross_income", 0, [("adjusted_gross_income", ">=", "25000")]),
    ("snap", 0, []),
    ("snap", 0, [("age", "<", "5")]),
    ("medicaid", 0, []),
    ("net_income", 0, [("is_child", "==", "True")]),
    ("salt_deduction", 1, []),
    ("charitable_deduction", 2, [("age", ">=", "65")]),
]


def targets_for(places: Geography, measures: list = MEASURES) -> pd.DataFrame:
    """Return targets on every measure for the nation and each state and district."""
    areas = [("nation", "US")]
    areas += [("state", str(code)) for code in np.unique(places.state)]
    areas += [("district", str(code)) for code in np.unique(places.district)]
    rows = []
    for level, place in areas:
        for number, (variable, reform, constraints) in enumerate(measures):
            rows.append(
                {
                    "target_id": len(rows),
                    "stratum_id": len(rows),
                    "variable": variable,
                    "reform_id": reform,
                    "period": 2024,
                    "geo_level": level,
                    "geographic_id": place,
                    "domain_variable": "",
                    "constraints": json.dumps(constraints),
                    "original_value": 1_000.0,
                    "uprating_factor": 1.0,
                    "value": 1_000.0,
                    "tolerance": np.nan,
                    "name": f"{level}_{place}/{variable}/{number}",
                    "source": "test",
                }
            )
    return pd.DataFrame(rows)


def as_targets(measures: list) -> pd.DataFrame:
    """Return measures as targets that have nothing else."""
    rows = [(variable, reform, json.dumps(list(c))) for variable, reform, c in measures]
    return pd.DataFrame(rows, columns=["variable", "reform_id", "constraints"])


assert set(GROUPS) == {"household", "tax_unit", "spm_unit", "family", "marital_unit"}
