"""What is added up, and what it reads."""

import pytest

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


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        (("snap", 0, []), "snap"),
        (("snap", 0, [("age", "<", "5"), ("age", ">", "1")]), "snap[age<5,age>1]"),
        (("salt_deduction", 1, []), "salt_deduction (reform 1)"),
        (("salt_deduction", 2, [("age", ">=", "65")]), "salt_deduction[age>=65] (reform 2)"),
    ],
)
def test_a_measure_reads_like_the_targets_it_is_of(measure, text):
    (found,), _ = distinct_measures(as_targets([measure]))
    assert str(found) == text
