"""What is logged, where to, and that no key is in anything that is logged, shown or stored."""

from __future__ import annotations

import logging
import os
import random
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatkit import Chat, config, get_model, logs
from chatkit.detached.jobs import Far, Job
from chatkit.redaction import hide
from tests.servers import Provider

ROOT = Path(__file__).parent.parent


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the log is, which is written until the test ends."""
    monkeypatch.setattr("platformdirs.user_log_dir", lambda *a, **k: str(tmp_path / "state"))
    yield logs.path()
    config.log = None


def test_nothing_is_printed_unless_somebody_asks(provider: Provider) -> None:
    provider.refuse(500, "broken", x_should_retry="false")
    script = (
        "from chatkit import Chat, get_model\n"
        f"model = get_model('openai-chat/test', base_url={provider.url!r})\n"
        "Chat('trip', model=model).ask('Hi')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_requests_tries_and_stores_are_told_in_the_file(file: Path, provider: Provider) -> None:
    config.log = "debug"
    provider.refuse(503, "busy", retry_after_ms="1", x_request_id="req-7")
    model = get_model("openai-chat/test", base_url=provider.url)
    Chat("trip", model=model, store=file.parent / "chats").ask("Hi")
    told = file.read_text()
    assert f"POST {provider.url}/chat/completions: 503 in " in told
    assert "s (req-7)" in told
    assert "try 1 of 3 failed" in told
    assert f"POST {provider.url}/chat/completions: 200 in " in told
    assert "a store is opened at" in told
    config.log = "off"
    Chat("trip", model=model).ask("And?")
    assert file.read_text() == told


def test_only_what_is_of_the_level_is_written(file: Path) -> None:
    config.log = "warning"
    logging.getLogger("chatkit.http").debug("a request")
    logging.getLogger("chatkit").warning("look here")
    [line] = file.read_text().splitlines()
    assert line.endswith("WARNING chatkit: look here")
    assert str(file) in config._repr_html_()


def test_the_variable_begins_the_log_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    def run(level: str, code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import logging, chatkit\n{code}"],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path), "CHATKIT_LOG": level},
        )
        return done.stdout + done.stderr

    log = "logging.getLogger('chatkit').debug('hello'); print(chatkit.logs.path().read_text())"
    assert "DEBUG chatkit: hello" in run("debug", log)
    assert "log is 'loud'; it is one of debug" in run("loud", "")


def test_a_log_that_cannot_be_written_is_refused_with_its_place(file: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(ValueError, match="state"):
        config.log = "debug"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a user's own folders to that user")
def test_nobody_else_can_read_the_log(file: Path) -> None:
    config.log = "debug"
    assert file.exists()
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_every_logger_of_the_package_takes_keys_out() -> None:
    sources = [path.read_text() for path in (ROOT / "chatkit").rglob("*.py")]
    used = {
        line.split('"')[1]
        for text in sources
        for line in text.splitlines()
        if 'getLogger("' in line
    }
    ours = {name for name in used if name.startswith("chatkit")}
    assert ours <= set(logs._OURS)


def keys() -> list[str]:
    chance = random.Random(7)
    letters = string.ascii_letters + string.digits
    some = ["".join(chance.choices(letters + "-_", k=size)) for size in (8, 24, 64)]
    odd = ["".join(chance.choices(letters + "+/=.$*[(", k=32)) for _ in range(3)]
    return [*some, *odd, f"sk-proj-{some[1]}", f"AIza{some[2][:35]}"]


@pytest.mark.parametrize("key", keys())
def test_a_key_is_in_nothing_that_is_logged_shown_or_stored(
    key: str, file: Path, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)  # of everybody: httpx tells whole addresses
    config.log = "debug"
    echo = {"message": f"Incorrect API key provided: {key}", "code": f"bad {key}"}
    provider.refuse(401, {"error": echo})
    provider.answer("one", error=echo)
    base = f"{provider.url}?api_key={key}"
    shown = []
    for model in (
        get_model("openai-chat/test", base_url=provider.url, api_key=key),
        get_model("openai-chat/test", base_url=provider.url, headers={"x-auth": f"Bearer {key}"}),
        get_model("openai-chat/test", base_url=base),
    ):
        chat = Chat("trip", model=model)
        reply = chat.send("Hi", fresh=True).wait(20)
        told = [reply.error, getattr(reply.error, "code", ""), model, reply, reply.message, chat]
        told += [model.request([], {}), chat.store, chat.messages, chat._repr_html_()]
        shown += [f"{each!r} {each}" for each in told]
    logging.getLogger("chatkit").error("it says %s", key)
    try:
        raise ValueError(f"it says {key}")
    except ValueError:
        logging.getLogger("chatkit.http").exception("failed")
    assert len(provider.requests) == 3
    assert "failed" in file.read_text()
    rows = b"".join(
        path.read_bytes() for path in Path(chat.store.location).rglob("*") if path.is_file()
    )
    records = [f"{each.getMessage()} {each.exc_info}" for each in caplog.records]
    everything = "\n".join([*shown, *records, caplog.text, file.read_text()])
    assert key not in everything
    assert key.encode() not in rows
    assert "[hidden]" in everything


def test_no_key_is_in_the_repr_of_a_job() -> None:
    far = Far("openai/a", None, {"authorization": "Bearer sk-very-secret"}, None, None)
    job = Job(
        "redis://:pa55@host", "trip", "a", far, None, {}, [], 1, None, False, "", False, False
    )
    assert "secret" not in repr(far) + repr(job)
    assert "pa55" not in repr(job)
    assert "secret" in job.line.decode()  # the worker needs it


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("GET https://host/v1?key=abc123&alt=sse", "GET https://host/v1?key=[hidden]&alt=sse"),
        ("https://host/a?api-version=1", "https://host/a?api-version=1"),
        ("redis://me:pass@host/0", "redis://[hidden]@host/0"),
        ("Authorization: Bearer abc.123-xyz", "Authorization: Bearer [hidden]"),
        ("Bearer authentication is needed", "Bearer authentication is needed"),
        ('{"api_key": "abc"}', '{"api_key": "[hidden]"}'),
        ("sk-ant-api03-abcdefghijklmnop is wrong", "[hidden] is wrong"),
        ("max_tokens is 5; the task-force met", "max_tokens is 5; the task-force met"),
    ],
)
def test_what_looks_like_a_key_is_hidden_and_nothing_else(text: str, left: str) -> None:
    assert hide(text) == left
