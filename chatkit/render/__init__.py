"""What a model wrote, made safe to show: HTML while it grows, Markdown and plain text to keep.

Pure functions of text. The Markdown libraries, Pygments and latex2mathml are known here only.
"""

from chatkit.render.blocks import Blocks, html
from chatkit.render.images import image
from chatkit.render.rewrite import markdown, plain
from chatkit.render.style import CSS

__all__ = ["CSS", "Blocks", "html", "image", "markdown", "plain"]
