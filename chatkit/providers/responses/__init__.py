"""Responses: the dialect of OpenAI's second API, in which an answer is a list of items."""

from chatkit.providers.dialect import Dialect, FarSide
from chatkit.providers.responses.quirks import Quirks

__all__ = ["RESPONSES", "Quirks"]

RESPONSES = Dialect(
    path="/responses",
    outgoing="chatkit.providers.responses.request:body",
    incoming="chatkit.providers.responses.stream:ResponsesDecoder",
    lacks=frozenset(("stop", "seed", "presence_penalty", "frequency_penalty")),
    far_side=FarSide(
        stream="/responses/{id}?stream=true",
        poll="/responses/{id}",
        cancel="/responses/{id}/cancel",
    ),
)
