"""The run's record: where it is, what it says, and what has changed since."""

import shutil

from snakemake.common import async_run
from snakemake.exceptions import WorkflowError


def in_storage(path):
    """Snakemake's object for a file in the default storage."""
    return workflow.modifier.path_modifier.apply_default_storage(path).flags["storage_object"]


def record_folder():
    """Return where the run's record is: in its folder, or here in a copy of what storage has."""
    if not STORED:
        return Path(RUN_FOLDER)
    folder = Path(".snakemake/localcal") / in_storage(RUN_FOLDER).query.replace("://", "/")
    for name in (*starts.RECORD_FILES, sessions.SESSIONS_FILE):
        stored, copy = in_storage(f"{RUN_FOLDER}/{name}"), folder / name
        copy.unlink(missing_ok=True)
        if async_run(stored.managed_exists()):
            async_run(stored.managed_retrieve())
            folder.mkdir(parents=True, exist_ok=True)
            shutil.move(stored.local_path(), copy)
    return folder


def store_record(files):
    """Put the run's record where its files are."""
    for file in files if STORED else ():
        stored = in_storage(f"{RUN_FOLDER}/{file.name}")
        stored.local_path().parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, stored.local_path())
        async_run(stored.managed_store())


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


# What parameters would be elsewhere is known, and recorded, where Snakemake was started.
GIVEN = {}

if not ELSEWHERE:
    with stopping():
        RECORD_FOLDER = record_folder()
        provenance.refuse_orphans(RECORD_FOLDER, products())
        GIVEN = provenance.given_files(config, RECORD_FOLDER)
        STATE = provenance.describe_state(config, GIVEN, code_digest)
        CHANGES = provenance.differences(RECORD_FOLDER, STATE)
    for words in provenance.lone_priors(GIVEN):
        warn(f"warning: {words}")
    for change in CHANGES:
        warn(f"warning: {RUN_FOLDER}/run.json: {change}")
