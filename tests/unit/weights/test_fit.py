"""The whole fit on small planted problems."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from localcal.errors import InputError
from localcal.weights.fit import FitOutputs, fit_weights, write_fit
from localcal.weights.settings import Settings
from localcal.weights.trace import read_trace
from tests.fit_case import Case, make_case, make_planted_case, make_states_case, with_rows


def estimates(case: Case, weights: np.ndarray) -> np.ndarray:
    return case.matrix.toarray().astype(np.float64) @ weights.astype(np.float64)


def test_a_consistent_truth_is_met_at_every_level():
    case = make_case()
    result = case.fit(penalty=1e-3, max_sweeps=2000)
    table = result.diagnostics
    assert (table["verdict"] == "met").all()
    assert table["rel_error"].abs().max() < 0.005
    assert result.weights.dtype == np.float32 and (result.weights > 0).all()
    np.testing.assert_allclose(table["final_estimate"], estimates(case, result.weights), rtol=1e-12)
    assert result.report["loss"] == pytest.approx((table["rel_error"] ** 2).sum())
    assert result.report["stopped_by"] == "tolerance"


@pytest.mark.parametrize("group_weight", ["sqrt", "equal", "group"])
def test_the_weights_are_the_optimum_of_the_stated_objective(group_weight):
    case = make_case(1, households=20, clones=6)
    settings = {"bounds": (0.7, 1.4), "minimum_columns": 1, "minimum_households": 1}
    result = case.fit(
        group_weight=group_weight, max_sweeps=5000, tolerance=1e-7, harmonize=False,
        penalty=0.02, **settings,
    )  # fmt: skip
    used = result.diagnostics["rho"].notna().to_numpy()
    value = case.targets["value"].to_numpy()[used]
    size = case.targets[used].groupby(["geo_level", "variable", "domain_variable"])["value"]
    power = {"sqrt": -0.5, "equal": 0.0, "group": -1.0}[group_weight]
    rho = size.transform("size").to_numpy() ** power
    rho /= rho.mean()
    np.testing.assert_allclose(result.diagnostics["rho"][used], rho)

    start = case.design_weight * result.report["base_factor"]
    ratio = value / (case.matrix.toarray()[used].astype(np.float64) @ start)
    assert np.median(ratio) == pytest.approx(1.0, rel=0.05)
    dense = case.matrix.toarray()[used] * (np.sqrt(rho) / value)[:, None]
    # The penalty is per target.
    root = np.sqrt(0.02 * len(value) / start.sum() / start)
    expected = scipy.optimize.lsq_linear(
        np.vstack([dense, np.diag(root)]),
        np.concatenate([np.sqrt(rho), root * start]),
        (0.7 * start, 1.4 * start),
        method="bvls",
        tol=1e-14,
    ).x
    np.testing.assert_allclose(result.weights, expected, rtol=1e-4)
    assert result.report["weights"]["share_at_lower_bound"] == pytest.approx(
        np.mean(expected <= 0.7 * start * (1 + 1e-6)), abs=0.02
    )


def test_the_start_makes_the_median_target_over_estimate_one():
    case = make_case(2)
    result = case.fit(harmonize=False)
    table = result.diagnostics
    assert np.median(table["target_value"] / table["base_estimate"]) == pytest.approx(1.0)
    start = case.design_weight * result.report["base_factor"]
    np.testing.assert_allclose(table["base_estimate"], estimates(case, start), rtol=1e-6)


def test_the_unit_of_the_design_weights_does_not_matter():
    case = make_case(2)
    other = replace(case, design_weight=case.design_weight * 1e-4)
    first, second = case.fit(), other.fit()
    assert second.report["base_factor"] == pytest.approx(1e4 * first.report["base_factor"])
    np.testing.assert_allclose(first.weights, second.weights, rtol=1e-5)


def test_every_planted_error_is_listed_in_its_state_and_the_rest_is_met():
    case = make_case(3, households=100, clones=10)
    plain = case.fit()
    assert (plain.diagnostics["verdict"] == "met").all()
    clean = len(case.targets)
    dense = case.matrix.toarray()
    chosen = np.arange(30, 35)
    nothing = np.zeros((5, dense.shape[1]))
    few = np.zeros((5, dense.shape[1]))
    few[:, np.flatnonzero(case.district == 101)[:4]] = 1.0
    # Forty columns, but all of one household.
    one = np.tile(np.where(case.household == 7, 1.0, 0.0), (5, 1))
    value = case.targets["value"].to_numpy()[chosen]
    case = with_rows(case, nothing, [1e3] * 5, "empty")
    case = with_rows(case, dense[chosen + 5], [0.0] * 5, "zero")
    unit = case.targets["value"].to_numpy()[chosen + 10] * 1000
    case = with_rows(case, dense[chosen + 10], list(unit), "thousandfold")
    case = with_rows(case, dense[chosen], list(value * 1.5), "contradicting")
    case = with_rows(case, few, [500.0] * 5, "few")
    case = with_rows(case, one, [500.0] * 5, "one household")
    result = case.fit()
    table = result.diagnostics
    assert len(table) == len(case.targets) == clean + 30
    found = table[clean:].groupby("variable")["verdict"].unique().map(list).to_dict()
    assert found == {
        "empty": ["no_support"],
        "zero": ["zero"],
        "thousandfold": ["unreachable"],
        "contradicting": ["contradicted"],
        "few": ["thin"],
        "one household": ["thin"],
    }
    contradicted = np.isin(np.arange(clean), chosen)
    assert (table["verdict"][:clean][contradicted] == "contradicted").all()
    # Whoever shares people with the contradicted ones pays as well, but stays close.
    assert (table["verdict"][:clean][~contradicted] == "met").mean() > 0.9
    assert table["rel_error"][:clean][~contradicted].abs().median() < 0.01
    counts = result.report["targets_by_verdict"]
    assert sum(counts.values()) == len(table)
    assert counts["unreachable"] == counts["zero"] == counts["no_support"] == 5
    assert counts["thin"] == 10 and counts["contradicted"] >= 10
    left_out = table["rho"].isna()
    assert left_out.sum() == 25 and table.loc[left_out, "price"].isna().all()
    assert table.loc[table["verdict"] == "zero", "rel_error"].isna().all()
    assert not table.loc[table["verdict"] == "unreachable", "rel_error"].isna().any()


@pytest.mark.parametrize(("seed", "records"), [(0, None), (1, None), (0, 6_000)])
def test_contradictory_inputs_are_listed_and_leave_the_clean_targets_alone(seed, records):
    case, planted = make_planted_case(seed)
    assert len(planted) == 1143
    result = case.fit(records=records)
    table = result.diagnostics.assign(planted=planted)
    found = {kind: set(rows["verdict"]) for kind, rows in table.groupby("planted")}
    assert found["contradicted"] == {"contradicted"}
    assert found["empty"] == {"no_support"}
    assert found["zero"] == {"zero"}
    assert found["thousandfold"] == {"unreachable"}
    assert found["clean"] == {"met"}
    # Against what was published: harmonizing must not spread a planted error over a family.
    clean = table[planted == "clean"]
    error = (clean["final_estimate"] / clean["target_value"] - 1.0).abs()
    assert error.mean() < 0.005
    softened = table[table["huber_weight"] < 1.0]
    assert set(softened["planted"]) <= {"contradicted", "original"} and len(softened) >= 50
    assert (softened["price"].abs() <= softened["rho"] * 0.05 * 1.2).all()
    counts = result.report["targets_by_verdict"]
    assert sum(counts.values()) == 1143 and counts["no_support"] == counts["unreachable"] == 20
    hard = case.fit(records=records, huber=None).diagnostics
    spoilt = hard.loc[planted == "clean", "final_estimate"] / clean["target_value"] - 1.0
    assert spoilt.abs().mean() > 2 * error.mean()


def test_only_the_asked_levels_are_fitted_and_the_others_are_reported():
    case = make_case(4)
    low = case.targets["geo_level"] == "district"
    case.targets.loc[low, "value"] *= 0.9
    result = case.fit(levels=("nation",))
    table = result.diagnostics
    fitted = table["geo_level"] == "nation"
    assert (table.loc[~fitted, "verdict"] == "not_fitted").all()
    assert table.loc[~fitted, "rel_error"].notna().all()
    assert table.loc[fitted, "rel_error"].abs().max() < table["rel_error"].abs().max()
    assert result.report["n_fitted"] == fitted.sum() == 5
    # Nor do they take part in harmonizing.
    assert (table["harmonized_value"] == table["target_value"]).all()
    groups = {(row["geo_level"], row["role"]) for row in result.report["errors"]}
    assert groups == {("nation", "fitted"), ("state", "left_out"), ("district", "left_out")}


def test_levels_that_contradict_are_fitted_to_the_upper_one_and_named():
    case = make_case(5)
    targets = case.targets.copy()
    low = (targets["geo_level"] == "district") & (targets["variable"] == "adjusted_gross_income")
    targets.loc[low, "value"] *= 0.7
    case = replace(case, targets=targets)
    result = case.fit()
    assert (result.diagnostics["verdict"][~low] == "met").all()
    # Met, but not as they were published.
    assert (result.diagnostics["verdict"][low] == "met_moved").all()
    moved = result.report["harmonization"]["moved"]
    assert {row["level"] for row in moved} == {"district"} and len(moved) == 6
    assert sum("to make the levels agree" in line for line in result.report["findings"]) == 5
    np.testing.assert_allclose(result.diagnostics["error_uprated"][low], 1 / 0.7 - 1, rtol=0.1)
    uprated = result.diagnostics["target_value"] / result.diagnostics["published_value"]
    published = (1 + result.diagnostics["error_uprated"]) * uprated - 1
    np.testing.assert_allclose(result.diagnostics["error_published"], published)
    table = result.diagnostics[low]
    np.testing.assert_allclose(table["harmonized_value"], table["target_value"] / 0.7)
    lines = result.report["harmonization"]["contradictions"]
    assert len(lines) == 1 and "adjusted_gross_income" in lines[0] and "1.429" in lines[0]

    raw = case.fit(harmonize=False)
    assert (raw.diagnostics["verdict"] != "met").any()
    np.testing.assert_array_equal(
        raw.diagnostics["harmonized_value"], raw.diagnostics["target_value"]
    )
    assert raw.report["harmonization"]["contradictions"] == lines
    assert raw.report["harmonization"]["applied"] is False


@pytest.mark.parametrize("seed", range(3))
def test_a_state_published_twice_too_high_is_named_and_the_others_fitted_as_published(seed):
    case = make_states_case(seed)
    targets = case.targets.copy()
    wrong = (targets["variable"] == "adjusted_gross_income") & (targets["geographic_id"] == "1")
    right = targets.loc[wrong, "value"].iloc[0]
    targets.loc[wrong, "value"] *= 2.0
    result = replace(case, targets=targets).fit()
    table = result.diagnostics
    assert table["verdict"].value_counts().to_dict() == {"met": 41, "suspect": 1}
    assert table.loc[wrong, ["verdict", "role"]].to_numpy().tolist() == [["suspect", "left_out"]]
    assert table["error_uprated"][~wrong].abs().max() < 0.01
    np.testing.assert_allclose(table["harmonized_value"], table["target_value"], rtol=1e-12)
    # The nation and the other states leave for it what it is.
    assert table.loc[wrong, "final_estimate"].iloc[0] == pytest.approx(right, rel=0.03)
    (suspect,) = result.report["harmonization"]["suspects"]
    assert suspect["geographic_id"] == "1" and suspect["applied"]
    assert suspect["implied_value"] == pytest.approx(right)
    (line,) = [line for line in result.report["findings"] if "alone explains" in line]
    assert line.startswith("state 1, adjusted_gross_income []: ")
    assert result.report["harmonization"]["moved"] == []

    left = replace(case, targets=targets).fit(harmonize=False)
    assert left.diagnostics.loc[wrong, "role"].iloc[0] == "fitted"
    assert any("not harmonized, fitted" in line for line in left.report["findings"])


@pytest.mark.parametrize("records", [30, 40, 137, 250, 599])
def test_exactly_the_asked_number_of_records_keeps_a_weight(records):
    case = make_case(6)
    result = case.fit(records=records)
    assert np.count_nonzero(result.weights) == records
    assert np.isfinite(result.weights).all() and (result.weights >= 0).all()
    assert result.report["weights"]["records"] == records
    np.testing.assert_allclose(
        result.diagnostics["final_estimate"], estimates(case, result.weights), rtol=1e-12
    )


def test_a_record_budget_that_keeps_all_is_the_fit_of_all():
    case = make_case(6)
    assert case.fit(records=600).weights.tobytes() == case.fit().weights.tobytes()


def test_few_records_still_meet_the_targets():
    case = make_case(7)
    result = case.fit(records=150)
    assert result.report["loss"] < 0.05
    assert (result.diagnostics["verdict"] == "met").mean() > 0.95
    # The dense column is the fit of all records, not that of the kept ones.
    assert not np.allclose(
        result.diagnostics["dense_estimate"], result.diagnostics["final_estimate"], rtol=1e-6
    )


@pytest.mark.parametrize("records", [None, 60, 300])
def test_bounds_hold_from_the_design_weight_to_the_final_one(records):
    case = make_case(8)
    result = case.fit(records=records, bounds=(0.9, 1.1), penalty=0.01)
    quality = result.report["weights"]
    # Fits in a row that each kept the bounds anew would end at .81 and 1.21.
    assert quality["factor_min"] >= 0.9 * (1 - 1e-6)
    assert quality["factor_max"] <= 1.1 * (1 + 1e-6)
    assert quality["share_at_lower_bound"] + quality["share_at_upper_bound"] > 0.05
    if records is None:
        factor = result.weights / (case.design_weight * result.report["base_factor"])
        assert factor.min() == pytest.approx(quality["factor_min"])
        assert factor.max() == pytest.approx(quality["factor_max"])


def test_columns_without_design_weight_keep_none_and_count_nowhere():
    case = make_case(9)
    weight = case.design_weight.copy()
    weight[::3] = 0.0
    case = replace(case, design_weight=weight)
    for records in (None, 100):
        result = case.fit(records=records)
        assert (result.weights[::3] == 0).all()
        assert np.count_nonzero(result.weights) == (records or 400)
    expected = ((case.matrix.toarray() != 0) & (weight > 0)).sum(1)
    assert result.diagnostics["columns"].tolist() == expected.tolist()
    with pytest.raises(InputError, match="only 400 columns have a design weight"):
        case.fit(records=401)


def test_losses_can_be_fitted_where_columns_lose():
    case = make_case(10)
    rng = np.random.default_rng(0)
    loss = np.where(case.district == 101, -rng.uniform(0.0, 5.0, 600) + 1.0, 0.0)[None]
    value = float((loss @ (case.design_weight * 1.35))[0])
    assert value < 0
    result = with_rows(case, loss, [value], "loss").fit()
    row = result.diagnostics.iloc[-1]
    assert row["verdict"] == "met" and row["final_estimate"] < 0
    assert row["price"] == pytest.approx(row["rho"] * (value - row["final_estimate"]) / abs(value))


@pytest.mark.parametrize("records", [None, 120])
def test_repeated_runs_give_the_same_bytes(records):
    first, second = (make_case(11).fit(seed=3, records=records) for _ in range(2))
    assert first.weights.tobytes() == second.weights.tobytes()
    assert json.dumps(first.report) == json.dumps(second.report)
    assert first.diagnostics.to_csv() == second.diagnostics.to_csv()
    other = make_case(11).fit(seed=4, records=records)
    assert other.weights.tobytes() != first.weights.tobytes()


def test_memory_mapped_arrays_and_wide_indices_give_the_same_bytes(tmp_path):
    case = make_case(11)
    expected = case.fit(records=120)

    class Mapped:
        shape = case.matrix.shape

    for name in ("data", "indices", "indptr"):
        array = getattr(case.matrix, name)
        np.save(tmp_path / name, array if name == "data" else array.astype(np.int64))
        setattr(Mapped, name, np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    result = replace(case, matrix=Mapped()).fit(records=120)
    assert result.weights.tobytes() == expected.weights.tobytes()


def test_a_written_fit_says_which_weights_it_is_about(tmp_path):
    result = make_case().fit(records=100)
    outputs = {
        name: tmp_path / file
        for name, file in (
            ("fit", "fit.json"),
            ("diagnostics", "diagnostics.csv"),
            ("areas", "areas.csv"),
            ("trace", "trace.h5"),
            ("weights", "weights.npy"),
        )
    }
    write_fit(result, {"targets": "abc"}, FitOutputs(**outputs))
    digest = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in outputs.items()}
    report = json.loads(outputs["fit"].read_text())
    del digest["fit"]
    assert report["digests"] == {"targets": "abc", **digest}
    assert np.array_equal(np.load(outputs["weights"]), result.weights)
    assert len(list(tmp_path.iterdir())) == 5
    trace, origins = read_trace(outputs["trace"])
    assert origins == {"targets": "abc", "weights": digest["weights"]}
    assert trace.weights().tobytes() == result.weights.tobytes()
    write_fit(result, {"targets": "abc"}, FitOutputs(**outputs))
    assert digest["trace"] == hashlib.sha256(outputs["trace"].read_bytes()).hexdigest()


def test_a_given_support_is_kept_whether_flags_or_numbers_and_fitted_well():
    case = make_case(14)
    support = np.random.default_rng(0).random(600) < 0.5
    settings = Settings(penalty=0.02)
    first, second = (
        fit_weights(**case.arguments(), settings=settings, seed=0, support=given)
        for given in (support, np.flatnonzero(support))
    )
    assert ((first.weights > 0) == support).all()
    assert first.weights.tobytes() == second.weights.tobytes()
    assert first.report["selection"]["swaps_accepted"] == 0
    assert first.report["weights"]["records"] == support.sum()
    assert (first.diagnostics["verdict"] == "met").mean() > 0.95
    # Bounds hold for what a record and those it stands for had.
    assert first.report["weights"]["factor_min"] >= 0.1 * (1 - 1e-6)
    everything = fit_weights(
        **case.arguments(), settings=settings, seed=0, support=np.ones(600, dtype=bool)
    )
    assert everything.weights.tobytes() == case.fit(penalty=0.02).weights.tobytes()


@pytest.mark.parametrize(
    ("support", "settings", "message"),
    [
        (np.zeros(600, dtype=bool), {}, "at least one column"),
        (np.ones(599, dtype=bool), {}, r"shape \(599,\)"),
        (np.array([0, 600]), {}, "within 0..599"),
        (np.array([-1]), {}, "within 0..599"),
        (np.arange(6), {}, "none without design weight"),
        (np.arange(10, 20), {"records": 9}, "9 asked for, but the support holds 10"),
    ],
)
def test_an_impossible_support_is_refused(support, settings, message):
    case = make_case(15)
    weight = case.design_weight.copy()
    weight[5] = 0.0
    case = replace(case, design_weight=weight)
    with pytest.raises(InputError, match=message):
        fit_weights(**case.arguments(), settings=Settings(**settings), seed=0, support=support)
