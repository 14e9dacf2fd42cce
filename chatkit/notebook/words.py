"""The words around an answer: the waiting line, the status line, the boxes, the saved text.

Pure functions. What is saved in a notebook must be readable without a kernel, and safe where
the Markdown of a trusted notebook is not sanitized.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from chatkit.answers.calls import open_calls
from chatkit.answers.feed import Feed
from chatkit.beside import continued, file_line, literal, pieces, question
from chatkit.errors import describe
from chatkit.files.pictures import thumbnail
from chatkit.messages import (
    ENDED,
    FilePart,
    Message,
    ReasoningPart,
    ToolPart,
)
from chatkit.render import html, image, markdown, plain

Buttons = tuple[tuple[str, str], ...]  # what each one says when clicked, and its label
_STOP: Buttons = (("stop", "Stop"),)
_ALLOW: Buttons = (("approve", "Allow"), ("deny", "Do not allow"))
_RESUME: Buttons = (("resume", "Resume"),)
_AGAIN: Buttons = (("again", "Ask again"),)
_CUT_SHORT = {
    "length": "complete, cut off at the token limit",
    "content-filter": "complete, cut off by the provider's filter",
}


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


# -- what the view shows --


def foot(feed: Feed, message: Message, offered: Buttons = ()) -> dict[str, Any]:
    """What stands below an answer, as the view's script takes it; `offered` once it is over."""
    began = message.created_at if message.status == "streaming" else None
    return {
        "over": feed.ended,
        "line": status_line(message) if feed.ended else live_line(feed, message),
        "since": None if began is None else began.timestamp() * 1000,
        "notices": html("\n\n".join(map(_box, notices(feed, message, offered)))),
        "buttons": offered if feed.ended else _buttons(message),
    }


def _buttons(message: Message) -> Buttons:
    return (*_ALLOW, *_STOP) if _asked(message) else _STOP


def _asked(message: Message) -> ToolPart | None:
    """The first call that waits to be allowed."""
    waiting = (part for part in open_calls(message) if part.state == "approval-requested")
    return next(waiting, None)


def refused(error: Exception) -> dict[str, Any]:
    """What changes in the foot when going on is refused."""
    return {"notices": html(_box(Notice("Error:", str(error)))), "buttons": ()}


def broke_off(message: Message) -> bool:
    """Whether to offer going on: it broke off, and there is something to go on from."""
    return message.status == "interrupted" and not message.is_empty


def offers(*, can_resume: bool) -> Buttons:
    """What to offer below an answer that broke off."""
    return (*_RESUME, *_AGAIN) if can_resume else _AGAIN


def live_line(feed: Feed, message: Message) -> str:
    """What is going on while an answer is being written; the view's clock stands behind it."""
    model = _model(message) or "the model"
    if feed.note:
        return feed.note
    if message.status == "queued":
        return "Queued behind another answer"
    if message.is_empty:
        return f"Waiting for {model}"
    match message.parts[-1]:
        case ReasoningPart():
            return f"{model} is thinking"
        case ToolPart(state="approval-requested"):
            return "Waiting for your word"
        case ToolPart(state="input-available") as call:
            return f"Running {call.title or call.tool_name}"
    return model


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


def sent(files: list[FilePart]) -> dict[str, str]:
    """The files of a question, as a notebook file keeps them: pictures small."""
    names = [part.filename or part.media_type for part in files]
    shown = [
        image(thumbnail(part.url), name) or file_line(part)
        for part, name in zip(files, names, strict=True)
    ]
    plain_names = plain("Files: " + ", ".join(names))
    return {"text/markdown": "\n".join(shown), "text/plain": plain_names}


def status_line(message: Message) -> str:
    """How an answer stands, who gave it, and what it took."""
    said = [_standing(message), continued(message), _model(message), _tokens(message)]
    if message.status in ENDED:
        said += [_seconds(message.metadata.get("seconds")), _cost(message.metadata.get("cost"))]
    return " · ".join(filter(None, said))


def notices(feed: Feed, message: Message, offered: Buttons = ()) -> list[Notice]:
    """What a reader must know beside the answer."""
    said = [Notice("Note:", warning) for warning in feed.warnings]
    if not feed.ended and (call := _asked(message)):
        said.append(Notice(f"May {literal(call.title or call.tool_name)} run?", "", question(call)))
    match message.status:
        case "interrupted":
            said.append(_interrupted(message, offered))
        case "error":
            said.append(_failed(message, feed.error))
    return said


def _box(notice: Notice) -> str:
    return "\n".join(f"> {line}" for line in markdown(notice.markdown).splitlines())


def _standing(message: Message) -> str:
    match message.status:
        case "queued":
            return "waiting when this was saved"
        case "streaming":
            return "still being written when this was saved"
        case "complete":
            return _CUT_SHORT.get(str(message.metadata.get("finishReason")), "complete")
        case ended:
            return ended


def _model(message: Message) -> str:
    return str(message.metadata.get("model") or "")


def _tokens(message: Message) -> str:
    usage = message.usage
    if usage is None or usage.output_tokens is None:
        return ""
    about = "about " if message.metadata.get("usageEstimated") else ""
    asked = f"{usage.input_tokens:,} → " if usage.input_tokens is not None else ""
    return f"{about}{asked}{usage.output_tokens:,} tokens"


def _seconds(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _cost(cost: object) -> str:
    return f"${cost:.2g}" if isinstance(cost, int | float) and cost else ""


def _interrupted(message: Message, offered: Buttons) -> Notice:
    if message.is_empty:
        return Notice(
            "Interrupted", advice="before anything arrived. Run the cell again to ask again."
        )
    count = len(message.text.split())
    kept = f"after {count:,} word{'s'[: count != 1]}; what arrived is kept."
    ways = ["`reply.resume()` goes on from there"] if set(_RESUME) & set(offered) else []
    ways += ["`reply.regenerate()` asks again"] if offered else []
    return Notice("Interrupted", advice=f"{kept} {', '.join(ways)}." if ways else kept)


def _failed(message: Message, error: Exception | None) -> Notice:
    told = describe(error) if error is not None else message.metadata.get("error")
    words = str(told.get("message") or told.get("type")) if isinstance(told, dict) else ""
    words = words.strip() or "no reason was given"
    kept = "" if message.is_empty else "What arrived is kept. "
    return Notice(
        "Error:",
        words if words.endswith((".", "!", "?")) else f"{words}.",
        f"{kept}Run the cell again to ask again.",
    )
