"""Gemini's generateContent, incoming: the events of a stream -> chunks.

Every event is a piece of an answer, and any of them may name a finish reason: only the end of
the body says which was the last. Only candidate 0 is the answer.
"""

from __future__ import annotations

from typing import Any

from chatkit import chunks as c
from chatkit.messages import mended
from chatkit.providers.dialect import Hide
from chatkit.providers.gemini import fields
from chatkit.providers.gemini.calls import Calls
from chatkit.providers.gemini.decoder import GoogleDecoder
from chatkit.providers.lenient import at, objects, text, whole


class GeminiDecoder(GoogleDecoder):
    """One stream of generateContent. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        super().__init__(provider, hide)
        self._calls = Calls(self._parts)
        self._written = 0  # characters of the text or reasoning part that is open
        self._runs: list[str] = []  # ids of the calls that Google runs itself
        self._is_blocked = False  # the prompt was refused
        self._message = ""  # Google's own words on why the answer ended
        self._token = ""  # with which the answer can be continued

    # -- what an event holds --

    def _take(self, told: c.JSON) -> None:
        self._describe(told.get("modelVersion"), told.get("responseId"))
        match told.get("promptFeedback"):
            case {"blockReason": str(reason), **more} if reason:
                self._is_blocked = True
                self._explain(reason, more.get("blockReasonMessage"))
        for candidate in objects(told.get("candidates")):
            if not candidate.get("index"):
                self._take_candidate(candidate)
        self._usage = fields.usage(told.get("usageMetadata")) or self._usage

    def _is_answer(self, told: c.JSON) -> bool:
        return "candidates" in told or "promptFeedback" in told

    def _take_candidate(self, candidate: c.JSON) -> None:
        for part in objects(at(candidate, "content", "parts")):
            self._take_part(part, text(part.get("thoughtSignature")))
        self._parts.cite(fields.pages(candidate))
        self._explain(candidate.get("finishReason"), candidate.get("finishMessage"))
        self._token = text(candidate.get("continuationToken"))

    def _take_part(self, part: c.JSON, signature: str) -> None:
        match part:
            case {"functionCall": dict(call)}:
                self._parts.end()
                self._calls.take(call, self._scope, self._state(thoughtSignature=signature))
            case {"text": str(piece)}:
                self._write(piece, signature, is_thought=part.get("thought") is True)
            case {"inlineData": {"mimeType": str(kind), "data": str(data)}} if _is_sound(kind):
                self._hear(kind, data)
            case {"inlineData": {"mimeType": str(kind), "data": str(data)}}:
                self._show(kind, f"data:{kind};base64,{data}", part, signature)
            case {"fileData": {"mimeType": str(kind), "fileUri": str(url)}}:
                self._show(kind, url, part, signature)
            case {"executableCode": dict(call)}:
                self._run("executableCode", call, signature)
            case {"toolCall": dict(call)}:
                self._run("toolCall", call, signature)
            case {"codeExecutionResult": dict(result)}:
                self._ran("codeExecutionResult", result, signature)
            case {"toolResponse": dict(result)}:
                self._ran("toolResponse", result, signature)

    def _write(self, piece: str, signature: str, *, is_thought: bool) -> None:
        """More text. A signature ends it, and is of this piece alone, which may be empty."""
        if not piece and not signature:
            return
        if self._parts.kind != ("reasoning" if is_thought else "text"):
            self._written = 0
        (self._parts.reasoning if is_thought else self._parts.text)(piece)
        if signature:
            state = self._state(thoughtSignature=signature, signedFrom=self._written)
            self._parts.end(state)
        self._written += len(piece)

    def _show(self, kind: str, url: str, part: c.JSON, signature: str) -> None:
        self._parts.end()
        made = c.ReasoningFile if part.get("thought") is True else c.File
        state = self._state(thoughtSignature=signature)
        self._parts.add(made(mended(url), mended(kind), state))

    def _run(self, field: str, call: c.JSON, signature: str) -> None:
        """A tool that Google runs itself, such as code."""
        name = text(call.get("toolType")).lower() or "code_execution"
        call_id = text(call.get("id")) or f"run_{self._scope}_{len(self._runs)}"
        self._runs.append(call_id)
        self._parts.end()
        self._parts.add(c.ToolInputStart(call_id, name, provider_executed=True))
        state = self._state(field=field, thoughtSignature=signature)
        self._parts.add(
            c.ToolInputAvailable(
                call_id, name, whole(call), provider_executed=True, provider_metadata=state
            )
        )

    def _ran(self, field: str, result: c.JSON, signature: str) -> None:
        if not self._runs:
            return
        named = text(result.get("id"))
        call_id = named if named in self._runs else self._runs[-1]
        state = self._state(field=field, thoughtSignature=signature)
        self._parts.end()
        self._parts.add(
            c.ToolOutputAvailable(
                call_id, whole(result), provider_executed=True, provider_metadata=state
            )
        )

    # -- the answer as a whole --

    def _explain(self, reason: Any, message: Any) -> None:
        if isinstance(reason, str) and reason not in ("", "FINISH_REASON_UNSPECIFIED"):
            self._reason = text(reason)
            self._message = "" if reason == "STOP" else text(message)

    def _outcome(self) -> c.JSON:
        more = {"finishMessage": self._message, "continuationToken": self._token}
        return {**super()._outcome(), **{name: told for name, told in more.items() if told}}

    def _end(self) -> None:
        if not self._reason:
            return self._sum_up()
        reason = fields.finish_reason(self._reason, has_calls=bool(self._calls))
        reason = "content-filter" if self._is_blocked else reason
        self._parts.end()
        self._calls.finish(closed=reason in ("stop", "tool-calls", "other"))
        self._finish(reason)


def _is_sound(kind: str) -> bool:
    return kind.startswith("audio/")
