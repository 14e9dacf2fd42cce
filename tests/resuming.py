"""An answer that goes on in its own message, and the wires of a far side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chatkit.answers.continuing import reopened
from chatkit.answers.feed import Feed
from chatkit.answers.producer import Ask, Producer
from chatkit.answers.steps import Question
from chatkit.engine import get_engine
from chatkit.messages import Message, as_messages
from chatkit.providers import Model
from chatkit.replies import Reply

Json = dict[str, Any]


def taken_up(
    message: Message, model: Model, asked: Sequence[Message] | str = "Hi", **question: Any
) -> Reply:
    """The answer that `message` broke off as, going on."""
    engine = get_engine()
    feed = Feed(reopened(message).replace(status="queued"), engine)
    ask = Ask(
        Question(model, resumes=True, **question),
        lambda: as_messages(asked),
        is_continuation=True,
    )
    producer = Producer(feed, ask, engine)
    feed.when_wanted(producer.start)
    return Reply(feed, producer)


def responses_wire(*words: str, id: str = "resp_1", **end: Any) -> bytes:
    """A text in Responses, an event for each of its words, and five around them."""
    text = "".join(words)
    item = {"id": "msg_1", "type": "message", "role": "assistant"}
    content = [{"type": "output_text", "text": text, "annotations": []}]
    done = {**item, "status": "completed", "content": content}
    usage = {"input_tokens": 10, "output_tokens": len(words)}
    whole = {"id": id, "model": "m", "status": "completed", "output": [done], "usage": usage} | end
    place = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    deltas = [{"type": "response.output_text.delta", "delta": word, **place} for word in words]
    return _wire(
        {"type": "response.created", "response": {"id": id, "model": "m", "status": "queued"}},
        {"type": "response.output_item.added", "item": {**item, "content": []}, **place},
        *deltas,
        {"type": "response.output_item.done", "item": done, **place},
        {"type": f"response.{whole['status']}", "response": whole},
    )


def call_wire(name: str, arguments: Mapping[str, Any], *, id: str = "resp_0") -> bytes:
    """A call in Responses."""
    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name}
    done = {**item, "arguments": json.dumps(arguments), "status": "completed"}
    usage = {"input_tokens": 100, "output_tokens": 20}
    whole = {"id": id, "model": "m", "status": "completed", "output": [done], "usage": usage}
    return _wire(
        {"type": "response.created", "response": {"id": id, "model": "m", "status": "queued"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "arguments": ""},
        },
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": whole},
    )


def _wire(*events: Json) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in events
    )
