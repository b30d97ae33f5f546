"""The records of what files are and were made from, what is stale therefore, and a run's start.

Snakemake remakes what was made with other parameters as long as it remembers them; the records
remember them wherever the run is. Included after all rules.
"""

from collections import Counter
from types import SimpleNamespace

from snakemake.io import apply_wildcards, is_callable

# The run's own record has no parameters, and nothing may ever remake it.
RULES = {rule.name: rule for rule in workflow.rules if rule.params}


PRODUCTS = tuple(f"{RUN_FOLDER}/{folder}/" for folder in provenance.PRODUCT_FOLDERS)


def plain(path):
    """A path or pattern as rules write it, whatever storage it is in."""
    stored = getattr(path, "flags", {}).get("storage_object")
    text = str(path) if stored is None else stored.query
    return text[text.index("runs/") :]


def listed(item, wildcards):
    """The paths that one entry of a rule's input stands for."""
    if not is_callable(item):
        return [apply_wildcards(plain(item), wildcards)]
    # Whatever Snakemake wraps it in.
    function = getattr(getattr(item, "_file", item), "callable", item)
    found = function(wildcards)
    if isinstance(found, str):
        return [found]
    return list(found.values()) if isinstance(found, dict) else found


def with_records(one):
    """Have a rule read the record of everything it reads, and write one of all that it makes."""
    items = list(one.input)
    patterns = map(plain, list(one.output))

    def records(wildcards):
        paths = [path for item in items for path in listed(item, wildcards)]
        found = [path for path in paths if path.startswith(PRODUCTS)]
        return [made.record_path(path, RUN_FOLDER) for path in found]

    one.set_input(**{job.RECORDS: records})
    # As a pattern, the run's folder has a wildcard.
    folder = re.compile(r"runs/\{run_id[^}]*\}")
    made_too = [made.record_path(path, folder.match(path)[0]) for path in patterns]
    one.set_output(**{job.RECORDS: made_too})


# Before it is told to read records.
COMPLETE = [plain(path) for path in workflow.get_rule("all").input]

for one in [*RULES.values(), workflow.get_rule("all")]:
    with_records(one)


def made_with(rule, **wildcards):
    """Return the parameters of a rule, for given values of wildcards."""

    def value(param):
        return param(SimpleNamespace(run_id=RUN_ID, **wildcards)) if callable(param) else param

    return {name: value(param) for name, param in rule.params.items()}


def parameters_of(rule):
    """Yield what a rule is called in the run's record, and a digest; each fit and sweep has its own."""
    if "scope" in rule.wildcard_names:
        for scope in SCOPES:
            yield f"{rule.name}/{scope}", seal.digest(made_with(rule, scope=scope))
    elif "sweep" in rule.wildcard_names:
        for sweep in SWEEPS:
            yield f"{rule.name}/{sweep}", seal.digest(made_with(rule, sweep=sweep))
    elif "area" in rule.wildcard_names:
        yield rule.name, seal.digest({area: made_with(rule, area=area) for area in AREAS})
    else:
        yield rule.name, seal.digest(made_with(rule))


def wildcards_of(path, maker):
    """Return the values of a rule's wildcards for a file; None if it does not make the file."""
    for output in maker.output:
        if match := output.match(path):
            return {name: text for name, text in match.groupdict().items() if name != "run_id"}
    return None


def stale_in_storage():
    """Yield stale files of a storage with the names of their rules, as far as times tell.

    To read the record of every file there takes longer than to make many of them.
    """
    entries = since.made_so_far(RECORD_FOLDER, PRESENT, bool(CHANGES))
    unsettled = since.unsettled(entries, PRESENT)
    # A run without its record yet has nothing that could be stale.
    if not unsettled or not entries:
        return
    makers = [rule for rule in RULES.values() if unsettled & PRESENT_OF[rule.name].keys()]
    for file in map(workflow.modifier.path_modifier.apply_default_storage, products()):
        for maker in makers:
            if (values := wildcards_of(str(file), maker)) is None:
                continue
            part = values.get("scope") or values.get("sweep")
            name = f"{maker.name}/{part}" if part else maker.name
            time = async_run(file.flags["storage_object"].managed_mtime())
            if name in unsettled and since.is_stale(entries, name, PRESENT[name], time):
                yield maker.name, file


def stale_here():
    """Yield the files whose records say that they were made with or from something else."""
    records = made.read_records(RUN_FOLDER)
    for name, record in records.items():
        path = f"{RUN_FOLDER}/{name}"
        maker = RULES.get(record.rule)
        values = None if maker is None else wildcards_of(path, maker)
        # What no rule makes any more is nobody's business.
        if values is None:
            continue
        present = seal.digest(made_with(maker, **values))
        if made.is_outdated(record, records) or seal.digest(record.params) != present:
            yield record.rule, path


def remake(files):
    """Make Snakemake remake files where it would make them anyway, unlike --forcerun.

    It reads its own options only after the workflow, so this waits until it does.
    """
    prepare = workflow._prepare_dag

    def prepare_dag(*arguments, **named):
        # Not for --report, --summary and the like, which have nothing to do with an executor.
        if workflow.executor_plugin is not None and not workflow.dryrun:
            refuse_start()
        prepare(*arguments, **named)
        workflow.dag.forcefiles.update(files)

    workflow._prepare_dag = prepare_dag


def refuse_start():
    """Refuse a start, also one for which Snakemake would then find nothing to do."""
    with stopping():
        if not STORED:
            starts.refuse_foreign(RUN_FOLDER)
        provenance.refuse_changes(RECORD_FOLDER, CHANGES, AMEND)


if workflow.is_main_process:
    # Only needed where files cannot be asked for theirs.
    PRESENT_OF = {name: dict(parameters_of(rule)) for name, rule in RULES.items() if STORED}
    PRESENT = {name: text for found in PRESENT_OF.values() for name, text in found.items()}
    with stopping():
        # Where only some rules may run, as for a release, nothing else is made again.
        if "--allowed-rules" in sys.argv:
            STALE = []
        else:
            STALE = list(stale_in_storage() if STORED else stale_here())
    if STALE:
        counts = sorted(Counter(name for name, _ in STALE).items())
        warn(
            f"warning: {RUN_FOLDER}: files made with other settings, given files or code are made "
            "again, and what depends on them: "
            f"{', '.join(f'{name} ({count})' for name, count in counts)}"
        )
    remake({file for _, file in STALE})


def start():
    """Take the run's lock and record what changed, before the first job."""
    with stopping():
        recorded = starts.start_run(RECORD_FOLDER, STATE, PRESENT if STORED else None, AMEND)
    # Its limit of 100 jobs a second has Snakemake look for jobs again a second after every look, so
    # that each finished job adds another look per second, at all files that ready jobs read.
    workflow.scheduler.job_rate_limiter = None
    job.announce_lock(RECORD_FOLDER / run_lock.LOCK_FILE)
    with stopping():
        holder = os.environ[job.HOLDER_VARIABLE]
        begun = sessions.record_begin(
            RECORD_FOLDER, holder, sum(1 for one in workflow.dag.needrun_jobs() if one.output)
        )
    store_record([*recorded, begun])


def end(succeeded):
    """Record how the work on the run ended, for those who ask about it later."""
    logs = [
        plain(log)
        for failed in workflow.scheduler.failed
        for one in (failed if failed.is_group() else [failed])
        for log in one.log
    ]
    holder = os.environ[job.HOLDER_VARIABLE]
    try:
        ended = sessions.record_end(RECORD_FOLDER, holder, succeeded, sessions.failed_logs(logs))
        store_record([ended])
    except (InputError, OSError, WorkflowError) as error:
        warn(f"warning: {RECORD_FOLDER}/{sessions.SESSIONS_FILE}: {one_line(error)}")


def finish():
    """Have `artifacts` lead to the run, where it is the whole run that was asked for and made."""
    if STORED or not any(one.rule.name == "all" for one in workflow.dag.jobs):
        return
    try:
        artifacts.link_completed(RUN_FOLDER, COMPLETE)
    except (InputError, OSError) as error:
        # The run is complete all the same.
        warn(f"warning: {error}")
