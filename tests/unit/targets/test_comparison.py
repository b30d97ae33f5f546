"""Whether the model can compare what a constraint asks."""

import pytest

from localcal.database.constraints import Constraint
from localcal.errors import InputError
from localcal.targets.comparison import check_comparison
from tests.targets_case import Engine

VARIABLES = Engine().variables()


@pytest.mark.parametrize(
    ("constraint", "complaint"),
    [
        (("agee", ">", "4"), r"no variable agee \(did you mean age\?\) \(constraint agee>4\)"),
        (("age", "==", "4.5"), "age is a whole number, never 4.5"),
        (("ssn_card_type", "==", "CITIZN"), "ssn_card_type is never 'CITIZN'; it is one of"),
        (("ssn_card_type", ">", "NONE"), "ssn_card_type holds text, which has no order"),
        (("medicaid_enrolled", "==", "yes"), "medicaid_enrolled is true or false"),
        (("snap", ">", "much"), "'much' is not a number"),
    ],
)
def test_what_the_model_cannot_compare_is_refused(constraint, complaint):
    with pytest.raises(InputError, match=complaint):
        check_comparison(Constraint(*constraint), VARIABLES)


@pytest.mark.parametrize(
    "constraint",
    [("age", ">=", "4"), ("ssn_card_type", "!=", "NONE"), ("medicaid_enrolled", "==", "True")],
)
def test_what_it_can_compare_is_not(constraint):
    check_comparison(Constraint(*constraint), VARIABLES)
