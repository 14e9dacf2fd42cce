"""How an answer stands, in one line: how it ended, who gave it, and what it took.

Pure functions, of a message.
"""

from __future__ import annotations

from chatkit.messages import ENDED, Message, ReasoningPart, ToolPart, Usage

_CUT_SHORT = {
    "length": "complete, cut off at the token limit",
    "content-filter": "complete, cut off by the provider's filter",
}


def status_line(message: Message, *, says_complete: bool = True) -> str:
    """How an answer stands, who gave it, and what it took."""
    from chatkit.beside import continued  # brings the renderer along

    standing = _standing(message)
    if standing == "complete" and not says_complete:
        standing = ""
    said = [standing, continued(message), _model(message), _tokens(message)]
    if message.status in ENDED:
        said += [_seconds(message.metadata.get("seconds")), cost_words(message.cost)]
    return " · ".join(filter(None, said))


def waiting_words(note: str, message: Message) -> str:
    """What is going on while an answer is being written; `note` is what it waits for."""
    model = _model(message) or "the model"
    if note:
        return note
    if message.status == "queued":
        return "Queued behind another answer"
    if message.is_empty:
        return f"Waiting for {model}"
    calls = [part for part in message.parts if isinstance(part, ToolPart)]
    if any(call.state == "approval-requested" for call in calls):
        return "Waiting for your word"
    match message.parts[-1]:
        case ReasoningPart():
            return f"{model} is thinking"
        case ToolPart(state="input-available") as call:
            return f"Running {call.title or call.tool_name}"
    return model


def count_of(number: int, what: str) -> str:
    """`1 message`, `1,200 messages`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def token_words(usage: Usage | None, *, about: bool = False) -> str:
    """`10 → 20 tokens`; "" where they are not known."""
    if usage is None or usage.output_tokens is None:
        return ""
    asked = f"{usage.input_tokens:,} → " if usage.input_tokens is not None else ""
    return f"{'about ' if about else ''}{asked}{usage.output_tokens:,} tokens"


def cost_words(cost: float | None) -> str:
    """US dollars: `$0.0012`, `$120.50`; "" for nothing."""
    if not cost:
        return ""
    if cost >= 10:
        return f"${cost:,.2f}"
    digits = f"{float(f'{cost:.2g}'):.12f}"  # and never `6e-05`
    return f"${digits.rstrip('0').rstrip('.')}"


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
    return token_words(message.usage, about=bool(message.metadata.get("usageEstimated")))


def _seconds(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
