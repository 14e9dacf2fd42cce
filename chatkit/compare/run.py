"""One question of a comparison, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from chatkit import engine as engines
from chatkit.answers.feed import Feed
from chatkit.answers.structure import partial_of
from chatkit.chat import Chat
from chatkit.errors import ChatkitError, error_of
from chatkit.messages import ENDED, Message, Usage
from chatkit.prompts import Settings
from chatkit.replies import Reply
from chatkit.scores.verdict import Verdict
from chatkit.stores import Store
from chatkit.stores.protocol import Row

RunStatus = Literal["queued", "streaming", "complete", "stopped", "interrupted", "error", "skipped"]


class Place(msgspec.Struct, frozen=True):
    """Where in the grid a run stands: the names of what it is made of."""

    index: int
    prompt: str
    model: str
    case_index: int = 0
    case: Mapping[str, Any] = {}
    sample: int = 1  # from 1
    system: str = ""  # "" unless several are compared
    options: Mapping[str, Any] = {}  # those that are compared


class Run:
    """A place in the grid, what is asked there, and the answer as far as it has come.

    It has what a finished `Reply` has: `text`, `object`, `message`, `usage`, `cost`, `error`, ...
    """

    def __init__(
        self,
        place: Place,
        messages: Sequence[Message] | Callable[[], Sequence[Message]],
        settings: Settings,
        key: str = "",
    ) -> None:
        self.place = place
        self._asked = messages
        self.settings = settings
        self.key = key  # of its row in the store
        self.scores: dict[str, Verdict] = {}
        self.is_restored = False  # whether the answer was on disk already
        self.skipped = ""  # why it is not asked, in words
        self.feed: Feed | None = None  # while it is being answered in this process
        self.is_elsewhere = False  # another process asks it now
        self.is_waiting = False  # to be asked, whatever there is already
        self.store: Store | None = None
        self.older_rows: list[Row] = []  # what was answered before, as it is stored
        self._message: Message | None = None
        self._row: Row | None = None  # as it is stored, until somebody wants the message

    # -- where it stands --

    @property
    def index(self) -> int:
        """Its place in the order of the grid, from 0."""
        return self.place.index

    @property
    def prompt(self) -> str:
        """The name of its prompt."""
        return self.place.prompt

    @property
    def model(self) -> str:
        """The name of its model."""
        return self.place.model

    @property
    def case(self) -> Mapping[str, Any]:
        """The fields of its case."""
        return self.place.case

    @property
    def sample(self) -> int:
        """Which of the samples, from 1."""
        return self.place.sample

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that the grid varies."""
        return self.place.options

    @property
    def messages(self) -> Sequence[Message]:
        """What is asked, the system prompt first."""
        if callable(self._asked):
            self._asked = self._asked()
        return self._asked

    # -- what came of it --

    @property
    def message(self) -> Message | None:
        """The answer so far, None while nobody has asked."""
        if (feed := self.feed) is not None:
            return feed.message()
        if self._message is None and self._row is not None:
            self._message = Message.from_json(self._row["message"])
        return self._message

    @message.setter
    def message(self, message: Message | None) -> None:
        self._message, self.feed = message, None

    @property
    def older(self) -> list[Message]:
        """What was answered here before it was asked again, the oldest first."""
        return [Message.from_json(each) for each in self.older_rows]

    def restore(self, row: Row) -> None:
        """Take the answer from its row; it is read when somebody looks at it."""
        self._row, self._message, self.feed = row, None, None
        self.older_rows = row.get("older", [])

    @property
    def status(self) -> RunStatus:
        """`queued | streaming | complete | stopped | interrupted | error | skipped`."""
        if self.skipped:
            return "skipped"
        if self.is_waiting:
            return "queued"
        if self.is_elsewhere:
            return "streaming"
        if self.feed is None and self._message is None and self._row is not None:
            return self._row["message"]["metadata"]["status"]  # type: ignore[no-any-return]
        message = self.message
        return "queued" if message is None else message.status

    @property
    def waits(self) -> str:
        """What it waits for, in words; "" when it goes on."""
        if self.is_elsewhere:
            return "Asked by another process"
        return "" if self.feed is None else self.feed.note

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self.status in ENDED or bool(self.skipped)

    @property
    def text(self) -> str:
        """The text so far."""
        message = self.message
        return "" if message is None else message.text

    @property
    def reasoning(self) -> str:
        """What the model thought so far."""
        message = self.message
        return "" if message is None else message.reasoning

    @property
    def object(self) -> Any:
        """What an answer of a given `schema` says, as plain JSON; None where it has none."""
        message, schema = self.message, self.settings.schema
        if message is None or schema is None:
            return None
        told = partial_of(message)
        return told.get("value") if schema.wraps and isinstance(told, dict) else told

    @property
    def error(self) -> Exception | None:
        """Why it ended in `error` or `interrupted`, or was not asked; None otherwise."""
        if self.skipped:
            return ChatkitError(self.skipped)
        return error_of(self._metadata)

    @property
    def finish_reason(self) -> str | None:
        """As the provider gave it: `stop`, `length`, ..."""
        reason: str | None = self._metadata.get("finishReason")
        return reason

    @property
    def usage(self) -> Usage | None:
        """Tokens, None where nobody has counted them."""
        message = self.message
        return None if message is None else message.usage

    @property
    def cost(self) -> float | None:
        """US dollars, None where nobody knows."""
        message = self.message
        return None if message is None else message.cost

    @property
    def seconds(self) -> float | None:
        """From the request to the end."""
        return self._metadata.get("seconds")

    @property
    def seconds_to_first_token(self) -> float | None:
        """From the request to the first of the answer."""
        return self._metadata.get("secondsToFirstToken")

    @property
    def reply(self) -> Reply:
        """The answer as a `Reply`: what score functions are given, and what shows itself."""
        if (feed := self.feed) is None:
            message = self.message or Message(id=self.key, role="assistant", status="interrupted")
            feed = Feed.ended_with(message, engines.get_engine(), self.error)
        return Reply(feed, schema=self.settings.schema)

    def chat(self, id: str | None = None, **settings: Any) -> Chat:
        """A chat that begins with what was asked and answered here, to go on from.

        `settings` are as for `Chat`; the same answer gives the same chat.
        """
        messages = [
            message.replace(id=f"{self.key}-{n}") for n, message in enumerate(self.messages)
        ]
        if (answer := self.message) is not None and not answer.is_empty:
            messages.append(answer)
        asked = {"model": self.settings.model, "store": self.store, **self.settings.options}
        return Chat.from_messages(id or self._title(messages), messages, **{**asked, **settings})

    def _title(self, messages: Sequence[Message]) -> str:
        """A name for a chat that begins with these, and for no other."""
        said = msgspec.json.encode([message.to_json() for message in messages], enc_hook=repr)
        print_ = hashlib.blake2b(said, digest_size=4).hexdigest()
        named = f"{self.prompt} - {self.model} - {print_}"
        plain = "".join(char if char.isprintable() and char not in "/\\" else " " for char in named)
        return " ".join(plain.split())

    @property
    def _metadata(self) -> Mapping[str, Any]:
        message = self.message
        return {} if message is None else message.metadata

    def __repr__(self) -> str:
        where = " / ".join(filter(None, (self.prompt, self.model, f"sample {self.sample}")))
        text = self.text
        shown = text if len(text) <= 60 else text[:57] + "..."
        return f"<Run {self.index} {where}: {self.status} {shown!r}>"
