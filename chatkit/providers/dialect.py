"""What a wire format is to the rest of chatkit: two translations, and no memory of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chatkit.chunks import Chunk
from chatkit.errors import ProviderError

JSON = dict[str, Any]
Hide = Callable[[str], str]  # takes keys out of a text


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request. Headers hold the key, and an address may, so they are in no repr."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: JSON


class Decoder(Protocol):
    """One stream of bytes as it becomes chunks. It never raises."""

    finished: bool  # the terminal mark was seen and `Finish` was given
    error: ProviderError | None  # the error inside the stream, after which nothing comes

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that these bytes of the body, cut anywhere, complete."""

    def close(self) -> list[Chunk]:
        """What is still pending once the body is over, cleanly or not."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A wire format. `body(name, messages, options, quirks)` is the JSON to send to `path`;
    `decoder(provider, hide)` reads what comes back."""

    path: str
    body: Callable[[str, list[JSON], Mapping[str, Any], Any], JSON]
    decoder: Callable[[str, Hide], Decoder]
