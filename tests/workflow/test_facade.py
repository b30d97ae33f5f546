"""What a notebook gets from `localcal.build_matrix` is what the workflow writes."""

import pytest

import localcal
from tests.standin_engine import StandIn


@pytest.mark.parametrize("chunk_columns", [None, 33])
def test_a_notebook_gets_the_workflow_s_bytes(finished, tmp_path, chunk_columns):
    run = finished.folder / "runs/small"
    ours = localcal.build_matrix(
        run / "population/population.h5",
        run / "population/geography.h5",
        run / "targets/targets.parquet",
        tmp_path,
        frozen=run / "population/frozen.h5",
        engine=StandIn(),
        chunk_columns=chunk_columns,
    )
    assert ours.path.read_bytes() == (run / "matrix/matrix.h5").read_bytes()
