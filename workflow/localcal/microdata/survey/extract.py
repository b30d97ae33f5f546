"""The extract of a public file of survey households, and how it is drawn from that file.

    pip download --no-deps --no-binary :all: taxcalc==6.8.0
    python -m localcal.microdata.survey.extract taxcalc-6.8.0.tar.gz config/survey

The file is the one that the Tax-Calculator ships: tax units made from the Current Population
Survey's annual supplements of March 2013 to 2015, with money in dollars of 2014.
"""

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError, one_line
from localcal.files.atomic import atomic_path
from localcal.microdata.survey.records import COLUMNS, HOUSEHOLD, INCOMES, MONEY_YEAR

ARCHIVE = "taxcalc-6.8.0"
UNITS = "taxcalc/cps.csv.gz"
FACTORS = "taxcalc/growfactors.csv"
SHA256 = {
    UNITS: "492ead49db94fc4bb4109c33a6c9679aa32c41042e715333cc84df1fe49e578d",
    FACTORS: "80a486faca67f4e82d9160489ca4799b396da33ce1169100290e1eb4182adbf0",
}

HOUSEHOLDS = 12_000
SEED = 0
# A household with this much income, in dollars, is twice as likely to be drawn as one without any.
DOUBLING_INCOME = 150_000


def read_archive(path: Path) -> dict[str, pd.DataFrame]:
    """Return the tax units and the growth factors of the published archive.

    Raises:
        InputError: it is another archive, or damaged.
    """
    tables = {}
    try:
        with tarfile.open(path) as archive:
            for name, expected in SHA256.items():
                member = archive.extractfile(f"{ARCHIVE}/{name}")
                content = b"" if member is None else member.read()
                digest = hashlib.sha256(content).hexdigest()
                if digest != expected:
                    raise InputError(
                        f"{path}: {name} has the sha256 {digest[:12]}..., not {expected[:12]}...; "
                        f"give {ARCHIVE}.tar.gz as published"
                    )
                text = gzip.decompress(content) if name.endswith(".gz") else content
                tables[name] = pd.read_csv(io.BytesIO(text))
    except (OSError, KeyError, tarfile.TarError) as error:
        raise InputError(
            f"{path}: cannot be read as the archive ({one_line(error)}); give {ARCHIVE}.tar.gz"
        ) from error
    return tables


def draw_households(units: pd.DataFrame, wanted: int, seed: int) -> pd.DataFrame:
    """Return the tax units of households drawn by weight and income.

    Systematic sampling with probability proportional to weight x (1 + income / DOUBLING_INCOME),
    along the order of states and incomes, so that the sample has each in its share. Households
    of minors only, 19 of 200,576, are left out: no unit of theirs has a head.

    Args:
        units: the published table, one row per tax unit.
        wanted: how many households to draw, exactly.
        seed: the same arguments give the same rows.

    Returns:
        COLUMNS, in the order of the published table; `weight` is the household's, divided by
        the probability that it was drawn.
    """
    key = [units[name] for name in HOUSEHOLD]
    households = units.assign(
        income=units[list(INCOMES)].sum(axis=1),
        oldest=units[["age_head", "age_spouse"]].max(axis=1),
    )
    households = households.groupby(key, sort=True).agg(
        state=("fips", "first"),
        income=("income", "sum"),
        # The survey gives its families weights of their own; a household's is its first unit's.
        weight=("s006", "first"),
        oldest=("oldest", "max"),
    )
    households = households[households["oldest"] >= 18].sort_values(
        ["state", "income"], kind="stable"
    )
    weight = households["weight"].to_numpy() / 100
    size = weight * (1 + np.maximum(households["income"].to_numpy(), 0) / DOUBLING_INCOME)
    chance = inclusion(size, wanted)
    start = np.random.default_rng(seed).random()
    # Rounded, since the sum of the chances is a whole number only nearly.
    passed = np.floor(np.round(np.cumsum(chance), 9) + start)
    drawn = np.diff(passed, prepend=0.0) > 0
    chosen = households.index[drawn]
    weights = pd.Series(np.round(weight / chance, 2)[drawn], index=chosen, name="weight")
    kept = units.join(weights, on=list(HOUSEHOLD), how="inner").sort_index()
    return kept[list(COLUMNS)].reset_index(drop=True)


def inclusion(size: np.ndarray, wanted: int) -> np.ndarray:
    """Return probabilities proportional to `size`, at most 1, that add up to `wanted`."""
    chance = np.zeros(size.shape)
    certain = np.zeros(size.shape, dtype=bool)
    while True:
        chance[~certain] = size[~certain] * ((wanted - certain.sum()) / size[~certain].sum())
        if not (chance[~certain] > 1).any():
            return chance
        certain |= chance > 1
        chance[certain] = 1.0


def cumulative(factors: pd.DataFrame) -> pd.DataFrame:
    """Return what a dollar of MONEY_YEAR grows to in each later year, by the published factors."""
    yearly = factors.set_index("YEAR")
    later = yearly.loc[MONEY_YEAR + 1 :].cumprod()
    return later.round(6).reset_index().rename(columns={"YEAR": "year"})


def main(arguments: list[str]) -> None:
    """Write the extract and the factors into a folder."""
    if len(arguments) != 2:
        sys.exit(f"usage: python -m localcal.microdata.survey.extract {ARCHIVE}.tar.gz FOLDER")
    try:
        tables = read_archive(Path(arguments[0]))
    except InputError as error:
        sys.exit(f"error: {error}")
    folder = Path(arguments[1])
    text = draw_households(tables[UNITS], HOUSEHOLDS, SEED).to_csv(index=False, lineterminator="\n")
    with atomic_path(folder / "households.csv.gz") as part:
        part.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    with atomic_path(folder / "factors.csv") as part:
        cumulative(tables[FACTORS]).to_csv(part, index=False, lineterminator="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
