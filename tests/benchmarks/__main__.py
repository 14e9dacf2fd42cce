"""Every speed that is promised, as a table of ratios: `python -m tests.benchmarks [NAME…]`.

Each figure is the median of several runs, each run in a process of its own beside its baseline.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

RUNS = 5
SHORT = 10_000  # answers
Json = dict[str, Any]


class Row(NamedTuple):
    """One line of the table: what is promised, and what was measured."""

    what: str
    measured: str
    ratio: float
    bar: float


def main(names: list[str]) -> None:
    print(f"{'what':58} {'measured':42} {'ratio':>7} {'bar':>6}")
    with server() as port:
        for name, measure in MEASURES.items():
            if not names or name in names:
                for row in measure(port):
                    mark = "" if row.ratio <= row.bar else "  over the bar"
                    print(f"{row.what:58} {row.measured:42} {row.ratio:7.2f} {row.bar:6.2f}{mark}")
                    sys.stdout.flush()


@contextmanager
def server() -> Iterator[str]:
    """The provider, in a process of its own; its port."""
    command = [sys.executable, "-m", "tests.benchmarks.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def client(*arguments: str, module: str = "client") -> Json:
    """One measurement in a fresh process."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    result: Json = json.loads(told.stdout.splitlines()[-1])
    return result


def pairs(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[list[Json], list[Json]]:
    """Runs in turn, so that a machine that drifts changes both."""
    both = [(client(*ours), client(*theirs)) for _ in range(RUNS)]
    return [a for a, _ in both], [b for _, b in both]


def median(runs: list[Json], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def cpu(port: str) -> Iterator[Row]:
    """CPU of one streamed chunk, everything on, against bare httpx and json."""
    count = 20_000
    a, b = pairs(("chatkit_all_on", port, str(count), "1"), ("httpx_loop", port, str(count), "1"))
    ours, theirs = (median(runs, "cpu") / count * 1e6 for runs in (a, b))
    told = f"{ours:.1f} us, httpx + json {theirs:.1f} us"
    yield Row("CPU per streamed chunk, all on", told, ours / theirs, 1.0)


def growth(port: str) -> Iterator[Row]:
    """The cost of a chunk in longer and longer answers."""
    runs = {
        n: [client("chatkit_all_on", port, str(n), "1") for _ in range(3)]
        for n in (2_000, 20_000, 200_000)
    }
    each = {n: median(run, "cpu") / n * 1e6 for n, run in runs.items()}
    disk = {n: median(run, "disk") / n for n, run in runs.items()}
    for n in (20_000, 200_000):
        told = f"{each[2_000]:.1f} -> {each[n]:.1f} us a chunk"
        yield Row(f"CPU per chunk, {n:,} chunks against 2,000", told, each[n] / each[2_000], 1.1)
    told = f"{disk[2_000]:.0f} -> {disk[200_000]:.0f} bytes a chunk"
    yield Row("disk bytes per chunk, 200,000 against 2,000", told, disk[200_000] / disk[2_000], 1.1)


def many(port: str) -> Iterator[Row]:
    """200 streams at once, each a chunk every 20 ms."""
    script, streams, count = "200@0.02", "200", 200 * 200
    a, b = pairs(("chatkit_all_on", port, script, streams), ("httpx_loop", port, script, streams))
    ours, theirs = (median(runs, "cpu") / count * 1e6 for runs in (a, b))
    yield Row(
        "CPU per chunk, 200 streams at once",
        f"{ours:.1f} us, httpx + json {theirs:.1f} us",
        ours / theirs,
        1.0,
    )
    late = median(a, "wall") - median(b, "wall")
    yield Row("200 streams: seconds later than httpx + json", f"{late:.2f} s", late, 0.5)
    held = median(a, "memory") / 200 / 1000
    yield Row("200 streams: KB a stream", f"{held:.0f} KB", held, 100.0)


def short(port: str) -> Iterator[Row]:
    """A comparison of short answers by the thousand; one of each, which is long enough."""
    asked = (port, "12@all", f"{SHORT}", "200")
    ours, theirs = client("compare_many", *asked), client("httpx_many", *asked)
    a, b = (run["cpu"] / SHORT * 1e3 for run in (ours, theirs))
    told = f"{a:.2f} ms, httpx + json {b:.2f} ms"
    yield Row("CPU of a run of compare(), 200 at a time", told, a / b, 1.2)
    left = ours["memory"] / SHORT
    yield Row("bytes that it leaves in memory", f"of {SHORT:,} runs", left, 10_000.0)


def again(port: str) -> Iterator[Row]:
    """A comparison of short answers that is on disk, against reading its rows."""
    run = client("compare_restore", port, "12@all", f"{SHORT}")
    told = f"{run['whole'] * 1e3:.0f} ms, its rows {run['rows'] * 1e3:.0f} ms"
    yield Row(f"compare() again, {SHORT:,} runs", told, run["whole"] / run["rows"], 2.0)


def restore(port: str) -> Iterator[Row]:
    """A chat of 1,000 messages from disk, against json.loads of the same bytes."""
    runs = [client("restore", "1000") for _ in range(RUNS)]
    base, whole, newest = (median(runs, key) for key in ("json", "chat", "newest"))
    told = f"{whole * 1000:.1f} ms, json.loads {base * 1000:.1f} ms"
    yield Row("restore of 1,000 messages", told, whole / base, 1.5)
    yield Row("the newest 20 of them", f"{newest * 1000:.1f} ms", newest / base, 0.5)


def importing(port: str) -> Iterator[Row]:
    """`import chatkit` against `import httpx`."""
    a, b = pairs(("importing", "chatkit"), ("importing", "httpx"))
    ours, theirs = median(a, "seconds"), median(b, "seconds")
    told = f"{ours * 1000:.0f} ms, httpx {theirs * 1000:.0f} ms"
    yield Row("import", told, ours / theirs, 3.0)


def browser(port: str) -> Iterator[Row]:
    """Bytes that leave for the browser, a token, at 20 updates a second."""
    for count in (2_000, 20_000):
        seen = client("view_bytes", str(count))
        each = seen["bytes"] / count
        yield Row(f"bytes to the browser a token, {count:,} tokens", f"{each:.0f}", each, 500.0)
    short, long = (client("view_bytes", n)["cpu"] / int(n) * 1e6 for n in ("2000", "20000"))
    told = f"{short:.1f} -> {long:.1f} us a token"
    yield Row("CPU of rendering a token, 20,000 against 2,000", told, long / short, 1.1)


def panel(port: str) -> Iterator[Row]:
    """The same in a panel, above the answer 200 messages; and how it opens on 1,000."""
    for count in (2_000, 20_000):
        seen = client("view_bytes", str(count), "panel")
        each = seen["bytes"] / count
        yield Row(f"bytes to a panel a token, {count:,} tokens", f"{each:.0f}", each, 500.0)
    short, long = (
        client("view_bytes", n, "panel")["cpu"] / int(n) * 1e6 for n in ("2000", "20000")
    )
    told = f"{short:.1f} -> {long:.1f} us a token"
    yield Row("CPU of a token in a panel, 20,000 against 2,000", told, long / short, 1.1)
    few, many = (client("panel_opens", n) for n in ("60", "1000"))
    told = f"{few['seconds'] * 1000:.0f} -> {many['seconds'] * 1000:.0f} ms"
    yield Row("opening a panel, 1,000 messages against 60", told, many["sent"] / few["sent"], 1.1)


def elsewhere(port: str) -> Iterator[Row]:
    """An answer that another process writes, through the store; the bars are in seconds."""
    seen = client(module="elsewhere")
    told = f"median {seen['late'] * 1000:.0f} ms, most {seen['latest'] * 1000:.0f} ms"
    yield Row("seconds that a word of another process is late", told, seen["late"], 0.06)
    yield Row("cores that following and asking cost", "", seen["cores"], 0.1)
    told = f"median {seen['stop'] * 1000:.0f} ms, most {seen['slowest'] * 1000:.0f} ms"
    yield Row("seconds until a stop reaches another's provider", told, seen["slowest"], 0.2)


MEASURES: dict[str, Callable[[str], Iterator[Row]]] = {
    measure.__name__: measure
    for measure in (cpu, growth, many, short, again, restore, importing, browser, panel, elsewhere)
}

if __name__ == "__main__":
    main(sys.argv[1:])
