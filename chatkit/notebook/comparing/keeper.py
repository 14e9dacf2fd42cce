"""What a notebook keeps of a comparison: its table as HTML, shown where the view is gone."""

from __future__ import annotations

import asyncio

from chatkit.compare.page import table_html
from chatkit.notebook.comparing.stage import Stage
from chatkit.notebook.places import CellOutput
from chatkit.notebook.saved import fallback

PACE = 5.0  # seconds at least between updates
SIZE = 300_000  # bytes of it
_SHARE = 4  # and by such a part more runs must be over: it is sent whole


class Keeper:
    """Keeps the output up to date that stands in for a view which is gone. On the engine's
    thread, once it is made."""

    def __init__(self, stage: Stage, mark: str, output: CellOutput) -> None:
        self._stage = stage
        self._mark = mark  # a class of the table's element
        self._output = output
        self._kept = -1  # how many runs were over
        self._was_over = False
        self._busy = self._over = False
        stage.followers.append(self.look)
        stage.live.engine.call(self.look)

    def look(self) -> None:
        """Write it anew if there is reason to."""
        head = self._stage.board.shown["head"]
        done = head["total"] - head["running"] - head["queued"]
        is_more = done > self._kept + max(self._kept, 0) // _SHARE
        is_due = is_more or head["over"] is not self._was_over
        if is_due and not self._busy and not self._over:
            self._busy, self._kept, self._was_over = True, done, head["over"]
            self._task = self._stage.live.engine.loop.create_task(self._write())

    def end(self) -> None:
        """The view is not there any more: what is kept stays as it is."""
        self._over = True
        self._stage.followers.remove(self.look)

    async def _write(self) -> None:
        html = await asyncio.to_thread(table_html, self._stage.runs, size=SIZE)
        if not self._over:
            self._output.put(fallback(html, live=self._mark, has_words=False))
        await asyncio.sleep(PACE)
        self._busy = False
        self.look()
