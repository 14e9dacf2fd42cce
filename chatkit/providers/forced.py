"""Structured output where a server has none: a tool that the model must call stands in for it.

Outgoing it is one more tool; incoming its arguments are the text of the answer, so that nobody
else needs to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chatkit import chunks as c
from chatkit.errors import ProviderError
from chatkit.providers.dialect import JSON, Decoder

ANSWER = "answer"  # what an answer of a given shape is called, here and where it is native


@dataclass(frozen=True, slots=True)
class AnswerTool:
    """The tool as the model is told of it."""

    parameters: JSON
    name: str = ANSWER
    description: str = "Give the final answer. Call this once, with the whole answer."


class AnswerDecoder:
    """Another decoder's chunks, with the call to `AnswerTool` as text."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._ids: set[str] = set()  # of the calls that are answers
        self._others = False  # other tools were called

    @property
    def finished(self) -> bool:
        return self._decoder.finished

    @property
    def error(self) -> ProviderError | None:
        return self._decoder.error

    def feed(self, data: bytes) -> list[c.Chunk]:
        return list(self._as_text(self._decoder.feed(data)))

    def close(self) -> list[c.Chunk]:
        return list(self._as_text(self._decoder.close()))

    def _as_text(self, chunks: Iterable[c.Chunk]) -> Iterator[c.Chunk]:
        for chunk in chunks:
            match chunk:
                case c.ToolInputStart(tool_name=name) if name == ANSWER:
                    self._ids.add(chunk.tool_call_id)
                    yield c.TextStart(chunk.tool_call_id)
                case c.ToolInputDelta() if chunk.tool_call_id in self._ids:
                    yield c.TextDelta(chunk.tool_call_id, chunk.input_text_delta)
                case c.ToolInputAvailable() | c.ToolInputError() if chunk.tool_call_id in self._ids:
                    yield c.TextEnd(chunk.tool_call_id)
                case c.Finish(finish_reason="tool-calls") if self._ids and not self._others:
                    yield c.Finish("stop", chunk.message_metadata)
                case _:
                    self._others = self._others or isinstance(chunk, c.ToolInputStart)
                    yield chunk
