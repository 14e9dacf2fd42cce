"""A model at an address: what is sent to it, and what reads its answers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from chatkit.errors import AuthError, ConfigError, MissingKey, NotFound, ProviderError, TooLarge
from chatkit.messages import Message, as_messages
from chatkit.providers import options as known_options
from chatkit.providers.dialect import JSON, Decoder, FarSide, Prompt, ToolSpec, WireRequest
from chatkit.providers.forced import ANSWER, AnswerDecoder, AnswerTool, answer_name
from chatkit.providers.refusals import refusal
from chatkit.providers.table import Endpoint
from chatkit.redaction import SECRET, hide, remember

_KEY_HEADERS = {"authorization", "api-key", "x-api-key", "x-goog-api-key"}


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
    timeout: float | None = None  # seconds of silence after which an answer is given up
    schemas: bool | None = None  # whether the server has structured output of its own

    def __repr__(self) -> str:
        return f"<Model {self.id} at {_host(self.base_url) or self.base_url}>"

    @property
    def id(self) -> str:
        """Its name as people type it: `provider/name`, or `ui+` and a backend's address."""
        return f"{self.provider}{'+' if self.provider == 'ui' else '/'}{self.name}"

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
        schema: JSON | None = None,
        chat_id: str = "",
        replaces: str = "",
    ) -> WireRequest:
        """The request for an answer to a conversation. Raises ConfigError or MessageError.

        With a JSON `schema` the answer is JSON that fits it: by the server's own structured
        output, else by a forced call.
        """
        self.check(options)
        given = {name: value for name, value in options.items() if value is not None}
        asked = {**self.defaults, **given}
        system, tool_choice = asked.pop("system", None), asked.pop("tool_choice", "auto")
        if system is not None and all(message.role != "system" for message in history):
            history = [*as_messages([{"role": "system", "content": system}]), *history]
        known_options.check_choice(tool_choice, [tool.name for tool in tools])
        if schema is not None and not self._has_schemas:
            tools = [*tools, AnswerTool(schema, answer_name(tools))]
            tool_choice, schema = "required", None  # some servers do not heed a tool's name
        prompt = Prompt(
            history=history,
            options=asked,
            tools=tools,
            tool_choice=tool_choice,
            schema=schema,
            schema_name=ANSWER,
            provider=self.provider,
            chat_id=chat_id,
            replaces=replaces,
            quirks=(self._is_home and self.endpoint.at_home) or self.endpoint.quirks,
        )
        dialect = self.endpoint.dialect
        path = dialect.path.replace("{model}", quote(self.name, safe="/:@"))
        return WireRequest(
            method="POST",
            url=_with_path(self.base_url, path),
            headers=self._headers(),
            body=dialect.body(self.name, prompt),
        )

    def standalone(self) -> Model:
        """The same model, taking nothing more from the environment: what it would, such as its
        key, is in its headers. Raises MissingKey."""
        return replace(self, headers=self._headers(), api_key=None)

    # -- an answer that the far side goes on writing --

    def can_resume(self, message: Message, chat_id: str = "") -> bool:
        """Whether the far side may have more of an answer that broke off here."""
        return self.resume_request(message, chat_id) is not None

    def resume_request(self, message: Message, chat_id: str = "") -> WireRequest | None:
        """What asks for the stream of an answer again, from its beginning; a backend says 204
        where it writes none. None where nothing of it can be there."""
        return self._far_request("GET", self._far_side.stream, message, chat_id)

    def poll_request(self, message: Message) -> WireRequest | None:
        """What asks how an answer stands, as one object; None where that cannot be asked."""
        return self._far_request("GET", self._far_side.poll, message)

    def cancel_request(self, message: Message, chat_id: str = "") -> WireRequest | None:
        """What stops an answer at the far side; None where closing the connection does. A backend
        is asked only where the chat is named, since not each has an address for it."""
        return self._far_request("POST", self._far_side.cancel, message, chat_id)

    @property
    def _far_side(self) -> FarSide:
        return self.endpoint.dialect.far_side or FarSide(stream="")

    def _far_request(
        self, method: str, path: str, message: Message, chat_id: str = ""
    ) -> WireRequest | None:
        known = {"{id}": self._far_id(message), "{chat}": chat_id}
        holder = next((holder for holder in known if holder in path), "")
        id = known.get(holder)
        if not id or id in (".", "..") or message.metadata.get("background", {}) is None:
            return None
        headers = {name: told for name, told in self._headers().items() if name != "content-type"}
        url = _with_path(self.base_url, path.replace(holder, quote(id, safe="")))
        return WireRequest(method=method, url=url, headers=headers, body={})

    def _far_id(self, message: Message) -> str:
        """What an answer is known by there, if this model was asked for it in the background."""
        told = message.metadata.get("background")
        id = told.get("id") if isinstance(told, dict) else None
        return id if isinstance(id, str) and message.metadata.get("model") == self.id else ""

    def decoder(self, *, wants_schema: bool = False, tools: Sequence[ToolSpec] = ()) -> Decoder:
        """What reads one stream of this model; `wants_schema`: of a request with a schema, and
        with these `tools`."""
        decoder = self.endpoint.dialect.decoder(self.provider, self._hide)
        is_forced = wants_schema and not self._has_schemas
        return AnswerDecoder(decoder, answer_name(tools)) if is_forced else decoder

    @property
    def frames_steps(self) -> bool:
        """Whether its stream says itself where the steps of an answer begin and end."""
        return self.endpoint.dialect.frames_steps

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The error that an answer with this status is, in the provider's own words."""
        lower = {name.lower(): value for name, value in headers.items()}
        return refusal(
            self.provider, status, lower, body, remedies=self._remedies(), hide=self._hide
        )

    @property
    def _has_schemas(self) -> bool:
        known = self.endpoint.has_schemas and (self._is_home or self.endpoint.schemas_away)
        return known if self.schemas is None else self.schemas

    @property
    def stored_url(self) -> str | None:
        """Where it is, as a chat is stored with it; None where its name says so already.

        An address with what may be a key in it is stored without that.
        """
        if self.base_url == self.endpoint.base_url or self.provider == "ui":
            return None
        parts = urlsplit(self.base_url)
        is_safe = not any(SECRET.search(name) for name, _ in parse_qsl(parts.query))
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, parts.query if is_safe else "", ""))

    @property
    def vendor(self) -> str:
        """Whose prices hold: the provider's, but where another server stands in for its own."""
        has_one_home = self.endpoint.base_url.startswith("https:")
        return self.provider if self._is_home or not has_one_home else ""

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
            named = "authorization" if self._has_token else self.endpoint.key_header
            headers[named] = f"Bearer {key}" if named == "authorization" else key
        remember(self._secrets())
        return headers | own

    def _key(self, *, is_needed: bool) -> str:
        """The key, asked for as late as possible: a variable may be set after the model."""
        key = self.api_key or os.environ.get(self._key_variable, "")
        if not key and is_needed and self.endpoint.needs_key and self._is_home:
            keys = " or ".join(self.endpoint.keys)
            raise MissingKey(
                f"{self.id} needs an API key: set the environment variable {keys}, or pass"
                f' api_key= to get_model("{self.id}").'
            )
        return key.strip()

    @property
    def _key_variable(self) -> str:
        """The environment variable that the key is in, empty where none of them is set."""
        return next(filter(os.environ.get, self.endpoint.keys), "")

    @property
    def _has_token(self) -> bool:
        return not self.api_key and self._key_variable in self.endpoint.tokens

    def _hide(self, text: str) -> str:
        """The text without the key, should a server repeat it."""
        return hide(text, self._secrets())

    def _secrets(self) -> list[str]:
        values = [value for name, value in self.headers.items() if SECRET.search(name)]
        asked = [
            value for name, value in parse_qsl(urlsplit(self.base_url).query) if SECRET.search(name)
        ]
        return [self._key(is_needed=False), *" ".join(values).split(), *asked]


def _with_path(base_url: str, path: str) -> str:
    """The path after the base, before its query if it has one, as Azure's older addresses do."""
    base, _, own = base_url.partition("?")
    path, _, asked = path.partition("?")
    if path.startswith("/v1/"):  # some write the version with the address, and some do not
        base = base.rstrip("/").removesuffix("/v1")
    query = "&".join(filter(None, (asked, own)))
    return f"{base.rstrip('/') if path else base}{path}" + (f"?{query}" if query else "")


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
