"""Batches of a sweep."""

import json

import numpy as np
import pytest

from tests.sweep_case import Case


@pytest.fixture
def make(run, tmp_path, monkeypatch):
    def make(name="one", **settings):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return Case(run, folder, monkeypatch, **settings)

    return make


def test_a_sweep(make):
    case = make()
    manifest = case.all()
    print(json.dumps(manifest, indent=1))
    table = case.read("cost")
    print(table.to_string())
    print(case.engine.begun, case.engine.most_alive)
