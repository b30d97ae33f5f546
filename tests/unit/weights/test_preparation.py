"""Which targets are fitted, with which weight, and what happens to the others."""

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from tests.fit_case import make_case, with_rows

AGES = {"variable": "person_count", "geo_level": "state"}


def rows_of(table: pd.DataFrame, rule: dict) -> pd.DataFrame:
    """Return the targets that a rule is about."""
    keys = [key for key in ("variable", "geo_level", "domain_variable") if key in rule]
    return table[np.logical_and.reduce([table[key] == rule[key] for key in keys])]


def test_weight_and_tolerance_of_a_group_change_rho_as_documented():
    case = make_case()
    plain = case.fit().diagnostics
    changed = case.fit(groups=(AGES | {"weight": 3.0, "tolerance": 0.02},)).diagnostics
    ratio = changed["rho"] / plain["rho"]
    inside = changed.index.isin(rows_of(changed, AGES).index)
    assert ratio[inside].iloc[0] / ratio[~inside].iloc[0] == pytest.approx(3.0 / (1 + 4))
    assert ratio[~inside].std() < 1e-12
    # What the group's weight adds, no other target loses.
    assert plain["rho"].mean() == pytest.approx(1.0)
    assert changed["rho"].where(~inside, changed["rho"] / 3.0).mean() == pytest.approx(1.0)
    assert (changed.loc[inside, "tolerance"] == 0.02).all()


def test_a_target_with_a_large_tolerance_gives_way_and_counts_as_met_within_it():
    case = make_case(3)
    contradicting = with_rows(
        case, case.matrix.toarray()[[30]], [1.3 * case.targets["value"][30]], "survey"
    )
    wide = {"variable": "survey", "tolerance": 0.4}
    table = contradicting.fit(groups=(wide,)).diagnostics
    assert table["verdict"].iloc[-1] == "met" and abs(table["rel_error"].iloc[-1]) > 0.15
    assert abs(table["rel_error"][30]) < 0.02
    hard = contradicting.fit().diagnostics
    # A group of its own has a large weight: without the tolerance the others give way.
    assert hard["verdict"][30] == "contradicted"
    # The same from the target table, where it is a percentage.
    contradicting.targets.loc[len(case.targets), "tolerance"] = 40.0
    pd.testing.assert_frame_equal(contradicting.fit().diagnostics, table)


def test_held_out_targets_are_not_fitted_and_their_error_stands_beside_the_others():
    case = make_case(5)
    rule = AGES | {"hold_out": True}
    result = case.fit(groups=(rule,))
    table = result.diagnostics
    held_out = rows_of(table, AGES)
    assert (held_out["verdict"] == "held_out").all() and held_out["rho"].isna().all()
    assert held_out["rel_error"].notna().all() and held_out["base_error"].notna().all()
    assert result.report["targets_by_verdict"]["held_out"] == len(held_out) == 12
    rows = [row for row in result.report["errors"] if row["role"] == "held_out"]
    assert len(rows) == 1 and rows[0]["count"] == 12
    assert rows[0]["median"] == pytest.approx(held_out["rel_error"].abs().median())
    assert rows[0]["base_median"] == pytest.approx(held_out["base_error"].abs().median())


def test_a_random_share_is_held_out_by_what_the_targets_are():
    case = make_case(5)
    result = case.fit(hold_out=0.2, seed=3)
    table = result.diagnostics
    held_out = set(table.loc[table["verdict"] == "held_out", "name"])
    assert 4 <= len(held_out) <= 16
    mixed = np.random.default_rng(0).permutation(len(case.targets))
    other = type(case)(
        **vars(case)
        | {"matrix": case.matrix[mixed], "targets": case.targets.iloc[mixed].reset_index(drop=True)}
    )
    table = other.fit(hold_out=0.2, seed=3).diagnostics
    assert set(table.loc[table["verdict"] == "held_out", "name"]) == held_out
    table = case.fit(hold_out=0.2, seed=4).diagnostics
    assert set(table.loc[table["verdict"] == "held_out", "name"]) != held_out
    # Those of a group that is held out come on top.
    table = case.fit(hold_out=0.2, seed=3, groups=(AGES | {"hold_out": True},)).diagnostics
    ages = set(rows_of(table, AGES)["name"])
    assert set(table.loc[table["verdict"] == "held_out", "name"]) == held_out | ages


def test_the_first_figures_are_fitted_held_out_and_start():
    result = make_case(5).fit(hold_out=0.2)
    assert next(iter(result.report)) == "accuracy"
    found, table = result.report["accuracy"], result.diagnostics
    for role in ("fitted", "held_out"):
        size = table.loc[table["role"] == role, ["rel_error", "base_error"]].abs()
        for part, column in ((found, "rel_error"), (found["start"], "base_error")):
            assert part[role] == {
                "count": len(size),
                "median": pytest.approx(size[column].median()),
                "p90": pytest.approx(size[column].quantile(0.9)),
            }
    assert make_case(5).fit().report["accuracy"]["held_out"] is None


def test_a_share_that_holds_out_nothing_is_refused():
    with pytest.raises(
        InputError, match=r"weights\.hold_out: 0\.0001 holds out none of the 50 targ"
    ):
        make_case(5).fit(hold_out=1e-4)


def test_a_weight_of_a_thousand_meets_its_target_and_leaves_the_others_to_the_penalty():
    case = make_case(3)
    nation = {"variable": "adjusted_gross_income", "geo_level": "nation"}
    settings = {"penalty": 1.0, "harmonize": False}
    plain = case.fit(**settings)
    heavy = case.fit(groups=(nation | {"weight": 1000.0},), **settings)
    row = rows_of(plain.diagnostics, nation).index[0]
    before, after = (result.diagnostics["rel_error"] for result in (plain, heavy))
    assert abs(before[row]) > 0.01 and abs(after[row]) < abs(before[row]) / 50
    others = before.index != row
    # Before, the others' rho fell to a twentieth, and they went back to where they started.
    assert (heavy.diagnostics["rho"][others] == plain.diagnostics["rho"][others]).all()
    assert after[others].abs().mean() < 1.2 * before[others].abs().mean()


def test_nothing_of_what_held_out_targets_say_reaches_the_fit():
    case = make_case(5)
    rule = AGES | {"hold_out": True}
    weights = case.fit(groups=(rule,)).weights
    spoilt = case.targets.copy()
    spoilt.loc[rows_of(spoilt, AGES).index, "value"] *= 7.3
    other = type(case)(**(vars(case) | {"targets": spoilt})).fit(groups=(rule,))
    assert other.weights.tobytes() == weights.tobytes()
    # And what the fit knows does not reach them: they are compared as published.
    table = rows_of(other.diagnostics, AGES)
    assert (table["harmonized_value"] == table["target_value"]).all()
    assert case.fit().weights.tobytes() != weights.tobytes()


def test_a_held_out_group_nobody_else_speaks_of_has_no_local_information():
    case = make_case(5)
    noise = np.random.default_rng(0).random((6, 600)) < 0.3
    value = (noise @ (case.design_weight * 1.35)) * np.array([0.7, 1.4, 0.6, 1.5, 0.75, 1.3])
    case = with_rows(case, noise, list(value), "noise")
    report = case.fit(groups=({"variable": "noise", "hold_out": True},)).report
    row = next(row for row in report["errors"] if row["variable"] == "noise")
    assert row["median"] > 0.2
    if row["median"] >= row["base_median"]:
        assert row["finding"] == "no local information"
    else:
        assert row["finding"] is None


def few_columns(case, districts: list[int], count: int) -> np.ndarray:
    """One row per district, carried by its first `count` columns."""
    rows = np.zeros((len(districts), case.matrix.shape[1]))
    for row, district in zip(rows, districts, strict=True):
        row[np.flatnonzero(case.district == district)[:count]] = 1.0
    return rows


def family(case, districts: list[int], counts: list[int]):
    """Add one family of district targets, each carried by so many columns and consistent."""
    parts = [few_columns(case, [d], count) for d, count in zip(districts, counts, strict=True)]
    matrix = np.vstack(parts)
    value = matrix @ (case.design_weight * 1.35)
    case = with_rows(case, matrix, list(value), "rare")
    new = case.targets["variable"] == "rare"
    case.targets.loc[new, "geographic_id"] = [str(district) for district in districts]
    case.targets.loc[new, "constraints"] = "[]"
    return case


def rare(result) -> pd.DataFrame:
    return result.diagnostics[result.diagnostics["variable"] == "rare"]


def test_thin_targets_are_dropped_or_kept_as_asked():
    case = family(make_case(2), [201, 202, 203], [3, 4, 30])
    assert rare(case.fit()).verdict.tolist() == ["thin", "thin", "met"]
    kept = rare(case.fit(thin="keep"))
    assert kept["rho"].notna().all() and "thin" not in set(kept["verdict"])


def test_thin_districts_of_one_state_are_merged_into_one_sum():
    case = family(make_case(2), [201, 202, 203, 101], [3, 4, 30, 3])
    result = case.fit(thin="merge", minimum_households=1, penalty=0.01, max_sweeps=1000)
    table = rare(result)
    # Nothing to merge 101 with: its family has no other target in state 1.
    assert table["verdict"].tolist() == ["merged", "merged", "met", "thin"]
    assert table["rho"].notna().tolist() == [False, False, True, False]
    (merged,) = result.report["merged"]
    assert merged["targets"] == ["rare 0", "rare 1"]
    assert merged["value"] == pytest.approx(table["harmonized_value"][:2].sum())
    assert merged["final_estimate"] == pytest.approx(table["final_estimate"][:2].sum())
    assert abs(merged["rel_error"]) < 0.02
    # One more equation than single targets.
    assert result.report["n_fitted"] == result.diagnostics["rho"].notna().sum() + 1
    roles = [row["role"] for row in result.report["errors"] if row["variable"] == "rare"]
    assert sorted(roles) == ["fitted", "left_out", "merged"]


def test_a_sum_that_is_still_thin_takes_in_the_smallest_neighbour():
    case = family(make_case(2), [201, 202, 203], [2, 40, 30])
    assert rare(case.fit(thin="merge")).verdict.tolist() == ["merged", "met", "merged"]
    # All thin ones are in the sum, though two of them would do.
    case = family(make_case(2), [201, 202, 203], [4, 4, 4])
    assert rare(case.fit(thin="merge", minimum_households=1)).verdict.tolist() == ["merged"] * 3
    # Three columns in all are thin however they are summed.
    case = family(make_case(2), [201, 202], [2, 1])
    assert rare(case.fit(thin="merge")).verdict.tolist() == ["thin", "thin"]


def test_a_merged_sum_is_the_equation_of_the_summed_row():
    case = family(make_case(2), [201, 202], [3, 4])
    settings = {"harmonize": False, "penalty": 0.02}
    merged = case.fit(thin="merge", **settings)
    matrix = case.matrix.toarray()
    summed = with_rows(
        make_case(2),
        matrix[-2:].sum(0, keepdims=True),
        [case.targets["value"][-2:].sum()],
        "rare",
    ).fit(**settings)
    np.testing.assert_allclose(merged.weights, summed.weights, rtol=1e-5)


def test_held_out_thin_targets_are_not_merged():
    case = family(make_case(2), [201, 202, 203], [3, 4, 30])
    rule = {"variable": "rare", "hold_out": True}
    result = case.fit(thin="merge", minimum_households=1, groups=(rule,))
    assert rare(result).verdict.tolist() == ["thin", "thin", "held_out"]
    assert result.report["merged"] == []


def test_a_zero_target_is_fitted_down_to_its_floor():
    case = make_case(4)
    row = np.where(case.district == 202, (case.household % 10 == 0).astype(float), 0.0)[None]
    case = with_rows(case, row, [0.0], "absent")
    start = case.fit().diagnostics.iloc[-1]
    assert start["verdict"] == "zero" and np.isnan(start["rel_error"])
    floor = 0.5 * start["base_estimate"]
    fitted = case.fit(groups=({"variable": "absent", "zero_floor": floor},)).diagnostics.iloc[-1]
    assert fitted["scale"] == floor and fitted["rho"] > 0
    assert fitted["final_estimate"] < 0.3 * start["base_estimate"]
    assert fitted["rel_error"] == pytest.approx(fitted["final_estimate"] / floor)
    assert fitted["price"] == pytest.approx(
        -fitted["rho"] * fitted["huber_weight"] * fitted["rel_error"]
    )
    # Weights of at least a tenth of the design weight cannot come down to a tiny floor.
    tiny = {"variable": "absent", "zero_floor": 1e-3}
    assert case.fit(groups=(tiny,)).diagnostics["verdict"].iloc[-1] == "unreachable"


def test_strict_settings_refuse_what_cannot_be_reached():
    case = make_case(6)
    value = case.targets["value"][[30, 31, 32, 33]].to_numpy() * 1000
    case = with_rows(case, case.matrix.toarray()[[30, 31, 32, 33]], list(value), "unit error")
    assert case.fit().report["targets_by_verdict"]["unreachable"] == 4
    with pytest.raises(
        InputError, match=r"reach 4 of them \(unit error 0, .* 2, \.\.\.\); correct"
    ):
        case.fit(strict=True)
    make_case(6).fit(strict=True)


def test_a_unit_error_does_not_take_its_familys_total_from_the_others():
    case = make_case(7)
    plain = case.fit()
    wrong = rows_of(case.targets, {"geo_level": "district", "variable": "adjusted_gross_income"})
    case.targets.loc[wrong.index[1], "value"] *= 1000
    table = case.fit().diagnostics
    assert table["verdict"][wrong.index[1]] == "unreachable"
    assert (table["verdict"].drop(wrong.index[1]) == "met").all()
    others = wrong.index.drop(wrong.index[1])
    np.testing.assert_allclose(
        table["final_estimate"][others], plain.diagnostics["final_estimate"][others], rtol=0.03
    )


def test_a_zero_nobody_contradicts_leaves_its_share_to_the_others():
    case = make_case(7)
    incomes = rows_of(case.targets, {"geo_level": "district", "variable": "adjusted_gross_income"})
    # District 202 has none, as the columns say; the published state total includes the others.
    row = incomes.index[3]
    matrix = case.matrix.tolil()
    matrix[[row]] = 0.0
    case.matrix = matrix.tocsr()
    case.targets.loc[row, "value"] = 0.0
    table = case.fit().diagnostics
    siblings = table.loc[incomes.index[[2, 4]]]
    assert table["verdict"][row] == "zero"
    state = rows_of(table, {"geo_level": "state", "variable": "adjusted_gross_income"}).iloc[1]
    assert siblings["harmonized_value"].sum() == pytest.approx(state["harmonized_value"])
    # Where columns contribute, the zero is taken for a missing value and scales nobody.
    case = make_case(7)
    case.targets.loc[row, "value"] = 0.0
    siblings = case.fit().diagnostics.loc[incomes.index[[2, 4]]]
    assert (siblings["harmonized_value"] == siblings["target_value"]).all()
