"""What is added up, and what it reads."""

from localcal.targets.measures import distinct_measures, needed_variables
from tests.households import MEASURES, as_targets


def test_targets_that_mean_the_same_share_one_measure():
    measures, of_target = distinct_measures(as_targets([MEASURES[0], MEASURES[1], MEASURES[0]]))
    assert len(measures) == 2
    assert of_target.tolist() == [0, 1, 0]


def test_the_variables_of_targets_and_constraints_are_all_needed():
    measures, _ = distinct_measures(as_targets(MEASURES))
    needed = needed_variables(measures)
    assert {"snap", "age", "medicaid_enrolled", "income_tax", "salt_deduction"} <= needed
    assert "person_count" not in needed
