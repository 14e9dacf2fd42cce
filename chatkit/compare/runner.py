"""What asks the runs of a comparison, in the background, and sees each through to its scores.

Everything here happens on the engine's loop. A run is queued, asked, over, and scored; whatever
others ask already, in this process or another, is waited for and not asked again.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from chatkit.compare.lane import Lane
from chatkit.compare.purse import Purse
from chatkit.compare.run import Run
from chatkit.compare.scoring import Scoring
from chatkit.compare.shelf import FINAL, Attempt, Shelf
from chatkit.engine import Engine, Running
from chatkit.errors import RateLimited, StoreError

PACE = 0.25  # seconds between looks at what other processes ask
MOST_REFUSALS = 12  # of one run, before that is its error
OVER_BUDGET = "not asked: it could pass the budget of ${:,.2f}"
STOPPED = "stopped before it was asked"
STOPPED_HERE = "stopped here; it goes on for another comparison, and retry() takes its answer"
REPLACED = "not asked here: its cell was run again"


class Runner(Running):
    """Asks what is left of a grid."""

    def __init__(
        self,
        runs: Iterable[Run],
        shelf: Shelf,
        *,
        engine: Engine,
        scoring: Scoring,
        purse: Purse,
        concurrency: Callable[[str], int],
        fresh: bool,
        tell: Callable[[Run], None],
    ) -> None:
        self.done: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.asked = 0  # answers that have come since it was started
        self.began: float | None = None  # on the monotonic clock
        self.purse = purse
        self._runs = list(runs)
        self._shelf = shelf
        self._engine = engine
        self._scoring = scoring
        self._concurrency = concurrency
        self._fresh = {run for run in self._runs if fresh}
        self._tell = tell
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._elsewhere: set[Run] = set()
        self._looking: asyncio.Task[None] | None = None
        self._refusals: dict[Run, int] = {}
        self._stopped = ""  # why nothing more is asked or scored, in words
        self._waiters: dict[Run, asyncio.Future[None]] = {}
        scoring.serve(self.answer, tell=tell, idle=self._settle)

    # -- for whoever looks at it --

    @property
    def lanes(self) -> Iterable[Lane]:
        """One for each provider."""
        return self._lanes.values()

    @property
    def unattended(self) -> bool:
        return not self.done.done()

    async def ended(self) -> None:
        await asyncio.wrap_future(self.done)

    # -- what it is told --

    def start(self) -> None:
        """Ask what is left."""
        self.began = time.monotonic()
        self._go_on()
        for run in self._runs:
            if run.status in FINAL and run not in self._fresh:
                self._scoring.add(run)
        self._queue([run for run in _first_samples_first(self._runs) if self._is_left(run)])

    def stop(self) -> None:
        """Ask and score no more, and stop what is under way; what came is kept. What another
        comparison waits for too goes on, there."""
        self._drop(STOPPED)
        for lane in self._lanes.values():
            for run, attempt in list(lane.busy.items()):
                if attempt.let_go(run):
                    self._leave(lane, run)
                else:
                    attempt.producer.stop()
        self._settle()

    def give_way(self) -> None:
        """Ask no more: another one does. It sees the end of what is under way, as one that looks
        on."""
        self._drop(REPLACED)
        for lane in self._lanes.values():
            for run, attempt in lane.busy.items():
                attempt.let_go(run)
        self._settle()

    def interrupt(self) -> None:
        self._drop(STOPPED)

    def retry(self, runs: Iterable[Run]) -> None:
        """Ask these again, but for those that are under way; score again what could not be."""
        again = [run for run in runs if run.is_over]
        self._go_on()
        for run in again:
            run.skipped = ""
            if run.status in FINAL and run not in self._fresh:
                self._scoring.add(run)
        self._queue([run for run in again if self._is_left(run)])

    def renew(self, runs: Iterable[Run]) -> None:
        """Ask these again beside the answer that there is."""
        self._fresh |= set(runs)
        self.retry(runs)

    async def answer(self, run: Run) -> None:
        """Ask a run that is not of the grid, before those that are; return once it is over."""
        await self._shelf.restore([run])
        if run.status not in FINAL:
            over = self._waiters[run] = self._engine.loop.create_future()
            self._wait(run).appendleft(run)
            self._fill(self._lane(run))
            await over

    # -- from queued to over --

    def _go_on(self) -> None:
        self._stopped = ""
        for lane in self._lanes.values():
            for run, attempt in lane.busy.items():
                attempt.wanted_by.add(run)  # where it had given way
        if self.done.done():
            self.done = concurrent.futures.Future()
        self._engine.running.add(self)

    def _is_left(self, run: Run) -> bool:
        return run in self._fresh or run.status not in FINAL

    def _queue(self, runs: Iterable[Run]) -> None:
        for run in runs:
            if run.is_elsewhere and run not in self._fresh:
                self._wait_for(run)
            elif run.key in self._shelf.live:
                self._start(self._lane(run), run)
            else:
                self._wait(run).append(run)
        self._fill_all()
        self._settle()

    def _wait(self, run: Run) -> deque[Run]:
        """Where it waits from now on."""
        run.is_waiting = True
        return self._lane(run).waiting

    def _lane(self, run: Run) -> Lane:
        model = run.settings.model
        way = model.provider, model.base_url
        if way not in self._lanes:
            wanted = self._concurrency(model.provider)
            self._lanes[way] = Lane(min(wanted, model.endpoint.at_once or wanted))
        return self._lanes[way]

    def _fill_all(self) -> None:
        for lane in list(self._lanes.values()):
            self._fill(lane)

    def _fill(self, lane: Lane) -> None:
        while lane.waiting and lane.has_room:
            if self.purse.has_room(lane.waiting[0]):
                self._start(lane, lane.waiting.popleft())
            elif self.purse.is_waiting:
                return  # what is under way may cost less than was set aside for it
            else:
                self._skip(lane.waiting.popleft(), OVER_BUDGET.format(self.purse.budget))

    def _start(self, lane: Lane, run: Run) -> None:
        self.purse.set_aside(run)
        run.is_waiting, run.is_elsewhere, run.scores = False, False, {}
        attempt = self._shelf.ask(run, fresh=run in self._fresh)
        run.feed = attempt.feed
        lane.busy[run] = attempt
        attempt.feed.watch(lambda: self._tell(run))
        attempt.feed.done.add_done_callback(lambda _: self._ended(lane, run, attempt))
        self._tell(run)

    def _leave(self, lane: Lane, run: Run) -> None:
        """What is under way ends elsewhere."""
        del lane.busy[run]
        run.feed = None  # what it had before is its answer again
        self.purse.let_go(run)
        self._skip(run, STOPPED_HERE)

    def _ended(self, lane: Lane, run: Run, attempt: Attempt) -> None:
        if lane.busy.get(run) is not attempt:
            return  # it was left
        del lane.busy[run]
        run.message, error = attempt.feed.message(), attempt.feed.error
        self.purse.settle(run)
        if attempt.journal.is_elsewhere:
            run.message = None
            self._skip(run, self._stopped) if self._stopped else self._wait_for(run)
        elif isinstance(error, RateLimited) and self._is_patient(run):
            lane.refused()
            self._wait(run).appendleft(run)
        else:
            lane.answered()
            self._over(run)
        self._fill_all()
        self._settle()

    def _is_patient(self, run: Run) -> bool:
        """Whether a run that was refused for too many requests is asked again."""
        self._refusals[run] = self._refusals.get(run, 0) + 1
        return self._refusals[run] <= MOST_REFUSALS and not self._stopped

    def _over(self, run: Run) -> None:
        self.asked += 1
        self._fresh.discard(run)
        self._refusals.pop(run, None)
        if (waiter := self._waiters.pop(run, None)) is not None:
            if not waiter.done():  # else what waited has been stopped
                waiter.set_result(None)
        elif run.status in FINAL and not self._stopped:
            self._scoring.add(run)
        self._tell(run)

    def _skip(self, run: Run, why: str) -> None:
        run.is_waiting, run.skipped = False, why
        self._over(run)

    def _drop(self, why: str) -> None:
        """Ask and score nothing more; what others ask goes on where it is."""
        self._stopped = why
        self._scoring.stop()
        for lane in self._lanes.values():
            while lane.waiting:
                self._skip(lane.waiting.popleft(), why)
        while self._elsewhere:
            run = self._elsewhere.pop()
            run.is_elsewhere = False
            self._skip(run, why)

    def _settle(self) -> None:
        """Say that it is done, if it is."""
        is_busy = any(lane.waiting or lane.busy for lane in self._lanes.values())
        if not (is_busy or self._elsewhere or self._scoring.is_busy or self.done.done()):
            self._engine.running.discard(self)
            self.done.set_result(None)

    # -- what other processes ask --

    def _wait_for(self, run: Run) -> None:
        run.is_elsewhere = True
        self._elsewhere.add(run)
        self._tell(run)
        if self._looking is None or self._looking.done():
            self._looking = self._engine.loop.create_task(self._look())

    async def _look(self) -> None:
        while self._elsewhere:
            await asyncio.sleep(PACE)
            looked_at = list(self._elsewhere)
            try:
                await self._shelf.look(looked_at)
            except StoreError as error:
                if not error.retryable:
                    self._give_up(looked_at, error)
                continue
            for run in looked_at:
                if run in self._elsewhere and not run.is_elsewhere:
                    self._elsewhere.discard(run)
                    self._came(run)
            self._fill_all()
            self._settle()

    def _give_up(self, runs: Iterable[Run], error: StoreError) -> None:
        for run in runs:
            self._elsewhere.discard(run)
            run.is_elsewhere = False
            self._skip(run, f"another process asks it, whose answer cannot be read: {error}")
        self._settle()

    def _came(self, run: Run) -> None:
        """Another process has ended it, or is gone."""
        self.purse.count(run)
        if run.status in FINAL:
            self._over(run)
        else:
            self._wait(run).appendleft(run)


def _first_samples_first(runs: Iterable[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run.sample)


def concurrency_of(given: int | Mapping[str, int]) -> Callable[[str], int]:
    """How many at once for a provider, of a number for all or one for each."""
    if isinstance(given, Mapping):
        return lambda provider: given.get(provider, DEFAULT)
    return lambda _: given


DEFAULT = 16
