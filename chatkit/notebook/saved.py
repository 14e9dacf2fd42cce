"""What a notebook shows of a widget whose kernel is gone: alone knows how it is hidden till then.

JupyterLab prefers a widget to all else in its output, even one that it cannot find any more: it
shows "Error displaying widget". So a second output of the cell holds what there was, hidden, and
with it a style that shows it in place of that error, or of the words that the widget is loading.
Everybody else (a notebook that is not trusted, nbconvert, an editor) shows the Markdown beside the
widget, and nothing of this.
"""

from __future__ import annotations

from chatkit.notebook.places import Bundle

_STYLE = """\
.jp-OutputArea:not(:has(.{live})) > {empty}:has(~ * .{live}-saved) {{ display: none }}
.jp-OutputArea:not(:has(.{live})) > {empty} ~ * .{live}-saved {{ display: block !important }}"""
_PANEL = "> .jp-OutputArea-output.lm-Panel"  # in which Lab shows a widget, or why it does not
_EMPTY = f".jp-OutputArea-child:has({_PANEL}):not(:has({_PANEL} > *))"


def fallback(html: str, *, live: str) -> Bundle:
    """A second output, to be shown in place of a widget that is gone: `html`, safe already.

    `live` is a class that the element of this one widget has, and no other (`add_class`).
    """
    style = _STYLE.format(live=live, empty=_EMPTY)
    hidden = f'<div class="{live}-saved" style="display: none">'
    return {"text/html": f"<style>\n{style}\n</style>{hidden}\n{html}</div>", "text/plain": ""}
