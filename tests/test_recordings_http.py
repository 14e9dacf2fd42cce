"""Real streams of every provider over real HTTP: how each answer ends, and what is kept of it."""

from __future__ import annotations

import pytest

from chatkit import stream_text
from chatkit.errors import ProviderError, StreamCut
from chatkit.providers import Model, get_model
from tests.recorded import FORMATS, ROOT, Case, cases, missing, model_for
from tests.servers import Provider

if missing():
    pytest.skip(missing()[0], allow_module_level=True)

ALL = cases(*FORMATS)


def model_at(case: Case, provider: Provider) -> Model:
    """The model of a case, at the server that replays it."""
    if case.wire_format == "vercel-ui":
        return get_model(f"ui+{provider.address}/api/chat")
    return get_model(model_for(case), base_url=provider.address, api_key="sk-secret-key")


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_an_answer_ends_as_its_stream_says(case: Case, provider: Provider) -> None:
    wanted = case.wanted
    provider.replay(ROOT / f"{case.name}.sse", cut_every=1_000)
    reply = stream_text(model_at(case, provider), "Hello").wait(30)
    match reply.status:
        case "complete":
            assert any(not each.get("error") and each.get("complete", True) for each in wanted)
            assert reply.error is None
        case "error":
            assert any(each.get("error") for each in wanted)
            assert isinstance(reply.error, ProviderError)
            assert "sk-secret-key" not in str(reply.error)
        case "stopped":
            assert b'"type":"abort"' in case.wire
        case _:
            has_mark = any(case.told["terminal_seen"].values())
            assert not has_mark or any(not each.get("complete", True) for each in wanted)
            assert isinstance(reply.error, StreamCut)
    assert any(reply.text.startswith(each["text"]) for each in wanted), reply.text[:200]
