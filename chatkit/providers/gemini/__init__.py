"""Gemini's `streamGenerateContent`: the older of Google's two dialects."""

from chatkit.providers.dialect import Dialect

__all__ = ["GEMINI"]

GEMINI = Dialect(
    path="/v1beta/models/{model}:streamGenerateContent?alt=sse",
    outgoing="chatkit.providers.gemini.request:body",
    incoming="chatkit.providers.gemini.stream:GeminiDecoder",
    lacks=frozenset(("background",)),
)
