"""The AI SDK's UI message stream, outgoing: a conversation -> what `useChat` posts.

Two forms, by the option `history`: "all" (the default) sends every message, "last" only the
newest, for a backend that keeps the conversation itself under the chat's id.
"""

from __future__ import annotations

import secrets

from chatkit.errors import ConfigError, MessageError
from chatkit.messages import Message
from chatkit.providers.dialect import JSON, Prompt

# what chatkit notes of an answer, which is no business of the backend's
_NOTED = (
    "responseId",
    "finishReason",
    "rawFinishReason",
    "seconds",
    "secondsToFirstToken",
    "error",
    "background",
    "usageEstimated",
)


def body(model: str, prompt: Prompt) -> JSON:
    """The request for an answer of the backend at the address `model`.

    Raises ConfigError and MessageError.
    """
    if prompt.tools or prompt.schema is not None:
        raise ConfigError(
            f"an AI SDK backend ({model.partition('?')[0]}) has tools of its own and takes none:"
            " leave out tools= and schema="
        )
    messages = [_message(each, f"ui+{model}") for each in prompt.history if _is_sent(each)]
    if not messages:
        raise MessageError("there is nothing to send: the conversation is empty")
    asked: JSON = {"id": prompt.chat_id or _new_id()}
    if prompt.options.get("history") != "last":
        asked |= {"messages": messages, "trigger": "submit-message"}
    elif messages[0]["role"] != "system":
        asked["message"] = messages[-1]
    else:
        raise ConfigError('history="last" sends no system message: leave out system=')
    if prompt.replaces:
        asked |= {"trigger": "regenerate-message", "messageId": prompt.replaces}
    return asked


def _is_sent(message: Message) -> bool:
    """Not an answer that failed before it said anything: the AI SDK refuses a message without
    parts."""
    return bool(message.parts) and (message.role != "assistant" or not message.is_empty)


def _message(message: Message, model_id: str) -> JSON:
    """The message as the backend knows it: by its own id, with its own metadata."""
    told = message.metadata
    noted = (*_NOTED, "usage") if told.get("usageEstimated") else _NOTED
    metadata = {name: told[name] for name in told if name not in noted}
    if metadata.get("model") == model_id:
        del metadata["model"]
    response_id = told.get("responseId") if message.role == "assistant" else None
    sent = {**message.to_json(), "id": str(response_id or message.id or _new_id())}
    return {**sent, "metadata": metadata} if metadata else _without(sent, "metadata")


def _without(value: JSON, name: str) -> JSON:
    return {key: value[key] for key in value if key != name}


def _new_id() -> str:
    """An id for what has none, because it was asked outside of a chat."""
    return secrets.token_hex(8)
