"""Gemini Interactions: the newer of Google's two dialects."""

from chatkit.providers.dialect import Dialect, FarSide

__all__ = ["INTERACTIONS"]

INTERACTIONS = Dialect(
    path="/v1beta/interactions",
    outgoing="chatkit.providers.interactions.request:body",
    incoming="chatkit.providers.interactions.stream:InteractionsDecoder",
    headers={"api-revision": "2026-05-20"},
    lacks=frozenset(("presence_penalty", "frequency_penalty")),
    far_side=FarSide(
        stream="/v1beta/interactions/{id}?stream=true",
        poll="/v1beta/interactions/{id}",
        cancel="/v1beta/interactions/{id}/cancel",
    ),
)
