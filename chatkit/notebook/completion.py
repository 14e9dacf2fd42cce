"""What Tab offers in the line of `%%chat`. Alone knows IPython's completer."""

from __future__ import annotations

import concurrent.futures
import os
import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)

from chatkit import engine as engines
from chatkit import local
from chatkit.chat import Chat
from chatkit.errors import ConfigError, StoreError
from chatkit.listing import is_chat
from chatkit.notebook.line import option_names
from chatkit.providers import Model
from chatkit.providers.options import EFFORTS
from chatkit.providers.table import ENDPOINTS
from chatkit.stores import open_store

PATIENCE = 0.5  # seconds that a store may take to list its chats
MOST = 200  # chats that are offered, the last used first

_LINE = re.compile(r"\s*%%?chat\s")
_WORDS = re.compile(r"[\s=]+")


class Completions:
    """What is offered in a shell whose variables are `names`."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    @context_matcher(identifier="chatkit")  # type: ignore[untyped-decorator]  # IPython's own
    def matcher(self, context: CompletionContext) -> SimpleMatcherResult:
        """What fits the word before the cursor; nothing in any other line."""
        before = context.text_until_cursor
        if not _LINE.match(before):
            return {"completions": []}
        *said, word = _WORDS.split(before.lstrip())
        kind, offered = self._offered(said[1:], word)
        fit = sorted({each for each in offered if each.startswith(word)})
        cut = len(word) - len(context.token)  # only the end of the word may be replaced
        found = [SimpleCompletion(each[cut:], type=kind) for each in fit]
        return {"completions": found, "suppress": True}

    def _offered(self, said: list[str], word: str) -> tuple[str, Iterable[str]]:
        """What may stand after these words, and what kind of thing that is."""
        option = next((each for each in reversed(said) if each.startswith("-")), "")
        if word.startswith("-"):
            return "option", [each for each in option_names() if each not in said]
        if option == "--tools":
            return "variable", self._variables(callable)
        match option if option and option == said[-1] else "":
            case "-m" | "--model":
                return "model", self._models()
            case "-o" | "--out" | "--schema":
                return "variable", self._variables(lambda found: not isinstance(found, ModuleType))
            case "--reasoning":
                return "effort", EFFORTS
            case "--history":
                return "history", ("all", "last")
            case "--files" | "--store" | "-s" | "--system":
                return "", ()  # IPython offers the names of files
        return ("option", option_names()) if said else ("chat", self._chats())

    def _variables(self, fits: Callable[[Any], bool]) -> list[str]:
        return [name for name, found in self._names.items() if name[0] != "_" and fits(found)]

    def _models(self) -> list[str]:
        named = self._variables(lambda found: isinstance(found, Model))
        return [*named, *(f"{each}/" for each in ENDPOINTS), *map("local/{}".format, local.names())]

    def _chats(self) -> list[str]:
        own = [each.id for each in self._names.values() if isinstance(each, Chat)]
        return [each for each in (*own, *_stored()) if not re.search(r"[\s'\"]", each)]


def is_ours(matcher: Any) -> bool:
    """Whether a matcher of IPython's completer is the one here."""
    return isinstance(getattr(matcher, "__self__", None), Completions)


def _stored() -> list[str]:
    """The chats of the default store, the last used first; none where that cannot be read."""
    try:
        store = open_store()
        if os.path.isabs(store.location) and not os.path.exists(store.location):
            return []  # listing them would make it
        found = engines.get_engine().submit(store.chats()).result(PATIENCE)
    except (ConfigError, StoreError, concurrent.futures.TimeoutError):
        return []
    return [header["id"] for header in found if is_chat(header)][:MOST]
