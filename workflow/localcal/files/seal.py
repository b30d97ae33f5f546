"""JSON objects that carry the digest of what they say, so that damage to them shows."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "seal"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its seal."""
    return {**content, SEAL: _digest(content)}


def is_whole(content: Mapping[str, Any]) -> bool:
    """Say whether an object carries the seal that belongs to it."""
    rest = {name: value for name, value in content.items() if name != SEAL}
    return content.get(SEAL) == _digest(rest)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
