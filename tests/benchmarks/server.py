"""A provider that streams as fast as Python can, each chunk its own TCP write.

What to send stands in the model's name: `"2000"` is 2,000 chunks at once, `"500@0.02"` is 500
chunks with 20 ms between them, `"12@all"` is 12 in one write. Run as a process, it prints its port.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import lru_cache

STORY = "The quick brown fox jumps over the lazy dog and **then** rests, `code` and all."
WORDS = STORY.split()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def frames(count: int) -> list[bytes]:
    """The chunks of one answer, framed for HTTP."""
    deltas = [
        {"content": f"{WORDS[n % len(WORDS)]} " + "\n\n" * (n % 80 == 79)} for n in range(count)
    ]
    bodies = [event({"delta": delta, "finish_reason": None}) for delta in deltas]
    bodies += [event({"delta": {}, "finish_reason": "stop"}), b"data: [DONE]\n\n"]
    return [b"%x\r\n%b\r\n" % (len(body), body) for body in bodies]


@lru_cache
def whole(count: int) -> bytes:
    """A whole answer, from its head to its end."""
    return b"".join((HEAD, *frames(count), b"0\r\n\r\n"))


def event(choice: dict[str, object]) -> bytes:
    fields = {
        "id": "chatcmpl-DcaU0cb8i1pBjy3hujOBBks5i2a86",
        "object": "chat.completion.chunk",
        "created": 1778089076,
        "model": "bench",
        "system_fingerprint": "fp_0123456789",
        "choices": [{"index": 0, "logprobs": None, **choice}],
    }
    return b"data: %b\n\n" % json.dumps(fields, separators=(",", ":")).encode()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            asked = json.loads(await reader.readexactly(length))
            count, _, delay = asked["model"].partition("@")
            if delay == "all":
                writer.write(whole(int(count)))
                continue
            writer.write(HEAD)
            for frame in frames(int(count)):
                writer.write(frame)
                if delay:
                    await asyncio.sleep(float(delay))
                else:
                    await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
