"""What localcal asks of a model."""

import pytest

from localcal.engine.protocol import load_engine
from localcal.errors import InputError
from tests.standin_engine import StandIn


def test_an_engine_is_loaded_by_its_name_and_what_is_none_is_refused():
    assert isinstance(load_engine("tests.standin_engine:StandIn"), StandIn)
    nothing = ("tests.standin_engine:Nothing", "localcal.engine:Nothing", "tests.standin_engine")
    for name in (*nothing, "no_such_module:Engine"):
        with pytest.raises(InputError, match=f"engine: cannot load '{name}' .*module:Class"):
            load_engine(name)
