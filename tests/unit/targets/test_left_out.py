"""Why a run does not have some of a database's targets."""

import contextlib
import sqlite3

from localcal.targets.left_out import left_out
from tests.database_factory import state, write_database
from tests.targets_case import resolve, target

TARGETS = [
    target("snap", period=2020, stratum_id=1),
    target("snap", period=2023, stratum_id=1),
    target("snap", constraints=state(6)),
    target("rent", active=0),
    target("rent", period=2019, active=0, notes="a guess"),
    target("rent", period=2018, active=0, notes="a guess"),
    target("rent", period=2021, stratum_id=2),
    target("rent", period=2022, stratum_id=2),
    target("household_count", constraints=(("age", ">", "4"),)),
    # More conditions than the rule asks for.
    target("household_count", constraints=(("age", ">", "9"), ("snap", ">", "0"))),
]
INCLUDE = [{"variable": "snap"}, {"variable": "household_count"}]
EXCLUDE = [{"variable": "household_count", "constraints": "age>9", "reason": "nobody knows"}]


def test_every_target_is_either_chosen_or_left_out_for_one_reason(path):
    write_database(path, TARGETS, strata={1: (), 2: state(6)})
    found = left_out(path, 2024, INCLUDE, EXCLUDE)
    rows = [tuple(row) for row in found.itertuples(index=False)]
    assert rows == [
        ("matches no rule of targets.include", "state", "rent", 2),
        (
            'targets.exclude {"variable": "household_count", "constraints": "age>9"}: nobody knows',
            "nation",
            "household_count",
            1,
        ),
        ("the same total is known of a year nearer to the run's", "nation", "snap", 1),
        ("switched off in the database (active is 0)", "", "rent", 1),
        ("switched off in the database (active is 0): a guess", "", "rent", 2),
    ]
    chosen = resolve(path, include=INCLUDE, exclude=EXCLUDE)
    assert len(chosen) + found["targets"].sum() == len(TARGETS)


def test_nothing_is_left_out_where_nothing_is_asked(path):
    write_database(path, [target("snap")])
    assert left_out(path, 2024, [], []).empty


def test_older_databases_note_nothing(path):
    write_database(path, [target("snap"), target("rent", active=0)])
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE targets DROP COLUMN notes")
    assert left_out(path, 2024, [], [])["reason"].tolist() == [
        "switched off in the database (active is 0)"
    ]
