"""What may be asked in a comparison: a text, messages, a chat, or a function of the case."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from chatkit.chat import Chat
from chatkit.errors import ConfigError, MessageError
from chatkit.fields import fill, names_in
from chatkit.messages import Message, as_messages, mended

Case = Mapping[str, Any]
Source = Any  # str | Message | Chat | list of these and of dicts | a function of the case
LABEL = 48  # characters of a prompt that names itself


def named_prompts(prompts: Any) -> dict[str, Source]:
    """The prompts by their names: those of a dict, else how each begins.

    Raises ConfigError where there is none, or something that is no prompt.
    """
    if isinstance(prompts, Mapping) and not _is_message(prompts):
        named = [(str(name), source) for name, source in prompts.items()]
    else:
        is_several = isinstance(prompts, list | tuple) and not _is_one(prompts)
        named = [(_label(each), each) for each in (prompts if is_several else [prompts])]
    found: dict[str, Source] = {}
    for name, source in named:
        found[_unique(name, found)] = source
    if not found:
        raise ConfigError("there is nothing to compare: prompts= is empty")
    for name, source in found.items():
        _check(name, source)
    return found


def named_systems(system: Any) -> dict[str, Any]:
    """The system prompts by their names; one alone has none."""
    if isinstance(system, Mapping):
        return {str(name): each for name, each in system.items()}
    if isinstance(system, list | tuple):
        labels: dict[str, Any] = {}
        for each in system:
            labels[_unique(_label(each), labels)] = each
        return labels
    return {"": system}


def text_for(name: str, source: Source, system: Any, case: Case) -> str | None:
    """What is sent, where that is one text and no more. Raises ConfigError."""
    if not isinstance(source, str) or system is not None:
        return None
    try:
        return mended(fill(source, case))  # half a character cannot be hashed, nor sent
    except ConfigError as error:
        raise ConfigError(f"prompt {name!r}: {error}") from error


def messages_for(name: str, source: Source, system: Any, case: Case) -> list[Message]:
    """What is sent for a case, the system prompt first. Raises ConfigError, MessageError."""
    try:
        said = _messages(_called(source, case), case)
        told = _called(system, case)
    except MessageError as error:
        raise MessageError(f"prompt {name!r}: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"prompt {name!r}: {error}") from error
    if not said or said[-1].role == "assistant":
        raise MessageError(f"prompt {name!r} ends with no question: its last message is the user's")
    if told is None:
        return said
    rest = [message for message in said if message.role != "system"]
    return [*as_messages([{"role": "system", "content": fill(str(told), case)}]), *rest]


def fields_of(source: Source, known: Collection[str]) -> set[str] | None:
    """The names of the fields that a prompt has in it, of cases with the `known` ones; None where
    only the case can tell."""
    match source:
        case str():
            return set(names_in(source, known))
        case Chat() | Message() | None:
            return set()
        case Mapping():
            return _fields_of_content(source.get("content"), known)
        case list() | tuple():
            found = [fields_of(each, known) for each in source]
            return None if None in found else set().union(*(each or () for each in found))
    return None


def _fields_of_content(content: Any, known: Collection[str]) -> set[str]:
    texts = [content] if isinstance(content, str) else [p.get("text") for p in content or ()]
    return {name for text in texts if isinstance(text, str) for name in names_in(text, known)}


def _called(source: Source, case: Case) -> Any:
    return source(case) if callable(source) and not isinstance(source, type) else source


def _messages(said: Source, case: Case) -> list[Message]:
    match said:
        case str():
            return as_messages(fill(said, case))
        case Message():
            return [said]
        case Chat():
            return _of_chat(said)
        case Mapping():
            return as_messages([_filled(said, case)])
        case list() | tuple():
            return _joined(said, case)
    raise ConfigError(f"a prompt is text, messages or a Chat, not {type(said).__name__}")


def _joined(parts: Sequence[Any], case: Case) -> list[Message]:
    """A chat in a list is continued by what follows it there."""
    found: list[Message] = []
    for part in parts:
        found += _said(part) if isinstance(part, Chat) else _messages(part, case)
    return found


def _said(chat: Chat) -> list[Message]:
    """What has been said in a chat, its system prompt first. Raises MessageError while it is
    being answered: half an answer would be another question each time."""
    if chat.status in ("submitted", "streaming"):
        raise MessageError(f"chat {chat.id!r} is being answered: wait for that first, chat.wait()")
    if chat.system is None:
        return chat.messages
    return [*as_messages([{"role": "system", "content": chat.system}]), *chat.messages]


def _of_chat(chat: Chat) -> list[Message]:
    """A chat alone: its last question is asked again."""
    messages = _said(chat)
    while messages and messages[-1].role == "assistant":
        messages.pop()
    return messages


def _filled(message: Mapping[str, Any], case: Case) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": fill(content, case)}
    if not isinstance(content, list):
        return dict(message)
    parts = [
        {**part, "text": fill(part["text"], case)} if isinstance(part.get("text"), str) else part
        for part in content
    ]
    return {**message, "content": parts}


def _check(name: str, source: Source) -> None:
    if callable(source) and not isinstance(source, type):
        _check_function(name, source)
    elif not isinstance(source, str | Message | Chat | list | tuple | Mapping):
        raise ConfigError(
            f"prompt {name!r} is {source!r:.80}; a prompt is text, a list of messages, a Chat, or"
            " a function that makes one of these of a case"
        )


def _check_function(name: str, source: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(source):
        raise ConfigError(f"prompt {name!r} is an async function; a plain one is needed")


def _is_message(value: Any) -> bool:
    return isinstance(value, Message) or (isinstance(value, Mapping) and "role" in value)


def _is_one(prompts: Any) -> bool:
    """Whether this is one prompt, not several."""
    if isinstance(prompts, list | tuple):
        return bool(prompts) and all(map(_is_message, prompts))
    return isinstance(prompts, str | Chat) or _is_message(prompts) or callable(prompts)


def _label(source: Any) -> str:
    if isinstance(source, Chat):
        return source.id
    if isinstance(source, str):
        line = " ".join(source.split())
        return line if len(line) <= LABEL else f"{line[: LABEL - 1]}…"
    if source is None:
        return "none"
    return str(getattr(source, "__name__", "messages"))


def _unique(label: str, known: Mapping[str, Any]) -> str:
    number, found = 1, label
    while found in known:
        number += 1
        found = f"{label} ({number})"
    return found
