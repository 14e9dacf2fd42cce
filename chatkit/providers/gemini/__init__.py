"""Gemini's `streamGenerateContent`: the older of Google's two dialects."""

from chatkit.providers.dialect import Dialect
from chatkit.providers.gemini.request import Quirks, body
from chatkit.providers.gemini.stream import GeminiDecoder

__all__ = ["GEMINI", "Quirks"]

GEMINI = Dialect(
    path="/v1beta/models/{model}:streamGenerateContent?alt=sse",
    body=body,
    decoder=GeminiDecoder,
)
