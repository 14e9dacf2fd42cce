"""A real redis-server for the tests: started, killed and started again on a port of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest
import redis

from tests.servers import free_port

NAME = "redis-server"
REMEDY = f"{NAME}: apt-get install redis-server, or redis.io/docs/latest/get-started"

needed = pytest.mark.skipif(shutil.which(NAME) is None, reason=REMEDY)


def missing() -> list[str]:
    """What these tests lack here, each with the way to get it; they are left out then."""
    return [] if shutil.which(NAME) else [REMEDY]


class RedisServer:
    """One server; its files stay in `directory` from one start to the next.

    `settings` are those of redis.conf, such as `appendonly="yes"`; without any it keeps nothing.
    `inside` is a command that runs it somewhere else, such as in another network.
    """

    def __init__(
        self,
        directory: Path,
        *,
        host: str = "127.0.0.1",
        inside: Sequence[str] = (),
        **settings: str,
    ) -> None:
        self.directory = directory
        self.settings = {"save": "", "appendonly": "no"} | settings
        self.host = host
        self.port = free_port()
        self._inside = inside
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://{self.host}:{self.port}/0"

    def start(self) -> None:
        """Start it, and return once it takes connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        log = self.directory / "redis.log"
        log.unlink(missing_ok=True)
        own = {"port": str(self.port), "bind": self.host, "dir": str(self.directory)}
        command = [*self._inside, NAME, "--logfile", str(log)]
        for name, value in (own | self.settings).items():
            command += [f"--{name.replace('_', '-')}", value]
        self._process = subprocess.Popen(command)
        deadline = time.monotonic() + 30
        while not (log.exists() and "Ready to accept connections" in log.read_text()):
            assert self._process.poll() is None, f"{NAME} has ended: {' '.join(command)}"
            assert time.monotonic() < deadline, f"{NAME} does not start"
            time.sleep(0.005)

    def kill(self) -> None:
        """End it at once, as kill -9 does; whatever it had not written is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def suspend(self) -> None:
        """Let it do nothing, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Another user of the same server."""
        return redis.Redis.from_url(self.url)
