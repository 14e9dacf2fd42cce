"""Messages and their parts: values with the JSON of the AI SDK's UIMessage.

`Message.to_json()` is a UIMessage of npm `ai` 7; what the AI SDK has no field for (status,
time, model, usage, cost, error) travels in its `metadata`, so a chat saved by either side can
be read by the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Any, Literal, get_args

import msgspec
from msgspec import UNSET

from chatkit.errors import MessageError

JSON = dict[str, Any]
Role = Literal["system", "user", "assistant"]
Status = Literal["queued", "streaming", "complete", "stopped", "interrupted", "error"]
PartState = Literal["streaming", "done"]
ToolState = Literal[
    "input-streaming",
    "input-available",
    "approval-requested",
    "approval-responded",
    "output-available",
    "output-error",
    "output-denied",
]
OPEN: frozenset[ToolState] = frozenset(  # of a call that has no result yet
    ("input-available", "approval-requested", "approval-responded")
)
ENDED: frozenset[Status] = frozenset(("complete", "stopped", "interrupted", "error"))


# gc=False: a message is a value and never part of a cycle, and thousands of them are loaded
class _Part(
    msgspec.Struct,
    frozen=True,
    tag_field="type",
    rename="camel",
    omit_defaults=True,
    repr_omit_defaults=True,
    gc=False,
):
    pass


class TextPart(_Part, frozen=True, tag="text"):
    """Text, as Markdown where a model wrote it."""

    text: str
    state: PartState | None = None
    citations: list[Any] | None = None
    provider_metadata: JSON | None = None


class ReasoningPart(_Part, frozen=True, tag="reasoning"):
    """What the model thought before or between its answers, as far as the provider shows it."""

    text: str
    id: str | None = None
    state: PartState | None = None
    provider_metadata: JSON | None = None


class FilePart(_Part, frozen=True, tag="file"):
    """A file: `url` is a `data:` or an `https:` address."""

    media_type: str
    url: str
    filename: str | None = None
    provider_reference: dict[str, str] | None = None
    provider_metadata: JSON | None = None

    def __repr__(self) -> str:
        return f"<FilePart {self.media_type} {self.filename or _cut(self.url)!r}>"


class ReasoningFilePart(_Part, frozen=True, tag="reasoning-file"):
    """A file the model made while reasoning."""

    media_type: str
    url: str
    provider_metadata: JSON | None = None

    def __repr__(self) -> str:
        return f"<ReasoningFilePart {self.media_type} {_cut(self.url)!r}>"


class SourceUrlPart(_Part, frozen=True, tag="source-url"):
    """A page the answer rests on."""

    source_id: str
    url: str
    title: str | None = None
    provider_metadata: JSON | None = None


class SourceDocumentPart(_Part, frozen=True, tag="source-document"):
    """A document the answer rests on."""

    source_id: str
    media_type: str
    title: str
    filename: str | None = None
    provider_metadata: JSON | None = None


class CustomPart(_Part, frozen=True, tag="custom"):
    """What one provider alone knows; `kind` is `provider.type`."""

    kind: str
    provider_metadata: JSON | None = None


class SteeringPart(_Part, frozen=True, tag="steering-message"):
    """A user message that was added while the answer was being written."""

    id: str
    parts: list[JSON]


class StepPart(_Part, frozen=True, tag="step-start"):
    """Where a step (one request to the model) begins."""


class ToolPart(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, repr_omit_defaults=True
):
    """A tool call with its input and, once there is one, its output or error."""

    tool_name: str
    tool_call_id: str
    state: ToolState
    input: Any = UNSET
    output: Any = UNSET
    error_text: str | None = None
    raw_input: Any = UNSET  # the input's text so far, while it streams
    input_encoding: str | None = None
    provider_executed: bool | None = None
    preliminary: bool | None = None
    title: str | None = None
    approval: JSON | None = None
    tool_metadata: JSON | None = None
    call_provider_metadata: JSON | None = None
    result_provider_metadata: JSON | None = None
    dynamic: bool = False  # its JSON type is `dynamic-tool`, else `tool-NAME`


class DataPart(msgspec.Struct, frozen=True):
    """`data-NAME`: the application's own data."""

    name: str
    data: Any
    id: str | None = None


class UnknownPart(msgspec.Struct, frozen=True):
    """A part of a type this version does not know, kept as it came."""

    fields: JSON


_Tagged = (
    TextPart
    | ReasoningPart
    | FilePart
    | ReasoningFilePart
    | SourceUrlPart
    | SourceDocumentPart
    | CustomPart
    | SteeringPart
    | StepPart
)
Part = _Tagged | ToolPart | DataPart | UnknownPart


class Usage(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, repr_omit_defaults=True
):
    """Tokens, as the provider counts them; None is unknown, not zero.

    Input includes what was read from a cache and written to it, output includes reasoning.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Usage(*(_sum(a, b) for a, b in pairs))


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message of a conversation: a value.

    `metadata` holds what is known of how it came about, under these keys where known: `model`,
    `responseModel`, `responseId`, `usage` (`usageEstimated` where nobody counted), `cost` (US
    dollars), `finishReason`, `rawFinishReason`, `seconds`, `secondsToFirstToken`, `schema` (the
    name of its shape), `error` (`{"type", "message"}`, and `status` or `text` where there is one),
    `continued` (a list of `{"at": characters of text, "by": "continuation"}`, where it broke off
    and the model was asked for more), `background` (where its provider writes it on); of Anthropic
    also `stopDetails`, of Gemini `finishMessage` and `continuationToken`.
    """

    id: str
    role: Role
    parts: tuple[Part, ...] = ()
    status: Status = "complete"
    created_at: datetime | None = None
    metadata: JSON = {}  # msgspec copies it for each message

    def __repr__(self) -> str:
        words = self.text if len(self.text) <= 60 else f"{self.text[:57]}..."
        beside = f" ({', '.join(told)})" if (told := _counted(self.parts)) else ""
        return f"<Message {self.role} {self.status} {words!r}{beside}>"

    def _repr_html_(self) -> str:
        card: str = resolve_name("chatkit.cards:message_card")(self)  # when it is looked at
        return card

    @property
    def text(self) -> str:
        """The text of the message, its text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def reasoning(self) -> str:
        """What the model thought, its reasoning parts joined by blank lines."""
        return "\n\n".join(part.text for part in self.parts if isinstance(part, ReasoningPart))

    @property
    def last_step(self) -> tuple[Part, ...]:
        """The parts since the last request to the model; all of them where none is marked."""
        begins = [place for place, part in enumerate(self.parts) if isinstance(part, StepPart)]
        return self.parts[begins[-1] + 1 :] if begins else self.parts

    @property
    def usage(self) -> Usage | None:
        """Tokens of this answer, None where the provider did not say."""
        try:
            return msgspec.convert(self.metadata.get("usage"), Usage | None)
        except msgspec.ValidationError:  # somebody else's metadata, with a usage of its own
            return None

    @property
    def cost(self) -> float | None:
        """US dollars of this answer, None where they are not known."""
        cost = self.metadata.get("cost")
        return float(cost) if isinstance(cost, int | float) else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing in it is worth keeping: no part but steps and white space."""
        return not any(_has_content(part) for part in self.parts)

    def replace(self, **changes: Any) -> Message:
        """The same message with other field values."""
        return msgspec.structs.replace(self, **changes)

    def to_json(self) -> JSON:
        """The message as a UIMessage of the AI SDK: `{"id", "role", "metadata", "parts"}`."""
        metadata: JSON = {**self.metadata, "status": self.status}
        if self.created_at is not None:
            metadata["createdAt"] = self.created_at.astimezone(UTC).isoformat()
        parts = [part_to_json(part) for part in self.parts]
        return {"id": self.id, "role": self.role, "metadata": metadata, "parts": parts}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Message:
        """The message of a UIMessage. Raises MessageError where it is none."""
        role: Any = value.get("role")
        if role not in _ROLES:
            raise MessageError(f"role is {role!r}; a message's role is one of {_ROLES}")
        metadata = value.get("metadata") or {}
        if not isinstance(metadata, (dict, Mapping)):
            raise MessageError(f"metadata is an object, not {metadata!r:.80}")
        metadata = dict(metadata)
        status = metadata.pop("status", "complete")
        created_at = _time(metadata.get("createdAt"))
        if created_at is not None:
            del metadata["createdAt"]
        return cls(
            id=str(value.get("id") or ""),
            role=role,
            parts=_parts(value.get("parts")),
            status=status if status in _STATUSES else "complete",
            created_at=created_at,
            metadata=metadata,
        )


def part_to_json(part: Part) -> JSON:
    """The part as the AI SDK writes it."""
    match part:
        case UnknownPart():
            return part.fields
        case DataPart():
            data = {"type": f"data-{part.name}", "data": part.data}
            return data if part.id is None else {**data, "id": part.id}
        case ToolPart():
            return _tool_to_json(part)
        case _:
            fields: JSON = msgspec.to_builtins(part)
            return fields


def part_from_json(value: Any) -> Part:
    """The part of its JSON; a type not known is kept as it is. Raises MessageError."""
    if not isinstance(value, (dict, Mapping)) or not isinstance(value.get("type"), str):
        raise MessageError(f"a part is an object with a type, not {value!r:.80}")
    kind: str = value["type"]
    try:
        if kind in _TYPES:
            part: Part = msgspec.convert(value, _TYPES[kind])  # the class: a union costs 30 µs
            return part
        if kind.startswith("data-"):
            return DataPart(kind[5:], value.get("data"), value.get("id"))
        if kind == "dynamic-tool":
            return msgspec.convert({**value, "dynamic": True}, ToolPart)
        if kind.startswith("tool-"):
            return msgspec.convert({**value, "toolName": kind[5:]}, ToolPart)
    except msgspec.ValidationError as error:
        raise MessageError(f"a {kind!r} part is not valid: {error}") from error
    return UnknownPart(dict(value))


def mended(text: str) -> str:
    """The text with the halves of each character together; a half on its own becomes U+FFFD.

    Some servers cut a stream between the two UTF-16 halves of an emoji, and no encoder takes one.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def as_messages(messages: str | Iterable[Message | Mapping[str, Any]]) -> list[Message]:
    """Messages of what people pass: text, Messages, UIMessages, or `{"role", "content"}` dicts.

    Raises MessageError, naming the place, where one is none of these.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return [_as_message(value, place) for place, value in enumerate(messages)]


def _as_message(value: Message | Mapping[str, Any], place: int) -> Message:
    if isinstance(value, Message):
        return value
    if not isinstance(value, Mapping):
        raise MessageError(f"message {place} is a {type(value).__name__}, not a Message or a dict")
    try:
        if "parts" in value:
            return Message.from_json(value)
        return Message.from_json({**value, "parts": _content(value.get("content"))})
    except MessageError as error:
        raise MessageError(f"message {place}: {error}") from error


def _content(content: Any) -> list[Any]:
    """The parts of what people write as `content`; what would not be sent is refused."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list | tuple):
        raise MessageError(f"content is text or a list of parts, not {content!r:.80}")
    for place, part in enumerate(_parts(content)):
        if isinstance(part, UnknownPart):
            raise MessageError(
                f"part {place} is of type {part.fields['type']!r}; content is made of"
                ' {"type": "text", "text"} and {"type": "file", "mediaType", "url"}'
            )
    return list(content)


def _parts(values: Any) -> tuple[Part, ...]:
    if not isinstance(values, (list, tuple)):
        raise MessageError(f"parts is a list, not {values!r:.80}")
    parts: list[Part] = []
    try:
        for value in values:
            parts.append(part_from_json(value))  # its length is the place
    except MessageError as error:
        raise MessageError(f"part {len(parts)}: {error}") from error
    return tuple(parts)


def _time(value: Any) -> datetime | None:
    """The time of an ISO text, which is UTC where it names no zone; None where it is none."""
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # somebody else's, with a time of its own
        return None


def _tool_to_json(part: ToolPart) -> JSON:
    fields: JSON = msgspec.to_builtins(part)
    if fields.pop("dynamic", False):
        return {"type": "dynamic-tool", **fields}
    return {"type": f"tool-{fields.pop('toolName')}", **fields}


def _cut(url: str) -> str:
    """An address without the megabytes that a `data:` URL may have."""
    return url if len(url) <= 60 else f"{url[:57]}..."


def _counted(parts: Iterable[Part]) -> list[str]:
    """How many files and tool calls there are."""
    kinds = [
        "file" if isinstance(part, FilePart | ReasoningFilePart) else "tool call"
        for part in parts
        if isinstance(part, FilePart | ReasoningFilePart | ToolPart)
    ]
    counts = {kind: kinds.count(kind) for kind in kinds}
    return [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items()]


def _has_content(part: Part) -> bool:
    match part:
        case TextPart() | ReasoningPart():
            return bool(part.text.strip())
        case StepPart():
            return False
    return True


def _sum(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else a + b


_TYPES = {str(cls.__struct_config__.tag): cls for cls in get_args(_Tagged)}
_ROLES: tuple[str, ...] = get_args(Role)
_STATUSES: tuple[str, ...] = get_args(Status)
