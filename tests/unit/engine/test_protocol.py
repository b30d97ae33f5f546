"""What localcal asks of a model."""

import pickle

import numpy as np
import pytest

from localcal.engine.protocol import (
    CalculationError,
    at_columns,
    load_engine,
    naming_households,
    variable_names,
)
from localcal.errors import InputError
from tests.standin_engine import StandIn


def test_an_engine_is_loaded_by_its_name_and_what_is_none_is_refused():
    assert isinstance(load_engine("tests.standin_engine:StandIn"), StandIn)
    nothing = ("tests.standin_engine:Nothing", "localcal.engine:Nothing", "tests.standin_engine")
    for name in (*nothing, "no_such_module:Engine"):
        with pytest.raises(InputError, match=f"engine: cannot load '{name}' .*module:Class"):
            load_engine(name)


def test_the_names_of_the_variables_come_sorted():
    names = variable_names(StandIn())
    assert names == sorted(StandIn().variables())
    assert "snap" in names


def test_an_error_about_a_household_names_it_by_its_id():
    ids = np.array([501, 502, 503, 504])
    with (
        pytest.raises(InputError, match="^given.h5: no tax, first in household 503; correct"),
        naming_households(ids, "given.h5"),
    ):
        raise CalculationError("no tax", 2)
    with pytest.raises(InputError, match="^no tax; correct its data$"), naming_households(ids):
        raise CalculationError("no tax")


def test_an_error_about_some_columns_is_told_of_all_of_them():
    ids = np.array([501, 502, 503, 504])
    with (
        pytest.raises(InputError, match="^no tax, first in household 504; "),
        naming_households(ids),
        at_columns(np.array([1, 3])),
    ):
        raise CalculationError("no tax", 1)
    with pytest.raises(CalculationError) as error, at_columns(np.array([1, 3])):
        raise CalculationError("no tax")
    assert error.value.household == -1


def test_an_error_about_a_household_survives_the_way_to_another_process():
    error = pickle.loads(pickle.dumps(CalculationError("no tax", 7)))
    assert (str(error), error.household) == ("no tax", 7)
