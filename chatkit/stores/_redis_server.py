"""A connection to a Redis server for each event loop, and its errors in chatkit's words.

Alone knows redis-py, as asyncio has it: a client belongs to the loop that it was made on, so a
second loop, and a forked child with the loop that it begins, have clients of their own.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from chatkit.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

log = logging.getLogger("chatkit.store")

RETRIES = 2  # of a call whose connection broke, at once: each may be made twice
_SLOWEST = 200_000  # bytes a second that a connection is given time for
PATIENCE = 10.0  # seconds without an answer after which a server counts as away
_EVICTS = (
    "evicts what was not used for long when its memory is full (maxmemory-policy {policy}): chats "
    "would be lost without a word; set maxmemory-policy noeviction"
)
_FORGETS = "keeps nothing on disk: its chats are gone when it restarts; " + (
    _APPENDS := "set appendonly yes in its configuration"
)
_FORGETS_LATEST = (
    f"writes to disk only now and then: what was said since is gone when it is killed; {_APPENDS}"
)
_REMEDIES = {
    "AuthenticationError": "it refuses the name or the password; correct them in the URL",
    "AuthenticationWrongNumberOfArgsError": "it takes no user name; leave that out of the URL",
    "NoPermissionError": "its user may not do this; let it run scripts on chatkit:*, with +@all",
    "ReadOnlyError": "it is a replica, which cannot be written; give the address of its primary",
    "OutOfMemoryError": "its memory is full; raise its maxmemory, or delete chats",
    "BusyLoadingError": "it has just started and reads its files; wait a moment",
    "MaxConnectionsError": "too many connections of this process are open",
}
_FOR_GOOD = ("AuthenticationError", "AuthenticationWrongNumberOfArgsError", "NoPermissionError")


class Server:
    """One Redis server, by its URL."""

    def __init__(self, url: str) -> None:
        try:
            from redis.asyncio.connection import parse_url
        except ImportError as error:
            raise ConfigError(
                "chats on a Redis server need redis-py: run `pip install 'chatkit-notebook[redis]'`"
            ) from error
        try:
            parse_url(url)
            self.location = without_secrets(url)
        except ValueError:
            raise ConfigError(
                "not the address of a Redis server; give redis://host:6379/0, rediss:// for TLS, "
                "or unix:///path"
            ) from None  # which may repeat the password
        self.caution = ""  # what is wrong with the server's settings, once that is known
        self._url = url
        self._examined = False
        self._scripts: dict[str, AsyncScript] = {}
        self._clients: dict[AbstractEventLoop, tuple[Redis, AsyncGenerator[None]]] = {}

    async def run(self, script: str, *words: str | bytes | int) -> Any:
        """What the script answers. It may run twice, where an answer was lost.

        Raises StoreError, retryable unless trying again is no use.
        """
        sent = sum(len(word) for word in words if isinstance(word, bytes))

        async def call(client: Redis) -> Any:
            if script not in self._scripts:
                self._scripts[script] = client.register_script(script)
            return await self._scripts[script](args=words, client=client)

        return await self._answer(call, more=sent / _SLOWEST)

    async def command(self, *words: str | bytes) -> Any:
        """What the server answers to one command."""

        async def call(client: Redis) -> Any:
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]

        return await self._answer(call)

    async def news(self, key: str, after: bytes, seconds: float) -> None:
        """Return when the stream at `key` has an entry after that id, or `seconds` are over."""
        milliseconds = max(1, round(seconds * 1000))  # 0 would mean for ever
        await self._answer(
            lambda client: client.xread({key: after}, count=1, block=milliseconds),
            more=seconds,
        )

    async def close(self) -> None:
        """Close the connections of this loop; a later call opens them again."""
        if client := self._clients.get(asyncio.get_running_loop()):
            await client[1].aclose()

    async def _client(self) -> Redis:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            client = self._connected()
            closing = self._closing(loop, client)
            self._clients[loop] = client, closing
            await anext(closing)
        client, _ = self._clients[loop]
        if not self._examined:
            self._examined = True
            try:
                self.caution = await self._caution(client)
            except asyncio.CancelledError:
                self._examined = False
                raise
        return client

    def _connected(self) -> Redis:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import ExponentialBackoff
        from redis.exceptions import ConnectionError

        return Redis.from_url(
            self._url,
            retry=Retry(ExponentialBackoff(cap=0.1, base=0.02), RETRIES),
            retry_on_error=[ConnectionError],
            # redis-py's own timeout loses a cancellation now and then, before Python 3.12:
            # https://github.com/python/cpython/issues/86296
            socket_timeout=None,
            protocol=2,  # which servers of every version speak
            max_connections=10_000,  # redis-py's default is 100: each that waits holds one
        )

    async def _closing(self, loop: AbstractEventLoop, client: Redis) -> AsyncGenerator[None]:
        """`asyncio.run` ends the generators of its loop, and so this client with it."""
        try:
            yield
        finally:
            del self._clients[loop]
            await client.aclose()

    async def _caution(self, client: Redis) -> str:
        """What to say if chats are not safe there; a server may not tell."""
        from redis.exceptions import ConnectionError, ResponseError, TimeoutError

        try:
            memory, disk = await client.info("memory"), await client.info("persistence")
            saves = await client.config_get("save")
        except ResponseError as error:  # a managed server
            log.debug("%s does not tell its settings: %s", self.location, error)
            return ""
        except (ConnectionError, TimeoutError):
            self._examined = False
            raise
        policy = str(memory.get("maxmemory_policy"))
        if memory.get("maxmemory") and policy.startswith("allkeys"):
            return self._warned(_EVICTS.format(policy=policy))
        if not disk.get("aof_enabled"):
            return self._warned(_FORGETS_LATEST if any(saves.values()) else _FORGETS)
        return ""

    def _warned(self, what: str) -> str:
        caution = f"the Redis server {self.location!r} {what}"
        log.warning("%s", caution)
        return caution

    async def _answer(self, call: Callable[[Redis], Awaitable[Any]], *, more: float = 0.0) -> Any:
        """What the call answers, which may take `more` seconds than others; redis-py's errors
        leave as `StoreError`."""
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(PATIENCE + more):
                return await call(await self._client())
        except (RedisError, OSError) as error:
            log.debug("%s: %r", self.location, error)
            raise self._refusal(error) from None  # pages of redis-py's inside, in a cell

    def _refusal(self, error: Exception) -> StoreError:
        from redis.exceptions import ConnectionError, TimeoutError

        kind = type(error).__name__
        is_away = isinstance(error, (ConnectionError, TimeoutError, OSError))
        why = (
            _REMEDIES.get(kind)
            or f"{error}".rstrip(".")
            or f"it does not answer for {PATIENCE:g} s"
        )
        if is_away and kind not in _REMEDIES:
            why += "; start it, or check its address and the network"
        refusal = StoreError(f"the Redis server {self.location!r} cannot be used: {why}")
        is_short = kind in ("OutOfMemoryError", "ReadOnlyError") or str(error).startswith("MISCONF")
        refusal.retryable = (is_away or is_short) and kind not in _FOR_GOOD
        return refusal


def without_secrets(url: str) -> str:
    """The URL without name, password and options: what may be shown."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    options = dict(parse_qsl(parts.query))
    database = f"?db={options['db']}" if "db" in options else ""
    return f"{parts.scheme}://{address}{parts.path}{database}"
