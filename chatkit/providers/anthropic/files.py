"""Files as the blocks of a Messages request: images, PDF and text, and nothing else."""

from __future__ import annotations

from base64 import b64decode, b64encode
from urllib.parse import unquote_to_bytes

from chatkit.errors import MessageError
from chatkit.providers.dialect import JSON

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_TEXTS = ("application/json", "application/xml", "application/yaml", "application/javascript")


def file_block(part: JSON) -> JSON:
    """The block of a file part. Raises MessageError where it cannot be sent."""
    kind, address = str(part["mediaType"]).partition(";")[0], str(part["data"])
    is_data = address.startswith("data:")
    if kind in _IMAGES or (kind.startswith("image/") and not is_data):
        return {"type": "image", "source": _source(kind, address)}
    if kind == "application/pdf":
        return _document(part, _source(kind, address))
    if kind.startswith("text/") or kind in _TEXTS:
        if not is_data:
            raise MessageError(
                f"a {kind} file is sent as data, not by its address {address!r:.80};"
                " download it first"
            )
        return _document(part, {"type": "text", "media_type": "text/plain", "data": _text(address)})
    raise MessageError(
        f"a {kind or 'nameless'} file cannot be sent to this model; it takes JPEG, PNG, GIF and"
        " WebP images, PDF and text"
    )


def _source(kind: str, address: str) -> JSON:
    if not address.startswith("data:"):
        return {"type": "url", "url": address}
    head, _, data = address.partition(",")
    if not head.endswith(";base64"):
        data = b64encode(unquote_to_bytes(data)).decode()
    return {"type": "base64", "media_type": kind, "data": data}


def _document(part: JSON, source: JSON) -> JSON:
    document: JSON = {"type": "document", "source": source}
    return document | ({"title": part["filename"]} if part.get("filename") else {})


def _text(address: str) -> str:
    """The text that a `data:` address holds."""
    head, _, data = address.partition(",")
    try:
        told = b64decode(data) if head.endswith(";base64") else unquote_to_bytes(data)
        return told.decode("utf-8", "replace")
    except ValueError as error:
        raise MessageError(f"a file's address {address!r:.60} is not valid: {error}") from error
