"""Models by name, and what each of them is: two translations and no state.

    model = get_model("groq/llama-3.3-70b-versatile")
    request = model.request(messages, {"temperature": 0})
    decoder = model.decoder()  # feed it the bytes that come back

An endpoint, a dialect and a server's quirks are three things: `table` has the first and the
last as data, a module for each dialect has the translations.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from chatkit.errors import (
    AuthError,
    ConfigError,
    MissingKey,
    NotFound,
    ProviderError,
    TooLarge,
    UnknownModel,
)
from chatkit.messages import Message, as_messages
from chatkit.providers import options as known_options
from chatkit.providers.dialect import JSON, Decoder, Prompt, ToolSpec, WireRequest
from chatkit.providers.refusals import refusal
from chatkit.providers.table import ENDPOINTS, UNLISTED, Endpoint

__all__ = ["ANSWER", "Decoder", "Model", "ToolSpec", "WireRequest", "get_model"]

DEFAULT = "local/smollm2"
ANSWER = "answer"  # what an answer of a given schema is called
_KEY_HEADERS = {"authorization", "api-key", "x-api-key", "x-goog-api-key"}
_SECRET = re.compile("auth|key|token|secret|cookie", re.I)  # in the name of a header


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A model at an address. The key is in no repr, no error text and no stored message."""

    provider: str
    name: str
    base_url: str
    endpoint: Endpoint
    headers: Mapping[str, str] = field(default_factory=dict)
    client: Any = None  # an httpx.AsyncClient, or one like it
    api_key: str | None = None

    def __repr__(self) -> str:
        return f"<Model {self.id} at {_host(self.base_url) or self.base_url}>"

    @property
    def id(self) -> str:
        """Its name as people type it: `provider/name`."""
        return f"{self.provider}/{self.name}"

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Options it is asked with unless others are given; `system` is a message."""
        return self.endpoint.defaults

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise UnknownOption, or ConfigError for a value that is none for its option."""
        known_options.check(self.provider, options, self.endpoint.dialect.lacks)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ConfigError (UnknownOption, MissingKey) for what cannot work, before it is sent."""
        self.check_options(options)
        if not self.base_url:
            variable = self.endpoint.variable
            raise ConfigError(
                f"{self.provider} has no address of its own: pass base_url="
                + (f", or set {variable}." if variable else ".")
            )
        for name, value in self._headers().items():
            if not value.isascii() or not value.isprintable():
                raise ConfigError(
                    f"the header {name!r} holds a line break or a letter that no header may hold;"
                    " is the key copied whole and alone?"
                )

    def request(
        self,
        history: Sequence[Message],
        options: Mapping[str, Any],
        *,
        tools: Sequence[ToolSpec] = (),
        tool_choice: str = "auto",
        schema: JSON | None = None,
        chat_id: str = "",
    ) -> WireRequest:
        """The request for an answer to a conversation. Raises ConfigError or MessageError.

        `tool_choice` is "auto", "none", "required" or a tool's name. With a JSON `schema` the
        answer is JSON that fits it: as text, or as the input of a call to the tool ANSWER where
        the server has no structured output of its own.
        """
        self.check(options)
        given = {name: value for name, value in options.items() if value is not None}
        asked = {**self.defaults, **given}
        system = asked.pop("system", None)
        if system is not None and all(message.role != "system" for message in history):
            history = [*as_messages([{"role": "system", "content": system}]), *history]
        if schema is not None and not self.endpoint.has_schemas:
            tools = [*tools, _Answer(schema)]
            tool_choice, schema = ("required" if tools[1:] else ANSWER), None
        prompt = Prompt(
            history=history,
            options=asked,
            tools=tools,
            tool_choice=tool_choice,
            schema=schema,
            schema_name=ANSWER,
            chat_id=chat_id,
        )
        dialect = self.endpoint.dialect
        quirks = (self._is_home and self.endpoint.at_home) or self.endpoint.quirks
        path = dialect.path.replace("{model}", quote(self.name, safe="/:@"))
        return WireRequest(
            method="POST",
            url=_with_path(self.base_url, path),
            headers=self._headers(),
            body=dialect.body(self.name, prompt, quirks),
        )

    def decoder(self) -> Decoder:
        """What reads one stream of this model."""
        return self.endpoint.dialect.decoder(self.provider, self._hide)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The error that an answer with this status is, in the provider's own words."""
        lower = {name.lower(): value for name, value in headers.items()}
        return refusal(
            self.provider, status, lower, body, remedies=self._remedies(), hide=self._hide
        )

    @property
    def _is_home(self) -> bool:
        """Whether it is the vendor's own server, not another one of the same dialect."""
        home = _host(self.endpoint.base_url)
        return not home or f".{_host(self.base_url)}".endswith(f".{home}")

    def _remedies(self) -> dict[type, str]:
        keys = " or ".join(self.endpoint.keys)
        place = _host(self.base_url) or self.base_url
        return {
            AuthError: f"Check {keys}, or pass api_key=." if keys else "Pass api_key=.",
            NotFound: f"Is {self.name!r} the model's name, and {place} its server?",
            TooLarge: "Send less: a shorter conversation, smaller files.",
        }

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        headers |= self.endpoint.dialect.headers
        for name, variable in self.endpoint.header_variables.items():
            if os.environ.get(variable):
                headers[name] = os.environ[variable]
        own = {name.lower(): value for name, value in self.headers.items()}
        if key := self._key(is_needed=not own.keys() & _KEY_HEADERS):
            named = self.endpoint.key_header
            headers[named] = f"Bearer {key}" if named == "authorization" else key
        return headers | own

    def _key(self, *, is_needed: bool) -> str:
        """The key, asked for as late as possible: a variable may be set after the model."""
        key = self.api_key or next(filter(None, map(os.environ.get, self.endpoint.keys)), "")
        if not key and is_needed and self.endpoint.needs_key and self._is_home:
            keys = " or ".join(self.endpoint.keys)
            raise MissingKey(
                f"{self.id} needs an API key: set the environment variable {keys}, or pass"
                f' api_key= to get_model("{self.id}").'
            )
        return key.strip()

    def _hide(self, text: str) -> str:
        """The text without the key, should a server repeat it."""
        values = [value for name, value in self.headers.items() if _SECRET.search(name)]
        words = [word for value in values for word in value.split()]
        for secret in (self._key(is_needed=False), *words):
            if len(secret) > 6:  # shorter ones are no keys but "Bearer", "EMPTY" and the like
                text = text.replace(secret, "[hidden]")
        return text


def get_model(
    name: str | Model | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    client: Any = None,
) -> Model:
    """The model of that name, `"provider/name"`; without one `$CHATKIT_MODEL`, else the
    embedded model.

    `base_url` is another server of the same dialect, `client` an `httpx.AsyncClient` to use
    instead of chatkit's own. Raises UnknownModel or ConfigError; nothing is sent.
    """
    model = name if isinstance(name, Model) else _named(name, base_url)
    _check_client(client)
    changes: dict[str, Any] = {"api_key": api_key, "client": client}
    if headers is not None:
        changes["headers"] = {str(name): str(value) for name, value in headers.items()}
    if base_url is not None:
        changes["base_url"] = _checked_url(base_url)
    return replace(model, **{key: value for key, value in changes.items() if value is not None})


def _named(name: str | None, base_url: str | None) -> Model:
    if name is not None and not isinstance(name, str):
        raise UnknownModel(f"a model is a name or a Model, not a {type(name).__name__}")
    named = name or os.environ.get("CHATKIT_MODEL") or DEFAULT
    provider, _, model = named.partition("/")
    provider = provider.lower()
    if not provider or not model:
        raise UnknownModel(
            f"{named!r} is no model name: write provider/name, such as 'openai/{model or named}'"
            f" or {DEFAULT!r}. Providers: {', '.join(sorted(ENDPOINTS))}."
        )
    endpoint = ENDPOINTS.get(provider, UNLISTED if base_url else None)
    if endpoint is None:
        raise UnknownModel(_no_provider(provider, model))
    return Model(provider, model, _address(endpoint), endpoint)


def _no_provider(provider: str, model: str) -> str:
    near = difflib.get_close_matches(provider, ENDPOINTS, n=1)
    guess = f"; did you mean '{near[0]}/{model}'?" if near else "."
    return (
        f"no provider is called {provider!r}{guess} Known are {', '.join(sorted(ENDPOINTS))}."
        f" For any other compatible server pass base_url=."
    )


def _address(endpoint: Endpoint) -> str:
    """The provider's own address, or what its environment variable says instead."""
    given = os.environ.get(endpoint.variable, "").strip() if endpoint.variable else ""
    if not given:
        return endpoint.base_url
    if "://" not in given:  # as OLLAMA_HOST and DATABRICKS_HOST may be
        given = _with_scheme(given, endpoint.base_url)
    given = given.rstrip("/")
    return _checked_url(given if given.endswith(endpoint.path) else given + endpoint.path)


def _with_scheme(host: str, like: str) -> str:
    usual = urlsplit(like or "https:")
    port = f":{usual.port}" if usual.port and ":" not in host else ""
    return f"{usual.scheme}://{host}{port}"


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"base_url is {url!r:.80}; it begins with https:// or http:// and a host")
    return url


def _with_path(base_url: str, path: str) -> str:
    """The path after the base, before its query if it has one, as Azure's older addresses do."""
    base, _, own = base_url.partition("?")
    path, _, asked = path.partition("?")
    query = "&".join(filter(None, (asked, own)))
    return f"{base.rstrip('/')}{path}" + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True)
class _Answer:
    """The tool that stands in for structured output where a server has none."""

    parameters: JSON
    name: str = ANSWER
    description: str = "Give the final answer. Call this once, with the whole answer."


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _check_client(client: Any) -> None:
    if client is not None and not inspect.iscoroutinefunction(getattr(client, "send", None)):
        raise ConfigError(
            f"client is a {type(client).__name__}; it must be an httpx.AsyncClient, or one with"
            " its interface"
        )
