"""What the rules share: the checked config, the areas, and the values of wildcards."""

import os
import re
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

# The folder of the Snakefile, which workflow/Snakefile includes, too.
CHECKOUT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
# Whether the run's files are in a storage instead of below runs/.
STORED = workflow.storage_settings.default_storage_provider is not None
# Whether this is a job on a machine that has neither given files nor the run's record at hand.
ELSEWHERE = STORED and not workflow.is_main_process


def stop(message):
    """End with what is wrong and nothing else; a traceback would bury it."""
    sys.exit("\n".join(f"error: {line}" for line in str(message).splitlines()))


if find_spec("localcal") is None:
    stop("localcal is not installed; run `make run`, or `pip install -e .` in your environment")

from localcal.database.agencies.sources import SOURCES
from localcal.errors import InputError, one_line, without_secrets
from localcal.files import made, seal
from localcal.files.atomic import sha256_file
from localcal.files.limits import limit_of
from localcal.geography.areas import read_areas
from localcal.geography.codes import FOLDERS
from localcal.jobs import job
from localcal.release import names as releases
from localcal.run import code_digest as code_digests
from localcal.run import artifacts, configuration, expected, provenance, sessions, since
from localcal.run import lock as run_lock
from localcal.run import start as starts


def command_line_config():
    """What follows --config, as typed: Snakemake makes a number of the run id 2026_04_25, and
    text of every number inside {braces}."""
    typed = dict(workflow.config_settings.config)
    for argument in workflow.config_settings.config_args or []:
        name, _, text = argument.partition("=")
        if name == "run_id":
            typed[name] = text
        elif name in ("amend", "build_database"):
            # Snakemake takes only True and False for what they are.
            typed[name] = yaml.safe_load(text)
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
        print(without_secrets(message), file=sys.stderr)


@contextmanager
def stopping():
    """End in one line where what is given, or the run's folder, cannot be used."""
    try:
        yield
    except InputError as error:
        stop(error)
    except OSError as error:
        stop(without_secrets(": ".join(map(str, filter(None, [one_line(error), limit_of(error)])))))


update_config(config, command_line_config())
AMEND = config.pop("amend", False)

with stopping():
    configuration.check_command_line(workflow.config_settings.config_args or [], AMEND)
    if not workflow.is_main_process:
        job.refuse_without_lock()
    complete = configuration.check_config(config, config_sources())
    # The same object as before: Snakemake hands it to scripts.
    config.clear()
    config.update(complete)
    AREA_TABLE = read_areas(config["areas"]["path"])
    PARENTS = configuration.parents(AREA_TABLE)
    wanted = configuration.wanted_areas(config["areas"], AREA_TABLE, config_sources())
    RUN_ID = config["run_id"]
    RUN_FOLDER = f"runs/{RUN_ID}"
    code_digest = code_digests.CodeDigest(CHECKOUT / "scripts", config["engine"])
    if not ELSEWHERE:
        code_digests.refuse_other_package(CHECKOUT / "workflow" / "localcal")

# Jobs on other machines parse the workflow too, and are sent what Snakemake knows of.
workflow.configfiles.append(config["areas"]["path"])

CHUNKS = configuration.chunk_names(config)
SCOPES = expected.SCOPES
L0_SCOPES = expected.l0_scopes(config)
RAW_FILES = sorted({file for source in SOURCES.values() for file in source.files})
REPLICATED = expected.replicated_scopes(config)
AREAS = {area.area: area for area in AREA_TABLE}
WANTED = [(area.folder, area.area) for area in wanted]
# Districts lie in a file that is put into the model; of these the own file is, too.
SAMPLED = configuration.sampled_districts(config, wanted)

# What `all` asks for.
EXPECTED = [file for one in expected.jobs(config, AREA_TABLE, wanted) for file in one.files]

for hint in configuration.target_hints(sys.argv[1:], RUN_ID, AREA_TABLE, CHUNKS):
    warn(f"hint: {hint}")

job.announce_coordinator()


wildcard_constraints:
    run_id=re.escape(RUN_ID),
    chunk="|".join(CHUNKS),
    scope="|".join(SCOPES),
    raw_file="|".join(map(re.escape, RAW_FILES)),
    source="|".join(SOURCES),
    level="|".join(FOLDERS.values()),
    area="|".join(AREAS),
