"""The output of a cell in which a reply is shown. Alone knows the kernel's display messages."""

from __future__ import annotations

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

    def open(self, bundle: Bundle, metadata: Bundle | None = None) -> None:
        """Show it for the first time, while the cell runs."""
        self._publisher.publish(bundle, metadata or {}, transient=self._transient)

    def replace(self, bundle: Bundle, metadata: Bundle | None = None) -> None:
        """Show something else in its place."""
        self._publisher.publish(bundle, metadata or {}, transient=self._transient, update=True)

    def another(self) -> CellOutput:
        """One more output of the same cell, which `add` shows."""
        other = copy(self)
        other._transient = {"display_id": uuid.uuid4().hex}
        return other

    def add(self, bundle: Bundle, metadata: Bundle) -> None:
        """Show it for the first time, at the end of its cell, whichever cell runs by now."""
        content = {"data": bundle, "metadata": metadata, "transient": self._transient}
        kernel = self._kernel
        kernel.session.send(kernel.iopub_socket, "display_data", content, parent=self._parent)
