"""One answer as it arrives: `Reply`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

from chatkit import engine as engines
from chatkit import host
from chatkit.answers.calls import check_wait, open_calls
from chatkit.answers.feed import Cursor, Feed
from chatkit.answers.follower import Follower
from chatkit.answers.structure import object_of, partial_of
from chatkit.chunks import Chunk, TextDelta
from chatkit.errors import ConfigError
from chatkit.messages import Message, Status, ToolPart, Usage
from chatkit.progress import progress
from chatkit.schema import Schema
from chatkit.standing import waiting_words
from chatkit.ui_stream import UIStream


class Stoppable(Protocol):
    """Who writes an answer: this process's producer, or a stand-in for another's."""

    def stop(self) -> None: ...

    def decide(self, approval_id: str, approved: bool, reason: str | None) -> None: ...


class Conversation(Protocol):
    """What a reply asks of the conversation it belongs to."""

    @property
    def producers(self) -> Mapping[str, Stoppable]: ...

    def regenerate(self, message: Message) -> Reply: ...

    def resume(self, message: Message) -> Reply: ...

    def can_resume(self, message: Message) -> bool: ...

    def running(self, id: str) -> Reply | None: ...

    def observe(self, callback: Callable[[], None]) -> Callable[[], None]: ...


class Reply:
    """One answer, whoever produces it: read it, wait for it, stop it; displayed, it is live.

    Iterating replays it from the first chunk, then follows; any number of readers may.
    """

    def __init__(
        self,
        feed: Feed,
        producer: Stoppable | None = None,
        conversation: Conversation | None = None,
        schema: Schema | None = None,
        turn: Message | None = None,
    ) -> None:
        self.turn = turn  # what it answers, in a chat
        self._feed = feed
        self._producer = producer
        self._conversation = conversation
        self._schema = schema

    @property
    def feed(self) -> Feed:
        """What it reads: where nobody could go on with it, what was asked for beside it."""
        return self._feed.last

    # -- what it says so far --

    @property
    def message(self) -> Message:
        """The message so far."""
        return self.feed.message()

    @property
    def id(self) -> str:
        """The id of its message: minted before anything was asked."""
        return self.message.id

    @property
    def text(self) -> str:
        """The text so far."""
        return self.message.text

    @property
    def reasoning(self) -> str:
        """What the model thought so far, as far as the provider shows it."""
        return self.message.reasoning

    @property
    def status(self) -> Status:
        """`queued | streaming | complete | stopped | interrupted | error`."""
        return self.feed.status

    @property
    def finish_reason(self) -> str | None:
        """`stop | length | content-filter | tool-calls | error | other`, None until known."""
        reason: str | None = self.message.metadata.get("finishReason")
        return reason

    @property
    def usage(self) -> Usage | None:
        """Tokens, None where the provider has not said."""
        return self.message.usage

    @property
    def cost(self) -> float | None:
        """US dollars: what the provider says, else by its list prices; None where nobody knows."""
        return self.message.cost

    @property
    def object(self) -> Any:
        """The answer as what its `schema` says: waits for it.

        Raises ConfigError where none was given, SchemaMismatch where the answer does not fit, and
        what ended the answer where it broke off.
        """
        if self._schema is None:
            raise ConfigError("this answer has no shape: ask with schema=, a type or a JSON schema")
        self.wait()
        if self.error is not None:
            raise self.error
        return object_of(self.message, self._schema)

    @property
    def partial(self) -> Any:
        """What an answer of a given `schema` says so far, as plain JSON; None until it begins."""
        return partial_of(self.message)

    @property
    def approvals(self) -> list[ToolPart]:
        """The tool calls that wait for somebody to allow them."""
        return [part for part in open_calls(self.message) if part.state == "approval-requested"]

    @property
    def error(self) -> Exception | None:
        """Why it ended in `error` or `interrupted`, None otherwise."""
        return self.feed.error

    @property
    def warnings(self) -> list[str]:
        """What went wrong beside the answer: a callback that raised, a store that is full."""
        return list(self.feed.warnings)

    @property
    def can_resume(self) -> bool:
        """Whether `resume` can go on where this broke off, rather than ask beside it."""
        return self._conversation is not None and self._conversation.can_resume(self.message)

    @property
    def in_chat(self) -> bool:
        """Whether it belongs to a chat, where it can be asked again."""
        return self._conversation is not None

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process writes it, which goes on without this one."""
        return isinstance(self._writer(), Follower)

    # -- reading --

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self._chunks()

    def __iter__(self) -> Iterator[Chunk]:
        feed: Feed | None = self.feed
        while feed is not None:
            cursor = self._cursor(feed, blocks=True)
            while chunks := feed.engine.run(cursor.read()):
                yield from chunks
            feed = feed.successor

    def deltas(self) -> Deltas:
        """The text only, in pieces: `for` and `async for`."""
        return Deltas(self)

    def ui_stream(self) -> UIStream:
        """The bytes that a `useChat` front end reads, and the `headers` to send them with."""
        return UIStream(self)

    async def _chunks(self) -> AsyncIterator[Chunk]:
        feed: Feed | None = self.feed
        while feed is not None:
            cursor = self._cursor(feed, blocks=False)
            while chunks := await engines.join(feed.engine.submit(cursor.read())):
                for chunk in chunks:
                    yield chunk
            feed = feed.successor

    def _cursor(self, feed: Feed, *, blocks: bool) -> Cursor:
        if not feed.ended:
            check_wait(feed, blocks=blocks)
        return feed.cursor()

    # -- going on, waiting, ending --

    def consume(self) -> Reply:
        """Let the engine read it to its end, whether or not anybody looks."""
        self.feed.engine.call(self.feed.drain)
        return self

    def wait(self, timeout: float | None = None, *, pump: bool = False) -> Reply:
        """Block until it has ended; an interrupt ends the wait, never the answer.

        With `pump`, the kernel's own event loop goes on meanwhile. Raises TimeoutError after
        `timeout` seconds, ConfigError in a tool of this answer or of one before it in its chat.
        """
        check_wait(self.feed, blocks=not self.feed.done.done())
        self.consume()
        try:
            with self._progress():
                while not (done := self.feed.done).done():
                    if pump:
                        engines.pump(done, timeout)
                    else:
                        engines.wait(done, timeout)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(engines.INTERRUPTED) from None
        return self

    def __await__(self) -> Generator[Any, None, Reply]:
        return self._ended().__await__()

    async def _ended(self) -> Reply:
        check_wait(self.feed, blocks=False)
        self.consume()
        with self._progress():
            while not (done := self.feed.done).done():
                await engines.join(done)
        return self

    def _progress(self) -> AbstractContextManager[None]:
        """Say in the cell that waits what for, unless it shows the answer itself."""
        return progress(self._waiting, is_needed=not host.current().shows(self.id))

    def _waiting(self) -> str:
        message = self.message
        is_told = not self.in_chat and not message.is_empty  # on_chunk= may print it
        return "" if is_told else waiting_words(self.feed.note, message)

    def stop(self) -> Reply:
        """Stop the model; what has arrived is kept. An answer that has ended stays as it is."""
        if (writer := self._writer()) is not None:
            self.feed.engine.call(writer.stop)
        return self

    def approve(self, call: ToolPart | str | None = None) -> Reply:
        """Allow a tool call that waits for it (by its part or its id); without one, all of them."""
        return self._decide(call, True, None)

    def deny(self, call: ToolPart | str | None = None, reason: str | None = None) -> Reply:
        """Refuse a tool call that waits to be allowed, or all of them; the model is told why."""
        return self._decide(call, False, reason)

    def _decide(self, call: ToolPart | str | None, approved: bool, reason: str | None) -> Reply:
        chosen = call.tool_call_id if isinstance(call, ToolPart) else call
        for part in self.approvals:
            if (writer := self._writer()) is not None and chosen in (None, part.tool_call_id):
                id = (part.approval or {}).get("id", "")
                self.feed.engine.call(writer.decide, id, approved, reason)
        return self

    def _writer(self) -> Stoppable | None:
        """Who writes it now: in a chat that may change."""
        if self._conversation is None:
            return self._producer
        return self._conversation.producers.get(self.id, self._producer)

    def detach(self) -> Reply:
        """Leave it; it goes on to its end by itself."""
        return self.consume()

    def regenerate(self) -> Reply:
        """Ask again: another answer beside this one. Raises ConfigError outside a chat."""
        if self._conversation is None:
            raise ConfigError("only an answer in a Chat can be regenerated: call stream_text again")
        return self._conversation.regenerate(self.message)

    def resume(self) -> Reply:
        """Go on with an answer that was cut off, in its own message where that can be.

        In this order: whoever still writes it is followed; its tool calls are run; a provider or
        backend that still has it gives the rest; the model is asked to continue its text, which
        is marked; else it is asked again, beside this one.
        """
        if not self.feed.ended or self.status == "complete":
            return self.consume()
        if self._conversation is None:
            return self.regenerate()
        return self._conversation.resume(self.message)

    def when_resumed(self, callback: Callable[[Reply], None]) -> Callable[[], None]:
        """Call `callback` on the engine's thread once somebody goes on with this answer that
        broke off, here or in another process, unless what this returns is called before."""
        conversation = self._conversation
        if conversation is None:
            return lambda: None

        is_over, watch = False, ExitStack()

        def leave() -> None:
            nonlocal is_over
            is_over = True  # another look may be on its way
            watch.close()

        def look() -> None:
            if not is_over and (reply := conversation.running(self.id)) is not None:
                leave()
                callback(reply)

        watch.callback(conversation.observe(look))
        if is_over:  # meanwhile, on the engine's thread
            watch.close()
        return leave

    # -- showing --

    def show(self, into: Any = None) -> Reply:
        """Show it here, live; or in `into`, an `ipywidgets.Output` or box of one's own."""
        self.consume()
        host.current().show(self, into=into)
        return self

    def _ipython_display_(self) -> None:
        self.consume()
        host.current().display(self)

    def __repr__(self) -> str:
        text = self.text
        shown = text if len(text) <= 60 else text[:57] + "..."
        return f"<Reply {self.status} {shown!r}>"


class Deltas:
    """The text of a reply in pieces, from the start."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[str]:
        return (chunk.delta for chunk in self._reply if isinstance(chunk, TextDelta))

    async def __aiter__(self) -> AsyncIterator[str]:
        async for chunk in self._reply:
            if isinstance(chunk, TextDelta):
                yield chunk.delta
