"""Arrays of codes: what lies in what, and whether it is a code at all."""

from collections.abc import Callable

import numpy as np

from localcal.errors import InputError
from localcal.geography.codes import AT_LARGE_NUMBERS, COUNTY_DIGITS

RowName = Callable[[int], str]
"""Says where in a file a row is."""


def at_large_as_01(district: np.ndarray) -> np.ndarray:
    """Return district codes with the census's 00 and 98 (a state's only district) as 01."""
    district = np.asarray(district)
    return np.where(np.isin(district % 100, AT_LARGE_NUMBERS), district // 100 * 100 + 1, district)


def county_of(block: np.ndarray) -> np.ndarray:
    """Return the counties (S5) of blocks (S15)."""
    return block.astype(f"S{COUNTY_DIGITS}")


def state_of(block: np.ndarray) -> np.ndarray:
    """Return the state FIPS codes (int32) of blocks (S15)."""
    first, second = (_cells(block)[:, place].astype(np.int32) - ord("0") for place in (0, 1))
    return first * 10 + second


def refuse_foreign_states(block: np.ndarray, district: np.ndarray, row_name: RowName) -> None:
    """Raise InputError for the first row whose block and district lie in different states."""
    wrong = state_of(block) != district // 100
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{row_name(row)} puts block {as_text(block[row])} into district {district[row]}, "
            "which is in another state; correct one of the two"
        )


def _cells(text: np.ndarray) -> np.ndarray:
    """Return the character codes of fixed-width text, one row per item; no copy."""
    width = np.uint32 if text.dtype.kind == "U" else np.uint8
    return np.ascontiguousarray(text).view(width).reshape(len(text), -1)


def digit_codes(values: np.ndarray, width: int, row_name: RowName) -> np.ndarray:
    """Return codes as bytes of exactly `width` digits."""
    if values.dtype.kind not in "US":
        raise InputError(f"{row_name(0)} is {values.dtype}, not text; give {width} digits")
    cells = _cells(values)
    code, rest = cells[:, :width], cells[:, width:]
    fits = ((code >= ord("0")) & (code <= ord("9"))).all(axis=1) & (rest == 0).all(axis=1)
    if cells.shape[1] < width:
        fits[:] = False
    if not fits.all():
        row = int(np.argmin(fits))
        raise InputError(
            f"{row_name(row)} has the code {as_text(values[row])!r}, which is not {width} digits; "
            "keep leading zeros"
        )
    return values.astype(f"S{width}")


def whole_numbers(values: np.ndarray, what: str, row_name: RowName) -> np.ndarray:
    """Return numbers, or text that is nothing but digits, as int64."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind not in "US":
        raise InputError(f"{row_name(0)} has a {what} of type {values.dtype}; give whole numbers")
    cells = _cells(values)
    digits = ((cells >= ord("0")) & (cells <= ord("9"))) | (cells == 0)
    fits = digits.all(axis=1) & (cells[:, 0] != 0)
    if not fits.all():
        row = int(np.argmin(fits))
        raise InputError(
            f"{row_name(row)} has the {what} {as_text(values[row])!r}; give a whole number"
        )
    return values.astype(np.int64)


def as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
