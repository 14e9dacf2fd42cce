"""What each click in the view of a comparison does, on the thread that it arrives on: it may wait
there."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from chatkit.compare.run import Run
from chatkit.errors import ChatkitError
from chatkit.notebook.comparing.stage import Stage
from chatkit.notebook.comparing.wanted import wanted_of

JSON = dict[str, Any]
_FEW = 200  # rows that a script may ask for at once
logger = logging.getLogger("chatkit")


class Clicks:
    """What a view's script says, carried out."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def take(self, click: JSON) -> None:
        """Do what was clicked; what cannot be done is said in the view."""
        try:
            if not self._table(click) and not self._run(click) and not self._runs(click):
                logger.warning("the script of a comparison says what is not known: %r", click)
        except ChatkitError as error:
            self._say(str(error))
        except Exception as error:  # nobody else would ever be told of it
            logger.exception("a click in a comparison failed: %r", click.get("do"))
            self._say(f"This failed: {type(error).__name__}: {error}")

    # -- what is clicked, by what it is about --

    def _table(self, click: JSON) -> bool:
        """What is shown of it."""
        stage, live = self._stage, self._stage.live
        match click:
            case {"do": "rows", "from": int(first), "to": int(last), "arranged": int(arranged)}:
                places = range(max(0, first), min(last, first + _FEW))
                live.engine.call(live.reach, places, arranged)
            case {"do": "arrange", "wanted": dict(told)}:
                wanted = wanted_of(told, stage.runs.thresholds)
                live.engine.call(live.arrange, wanted, live.arranged(wanted))
            case {"do": "page", "page": str(page)}:
                stage.pages.show(page, click)
            case {"do": "leave_page"}:
                stage.pages.leave()
            case {"do": "tell"}:
                stage.tell_all()
            case _:
                return False
        return True

    def _run(self, click: JSON) -> bool:
        """One run."""
        stage, live = self._stage, self._stage.live
        match click:
            case {"do": "open", "run": int(index)}:
                live.engine.call(live.open, self._found(index))
            case {"do": "close"}:
                live.engine.call(live.open, None)
            case {"do": "copy", "run": int(index)}:
                stage.board.send({"copied": index, "text": self._found(index).text})
            case {"do": "again", "run": int(index)}:
                run = self._found(index)
                stage.runs.retry(run, fresh=run.status == "complete")
            case {"do": "chat", "run": int(index)}:
                stage.open_chat(self._found(index))
            case {"do": "close_chat"}:
                stage.close_chat()
            case _:
                return False
        return True

    def _runs(self, click: JSON) -> bool:
        """All of them."""
        runs = self._stage.runs
        match click:
            case {"do": "start"}:
                runs.start()
            case {"do": "stop"}:
                runs.stop()
            case {"do": "retry"}:
                runs.retry()
            case _:
                return False
        self._stage.live.engine.call(self._stage.live.look)
        return True

    def _found(self, index: int) -> Run:
        return self._stage.runs[index]

    def _say(self, text: str) -> None:
        self._stage.tell(notice={"id": secrets.token_hex(4), "text": text, "kind": "error"})
