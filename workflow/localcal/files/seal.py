"""JSON objects that carry the digest of what they say, so that damage to them shows."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "seal"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its seal."""
    return {**content, SEAL: digest(content)}


def is_whole(content: Mapping[str, Any]) -> bool:
    """Say whether an object carries the seal that belongs to it."""
    rest = {name: value for name, value in content.items() if name != SEAL}
    return content.get(SEAL) == digest(rest)


def is_broken(content: Mapping[str, Any]) -> bool:
    """Say whether an object carries another seal; one that was written without any may stand."""
    return SEAL in content and not is_whole(content)


def digest(content: Mapping[str, Any]) -> str:
    """Return the digest of what JSON says: 90 is not 90.0, a tuple is a list."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
