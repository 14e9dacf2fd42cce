"""Every error chatkit raises, in one tree.

    ChatkitError
     ├── ConfigError (also ValueError)    something typed cannot work; nothing was sent
     │    ├── UnknownModel                no such provider, or a name without one
     │    ├── UnknownOption               the model takes no such option
     │    ├── MissingKey                  no API key; names the variable to set
     │    └── BadChatId                   a chat id that cannot be a name
     ├── MessageError (also ValueError)   a message or part that is not one
     ├── SchemaMismatch (also ValueError) an answer or a tool's input does not fit; keeps its text
     ├── ProviderError                    the provider refused or failed, in its own words
     │    ├── AuthError                   401, 403
     │    ├── NotFound                    404: no such model or address
     │    ├── RateLimited                 429; `retry_after` in seconds where it said so
     │    ├── TooLarge                    413, or more tokens than the model takes
     │    ├── ServerError                 5xx, overloaded
     │    └── StreamFailed                an error inside a stream that had begun
     ├── ConnectionFailed                 no answer: refused, unknown host, timed out
     ├── StreamCut                        the stream ended without the provider's terminal mark
     │    └── NothingMore                 nobody can go on with an answer that broke off
     ├── ToolFailed                       an MCP server says that a call failed; in its words
     ├── LocalModelError                  the embedded model cannot be fetched or started
     └── StoreError                       the store cannot be read or written
          ├── Fenced                      another process has taken over this stream
          └── StoreLost                   the store has lost this stream while it was written

Foreign errors are translated at one edge each: httpx's in `transport`, diskcache's
and SQLite's in `stores.disk`, redis-py's in `stores.redis`, those of MCP in `mcp.connection`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatkit.redaction import hide_all


class ChatkitError(Exception):
    """The base of every error chatkit raises."""

    retryable: bool = False


class ConfigError(ChatkitError, ValueError):
    """Something typed cannot work; nothing was sent."""


class UnknownModel(ConfigError):
    """No such provider, or a model name without one."""


class UnknownOption(ConfigError):
    """The model takes no such option."""


class MissingKey(ConfigError):
    """No API key was found; the message names the variable to set."""


class BadChatId(ConfigError):
    """A chat id that cannot be a name."""


class MessageError(ChatkitError, ValueError):
    """A message or part that is not one."""


class SchemaMismatch(ChatkitError, ValueError):
    """An answer, or the input of a tool, does not fit its schema; the message says where."""

    def __init__(self, message: str, *, text: str = "") -> None:
        super().__init__(message)
        self.text = text  # what the model wrote


class ProviderError(ChatkitError):
    """The provider refused or failed, in its own words."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status  # HTTP status, None for an error inside a stream
        self.code = code  # the provider's own code or type
        self.request_id = request_id
        self.retry_after = retry_after  # seconds
        self.retryable = retryable


class AuthError(ProviderError):
    """401 or 403: the key is missing, wrong, or not allowed to do this."""


class NotFound(ProviderError):
    """404: no such model, deployment or address."""


class RateLimited(ProviderError):
    """429: too many requests, or no quota left."""


class TooLarge(ProviderError):
    """413, or more tokens than the model takes."""


class ServerError(ProviderError):
    """5xx or overloaded: the provider's side failed."""


class StreamFailed(ProviderError):
    """An error inside a stream that had begun; what came before it is kept."""


class ConnectionFailed(ChatkitError):
    """No answer: connection refused, unknown host, or timed out."""

    retryable = True


class StreamCut(ChatkitError):
    """The stream ended without the provider's terminal mark."""


class NothingMore(StreamCut):
    """Nobody has the rest of an answer that broke off, or can go on with it."""


class ToolFailed(ChatkitError):
    """An MCP server says that a call failed; in its words, for the model to read."""


class LocalModelError(ChatkitError):
    """The embedded model cannot be fetched or started."""


class StoreError(ChatkitError):
    """The store cannot be read or written; what was in memory is kept."""


class Fenced(StoreError):
    """Another process has taken over this stream; this one may no longer write it."""


class StoreLost(StoreError):
    """The store has lost what it held of a stream, though nobody deleted it: whoever writes it
    stores what it has of the chat, acquires the stream anew, and extends it from its start."""


def describe(error: Exception) -> dict[str, Any]:
    """An error as a message's metadata keeps it: `{"type", "message"}`; `status`, `text` if any.
    No key is in it."""
    told = {"type": type(error).__name__, "message": hide_all(str(error))}
    if isinstance(error, SchemaMismatch):
        return {**told, "text": error.text}
    status = getattr(error, "status", None)
    return told if status is None else {**told, "status": status}


def error_of(metadata: Mapping[str, Any]) -> ChatkitError | None:
    """The error that a message's metadata tells of, if it tells of one."""
    told = metadata.get("error")
    return revive(told) if isinstance(told, dict) else None


def revive(told: dict[str, Any]) -> ChatkitError:
    """The error that `describe` told of, of the same class if it is one of these."""
    kind = globals().get(str(told.get("type")), ChatkitError)
    text = str(told.get("message", ""))
    if isinstance(kind, type) and issubclass(kind, ProviderError):
        return kind(text, status=told.get("status"))
    if kind is SchemaMismatch:
        return SchemaMismatch(text, text=str(told.get("text", "")))
    if isinstance(kind, type) and issubclass(kind, ChatkitError):
        return kind(text)
    return ChatkitError(text)
