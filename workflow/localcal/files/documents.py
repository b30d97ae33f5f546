"""JSON files of a run, read with clear errors.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from localcal.errors import REMAKE, InputError, one_line
from localcal.files.seal import SEAL, is_broken


def read_json(path: str | Path, keys: Collection[str] = ()) -> dict[str, Any]:
    """Read a JSON object that has these keys, and no other content than was written with its seal.

    Raises:
        InputError: the file is missing, damaged, no object or lacks a key.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {REMAKE}") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: damaged, not JSON ({one_line(error)}); {REMAKE}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: damaged, not a JSON object; {REMAKE}")
    if is_broken(content):
        raise InputError(f"{path}: damaged, it is not what was written; {REMAKE}")
    content.pop(SEAL, None)
    missing = [key for key in keys if key not in content]
    if missing:
        raise InputError(f"{path}: damaged, lacks {', '.join(missing)}; {REMAKE}")
    return content
