"""Rules, scripts, package, profiles, config and lock file fit together."""

import ast
import logging
import re
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from localcal.geography.areas import read_areas
from localcal.jobs.job import STAGES_VARIABLE, logged
from localcal.jobs.progress import Progress
from localcal.jobs.usage import UsageCounter
from localcal.run import configuration, describe
from localcal.run.code_digest import CodeDigest
from localcal.run.expected import STAGES, jobs, stage_of
from localcal.run.provenance import NOT_STAGES
from localcal.run.sections import Config
from localcal.run.values import plain
from localcal.sweeps import describe as sweep_describe
from snakemake_logger_plugin_stages.reporter import SHOWN

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "workflow" / "localcal"
RULE_FILES = sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))
SCRIPTS = sorted((REPOSITORY / "scripts").glob("*.py"))
UNIT_TESTS = REPOSITORY / "tests" / "unit"
# Modules without a test file of their own, and where they are tested instead.
TESTED_ELSEWHERE = {
    "database/agencies/census.py": "unit/database/agencies/test_agencies.py",
    "database/agencies/cms.py": "unit/database/agencies/test_agencies.py",
    "database/agencies/figures.py": "unit/database/agencies/test_agencies.py",
    "database/agencies/raw.py": "unit/database/agencies/test_agencies.py",
    "database/agencies/usda.py": "unit/database/agencies/test_agencies.py",
    "__init__.py": "unit/test_facade.py",
    "validation/inputs.py": "unit/validation/test_compare.py",
    "engine/__init__.py": "unit/engine/test_protocol.py",
    # Through the command.
    "status/watch.py": "unit/commands/test_status.py",
    # They are about policyengine-us itself.
    "engine/policyengine.py": "model/test_policyengine.py",
    "engine/model.py": "model/test_policyengine.py",
    "geography/codes.py": "unit/geography/test_areas.py",
    # A command of the Modal profile.
    "load_model.py": "modal/test_localcal.py",
    # One draw after the other makes a household; what comes out is tested as a whole.
    "microdata/synthetic/incomes.py": "unit/microdata/synthetic/test_households.py",
    "microdata/synthetic/people.py": "unit/microdata/synthetic/test_households.py",
    "microdata/synthetic/selection.py": "unit/microdata/synthetic/test_households.py",
    "microdata/synthetic/units.py": "unit/microdata/synthetic/test_households.py",
    # What a config may contain is tested through what refuses it.
    "run/complaints.py": "unit/run/test_configuration.py",
    "run/sections.py": "unit/run/test_configuration.py",
    "run/values.py": "unit/run/test_configuration.py",
    "run/fit_section.py": "unit/weights/test_settings.py",
    "run/describe.py": "workflow/test_structure.py",
    # What a release is made of, as its contents have it.
    "release/names.py": "unit/release/test_contents.py",
    # Only fields.
    "weights/columns.py": "unit/weights/test_pose.py",
    # The parts of a sweep are tested as a whole, and what rules ask of them through the rules.
    **dict.fromkeys(
        (
            f"sweeps/{name}.py"
            for name in ("bench", "cells", "collect", "plan", "simulate", "stats")
        ),
        "unit/sweeps/test_batch.py",
    ),
    "sweeps/context.py": "unit/sweeps/test_outcomes.py",
    "sweeps/describe.py": "workflow/test_structure.py",
    "sweeps/given.py": "workflow/test_sweeps.py",
    # Runs where l0-python is.
    "weights/l0/prepare.py": "workflow/test_l0.py",
    "weights/l0/runner.py": "workflow/test_l0.py",
}


def rules() -> dict[str, str]:
    """Return the text of each rule by name."""
    found = {}
    for file in RULE_FILES:
        parts = re.split(r"^rule (\w+):$", file.read_text(), flags=re.MULTILINE)
        found |= dict(zip(parts[1::2], parts[2::2], strict=True))
    return found


def keys(config: dict, prefix: str = "") -> set[str]:
    """Return the dotted names of all values."""
    return {
        name
        for key, value in config.items()
        for name in (keys(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key])
    }


def imported(path: Path) -> set[str]:
    """Return the top-level names a file imports anywhere."""
    tree = ast.parse(path.read_text())
    return {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }


def test_every_rule_has_the_script_of_its_name_and_no_script_is_without():
    for name, text in rules().items():
        assert f'"../../scripts/{name}.py"' in text, name
    assert sorted(rules()) == [path.stem for path in SCRIPTS]


@pytest.mark.parametrize("name", sorted(rules()))
def test_a_rule_is_complete(name):
    text = rules()[name]
    for directive in ("output:", "log:", "benchmark:", "threads: 1", "mem_mb=", "runtime="):
        assert directive in text, directive
    assert f"runs/{{run_id}}/logs/{name}/" in text
    assert f"runs/{{run_id}}/benchmarks/{name}/" in text
    environment = "l0" if name == "fit_l0" else "localcal"
    assert f'"../../envs/{environment}.yaml"' in text
    assert "lambda" not in text
    if name in NOT_STAGES:
        assert "params:" not in text
        assert ("input:" in text) == (name != "freeze_run")
    else:
        assert f'code=code_digest("{name}")' in text


def test_only_the_record_of_the_run_is_ancient():
    found = [match for text in rules().values() for match in re.findall(r"ancient\((.*?)\)", text)]
    assert set(found) == {'"runs/{run_id}/run.json"'}


def test_every_rule_writes_only_into_its_run():
    for name, text in rules().items():
        outputs = text.partition("output:")[2].partition("log:")[0]
        paths = [path for path in re.findall(r'"([^"]*/[^"]*)"', outputs) if ".rst" not in path]
        assert paths, name
        assert all(path.startswith("runs/{run_id}/") for path in paths), name


def test_everything_a_rule_makes_is_expected_of_a_run_or_asked_for_by_name():
    areas = {"local": "states/CA", "national": "national/US"}
    settings = {"method": "l0", "replicates": 2}
    config = {
        "seed": 0,
        "population": {"households": 1},
        "geography": {"clones": 1},
        "matrix": {"workers": 1},
        "weights": dict.fromkeys(areas, settings),
        "areas": {"national": ["US"], "states": ["CA"], "districts": [], "cities": []},
        "validation": {"simulated_districts": 0},
    }
    table = read_areas(REPOSITORY / "config/areas.tsv")
    wanted = configuration.wanted_areas(config["areas"], table, [("here", config)])
    expected = {(job.rule, file) for job in jobs(config, table, wanted) for file in job.files}
    made = {
        (name, pattern.format(run_id="x", chunk="000000", scope=scope, level=level, area=area))
        for name, text in rules().items()
        for pattern in re.findall(
            r'"runs/(?!\{run_id\}/logs)\{run_id\}/([^"]+)"',
            text.partition("output:")[2].partition("log:")[0],
        )
        for scope, (level, area) in ((key, path.split("/")) for key, path in areas.items())
        if name not in ("fetch_raw", "parse_source", "export_package", *NOT_STAGES[1:])
        and name not in STAGES["sweeps"]
    }
    assert made == expected


def test_every_rule_belongs_to_a_stage():
    # Making a run ends before it gets out.
    assert {name for name in rules() if stage_of(name) is None} == set(NOT_STAGES[1:])


def test_the_package_knows_neither_snakemake_nor_modal():
    for path in PACKAGE.rglob("*.py"):
        assert not imported(path) & {"snakemake", "modal"}, path


def test_every_module_that_does_something_has_its_test_file():
    defines = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    lacking = set()
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE)
        has_tests = (UNIT_TESTS / module.with_name(f"test_{module.name}")).is_file()
        if any(isinstance(node, defines) for node in ast.parse(path.read_text()).body):
            lacking |= set() if has_tests else {module.as_posix()}
    assert lacking == set(TESTED_ELSEWHERE)
    for elsewhere in TESTED_ELSEWHERE.values():
        assert (REPOSITORY / "tests" / elsewhere).is_file(), elsewhere


def test_nothing_slow_is_imported_while_the_workflow_is_parsed():
    parsed = ["run.configuration", "run.code_digest", "run.provenance", "jobs.job"]
    parsed += ["jobs.processes", "jobs.usage", "timing", "errors"]
    parsed += ["geography.areas", "geography.codes"]
    parsed += ["files.rows", "files.limits", "run.lock", "run.since", "run.start"]
    parsed += ["run.expected", "run.sessions"]
    parsed += ["files.atomic", "files.documents", "files.folders", "files.made"]
    parsed += ["files.origins", "files.seal", "run.artifacts", "run.identity"]
    parsed += ["release.names"]
    parsed += ["run.complaints", "run.fit_section", "run.sections", "run.values"]
    parsed += ["run.overrides", "run.priors"]
    agencies = (
        "__init__",
        "census",
        "cms",
        "crosswalk",
        "figures",
        "irs",
        "raw",
        "sources",
        "usda",
    )
    parsed += [f"database.agencies.{name}" for name in agencies]
    # Snakemake imports pydantic itself.
    allowed = {*sys.stdlib_module_names, "pydantic", "pydantic_core"}
    for name in parsed:
        tree = ast.parse((PACKAGE / f"{name.replace('.', '/')}.py").read_text())
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                whole = node.module == "localcal"
                names += [f"localcal.{one.name}" for one in node.names] if whole else [node.module]
            for module in names:
                own = module.removeprefix("localcal.")
                own += ".__init__" if (PACKAGE / own.replace(".", "/")).is_dir() else ""
                assert own in parsed or module.partition(".")[0] in allowed, (name, module)


def test_scripts_import_nothing_slow_before_their_log_is_open():
    for path in SCRIPTS:
        tree = ast.parse(path.read_text())
        top = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert set(top) <= {"pathlib", "localcal.jobs.job"}, path
        assert not [node for node in tree.body if isinstance(node, ast.Import)], path


def test_the_default_profile_holds_what_is_right_under_every_executor_and_nothing_else():
    profile = yaml.safe_load((REPOSITORY / "profiles/default/config.yaml").read_text())
    assert profile == {
        "nolock": True,
        "ignore-incomplete": True,
        "rerun-triggers": ["mtime", "params", "input", "software-env"],
        "show-failed-logs": True,
        "logger": "stages",
        "logger-stages-groups": [f"{name}={','.join(STAGES[name])}" for name in STAGES],
        "logger-stages-progress": r"^\S+ \S+: (?:.*, 0 s left|(.*\d+/\d+, .* left)), \d+ MB$",
        "logger-stages-memory": r'"peak_mb": (\d+)',
    }
    # Containers read it, too, and have what it names.
    modal = yaml.safe_load((REPOSITORY / "profiles/modal/config.yaml").read_text())
    assert "snakemake_logger_plugin_stages" in modal["modal-packages"]


def test_the_memory_of_a_job_is_found_in_its_log(caplog):
    profile = yaml.safe_load((REPOSITORY / "profiles/default/config.yaml").read_text())
    caplog.set_level("INFO")
    UsageCounter().log()
    found = re.findall(profile["logger-stages-memory"], caplog.text)
    assert len(found) == 1 and int(found[0]) > 1


def test_jobs_know_the_logger_s_word_for_what_it_shows():
    assert STAGES_VARIABLE == SHOWN


def test_how_far_a_job_is_is_found_in_its_log_until_that_is_complete(tmp_path):
    profile = yaml.safe_load((REPOSITORY / "profiles/default/config.yaml").read_text())
    pattern = re.compile(profile["logger-stages-progress"], re.MULTILINE)
    log = tmp_path / "logs/build_chunk/000003.log"
    with logged(log):
        progress = Progress("US: columns", 200)
        progress._start -= 60
        progress._last_line -= 60
        progress.advance(150)
        logging.getLogger("localcal").info("between")
        half = pattern.findall(log.read_text())
        progress.advance(50)
    assert len(half) == 1 and re.fullmatch(r"US: columns: 150/200, \S+/s, \d+ s left", half[0])
    assert pattern.findall(log.read_text()) == [*half, ""]


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_every_key_of_a_profile_has_its_reason_above(name):
    lines = (REPOSITORY / f"profiles/{name}/config.yaml").read_text().splitlines()
    for above, line in pairwise(["", *lines]):
        if line and not line.startswith("#"):
            assert above.startswith("# "), line


def test_what_slurm_needs_is_pinned_and_not_in_the_default_install():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pins = dict(pin.split("==") for pin in project["optional-dependencies"]["slurm"])
    assert set(pins) == {
        "snakemake-executor-plugin-slurm",
        "snakemake-executor-plugin-slurm-jobstep",
    }
    assert not pins.keys() & lock().keys()


@pytest.mark.parametrize("name", ["config", "production"])
def test_a_config_states_every_key(name):
    config = yaml.safe_load((REPOSITORY / f"config/{name}.yaml").read_text())
    assert keys(config) == keys(plain(Config()))


def test_the_defaults_are_what_the_default_config_says():
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    # As text, which is how parameters are compared: 90 is not 90.0. In the same order, too.
    assert repr(plain(Config())) == repr(config)


def test_the_schema_file_is_what_the_models_say():
    written = describe.SCHEMA_FILE.read_text() == describe.schema_text()
    assert written, f"run: {describe.COMMAND}"


def test_the_table_of_keys_is_what_the_models_say():
    text = describe.README_FILE.read_text()
    assert describe.readme_text(text) == text, f"run: {describe.COMMAND}"


def test_a_readme_without_the_marks_of_the_table_is_refused():
    with pytest.raises(ValueError, match="has no lines"):
        describe.readme_text("# The config\n")


def parts(schema: dict) -> dict[str, dict]:
    """Return the schemas of the config and of each kind of section in it."""
    return {"Config": schema, **schema["$defs"]}


def test_the_schema_allows_no_unknown_key_and_requires_none():
    for name, part in parts(describe.config_schema()).items():
        assert part["additionalProperties"] is False, name
        assert "required" not in part, name


def test_what_is_said_of_sweeps_is_what_their_model_says():
    command = f"run: {sweep_describe.COMMAND}"
    assert sweep_describe.SCHEMA_FILE.read_text() == sweep_describe.schema_text(), command
    text = sweep_describe.README_FILE.read_text()
    assert sweep_describe.readme_text(text) == text and sweep_describe.key_table() in text, command


def test_every_key_is_described_in_the_schema_and_in_the_readme():
    readme = (REPOSITORY / "config/README.md").read_text()
    for name, part in parts(describe.config_schema()).items():
        assert part.get("description"), name
        for key, field in part["properties"].items():
            assert "$ref" in field or field.get("description"), (name, key)
    for name in keys(plain(Config())):
        documented = re.sub(r"^weights\.(local|national)\.", "weights.*.", name)
        assert f"| `{documented}` |" in readme, name


def test_no_other_section_of_the_config_is_part_of_the_code_that_fits():
    code = CodeDigest(REPOSITORY / "scripts", "localcal.engine:PolicyEngineUS")
    fitting = ("fit_weights", "prepare_l0", "fit_replicates")
    known = {f"localcal.run.{name}" for name in ("complaints", "fit_section", "values")}
    # What lies beside another fit's trace is no part of the config.
    prior = {"fit_weights": {"localcal.run.priors"}}
    for rule in fitting:
        found = {name for name in code.modules(rule) if name.startswith("localcal.run.")}
        assert found == known | prior.get(rule, set()), rule
    # A sweep's file is checked by the config's means.
    sweeping = {rule for rule in code.rules() if "localcal.sweeps.settings" in code.modules(rule)}
    for rule in sweeping:
        found = {name for name in code.modules(rule) if name.startswith("localcal.run.")}
        assert found == {f"localcal.run.{name}" for name in ("complaints", "overrides", "values")}
    # The report asks what a release asks, and shows the run's record: both know the config.
    others = set(code.rules()) - {*fitting, *sweeping, *NOT_STAGES, "write_report"}
    for rule in others:
        assert not any(name.startswith("localcal.run.") for name in code.modules(rule)), rule


def lock() -> dict[str, str]:
    """Return the locked versions by normalised name."""
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {_normalised(name): version for name, version in pins}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_dependency():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = {_normalised(re.split(r"[<>=!~ \[]", name)[0]) for name in wanted}
    assert names <= set(lock())
    assert "setuptools" in lock()


def test_the_conda_environment_has_the_versions_of_the_lock():
    environment = yaml.safe_load((REPOSITORY / "envs/localcal.yaml").read_text())
    pins = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    found = {_normalised(name): version for name, version in (pin.split("==") for pin in pins)}
    assert found.items() <= lock().items()
    assert {_normalised(name) for name in project["dependencies"]} <= set(found)


def test_no_file_names_a_place_on_somebodys_machine():
    for name in (
        "requirements.txt",
        "Makefile",
        ".ci/run",
        "config/config.yaml",
        "envs/localcal.yaml",
    ):
        text = (REPOSITORY / name).read_text()
        assert not re.search(r"file:|https?://|(?:^|\s)/", text), name
