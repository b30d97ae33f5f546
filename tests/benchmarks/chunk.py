"""One chunk of the matrix: localcal against public policyengine-us calls.

Both get the same clones of the same synthetic households and some 16,000 targets, with and without
four reforms. The reference goes the way of PolicyEngine's own builder: write the clones to an H5
file, `Microsimulation(dataset=...)`, calculate every variable, one `Microsimulation(reform=...)`
per reform, evaluate, save a compressed sparse matrix. (It is spared what that builder spends on
drawing take-up, since it gets clones with their draws.) Both run in children of one process with
the model loaded and its caches filled, so importing costs neither anything. The entries of both
are compared.

A chunk of the production run has 103,200 columns, for which the reference would take half an hour
and 15 GB: `--columns 25000 103200 --reference-up-to 25000` sets it beside what the reference took
per column at 25,000, where the fixed part of a simulation hardly counts any more.

CPU seconds are those of the child. Peak memory counts what the child shares with its parent.
"""

import gc
import logging
import sys
from dataclasses import replace
from pathlib import Path

import common
import numpy as np
import production
import scipy.sparse
from production import PERIOD, REFORMS

from localcal.clones.frozen import read_frozen
from localcal.clones.locate import locate
from localcal.engine.policyengine import PolicyEngineUS
from localcal.files.csr import open_csr
from localcal.geography.geography import read_geography
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs
from localcal.population.dataset import read_population, write_population
from localcal.population.population import PERSON, Population
from localcal.targets.measures import COUNTED, distinct_measures
from localcal.targets.table import read_targets, write_targets

OPERATIONS = {">": np.greater, ">=": np.greater_equal, "<": np.less, "==": np.equal}


def ours(inputs: MatrixInputs, plan: Path, engine: PolicyEngineUS, path: Path) -> None:
    """Build the first chunk of a plan as the workflow does."""
    build_chunk(0, plan, inputs, engine, path)


def reference(inputs: MatrixInputs, columns: int, folder: Path) -> tuple[float, float]:
    """Build the same columns with public calls.

    Returns:
        CPU seconds and peak MB so far when all but the reforms was done.
    """
    from policyengine_us import Microsimulation

    places = read_geography(inputs.geography, 0, columns)
    clones = locate(
        read_population(inputs.population), places, read_frozen(inputs.frozen), np.ones(columns)
    )
    write_population(folder / "clones.h5", clones)
    simulation = Microsimulation(dataset=str(folder / "clones.h5"))

    def calculate(variable: str) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(simulation.calculate(variable, PERIOD, use_weights=False))

    targets = read_targets(inputs.targets)
    measures, of_target = distinct_measures(targets)
    values = [
        by_household(measure, clones, calculate, entity_of(simulation))
        for measure in measures
        if not measure.reform_id
    ]
    level = targets["geo_level"].to_numpy()
    place = targets["geographic_id"].replace("US", "0").astype(int).to_numpy()
    here = {"nation": np.zeros(columns), "state": places.state, "district": places.district}

    def entries(target: int) -> scipy.sparse.csr_array:
        inside = here[level[target]] == place[target]
        found = (values[of_target[target]] * inside).astype(np.float32)
        return scipy.sparse.csr_array(found[None, :])

    plain = targets.index[targets["reform_id"] == 0]
    rows = {target: entries(target) for target in plain}
    lap = production.used_so_far()
    before = calculate("income_tax")
    # That builder keeps it; two at a time would be 20 GB at 25,000 columns.
    simulation = None
    gc.collect()
    for variable in REFORMS:
        reformed = Microsimulation(dataset=str(folder / "clones.h5"), reform=neutralizing(variable))
        with np.errstate(all="ignore"):
            after = np.asarray(reformed.calculate("income_tax", PERIOD, use_weights=False))
        change = after.astype(float) - before
        values.append(np.bincount(clones.household_of["tax_unit"], change, columns))
        # Reference cycles would keep each one, 3 GB at 25,000 columns, until memory is full.
        del reformed
        gc.collect()
    rows |= {target: entries(target) for target in targets.index.difference(plain)}
    matrix = scipy.sparse.vstack([rows[target] for target in targets.index], format="csr")
    scipy.sparse.save_npz(folder / "reference.npz", matrix)
    return lap


def entity_of(simulation: object) -> dict[str, str]:
    """Return the entity of every variable."""
    variables = simulation.tax_benefit_system.variables
    return {name: variable.entity.key for name, variable in variables.items()}


def neutralizing(variable: str) -> type:
    """Return a reform in which a variable keeps its default."""
    from policyengine_core.reforms import Reform

    class Neutralized(Reform):
        def apply(self):
            self.neutralize_variable(variable)

    return Neutralized


def by_household(
    measure: object, clones: Population, calculate: object, entities: dict[str, str]
) -> np.ndarray:
    """Return what each household adds to a measure."""
    persons = np.ones(clones.count(PERSON), dtype=bool)
    for variable, operation, value in measure.constraints:
        found = calculate(variable)
        if entities[variable] != PERSON:
            found = found[clones.membership[entities[variable]]]
        number = {"True": 1.0, "False": 0.0}.get(value) if value.isalpha() else float(value)
        persons &= OPERATIONS[operation](found.astype(float), number)
    entity = COUNTED.get(measure.variable) or entities[measure.variable]
    members = persons
    if entity != PERSON:
        belongs = clones.membership[entity][persons]
        members = np.bincount(belongs, minlength=clones.count(entity)) > 0
    counted = measure.variable in COUNTED
    amount = 1.0 if counted else calculate(measure.variable).astype(float)
    households = clones.count("household")
    return np.bincount(clones.household_of[entity], amount * members, households)


def difference(ours_path: Path, theirs_path: Path) -> float:
    """Return the largest difference between two matrices' entries."""
    one, other = open_csr(ours_path).matrix(), scipy.sparse.load_npz(theirs_path)
    return float(abs(one - scipy.sparse.csr_array(other)).max())


def compare(mine: production.Cost, cpu_seconds: float, peak_mb: float) -> dict[str, float]:
    """Return the figures of ours beside those of the reference."""
    return {
        "ours_cpu_seconds": mine.cpu_seconds,
        "reference_cpu_seconds": cpu_seconds,
        "cpu_ratio": mine.cpu_seconds / cpu_seconds,
        "ours_wall_seconds": mine.wall_seconds,
        "ours_peak_mb": mine.peak_mb,
        "reference_peak_mb": peak_mb,
    }


def cells(found: dict[str, float]) -> list[str]:
    """Return figures as cells of the table."""
    return [
        f"{found['ours_cpu_seconds']:.1f}",
        f"{found['reference_cpu_seconds']:.1f}",
        f"1/{1 / found['cpu_ratio']:.1f}",
        f"{found['ours_peak_mb']:.0f}",
        f"{found['reference_peak_mb']:.0f}" if "reference_peak_mb" in found else "",
        str(found["nonzeros"]),
        f"{found['largest_difference']:g}" if "largest_difference" in found else "",
    ]


def main() -> None:
    """Measure every size with and without reforms."""
    parser = common.parser(__doc__)
    parser.add_argument(
        "--columns", type=int, nargs="+", default=[1_000, 5_000, 25_000], help="columns per chunk"
    )
    parser.add_argument(
        "--reference-up-to", type=int, metavar="N",
        help="of larger chunks, reckon the reference's CPU seconds from those of the one before",
    )  # fmt: skip
    options = parser.parse_args()
    if options.reference_up_to is not None and options.columns[0] > options.reference_up_to:
        parser.error("the first chunk is one for the reference, too")
    logging.disable(logging.WARNING)
    engine = production.load_engine()
    figures: dict[str, float] = {}
    rows = []
    with common.temporary_folder() as folder:
        # In a child, so that the parent stays as lean as a server that does nothing but fork.
        inputs = production.in_child(
            production.make_inputs, folder, engine, common.REPOSITORY, options.seed
        ).result
        plain = replace(inputs, targets=folder / "without.parquet")
        all_targets = read_targets(inputs.targets)
        write_targets(all_targets[all_targets["reform_id"] == 0], plain.targets)
        for columns in options.columns:
            part = folder / str(columns)
            part.mkdir()
            compared = options.reference_up_to is None or columns <= options.reference_up_to
            if compared:
                print(f"{columns} columns, the reference ...", file=sys.stderr)
                its = production.in_child(reference, inputs, columns, part)
                measured = columns
                costs = {0: its.result, len(REFORMS): (its.cpu_seconds, its.peak_mb)}
            for files, count in ((plain, 0), (inputs, len(REFORMS))):
                path = part / f"{count}.h5"
                plan = production.plan_of(files, part, columns)
                print(f"{columns} columns, ours, {count} reforms ...", file=sys.stderr)
                mine = production.in_child(ours, files, plan, engine, path)
                its_seconds, its_peak = costs[count]
                found = compare(mine, its_seconds * columns / measured, its_peak) | {
                    "nonzeros": open_csr(path).data.size
                }
                if not compared:
                    del found["reference_peak_mb"]
                if count and compared:
                    found["largest_difference"] = difference(path, part / "reference.npz")
                name = f"{columns}_columns_{count}_reforms"
                figures |= {f"{name}_{key}": value for key, value in found.items()}
                rows.append([columns, count, *cells(found)])
                print("  ".join(map(str, rows[-1])), file=sys.stderr)
    titles = ["columns", "reforms", "ours CPU s", "reference CPU s", "ratio"]
    titles += ["ours peak MB", "reference peak MB", "nonzeros", "largest difference"]
    notes = [f"{len(all_targets)} targets, policyengine-us {engine.version}"]
    common.report(options.json, figures, titles, rows, notes)


if __name__ == "__main__":
    main()
