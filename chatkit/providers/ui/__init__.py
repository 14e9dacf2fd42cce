"""The AI SDK's UI message stream: the dialect of the backends that `useChat` talks to.

Such a backend is a whole application: it has a model, a system prompt and tools of its own, so
the options that steer a model mean nothing to it.
"""

from chatkit.providers.dialect import Dialect, FarSide

__all__ = ["UI"]


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
            "background",
        )
    ),
    frames_steps=True,
    far_side=FarSide(stream="/{chat}/stream", cancel="/{chat}/stop"),
)
