"""The image of a file as HTML, out of a `data:` URL and nowhere else."""

from __future__ import annotations

import re

from chatkit.render.spelling import entities

# No SVG: it is a document with scripts and addresses of its own.
SHOWN = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


def image(url: str, name: str) -> str:
    """An `<img>` of thumbnail height, safe in HTML and in Markdown; "" where it cannot be shown.

    A remote image is never shown: it tells its server that, when and from where it was read.
    """
    if not SHOWN.fullmatch(url):
        return ""
    alt = entities(" ".join(name.split()))
    return f'<img src="{url}" alt="{alt}" style="max-height: 20rem; max-width: 100%">'
