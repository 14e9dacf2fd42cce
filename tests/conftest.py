"""What every test shares: a provider on loopback, a store of its own, a notebook's host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from chatkit import host, stores
from chatkit.providers import Model, get_model
from chatkit.stores import Store
from chatkit.stores.disk import DiskStore
from chatkit.stores.redis import RedisStore
from tests import ai_sdk, e2e, kernel_versions, recorded, redis_server
from tests.redis_server import RedisServer
from tests.servers import Provider
from tests.storing import run

TOLD = "told"  # the property of a report that holds a line for the end of the run
settings.register_profile("chatkit", deadline=None)  # a busy machine is no failure
settings.load_profile("chatkit")


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A Chat Completions server on loopback."""
    with Provider() as running:
        yield running


@pytest.fixture
def model(provider: Provider) -> Model:
    """A model of that server."""
    return get_model("openai-chat/test", base_url=provider.url, api_key="sk-not-a-key")


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is kept outside the test's own directory, and no key or model comes from outside.
    The files of its stores are let go of: of thousands of tests they would be too many."""
    monkeypatch.setenv("CHATKIT_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("CHATKIT_MODEL", raising=False)
    monkeypatch.chdir(tmp_path)
    before = set(stores._stores)
    yield
    for address in set(stores._stores) - before:
        if isinstance(opened := stores._stores[address], DiskStore):
            run(asyncio.wait_for(opened.close(), 10))


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of the test's own: on disk, unless `storing.everywhere` asks for Redis too."""
    it: Store = DiskStore(tmp_path / "store")
    if getattr(request, "param", "disk") == "redis":
        it = RedisStore(request.getfixturevalue("redis").url)
    yield it
    run(it.close())


@pytest.fixture(scope="session")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), appendonly="yes") as running:
        yield running


@pytest.fixture
def redis(_redis: RedisServer) -> RedisServer:
    """A Redis server with nothing on it."""
    with _redis.client() as client:
        client.flushall()
    return _redis


@pytest.fixture
def database(store: DiskStore) -> Path:
    """Its database file."""
    return Path(store.location) / "cache.db"


class Cells:
    """The host of a notebook whose cells the test names: `with cells("a"): chat.send(...)`."""

    def __init__(self) -> None:
        self.attended = True
        self.asks = True
        self.waits_at_exit = False
        self.shown: list[Any] = []
        self._cell: str | None = None
        self._runs = 0

    def __call__(self, cell: str | None) -> Cells:
        self._cell = cell
        return self

    def __enter__(self) -> None:
        self._runs += 1

    def __exit__(self, *_: object) -> None:
        self._cell = None

    def position(self) -> host.Position:
        return host.Position(self._cell, f"run {self._runs}")

    def show(self, reply: Any, *, into: Any = None) -> None:
        self.shown.append(reply)

    def display(self, shown: Any) -> None:
        self.shown.append(shown)

    def shows(self, id: str) -> bool:
        return any(reply.id == id for reply in self.shown)

    def finish(self, done: Callable[[], Future[None]]) -> None:
        """Somebody comes back."""

    def line(self) -> host.Line:
        return host.NoLine()

    def wake(self, work: Callable[[], None]) -> None:
        """Nothing goes on between its cells."""


@pytest.fixture
def cells() -> Iterator[Cells]:
    """A notebook with somebody in front of it."""
    before, notebook = host.current(), Cells()
    host.use(notebook)
    yield notebook
    host.use(before)


@pytest.fixture(scope="session")
def sdk() -> Iterator[ai_sdk.AiSdk]:
    """The AI SDK itself, in Node."""
    ai_sdk.install()
    running = ai_sdk.AiSdk()
    yield running
    running.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: one for each core, four at most."""
    return min(4, os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """In several processes (`-n`) one has the browser, and begins at once; else each file stays
    whole, for what its tests share."""
    config.option.loadscopereorder = False
    return _Scheduling(config, log)


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "e2e" if "e2e/" in file else file


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what the faults did, what this machine left out, and how to get that."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    calls = [report for report in reports if getattr(report, "when", "") == "call"]
    told = [line for call in calls for name, line in call.user_properties if name == TOLD]
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", ())]
    why = {str(place[-1]) for place in skipped if isinstance(place, tuple)}
    missing = [line for home in (recorded, e2e, ai_sdk, redis_server) for line in home.missing()]
    missing += kernel_versions.missing(why)
    for title, lines in (("counted", told), ("left out on this machine", missing)):
        if lines:
            terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
