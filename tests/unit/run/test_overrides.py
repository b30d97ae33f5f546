"""Environment variables that decide something."""

from localcal.run.overrides import BATCH_SIZE_VARIABLES, overrides


def test_those_that_are_set_are_sent_along(monkeypatch):
    for name in BATCH_SIZE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert overrides() == []
    monkeypatch.setenv("MODELOPS_JOB_BATCH_SIZE", "50")
    assert overrides() == ["MODELOPS_JOB_BATCH_SIZE"]
    monkeypatch.setenv("LOCALCAL_SWEEP_BATCH_SIZE", "60")
    assert overrides() == ["LOCALCAL_SWEEP_BATCH_SIZE", "MODELOPS_JOB_BATCH_SIZE"]
