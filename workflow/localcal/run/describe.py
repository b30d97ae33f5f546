"""Write the config's JSON schema and the table of its keys from its models.

    python -m localcal.run.describe [--write]

Prints both; with --write they go to workflow/schemas/config.schema.yaml and config/README.md.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from localcal.run import fit_section, sections, values
from localcal.run.complaints import allowed, resolved
from localcal.run.values import plain

COMMAND = "python -m localcal.run.describe --write"
CHECKOUT = Path(__file__).resolve().parents[3]
SCHEMA_FILE = CHECKOUT / "workflow" / "schemas" / "config.schema.yaml"
README_FILE = CHECKOUT / "config" / "README.md"

HEAD = f"""# What the config may contain, for editors; written by `{COMMAND}`.
# `x-allowed` is what an error message says is allowed, where the rule itself does not read well.
"""
END = "<!-- end of keys -->"


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the config, every key described."""
    schema: dict[str, Any] = without_titles(sections.Config.model_json_schema())
    meanings = _meanings()
    for name, part in [("Config", schema), *schema["$defs"].items()]:
        for key, field in part["properties"].items():
            # A section is described where its own keys are.
            if "$ref" not in field:
                field["description"] = meanings[name][key]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def without_titles(part: Any) -> Any:
    """Leave out what pydantic makes of the names of keys."""
    if isinstance(part, dict):
        return {
            name: without_titles(content)
            for name, content in part.items()
            if name != "title" or not isinstance(content, str)
        }
    return [without_titles(item) for item in part] if isinstance(part, list) else part


def _meanings() -> dict[str, dict[str, str]]:
    """Return the texts below the fields of each model, its bases' included."""
    found: dict[str, dict[str, str]] = {}
    for module in (values, fit_section, sections):
        for model in ast.parse(Path(str(module.__file__)).read_text()).body:
            if isinstance(model, ast.ClassDef):
                found[model.name] = {}
                for base in map(ast.unparse, model.bases):
                    found[model.name] |= found.get(base, {})
                found[model.name] |= texts_below(model)
    return found


def texts_below(model: ast.ClassDef) -> dict[str, str]:
    """Return the texts below the fields of one model."""
    texts = {}
    for field, below in zip(model.body, model.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            texts[field.target.id] = " ".join(str(below.value.value).split())
    return texts


def schema_text() -> str:
    """Return the content of the schema file."""
    return HEAD + yaml.safe_dump(config_schema(), sort_keys=False, width=100, allow_unicode=True)


def key_table() -> str:
    """Return the table of keys in Markdown."""
    rows = ["| key | allowed | default | meaning |", "|---|---|---|---|"]
    schema, defaults = config_schema(), plain(sections.Config())
    for key, part in _keys(schema, schema):
        # Both fits have the same keys.
        if key[:2] == ("weights", "national"):
            continue
        default = _as_yaml(defaults, key)
        name = ".".join(key)
        if key[:2] == ("weights", "local"):
            name = ".".join(("weights", "*", *key[2:]))
            national = _as_yaml(defaults, ("weights", "national", *key[2:]))
            default += "" if national == default else f"; national: {national}"
        words = allowed(part).replace('"', "")
        rows.append(f"| `{name}` | {words} | {default} | {part['description']} |")
    return "\n".join(rows)


def _keys(
    schema: Mapping[str, Any], part: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    for name, unresolved in part["properties"].items():
        below = resolved(schema, unresolved)
        if "properties" in below:
            yield from _keys(schema, below, (*above, name))
        else:
            yield (*above, name), below


def _as_yaml(defaults: Any, key: tuple[str, ...]) -> str:
    for name in key:
        defaults = defaults[name]
    text = yaml.safe_dump(defaults, default_flow_style=True, width=1000)
    return f"`{text.removesuffix('...\n').strip()}`"


def readme_text(text: str) -> str:
    """Return a README with the table of keys between its marks brought up to date.

    Raises:
        ValueError: the marks are missing.
    """
    return with_table(text, key_table(), COMMAND, README_FILE)


def with_table(text: str, table: str, command: str, path: Path) -> str:
    """Return a page with a table between the marks of the command that writes it.

    Raises:
        ValueError: the marks are missing.
    """
    begin = f"<!-- keys: written by `{command}` -->"
    between = re.compile(f"{re.escape(begin)}\n.*{re.escape(END)}", re.DOTALL)
    if not between.search(text):
        raise ValueError(f"{path}: has no lines {begin} and {END}; add them around the table")
    return between.sub(lambda _: f"{begin}\n{table}\n{END}", text)


def main(arguments: list[str]) -> None:
    """Print or write what the models say."""
    if asks_to_write(arguments):
        SCHEMA_FILE.write_text(schema_text())
        README_FILE.write_text(readme_text(README_FILE.read_text()))
    else:
        sys.stdout.write(f"{schema_text()}\n{key_table()}\n")


def asks_to_write(arguments: list[str]) -> bool:
    """Say whether a describing command is to write rather than to print."""
    if arguments and arguments != ["--write"]:
        sys.exit(f"error: unknown argument {arguments[0]}; use --write, or nothing to print")
    return bool(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
