"""The schema of PolicyEngine's policy_data.db, with what its columns may hold.

What may stand in a column is a table of its own, `field_valid_values`, which four triggers look
at before a row is written: whoever adds targets with SQL or with PolicyEngine's tools cannot
misspell a variable, an operation or a source.
"""

import hashlib
from collections.abc import Iterable, Iterator

from localcal.database.constraints import GEOGRAPHY_VARIABLES, Constraint
from localcal.population.population import ENTITIES

PAGE_SIZE = 4096

SCHEMA = """
CREATE TABLE strata (
    stratum_id INTEGER NOT NULL PRIMARY KEY,
    definition_hash VARCHAR(64) NOT NULL UNIQUE,
    parent_stratum_id INTEGER REFERENCES strata (stratum_id),
    notes VARCHAR
);
CREATE TABLE stratum_constraints (
    stratum_id INTEGER NOT NULL REFERENCES strata (stratum_id),
    constraint_variable VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    notes VARCHAR,
    PRIMARY KEY (stratum_id, constraint_variable, operation)
);
CREATE TABLE targets (
    target_id INTEGER NOT NULL PRIMARY KEY,
    variable VARCHAR NOT NULL,
    period INTEGER NOT NULL,
    stratum_id INTEGER NOT NULL REFERENCES strata (stratum_id),
    reform_id INTEGER NOT NULL DEFAULT 0,
    value FLOAT,
    active BOOLEAN NOT NULL DEFAULT 1,
    tolerance FLOAT,
    source VARCHAR,
    notes VARCHAR,
    UNIQUE (variable, period, stratum_id, reform_id)
);
CREATE VIEW stratum_domain AS
SELECT DISTINCT stratum_id, constraint_variable AS domain_variable
FROM stratum_constraints
WHERE constraint_variable NOT IN (
    'state_fips', 'congressional_district_geoid', 'tax_unit_is_filer', 'ucgid_str'
);
CREATE VIEW target_overview AS
WITH places AS (
    SELECT
        stratum_id,
        MAX(CASE WHEN constraint_variable = 'congressional_district_geoid' THEN value END)
            AS district,
        MAX(CASE WHEN constraint_variable = 'state_fips' THEN value END)
            AS state,
        MAX(CASE WHEN constraint_variable = 'ucgid_str' THEN value END)
            AS ucgid
    FROM stratum_constraints
    GROUP BY stratum_id
)
SELECT
    t.target_id,
    t.stratum_id,
    t.variable,
    t.reform_id,
    t.value,
    t.period,
    t.active,
    CASE
        WHEN p.district IS NOT NULL OR LENGTH(p.ucgid) = 13 THEN 'district'
        WHEN p.state IS NOT NULL OR LENGTH(p.ucgid) = 11 THEN 'state'
        ELSE 'national'
    END AS geo_level,
    COALESCE(p.district, p.state, p.ucgid, 'US') AS geographic_id,
    (
        SELECT GROUP_CONCAT(domain_variable, ',')
        FROM (
            SELECT domain_variable FROM stratum_domain AS d
            WHERE d.stratum_id = t.stratum_id
            ORDER BY domain_variable
        )
    ) AS domain_variable
FROM targets AS t
LEFT JOIN places AS p ON p.stratum_id = t.stratum_id;
"""

VALID_VALUES = """
CREATE TABLE field_valid_values (
    field_name VARCHAR NOT NULL,
    valid_value VARCHAR NOT NULL,
    description VARCHAR,
    PRIMARY KEY (field_name, valid_value)
);
"""

# `=` is understood where it is found, but never written.
WRITTEN_OPERATIONS = {
    "==": "equal to",
    "!=": "not equal to",
    ">": "more than",
    ">=": "at least",
    "<": "less than",
    "<=": "at most",
}
# Years that PolicyEngine's own databases allow; those of the figures are added.
PERIODS = frozenset(range(2022, 2026))
# What is counted, whether or not the model has a variable of that name.
COUNTS = {f"{entity}_count": f"number of units of the entity {entity}" for entity in ENTITIES}
# The columns of each table that hold nothing else; of these a source may be NULL.
CHECKED_COLUMNS = {
    "stratum_constraints": ("constraint_variable", "operation"),
    "targets": ("variable", "period", "active", "source"),
}
MAY_BE_NULL = frozenset({"source"})


def valid_values(
    variables: Iterable[str], periods: Iterable[int], sources: Iterable[str]
) -> list[tuple[str, str, str | None]]:
    """Return the rows of `field_valid_values`: field, value and description, sorted.

    Args:
        variables: names of the model's variables.
        periods: years of the figures.
        sources: who published the figures; an empty text is no source.
    """
    names = dict.fromkeys(variables)
    places = dict.fromkeys(GEOGRAPHY_VARIABLES, "place")
    fields: dict[str, dict[str, str | None]] = {
        "operation": {**WRITTEN_OPERATIONS},
        "active": {"0": "not used", "1": "used"},
        "period": dict.fromkeys(map(str, PERIODS.union(periods))),
        "variable": {**names, **COUNTS},
        "constraint_variable": {**places, **names},
        "source": dict.fromkeys(source for source in sources if source),
    }
    return sorted(
        (field, value, description)
        for field, values in fields.items()
        for value, description in values.items()
    )


def triggers() -> Iterator[str]:
    """Yield the statements that make the four triggers."""
    for table, columns in CHECKED_COLUMNS.items():
        checks = " ".join(map(_check, columns))
        for event in ("INSERT", "UPDATE"):
            name = f"validate_{table}_{event.lower()}"
            yield f"CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN {checks} END;"


def _check(column: str) -> str:
    is_given = f"NEW.{column} IS NOT NULL AND " if column in MAY_BE_NULL else ""
    return (
        f"SELECT RAISE(ABORT, '{column} is none of those in field_valid_values') WHERE {is_given}"
        "NOT EXISTS (SELECT 1 FROM field_valid_values AS known "
        f"WHERE known.field_name = '{column}' AND known.valid_value = CAST(NEW.{column} AS TEXT));"
    )


def definition_hash(parent: int | None, constraints: Iterable[Constraint]) -> str:
    """Return the hexadecimal SHA-256 that identifies a stratum below `parent`."""
    lines = sorted("|".join(constraint) for constraint in constraints)
    text = "" if parent is None else str(parent)
    return hashlib.sha256("\n".join([text, *lines]).encode()).hexdigest()
