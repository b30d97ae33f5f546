"""Values of the kind that the model reads: true or false, whole numbers, numbers, names, text.

The model takes almost anything and reads it in its own way: any text is true, a name that it does
not know becomes another one, and the imaginary part of a number is lost. So what is not plainly of
a variable's kind is refused here, with the first row that is not.
"""

import numpy as np

from localcal.engine.protocol import Variable
from localcal.errors import InputError, one_of

# What policyengine-us stores numbers in.
LARGEST_FLOAT = float(np.finfo(np.float32).max)
LARGEST_INT = np.iinfo(np.int32).max

NUMBERS = (bool, int, float, np.integer, np.floating, np.bool)

NEEDS = {
    "bool": "true or false; store booleans, or 0 and 1",
    "int": "a whole number; store integers",
    "float": "a number; store floats",
    "text": "text; store strings",
}


def as_kind(source: str, variable: Variable, values: np.ndarray) -> np.ndarray:
    """Return a variable's values as the model reads them.

    Booleans may be given as 0 and 1, whole numbers as floats, members of an enum as their codes;
    they come back as booleans, integers and names. Text comes back as UTF-8 bytes.

    Args:
        source: what to call the data in an error.
        variable: what the model says of it.
        values: one value per unit, in the order of the dataset.

    Raises:
        InputError: a value is not of the variable's kind; names the first such row.
    """
    if values.ndim != 1:
        raise InputError(f"{source}: '{variable.name}' has {values.ndim} dimensions instead of one")
    values = _plain(values)
    if values.dtype.kind == "f":
        _refuse(source, variable, values, ~np.isfinite(values), "fill or remove it")
    if variable.kind == "enum":
        return _names(source, variable, values)
    need = f"the model wants {NEEDS[variable.kind]}"
    if variable.kind == "text":
        _refuse(source, variable, values, _is_no(str, values), need)
        return _encoded(source, variable, values)
    if values.dtype.kind == "b":
        return values
    _refuse(source, variable, values, _is_no(NUMBERS, values), need)
    if variable.kind == "bool":
        _refuse(source, variable, values, (values != 0) & (values != 1), need)
        return values.astype(bool)
    if variable.kind == "float":
        _refuse(source, variable, values, _above(values, LARGEST_FLOAT), "no amount is that large")
        return values
    _refuse(source, variable, values, values != np.floor(values), need)
    _refuse(source, variable, values, _above(values, LARGEST_INT), "no number is that large")
    return values if values.dtype.kind in "iu" else values.astype(np.int32)


def _names(source: str, variable: Variable, values: np.ndarray) -> np.ndarray:
    """Return the names of an enum's members, given as such or as codes."""
    members = np.array(variable.members)
    if values.dtype.kind in "iu":
        need = f"codes go from 0 ({members[0]}) to {members.size - 1} ({members[-1]})"
        _refuse(source, variable, values, (values < 0) | (values >= members.size), need)
        return np.strings.encode(members[values.astype(np.int64)], "utf-8")
    need = f"the model wants a name, or its code as an integer: {one_of('', variable.members)}"
    _refuse(source, variable, values, _is_no(str, values), need)
    encoded = _encoded(source, variable, values)
    known = [name.encode() for name in variable.members]
    wrong = ~np.isin(encoded, known)
    if wrong.any():
        word = encoded[int(np.argmax(wrong))].decode()
        need = f"the model wants {one_of(word, variable.members)}"
        _refuse(source, variable, values, wrong, need)
    return encoded


def _encoded(source: str, variable: Variable, values: np.ndarray) -> np.ndarray:
    """Return text as UTF-8 bytes."""
    if values.dtype.kind == "U":
        return np.strings.encode(values, "utf-8")
    try:
        np.strings.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: '{variable.name}' holds {error.object!r}, which is not UTF-8; store it so"
        ) from error
    return values


def _plain(values: np.ndarray) -> np.ndarray:
    """Return an array of objects as one of texts or numbers, where that is what they are."""
    if values.dtype.kind == "T":
        values = values.astype(object)
    if values.dtype.kind != "O":
        return values
    items = [item.decode(errors="replace") if isinstance(item, bytes) else item for item in values]
    if all(isinstance(item, str) for item in items):
        return np.array(items, dtype=np.str_)
    if all(isinstance(item, NUMBERS) for item in items):
        return np.array(items)
    return values


def _is_no(kind: type | tuple[type, ...], values: np.ndarray) -> np.ndarray | bool:
    """Say which values are no text (`str`) or no numbers; of a plain array either all or none."""
    if values.dtype.kind == "O":
        texts = (str, bytes) if kind is str else kind
        return np.array([not isinstance(item, texts) for item in values])
    return values.dtype.kind not in ("SU" if kind is str else "iuf")


def _above(values: np.ndarray, largest: float) -> np.ndarray:
    return (values > largest) | (values < -largest)


def _refuse(
    source: str, variable: Variable, values: np.ndarray, wrong: np.ndarray | bool, remedy: str
) -> None:
    """Raise InputError for the first row where `wrong` is true."""
    if np.any(wrong) and values.size:
        row = int(np.argmax(np.broadcast_to(wrong, values.shape)))
        value = values[row]
        shown = repr(value.decode(errors="replace")) if isinstance(value, bytes) else value
        shown = repr(str(value)) if isinstance(value, str) else shown
        raise InputError(f"{source}: '{variable.name}' is {shown} in row {row}; {remedy}")
