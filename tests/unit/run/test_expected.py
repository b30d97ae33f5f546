"""What a run is to have is known from its config."""

from collections import Counter

import pytest

from localcal.geography.areas import read_areas
from localcal.run.configuration import wanted_areas
from localcal.run.expected import jobs, stage_of
from tests.runs_case import CONFIG, TABLE


@pytest.fixture
def table(tmp_path):
    """The table of areas."""
    path = tmp_path / "areas.tsv"
    path.write_text(TABLE)
    return read_areas(path)


def found(table, **config):
    config = CONFIG | config
    return jobs(config, table, wanted_areas(config["areas"], table, [("run.json", config)]))


def test_jobs_follow_from_chunks_areas_and_scopes(table):
    counts = Counter(job.rule for job in found(table))
    # 240 columns in chunks of 80; the nation, a state and two districts.
    assert counts["build_chunk"] == 3
    assert counts["fit_weights"] == counts["estimate_totals"] == 2
    assert counts["write_area"] == counts["validate_area"] == 4
    # The nation, the districts' state, and one district by itself.
    assert counts["simulate_area"] == 3
    assert counts["freeze_run"] == counts["write_report"] == 1
    assert not counts.keys() & {"fit_l0", "prepare_l0", "fit_replicates", "write_area_replicates"}


def test_only_scopes_that_ask_for_it_have_l0_or_replicates(table):
    weights = {
        "local": {"method": "l0", "replicates": 0},
        "national": {"method": "descent", "replicates": 8},
    }
    named = {(job.rule, job.name): job.files for job in found(table, weights=weights)}
    assert named["fit_l0", "local"] == ("weights/local/l0_weights.h5",)
    assert named["fit_replicates", "national"] == (
        "weights/national/standard_errors.csv",
        "weights/national/diagnostics_with_errors.csv",
        "weights/national/areas_with_errors.csv",
        "weights/national/replicates.h5",
    )
    # Of the areas, the nation alone has its weights from the national fit.
    replicated = [name for rule, name in named if rule == "write_area_replicates"]
    assert replicated == ["national/US"]
    assert ("fit_l0", "national") not in named and ("fit_replicates", "local") not in named


def test_a_job_is_called_as_its_log_is(table):
    logs = {job.log: job.files for job in found(table)}
    assert logs["logs/build_chunk/000002.log"] == ("matrix/chunks/chunk_000002.h5",)
    assert logs["logs/write_area/districts/CA-01.log"] == ("areas/districts/CA-01.h5",)
    assert logs["logs/simulate_area/US.log"] == ("validation/totals/US.h5",)
    assert logs["logs/freeze_run/freeze_run.log"] == ("run.json",)


def test_stages_come_in_the_order_of_a_run(table):
    stages = list(dict.fromkeys(stage_of(job.rule) for job in found(table)))
    assert stages[0] == "run"
    assert stages[-1] == "report"
    assert stages.index("chunks") < stages.index("weights") < stages.index("validation")
    assert stage_of("somebody_elses") is None
