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

from chatkit.stores import Stored
from chatkit.stores.disk import DiskStore

T = TypeVar("T")


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


def loaded(store: DiskStore, chat_id: str = "trip") -> Stored:
    found = run(store.load(chat_id))
    assert found is not None
    return found


def ids(store: DiskStore, chat_id: str = "trip") -> list[str]:
    return [row["id"] for row in loaded(store, chat_id).rows]


def sql(database: Path, statement: str, *values: object) -> list[Any]:
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def child(store: DiskStore, body: str, *arguments: str) -> subprocess.Popen[str]:
    """A process with a `store` on the same directory; `say(...)` sends a line back."""
    program = f"""
import asyncio, sys, time
from chatkit.errors import Fenced
from chatkit.stores.disk import DiskStore

store = DiskStore({store.location!r})

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


def eventually(attempt: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + 30
    while (found := attempt()) is None:
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found
