"""A real ASGI server on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from tests.servers import listener


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The address of a server that runs the application."""
    listening = listener()  # clients may come from here on
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    yield "http://{}:{}".format(*listening.getsockname())
    server.should_exit = True
    thread.join()
