"""What may be removed from a volume, and what never."""

import json
from typing import NamedTuple

from snakemake_executor_plugin_modal.leftovers import leftovers, records_of

DAY = 24 * 3600
NOW = 1_800_000_000
COORDINATORS = ".smk-modal/coordinators"


class Entry(NamedTuple):
    size: int
    mtime: int


def archive(letter: str) -> str:
    return f"snakemake-workflow-sources.{letter * 64}.tar.xz"


def record(letter: str, **calls: str) -> bytes:
    return json.dumps({"archive": f"modal://data/{archive(letter)}", "calls": calls}).encode()


def found(ages: dict[str, float], contents: dict[str, bytes], age: float = 0.0) -> set[str]:
    files = {path: Entry(1, NOW - int(old)) for path, old in ages.items()}
    assert set(contents) == set(records_of(files))
    return {one.path for one in leftovers(files, contents, NOW, age)}


def test_archives_go_but_those_of_live_coordinators_and_new_ones():
    live, dead = f"{COORDINATORS}/live.json", f"{COORDINATORS}/dead.json"
    ages = {
        archive("a"): 2 * DAY,
        archive("b"): 2 * DAY,
        archive("c"): 2 * DAY,
        # Its coordinator may not have said yet that it is its own.
        archive("d"): 60,
        live: 10,
        dead: 2 * DAY,
        "runs/demo/run.json": 900 * DAY,
        f"runs/demo/{archive('e')}.txt": 900 * DAY,
    }
    contents = {live: record("a"), dead: record("b")}
    assert found(ages, contents) == {archive("b"), archive("c"), dead}


def test_of_a_coordinator_that_was_killed_an_hour_ago_nothing_goes_that_its_calls_need():
    silent = f"{COORDINATORS}/silent.json"
    ages = {archive("a"): 9 * DAY, silent: 3700, ".smk-modal/calls/fc-1/n": 9 * DAY}
    assert found(ages, {silent: record("a", key="fc-1")}) == set()


def test_counters_of_calls_go_when_no_call_can_go_on():
    ages = {".smk-modal/calls/fc-1/n": 4 * DAY, ".smk-modal/calls/fc-2/n": 2 * DAY}
    assert found(ages, {}) == {".smk-modal/calls/fc-1/n"}


def test_a_detached_coordinator_goes_when_it_has_ended_and_what_is_damaged_stays():
    ages = {}
    contents = {}
    for name, state in (("done", "completed"), ("busy", "running"), ("odd", None)):
        for file in ("state.json", "request.json", "sources.tar.gz"):
            ages[f"{COORDINATORS}/{name}/{file}"] = 3 * DAY
        for file in ("state.json", "request.json"):
            text = json.dumps({"state": state}) if state else "half a fi"
            contents[f"{COORDINATORS}/{name}/{file}"] = text.encode()
    done = {path for path in ages if "/done/" in path}
    assert found(ages, contents) == done
    assert found(ages, contents, age=4 * DAY) == set()
