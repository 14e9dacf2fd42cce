"""Responses: the dialect of OpenAI's second API, in which an answer is a list of items."""

from chatkit.providers.dialect import Dialect
from chatkit.providers.responses.request import Quirks, body
from chatkit.providers.responses.stream import ResponsesDecoder

__all__ = ["RESPONSES", "Quirks"]

RESPONSES = Dialect(
    path="/responses",
    body=body,
    decoder=ResponsesDecoder,
    lacks=frozenset(("stop", "seed", "presence_penalty", "frequency_penalty")),
)
