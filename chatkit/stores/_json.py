"""JSON as the store keeps it: fast, and whole even where a string holds half an emoji."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def encode(value: Any) -> bytes:
    """`value` as JSON bytes. Raises TypeError if it is not JSON; NaN becomes null."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot hold but JSON can escape
        return json.dumps(value, ensure_ascii=True).encode("ascii")


def decode(data: bytes) -> Any:
    """What `encode` was given. Raises ValueError if `data` is not JSON."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:  # the escaped surrogate, on its way back
        return json.loads(data)
