"""Tables whose complaints name the row."""

import io
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from localcal.errors import REMAKE, InputError, near, one_line
from localcal.files.rows import NUMBER


def read_table(
    path: str | Path, columns: Collection[str], texts: Collection[str] = ()
) -> pd.DataFrame:
    """Read columns of a csv table that the run made.

    Args:
        path: the file.
        columns: the ones to return.
        texts: those of them that are text, whatever they look like; the others are numbers, or
            True and False.

    Raises:
        InputError: the file is missing or damaged, or lacks a column.
    """
    try:
        content = Path(path).read_bytes()
        # As a whole, or a column of codes and names is numbers in some of its parts.
        types = dict.fromkeys(texts, str)
        table = pd.read_csv(io.BytesIO(content), dtype=types, low_memory=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {REMAKE}") from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: damaged, no table ({one_line(error)}); {REMAKE}") from error
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(f"{path}: damaged, lacks the column {missing[0]}; {REMAKE}")
    for name in columns:
        if name not in texts and not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(f"{path}: damaged, not all of {name} is a number; {REMAKE}")
    # What a cut line lacks would be taken for empty cells.
    if not content.endswith(b"\n"):
        raise InputError(f"{path}: damaged, its last line is cut short; {REMAKE}")
    return table[list(columns)]


class Table:
    """A csv, csv.gz or parquet file whose complaints name the row.

    Args:
        path: the file.
        only: the columns to read, which the file has to have; all of them if left out.

    Raises:
        InputError: there is no such file, it is no table, has no rows, or lacks a column.
    """

    def __init__(self, path: str | Path, only: Collection[str] = ()) -> None:
        self.path = path
        self._only = list(only)
        self.is_parquet = Path(path).suffix == ".parquet"
        try:
            self._columns = self._read_parquet() if self.is_parquet else self._read_csv()
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file; correct the path in the config") from error
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: cannot be read as a table ({one_line(error)}); "
                "give csv, csv.gz or parquet"
            ) from error
        self.n_rows = self._columns.num_rows
        if self.n_rows == 0:
            raise InputError(f"{path}: holds no rows; give a file with content")

    def _read_parquet(self) -> pa.Table:
        self._refuse_lacking(pq.read_schema(self.path).names)
        return pq.read_table(self.path, columns=self._only or None)

    def _read_csv(self) -> pa.Table:
        # Codes are text: a guessed number would lose leading zeros and hide a wrong length. Empty
        # lines are kept, so that a row's number is its line's.
        options = pacsv.ParseOptions(ignore_empty_lines=False)
        with pacsv.open_csv(self.path, parse_options=options) as reader:
            names = reader.schema.names
        self._refuse_lacking(names)
        return pacsv.read_csv(
            self.path,
            parse_options=options,
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                include_columns=self._only,
            ),
        )

    def _refuse_lacking(self, names: list[str]) -> None:
        for name in self._only:
            if name not in names:
                raise InputError(
                    f"{self.path}: has no column {name!r}{near(name, names)}; give a file that has"
                )

    def row_name(self, row: int) -> str:
        """Name a row the way an editor counts it: a csv file's header is line 1."""
        return f"{self.path}: row {row}" if self.is_parquet else f"{self.path}: line {row + 2}"

    def refuse_rows(self, wrong: np.ndarray, complaint: str) -> None:
        """Raise InputError for the first row where `wrong` is true."""
        if wrong.any():
            raise InputError(f"{self.row_name(int(np.argmax(wrong)))} {complaint}; correct it")

    @property
    def names(self) -> list[str]:
        """The columns, in their order."""
        return self._columns.column_names

    def cells(self, name: str) -> np.ndarray:
        """Return a column as it is, (rows,): of csv text without the spaces around it."""
        _, column = self._column((name,))
        if not self.is_parquet:
            column = pc.utf8_trim_whitespace(column)
        return np.asarray(column.to_pandas())

    def numbers(self, name: str, need: str = "a number") -> np.ndarray:
        """Return a column of a csv file as float64, (rows,), refusing anything but numbers."""
        _, column = self._column((name,))
        column = pc.utf8_trim_whitespace(column)
        fits = pc.match_substring_regex(column, f"^(?:{NUMBER})$")
        self.refuse_cells(name, ~fits.to_numpy(), need)
        return pd.to_numeric(column.to_pandas()).to_numpy(np.float64)

    def refuse_cells(self, name: str, wrong: np.ndarray, need: str) -> None:
        """Raise InputError for the first row of a column where `wrong` is true."""
        if wrong.any():
            row = int(np.argmax(wrong))
            found = self._columns[name][row].as_py()
            raise InputError(
                f"{self.row_name(row)} has the {name} {found!r}, which is not {need}; correct it"
            )

    def has(self, names: tuple[str, ...]) -> bool:
        return any(name in self._columns.column_names for name in names)

    def _column(self, names: tuple[str, ...]) -> tuple[str, pa.ChunkedArray]:
        for name in names:
            if name in self._columns.column_names:
                return name, self._columns[name]
        raise InputError(
            f"{self.path}: has no column {' or '.join(map(repr, names))}, only "
            f"{', '.join(self._columns.column_names)}; rename or add it"
        )

    def _matching(self, names: tuple[str, ...], pattern: str, need: str) -> pa.ChunkedArray:
        name, column = self._column(names)
        text = column.cast(pa.string())
        fits = pc.fill_null(pc.match_substring_regex(text, pattern), False)
        row = pc.index(fits, False).as_py()
        if row >= 0:
            raise InputError(
                f"{self.row_name(row)} has the {name} {text[row].as_py()!r}, which is not {need}"
            )
        return text

    def whole_numbers(self, names: tuple[str, ...]) -> np.ndarray:
        """Return a column as int64, refusing anything but digits."""
        text = self._matching(names, "^[0-9]{1,18}$", "a whole number; correct it")
        return text.cast(pa.int64()).to_numpy()

    def codes(self, names: tuple[str, ...], width: int) -> np.ndarray:
        """Return a column of `width`-digit codes as bytes."""
        text = self._matching(names, f"^[0-9]{{{width}}}$", f"{width} digits; keep leading zeros")
        fixed = text.cast(pa.binary()).cast(pa.binary(width)).combine_chunks()
        content = np.frombuffer(fixed.buffers()[1], dtype=f"S{width}")
        return content[fixed.offset : fixed.offset + self.n_rows]

    def real_numbers(self, names: tuple[str, ...]) -> np.ndarray:
        """Return a column as float64; what is no number becomes NaN, for the caller to refuse."""
        _, column = self._column(names)
        return pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(np.float64)
