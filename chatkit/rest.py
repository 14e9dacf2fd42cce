"""(message before, message after) -> the chunks between them: the reverse of the reducer.

For a reader who has seen a part of an answer, when the chunks that would take it further are no
more and only the message is there: stored at its end, or as a replay has it by now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from msgspec.structs import replace

from chatkit import chunks as c
from chatkit import messages as m
from chatkit import tool_words

_REASONS = get_args(c.FinishReason)


def rest(
    before: m.Message, after: m.Message, ids: Mapping[int, str] | None = None
) -> list[c.Chunk]:
    """The chunks that make the parts and the metadata of `after` out of `before`; at the end how
    it ended, where `before` has not ended so.

    `ids`: under which ids its readers know the open texts of `before`, by their places
    (`Draft.ids`); without it each is named by its place. Nothing is said again, but for a last step
    that does not begin as it does in `after`: it is taken back and said anew. What is wrong in an
    earlier one stays so.
    """
    at = _last_step(before)
    seen = list(before.parts)
    changes = list(_changes(seen, after.parts, ids or {}, at))
    found: list[c.Chunk] = []
    is_cut = len(after.parts) < len(seen)
    if (is_cut or None in changes[at:]) and len(after.parts) >= at:
        found.append(c.ResetStep())
        del seen[at:], changes[at:]
    for change in changes:
        found += change or []
    for place in range(len(seen), len(after.parts)):
        found += _new(after.parts[place], part_id(place))
    return [*found, *_ending(before, after)]


def is_ahead(before: m.Message, after: m.Message) -> bool:
    """Whether `after` has at least what `before` has: each part, and of each text the beginning."""
    pairs = zip(before.parts, after.parts, strict=False)
    return len(after.parts) >= len(before.parts) and all(_holds(*pair) for pair in pairs)


def open_id(part: m.Part, place: int) -> str:
    """The id under which a part of a message goes on: a thought's own, else its place."""
    return (isinstance(part, m.ReasoningPart) and part.id) or part_id(place)


def part_id(place: int) -> str:
    """The id of a text that is known by its place alone; no provider has such ids."""
    return f"part {place}"


def place_of(id: str) -> int | None:
    """The place that such an id says, None of any other."""
    number = id.removeprefix("part ")
    return int(number) if number != id and number.isdecimal() and len(number) < 9 else None


def _last_step(message: m.Message) -> int:
    """Where the parts of the last step begin."""
    return len(message.parts) - len(message.last_step)


# -- what has changed in a part --


def _changes(
    seen: list[m.Part], parts: tuple[m.Part, ...], ids: Mapping[int, str], at: int
) -> Iterator[list[c.Chunk] | None]:
    """For each part that was seen what makes it the new one; None where nothing does."""
    last = {part.tool_call_id: i for i, part in enumerate(seen) if isinstance(part, m.ToolPart)}
    for place, (old, new) in enumerate(zip(seen, parts, strict=False)):
        match old, new:
            case m.TextPart(), m.TextPart():
                yield _grown(old, new, ids.get(place) or part_id(place))
            case m.ReasoningPart(), m.ReasoningPart() if old.id == new.id:
                yield _grown(old, new, ids.get(place) or part_id(place))
            case m.ToolPart(), m.ToolPart() if old.tool_call_id == new.tool_call_id:
                is_last = last[old.tool_call_id] == place  # chunks name a call, and mean its last
                yield tool_words.between(old, new, is_last=is_last, may_call=place >= at)
            case m.DataPart(), m.DataPart() if old != new and old.id is not None:
                same = (old.name, old.id) == (new.name, new.id)
                yield [c.Data(new.name, new.data, new.id)] if same else None
            case _:
                yield [] if old == new else None


def _grown(
    old: m.TextPart | m.ReasoningPart, new: m.TextPart | m.ReasoningPart, id: str
) -> list[c.Chunk] | None:
    if not new.text.startswith(old.text):
        return None
    tail, told = new.text[len(old.text) :], new.provider_metadata
    is_told, cited = told == old.provider_metadata, _citations(new)
    if not tail and is_told and (old.state, _citations(old)) == (new.state, cited):
        return []
    if (told is None and not is_told) or (cited is None and _citations(old)):
        return None
    is_text, ends = isinstance(new, m.TextPart), new.state != "streaming"
    fresh = None if is_told else told
    found: list[c.Chunk] = []
    if tail or not ends:
        delta = None if ends else fresh
        found.append((c.TextDelta if is_text else c.ReasoningDelta)(id, tail, delta))
    if ends:
        found.append(c.TextEnd(id, fresh, cited) if is_text else c.ReasoningEnd(id, fresh))
    return found


def _citations(part: m.TextPart | m.ReasoningPart) -> list[object] | None:
    return part.citations if isinstance(part, m.TextPart) else None


# -- parts that are new --


def _new(part: m.Part, id: str) -> list[c.Chunk]:
    match part:
        case m.TextPart():
            start: c.Chunk = c.TextStart(id, part.provider_metadata)
            text = m.TextPart("", "streaming", None, part.provider_metadata)
            return [start, *(_grown(text, part, id) or [])]
        case m.ReasoningPart():
            id = part.id or id
            start = c.ReasoningStart(id, part.provider_metadata)
            thought = replace(part, text="", state="streaming")
            return [start, *(_grown(thought, part, id) or [])]
        case m.ToolPart():
            return tool_words.of(part)
        case m.DataPart():
            return [c.Data(part.name, part.data, part.id)]
        case m.UnknownPart():
            return []
        case m.StepPart():
            return [c.StartStep()]
        case _:
            known = c.from_json(m.part_to_json(part))
            return [known] if known is not None else []


# -- what is known of the whole --


def _ending(before: m.Message, after: m.Message) -> Iterator[c.Chunk]:
    news = _news(before.metadata, after.metadata)
    if after.status == "complete" and news.get("finishReason") in _REASONS:
        reason = news.pop("finishReason")
        yield c.Finish(reason, news or None)
    elif news:
        yield c.MessageMetadata(news)
    if after.status != before.status:
        match after.status:
            case "stopped":
                yield c.Abort("stopped")
            case "error":
                told = after.metadata.get("error")
                words = told.get("message") if isinstance(told, dict) else None
                yield c.Error(str(words or "the answer failed"))


def _news(before: m.JSON, after: m.JSON) -> m.JSON:
    """What changes the one into the other where objects are merged deeply."""
    news = {}
    for name, value in after.items():
        known = before.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            if inner := _news(known, value):
                news[name] = inner
        elif name not in before or known != value:
            news[name] = value
    return news


# -- whether one holds the other --


def _holds(old: m.Part, new: m.Part) -> bool:
    match old, new:
        case m.TextPart(), m.TextPart():
            return new.text.startswith(old.text)
        case m.ReasoningPart(), m.ReasoningPart():
            return new.text.startswith(old.text)
        case m.ToolPart(), m.ToolPart():
            return tool_words.is_ahead(old, new)
        case m.DataPart(), m.DataPart() if old.id is not None:
            return (old.name, old.id) == (new.name, new.id)
    return old == new
