"""The keys of a store's rows: a kind, and the ids that the row belongs to."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote, unquote


def key_of(kind: str, *ids: str) -> str:
    """The key of a row: its kind and the ids that it belongs to."""
    return "/".join((kind, *map(_escape, ids)))


def prefix_of(kind: str, *ids: str) -> str:
    """What the keys of all rows of a kind begin with that belong to these ids."""
    return key_of(kind, *ids) + "/"


def ids_of(key: str) -> tuple[str, ...]:
    """The ids in a key."""
    return tuple(unquote(part, errors="surrogatepass") for part in key.split("/")[1:])


def end_of(prefix: str) -> str:
    """The first key after all that begin with `prefix`."""
    return prefix[:-1] + "0"  # "0" follows "/"


@lru_cache(maxsize=4096)
def _escape(part: str) -> str:
    return quote(part, safe="", errors="surrogatepass")
