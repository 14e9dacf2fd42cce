"""chatkit in a Jupyter kernel: which cell asks, and how a reply shows itself there.

The only package that knows IPython and ipywidgets. Nothing of theirs is imported before a reply
is shown live.
"""

from __future__ import annotations

from chatkit import host


def attach() -> None:
    """Make the IPython that runs this process, if one does, the host of chatkit."""
    from IPython.core.getipython import get_ipython

    from chatkit.notebook.console import Console
    from chatkit.notebook.kernel import KernelHost
    from chatkit.notebook.tracebacks import shorten

    shell = get_ipython()
    if shell is None or isinstance(host.current(), Console | KernelHost):
        return
    shorten(shell)
    host.use(KernelHost(shell) if hasattr(shell, "kernel") else Console())
