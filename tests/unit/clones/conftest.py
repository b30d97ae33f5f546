"""Clones with their places."""

import pytest

from tests.households import random_places, random_population


@pytest.fixture
def located():
    population = random_population(80, seed=31)
    return population, random_places(population, 4, seed=31)
