"""Messages: the dialect of Anthropic's API, and of the servers that speak it too."""

from chatkit.providers.dialect import Dialect

__all__ = ["ANTHROPIC"]

ANTHROPIC = Dialect(
    path="/v1/messages",
    outgoing="chatkit.providers.anthropic.request:body",
    incoming="chatkit.providers.anthropic.stream:AnthropicDecoder",
    headers={"anthropic-version": "2023-06-01"},  # the last one that takes sampling options
    lacks=frozenset(("seed", "presence_penalty", "frequency_penalty", "background")),
)
