"""Chat Completions, incoming: the events of a stream -> chunks.

Every field is optional and may be of another type than documented: what is not understood is
passed over. Only choice 0 is the answer. The terminal mark is `[DONE]`, or a finish reason for
every choice once the body is over; until then no tool call is given out.
"""

from __future__ import annotations

from typing import Any

from chatkit import chunks as c
from chatkit.messages import mended
from chatkit.providers.chat import fields
from chatkit.providers.chat.calls import Calls
from chatkit.providers.chat.events import Choice, Delta, Event, convert, decode, decode_plain
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import UNREADABLE
from chatkit.providers.stream import EventStream


class ChatDecoder(EventStream):
    """One stream of Chat Completions. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        super().__init__(provider, hide)
        self._calls = Calls(self._parts)
        self._reasons: dict[int, str] = {}  # by choice, empty until it is finished
        self._refused = False
        self._details = fields.Details(provider)
        self._audio: list[str] = []

    # -- events --

    def _take_at_once(self, data: bytes) -> bool:
        """An event as it is documented; of a little more text, as nearly all are; or the end."""
        if self._parts.kind == "text":
            try:
                plain = decode_plain(data)
            except UNREADABLE:
                pass
            else:
                self._parts.text(plain.choices[0].delta.content)
                return True
        if self._over:
            return True
        if data.startswith(b"[DONE]"):
            self._complete()
            return True
        try:
            seen = decode(data)
        except UNREADABLE:
            return False
        self._note(data)
        self._take_event(seen)
        return True

    def _take(self, told: c.JSON) -> None:
        self._take_event(convert(told))

    def _is_answer(self, told: c.JSON) -> bool:
        return isinstance(told.get("choices"), list)

    def _take_event(self, seen: Event) -> None:
        self._describe(seen.model, seen.id)
        for choice in seen.choices:
            self._take_choice(choice)
        if seen.usage is not None:
            self._count(seen.usage)
        if seen.x_groq is not None and isinstance(seen.x_groq, dict):
            self._count(seen.x_groq.get("usage"))
        if seen.search_results is not None or seen.citations is not None:
            self._parts.cite(fields.citations(seen.search_results, seen.citations))

    def _take_choice(self, choice: Choice) -> None:
        if choice.index and isinstance(choice.index, int):
            return self._note_reason(choice.index, choice.finish_reason)
        delta = choice.delta
        if delta is None and not self._parts.begun:
            delta = choice.message  # of an answer that came whole
        if delta is not None:
            self._take_delta(delta)
        if choice.finish_reason is not None or not self._reasons:
            self._note_reason(0, choice.finish_reason)
        if choice.usage is not None:
            self._count(choice.usage)

    def _note_reason(self, choice: int, reason: Any) -> None:
        if isinstance(reason, str) and reason:
            self._reasons[choice] = mended(reason)
        elif choice not in self._reasons:
            self._reasons[choice] = ""
        self._reason = self._reasons.get(0, "")

    # -- what a delta holds --

    def _take_delta(self, delta: Delta) -> None:
        self._think(delta)
        content = delta.content
        if type(content) is str and content:
            self._write(content)
        elif content:
            for kind, text in fields.pieces(content):
                (self._parts.reasoning if kind == "thinking" else self._write)(text)
        if delta.refusal and isinstance(delta.refusal, str):
            self._refused = True
            self._parts.refusal(delta.refusal, {self._provider: {"refusal": True}})
        if delta.tool_calls or delta.function_call:
            self._call(delta)
        if delta.annotations:
            self._parts.cite(fields.annotated(delta.annotations))
        if delta.images:
            for file in fields.pictures(delta.images):
                self._parts.add(file)
        if delta.audio:
            self._hear(delta.audio)

    def _think(self, delta: Delta) -> None:
        """Reasoning goes by one of several names, and some tell it in details beside it."""
        details = delta.reasoning_details
        told = self._details.note(details) if details else ""
        thought = delta.reasoning_content or delta.reasoning or told
        if thought and isinstance(thought, str):
            self._parts.reasoning(thought)

    def _write(self, text: str) -> None:
        self._end_reasoning()
        self._parts.text(text)

    def _end_reasoning(self) -> None:
        if self._details and self._parts.kind == "reasoning":
            self._parts.end(self._details.take())

    def _call(self, delta: Delta) -> None:
        self._end_reasoning()
        calls = delta.tool_calls if isinstance(delta.tool_calls, list) else []
        if delta.function_call:
            calls = [*calls, {"index": 0, "function": delta.function_call}]  # the old form
        for call in calls:
            self._calls.take(call, self._scope)

    def _hear(self, audio: Any) -> None:
        if isinstance(audio, dict):
            data, transcript = audio.get("data"), audio.get("transcript")
            if isinstance(data, str):
                self._audio.append(data)
            if transcript and isinstance(transcript, str):
                self._write(transcript)

    # -- the answer as a whole --

    def _count(self, told: Any) -> None:
        """Counts are cumulative: the last that says something is right."""
        if isinstance(told, dict) and (usage := fields.usage(told)):
            self._usage, self._cost = usage, fields.cost(told)

    def _end(self) -> None:
        if self._reasons and all(self._reasons.values()):
            self._complete()
        else:
            self._sum_up()

    def _complete(self) -> None:
        self._end_reasoning()
        details = self._details.take()
        self._parts.end(details if self._parts.kind == "text" else None)
        reason = fields.finish_reason(self._reason, has_calls=bool(self._calls))
        closed = reason not in ("length", "content-filter", "error")
        self._calls.finish(self._scope, closed=closed, provider_metadata=details)
        if self._audio:
            self._parts.add(fields.sound(self._audio))
        self._finish("content-filter" if self._refused else reason)
