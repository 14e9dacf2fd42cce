"""What a page, its server and their kernels are at, for a test that has waited in vain."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

# The state of the kernel and of each cell in the page: the body of a function of JavaScript.
PAGE = """
  const kernel = panel?.sessionContext.session?.kernel;
  const shown = cells.map(each => [each.model.executionState, each.model.outputs?.toJSON()]);
  const told = shown.map(each => JSON.stringify(each).slice(0, 2000));
  return [`the page: kernel ${kernel?.status}, ${kernel?.connectionStatus}`, ...told].join('\\n');
"""

# What each kernel runs as it starts, so that at SIGUSR1 it writes down where its threads are.
_TELL_STACKS = """\
def tell_stacks():
    import faulthandler, os, pathlib, signal
    from ipykernel.connect import get_connection_file
    file = pathlib.Path(get_connection_file()).with_suffix(".stacks").open("w")
    print(os.getpid(), file=file, flush=True)
    faulthandler.register(signal.SIGUSR1, file)
tell_stacks()
del tell_stacks
"""


def prepare(ipython: Path) -> None:
    """Make the kernels of this IPython directory tell their stacks when they are asked."""
    startup = ipython / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "tell_stacks.py").write_text(_TELL_STACKS)


def of_server(kernels: Iterable[Mapping[str, Any]], runtime: Path, log: Path) -> str:
    """What the server knows of each kernel, where its threads are, and the end of the log."""
    told = ["the server:"]
    for kernel in kernels:
        told += [json.dumps(kernel), _stacks(runtime / f"kernel-{kernel['id']}.stacks")]
    return "\n".join([*told, *log.read_text().splitlines()[-20:]])


def _stacks(file: Path) -> str:
    if not file.exists():
        return "it has not begun to serve"
    size, deadline = file.stat().st_size, time.monotonic() + 10
    with suppress(ProcessLookupError):  # it has died, and the server does not know yet
        os.kill(int(file.read_text().split()[0]), signal.SIGUSR1)
    while file.stat().st_size == size and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)  # it writes
    return file.read_text()
