"""The live view of a reply: follows its feed, shows it in a widget, leaves Markdown behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ipywidgets import Box, Output

from chatkit.errors import ChatkitError
from chatkit.messages import FilePart, Message
from chatkit.notebook import words
from chatkit.notebook.places import CellOutput
from chatkit.notebook.saved import fallback
from chatkit.notebook.widget import ReplyWidget
from chatkit.replies import Reply

PACE = 0.08  # seconds between updates
SHARE = 0.01  # or so many for each answer being written: nobody reads two hundred at once
SAVE_PACE = 2.0  # seconds at least between updates of the text that a save would keep
SAVE_GROWTH = 1.5  # and as it is sent whole, it must have grown by so much: this adds up linearly
_NOTHING = {"text/plain": ""}


class LiveView:
    """A reply in a widget. In a cell its last word is plain Markdown in the widget's place;
    in a widget of the user's own (`output` is None) it stays. The output below it is there for
    what must not be in the widget's: what stands in for it where it is gone, and the buttons of
    an answer that broke off. These are a view too, which knows the output `above` it."""

    def __init__(
        self,
        reply: Reply,
        widget: ReplyWidget,
        output: CellOutput | None,
        *,
        above: CellOutput | None = None,
        below: CellOutput | None = None,
    ) -> None:
        self._reply = reply
        self._feed = reply.feed
        self._widget = widget
        self._output = output
        self._above = above
        self._below = below or (output and output.another())
        self._due = 0.0
        self._called = False
        self._retired = False
        self._next: LiveView | None = None  # what offers to go on with it, or shows the rest
        self._leave = self._unwatch = _nothing
        self._saved = -1
        self._save_due = time.monotonic() + SAVE_PACE
        widget.clicked = self._clicked

    def follow(self, *, moved: bool = False) -> None:
        """Show the reply as it grows, until it has ended; the widget has `moved` from below."""
        self._feed.engine.call(self._begin, moved)

    def offer(self) -> None:
        """Offer to go on with it; whoever does so, wherever, the rest is shown above."""
        self._leave = self._reply.when_resumed(self._join)
        assert self._output is not None
        self._output.put(*self._widget.bundle(_NOTHING))

    def _join(self, reply: Reply) -> None:
        self._next = LiveView(reply, self._widget, self._above, below=self._output)
        self._next.follow(moved=True)

    def retire(self) -> None:
        """Nobody sees it any more: the cell has been run again."""
        self._feed.engine.call(self._retire)

    # -- on the engine's thread --

    def _begin(self, moved: bool = False) -> None:
        self._unwatch = self._feed.watch(self._look)
        self._look()
        if moved and self._output is not None and self._below is not None and not self._feed.ended:
            self._output.replace(*self._widget.bundle(_saved(self._reply)))
            self._below.clear()  # now that the widget says that it is not over
        self._feed.engine.loop.call_later(SAVE_PACE, self._look_again)  # nothing may come for long

    def _look(self) -> None:
        if self._feed.ended:
            self._end()
        elif self._due <= time.monotonic():
            self._update()
        elif not self._called:
            self._called = True
            self._feed.engine.ticker.soon(self._look_again)

    def _look_again(self) -> None:
        self._called = False
        if not self._feed.ended and not self._retired:
            self._look()

    def _update(self) -> None:
        self._due = time.monotonic() + max(PACE, SHARE * len(self._feed.engine.running))
        self._show()
        if self._save_due <= time.monotonic():
            self._save()

    def _save(self) -> None:
        """Let a notebook that is saved while the answer grows hold what there is by now."""
        count = len(self._feed.chunks)
        if self._output is None or self._below is None or count <= self._saved * SAVE_GROWTH:
            return
        self._saved, self._save_due = count, time.monotonic() + SAVE_PACE
        self._output.replace(*self._widget.bundle(_saved(self._reply)))
        self._below.put(fallback(words.so_far(self._feed), live=self._widget.live))

    def _end(self) -> None:
        self._unwatch()
        if self._feed.successor is not None:  # it was asked for again, beside this
            self._feed = self._feed.last
            return self._begin()
        self._show_for_good()
        if self._output is not None and self._below is not None:
            self._next = offer(self._reply, self._output, self._below)
        told = len(self._feed.warnings)

        def on_finish_called(_: object) -> None:
            if len(self._feed.warnings) > told:
                self._show_for_good()

        self._feed.done.add_done_callback(on_finish_called)

    def _show_for_good(self) -> None:
        if self._output is not None:
            self._output.replace(_saved(self._reply))
            self._show()  # where a page was loaded meanwhile, it cannot replace the output
        else:
            self._show()
            self._widget.tell_all()  # where widgets are saved with a notebook, this is saved

    def _show(self) -> None:
        message = self._feed.message()
        self._widget.show(_foot(self._reply, message), message, ended=self._feed.ended)

    def _retire(self) -> None:
        self._retired = True
        self._unwatch()
        self._leave()
        self._widget.close()
        if self._next is not None:
            self._next._retire()

    # -- on the thread that takes what is clicked --

    def _clicked(self, what: str) -> None:
        call = self._feed.engine.call
        what, calls = words.clicked(what)
        match what:
            case "stop":
                self._reply.stop()
            case "approve" | "deny":
                decide = self._reply.approve if what == "approve" else self._reply.deny
                for id in calls:
                    decide(id)
            case "resume":
                self._go_on(self._reply.resume)
            case "again":
                self._go_on(self._reply.regenerate)
            case "tell":
                call(self._widget.tell_all)
            case "close" if self._output is not None and self._feed.ended:
                call(self._widget.close)

    def _go_on(self, ask: Callable[[], Reply]) -> None:
        """Show the answer that `ask` brings: here, or where the beginning of it stands."""
        try:
            reply = ask()
        except ChatkitError as refused:
            foot = _foot(self._reply, self._reply.message) | words.refused(refused)
            self._feed.engine.call(self._widget.show, foot)
        else:
            if reply.id != self._reply.id:
                self._leave()
                LiveView(reply, self._widget, self._output).follow()


class SavedView:
    """A reply where nobody looks: as it stands now, and as it stands at the cell's end."""

    def __init__(self, reply: Reply, output: CellOutput) -> None:
        self._reply = reply
        self._output = output
        output.open(_saved(reply))

    def finish(self) -> None:
        """The cell ends."""
        self._output.replace(_saved(self._reply))


def _nothing() -> None:
    """There is nothing to leave."""


def show_live(reply: Reply, output: CellOutput) -> LiveView:
    """Show a reply in an output of the cell that runs now, and follow it."""
    widget = ReplyWidget(_foot(reply, reply.message))
    view = LiveView(reply, widget, output)
    output.open(*widget.bundle(_saved(reply)))
    view.follow()
    return view


def show_ended(reply: Reply, output: CellOutput, *, offering: bool) -> LiveView | None:
    """Show a reply that is over; with `offering`, go on from it if it broke off: by that view."""
    output.open(_saved(reply))
    return offer(reply, output, output.another()) if offering else None


def show_files(turn: Message, output: CellOutput) -> None:
    """Show what was sent along with a question, pictures as thumbnails."""
    files = [part for part in turn.parts if isinstance(part, FilePart)]
    if files:
        output.open(words.sent(files))


def show_into(reply: Reply, into: Any) -> None:
    """Show a reply live in an `ipywidgets.Output` or a box, below what is in it already."""
    widget = ReplyWidget(_foot(reply, reply.message))
    view = LiveView(reply, widget, None)
    match into:
        case Output():
            into.append_display_data(widget)
        case Box():
            into.children = (*into.children, widget)
        case _:
            raise TypeError(f"into is an ipywidgets.Output or a box, not {type(into).__name__}")
    view.follow()


def offer(reply: Reply, output: CellOutput, below: CellOutput) -> LiveView | None:
    """Below an answer that broke off: Ask again, and Resume where that goes on from there."""
    message = reply.message
    if not _offers(reply, message):
        below.clear()
        return None
    widget = ReplyWidget(_foot(reply, message) | {"line": "", "notices": ""})
    view = LiveView(reply, widget, below, above=output)
    view.offer()
    return view


def _offers(reply: Reply, message: Message) -> words.Buttons:
    broke_off = reply.in_chat and words.broke_off(message)
    return words.offers(can_resume=reply.can_resume) if broke_off else ()


def _foot(reply: Reply, message: Message) -> dict[str, Any]:
    offered = _offers(reply, message)
    return words.foot(reply.feed, message, offered, outlives=reply.is_elsewhere)


def _saved(reply: Reply) -> dict[str, str]:
    return words.saved(reply.feed, _offers(reply, reply.message))
