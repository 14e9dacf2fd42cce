"""One run in full: the whole answer while it grows, what was asked, and what was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from chatkit.beside import pieces
from chatkit.compare.diff.pieces import diff_words
from chatkit.compare.run import Run
from chatkit.messages import Message
from chatkit.notebook import words
from chatkit.notebook.comparing.cells import chips, money
from chatkit.notebook.comparing.shape import short
from chatkit.notebook.sections import Change, Sections
from chatkit.standing import status_line

JSON = dict[str, Any]
LONGEST = 20_000  # characters of a folded message, and of a text that is compared
_AGAIN = "Ask again with the button below."


class Detail:
    """A run as the script shows it when it is opened: `state`."""

    def __init__(
        self, run: Run, right_from: Mapping[str, float], beside: Run | None = None
    ) -> None:
        self.run = run
        self._right_from = right_from
        self.beside = beside
        self._sections = Sections()
        self._message: Message | None = None
        self._older = len(run.older_rows)
        self.state: JSON = {
            "run": run.index,
            "title": [short(part) for part in (run.prompt, run.place.system, run.model) if part],
            "about": _about(run),
            "asked": [[message.role, _html(message)] for message in run.messages],
            # the newest first
            "older": [[status_line(message), _html(message)] for message in run.older[::-1]],
            "sections": self._sections.state,
            "foot": {},
        }
        self.update()

    @property
    def runs(self) -> list[Run]:
        """Whose changes show in it."""
        return [self.run] if self.beside is None else [self.run, self.beside]

    @property
    def is_asked_again(self) -> bool:
        """Whether what it shows as the answer is an earlier one by now."""
        return len(self.run.older_rows) != self._older

    def update(self) -> tuple[list[Change], JSON]:
        """Show it as it stands now: what is new of its text, and what stands below that."""
        message, changes = self.run.message, []
        if message is not None and message is not self._message:
            changes = self._sections.update(message, ended=self.run.is_over)
        self._message = message
        foot = _foot(self.run, message) | self._said()
        if foot == self.state["foot"]:
            return changes, {}
        self.state["foot"] = foot
        return changes, foot

    def _said(self) -> JSON:
        verdicts = self.run.scores.values()
        chipped = zip(chips(self.run, self._right_from), verdicts, strict=True)
        scores = [
            [*chip, verdict.reason, verdict.error, money(verdict.cost)] for chip, verdict in chipped
        ]
        return {"scores": scores, "differs": self._differs(), "does": _does(self.run)}

    def _differs(self) -> list[list[str]]:
        if self.beside is None or not self.run.is_over or not self.beside.is_over:
            return []
        return [[piece.kind, piece.text] for piece in diff_words(self.beside.text, self.run.text)]


def _about(run: Run) -> list[list[str]]:
    """What else it is made of, by name."""
    told = [[str(name), short(value)] for name, value in (*run.case.items(), *run.options.items())]
    return [*told, ["sample", str(run.sample)]] if run.sample > 1 else told


def _html(message: Message) -> str:
    """A message that is folded, as safe HTML."""
    if len(message.text) > LONGEST:
        return f'<p class="raw">{escape(message.text[:LONGEST])} …</p>'
    return "".join(piece.html for piece in pieces(message))


def _foot(run: Run, message: Message | None) -> JSON:
    """How it stands, in the words of an answer's own view."""
    told: JSON = {"over": run.is_over, "since": None, "notices": "", "buttons": (), "each": ()}
    if run.skipped or message is None:
        told["line"] = run.skipped or run.waits or "Queued"
    else:
        foot = words.foot(run.reply.feed, message, again=_AGAIN)
        line = status_line(message) if run.is_over else foot["line"]
        told |= {"line": line, "since": foot["since"], "notices": foot["notices"]}
    return told


def _does(run: Run) -> list[str]:
    """What can be done with it now."""
    does = ["copy"] if run.text else []
    if run.is_over and not run.skipped:
        does.append("chat")
    if run.is_over:
        does.append("again")
    return does
