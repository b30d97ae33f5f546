"""The matrix under the real policyengine-us.

The oracle goes one household at a time through public policyengine-us calls (a situation, not a
dataset) and evaluates constraints in plain Python; it shares no code with the pipeline.
"""

import json
from functools import cache
from unittest.mock import Mock

import h5py
import numpy as np
import pandas as pd
import pytest

from localcal.clones.check import refuse_unusable_units
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import Frozen, read_frozen, write_frozen
from localcal.clones.locate import locate
from localcal.clones.take_up import read_rates
from localcal.engine.protocol import CalculationError
from localcal.errors import InputError
from localcal.files.csr import open_csr
from localcal.geography.geography import Geography, take_columns, write_geography
from localcal.geography.vintages import CHANGES
from localcal.matrix.alike import simulate_parts
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs, write_plan
from localcal.microdata.check import check_dataset
from localcal.microdata.sources import build_population
from localcal.microdata.synthetic.households import synthetic_households
from localcal.population.dataset import id_columns, id_names, read_population, write_population
from localcal.population.population import ENTITIES, GROUPS
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import distinct_measures, needed_variables
from localcal.targets.table import write_targets
from tests.households import targets_for
from tests.oracle import household_value

# The model's own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

PERIOD = 2024
PLURAL = {
    "tax_unit": "tax_units",
    "spm_unit": "spm_units",
    "family": "families",
    "marital_unit": "marital_units",
    "household": "households",
}
PLACES = {
    "36": (3612, b"36061", b"360610001001000"),
    "6": (634, b"06037", b"060370000000000"),
    "48": (4801, b"48183", b"481830000000000"),
    "56": (5601, b"56021", b"560210000000000"),
}
# Every kind of target: counts and sums of persons, tax units, SPM units and households, with and
# without constraints, enums, Medicaid dollars and a reform.
MEASURES = [
    ("person_count", 0, [("age", ">", "17"), ("age", "<", "65")]),
    ("person_count", 0, [("medicaid_enrolled", "==", "True")]),
    ("tax_unit_count", 0, [("tax_unit_is_filer", "==", "1")]),
    ("tax_unit_count", 0, [("eitc_child_count", ">=", "1"), ("eitc", ">", "0")]),
    ("spm_unit_count", 0, [("snap", ">", "0")]),
    ("household_count", 0, []),
    ("household_count", 0, [("snap", ">", "0")]),
    ("household_count", 0, [("tenure_type", "==", "RENTED")]),
    ("employment_income", 0, []),
    ("social_security", 0, [("age", ">=", "65")]),
    ("adjusted_gross_income", 0, [("tax_unit_is_filer", "==", "1")]),
    ("eitc", 0, [("eitc", ">", "0")]),
    ("income_tax", 0, [("adjusted_gross_income", ">=", "50000")]),
    ("aca_ptc", 0, [("aca_ptc", ">", "0")]),
    ("snap", 0, [("snap", ">", "0")]),
    ("medicaid", 0, []),
    ("ssi", 0, [("is_disabled", "==", "True")]),
    ("household_count_people", 0, []),
    ("household_count_people", 0, [("age", "<", "5")]),
    ("salt_deduction", 1, []),
]


def places_of(population, n_clones, states, seed):
    """Put clones into the given states, one district and county each."""
    random = np.random.default_rng(seed)
    n_households = population.count("household")
    state = random.choice(states, n_households * n_clones)
    district, county, block = zip(*[PLACES[code] for code in state], strict=True)
    weight = population.values["household_weight"].astype(float) / n_clones
    return Geography(
        n_households=n_households,
        n_clones=n_clones,
        household=np.repeat(np.arange(n_households), n_clones).astype(np.int32),
        clone=np.tile(np.arange(n_clones), n_households).astype(np.int32),
        state=state.astype(np.int32),
        district=np.array(district, dtype=np.int32),
        county=np.array(county),
        block=np.array(block),
        design_weight=np.repeat(weight, n_clones),
    )


@pytest.fixture(scope="module")
def population(engine):
    data = synthetic_households(120, PERIOD, seed=5)
    return check_dataset("synthetic", data, PERIOD, engine.variables())


@pytest.fixture(scope="module")
def matrix(engine, population, tmp_path_factory):
    """Return targets, columns, clones and the matrix of 480 columns in chunks of two sizes."""
    folder = tmp_path_factory.mktemp("matrix")
    places = places_of(population, 4, sorted(PLACES), seed=1)
    targets = targets_for(places, MEASURES)
    needed = needed_variables(distinct_measures(targets)[0])
    rates = "config/take_up.csv"
    frozen = freeze_values(population, places, needed, rates, 9, engine)
    inputs = {name: folder / name for name in ("population", "geography", "frozen", "targets")}
    write_population(inputs["population"], population)
    write_geography(inputs["geography"], places, {})
    write_frozen(inputs["frozen"], frozen)
    write_targets(targets, inputs["targets"])
    paths = []
    for size in (480, 333):
        write_plan(folder / "plan.json", MatrixInputs(**inputs), 480, size)
        shards = [folder / f"{size}-{chunk}.h5" for chunk in range(-(-480 // size))]
        for chunk, shard in enumerate(shards):
            build_chunk(chunk, folder / "plan.json", MatrixInputs(**inputs), engine, shard)
        paths.append(folder / f"{size}.h5")
        assemble_matrix(
            folder / "plan.json", shards, inputs["targets"], paths[-1], folder / "summary.json"
        )
    return places, targets, read_frozen(inputs["frozen"]), paths


def test_the_matrix_has_the_same_bytes_for_both_chunk_sizes(matrix):
    whole, cut = matrix[-1]
    assert whole.read_bytes() == cut.read_bytes()


def situation_of(clone):
    """Return one household as a policyengine-us situation."""
    columns = id_columns(clone) | dict(clone.values)
    name = {e: {i: f"{e}{i}" for i in clone.ids[e]} for e in ("person", *GROUPS)}

    def inputs(entity, row):
        return {
            variable: {str(PERIOD): plain(columns[variable][row])}
            for variable in clone.values
            if clone.entity[variable] == entity
        }

    # The model draws by the id; without one it takes the position in the household.
    people = {
        name["person"][i]: inputs("person", row) | {"person_id": {str(PERIOD): int(i)}}
        for row, i in enumerate(clone.ids["person"])
    }
    situation = {"people": people}
    for group in GROUPS:
        situation[PLURAL[group]] = {
            name[group][i]: inputs(group, row)
            | {
                "members": [
                    name["person"][person]
                    for person, unit in zip(
                        columns["person_id"], columns[f"person_{group}_id"], strict=True
                    )
                    if unit == i
                ]
            }
            for row, i in enumerate(clone.ids[group])
        }
    return situation


def plain(value):
    return value.decode() if isinstance(value, bytes) else value.item()


def neutralized_system(variable):
    """Return a tax-benefit system without one variable, by the public way."""
    from policyengine_core.reforms import Reform
    from policyengine_us import CountryTaxBenefitSystem

    class Neutralized(Reform):
        def apply(self):
            self.neutralize_variable(variable)

    return CountryTaxBenefitSystem(reform=(Neutralized,))


def test_entries_are_those_of_the_plain_oracle(engine, population, matrix):
    from policyengine_us import Simulation

    places, targets, frozen, (path, _) = matrix
    dense = open_csr(path).matrix().toarray()
    reformed_system = neutralized_system("salt_deduction")
    entity_of = {name: known.entity for name, known in engine.variables().items()}
    columns = chosen_columns(population, places, dense, targets)
    seen = np.zeros(len(MEASURES), dtype=int)
    for column in columns:
        clone = locate(population, take_columns(places, np.array([column])), frozen, np.ones(1))
        situation = situation_of(clone)
        simulation = Simulation(situation=situation)

        def value_of(name, unit, simulation=simulation):
            values = simulation.calculate(name, PERIOD)
            if engine.variables()[name].kind == "enum":
                return str(values.decode_to_str()[unit])
            return values[unit].item()

        def change(name, situation=situation, value=value_of, clone=clone):
            assert name == "salt_deduction"
            reformed = Simulation(situation=situation, tax_benefit_system=reformed_system)
            after = reformed.calculate("income_tax", PERIOD)
            return sum(
                float(after[unit]) - value("income_tax", unit)
                for unit in range(clone.count("tax_unit"))
            )

        unit_of = {group: list(clone.membership[group]) for group in GROUPS}
        for number, (variable, reform, constraints) in enumerate(MEASURES):
            expected = household_value(
                variable,
                constraints,
                clone.count("person"),
                unit_of,
                entity_of.get,
                value_of,
                change if reform else None,
            )
            seen[number] += expected != 0
            rows = targets.index[targets["name"].str.endswith(f"/{variable}/{number}")]
            for row in rows:
                here = targets.loc[row, "geographic_id"] in {
                    "US",
                    str(places.state[column]),
                    str(places.district[column]),
                }
                ours = dense[row, column]
                name = f"{targets.loc[row, 'name']}, column {column}"
                assert ours == pytest.approx(expected if here else 0, rel=1e-6, abs=1e-3), name
    assert (seen > 0).all(), [MEASURES[number] for number in np.flatnonzero(seen == 0)]


def chosen_columns(population, places, dense, targets):
    """Return few columns that together have every measure non-zero."""
    national = np.flatnonzero(targets["geo_level"] == "nation")
    assert (dense[national] != 0).any(axis=1).all()
    chosen, uncovered = [], set(range(len(national)))
    while uncovered:
        gain = (dense[national[sorted(uncovered)]] != 0).sum(axis=0)
        column = int(np.argmax(gain))
        chosen.append(column)
        uncovered = {row for row in uncovered if dense[national[row], column] == 0}
    return chosen


def test_parts_of_a_population_get_the_bits_of_the_whole(engine, population, matrix):
    """A new release with a variable that looks at the whole population is noticed here."""
    places, targets, frozen, _ = matrix
    variables = needed_variables(distinct_measures(targets)[0]) | {
        "medicaid_cost_if_enrolled",
        "tanf",
        "used_aca_ptc",
    }
    part = np.random.default_rng(2).integers(0, 2, places.household.size)
    whole = calculated(engine, population, places, frozen, variables, np.arange(part.size))
    for number in range(2):
        rows = np.flatnonzero(part == number)
        ours = calculated(engine, population, places, frozen, variables, rows)
        for name in sorted(variables):
            expected = np.concatenate([whole[name][row] for row in rows])
            assert np.array_equal(np.concatenate(ours[name]), expected), name


def calculated(engine, population, places, frozen, variables, rows):
    """Return variable to one array of values per column."""
    clones = locate(population, take_columns(places, rows), frozen, np.ones(rows.size))
    simulation = engine.simulate(clones)
    result = {}
    for name in variables:
        starts = clones.starts[engine.variables()[name].entity]
        result[name] = np.split(simulation.calculate(name), starts[1:-1])
    return result


def test_medicaid_dollars_would_differ_without_freezing(engine, population, matrix):
    """The test above must be able to fail."""
    places, _, frozen, _ = matrix
    nothing = Frozen(frozen.take_up, {}, {}, frozen.seed)
    rows = np.arange(100)
    part = calculated(engine, population, places, nothing, {"medicaid"}, rows)["medicaid"]
    whole = calculated(engine, population, places, frozen, {"medicaid"}, rows)["medicaid"]
    assert not np.array_equal(np.concatenate(part), np.concatenate(whole))


# What official totals are about: the target and constraint variables of PolicyEngine's US data.
TARGETED = [
    "aca_ptc",
    "adjusted_gross_income",
    "age",
    "alimony_expense",
    "alimony_income",
    "charitable_deduction",
    "child_support_expense",
    "child_support_received",
    "deductible_mortgage_interest",
    "dividend_income",
    "eitc",
    "eitc_child_count",
    "employment_income",
    "health_insurance_premiums",
    "housing_assistance",
    "income_tax",
    "income_tax_before_credits",
    "interest_deduction",
    "is_pregnant",
    "loss_limited_net_capital_gains",
    "medicaid",
    "medicaid_enrolled",
    "medical_expense_deduction",
    "net_worth",
    "non_refundable_ctc",
    "other_medical_expenses",
    "over_the_counter_health_expenses",
    "pension_income",
    "qualified_business_income_deduction",
    "qualified_dividend_income",
    "real_estate_taxes",
    "refundable_ctc",
    "rent",
    "rental_income",
    "roth_ira_contributions",
    "salt_deduction",
    "self_employment_income",
    "snap",
    "social_security",
    "social_security_disability",
    "social_security_retirement",
    "spm_unit_net_income",
    "ssi",
    "state_income_tax",
    "tanf",
    "tax_exempt_interest_income",
    "tax_unit_is_filer",
    "tax_unit_partnership_s_corp_income",
    "taxable_interest_income",
    "taxable_ira_distributions",
    "taxable_pension_income",
    "taxable_social_security",
    "tip_income",
    "traditional_ira_contributions",
    "unemployment_compensation",
    "used_aca_ptc",
]

# The deductions whose tax expenditures the Joint Committee on Taxation estimates. By the public way
# each takes a whole simulation of its own, so all of them are slow: one that is itemized and hangs
# on states' taxes, and one that is not, stand for the others.
FEW_REFORMS = ("salt_deduction", "qualified_business_income_deduction")
REFORMS = (
    *FEW_REFORMS,
    "medical_expense_deduction",
    "charitable_deduction",
    "deductible_mortgage_interest",
)
both_reforms = pytest.mark.parametrize(
    "reforms", [FEW_REFORMS, pytest.param(REFORMS, marks=pytest.mark.slow)], ids=["few", "all"]
)


@pytest.fixture(scope="module")
def repeating(engine, population, matrix):
    """Return the places and the clones of 24 households in four states ten times over."""
    frozen = matrix[2]
    households = population.count("household")
    places = places_of(population, 40, sorted(PLACES), seed=8)
    places = take_columns(places, np.arange(24 * 40) + 40 * (households // 2))
    # Another county where the first one of the state is; district and block follow.
    half = np.random.default_rng(3).random(places.household.size) < 0.5
    here = half & (places.state == 36)
    places.county[here], places.block[here] = b"36001", b"360010001001000"

    def located(some):
        return locate(population, some, frozen, np.ones(some.household.size))

    return places, located


@pytest.fixture(scope="module")
def loaded(engine, repeating, tmp_path_factory):
    """Return the same clones in the model as its users put them there, from a file."""
    places, located = repeating
    path = tmp_path_factory.mktemp("repeating") / "clones.h5"
    write_population(path, located(places))
    return path


@pytest.fixture(scope="module")
def users(loaded):
    """Return what their users' Microsimulation makes of the same clones, in the file's year."""
    from policyengine_us import Microsimulation

    simulation = Microsimulation(dataset=str(loaded))
    return lambda name: np.asarray(simulation.calculate(name, PERIOD, use_weights=False))


@pytest.fixture(scope="module")
def reformed_by_users(loaded):
    """Return a function from a reform to income tax, in a simulation of its own."""
    from policyengine_us import Simulation

    @cache
    def reformed(name):
        run = Simulation(dataset=str(loaded))
        size = run.get_variable_population(name).count
        run.set_input(name, PERIOD, np.zeros(size, dtype=np.float32))
        return np.asarray(run.calculate("income_tax", PERIOD))

    return reformed


def in_column_order(parts, entity):
    """Put the values of parts, (columns, clones, values), together by column."""
    pieces = {}
    for columns, clones, values in parts:
        split = np.split(values, clones.starts[entity][1:-1])
        pieces |= dict(zip(columns.tolist(), split, strict=True))
    return np.concatenate([pieces[column] for column in sorted(pieces)])


@both_reforms
def test_sharing_changes_no_value_and_neither_does_neutralising(
    engine, repeating, users, reformed_by_users, monkeypatch, reforms
):
    """Against public calls: Microsimulation for what is, one full simulation for every reform."""
    places, located = repeating
    known = [name for name in TARGETED if name in engine.variables()]
    assert len(known) > 50
    found = {name: [] for name in known}
    reformed = {name: [] for name in reforms}
    # By the public way, in which another system may be made.
    expected_reforms = {name: reformed_by_users(name) for name in reforms}
    parts = 0
    refuse = Mock(side_effect=AssertionError("no reform needs another tax-benefit system"))
    monkeypatch.setattr("policyengine_us.CountryTaxBenefitSystem.__init__", refuse)
    for columns, clones, simulation in simulate_parts(places, located, known, reforms, engine):
        parts += 1
        for name in known:
            found[name].append((columns, clones, simulation.calculate(name)))
        for name in reforms:
            run = simulation.neutralize(name)
            reformed[name].append((columns, clones, run.calculate("income_tax")))
            run.close()
    assert parts == 1
    varying = 0
    for name in known:
        expected = users(name)
        ours = in_column_order(found[name], engine.variables()[name].entity)
        assert np.array_equal(ours, expected), name
        varying += np.unique(expected).size > 1
    assert varying > 35
    income_tax = users("income_tax")
    for name, expected in expected_reforms.items():
        ours = in_column_order(reformed[name], "tax_unit")
        assert np.array_equal(ours, expected), name
        if name != "medical_expense_deduction":
            assert not np.array_equal(expected, income_tax), name


def test_a_file_has_the_bits_of_its_user_s_microsimulation(engine, loaded, users):
    ours = engine.load(loaded, PERIOD)
    for name in [name for name in TARGETED if name in engine.variables()]:
        assert np.array_equal(ours.calculate(name, PERIOD), users(name)), name
    ours.close()


def test_so_has_it_in_a_later_year(engine, loaded):
    from policyengine_us import Microsimulation

    theirs = Microsimulation(dataset=str(loaded))
    ours = engine.load(loaded, PERIOD)
    for name in [name for name in TARGETED if name in engine.variables()]:
        expected = np.asarray(theirs.calculate(name, PERIOD + 2, use_weights=False))
        assert np.array_equal(ours.calculate(name, PERIOD + 2), expected), name
    ours.close()


def test_the_model_s_whole_population_variables_are_found(engine):
    wide = engine.population_wide()
    assert (
        wide.items()
        >= {
            "medicaid_slcsp_state_denominator": "sum",
            "medicaid_slcsp_state_average_cost_index": "sum",
            "household_income_decile": "rank",
            "spm_unit_income_decile": "rank",
        }.items()
    )
    assert "medicaid_slcsp_state_denominator" in engine.dependencies("medicaid")
    ranks = {name for name, kind in wide.items() if kind == "rank"}
    for harmless in ("snap", "income_tax", "aca_ptc", "age", "eitc"):
        assert not engine.dependencies(harmless) & ranks, harmless


def test_what_a_formula_names_in_any_way_is_a_dependency(engine):
    """By what it is defined for, in a list of its module, and in a list of the parameters."""
    assert "is_medicaid_eligible" in engine.dependencies("medicaid_enrolled")
    assert {"ny_tanf", "wi_works"} <= engine.dependencies("tanf")
    assert "dividend_income" in engine.dependencies("irs_gross_income")
    # Alaska's is one of its own people's: whoever moves away has none.
    assert "ak_permanent_fund_dividend" in engine.place_variables()


def test_formulas_that_look_into_storage_count_as_reading_what_they_name(engine):
    found = engine._reads_from_storage
    assert {"county", "has_tin", "combined_sales_tax_rate"} <= found.names()
    assert "county_fips" in found.of["county"]
    assert "has_itin" in found.of["has_tin"]
    # Most formulas calculate what they read, and that is noted while they run.
    assert len(found.names()) < 200


def test_the_take_up_table_fits_the_model(engine):
    states = pd.read_csv("config/areas.tsv", sep="\t")["state_fips"].dropna().unique().astype(int)
    rates = read_rates("config/take_up.csv", engine.variables(), states)
    assert {rate.entity for rate in rates} == {"person", "tax_unit", "spm_unit"}
    for rate in rates:
        assert not rate.reported or engine.variables()[rate.reported].entity == "person"


def test_growth_is_the_model_s_own(engine):
    assert engine.growth("population", 2022, 2024) > 1
    prices = json.loads(json.dumps(engine.growth("prices", 2022, 2024)))
    # US consumer prices rose by 7-11 % from January 2022 to January 2024 (BLS: 281.1 to 308.4).
    assert prices == pytest.approx(308.417 / 281.148, abs=0.03)


def test_evaluation_reads_a_file_as_its_users_would(engine, population, matrix, tmp_path):
    places, targets, frozen, _ = matrix
    rows = np.arange(40)
    clones = locate(population, take_columns(places, rows), frozen, np.full(40, 3.5))
    write_population(tmp_path / "area.h5", clones)
    cheap = targets["variable"].isin(["person_count", "household_count", "medicaid", "eitc"])
    measures, _ = distinct_measures(targets[cheap])
    memory = dict(Evaluation(engine.simulate(clones), clones, engine.variables()).measure(measures))
    loaded = engine.load(tmp_path / "area.h5", PERIOD)
    file = dict(Evaluation(loaded, clones, engine.variables()).measure(measures))
    for number, measure in enumerate(measures):
        assert np.array_equal(memory[number], file[number]), str(measure)


def test_enums_have_their_members_in_the_order_of_the_model_s_codes(engine):
    variables = engine.variables()
    assert variables["tenure_type"].members[0] == "RENTED"
    for name, variable in variables.items():
        assert (variable.kind == "enum") == bool(variable.members), name
    # A code means the same for the model as for us, in every enum that a dataset may store.
    for name in ("tenure_type", "spm_unit_tenure_type", "county"):
        enum = engine._system.variables[name].possible_values
        members = variables[name].members
        codes = np.arange(len(members))
        assert enum.encode(codes).decode_to_str().tolist() == list(members), name


def test_what_is_read_as_a_kind_is_what_the_model_reads(engine):
    """Given as flags, floats and codes or as the model's own types: the same simulation."""
    data = synthetic_households(40, PERIOD, seed=5)
    variables = engine.variables()
    other = dict(data)
    for name in data.keys() & variables.keys():
        kind, values = variables[name].kind, data[name]
        if kind == "bool":
            other[name] = values.astype(np.float64)
        elif kind == "enum":
            members = list(variables[name].members)
            other[name] = np.array([members.index(item.decode()) for item in values.tolist()])
        elif kind == "int":
            other[name] = values.astype(np.float64)
    assert sum(not np.array_equal(other[name], data[name]) for name in data) > 1
    simulations = [
        engine.simulate(check_dataset("given", given, PERIOD, variables)) for given in (data, other)
    ]
    for name in ("tenure_type", "is_female", "adjusted_gross_income", "snap", "ssi"):
        values = [simulation.calculate(name) for simulation in simulations]
        assert np.array_equal(*values), name


def test_take_up_choices_are_those_that_the_table_of_rates_is_about(engine):
    choices = {name for name, variable in engine.variables().items() if variable.is_take_up}
    assert choices >= set(pd.read_csv("config/take_up.csv")["variable"])
    assert not choices & {"is_female", "snap_if_takes_up", "ssi_if_takes_up", "has_esi"}


def test_places_are_found_by_what_the_model_reads(engine):
    places = engine.place_variables()
    assert places >= {
        "block_geoid",
        "congressional_district_geoid",
        "county",
        "county_fips",
        "county_str",
        "ct_tfa_region",
        "in_denver",
        "in_la",
        "in_nyc",
        "in_wilmington",
        "in_yonkers",
        "is_on_tribal_land",
        "is_rural",
        "medicaid_rating_area",
        "slcsp_rating_area",
        "snap_region",
        "snap_utility_region_str",
        "state_code",
        "state_fips",
        "state_group_str",
        "tax_unit_state",
        "three_digit_zip_code",
        "zip_code",
    }
    # What people are, have and do stays theirs.
    stored = synthetic_households(20, PERIOD, seed=5).keys() | set(TARGETED)
    assert places & stored == {"state_fips"}
    assert not places & {"is_homeless", "ma_state_living_arrangement", "bedrooms", "snap", "rent"}
    assert not any(engine.variables()[name].is_take_up for name in places)


def test_a_place_s_value_follows_from_where_a_household_lives(engine, population, matrix):
    """Any household's at the same place is the same: nothing but the place is read."""
    places, _, frozen, _ = matrix
    rows = np.arange(60)
    clones = locate(population, take_columns(places, rows), frozen, np.ones(60))
    simulation = engine.simulate(clones)
    county = clones.values["county_fips"]
    computed = [
        name
        for name in sorted(engine.place_variables())
        if engine.variables()[name].computed and engine.variables()[name].entity == "household"
    ]
    assert len(computed) > 50
    for name in computed:
        values = simulation.calculate(name)
        for code in np.unique(county):
            assert np.unique(values[county == code]).size == 1, name


def test_counties_of_other_vintages_are_unknown_and_those_of_the_project_known(engine):
    ours = pd.read_csv("config/geography/county_district.csv", dtype=str)["county_fips"]
    cities = pd.read_csv("config/areas.tsv", sep="\t", dtype=str)["counties"].dropna()
    known = {*ours, *",".join(cities).split(",")}
    others = {code for change in CHANGES for code in {**change.before, **change.after}}
    unknown = engine.unknown_counties(known | others | {"99999", "06000", ""})
    assert not unknown & known
    assert unknown >= {"09110", "09190", "46113", "51515", "02261", "02270", "12025", "99999"}
    # Every change has a side that the model knows, which a message may then recommend.
    for change in CHANGES:
        assert change.before.keys() <= unknown or change.after.keys() <= unknown
        assert not (change.before.keys() & unknown and change.after.keys() & unknown)


def test_an_spm_unit_without_an_adult_is_found_before_the_model_fails_on_it(engine):
    data = synthetic_households(40, PERIOD, seed=5)
    population = check_dataset("given", data, PERIOD, engine.variables())
    assert engine.unusable_units(population) == []
    unit = data["person_spm_unit_id"][11]
    members = data["person_spm_unit_id"] == unit
    data["age"] = np.where(members, 9, data["age"]).astype(np.float32)
    data["is_household_head"] = data["is_household_head"] & ~members
    population = check_dataset("given", data, PERIOD, engine.variables())
    household = data["person_household_id"][11]
    message = rf"spm_unit {unit} of household {household} has nobody whom the model counts as"
    for needed in ("spm_unit_spm_threshold", "in_poverty", "spm_unit_net_income"):
        with pytest.raises(InputError, match=message):
            refuse_unusable_units(population, ["age", needed], engine)
    refuse_unusable_units(population, ["snap", "medicaid", "income_tax", "eitc"], engine)
    # The model itself does not say who.
    with pytest.raises(CalculationError, match="'spm_unit_spm_threshold' cannot be calculated: "):
        engine.simulate(population).calculate("spm_unit_spm_threshold")


def test_a_value_that_is_not_finite_names_its_household(engine, population):
    income = np.zeros(population.count("person"), dtype=np.float32)
    income[population.starts["person"][7]] = 3e38
    changed = population.with_values("person", {"employment_income": income})
    simulation = engine.simulate(changed.with_values("person", {"taxable_interest_income": income}))
    with pytest.raises(CalculationError, match="is not finite for 1 of") as error:
        simulation.calculate("adjusted_gross_income")
    assert error.value.household == 7


def test_datasets_of_policyengine_are_read_in_both_of_its_layouts(engine, tmp_path):
    from policyengine_us.data import USMultiYearDataset, USSingleYearDataset

    data = synthetic_households(60, PERIOD, seed=5)
    tables = {entity: {} for entity in ENTITIES}
    for name, values in data.items():
        known = engine.variables().get(name)
        entity = known.entity if known and name not in id_names() else owner_of(name)
        tables[entity][name] = values.astype(str) if values.dtype.kind == "S" else values
    frames = {entity: pd.DataFrame(columns) for entity, columns in tables.items()}
    one = USSingleYearDataset(**frames, time_period=PERIOD)
    one.save(str(tmp_path / "one.h5"))
    USMultiYearDataset(datasets=[one, USSingleYearDataset(**frames, time_period=PERIOD + 1)]).save(
        str(tmp_path / "years.h5")
    )
    with h5py.File(tmp_path / "arrays.h5", "w") as file:
        for name, values in data.items():
            file[f"{name}/{PERIOD}"] = values
    written = {}
    for name in ("arrays", "one", "years"):
        section = {"source": "file", "path": tmp_path / f"{name}.h5", "drop": [], "households": 60}
        outputs = [tmp_path / f"{name}_population.h5", tmp_path / f"{name}.parquet"]
        build_population(section, PERIOD, 0, engine, *outputs)
        written[name] = read_population(outputs[0]), outputs[1].read_bytes()
    for name in ("one", "years"):
        assert written[name][1] == written["arrays"][1]
        for variable, values in written["arrays"][0].values.items():
            assert np.array_equal(written[name][0].values[variable], values), variable
    assert not written["arrays"][0].values.keys() & engine.place_variables()


def owner_of(column):
    own = column.removesuffix("_id")
    return own if own in ENTITIES else "person"


@both_reforms
def test_a_file_is_reformed_as_its_users_reform_it(engine, loaded, reformed_by_users, reforms):
    """Targets on reforms are looked at in area files, too."""
    file = engine.load(loaded, PERIOD)
    before = file.calculate("income_tax")
    for name in reforms:
        reformed = file.neutralize(name)
        assert np.array_equal(reformed.calculate("income_tax"), reformed_by_users(name)), name
        reformed.close()
    assert np.array_equal(file.calculate("income_tax"), before)
    file.close()
