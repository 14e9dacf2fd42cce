"""`stream_text`: one answer without a conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chatkit import defaults, host
from chatkit import engine as engines
from chatkit.answers.feed import Feed
from chatkit.answers.producer import Ask, OnChunk, OnFinish, Producer
from chatkit.answers.steps import Question, checked_steps
from chatkit.ids import new_id
from chatkit.messages import Message, as_messages
from chatkit.providers import Model, get_model
from chatkit.providers.options import check_choice
from chatkit.replies import Reply
from chatkit.schema import schema_of
from chatkit.tools import as_tools


def stream_text(
    model: str | Model | None,
    messages: str | Iterable[Message | Mapping[str, Any]],
    *,
    system: str | None = None,
    tools: Iterable[Callable[..., Any]] = (),
    max_steps: int | None = None,
    schema: Any = None,
    repair: bool = False,
    on_chunk: OnChunk | None = None,
    on_finish: OnFinish | None = None,
    **options: Any,
) -> Reply:
    """One answer without a conversation; nothing is requested until it is read or consumed.

    `messages`: text, Messages, UIMessages of the AI SDK, or `{"role", "content"}` dicts.
    `tools`: functions, or what `tool` makes of them, that the model may call, in at most
    `max_steps` requests. `schema`: a type or a JSON schema that the answer is to fit; with
    `repair` the model is asked once more where it does not.
    `on_chunk(chunk)` is called on the engine's thread: be quick. `on_finish(event)` is called
    once, with a `FinishEvent`. `options` go to the model.
    What is not given is as `chatkit.config` has it.

    Raises ConfigError (an unknown model or option, no key) and MessageError, before anything
    is sent. What goes wrong later is the reply's `status` and `error`.
    """
    asked, prompt = get_model(model), as_messages(messages)
    options = {**defaults.get("options"), **options}
    asked.check(options)
    known = as_tools(tools)
    check_choice(options.get("tool_choice"), known)
    if system is None and all(message.role != "system" for message in prompt):
        system = defaults.get("system")
    if system is not None:
        prompt = [*as_messages([{"role": "system", "content": system}]), *prompt]
    shape = None if schema is None else schema_of(schema)
    question = Question(
        asked,
        options,
        tools=known,
        max_steps=checked_steps(max_steps),
        schema=shape,
        repair=repair,
        can_ask=host.current().asks,
    )
    ask = Ask(question, lambda: prompt, on_chunk, on_finish)
    engine = engines.get_engine()
    message = Message(id=new_id(), role="assistant", status="queued", metadata={"model": asked.id})
    feed = Feed(message, engine)
    producer = Producer(feed, ask, engine)
    feed.when_wanted(producer.start)
    return Reply(feed, producer, schema=shape)
