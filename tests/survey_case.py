"""Tax units as the extract of the survey has them."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.microdata.survey.records import COLUMNS

COMMITTED = Path(__file__).parents[1] / "config" / "survey"
LONER = {"MARS": 1, "ffpos": 1, "fips": 6, "weight": 100.0, "age_head": 40, "FLPDYR": 2013}


def written_units(*units: dict) -> pd.DataFrame:
    """Return rows of the extract: of each unit what is given, else a single person of 40.

    Heads and spouses are counted in nu18, n1820 and n21, as in the file, beside what is given.
    """
    rows = []
    for number, unit in enumerate(units):
        row = dict.fromkeys(COLUMNS, 0) | LONER | {"h_seq": number + 1} | unit
        couple = [row["age_head"], row["age_spouse"]][: 1 + (row["MARS"] == 2)]
        for age in couple:
            row["nu18" if age < 18 else "n1820" if age < 21 else "n21"] += 1
        row["XTOT"] = row["nu18"] + row["n1820"] + row["n21"]
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"weight": np.float64})


def records_of(*units: dict) -> pd.DataFrame:
    """Return the same as `read_records` gives it."""
    table = written_units(*units)
    table["household"] = table.groupby(["FLPDYR", "h_seq"], sort=False).ngroup()
    return table


def survey_folder(folder: Path, table: pd.DataFrame, **texts: str) -> Path:
    """Write a folder like the committed one with other households, and other tables by stem."""
    folder.mkdir(exist_ok=True)
    for name in ("factors", "population", "top"):
        shutil.copy(COMMITTED / f"{name}.csv", folder)
        if name in texts:
            (folder / f"{name}.csv").write_text(texts[name])
    text = table.to_csv(index=False)
    (folder / "households.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder
