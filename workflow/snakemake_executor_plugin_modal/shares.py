"""How many containers each class may have, so that all of them together never exceed one cap.

Modal knows a maximum for each function, none for several. Here the maxima follow the jobs: where a
class lacks containers, first the maximum of one that has some to spare is lowered, and only what
its containers have really given up is added to the other. Modal keeps the maxima, and is asked for
them before each such step, so that coordinators that share an app move the same numbers.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import modal

from snakemake_executor_plugin_modal.api import Patience
from snakemake_executor_plugin_modal.classes import Class

SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
"""Seconds between two steps while a class lacks containers; twice as long after an idle one."""

LEAVING_WINDOW = 2
"""Seconds an idle container is kept where all of its class are to leave; the least Modal allows."""

LOOK_EVERY = 60
"""Seconds after which Modal is asked even if nothing lacks: another coordinator may have moved."""


@dataclass(frozen=True)
class Use:
    """What Modal says of a class: its maximum, its containers, calls that run and that wait.

    `leaving`: whether its idle containers are kept for the least time only.
    """

    maximum: int
    alive: int = 0
    running: int = 0
    waiting: int = 0
    leaving: bool = False

    @property
    def empty(self) -> bool:
        return not (self.alive or self.running or self.waiting)


@dataclass(frozen=True)
class Step:
    """What is to be told to Modal, in this order, and what each class may use after it.

    `leave` and `stay` are classes whose idle containers shall end soon, or as late as usual.
    """

    lower: dict[Class, int]
    higher: dict[Class, int]
    held: dict[Class, int]
    leave: frozenset[Class] = frozenset()
    stay: frozenset[Class] = frozenset()


class Shares:
    """Keeps what each class holds of the cap; nothing until Modal was asked for the first time."""

    def __init__(
        self,
        most: int,
        window: int,
        functions: Mapping[Class, modal.Function],
        patience: Patience,
    ) -> None:
        self._most, self._window = most, window
        self._functions, self._patience = functions, patience
        self._held = dict.fromkeys(functions, 0)
        self._lacking: set[Class] = set()
        self._pause, self._looked = SHORTEST_PAUSE, 0.0

    def room(self, wanted: Mapping[Class, int], sent: Mapping[Class, int]) -> dict[Class, int]:
        """How many more calls each class may be sent, with `sent` under way of those `wanted`.

        Never more calls than containers: what waits here can still go elsewhere or not at all, and
        a container that ends its call is one that the class can give up.
        """
        shares = fair(self._most, wanted, self._held)
        return {one: max(min(shares[one], self._held[one]) - sent[one], 0) for one in shares}

    async def move(self, wanted: Mapping[Class, int], sent: Mapping[Class, int]) -> None:
        """Let the shares come closer to what is wanted, if that is due."""
        before, self._lacking = self._lacking, self._lack(wanted)
        age = time.monotonic() - self._looked
        pause = self._pause if self._lacking else LOOK_EVERY
        if self._lacking <= before and age < pause:
            return
        held = self._held
        uses = await self._look(sent)
        # More than all: with another cap before, or two coordinators took the same free ones.
        too_many = sum(self._held.values()) > self._most
        back = any(use.leaving and wanted[one] for one, use in uses.items())
        if self._lack(wanted) or too_many or back:
            step = next_step(self._most, wanted, sent, uses)
            await self._tell(step.lower, dict.fromkeys(step.leave, LEAVING_WINDOW))
            await self._tell(step.higher, dict.fromkeys(step.stay, self._window))
            self._held = step.held
            self._lacking = self._lack(wanted)
        moved = self._held != held
        self._pause = SHORTEST_PAUSE if moved else min(2 * self._pause, LONGEST_PAUSE)

    def _lack(self, wanted: Mapping[Class, int]) -> set[Class]:
        shares = fair(self._most, wanted, self._held)
        return {one for one, share in shares.items() if share > self._held[one]}

    async def _look(self, sent: Mapping[Class, int]) -> dict[Class, Use]:
        found = await asyncio.gather(*(self._use(one) for one in self._functions))
        self._looked = time.monotonic()
        uses = dict(zip(self._functions, found, strict=True))
        self._held = {
            one: use.maximum if sent[one] or not use.empty else 0 for one, use in uses.items()
        }
        return uses

    async def _use(self, one: Class) -> Use:
        function = self._functions[one]
        settings = await self._patience.ask(function.autoscaler.settings.aio, "a maximum")
        stats = await self._patience.ask(function.get_current_stats.aio, "a count of containers")
        return Use(
            # None is no maximum at all: as much as there may be.
            self._most if settings.max_containers is None else settings.max_containers,
            stats.num_total_runners,
            stats.num_running_inputs,
            stats.backlog,
            settings.scaledown_window == LEAVING_WINDOW != self._window,
        )

    async def _tell(self, maxima: Mapping[Class, int], windows: Mapping[Class, int]) -> None:
        changes: dict[Class, dict[str, int]] = {one: {} for one in [*maxima, *windows]}
        for one, maximum in maxima.items():
            changes[one]["max_containers"] = maximum
        for one, window in windows.items():
            changes[one]["scaledown_window"] = window
        await asyncio.gather(*(self._set(one, change) for one, change in changes.items()))

    async def _set(self, one: Class, change: dict[str, int]) -> None:
        update = self._functions[one].autoscaler.update
        await self._patience.ask(lambda: update.aio(**change), "another maximum")


def fair(
    most: int, wanted: Mapping[Class, int], held: Mapping[Class, int] | None = None
) -> dict[Class, int]:
    """Shares of `most`, none above what is wanted; no smaller one could grow at a larger's cost.

    What does not divide goes to those that hold most, so that it stays where it is.
    """
    left = most
    open_ones = sorted(
        (one for one in wanted if wanted[one]), key=lambda one: -(held or {}).get(one, 0)
    )
    shares = dict.fromkeys(wanted, 0)
    while left and open_ones:
        each = max(left // len(open_ones), 1)
        for one in open_ones:
            more = min(each, wanted[one] - shares[one], left)
            shares[one] += more
            left -= more
        open_ones = [one for one in open_ones if shares[one] < wanted[one]]
    return shares


def next_step(
    most: int, wanted: Mapping[Class, int], sent: Mapping[Class, int], uses: Mapping[Class, Use]
) -> Step:
    """What to lower at once, and what to raise by that which no container uses any more.

    Nothing is lowered below its running calls, and nothing is raised by what a lowered class
    still has alive: that is left to a later step. An empty class to which nothing is sent uses
    nothing, though Modal's least maximum is 1.
    """
    goals = _goals(most, wanted, uses)
    unused = {one for one, use in uses.items() if use.empty and not sent[one]}
    maxima, held = {}, {}
    for one, use in uses.items():
        least = 1 if one in unused else max(goals[one], use.running, sent[one], 1)
        maxima[one] = min(least, use.maximum)
        held[one] = 0 if one in unused else max(maxima[one], use.alive)
    lacks = {one: max(goals[one] - held[one], 0) for one in uses}
    for one, more in fair(max(most - sum(held.values()), 0), lacks).items():
        held[one] = min(held[one], maxima[one]) + more
        maxima[one] = max(maxima[one], held[one])
    lower = {one: number for one, number in maxima.items() if number < uses[one].maximum}
    higher = {one: number for one, number in maxima.items() if number > uses[one].maximum}
    # Modal's least maximum is 1, so that the last idle one has to leave by its time.
    gone = {one for one, use in uses.items() if not (goals[one] or use.running or use.waiting)}
    leave = {one for one in gone if uses[one].alive and not (sent[one] or uses[one].leaving)}
    stay = {one for one in uses if uses[one].leaving and wanted[one] and held[one]}
    return Step(lower, higher, held, frozenset(leave), frozenset(stay))


def _goals(most: int, wanted: Mapping[Class, int], uses: Mapping[Class, Use]) -> dict[Class, int]:
    """Whom all of the cap should go to.

    After the jobs come containers that wait, warm, for another one; the rest is for those who may
    soon want more, so that not every further job is a reason for a step.
    """
    goals = fair(most, wanted, {one: use.maximum for one, use in uses.items()})
    spare = {one: max(use.alive - goals[one], 0) for one, use in uses.items()}
    goals = _sum(goals, fair(most - sum(goals.values()), spare))
    more = {one: _bound(one, most) - goals[one] if wanted[one] else 0 for one in goals}
    return _sum(goals, fair(most - sum(goals.values()), more))


def _sum(these: Mapping[Class, int], those: Mapping[Class, int]) -> dict[Class, int]:
    return {one: number + those[one] for one, number in these.items()}


def _bound(one: Class, most: int) -> int:
    return min(one.containers or most, most)


def counts(classes: Iterable[Class], found: Iterable[Class], most: int) -> dict[Class, int]:
    """How often each class was found, as far as it may have containers."""
    numbers = dict.fromkeys(classes, 0)
    for one in found:
        numbers[one] += 1
    return {one: min(number, _bound(one, most)) for one, number in numbers.items()}
