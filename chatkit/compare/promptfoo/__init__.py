"""promptfoo's test format: its `promptfooconfig.yaml` as what `compare` is given, and back."""

from __future__ import annotations

from chatkit.compare.promptfoo.reading import read
from chatkit.compare.promptfoo.writing import write

__all__ = ["read", "write"]
