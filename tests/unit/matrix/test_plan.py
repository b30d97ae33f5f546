"""Which columns each chunk covers."""

import pytest

from localcal.errors import InputError
from localcal.matrix.plan import MatrixInputs, write_plan


def test_a_plan_refuses_a_geography_of_another_length(tmp_path, inputs):
    with pytest.raises(InputError, match="has 210 columns, the config asks for 240"):
        write_plan(tmp_path / "plan.json", MatrixInputs(**inputs), 240, 50)
