"""`{{ name }}` of promptfoo's templates, and `{name}` of chatkit's: one as the other.

Alone knows Nunjucks, of which chatkit has the names and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from chatkit.fields import Field, cut, escaped

Lost = Callable[[str], None]  # told what does not map, in words

_NAME = r"[^\W\d]\w*"
_KEY = r"\[(?:\d+|'[^'{}\[\]]+'|\"[^\"{}\[\]]+\")\]"
_TOKEN = re.compile(
    r"\{%-?\s*raw\s*-?%\}(?P<raw>.*?)\{%-?\s*endraw\s*-?%\}"
    rf"|\{{\{{-?\s*(?P<path>{_NAME}(?:\.{_NAME}|{_KEY})*)\s*-?\}}\}}"
    r"|(?P<other>\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})",
    re.DOTALL,
)
_SIGNS = re.compile(r"\{[{%#]|\{\Z")


def of_promptfoo(text: str, lost: Lost) -> str:
    """A template of promptfoo as a text with `{field}`s; what else it does stays, and is `lost`."""
    told: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        told += escaped(text[end : token.start()]), _told(token, lost)
        end = token.end()
    return "".join([*told, escaped(text[end:])])


def _told(token: re.Match[str], lost: Lost) -> str:
    if token["path"] is not None:
        return f"{{{re.sub(_KEY, _bare_key, token['path'])}}}"
    if token["raw"] is not None:
        return escaped(token["raw"])
    lost(f"the template {token[0]!r:.60}")
    return escaped(token[0])


def _bare_key(key: re.Match[str]) -> str:
    inner = key[0][1:-1].strip("'\"")
    return f"[{inner}]"


def to_promptfoo(text: str, known: Iterable[str], lost: Lost) -> str:
    """A text with `{field}`s as a template of promptfoo; a format is left off, and is `lost`."""
    return "".join(_piece(piece, lost) for piece in cut(text, known))


def _piece(piece: str | Field, lost: Lost) -> str:
    if isinstance(piece, str):
        return f"{{% raw %}}{piece}{{% endraw %}}" if _SIGNS.search(piece) else piece
    if not re.fullmatch(_NAME, piece.name):
        lost(f"the field {{{piece.text}}}, which is no name in promptfoo")
        return f"{{{piece.text}}}"
    if piece.path != piece.text:
        lost(f"the format of {{{piece.text}}}")
    return f"{{{{{piece.name}{''.join(map(_step, piece.steps))}}}}}"


def _step(step: str) -> str:
    is_key = step[0] == "[" and not step[1:-1].isdecimal()
    return f"['{step[1:-1]}']" if is_key else step
