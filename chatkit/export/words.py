"""Who said a message and what became of it, in the few words that stand around it."""

from __future__ import annotations

from chatkit import render
from chatkit.beside import literal
from chatkit.messages import Message
from chatkit.standing import status_line

_NAMES = {"user": "You", "assistant": "Model", "system": "System"}
_BREAKS = {
    "queued": "It was waiting to be answered when this was saved.",
    "streaming": "It was still being written when this was saved.",
    "stopped": "It was stopped",
    "interrupted": "It broke off",
}


def name(message: Message) -> str:
    """Who said it: you, or the model by its name."""
    model = message.metadata.get("model")
    return str(model) if message.role == "assistant" and model else _NAMES[message.role]


def who(message: Message) -> str:
    """The same as safe Markdown."""
    return render.markdown(literal(name(message)))


def line(message: Message) -> str:
    """What an answer took: `10 → 20 tokens · 1.2 s · $0.01`; and if it was cut short, that."""
    if message.role != "assistant":
        return ""
    standing, *more = status_line(message).split(" · ")
    said = [standing] if message.status == "complete" and standing != "complete" else []
    return " · ".join([*said, *(word for word in more if word != name(message))])


def broke_off(message: Message) -> str:
    """Why there is no more of it; "" where it is whole."""
    told = _BREAKS.get(message.status, "")
    match message.status:
        case "stopped" | "interrupted":
            return f"{told} before anything arrived." if message.is_empty else f"{told} here."
        case "error":
            return f"It failed: {_reason(message)}"
    return told


def ending(message: Message) -> str:
    """Both as safe Markdown."""
    told = " ".join(filter(None, (broke_off(message), line(message))))
    return f"*{render.markdown(literal(told))}*" if told else ""


def _reason(message: Message) -> str:
    error = message.metadata.get("error")
    told = error.get("message") or error.get("type") if isinstance(error, dict) else None
    return str(told or "no reason was given")
