"""Messages: the dialect of Anthropic's API, and of the servers that speak it too."""

from chatkit.providers.anthropic.request import Quirks, body
from chatkit.providers.anthropic.stream import AnthropicDecoder
from chatkit.providers.dialect import Dialect

__all__ = ["ANTHROPIC", "Quirks"]

ANTHROPIC = Dialect(
    path="/v1/messages",
    body=body,
    decoder=AnthropicDecoder,
    headers={"anthropic-version": "2023-06-01"},  # the last one that takes sampling options
    lacks=frozenset(("seed", "presence_penalty", "frequency_penalty")),
)
