"""What a notebook shows of a widget whose kernel is gone: alone knows how it is hidden till then.

JupyterLab prefers a widget to all else in its output, even one that it cannot find any more: it
shows "Error displaying widget". So a second output of the cell holds what there was, and with it
a style by which it stands in the place of that error, or of the words that the widget is loading.
Everybody else (a notebook that is not trusted, nbconvert, an editor) shows the Markdown beside the
widget where it has some, and nothing of this; where it has none, this.
"""

from __future__ import annotations

from chatkit.notebook.places import Bundle

_NO_ERROR = ".jp-OutputArea:not(:has(.{live})) > {empty}:has(~ * .{live}-saved) {{ display: none }}"
_IN_ITS_PLACE = (
    ".jp-OutputArea:not(:has(.{live})) > {empty} ~ * .{live}-saved {{ display: block !important }}"
)
_NOT_BESIDE_IT = "body:has(.{live}) .{live}-saved {{ display: none }}"
_PANEL = "> .jp-OutputArea-output.lm-Panel"  # in which Lab shows a widget, or why it does not
_EMPTY = f".jp-OutputArea-child:has({_PANEL}):not(:has({_PANEL} > *))"


def fallback(html: str, *, live: str, has_words: bool = True) -> Bundle:
    """A second output, to be shown in place of a widget that is gone: `html`, safe already.

    `live` is a class that the element of this one widget has, and no other (`add_class`);
    `has_words`, whether there is Markdown beside the widget.
    """
    rules = (_NO_ERROR, _IN_ITS_PLACE if has_words else _NOT_BESIDE_IT)
    style = "\n".join(rules).format(live=live, empty=_EMPTY)
    hidden = ' style="display: none"' if has_words else ""
    saved = f'<div class="{live}-saved"{hidden}>\n{html}</div>'
    return {"text/html": f"<style>\n{style}\n</style>{saved}", "text/plain": ""}
