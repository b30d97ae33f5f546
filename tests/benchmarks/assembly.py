"""Putting the shards together to one matrix, against the usual way to do it in memory.

    python tests/benchmarks/assembly.py [--json]

Compared, each in processes of its own, on the same entries:

- `ours`: `localcal.matrix.assemble.assemble_matrix`. It checks the SHA-256 of every shard and
  writes matrix.h5, with a checksum of its own, through to the disk.
- `reference`: what PolicyEngine's builder does. Reads shards of `np.savez_compressed` into three
  lists (row, column, value), concatenates each and lets `scipy.sparse.csr_matrix` sort it out. The
  result stays in memory; nothing is checked.
- `reference_written`: the same, and its three arrays written uncompressed with `np.save`; like
  ours it leaves a file, but does not wait for the disk.

All three must come to the same arrays. The files lie in the page cache, so reading is cheap.

Figures (`--json`), each name preceded by `{shards}_shards_`:

- `{way}_cpu_seconds`, `{way}_wall_seconds`: median over the repeats, with `_min` and `_max`;
- `{way}_peak_rss_over_start_mb`, `{way}_peak_private_over_start_mb`: see `common.Cost`;
- `cpu_ratio`, `wall_ratio`: ours / reference; `..._written_ratio`: ours / reference_written;
- `rss_ratio`, `private_ratio`: ours / reference_written, peaks over the start;
- `csr_mb`: the result's data and indices; `same`: whether all results are the same.

Marks: ours at most 100 MB over start, the same for both sizes; a ratio of times of at most 0.5.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse
from common import COST_TITLES, Cost, as_text, measure, parser, ratio, report, temporary_folder

from localcal.files.atomic import sha256_file, write_json
from localcal.files.csr import index_dtype, open_csr, write_csr
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.plan import Plan
from localcal.targets.table import SCHEMA, write_targets

# Of all entries: those of national, state and district targets, and of all rows likewise.
ENTRY_SHARES = (0.2, 0.3, 0.5)
ROW_SHARES = (0.04, 0.16, 0.8)


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--shards", type=int, nargs="+", default=[60, 120], help="sizes (default: 60 120)"
    )
    options.add_argument(
        "--entries", type=int, default=1_000_000, help="per shard (default: 1000000)"
    )
    options.add_argument("--rows", type=int, default=3_842, help="targets (default: 3842)")
    options.add_argument(
        "--columns", type=int, default=5_160_000, help="of the matrix (default: 5160000)"
    )
    options.add_argument("--repeats", type=int, default=3, help="timed runs (default: 3)")
    given = options.parse_args()
    figures, rows = {}, []
    for n_shards in given.shards:
        with temporary_folder() as folder:
            make_shards(folder, n_shards, given.rows, given.columns, given.entries, given.seed)
            costs = compare(folder, n_shards, given.columns, given.repeats)
            same = same_results(folder)
        megabytes = n_shards * given.entries * (4 + index_dtype(given.columns).itemsize) / 1e6
        found = {
            **{key: value for way in costs for key, value in costs[way].figures(way).items()},
            **ratios(costs),
            "csr_mb": megabytes,
            "same": same,
        }
        figures |= {f"{n_shards}_shards_{name}": value for name, value in found.items()}
        for way, cost in costs.items():
            rows.append([f"{n_shards} shards, {megabytes:.0f} MB", way, *cost.cells()])
        names = ("cpu_ratio", "wall_ratio", "rss_ratio", "private_ratio")
        rows.append(["", "ours / reference", *[as_text(found[name]) for name in names[:2]], "", ""])
        written = ("cpu_written_ratio", "wall_written_ratio", *names[2:])
        rows.append(["", "ours / reference_written", *[as_text(found[name]) for name in written]])
        rows.append(["", "same arrays" if same else "DIFFERENT ARRAYS", *[""] * 4])
    notes = ["Marks: ours <= 100 MB over start and the same for both sizes; time ratio <= 0.5."]
    report(given.json, figures, ["matrix", "way", *COST_TITLES], rows, notes)


def make_shards(
    folder: Path, n_shards: int, n_rows: int, n_columns: int, n_entries: int, seed: int
) -> None:
    """Write targets, plan and shards; every row of a shard has about its level's share."""
    targets = pd.DataFrame({field.name: [""] * n_rows for field in SCHEMA})
    for field in SCHEMA:
        if str(field.type) != "string":
            targets[field.name] = np.arange(1, n_rows + 1)
    write_targets(targets, folder / "targets.parquet")
    digests = dict.fromkeys(("population", "geography", "frozen"), "0" * 64)
    digests["targets"] = sha256_file(folder / "targets.parquet")
    width = -(-n_columns // n_shards)
    plan = Plan(n_columns, width, digests, calculated=[])
    write_json(folder / "plan.json", asdict(plan))
    level = np.searchsorted(np.cumsum(ROW_SHARES)[:-1] * n_rows, np.arange(n_rows), side="right")
    chance = np.array(ENTRY_SHARES)[level] / np.bincount(level)[level]
    for shard in range(n_shards):
        random = np.random.default_rng([seed, shard])
        start, stop = shard * width, min((shard + 1) * width, n_columns)
        key = _distinct_keys(random, chance / chance.sum(), stop - start, n_entries)
        row, column = np.divmod(key, stop - start)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
        value = random.random(n_entries, dtype=np.float32) + np.float32(0.5)
        matrix = scipy.sparse.csr_array(
            (value, column.astype(np.int32), indptr), shape=(n_rows, stop - start)
        )
        matrix.has_sorted_indices = True
        origin = digests | {"engine": "none", "column_start": start, "column_stop": stop}
        write_csr(shard_path(folder, shard), matrix, origin)
        np.savez_compressed(
            npz_path(folder, shard),
            rows=row.astype(np.int32),
            cols=(column + start).astype(np.int32),
            vals=value,
            n_rows=n_rows,
        )


def _distinct_keys(
    random: np.random.Generator, chance: np.ndarray, width: int, n_entries: int
) -> np.ndarray:
    """Return `n_entries` different numbers `row * width + column`, ascending."""
    key = np.empty(0, dtype=np.int64)
    while key.size < n_entries:
        counts = random.multinomial(n_entries + n_entries // 10, chance)
        row = np.repeat(np.arange(chance.size), counts)
        key = np.union1d(key, row * width + random.integers(0, width, row.size))
    return np.sort(random.choice(key, n_entries, replace=False))


def shard_path(folder: Path, shard: int) -> Path:
    return folder / f"chunk_{shard:06}.h5"


def npz_path(folder: Path, shard: int) -> Path:
    return folder / f"chunk_{shard:06}.npz"


def compare(folder: Path, n_shards: int, n_columns: int, repeats: int) -> dict[str, Cost]:
    return {
        "ours": measure(ours, folder, n_shards, repeats=repeats),
        "reference": measure(reference, folder, n_shards, n_columns, repeats=repeats),
        "reference_written": measure(
            reference_written, folder, n_shards, n_columns, repeats=repeats
        ),
    }


def ours(folder: Path, n_shards: int) -> None:
    shards = [shard_path(folder, shard) for shard in range(n_shards)]
    outputs = (folder / "matrix.h5", folder / "summary.json")
    assemble_matrix(folder / "plan.json", shards, folder / "targets.parquet", *outputs)


def reference(folder: Path, n_shards: int, n_columns: int) -> None:
    _concatenated(folder, n_shards, n_columns)


def reference_written(folder: Path, n_shards: int, n_columns: int) -> None:
    matrix = _concatenated(folder, n_shards, n_columns)
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(matrix, name))


def _concatenated(folder: Path, n_shards: int, n_columns: int) -> scipy.sparse.csr_matrix:
    rows, columns, values = [], [], []
    for shard in range(n_shards):
        with np.load(npz_path(folder, shard)) as file:
            rows.append(file["rows"])
            columns.append(file["cols"])
            values.append(file["vals"])
            shape = (int(file["n_rows"]), n_columns)
    row, column = np.concatenate(rows), np.concatenate(columns)
    return scipy.sparse.csr_matrix((np.concatenate(values), (row, column)), shape=shape)


def same_results(folder: Path) -> bool:
    matrix = open_csr(folder / "matrix.h5")
    return all(
        np.array_equal(getattr(matrix, name), np.load(folder / f"{name}.npy", mmap_mode="r"))
        for name in ("data", "indices", "indptr")
    )


def ratios(costs: dict[str, Cost]) -> dict[str, float | None]:
    """Return what `figures` of ours are to those of the two references."""

    def to(other: str, figure: str) -> float | None:
        mine, its = (costs[way].figures("")[figure] for way in ("ours", other))
        return ratio(mine, its)

    return {
        "cpu_ratio": to("reference", "_cpu_seconds"),
        "wall_ratio": to("reference", "_wall_seconds"),
        "cpu_written_ratio": to("reference_written", "_cpu_seconds"),
        "wall_written_ratio": to("reference_written", "_wall_seconds"),
        "rss_ratio": to("reference_written", "_peak_rss_over_start_mb"),
        "private_ratio": to("reference_written", "_peak_private_over_start_mb"),
    }


if __name__ == "__main__":
    main()
