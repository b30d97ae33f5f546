"""Ids that are texts, as numbers."""

import logging
from collections.abc import Mapping

import numpy as np

from localcal.errors import InputError
from localcal.population.population import ENTITIES, GROUPS, PERSON, REFERENCES

logger = logging.getLogger(__name__)

# What a text that refers to nobody says.
NOBODY = ("", "0")


def numbered(source: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a dataset's arrays with the ids that are texts replaced by numbers.

    Texts that are whole numbers become these; others count from 1 in the texts' order, so that the
    same ids always give the same numbers.

    Args:
        source: what to call the data in an error.
        arrays: ids, links and variables.

    Raises:
        InputError: a link or a reference names an id that is not listed.
    """
    result = dict(arrays)
    for entity in ENTITIES:
        own = f"{entity}_id"
        links = [f"person_{entity}_id"] if entity in GROUPS else []
        references = [name for name, of in REFERENCES.items() if of == entity]
        columns = [name for name in (own, *links, *references) if name in arrays]
        if own not in columns or not any(_is_text(arrays[name]) for name in columns):
            continue
        texts = {name: _as_text(arrays[name]) for name in columns}
        known = np.unique(texts[own])
        numbers = _numbers(known)
        logger.info("%s: '%s' is text; %s becomes %d", source, own, known[0], numbers[0])
        for name in columns:
            if name == own and not _is_text(arrays[name]):
                continue
            result[name] = _replaced(source, name, texts[name], known, numbers)
    return result


def _replaced(
    source: str, column: str, texts: np.ndarray, known: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    place = np.minimum(np.searchsorted(known, texts), known.size - 1)
    found = known[place] == texts
    nobody = np.isin(texts, NOBODY) & ~found if column in REFERENCES else np.zeros_like(found)
    lost = ~found & ~nobody
    if lost.any():
        row = int(np.argmax(lost))
        entity = REFERENCES.get(column) or column.removeprefix(f"{PERSON}_").removesuffix("_id")
        raise InputError(
            f"{source}: '{column}' is '{texts[row]}' in row {row}, which '{entity}_id' does not "
            "list; correct it"
        )
    return np.where(nobody, 0, numbers[place])


def _numbers(known: np.ndarray) -> np.ndarray:
    """Return the number of each of some different texts, in their order."""
    plain = np.array([text.isascii() and text.isdecimal() and len(text) < 19 for text in known])
    if plain.all():
        numbers = known.astype(np.int64)
        if (numbers.astype(known.dtype) == known).all():
            return numbers
    return np.arange(1, known.size + 1)


def _is_text(values: np.ndarray) -> bool:
    if values.dtype.kind == "O":
        return any(isinstance(item, str | bytes) for item in values.flat)
    return values.dtype.kind in "SUT"


def _as_text(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "S":
        return np.strings.decode(values, "utf-8", "replace")
    if values.dtype.kind == "f" and (values == np.floor(values)).all():
        values = values.astype(np.int64)
    items = [item.decode(errors="replace") if isinstance(item, bytes) else item for item in values]
    return np.array([str(item) for item in items], dtype=np.str_)
