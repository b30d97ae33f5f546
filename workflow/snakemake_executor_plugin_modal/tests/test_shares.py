"""How the executor divides containers between classes, against a stand-in for Modal's maxima."""

import asyncio
import logging
import random
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_modal import shares
from snakemake_executor_plugin_modal.api import Patience
from snakemake_executor_plugin_modal.classes import Class
from snakemake_executor_plugin_modal.shares import Shares, Use, counts, fair, next_step

WINDOW = 60
SMALL, LARGE, GPU = Class(4000), Class(16000), Class(16000, gpu="T4", containers=1)


class Pool:
    """A function of Modal's: as many containers as calls need and its maximum allows.

    What a lowered maximum does to idle containers is not documented: with `outlive` they stay
    until they would end anyway.
    """

    def __init__(self, cloud: "Cloud", maximum: int = 1, alive: int = 0) -> None:
        self.cloud, self.maximum, self.alive = cloud, maximum, alive
        self.calls = 0
        self.window = WINDOW
        self.autoscaler = SimpleNamespace(
            settings=SimpleNamespace(aio=self._settings), update=SimpleNamespace(aio=self._update)
        )
        self.get_current_stats = SimpleNamespace(aio=self._stats)

    @property
    def running(self) -> int:
        return min(self.calls, self.alive)

    def settle(self, idle_end: bool = False) -> None:
        self.alive = max(self.alive, min(self.calls, self.maximum))
        if idle_end:
            self.alive = self.running

    async def _settings(self) -> SimpleNamespace:
        self.cloud.asked += 1
        return SimpleNamespace(max_containers=self.maximum or None, scaledown_window=self.window)

    async def _stats(self) -> SimpleNamespace:
        self.cloud.asked += 1
        return SimpleNamespace(
            num_total_runners=self.alive,
            num_running_inputs=self.running,
            backlog=self.calls - self.running,
        )

    async def _update(self, max_containers: int = 0, scaledown_window: int = 0) -> None:
        self.cloud.told += 1
        assert self.cloud.lower_first(self, max_containers or self.maximum)
        self.maximum = max_containers or self.maximum
        self.window = scaledown_window or self.window
        if not self.cloud.outlive:
            self.alive = max(min(self.alive, self.maximum), self.running)
        self.settle()


class Cloud:
    """One pool for each class, and the coordinator's shares of them."""

    def __init__(self, most: int, *classes: Class, outlive: bool = False) -> None:
        self.most, self.outlive = most, outlive
        self.asked = self.told = 0
        self.pools = {one: Pool(self) for one in classes}
        self.shares = self.coordinator()
        self.held = dict.fromkeys(classes, 0)

    def coordinator(self) -> Shares:
        return Shares(self.most, WINDOW, self.pools, Patience(60, logging.getLogger("test")))

    def lower_first(self, pool: Pool, maximum: int) -> bool:
        """Whether all containers that may be alive after this are as many as there may be."""
        if maximum <= pool.maximum:
            return True
        pools = [one for one in self.pools.values() if one is not pool]
        others = sum(max(one.maximum, one.alive) for one in pools if one.alive or one.calls)
        return others + maximum <= self.most

    def round(self) -> None:
        """What the executor does in one of its rounds; `held` are jobs that wait for room."""
        sent = {one: pool.calls for one, pool in self.pools.items()}
        both = [one for one in self.pools for _ in range(sent[one] + self.held[one])]
        wanted = counts(self.pools, both, self.most)
        asyncio.run(self.shares.move(wanted, sent))
        room = self.shares.room(wanted, sent)
        for one, pool in self.pools.items():
            now = min(room[one], self.held[one])
            self.held[one] -= now
            pool.calls += now
            pool.settle()
        self.check()

    def check(self) -> None:
        assert sum(pool.alive for pool in self.pools.values()) <= self.most

    def alive(self) -> list[int]:
        return [pool.alive for pool in self.pools.values()]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(shares, "SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(shares, "LONGEST_PAUSE", 0.0)


@pytest.mark.parametrize(
    ("most", "wanted", "found"),
    [
        (50, [60, 0, 0], [50, 0, 0]),
        (50, [60, 60, 0], [25, 25, 0]),
        (50, [60, 3, 60], [24, 3, 23]),
        (50, [10, 5, 0], [10, 5, 0]),
        (2, [9, 9, 9], [1, 1, 0]),
        (0, [1, 1, 1], [0, 0, 0]),
    ],
)
def test_shares_are_fair(most, wanted, found):
    shared = fair(most, dict(zip((SMALL, LARGE, GPU), wanted, strict=True)))
    assert list(shared.values()) == found


def test_what_does_not_divide_stays_where_it_is():
    wanted = {SMALL: 5, LARGE: 5}
    assert fair(1, wanted, {SMALL: 0, LARGE: 1}) == {SMALL: 0, LARGE: 1}


def test_a_bound_of_a_class_is_the_most_of_it():
    assert counts([SMALL, GPU], [GPU, GPU, SMALL], 50) == {SMALL: 1, GPU: 1}


@pytest.mark.parametrize("one", [SMALL, LARGE])
def test_any_class_may_use_all_containers(one):
    cloud = Cloud(50, SMALL, LARGE, GPU)
    cloud.held[one] = 80
    cloud.round()
    assert cloud.pools[one].alive == 50
    assert cloud.held[one] == 30
    assert cloud.told == 1


def test_nothing_is_lowered_below_its_running_calls_and_only_what_is_free_is_given():
    uses = {SMALL: Use(50, alive=50, running=45), LARGE: Use(1)}
    step = next_step(50, {SMALL: 45, LARGE: 20}, {SMALL: 45, LARGE: 0}, uses)
    assert step.lower == {SMALL: 45}
    # The five idle ones are still alive.
    assert step.higher == {} and step.held[LARGE] == 0
    uses = {SMALL: Use(45, alive=45, running=45), LARGE: Use(1)}
    step = next_step(50, {SMALL: 45, LARGE: 20}, {SMALL: 45, LARGE: 0}, uses)
    assert step.higher == {LARGE: 5} and step.held == {SMALL: 45, LARGE: 5}


@pytest.mark.parametrize("outlive", [False, True])
def test_idle_containers_count_until_they_are_gone(outlive):
    cloud = Cloud(50, SMALL, LARGE, outlive=outlive)
    cloud.held[SMALL] = 50
    cloud.round()
    cloud.pools[SMALL].calls = 0
    cloud.held[LARGE] = 50
    for _ in range(3):
        cloud.round()
    # Modal has no maximum of none, so one may stay.
    assert cloud.alive() == ([50, 0] if outlive else [1, 49])
    cloud.pools[SMALL].settle(idle_end=True)
    for _ in range(2):
        cloud.round()
    assert cloud.alive() == [0, 50]


def test_the_last_idle_container_is_made_to_leave_and_later_ones_stay_as_long_as_ever():
    cloud = Cloud(1, SMALL, LARGE)
    cloud.held[SMALL] = 1
    cloud.round()
    cloud.pools[SMALL].calls, cloud.held[LARGE] = 0, 1
    cloud.round()
    assert [pool.window for pool in cloud.pools.values()] == [2, WINDOW]
    cloud.pools[SMALL].settle(idle_end=True)
    cloud.round()
    assert cloud.alive() == [0, 1]
    cloud.pools[LARGE].calls, cloud.held[SMALL] = 0, 1
    cloud.round()
    cloud.pools[LARGE].settle(idle_end=True)
    cloud.round()
    assert cloud.alive() == [1, 0]
    assert [pool.window for pool in cloud.pools.values()] == [WINDOW, 2]


def test_containers_that_an_earlier_run_wanted_to_leave_stay_for_this_one():
    cloud = Cloud(5, SMALL, LARGE)
    cloud.pools[SMALL] = Pool(cloud, maximum=5, alive=1)
    cloud.pools[SMALL].window = 2
    cloud.shares = cloud.coordinator()
    cloud.held[SMALL] = 1
    cloud.round()
    assert cloud.pools[SMALL].window == WINDOW


def test_warm_containers_that_nobody_needs_are_kept():
    cloud = Cloud(50, SMALL, LARGE)
    cloud.held[SMALL] = 20
    cloud.round()
    cloud.pools[SMALL].calls = 0
    cloud.held[LARGE] = 10
    for _ in range(2):
        cloud.round()
    assert cloud.alive() == [20, 10]


def test_a_class_that_waits_gets_its_share_as_calls_of_the_other_end():
    cloud = Cloud(50, SMALL, LARGE)
    cloud.held[SMALL] = 90
    cloud.round()
    cloud.held[LARGE] = 10
    for _ in range(40):
        if cloud.pools[SMALL].calls:
            cloud.pools[SMALL].calls -= 1
        cloud.round()
    assert cloud.pools[LARGE].alive == 10
    assert cloud.pools[SMALL].alive == 40


def test_what_one_class_has_to_give_up_is_not_sent_to_again():
    cloud = Cloud(50, SMALL, LARGE)
    cloud.held[SMALL] = 90
    cloud.round()
    room = cloud.shares.room({SMALL: 90, LARGE: 10}, {SMALL: 39, LARGE: 0})
    assert room == {SMALL: 1, LARGE: 0}


def test_a_maximum_is_not_changed_for_every_further_job():
    cloud = Cloud(50, SMALL, LARGE)
    for _ in range(20):
        cloud.held[SMALL] += 1
        cloud.round()
    assert cloud.pools[SMALL].calls == 20 and cloud.told == 1


def test_modal_is_not_asked_while_nothing_lacks():
    cloud = Cloud(50, SMALL, LARGE)
    cloud.held[SMALL] = 80
    cloud.round()
    asked, told = cloud.asked, cloud.told
    for _ in range(20):
        cloud.pools[SMALL].calls -= 1
        cloud.round()
    assert (cloud.asked, cloud.told) == (asked, told)


def test_maxima_of_an_earlier_run_are_found_and_used():
    cloud = Cloud(50, SMALL, LARGE)
    cloud.pools[SMALL] = Pool(cloud, maximum=50, alive=50)
    cloud.shares = cloud.coordinator()
    cloud.held[SMALL] = 50
    cloud.round()
    assert cloud.pools[SMALL].calls == 50 and cloud.told == 0


def test_a_maximum_that_another_coordinator_lowered_is_noticed(monkeypatch):
    cloud = Cloud(50, SMALL, LARGE)
    cloud.held[SMALL] = 50
    cloud.round()
    cloud.pools[SMALL].calls = cloud.pools[SMALL].alive = 10
    cloud.pools[SMALL].maximum = 10
    cloud.held[SMALL] = 40
    monkeypatch.setattr(shares, "LOOK_EVERY", 0)
    for _ in range(2):
        cloud.round()
    assert cloud.pools[SMALL].alive == 50


def test_a_second_coordinator_takes_only_what_the_first_has_to_spare():
    cloud = Cloud(50, SMALL, LARGE)
    cloud.held[SMALL] = 50
    cloud.round()
    second = cloud.coordinator()
    wanted, nothing = {SMALL: 0, LARGE: 20}, {SMALL: 0, LARGE: 0}
    asyncio.run(second.move(wanted, nothing))
    assert second.room(wanted, nothing)[LARGE] == 0
    cloud.pools[SMALL].calls = 45
    for _ in range(2):
        asyncio.run(second.move(wanted, nothing))
    assert second.room(wanted, nothing)[LARGE] == 5
    assert cloud.pools[SMALL].maximum == 45


def test_maxima_that_are_too_many_together_are_lowered_where_nothing_runs():
    cloud = Cloud(50, SMALL, LARGE)
    cloud.pools |= {SMALL: Pool(cloud, 50, 40), LARGE: Pool(cloud, 50, 40)}
    cloud.check = lambda: None
    cloud.shares = cloud.coordinator()
    cloud.pools[SMALL].calls, cloud.pools[LARGE].calls = 20, 30
    cloud.round()
    assert [pool.maximum for pool in cloud.pools.values()] == [20, 30]


@pytest.mark.parametrize("seed", range(20))
def test_the_cap_holds_and_every_job_runs_whatever_comes_when(seed):
    draw = random.Random(seed)
    most = draw.choice([1, 2, 3, 7, 50])
    cloud = Cloud(most, SMALL, LARGE, GPU, outlive=draw.random() < 0.5)
    number = 0
    while number < 200 or any(cloud.held.values()):
        number += 1
        assert number < 5000, cloud.held
        one = draw.choice(list(cloud.pools))
        if number < 200 and draw.random() < 0.3:
            cloud.held[one] += draw.randrange(5 if one == GPU else 2 * most)
        pool = cloud.pools[one]
        pool.calls -= draw.randint(0, pool.running)
        pool.settle(idle_end=draw.random() < 0.2)
        cloud.round()
        assert cloud.pools[GPU].calls <= 1
