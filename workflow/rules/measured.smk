"""What every job says of itself: which attempt it is, and what it really took.

Included after all rules.
"""

from inspect import signature

from localcal.jobs import usage


def attempt_of(wildcards, attempt):
    """How often a job was begun, for its log."""
    return attempt


def with_figures(run):
    """Have the benchmark file of a job hold what its log says that the job took.

    Snakemake measures the script's own process, but most of the work is done in another one.
    """
    names = list(signature(run).parameters)

    def run_and_correct(*arguments, **named):
        run(*arguments, **named)
        given = dict(zip(names, arguments), **named)
        if given["bench_record"] is not None and given["log"]:
            usage.correct(given["bench_record"], Path(given["log"][0]).read_text())

    return run_and_correct


for one in workflow.rules:
    if one.log and not one.norun:
        one.resources["attempt"] = attempt_of
        one.run_func = with_figures(one.run_func)
