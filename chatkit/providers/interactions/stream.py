"""Gemini Interactions, incoming: the events of a stream -> chunks.

An answer is a list of steps, each started, extended and stopped by its index. The terminal mark
is `interaction.completed`; until then no function call is given out.
"""

from __future__ import annotations

import json
from typing import Any

from chatkit import chunks as c
from chatkit.messages import mended
from chatkit.providers.dialect import Hide
from chatkit.providers.gemini.decoder import GoogleDecoder
from chatkit.providers.interactions import fields
from chatkit.providers.lenient import objects, text, tool_input, whole

_MEDIA = {  # kinds of content, and what they are where their type is not told
    "image": "image/png",
    "audio": "audio/wav",
    "video": "video/mp4",
    "document": "application/pdf",
}
_RUNNING = ("queued", "in_progress")


class _Step:
    """One step, and what has been told of it."""

    def __init__(self, kind: str, call_id: str, told: c.JSON) -> None:
        self.kind = kind
        self.id = call_id  # of the call that it is, or is the result of
        self.told = told
        self.arguments: list[str] = []  # pieces of the JSON of a function's
        self.is_stopped = False

    @property
    def signature(self) -> str:
        return text(self.told.get("signature"))

    @property
    def name(self) -> str:
        """Of the function or tool."""
        return text(self.told.get("name")) or self.kind.removesuffix("_call")


class InteractionsDecoder(GoogleDecoder):
    """One stream of Interactions. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        super().__init__(provider, hide)
        self._steps: dict[int, _Step] = {}  # those that are open, by index
        self._calls: list[_Step] = []  # of functions
        self._runs: set[str] = set()  # ids of the calls that Google runs itself
        self._error: Any = None  # of a step that failed

    # -- events --

    def _take(self, told: c.JSON) -> None:
        self._usage = fields.usage(told) or self._usage
        match told:
            case {"event_type": "step.start", "index": int(index), "step": dict(step)}:
                self._start(index, step)
            case {"event_type": "step.delta", "index": int(index), "delta": dict(delta)}:
                if step_ := self._steps.get(index):
                    self._extend(step_, delta)
            case {"event_type": "step.stop", "index": int(index)}:
                self._stop(index)
            case {"event_type": "interaction.status_update", "status": str(status)}:
                self._reason = text(status)
            case {"event_type": "interaction.created", "interaction": dict(interaction)}:
                self._know(interaction)
            case {"event_type": "interaction.completed", "interaction": dict(interaction)}:
                self._know(interaction)
                self._complete()

    def _is_answer(self, told: c.JSON) -> bool:
        return isinstance(told.get("steps"), list) or told.get("status") in _RUNNING

    def _take_whole(self, answer: c.JSON) -> None:
        self._usage = fields.usage(answer)
        self._know(answer)
        if self._reason in _RUNNING:
            return  # it was asked for before its end, and may have any part of its steps
        for index, step in enumerate(objects(answer.get("steps"))):
            self._start(index, step)
            self._stop(index)
        self._complete()

    def _know(self, interaction: c.JSON) -> None:
        self._describe(interaction.get("model") or interaction.get("agent"), interaction.get("id"))
        self._reason = text(interaction.get("status")) or self._reason

    # -- steps --

    def _start(self, index: int, told: c.JSON) -> None:
        kind = text(told.pop("type", None))
        if not kind or kind == "user_input":  # which is no part of the answer
            return
        call_id = text(told.get("id")) or text(told.get("call_id"))
        step = _Step(kind, call_id or f"call_{self._scope}_{index}", told)
        self._steps[index] = step
        if kind == "function_call":
            self._calls.append(step)
            self._parts.end()
            self._parts.add(c.ToolInputStart(step.id, step.name))
        elif kind.endswith("_call"):
            self._parts.end()
            self._parts.add(c.ToolInputStart(step.id, step.name, provider_executed=True))
        for content in objects(told.pop("content", None)):
            self._extend(step, content)
        for content in objects(told.pop("summary", None)):
            self._extend(step, {"type": "thought_summary", "content": content})
        self._error = told.pop("error", None) or self._error

    def _extend(self, step: _Step, delta: c.JSON) -> None:
        match delta:
            case {"type": "text", "text": str(piece), **more} if step.kind == "model_output":
                self._parts.text(piece)
                self._parts.cite(fields.cited(more.get("annotations")))
            case {"type": "thought_summary", "content": {"type": "text", "text": str(piece)}}:
                self._parts.reasoning(piece)
            case {"type": "thought_summary", "content": dict(content)}:
                self._show(text(content.get("type")), content, c.ReasoningFile)
            case {"type": "thought_signature", "signature": str(signature)}:
                step.told["signature"] = signature or step.signature
            case {"type": "arguments_delta", "arguments": piece} if step.kind == "function_call":
                self._argue(step, piece)
            case {"type": "text_annotation" | "text_annotation_delta", "annotations": annotations}:
                self._parts.cite(fields.cited(annotations))
            case {"type": str(kind), **told} if kind in _MEDIA:
                self._show(kind, told, c.File)
            case {"type": step.kind, **told}:
                step.told |= {name: value for name, value in told.items() if value}

    def _argue(self, step: _Step, piece: Any) -> None:
        piece = piece if isinstance(piece, str) else json.dumps(piece, ensure_ascii=False)
        step.arguments.append(piece)
        self._parts.input(step.id, piece)

    def _show(self, kind: str, told: c.JSON, made: type[c.File] | type[c.ReasoningFile]) -> None:
        media_type = text(told.get("mime_type")) or _MEDIA.get(kind, "")
        data, uri = told.get("data"), text(told.get("uri"))
        if kind == "audio" and isinstance(data, str):
            self._hear(media_type, data)
        elif media_type and (uri or isinstance(data, str)):
            self._parts.end()
            self._parts.add(made(uri or mended(f"data:{media_type};base64,{data}"), media_type))

    def _stop(self, index: int) -> None:
        step = self._steps.pop(index, None)
        if step is None:
            return
        step.is_stopped = True
        match step.kind:
            case "thought":
                self._stop_thought(step)
            case "model_output":
                self._parts.end()
            case "function_call":
                if not step.arguments:
                    self._argue(step, step.told.get("arguments") or {})
            case kind if kind.endswith("_call"):
                self._run(step)
            case kind if kind.endswith("_result") and step.id in self._runs:
                self._ran(step)

    def _stop_thought(self, step: _Step) -> None:
        if step.signature and self._parts.kind != "reasoning":
            self._parts.reasoning("")  # nothing of it is shown, yet it must go back
        if self._parts.kind == "reasoning":
            self._parts.end(self._state(signature=step.signature))

    def _run(self, step: _Step) -> None:
        """A tool that Google runs itself, such as a search."""
        self._runs.add(step.id)
        arguments = whole(step.told.pop("arguments", None) or {})
        self._parts.add(
            c.ToolInputAvailable(
                step.id,
                step.name,
                arguments,
                provider_executed=True,
                provider_metadata=self._sent_back(step, "id"),
            )
        )

    def _ran(self, step: _Step) -> None:
        result = whole(step.told.pop("result", None))
        self._parts.end()
        self._parts.add(
            c.ToolOutputAvailable(
                step.id,
                result,
                provider_executed=True,
                provider_metadata=self._sent_back(step, "call_id"),
            )
        )
        self._parts.cite(fields.found(result))

    def _sent_back(self, step: _Step, known: str) -> c.JSON | None:
        """All that was told of a step, but what the part itself says."""
        told = {name: value for name, value in whole(step.told).items() if name != known}
        return self._state(**{**told, "type": step.kind})

    # -- the answer as a whole --

    def _complete(self) -> None:
        self._parts.end()
        if self._reason == "failed":
            return self._fail(self._error or "it gave up on the answer")
        for call in self._calls:
            self._parts.add(
                tool_input(
                    call.id,
                    call.name,
                    "".join(call.arguments),
                    closed=call.is_stopped,
                    provider_metadata=self._state(signature=call.signature),
                )
            )
        self._finish(fields.finish_reason(self._reason, has_calls=bool(self._calls)))
