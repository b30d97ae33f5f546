from pathlib import Path

import pytest

from localcal.run.priors import BESIDE, files_beside


@pytest.mark.parametrize("scope", ["local", "national"])
@pytest.mark.parametrize("root", ["runs/2024", "/data/runs/2024", "../other/runs/x"])
def test_beside_a_trace_are_the_files_of_its_run(root, scope):
    found = files_beside(f"{root}/weights/{scope}/trace.h5")
    assert set(found) == set(BESIDE)
    assert {name: str(path) for name, path in found.items()} == {
        "geography": f"{root}/population/geography.h5",
        "population": f"{root}/population/population.h5",
    }


def test_a_trace_by_itself_has_files_beside_it_that_need_not_exist(tmp_path):
    (tmp_path / "a").mkdir()
    found = files_beside(tmp_path / "a" / "trace.h5")
    assert found["geography"] == tmp_path.parent / "population" / "geography.h5"
    assert not any(Path(path).exists() for path in found.values())
