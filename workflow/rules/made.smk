"""What rules are made with now, which files are stale therefore, and the start of a run.

Snakemake remakes what was made with other parameters as long as it remembers them; the run's own
record remembers them wherever the run is. Included after all rules.
"""

from types import SimpleNamespace


def made_with(rule, **wildcards):
    """Return the digest of a rule's parameters, for given values of wildcards."""

    def value(param):
        return param(SimpleNamespace(run_id=RUN_ID, **wildcards)) if callable(param) else param

    params = {name: value(param) for name, param in rule.params.items()}
    return made.digest(params)


def parameters_of(rule):
    """Yield what a rule is called in the record, and a digest; each fit has settings of its own."""
    if "scope" in rule.wildcard_names:
        for scope in SCOPES:
            yield f"{rule.name}/{scope}", made_with(rule, scope=scope)
    elif "area" in rule.wildcard_names:
        rows = {area: made_with(rule, area=area) for area in AREAS}
        yield rule.name, made.digest(rows)
    else:
        yield rule.name, made_with(rule)


def made_by(path, rules):
    """Return what the rule that makes a file is called in the record; None if no rule does."""
    for rule in rules:
        for output in rule.output:
            if match := output.match(path):
                scope = match.groupdict().get("scope")
                return f"{rule.name}/{scope}" if scope else rule.name
    return None


def time_of(file):
    """When a file was made."""
    stored = getattr(file, "flags", {}).get("storage_object")
    return Path(file).stat().st_mtime if stored is None else async_run(stored.managed_mtime())


def stale_files():
    """Return the run's files that were made with other parameters, by what rules are called."""
    entries = made.made_so_far(RECORD_FOLDER, PRESENT, bool(CHANGES))
    unsettled = made.unsettled(entries, PRESENT)
    # A run without its record yet has nothing that could be stale.
    if not unsettled or not entries:
        return {}
    rules = [rule for rule in RULES if unsettled & PRESENT_OF[rule.name].keys()]
    stale = {}
    for file in map(workflow.modifier.path_modifier.apply_default_storage, products()):
        name = made_by(str(file), rules)
        if name in unsettled and made.is_stale(entries, name, PRESENT[name], time_of(file)):
            stale.setdefault(name, []).append(file)
    return stale


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
    # The record of the run has no parameters, and nothing may ever remake it.
    RULES = [rule for rule in workflow.rules if rule.params]
    PRESENT_OF = {rule.name: dict(parameters_of(rule)) for rule in RULES}
    PRESENT = {name: text for found in PRESENT_OF.values() for name, text in found.items()}
    with stopping():
        STALE = stale_files()
    if STALE:
        counts = [f"{name} ({len(files)})" for name, files in sorted(STALE.items())]
        warn(
            f"warning: {RUN_FOLDER}: files made with other settings, given files or code are made "
            f"again, and what depends on them: {', '.join(counts)}"
        )
    remake({file for files in STALE.values() for file in files})


def start():
    """Take the run's lock and record what changed, before the first job."""
    with stopping():
        recorded = starts.start_run(RECORD_FOLDER, STATE, PRESENT, AMEND)
    job.announce_lock(RECORD_FOLDER / run_lock.LOCK_FILE)
    for file in recorded if STORED else ():
        stored = in_storage(f"{RUN_FOLDER}/{file.name}")
        stored.local_path().parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, stored.local_path())
        async_run(stored.managed_store())
