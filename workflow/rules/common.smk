"""What the rules share: the checked config, the run, wildcards, and helpers for inputs."""

import dataclasses
import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import yaml
from snakemake.common import async_run
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

# The folder of the Snakefile.
CHECKOUT = Path(workflow.basedir)
SCHEMA = CHECKOUT / "workflow/schemas/config.schema.yaml"
# Whether the run's files are in a storage instead of below runs/.
STORED = workflow.storage_settings.default_storage_provider is not None
# Whether this is a job on a machine that has neither given files nor the run's record at hand.
ELSEWHERE = STORED and not workflow.is_main_process


def stop(message):
    """End with what is wrong and nothing else; a traceback would bury it."""
    sys.exit("\n".join(f"error: {line}" for line in str(message).splitlines()))


if find_spec("localcal") is None:
    stop("localcal is not installed; run `make run`, or `pip install -e .` in your environment")

from localcal import code_digest as code_digests
from localcal import configuration, job, provenance
from localcal.areas import LEVELS, read_areas
from localcal.errors import InputError


def command_line_config():
    """What follows --config, as typed: Snakemake makes a number of the run id 2026_04_25, and
    text of every number inside {braces}."""
    typed = dict(workflow.config_settings.config)
    for argument in workflow.config_settings.config_args or []:
        name, _, text = argument.partition("=")
        if name == "run_id":
            typed[name] = text
        elif isinstance(typed[name], dict | list):
            typed[name] = yaml.safe_load(text)
    return typed


def config_sources():
    """Name and content of everything that was merged into the config, the strongest last."""
    files = ["config/config.yaml", *workflow.config_settings.configfiles]
    named = [(os.path.relpath(file), load_configfile(file)) for file in files]
    return [*named, ("--config", command_line_config())]


def warn(message):
    """Say something once, not again in every job."""
    if workflow.is_main_process:
        print(message, file=sys.stderr)


def in_storage(path):
    """Snakemake's object for a file in the default storage."""
    return workflow.modifier.path_modifier.apply_default_storage(path).flags["storage_object"]


def record_folder():
    """Return where the run's record is: in its folder, or here in a copy of what storage has."""
    if not STORED:
        return Path(RUN_FOLDER)
    folder = Path(".snakemake/localcal") / in_storage(RUN_FOLDER).query.replace("://", "/")
    for name in provenance.RECORD_FILES:
        stored, copy = in_storage(f"{RUN_FOLDER}/{name}"), folder / name
        copy.unlink(missing_ok=True)
        if async_run(stored.managed_exists()):
            async_run(stored.managed_retrieve())
            folder.mkdir(parents=True, exist_ok=True)
            shutil.move(stored.local_path(), copy)
    return folder


def products():
    """Yield what the run has made, as paths."""
    if not STORED:
        yield from provenance.products(RUN_FOLDER)
        return
    everything = in_storage(f"{RUN_FOLDER}/{{file}}")
    for query in everything.list_candidate_matches():
        path = f"{RUN_FOLDER}/{query.partition(f'/{RUN_FOLDER}/')[2]}"
        if provenance.is_product(path, RUN_FOLDER):
            yield path


update_config(config, command_line_config())
AMEND = config.pop("amend", False)

try:
    if not workflow.is_main_process:
        job.refuse_without_lock()
    configuration.check_config(config, load_configfile(SCHEMA), config_sources())
    AREA_TABLE = read_areas(config["areas"]["path"])
    PARENTS = configuration.parents(AREA_TABLE)
    wanted = configuration.wanted_areas(config["areas"], AREA_TABLE, config_sources())
    RUN_ID = config["run_id"]
    RUN_FOLDER = f"runs/{RUN_ID}"
    code_digest = code_digests.CodeDigest(CHECKOUT / "scripts", config["engine"])
    if ELSEWHERE:
        # What its parameters would be is known, and recorded, where Snakemake was started.
        GIVEN, CHANGES = {}, []
    else:
        code_digests.refuse_other_package(CHECKOUT / "workflow" / "localcal")
        RECORD_FOLDER = record_folder()
        provenance.refuse_orphans(RECORD_FOLDER, products())
        GIVEN = provenance.given_files(config, RECORD_FOLDER)
        STATE = provenance.describe_state(config, GIVEN, code_digest)
        CHANGES = provenance.differences(RECORD_FOLDER, STATE)
except InputError as error:
    stop(error)

# Jobs on other machines parse the workflow too, and are sent what Snakemake knows of.
workflow.configfiles += [config["areas"]["path"], SCHEMA]

CHUNKS = configuration.chunk_names(config)
SCOPES = ("local", "national")
L0_SCOPES = [scope for scope in SCOPES if config["weights"][scope]["method"] == "l0"]
AREAS = {area.area: area for area in AREA_TABLE}
# The areas whose files are put into the model; the others lie in one of them.
SIMULATED = [area for area, parent in PARENTS.items() if area == parent]
WANTED = [(area.level, area.area) for area in wanted]

for change in CHANGES:
    warn(f"warning: {RUN_FOLDER}/run.json: {change}")
for hint in configuration.target_hints(sys.argv[1:], RUN_ID, AREA_TABLE, CHUNKS):
    warn(f"hint: {hint}")

job.announce_coordinator()


wildcard_constraints:
    run_id=re.escape(RUN_ID),
    chunk="|".join(CHUNKS),
    scope="|".join(SCOPES),
    level="|".join(LEVELS),
    area="|".join(AREAS),


def start():
    """Take the run's lock and record what changed, before the first job."""
    try:
        history = provenance.start_run(RECORD_FOLDER, STATE, AMEND)
    except InputError as error:
        stop(error)
    job.announce_lock(RECORD_FOLDER / provenance.LOCK_FILE)
    if STORED and history is not None:
        stored = in_storage(f"{RUN_FOLDER}/{history.name}")
        stored.local_path().parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(history, stored.local_path())
        async_run(stored.managed_store())


def memory(mb):
    """Memory that grows with every attempt, so that a retry mends a job that ran out of it."""

    def by_attempt(wildcards, attempt):
        return mb * attempt

    return by_attempt


def settings(section):
    """A section of the config as a parameter: sorted, without the places of given files."""
    return configuration.canonical(provenance.science(config)[section])


def given(key):
    """The content of a given file as a parameter; None where the run does not read it."""
    return GIVEN[key]["sha256"] if key in GIVEN else None


def database_origin():
    """Where the target database comes from, as a parameter."""
    chosen = ("source", "repo_id", "repo_type", "filename", "revision")
    return {name: config["targets"][name] for name in chosen}


def fit_settings(wildcards):
    """The settings of one scope's fit, as a parameter."""
    return settings("weights")[wildcards.scope]


def fit_start(wildcards):
    """The content of the fit that one scope's begins from, as a parameter; None without one."""
    return given(f"weights.{wildcards.scope}.start")


def l0_settings(wildcards):
    """The settings of l0-python for one scope, as a parameter."""
    return fit_settings(wildcards)["l0"]


def l0_weights(wildcards):
    """What l0-python made of a scope, where the config asks for that."""
    path = f"runs/{wildcards.run_id}/weights/{wildcards.scope}/l0_weights.h5"
    return {"l0": path} if wildcards.scope in L0_SCOPES else {}


def area_row(wildcards):
    """What the table of areas says about an area, as a parameter."""
    return dataclasses.asdict(AREAS[wildcards.area])


def weights_of(wildcards):
    """The weights that an area's file is made with."""
    scope = "national" if wildcards.level == "national" else "local"
    return f"runs/{wildcards.run_id}/weights/{scope}/weights.npy"


def fit_of(wildcards):
    """The report of the fit that an area's weights come from."""
    return weights_of(wildcards).replace("weights.npy", "fit.json")


def parent_file(wildcards):
    """The dataset whose simulation contains an area: its state's, or its own."""
    parent = AREAS[PARENTS[wildcards.area]]
    return f"runs/{wildcards.run_id}/areas/{parent.level}/{parent.area}.h5"


def parent_totals(wildcards):
    """The totals of the simulation that contains an area."""
    return f"runs/{wildcards.run_id}/validation/totals/{PARENTS[wildcards.area]}.h5"
