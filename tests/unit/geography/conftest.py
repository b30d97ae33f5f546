"""Tables of places for whoever draws from them."""

from pathlib import Path

import pytest

from tests.places_case import PLACES, POPULATION


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    population = tmp_path / "population.csv"
    rows = "".join(f"{district},{count}\n" for district, count in POPULATION.items())
    population.write_text("district,population\n" + rows)
    places = tmp_path / "places.csv"
    places.write_text(PLACES)
    return {"places": places, "district_population": population}
