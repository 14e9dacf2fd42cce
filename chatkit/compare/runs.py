"""`Runs`: a comparison, whatever has come of it so far."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from chatkit import engine as engines
from chatkit import host
from chatkit.compare.grid import Grid
from chatkit.compare.purse import Purse, estimate
from chatkit.compare.run import Run
from chatkit.compare.runner import Runner
from chatkit.compare.scoring import Scoring
from chatkit.compare.shelf import FINAL, Shelf
from chatkit.engine import Engine
from chatkit.errors import ConfigError
from chatkit.progress import progress
from chatkit.standing import count_of

if TYPE_CHECKING:
    from chatkit.compare.diff import Diff
    from chatkit.compare.plot import Plot
    from chatkit.compare.summary import Summary

Changed = Callable[[set[int]], None]
logger = logging.getLogger("chatkit")


class Runs(Sequence[Run]):
    """The runs of a comparison, in the order of its cases. Displayed, it is a live table.

    Everything can be read at any time, also while it runs and after an interrupt.
    """

    def __init__(
        self,
        grid: Grid,
        shelf: Shelf,
        scoring: Scoring,
        *,
        engine: Engine,
        purse: Purse,
        concurrency: Callable[[str], int],
        fresh: bool,
        given: Mapping[str, Any],
    ) -> None:
        self.given = given  # what `compare` was called with, by the names of its parameters
        self.prompts = grid.prompts
        self.models = grid.models
        self.systems = grid.systems
        self.variants = grid.variants
        self.cases = grid.cases
        self.samples = grid.samples
        self.score_names = list(scoring.scores)
        # of each score, the number from which an answer counts as right
        self.thresholds = {name: score.threshold for name, score in scoring.scores.items()}
        self.is_held = False  # it waits for `start`
        self._runs = grid.runs
        self._shelf = shelf
        self._engine = engine
        self._observers: list[Changed] = []
        self._changed: set[int] = set()
        self._runner = Runner(
            grid.runs,
            shelf,
            engine=engine,
            scoring=scoring,
            purse=purse,
            concurrency=concurrency,
            fresh=fresh,
            tell=self._tell,
        )
        left = [run for run in grid.runs if fresh or run.status not in FINAL]
        self.estimate = estimate(left)  # US dollars, for what was not answered at the beginning
        self._left = len(left)

    # -- the runs --

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, place: int) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> list[Run]: ...
    def __getitem__(self, place: int | slice) -> Run | list[Run]:
        return self._runs[place]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def where(self, **named: Any) -> list[Run]:
        """The runs of a prompt, a model, a status, a sample, an option or a field of the case.

        Raises ConfigError for a name that is none of these.
        """
        return [run for run in self._runs if all(_has(run, *item) for item in named.items())]

    @property
    def texts(self) -> list[str]:
        """The text of each answer so far, in the order of the cases."""
        return [run.text for run in self._runs]

    # -- how it stands --

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are in each status."""
        return dict(Counter(run.status for run in self._runs))

    @property
    def done(self) -> Future[None]:
        """What has a result once nothing more comes by itself."""
        return self._runner.done

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes by itself."""
        return self.done.done()

    @property
    def cost(self) -> float:
        """US dollars that the answers here have cost, whenever they were asked, and the judges."""
        judged = (verdict.cost or 0.0 for run in self._runs for verdict in run.scores.values())
        return sum(run.cost or 0.0 for run in self._runs) + sum(judged)

    @property
    def left(self) -> float | None:
        """Seconds until it is over, at the pace so far; None where that cannot be told yet."""
        began, asked = self._runner.began, self._runner.asked
        if began is None or not asked or self.is_over:
            return None
        return (time.monotonic() - began) / asked * max(0, self._left - asked)

    @property
    def notes(self) -> list[str]:
        """What holds a provider back, in words."""
        return [note for lane in list(self._runner.lanes) if (note := lane.note)]

    def observe(self, callback: Changed) -> Callable[[], None]:
        """Call `callback` with the indices of the runs that have changed, on the engine's thread,
        until what this returns is called."""
        self._observers.append(callback)
        return lambda: self._observers.remove(callback) if callback in self._observers else None

    # -- going on and ending --

    def start(self) -> Runs:
        """Ask what is left, where it waits to be told so."""
        if self.is_held or self._runner.began is None:
            self.is_held = False
            self._do(self._runner.start)
        return self

    def stop(self) -> Runs:
        """Ask no more, and stop what is being answered; what arrived is kept."""
        self.is_held = False
        self._do(self._runner.stop)
        return self

    def give_way(self) -> None:
        """Leave what is left to another comparison."""
        self._do(self._runner.give_way)

    def retry(self, runs: Run | Iterable[Run] | None = None, *, fresh: bool = False) -> Runs:
        """Ask again what ended without an answer, and score what could not be scored.

        With `fresh`, what was answered too: the answers before stay beside (`run.older`).
        """
        chosen = self._runs if runs is None else [runs] if isinstance(runs, Run) else list(runs)
        self._do(lambda: (self._runner.renew if fresh else self._runner.retry)(chosen))
        return self

    def wait(self, timeout: float | None = None) -> Runs:
        """Block until it is over; an interrupt ends the wait, never the runs.

        Raises TimeoutError after `timeout` seconds, ConfigError where it waits for `start`.
        """
        self._check_started()
        try:
            with progress(self._standing):
                while not (done := self.done).done():
                    engines.wait(done, timeout)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(engines.INTERRUPTED) from None
        return self

    def __await__(self) -> Generator[Any, None, Runs]:
        return self._ended().__await__()

    async def _ended(self) -> Runs:
        self._check_started()
        with progress(self._standing):
            while not (done := self.done).done():
                await engines.join(done)
        return self

    def delete(self) -> None:
        """Stop, and remove the answers of this comparison from the store, for good."""
        self.stop().wait()
        engines.get_engine().run(self._shelf.remove(self._runs))

    def _check_started(self) -> None:
        if self.is_held:
            raise ConfigError(
                f"it waits for runs.start(): it would take about ${self.estimate:,.2f}"
            )

    def _do(self, work: Callable[[], None]) -> None:
        """Do it on the engine's loop, and return once it is done."""

        async def on_loop() -> None:
            work()

        if self._engine.is_here:
            work()
        else:
            self._engine.run(on_loop())

    def _tell(self, run: Run) -> None:
        """It has changed. On the engine's loop."""
        if run.index < 0 or not self._observers:
            return
        if not self._changed:
            self._engine.ticker.soon(self._tick)
        self._changed.add(run.index)

    def _tick(self) -> None:
        changed, self._changed = self._changed, set()
        for callback in list(self._observers):
            try:
                callback(changed)
            except Exception:
                logger.exception("a view of this comparison failed; the comparison goes on")
                self._observers.remove(callback)

    # -- reading --

    def rows(self) -> list[dict[str, Any]]:
        """One dict a run: names, case, options, text, status, tokens, cost, seconds, scores."""
        from chatkit.compare.rows import rows_of

        return rows_of(self)

    @property
    def df(self) -> Any:
        """`rows()` as a pandas DataFrame, where there is pandas."""
        from chatkit.compare.rows import frame_of

        return frame_of(self)

    def summary(self) -> Summary:
        """Scores with their intervals, errors, tokens, cost and time, and who wins against whom."""
        from chatkit.compare.summary import Summary

        return Summary(self)

    def diff(self, a: Any, b: Any, **where: Any) -> Diff:
        """What differs, word by word, between two prompts, models, system prompts or options."""
        from chatkit.compare.diff import diff_of

        return diff_of(self, a, b, **where)

    def plot(self, score: str | None = None, against: str | None = None) -> Plot:
        """A score against `"cost"` or `"seconds"`, a point for each prompt and model; unless said
        otherwise, against cost where any is known."""
        from chatkit.compare.plot import plot_of

        return plot_of(self, score=score, against=against)

    def export(self, path: str | os.PathLike[str], *, for_spreadsheet: bool = False) -> Path:
        """Write it to a file, as its suffix says: .csv .jsonl .parquet .html, and .yaml for
        promptfoo. A .csv `for_spreadsheet` is one in which no answer becomes a formula.

        Raises ConfigError for another suffix, OSError where it cannot be written.
        """
        from chatkit.compare.out import export

        return export(self, path, for_spreadsheet=for_spreadsheet)

    def _ipython_display_(self) -> None:
        host.current().display(self)

    def _standing(self) -> str:
        counts = self.counts
        told = [f"{counts.get('complete', 0):,} of {count_of(len(self), 'run')} answered"]
        told += [f"{counts[name]:,} {name}" for name in ("error", "skipped") if name in counts]
        return " · ".join([*told, *self.notes])

    def __repr__(self) -> str:
        return f"<Runs {self._standing()}>"


def _has(run: Run, name: str, wanted: Any) -> bool:
    match name:
        case "prompt" | "model" | "status" | "sample":
            return bool(getattr(run, name) == wanted)
        case "system":
            return bool(run.place.system == wanted)
    for fields in (run.options, run.case):
        if name in fields:
            return bool(fields[name] == wanted)
    raise ConfigError(
        f"there is no {name!r} to choose by: prompt, model, system, status, sample, an option that"
        " is varied, or a field of the case"
    )
