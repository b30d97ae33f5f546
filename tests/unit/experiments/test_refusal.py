import pytest

from localcal.errors import InputError
from localcal.experiments.refusal import NoData, Refused


def test_a_refusal_says_all_its_reasons_and_keeps_each():
    with pytest.raises(InputError, match="^code: a in x, b in y; seed: 1 in x, 2 in y$") as raised:
        raise Refused(["code: a in x, b in y", "seed: 1 in x, 2 in y"])
    assert isinstance(raised.value, Refused)
    assert raised.value.reasons == ["code: a in x, b in y", "seed: 1 in x, 2 in y"]


def test_a_run_without_data_is_no_refusal_of_a_comparison():
    assert issubclass(NoData, InputError)
    assert not issubclass(NoData, Refused)
