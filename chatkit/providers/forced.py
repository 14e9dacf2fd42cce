"""Structured output where a server has none: a tool that the model must call stands in for it.

Outgoing it is one more tool; incoming its arguments are the text of the answer, so that nobody
else needs to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from chatkit import chunks as c
from chatkit.errors import ProviderError
from chatkit.providers.dialect import JSON, Decoder, ToolSpec

ANSWER = "answer"  # what an answer of a given shape is called, here and where it is native


@dataclass(frozen=True, slots=True)
class AnswerTool:
    """The tool as the model is told of it."""

    parameters: JSON
    name: str
    description: str = "Give the final answer. Call this once, with the whole answer."


def answer_name(tools: Iterable[ToolSpec]) -> str:
    """What the tool is called beside these: one of the user's may be called the same."""
    taken = {tool.name for tool in tools}
    names = (f"{ANSWER}_{number}" if number > 1 else ANSWER for number in count(1))
    return next(name for name in names if name not in taken)


class AnswerDecoder:
    """Another decoder's chunks, with the calls to the tool called `name` as text."""

    def __init__(self, decoder: Decoder, name: str) -> None:
        self._decoder = decoder
        self._name = name
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
                case c.ToolInputStart(tool_name=name) if name == self._name:
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
