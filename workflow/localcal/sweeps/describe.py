"""Write the JSON schema of a sweep's file and the table of its keys from its model.

    python -m localcal.sweeps.describe [--write]

Prints both; with --write they go to workflow/schemas/sweep.schema.yaml and
config/sweeps/README.md.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from localcal.run.complaints import allowed
from localcal.run.describe import (
    CHECKOUT,
    asks_to_write,
    texts_below,
    with_table,
    without_titles,
)
from localcal.run.values import plain
from localcal.sweeps import settings

COMMAND = "python -m localcal.sweeps.describe --write"
SCHEMA_FILE = CHECKOUT / "workflow" / "schemas" / "sweep.schema.yaml"
README_FILE = CHECKOUT / "config" / "sweeps" / "README.md"
HEAD = f"# What a sweep's file may contain, for editors; written by `{COMMAND}`.\n"
# Keys that are models of their own, and what they are part of.
SECTIONS = {"Sweep": "", "Sampler": "parameters.", "Seeds": "seeds.", "Largest": "largest."}


def schema() -> dict[str, Any]:
    """Return the JSON schema, every key described."""
    found: dict[str, Any] = without_titles(settings.Sweep.model_json_schema())
    meanings = {
        model.name: texts_below(model)
        for model in ast.parse(Path(str(settings.__file__)).read_text()).body
        if isinstance(model, ast.ClassDef)
    }
    for name, part in [("Sweep", found), *found["$defs"].items()]:
        for key, field in part["properties"].items():
            if "$ref" not in field:
                field["description"] = meanings[name][key]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def schema_text() -> str:
    """Return the content of the schema file."""
    return HEAD + yaml.safe_dump(schema(), sort_keys=False, width=100, allow_unicode=True)


def key_table() -> str:
    """Return the table of keys in Markdown."""
    return "\n".join(["| key | allowed | default | meaning |", "|---|---|---|---|", *_rows()])


def _rows() -> Iterator[str]:
    found = schema()
    for name, prefix in SECTIONS.items():
        part = found if name == "Sweep" else found["$defs"][name]
        model = getattr(settings, name)
        for key, field in part["properties"].items():
            if "$ref" in field:
                continue
            needed = key in part.get("required", ())
            default = "" if needed else f"`{_as_yaml(plain(model.model_fields[key].default))}`"
            words = "a path, or a sampler" if key == "parameters" else allowed(field)
            cells = (f"`{prefix}{key}`", words.replace('"', ""), default, field["description"])
            yield f"| {' | '.join(cells)} |"


def _as_yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def readme_text(text: str) -> str:
    """Return a README with the table of keys between its marks brought up to date.

    Raises:
        ValueError: the marks are missing.
    """
    return with_table(text, key_table(), COMMAND, README_FILE)


def main(arguments: list[str]) -> None:
    """Print or write what the model says."""
    if asks_to_write(arguments):
        SCHEMA_FILE.write_text(schema_text())
        README_FILE.write_text(readme_text(README_FILE.read_text()))
    else:
        sys.stdout.write(f"{schema_text()}\n{key_table()}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
