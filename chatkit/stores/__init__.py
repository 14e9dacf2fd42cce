"""Where chats are kept: `open_store`, and the protocol every store follows."""

from __future__ import annotations

import os

from chatkit.errors import ConfigError
from chatkit.stores.protocol import Lease, Row, Store, Stored, StreamInfo

__all__ = ["Lease", "Row", "Store", "Stored", "StreamInfo", "open_store"]

DEFAULT = ".chatkit"

_stores: dict[str, Store] = {}  # one store, so one I/O thread, per directory and process


def open_store(target: str | os.PathLike[str] | Store | None = None) -> Store:
    """The store at a path, or `target` itself if it is one; `$CHATKIT_STORE`, else `.chatkit`.

    The same directory gives the same object. Nothing is read or created before the first use.
    """
    if target is None:
        target = os.environ.get("CHATKIT_STORE") or DEFAULT
    if not isinstance(target, (str, os.PathLike)):
        return _checked(target)
    path = os.path.expanduser(os.fspath(target))
    scheme, is_url, _ = path.partition("://")
    if is_url:
        raise ConfigError(
            f"no store for {scheme!r} URLs: this version of chatkit keeps chats in a "
            "directory (Redis is not part of it); give a path"
        )
    return _at(os.path.realpath(path))


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
        _stores.setdefault(directory, DiskStore(directory))
    return _stores[directory]
