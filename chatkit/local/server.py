"""The parent's side of the embedded model's server: one child process, started and stopped."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chatkit.errors import LocalModelError

REQUIREMENT = "xllamacpp==2026.4.8672.1"  # exactly: its interface changes monthly
PATIENCE = 60.0  # seconds to load the model; half a second is usual
CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that can answer. It lives as long as this process, or until `stop`."""

    process: subprocess.Popen[str]
    url: str

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        _end(self.process)


def check_installed() -> None:
    """Raises LocalModelError where the optional package that runs the model is missing."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise LocalModelError(
            f'The embedded model needs xllamacpp. Run `pip install "{REQUIREMENT}"` '
            "and try again, or choose another model."
        )


async def start(model: Path, *, alias: str) -> Server:
    """Start a server and wait until it can answer. Raises LocalModelError."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = _spawn(model, alias, log)
        url, reason = "", "ended before it could answer"
        try:
            url = await asyncio.wait_for(asyncio.to_thread(_first_line, process), PATIENCE)
        except TimeoutError:
            reason = f"could not answer after {PATIENCE:.0f} s"
        finally:
            if not url:
                _end(process)
        if not url:
            raise LocalModelError(_explain(model, reason, log))
        return Server(process, url)


def _spawn(model: Path, alias: str, log: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", CHILD, model, alias, str(os.getpid())],
        stdin=subprocess.PIPE,  # held open, never written: its end tells the child that we ended
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,  # an interrupt meant for a cell must not reach it
    )


def _first_line(process: subprocess.Popen[str]) -> str:
    """The URL that the child prints when it can answer, or "" where it ends before that."""
    assert process.stdout is not None
    with process.stdout as output:
        url = output.readline().strip()
    if not url:
        process.wait()  # until it has written why
    return url


def _end(process: subprocess.Popen[str]) -> None:
    with process:  # closes its pipes and waits for it
        process.kill()


def _explain(model: Path, reason: str, log: IO[str]) -> str:
    log.seek(0)
    last = "\n".join(log.read().splitlines()[-10:])
    return (
        f"The embedded model's server {reason}. If its file {str(model)!r} is damaged, delete it; "
        f"if {REQUIREMENT} is not what is installed, install it. Its last words:\n{last}"
    )
