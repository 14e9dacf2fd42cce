"""The words around an answer: the waiting line, the status line, the boxes, the saved text.

Pure functions. What is saved in a notebook must be readable without a kernel, and safe where
the Markdown of a trusted notebook is not sanitized.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from chatkit.answers.calls import mark_of, open_calls
from chatkit.answers.feed import Feed
from chatkit.beside import file_line, literal, pieces, question
from chatkit.errors import describe
from chatkit.files.pictures import thumbnail
from chatkit.messages import FilePart, Message, ToolPart
from chatkit.render import html, image, markdown, plain
from chatkit.standing import status_line, waiting_words

AGAIN_IN_CELL = "Run the cell again to ask again."
Buttons = tuple[tuple[str, str], ...]  # what each one says when clicked, and its label
_STOP: Buttons = (("stop", "Stop"),)
_ALLOW: Buttons = (("approve", "Allow"), ("deny", "Do not allow"))
_RESUME: Buttons = (("resume", "Resume"),)
_AGAIN: Buttons = (("again", "Ask again"),)


class Notice(NamedTuple):
    """What a reader must know beside the answer: whose words it holds, and what to do."""

    title: str
    told: str = ""  # somebody else's words, shown as they are
    advice: str = ""  # in Markdown

    @property
    def markdown(self) -> str:
        return " ".join(filter(None, [f"**{self.title}**", literal(self.told), self.advice]))

    @property
    def plain(self) -> str:
        return " ".join(filter(None, self))


_GONE = "The kernel stopped while this was being written. Run the cell again."
_WRITTEN_ON = "It is still being written in the background: run the cell again to see it."
_CUT = Notice(
    "Saved while it was being written.", advice="Run the cell again to see what became of it."
)


# -- what the view shows --


def foot(
    feed: Feed,
    message: Message,
    offered: Buttons = (),
    *,
    outlives: bool = False,
    again: str = AGAIN_IN_CELL,
) -> dict[str, Any]:
    """What stands below an answer, as the view's script takes it; `offered` once it is over.
    `outlives`: it goes on where this kernel ends, which the script says when that is so. `again`:
    how it is asked for again.
    """
    began = message.created_at if message.status == "streaming" else None
    asked = [] if feed.ended else _asked(message)
    said = [html(_box(notice)) for notice in notices(feed, message, offered, again)]
    return {
        "over": feed.ended,
        "line": status_line(message) if feed.ended else live_line(feed, message),
        "since": None if began is None else began.timestamp() * 1000,
        "notices": "".join([*said, *(_question(part, alone=len(asked) == 1) for part in asked)]),
        "buttons": offered if feed.ended else _buttons(asked),
        "each": _ALLOW,  # for one of several calls that wait
        "gone": _WRITTEN_ON if outlives else _GONE,
    }


def _buttons(asked: list[ToolPart]) -> Buttons:
    """A click names the calls that were on the page: another may come at that very moment."""
    if not asked:
        return _STOP
    about = " ".join(_spelled(part) for part in asked)
    yes, no = ("Allow", "Do not allow") if len(asked) == 1 else ("Allow all", "Allow none")
    return ((f"approve {about}", yes), (f"deny {about}", no), *_STOP)


def clicked(what: str) -> tuple[str, list[str]]:
    """What a button says when clicked: what to do, and the ids of the calls it is about."""
    what, _, about = what.partition(" ")
    return what, [unquote(id) for id in about.split()]


def _spelled(part: ToolPart) -> str:
    return quote(part.tool_call_id, safe="")


def _asked(message: Message) -> list[ToolPart]:
    """The calls that wait to be allowed."""
    return [part for part in open_calls(message) if part.state == "approval-requested"]


def _question(part: ToolPart, *, alone: bool) -> str:
    """What is asked about a call; where it is not `alone`, the script puts buttons below it."""
    asked = Notice(f"May {literal(part.title or part.tool_name)} run?", "", question(part))
    box = html(_box(asked))
    return box if alone else f'<div data-call="{_spelled(part)}">{box}</div>'


def refused(error: Exception) -> dict[str, Any]:
    """What changes in the foot when going on is refused."""
    return {"notices": html(_box(Notice("Error:", str(error)))), "buttons": ()}


def broke_off(message: Message) -> bool:
    """Whether to offer going on: it was stopped, or broke off with something to go on from."""
    return message.status == "stopped" or (message.status == "interrupted" and not message.is_empty)


def offers(*, can_resume: bool) -> Buttons:
    """What to offer below an answer that broke off."""
    return (*_RESUME, *_AGAIN) if can_resume else _AGAIN


def live_line(feed: Feed, message: Message) -> str:
    """What is going on while an answer is being written; the view's clock stands behind it."""
    match message.parts[-1:]:
        case [ToolPart(state="input-available") as call] if mark_of(call).get("lent"):
            told = "{0} waits for a kernel that has it: give tools=[{0}] to the Chat"
            return feed.note or told.format(call.tool_name)
    return waiting_words(feed.note, message)


# -- what a notebook keeps --


def saved(feed: Feed, offered: Buttons = ()) -> dict[str, str]:
    """An answer as a notebook file keeps it: Markdown and plain text, its status line below."""
    message = feed.message()
    line, beside = status_line(message), notices(feed, message, offered)
    parts = [piece.markdown for piece in pieces(message)]
    boxes = [_box(notice) for notice in beside]
    said = [message.text.strip(), *(notice.plain for notice in beside), line]
    return {
        "text/markdown": "\n\n".join([*parts, *boxes, markdown(f"*{literal(line)}*")]),
        "text/plain": plain("\n\n".join(filter(None, said))),
    }


def so_far(feed: Feed) -> str:
    """What there is of an answer that is being written, as safe HTML for when its view is gone."""
    return "".join(piece.html for piece in pieces(feed.message())) + html(_box(_CUT))


def sent(files: list[FilePart]) -> dict[str, str]:
    """The files of a question, as a notebook file keeps them: pictures small."""
    names = [part.filename or part.media_type for part in files]
    shown = [
        image(thumbnail(part.url), name) or markdown(file_line(part))
        for part, name in zip(files, names, strict=True)
    ]
    plain_names = plain("Files: " + ", ".join(names))
    return {"text/markdown": "\n".join(shown), "text/plain": plain_names}


def notices(
    feed: Feed, message: Message, offered: Buttons = (), again: str = AGAIN_IN_CELL
) -> list[Notice]:
    """What a reader must know beside the answer, but what is asked."""
    said = [Notice("Note:", warning) for warning in feed.warnings]
    match message.status:
        case "stopped" if message.is_empty:
            said.append(Notice("Stopped", advice="before anything arrived."))
        case "interrupted":
            said.append(_interrupted(message, offered, again))
        case "error":
            said.append(_failed(message, feed.error, again))
    return said


def _box(notice: Notice) -> str:
    return "\n".join(f"> {line}" for line in markdown(notice.markdown).splitlines())


def _interrupted(message: Message, offered: Buttons, again: str) -> Notice:
    if message.is_empty:
        return Notice("Interrupted", advice=f"before anything arrived. {again}")
    count = len(message.text.split())
    kept = f"after {count:,} word{'s'[: count != 1]}; what arrived is kept."
    ways = ["`reply.resume()` goes on from there"] if set(_RESUME) & set(offered) else []
    ways += ["`reply.regenerate()` asks again"] if offered else []
    return Notice("Interrupted", advice=f"{kept} {', '.join(ways)}." if ways else kept)


def _failed(message: Message, error: Exception | None, again: str) -> Notice:
    told = describe(error) if error is not None else message.metadata.get("error")
    words = str(told.get("message") or told.get("type")) if isinstance(told, dict) else ""
    words = words.strip() or "no reason was given"
    kept = "" if message.is_empty else "What arrived is kept. "
    return Notice(
        "Error:",
        words if words.endswith((".", "!", "?")) else f"{words}.",
        f"{kept}{again}",
    )
