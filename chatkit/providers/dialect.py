"""What a wire format is to the rest of chatkit: two translations, and no memory of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pkgutil import resolve_name
from typing import Any, Protocol

from chatkit.chunks import Chunk
from chatkit.errors import ProviderError
from chatkit.messages import Message
from chatkit.model_messages import to_model_messages
from chatkit.providers.fitting import fit
from chatkit.providers.outgoing import merged

JSON = dict[str, Any]
Hide = Callable[[str], str]  # takes keys out of a text


class ToolSpec(Protocol):
    """What a model is told of a tool."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> JSON:
        """The JSON schema of its arguments, an object."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a model is asked, in no provider's words."""

    history: Sequence[Message]  # the conversation, a system message first where there is one
    options: Mapping[str, Any] = field(default_factory=dict)  # none of them None
    tools: Sequence[ToolSpec] = ()
    tool_choice: str = "auto"  # "auto", "none", "required", or the name of a tool
    schema: JSON | None = None  # the JSON schema that the answer is to fit
    schema_name: str = "answer"
    provider: str = ""  # whose signed and encrypted state in the history goes back as it came
    replaces: str = ""  # the id of an answer that this one takes the place of
    chat_id: str = ""  # of the conversation, where the far side keeps conversations too
    quirks: Any = None  # of the server that is asked, where its dialect has such

    @cached_property
    def messages(self) -> list[JSON]:
        """The conversation as ModelMessages of the AI SDK, always a valid request."""
        return fit(to_model_messages(self.history))


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request. Headers hold the key, and an address may, so they are in no repr."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: JSON  # an empty one is not sent


class Decoder(Protocol):
    """One stream of bytes as it becomes chunks. It never raises."""

    @property
    def finished(self) -> bool:
        """Whether the terminal mark was seen and `Finish` was given."""

    @property
    def error(self) -> ProviderError | None:
        """The error inside the stream, after which nothing comes."""

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that these bytes of the body, cut anywhere, complete."""

    def close(self) -> list[Chunk]:
        """What is still pending once the body is over, cleanly or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarSide:
    """Where an answer is that the far side goes on writing when nobody reads it: paths in which
    `{id}` stands for the answer's own id there, and `{chat}` for that of its chat."""

    stream: str  # from its first event on, and then live
    poll: str = ""  # as it stands, in one object
    cancel: str = ""  # what ends it there


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A wire format: its address and its two translations, which are imported when first used."""

    path: str  # `{model}` in it stands for the model's name
    outgoing: str  # where its `(model, prompt) -> JSON` is, as "module:name"
    incoming: str  # where its `(provider, hide) -> Decoder` is
    headers: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()  # options of `options` that it has no word for
    frames_steps: bool = False  # the stream itself says where each step begins and ends
    far_side: FarSide | None = None  # where an answer outlives its connection

    def body(self, model: str, prompt: Prompt) -> JSON:
        """The JSON that asks a model. Raises ConfigError or MessageError."""
        translate: Callable[[str, Prompt], JSON] = resolve_name(self.outgoing)
        return merged(translate(model, prompt), prompt.options.get("extra", {}))

    def decoder(self, provider: str, hide: Hide) -> Decoder:
        """What reads one stream."""
        decoder: Callable[[str, Hide], Decoder] = resolve_name(self.incoming)
        return decoder(provider, hide)
