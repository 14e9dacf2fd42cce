"""chatkit in a Jupyter kernel: which cell asks, and how a reply shows itself there.

The only package that knows IPython and ipywidgets. Nothing of theirs is imported before a reply
is shown live.
"""

from __future__ import annotations

import logging

from chatkit import host


def attach() -> None:
    """Make the IPython that runs this process, if one does, the host of chatkit."""
    from IPython.core.getipython import get_ipython

    from chatkit.notebook.console import Console
    from chatkit.notebook.kernel import KernelHost

    shell = get_ipython()
    if shell is None or isinstance(host.current(), Console | KernelHost):
        return
    # What concerns an answer is shown with it; logged from the engine's thread, it would be
    # printed by whichever cell runs then.
    logging.getLogger("chatkit").addHandler(logging.NullHandler())
    host.use(KernelHost(shell) if hasattr(shell, "kernel") else Console())
