"""Models by name: what people type, and the address and dialect it stands for."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chatkit import defaults
from chatkit.errors import ConfigError, UnknownModel
from chatkit.providers.model import Model
from chatkit.providers.table import BACKEND, ENDPOINTS, UNLISTED, Endpoint
from chatkit.redaction import SECRET


def get_model(
    name: str | Model | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    client: Any = None,
    timeout: float | None = None,
    schemas: bool | None = None,
) -> Model:
    """The model of that name, `"provider/name"`; without one that of `chatkit.config`, unless set
    `$CHATKIT_MODEL`, else the embedded model. `"ui+https://host/api/chat"` is a backend of the AI
    SDK, at that address: it is sent the whole conversation, or with the option `history="last"`
    the last message.

    `base_url` is another server of the same dialect, `client` an `httpx.AsyncClient` to use
    instead of chatkit's own. After `timeout` seconds without a byte an answer is given up as
    interrupted, 600 unless given. `schemas` says whether the server has structured output of its
    own, else a forced tool call stands in; unless given, as chatkit knows of the provider.
    Raises UnknownModel or ConfigError; nothing is sent.
    """
    name = name or defaults.get("model")
    model = name if isinstance(name, Model) else _named(name, base_url)
    _check_client(client)
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
        raise ConfigError(f"timeout is {timeout!r}; it is a number of seconds above 0")
    changes: dict[str, Any] = {
        "api_key": api_key,
        "client": client,
        "timeout": timeout,
        "schemas": schemas,
    }
    if headers is not None:
        changes["headers"] = {str(name): str(value) for name, value in headers.items()}
    if base_url is not None:
        changes["base_url"] = _checked_url(base_url)
    return replace(model, **{key: value for key, value in changes.items() if value is not None})


def _named(named: object, base_url: str | None) -> Model:
    if not isinstance(named, str):
        raise UnknownModel(f"a model is a name or a Model, not a {type(named).__name__}")
    if named[:3].lower() == "ui+":
        return _backend(named[3:])
    provider, _, model = named.partition("/")
    provider = provider.lower()
    if not provider or not model:
        raise UnknownModel(
            f"{named!r} is no model name: write provider/name, such as 'openai/{model or named}'"
            f" or {defaults.MODEL!r}. Providers: {', '.join(sorted(ENDPOINTS))}."
        )
    endpoint = ENDPOINTS.get(provider, UNLISTED if base_url else None)
    if endpoint is None:
        raise UnknownModel(_no_provider(provider, model))
    return Model(provider, model, _address(endpoint), endpoint)


def _backend(url: str) -> Model:
    """The AI SDK backend at an address. That is its name too, which a chat is stored with."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnknownModel(
            f"{url!r:.80} is no address of a backend: write 'ui+https://host/api/chat'"
        )
    if "@" in parts.netloc or any(SECRET.search(name) for name, _ in parse_qsl(parts.query)):
        raise ConfigError(
            f"the address of {parts.hostname} would be stored with what may be a key in it: pass"
            " that as api_key=, in headers=, or in base_url=, the address to use in its place"
        )
    return Model("ui", url, url, BACKEND)


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


def _check_client(client: Any) -> None:
    if client is not None and not inspect.iscoroutinefunction(getattr(client, "send", None)):
        raise ConfigError(
            f"client is a {type(client).__name__}; it must be an httpx.AsyncClient, or one with"
            " its interface"
        )
