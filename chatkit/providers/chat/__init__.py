"""Chat Completions: the dialect of OpenAI's first API, and of nearly every server since."""

from chatkit.providers.chat.request import Quirks, body
from chatkit.providers.chat.stream import ChatDecoder
from chatkit.providers.dialect import Dialect

__all__ = ["CHAT", "Quirks"]

CHAT = Dialect(path="/chat/completions", body=body, decoder=ChatDecoder)
