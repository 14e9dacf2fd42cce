"""The AI SDK's UI message stream: the dialect of the backends that `useChat` talks to.

Such a backend is a whole application: it has a model, a system prompt and tools of its own, so
the options that steer a model mean nothing to it.
"""

from urllib.parse import quote

from chatkit.providers.dialect import Dialect

__all__ = ["UI"]


def _resume(chat_id: str) -> str | None:
    """Where a chat's running answer is; None for an id that an address cannot hold."""
    return None if chat_id in ("", ".", "..") else f"/{quote(chat_id, safe='')}/stream"


UI = Dialect(
    path="",  # the backend's address is whole
    outgoing="chatkit.providers.ui.request:body",
    incoming="chatkit.providers.ui.stream:UIDecoder",
    lacks=frozenset(
        (
            "temperature",
            "top_p",
            "max_tokens",
            "stop",
            "seed",
            "tool_choice",
            "presence_penalty",
            "frequency_penalty",
            "reasoning",
        )
    ),
    frames_steps=True,
    resume=_resume,
)
