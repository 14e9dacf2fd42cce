"""The output of a cell in which a reply is shown. Alone knows the kernel's display messages."""

from __future__ import annotations

import html
import uuid
from copy import copy
from typing import Any

Bundle = dict[str, Any]


class CellOutput:
    """An output of the cell that runs now. It can be replaced later, from any thread."""

    def __init__(self, shell: Any) -> None:
        self._publisher = shell.display_pub
        self._kernel = shell.kernel
        self._parent = shell.get_parent()
        self._transient = {"display_id": uuid.uuid4().hex}
        self._is_there = False

    def open(self, bundle: Bundle, metadata: Bundle | None = None) -> None:
        """Show it for the first time, while the cell runs."""
        self._is_there = True
        self._publisher.publish(bundle, metadata or {}, transient=self._transient)

    def replace(self, bundle: Bundle, metadata: Bundle | None = None) -> None:
        """Show something else in its place."""
        self._publisher.publish(bundle, metadata or {}, transient=self._transient, update=True)

    def another(self) -> CellOutput:
        """One more output of the same cell, which `put` shows."""
        other = copy(self)
        other._transient = {"display_id": uuid.uuid4().hex}
        other._is_there = False
        return other

    def put(self, bundle: Bundle, metadata: Bundle | None = None) -> None:
        """Show this in it: if it is new at the end of its cell, whichever cell runs by now."""
        (self.replace if self._is_there else self._add)(bundle, metadata or {})

    def clear(self) -> None:
        """Show nothing in it, and leave no gap."""
        if self._is_there:
            self.replace({"text/plain": ""})

    def _add(self, bundle: Bundle, metadata: Bundle) -> None:
        self._is_there = True
        content = {"data": bundle, "metadata": metadata, "transient": self._transient}
        kernel = self._kernel
        kernel.session.send(kernel.iopub_socket, "display_data", content, parent=self._parent)


class CellLine:
    """A quiet line in the output of a cell."""

    def __init__(self, output: CellOutput) -> None:
        self._output = output

    def say(self, text: str) -> None:
        quiet = f'<span style="opacity: 0.65">{html.escape(text)}</span>'
        self._output.put({"text/html": quiet, "text/plain": text})

    def clear(self) -> None:
        self._output.clear()
