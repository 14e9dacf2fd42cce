"""What the tests of stores share: rows, raw SQL on the file, and a second process."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chatkit.stores import Store, Stored
from tests import redis_server

T = TypeVar("T")

REDIS = pytest.param("redis", marks=[pytest.mark.redis, redis_server.needed])
everywhere = pytest.mark.parametrize("store", ["disk", REDIS], indirect=True)
on_redis = pytest.mark.parametrize("store", [REDIS], indirect=True)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def message(row_id: str, text: str = "hi", status: str = "complete") -> dict[str, Any]:
    parts = [{"type": "text", "text": text}]
    value = {"id": row_id, "role": "user", "metadata": {"status": status}, "parts": parts}
    return {"id": row_id, "message": value}


def picture(row_id: str, content: bytes) -> dict[str, Any]:
    """A message with a text and a file."""
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    file = {"type": "file", "mediaType": "image/png", "url": url, "filename": "a.png"}
    row = message(row_id)
    row["message"]["parts"].append(file)
    return row


def loaded(store: Store, chat_id: str = "trip") -> Stored:
    found = run(store.load(chat_id))
    assert found is not None
    return found


def ids(store: Store, chat_id: str = "trip") -> list[str]:
    return [row["id"] for row in loaded(store, chat_id).rows]


def another(store: Store) -> Store:
    """A store at the same place that knows nothing of what this one did."""
    return type(store)(store.location)  # type: ignore[call-arg]


def sql(database: Path, statement: str, *values: object) -> list[Any]:
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def child(store: Store, body: str, *arguments: str) -> subprocess.Popen[str]:
    """A process with a `store` at the same place; `say(...)` sends a line back."""
    program = f"""
import asyncio, sys, time
from chatkit.errors import Fenced
from chatkit.stores import open_store

store = open_store({store.location!r})

def say(*what):
    print(*what, flush=True)

async def main():
{textwrap.indent(textwrap.dedent(body), "    ")}

asyncio.run(main())
"""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    """Let its next `sys.stdin.readline()` return."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def fill(disk: Path) -> Path:
    """Leave no room on the disk; deleting what this returns makes room again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return filler
    raise AssertionError("a disk is never full without an error")


def eventually(attempt: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + 30
    while (found := attempt()) is None:
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found
