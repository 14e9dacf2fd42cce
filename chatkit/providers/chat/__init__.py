"""Chat Completions: the dialect of OpenAI's first API, and of nearly every server since."""

from chatkit.providers.chat.quirks import Quirks
from chatkit.providers.dialect import Dialect

__all__ = ["CHAT", "Quirks"]

CHAT = Dialect(
    path="/chat/completions",
    outgoing="chatkit.providers.chat.request:body",
    incoming="chatkit.providers.chat.stream:ChatDecoder",
    lacks=frozenset(("background",)),
)
