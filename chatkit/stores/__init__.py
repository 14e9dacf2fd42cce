"""Where chats are kept: `open_store`, and the protocol every store follows."""

from __future__ import annotations

import logging
import os

from chatkit import defaults
from chatkit.errors import ConfigError
from chatkit.stores._owner import is_gone, is_here, play, this_process
from chatkit.stores.protocol import Lease, Row, Store, Stored, StreamInfo, Tail

__all__ = [
    "Lease",
    "Row",
    "Store",
    "Stored",
    "StreamInfo",
    "Tail",
    "address_of",
    "is_gone",
    "is_here",
    "open_store",
    "play",
    "this_process",
]

_REDIS = ("redis", "rediss", "unix")

log = logging.getLogger("chatkit.store")
_stores: dict[str, Store] = {}  # one per directory or URL, and process


def open_store(target: str | os.PathLike[str] | Store | None = None) -> Store:
    """The store at a path or on a Redis server, or `target` itself if it is one; by default that
    of `chatkit.config`, unless set `$CHATKIT_STORE`, else `.chatkit`.

    The same directory or URL gives the same object. Nothing is read or created before the first
    use. Raises ConfigError.
    """
    if target is None:
        target = defaults.get("store")
    if not isinstance(target, (str, os.PathLike)):
        return _checked(target)
    path = os.path.expanduser(os.fspath(target))
    scheme, is_url, _ = path.partition("://")
    if not is_url:
        return _at(os.path.realpath(path))
    if scheme in _REDIS:
        return _on(path)
    raise ConfigError(
        f"no store for {scheme!r} URLs: give a path, or redis://host:6379/0 (with TLS: rediss://)"
    )


def address_of(store: Store) -> str | None:
    """What opens this store in another process, by `open_store`; None if that did not open it.

    The URL of a server may hold a password: for a pipe, never for an argument or a file.
    """
    return next((address for address, each in _stores.items() if each is store), None)


def _checked(target: object) -> Store:
    if isinstance(target, Store):
        return target
    raise ConfigError(
        f"not a store: {type(target).__name__}; give a path, or an object with the methods "
        "of chatkit.stores.Store"
    )


def _at(directory: str) -> Store:
    from chatkit.stores.disk import DiskStore  # diskcache is not needed before

    if directory not in _stores:
        log.debug("a store is opened at %r", directory)
        _stores.setdefault(directory, DiskStore(directory))
    return _stores[directory]


def _on(url: str) -> Store:
    from chatkit.stores.redis import RedisStore

    if url not in _stores:
        opened = _stores.setdefault(url, RedisStore(url))
        log.debug("a store is opened at %r", opened.location)
    return _stores[url]
