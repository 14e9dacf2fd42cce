"""An image, a figure, or what can show itself, as the bytes of a PNG or a JPEG.

The only module that knows Pillow and matplotlib, and it imports neither of itself: whoever has
an image or a figure has imported its library.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Mapping
from typing import Any

SMALL = 60_000  # characters of a picture that is shown as it is
EDGE = 320  # pixels of the longer edge of one that is made small
DPI = 150  # of figures: 960 × 720 pixels at matplotlib's own size
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # that a PNG holds


def as_image(value: Any) -> bytes | None:
    """The file of an image; None of what is none. What draws itself may raise errors of its own."""
    return _image(value) or _figure(value) or _shown(value)


def thumbnail(url: str) -> str:
    """A picture's `data:` address as one of at most `SMALL` characters; "" where there is none.

    A large one is made small by PIL where that is installed.
    """
    if not url.startswith("data:image/"):
        return ""
    if len(url) <= SMALL:
        return url
    try:
        from PIL import Image

        image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
    except (ImportError, OSError, ValueError):
        return ""
    image.thumbnail((EDGE, EDGE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def _image(value: Any) -> bytes | None:
    """A PIL image as PNG, or as JPEG if it was opened from one; upright, without its EXIF."""
    module = sys.modules.get("PIL.Image")
    if module is None or not isinstance(value, module.Image):
        return None
    from PIL import ImageOps

    image = ImageOps.exif_transpose(value)
    if image.mode not in _MODES:
        image = image.convert("RGB")
    out = io.BytesIO()
    if value.format == "JPEG" and image.mode in ("L", "RGB"):
        image.save(out, "JPEG", quality=95)
    else:
        image.save(out, "PNG")
    return out.getvalue()


def _figure(value: Any) -> bytes | None:
    """A matplotlib figure, or that of its axes, as PNG: the same bytes each time it is drawn."""
    module = sys.modules.get("matplotlib.figure")
    if module is None:
        return None
    figure = value
    for _ in range(2):  # axes, seaborn's grids, and figures within a figure
        if not isinstance(figure, module.Figure):
            figure = getattr(figure, "figure", None)
    if not isinstance(figure, module.Figure):
        return None
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    return out.getvalue()


def _shown(value: Any) -> bytes | None:
    """The PNG, or JPEG, of what a notebook would show of it."""
    if isinstance(value, type):
        return None
    for name in ("_repr_png_", "_repr_jpeg_"):
        image = _bytes(_called(value, name))
        if image is not None:
            return image
    bundle = _called(value, "_repr_mimebundle_")
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    return _bytes(bundle.get("image/png")) if isinstance(bundle, Mapping) else None


def _called(value: Any, name: str) -> Any:
    method = getattr(value, name, None)
    return method() if callable(method) else None


def _bytes(shown: Any) -> bytes | None:
    """What such a method gave: bytes or base64, alone or with metadata."""
    image = shown[0] if isinstance(shown, tuple) else shown
    return base64.b64decode(image) if isinstance(image, str) else image
