"""Gemini Interactions: the newer of Google's two dialects."""

from chatkit.providers.dialect import Dialect
from chatkit.providers.interactions.request import Quirks, body
from chatkit.providers.interactions.stream import InteractionsDecoder

__all__ = ["INTERACTIONS", "Quirks"]

INTERACTIONS = Dialect(
    path="/v1beta/interactions",
    body=body,
    decoder=InteractionsDecoder,
    headers={"api-revision": "2026-05-20"},
    lacks=frozenset(("presence_penalty", "frequency_penalty")),
)
