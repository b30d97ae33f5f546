"""How each command of the documentation's site is held: what runs it, or whose parser reads it.

The names on the pages are a reader's; here each stands for something that there is.
"""

import re
from enum import StrEnum
from typing import NamedTuple

from tests import site


class How(StrEnum):
    """What is done with a command."""

    RUN = "run: on the small run, made with the stand-in model"
    DRY = "run: by Snakemake with -n, for it needs the model, hours or the network"
    TEST = "run: by a test that has what it needs, a server above all"
    TUTORIAL = "run: with the model, by the slow test of the tutorial"
    PARSED = "read: by its own parser, for it needs an account, the network or a cluster"
    NAMED = "read: a command's name alone, by its parser"


class Held(NamedTuple):
    """How one command is held.

    Attributes:
        how: what is done with it.
        by: of TEST, the test's file and name.
        more: of RUN, what this run is made with, where the page leaves it out.
        gone: of RUN, files of the run that are removed before, so that there is something to do.
        own: of RUN, whether what a page shows is of the default run alone, and held by the test of
            the tutorial.
    """

    how: How
    by: str = ""
    more: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    own: bool = False


def _by(file: str, name: str) -> Held:
    return Held(How.TEST, f"tests/{file}.py::test_{name}")


RUN, DRY, TUTORIAL = Held(How.RUN), Held(How.DRY), Held(How.TUTORIAL)
PARSED, NAMED = Held(How.PARSED), Held(How.NAMED)
# What the small run is made with.
SMALL = ("--configfile", "small.yaml")

DETACHED = _by(
    "workflow/test_detach", "a_detached_run_outlives_its_terminal_and_then_its_coordinator"
)
STOPPED = _by(
    "workflow/test_detach",
    "a_run_that_is_asked_to_end_ends_its_jobs_and_leaves_nothing_half_written",
)
PUBLISHED = _by("workflow/test_release", "a_run_is_staged_and_promoted_once")
ROLLED_BACK = _by("unit/commands/test_rollback", "an_earlier_run_is_published_and_the_hook_told")
ON_MODAL = _by("modal/test_localcal", "a_run_on_modal_has_the_bytes_of_a_local_one")
FROM_ANYWHERE = _by(
    "modal/test_localcal", "a_detached_run_needs_no_machine_and_is_seen_from_anywhere"
)

COMPARED = _by(
    "unit/commands/test_experiment", "a_run_is_measured_and_its_result_is_stored_and_compared"
)

CODE_OF_A_RULE = (
    "python -c from localcal.run.code_digest import CodeDigest as D;  "
    "print(*sorted(D('scripts', 'localcal.engine:PolicyEngineUS').modules('fit_weights')), "
    r"sep='\n')"
)
FINDINGS = (
    "python -c import json; "
    r"print(*json.load(open('runs/demo/weights/local/fit.json'))['findings'], sep='\n')"
)
WEIGHTS = (
    "python -c import h5py; f = h5py.File('runs/demo/areas/states/CA.h5'); "
    "print(f['household_weight/2024'][:].sum())"
)
# With what needs quotes in a shell without them.
HELD: dict[str, Held] = {
    # Looking at runs.
    "localcal status": RUN,
    "localcal status demo": RUN,
    "localcal status demo --watch": RUN,
    "localcal perf demo": RUN,
    "localcal perf demo --json": RUN,
    "cat runs/demo/logs/*/*.log | localcal perf -": RUN,
    # Once, since what is measured there is of no interest.
    "localcal experiment demo --vary work simulate simulate+evaluate": Held(
        How.RUN, more=("--repeat", "1", "--columns", "100"), own=True
    ),
    "localcal experiment --compare before.json after.json": COMPARED,
    "localcal experiment --compare before.json after.json --vary code": COMPARED,
    "localcal diff runs/demo runs/seed_1": RUN,
    "localcal diff runs/demo runs/2026_04_25": RUN,
    "localcal verify runs/demo": RUN,
    "localcal verify runs/RUN": RUN,
    "localcal clean --older-than 30d --keep 5": RUN,
    FINDINGS: Held(How.RUN, own=True),
    WEIGHTS: Held(How.RUN, own=True),
    # Making them.
    "source .venv/bin/activate": RUN,
    # With nothing left to do: the small run was made by this.
    "snakemake --cores 2": Held(How.RUN, more=SMALL),
    "snakemake --cores 2 --configfile mine.yaml": RUN,
    "snakemake --cores 2 runs/mine/targets/preflight.html --configfile mine.yaml": Held(
        How.RUN, gone=("targets/preflight.html",)
    ),
    "snakemake -n": Held(How.RUN, more=SMALL),
    "snakemake -n --configfile mine.yaml": RUN,
    "snakemake --cores 2 runs/demo/areas/states/CA.h5": Held(
        How.RUN, more=SMALL, gone=("areas/states/CA.h5",)
    ),
    "snakemake --cores 1 runs/{run_id}/population/population.h5 "
    "runs/{run_id}/targets/policy_data.db": Held(
        How.RUN, more=SMALL, gone=("population/population.h5",)
    ),
    "localcal run --resume RUN": Held(How.RUN, more=(*SMALL, "--cores", "1")),
    "localcal run --branch NAME --commit SHA": Held(
        How.RUN, more=(*SMALL, "-n", "--config", "run_id=small")
    ),
    "localcal run --detach": DETACHED,
    "localcal stop RUN": STOPPED,
    "make run": TUTORIAL,
    "snakemake --cores 2 --config run_id=seed_1 seed=1": TUTORIAL,
    "snakemake --cores 2 --config run_id=agencies build_database=true": DRY,
    "snakemake --cores 2 --configfile config/held_out.yaml": DRY,
    "snakemake --cores 1 runs/demo/sweeps/ctc/manifest.json": DRY,
    # Publishing them.
    "localcal stage RUN": PUBLISHED,
    "localcal stage RUN --configfile mine.yaml": PUBLISHED,
    "localcal promote RUN": PUBLISHED,
    "localcal promote RUN --configfile mine.yaml": PUBLISHED,
    "localcal promote 1.2.0_0123abcd_20260425_101500 "
    "--config release={override: [live]}": PUBLISHED,
    "localcal rollback OLDER_RUN --version 1.91.0": ROLLED_BACK,
    # On Modal, whose server is emulated.
    "snakemake --profile modal": ON_MODAL,
    "snakemake --profile modal -n --config run_id=2026_04_25": ON_MODAL,
    "snakemake --profile modal --config run_id=2026_04_25": ON_MODAL,
    "localcal run --detach --profile modal": FROM_ANYWHERE,
    "localcal status --runs modal://localcal": FROM_ANYWHERE,
    "localcal status RUN --runs modal://localcal --watch": FROM_ANYWHERE,
    "localcal perf demo --runs modal://localcal": FROM_ANYWHERE,
    "localcal clean --runs modal://localcal": FROM_ANYWHERE,
    "python -m snakemake_executor_plugin_modal.coordinator logs RUN --volume localcal --follow": (
        FROM_ANYWHERE
    ),
    "python -m snakemake_executor_plugin_modal.coordinator stop RUN --volume localcal": (
        FROM_ANYWHERE
    ),
    # Changing localcal.
    CODE_OF_A_RULE: RUN,
    "python -m localcal.run.describe --write": RUN,
    "python -m localcal.sweeps.describe --write": RUN,
    "python -m tests.formats.make_example": _by(
        "formats/test_formats", "the_example_is_what_localcal_writes_now"
    ),
    "python tests/mutations.py workflow/localcal/{room}": _by(
        "unit/test_mutations",
        "survivors_and_killers_are_told_apart_and_the_checkout_stays_as_it_is",
    ),
    # By the tests of every push, as it stands there.
    "python tests/distributions.py dist": Held(How.TEST, ".github/workflows/tests.yml"),
    "python3.12 -m venv .venv-l0": RUN,
    # These need an account, the network, a cluster, the model or half an hour.
    ".venv-l0/bin/pip install torch==2.13.0 l0-python==0.6.2 h5py": PARSED,
    "pip install -c requirements.txt -e .[slurm]": PARSED,
    "snakemake --profile profiles/slurm": PARSED,
    **dict.fromkeys(
        [
            "localcal experiment demo --vary targets 1 all",
            "localcal experiment demo --vary chunk-columns 1000 5000",
            "localcal experiment demo --vary process warm cold",
            "localcal experiment demo --vary workers 1 2",
            "localcal experiment demo --vary workers 1 2 --hold chunk-columns=1000 "
            "--hold work=simulate --repeat 9 --output mine.json",
        ],
        PARSED,
    ),
    "make test": PARSED,
    "make pipeline-auto": PARSED,
    "make pipeline-status": PARSED,
    "make pipeline-promote": PARSED,
    "git subtree split --prefix workflow/snakemake_storage_plugin_modal --branch storage-plugin": (
        PARSED
    ),
    "hf auth login": PARSED,
    "modal setup": PARSED,
    "loginctl enable-linger": PARSED,
    "pytest -m network tests/unit/database/agencies": PARSED,
    "pytest -m network tests/unit/release": PARSED,
    "localcal pipeline --detach": PARSED,
    # Named in the text; what they are told is elsewhere.
    **dict.fromkeys(
        [
            *("localcal run", "localcal pipeline", "localcal stop", "localcal perf"),
            *("localcal diff", "localcal verify", "localcal stage", "localcal promote"),
            *("localcal rollback", "localcal clean", "localcal experiment"),
        ],
        NAMED,
    ),
}


def held(found: site.Command) -> Held | None:
    """Return how a command is held; None where nobody has said so yet."""
    return HELD.get(" ".join(found.words))


# What readers' names stand for in the small run's checkout.
NAMES = {
    r"\b(demo|RUN|mine)(?![\w.])|\{run_id\}": "small",
    r"\bmine\.yaml\b": "small.yaml",
    r"\b(seed_1|2026_04_25)\b": "another",
    r"^NAME$": "main",
}


def in_small_run(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command's words with what there is in place of a reader's names."""
    for name, there_is in NAMES.items():
        words = tuple(re.sub(name, there_is, word) for word in words)
    return words
