"""Scores of the answers: computed once for good, from what is stored where that can be."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from chatkit.compare.grid import key_of
from chatkit.compare.run import Place, Run
from chatkit.compare.shelf import FINAL, Shelf
from chatkit.engine import Engine
from chatkit.messages import as_messages
from chatkit.prompts import Settings
from chatkit.providers import get_model
from chatkit.replies import Reply
from chatkit.schema import schema_of
from chatkit.scores import Score, Verdict

AT_ONCE = 32  # runs that are scored at the same time


class Scoring:
    """The scores of a comparison. On the engine's loop."""

    def __init__(self, scores: Mapping[str, Score], shelf: Shelf, engine: Engine) -> None:
        self.scores = scores
        self._shelf = shelf
        self._engine = engine
        self._waiting: deque[Run] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_saving = False

    def serve(
        self,
        answer: Callable[[Run], Awaitable[None]],
        *,
        tell: Callable[[Run], None],
        idle: Callable[[], None],
    ) -> None:
        """`answer` sees a question of a score to its end; `idle` is told when nothing is left."""
        self._answer, self._tell, self._idle = answer, tell, idle

    @property
    def is_busy(self) -> bool:
        """Whether something is still being scored."""
        return bool(self._tasks or self._waiting) or self._is_saving

    async def restore(self, runs: Iterable[Run]) -> None:
        """Give each answered run what its scores have said. Raises StoreError."""
        asked = [(run, name) for run in runs if run.status in FINAL for name in self.scores]
        ids = [self._id(run, name) for run, name in asked]
        found = await self._shelf.verdicts(ids) if ids else []
        for (run, name), verdict in zip(asked, found, strict=True):
            if verdict is not None:
                run.scores[name] = verdict

    def add(self, run: Run) -> None:
        """Score it, where that has not been done."""
        if any(_is_missing(run, name) for name in self.scores):
            self._waiting.append(run)
            self._fill()

    def stop(self) -> None:
        """Score nothing more, nor wait for what is being scored."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()

    def _fill(self) -> None:
        while self._waiting and len(self._tasks) < AT_ONCE:
            task = self._engine.loop.create_task(self._score(self._waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._scored)

    def _scored(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._fill()
        if not self._tasks:
            self._is_saving = True
            self._last = self._engine.loop.create_task(self._save())

    async def _save(self) -> None:
        await self._shelf.flush()
        self._is_saving = False
        if not self.is_busy:
            self._idle()

    async def _score(self, run: Run) -> None:
        for name, score in self.scores.items():
            if _is_missing(run, name):
                id = self._id(run, name)
                verdict = await self._verdict(score, run)
                run.scores[name] = verdict
                if not verdict.error:  # what failed may go well another time
                    self._shelf.keep(id, verdict)
        self._tell(run)

    async def _verdict(self, score: Score, run: Run) -> Verdict:
        """What it says, also where what it raises would end the engine's loop."""
        try:
            return await score.verdict(run.reply, run.case, self._ask, asked=run.messages)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return Verdict(None, error=f"it ended with {error!r}")
        except KeyboardInterrupt as error:
            return Verdict(None, error=f"it ended with {error!r}")

    async def _ask(
        self,
        model: Any,
        messages: Any,
        *,
        options: Mapping[str, Any] | None = None,
        schema: Any = None,
    ) -> Reply:
        """An answer that a score wants: kept like the others, and asked once. Raises what kept it
        from being given."""
        shape = None if schema is None else schema_of(schema)
        settings = Settings(get_model(model), None, dict(options or {}), schema=shape, repair=True)
        settings.model.check(settings.options)
        said = as_messages(messages)
        run = Run(Place(-1, "score", settings.model.id), said, settings, key_of(said, settings))
        await self._answer(run)
        if run.error is not None:
            raise run.error
        return run.reply

    def _id(self, run: Run, name: str) -> str:
        """What a score says depends on its code, on the answer, and on the case."""
        told: Sequence[Any] = [run.key, len(run.older_rows), self.scores[name].print_, run.case]
        text = msgspec.json.encode(told, enc_hook=repr, order="sorted")
        return hashlib.blake2b(text, digest_size=16).hexdigest()


def _is_missing(run: Run, name: str) -> bool:
    verdict = run.scores.get(name)
    return verdict is None or bool(verdict.error)
