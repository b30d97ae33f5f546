"""From files to a matrix, in any number of chunks."""

from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import write_frozen
from localcal.geography.geography import write_geography
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs, read_plan, write_plan
from localcal.population.dataset import write_population
from localcal.targets.measures import distinct_measures, needed_variables
from localcal.targets.table import write_targets
from tests.households import random_places, random_population, targets_for
from tests.standin_engine import StandIn

RATES = """variable,entity,state,rate,reported,source
takes_up_snap_if_eligible,spm_unit,,0.7,,test
takes_up_medicaid_if_eligible,person,,0.8,has_medicaid_health_coverage_at_interview,test
takes_up_medicaid_if_eligible,person,6,0.5,has_medicaid_health_coverage_at_interview,test
"""


def make_inputs(tmp_path):
    (tmp_path / "rates.csv").write_text(RATES)
    population = random_population(30, seed=21)
    places = random_places(population, 7, seed=21)
    targets = targets_for(places)
    needed = needed_variables(distinct_measures(targets)[0])
    frozen = freeze_values(population, places, needed, tmp_path / "rates.csv", 3, StandIn())
    names = ("population", "geography", "frozen", "targets")
    files = {name: tmp_path / f"{name}.file" for name in names}
    write_population(files["population"], population)
    write_geography(files["geography"], places, {})
    write_frozen(files["frozen"], frozen)
    write_targets(targets, files["targets"])
    return files


def build(folder, inputs, chunk_columns, order=None):
    """Plan, build all chunks in some order and assemble; return the matrix's path."""
    folder.mkdir()
    plan = folder / "plan.json"
    write_plan(plan, MatrixInputs(**inputs), 210, chunk_columns)
    chunks = list(range(read_plan(plan).n_chunks))
    shards = [folder / f"chunk_{chunk:06}.h5" for chunk in chunks]
    for chunk in order(chunks) if order else chunks:
        build_chunk(chunk, plan, MatrixInputs(**inputs), StandIn(), shards[chunk])
    assemble_matrix(plan, shards, inputs["targets"], folder / "matrix.h5", folder / "summary.json")
    return folder / "matrix.h5"
