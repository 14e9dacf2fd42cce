"""`compare`: what is asked, what is asked again, and what never is."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import pytest

from chatkit import (
    Chat,
    ConfigError,
    Message,
    MessageError,
    MissingKey,
    chats,
    compare,
    get_model,
    tool,
)
from chatkit.compare.runs import Runs
from chatkit.providers import Model
from chatkit.scores import Verdict, judge
from tests import redis_server
from tests.conftest import Cells
from tests.peers import Peer
from tests.servers import Provider

COUNTRIES = [{"country": "France", "capital": "Paris"}, {"country": "Peru", "capital": "Lima"}]
PROMPTS = {"terse": "Capital of {country}?", "polite": "Please name the capital of {country}."}


@pytest.fixture
def asked(provider: Provider) -> Callable[[], list[str]]:
    """A function that tells what the provider was asked since it was last called, sorted."""
    told = 0

    def asked() -> list[str]:
        nonlocal told
        new = provider.requests[told:]
        told = len(provider.requests)
        return sorted(request.body["messages"][-1]["content"] for request in new)

    return asked


Asked = Callable[[], list[str]]


class City(TypedDict):
    city: str


def statuses(runs: Runs) -> list[str]:
    return [run.status for run in runs]


# -- what is asked --


def test_one_prompt_over_many_inputs_gives_their_texts_in_order(model: Model) -> None:
    runs = compare("Say {input}", model, ["one", "two", "three"]).wait()
    assert runs.texts == ["Answer to: Say one", "Answer to: Say two", "Answer to: Say three"]


def test_every_prompt_is_asked_of_every_model_for_every_case(
    provider: Provider, model: Model
) -> None:
    other = get_model("openai-chat/other", base_url=provider.url, api_key="k")
    runs = compare(PROMPTS, [model, other], COUNTRIES, samples=2, options={"temperature": [0, 1]})
    assert len(runs.wait()) == 2 * 2 * 2 * 2 * 2
    assert set(statuses(runs)) == {"complete"}
    bodies = [request.body for request in provider.requests]
    assert len({(b["model"], b["temperature"], b["messages"][0]["content"]) for b in bodies}) == 16
    [run] = runs.where(
        prompt="polite", model="openai-chat/other", temperature=1, country="Peru", sample=2
    )
    assert run.text == "Answer to: Please name the capital of Peru."
    assert (run.usage and run.usage.output_tokens) == 8
    assert run.seconds is not None
    assert run.seconds_to_first_token is not None


def test_a_prompt_may_be_messages_a_chat_or_a_function_of_the_case(
    model: Model, asked: Asked, provider: Provider
) -> None:
    chat = Chat("trip", model=model, system="Be brief.")
    chat.ask("What is in Lisbon?")
    asked()
    runs = compare(
        {
            "messages": [{"role": "system", "content": "Of {country}."}, "Where is {capital}?"],
            "function": lambda case: f"{case['capital']}!",
            "chat": chat,
            "on": [chat, "And in {capital}?"],
        },
        model,
        COUNTRIES[:1],
    ).wait()
    assert asked() == ["And in Paris?", "Paris!", "What is in Lisbon?", "Where is Paris?"]
    assert [message.role for message in runs[3].messages] == ["system", "user", "assistant", "user"]
    assert runs[0].messages[0].text == "Of France."


def test_a_chat_that_is_being_answered_is_no_prompt_yet(provider: Provider, model: Model) -> None:
    answer = provider.answer("one two", gated=True)
    chat = Chat("trip", model=model)
    chat.send("Count.")
    with pytest.raises(MessageError, match="wait"):
        compare({"on": [chat, "And?"]}, model)
    answer.open()
    chat.wait()


def test_system_prompts_are_compared_too(provider: Provider, model: Model) -> None:
    runs = compare("Hi", model, system={"kind": "Be kind.", "curt": "Be curt."}).wait()
    assert [run.place.system for run in runs] == ["kind", "curt"]
    said = {request.body["messages"][0]["content"] for request in provider.requests}
    assert said == {"Be kind.", "Be curt."}


def test_a_schema_gives_objects(provider: Provider, model: Model) -> None:
    provider.answer('{"city": "Paris"}')
    provider.answer("no JSON")
    runs = compare("Where? {input}", model, ["a", "b"], schema=City, concurrency=1).wait()
    assert runs[0].object == {"city": "Paris"}
    assert runs[1].status == "error"
    provider.answer('{"value": 3}')
    assert compare("How many?", model, schema=int).wait()[0].object == 3


def test_tools_run_and_those_that_need_a_word_are_refused(provider: Provider, model: Model) -> None:
    @tool
    def area(country: str) -> str:
        """The area of a country."""
        return f"{len(country)} km2"

    @tool(approve=True)
    def conquer(country: str) -> str:
        """Conquer it."""
        raise AssertionError("nobody allowed it")

    for name in ("area", "conquer"):
        call = {"name": name, "arguments": '{"country": "Peru"}'}
        calls = [{"index": 0, "id": "call-1", "type": "function", "function": call}]
        provider.answer(tokens=[{"tool_calls": calls}], finish_reason="tool_calls")
        provider.answer("Done.")
    runs = compare("Do {input}", model, ["a", "b"], tools=[area, conquer], concurrency=1).wait()
    assert runs.texts == ["Done.", "Done."]
    told = [request.body["messages"][-1] for request in provider.requests[1::2]]
    assert told[0]["content"] == "4 km2"
    assert told[1]["content"] == "Nobody is here to allow this call, so it was not run."


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"prompts": "Capital of {contry}?"}, "contry"),
        ({"prompts": "Capital?"}, "no prompt has a field"),
        ({"prompts": {}}, "nothing to compare"),
        ({"prompts": {"a": 3}}, "prompt 'a'"),
        ({"samples": 0}, "samples"),
        ({"concurrency": 0}, "concurrency"),
        ({"models": []}, "nobody to ask"),
        ({"models": ["openai/gpt-5", "openai/gpt-5"]}, "twice"),
        ({"options": {"temprature": [0]}}, "temperature"),
        ({"budget": -1}, "budget"),
        ({"budget": "1"}, "budget"),
        ({"confirm_above": "x"}, "confirm_above"),
        ({"options": None}, "options"),
        ({"options": "hot"}, "options"),
        ({"prompts": None}, "a prompt is text"),
        ({"prompts": 3}, "a prompt is text"),
        ({"cases": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is(
    arguments: dict[str, Any], told: str, model: Model, provider: Provider
) -> None:
    usual = {"prompts": PROMPTS, "models": model, "cases": COUNTRIES}
    with pytest.raises((ConfigError, OSError), match=told):
        compare(**{**usual, **arguments})
    assert provider.requests == []


def test_a_missing_key_is_said_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKey):
        compare("Hi", "openai/gpt-5", confirm_above=100)


def test_an_answer_of_the_model_is_no_question(model: Model) -> None:
    with pytest.raises(MessageError, match="prompt"):
        compare({"odd": [Message(id="1", role="assistant")]}, model)


def test_runs_can_be_awaited(model: Model) -> None:
    async def ask() -> list[str]:
        return (await compare("Say {input}", model, ["one"])).texts

    assert asyncio.run(ask()) == ["Answer to: Say one"]


def test_half_a_character_in_a_case_is_asked_as_every_text_is(model: Model) -> None:
    scores = {"right": lambda reply, case: case["input"] in reply.text}
    [run] = compare("Say {input}\ud83d", model, ["\ud83d!"], scores=scores).wait()
    assert run.text == "Answer to: Say \ufffd!\ufffd"
    assert run.scores == {"right": Verdict(True)}


# -- what is asked again, and what is not --


def test_the_same_comparison_asks_nothing_again(model: Model, asked: Asked) -> None:
    first = compare(PROMPTS, model, COUNTRIES, samples=2).wait()
    assert len(asked()) == 8
    again = compare(PROMPTS, model, COUNTRIES, samples=2)
    assert again.is_over
    assert again.texts == first.texts
    assert all(run.is_restored for run in again)
    assert asked() == []


def test_only_what_changed_is_asked(provider: Provider, model: Model, asked: Asked) -> None:
    compare(PROMPTS, model, COUNTRIES).wait()
    asked()
    compare({**PROMPTS, "terse": "{country}?"}, model, COUNTRIES).wait()
    assert asked() == ["France?", "Peru?"]
    compare(PROMPTS, model, [*COUNTRIES, {"country": "Chad", "capital": "?"}]).wait()
    assert asked() == ["Capital of Chad?", "Please name the capital of Chad."]
    compare(PROMPTS, model, COUNTRIES, options={"temperature": 0}).wait()
    assert len(asked()) == 4
    compare({"renamed": PROMPTS["terse"]}, model, [{**each, "note": "x"} for each in COUNTRIES])
    assert asked() == []  # what is not asked with does not count


def test_samples_are_apart(provider: Provider, model: Model, asked: Asked) -> None:
    for text in ("one", "two", "three"):
        provider.answer(text)
    runs = compare("Hi", model, samples=2, concurrency=1).wait()
    assert runs.texts == ["one", "two"]
    more = compare("Hi", model, samples=3).wait()
    assert more.texts == ["one", "two", "three"]
    assert len(asked()) == 3


def test_the_same_question_twice_in_a_grid_is_asked_twice(model: Model, asked: Asked) -> None:
    compare({"a": "Hi", "b": "Hi"}, model).wait()
    assert asked() == ["Hi", "Hi"]


def test_fresh_asks_all_again_beside(provider: Provider, model: Model) -> None:
    provider.answer("old")
    provider.answer("new")
    compare("Hi", model).wait()
    [run] = compare("Hi", model, fresh=True).wait()
    assert (run.text, [message.text for message in run.older]) == ("new", ["old"])
    [run] = compare("Hi", model).wait()
    assert (run.text, [message.text for message in run.older]) == ("new", ["old"])
    assert len(provider.requests) == 2


def test_an_error_is_kept_and_retried(provider: Provider, model: Model) -> None:
    provider.refuse(400, {"error": {"message": "no such thing"}})
    runs = compare("Say {input}", model, ["a", "b"], concurrency=1).wait()
    assert statuses(runs) == ["error", "complete"]
    assert "no such thing" in str(runs[0].error)
    assert runs.retry().wait().texts == ["Answer to: Say a", "Answer to: Say b"]
    assert len(provider.requests) == 3


def test_one_run_is_asked_again_beside(provider: Provider, model: Model) -> None:
    runs = compare("Say {input}", model, ["a", "b"]).wait()
    provider.answer("another")
    runs.retry(runs[1], fresh=True).wait()
    assert runs.texts == ["Answer to: Say a", "another"]
    assert [message.text for message in runs[1].older] == ["Answer to: Say b"]


def test_stop_keeps_what_came_and_the_rest_is_asked_next_time(
    provider: Provider, model: Model
) -> None:
    answer = provider.answer("one two three", gated=True)
    runs = compare("Say {input}", model, ["a", "b", "c"], concurrency=1)
    answer.release(2)
    provider.until(lambda: provider.bytes_taken > 300)
    arrived = threading.Event()
    runs.observe(lambda _: arrived.set() if "two" in runs[0].text else None)
    assert arrived.wait(10) or "two" in runs[0].text
    runs.stop().wait()
    assert statuses(runs) == ["stopped", "skipped", "skipped"]
    assert runs.texts == ["one two ", "", ""]
    assert "stopped" in str(runs[1].error)
    again = compare("Say {input}", model, ["a", "b", "c"]).wait()
    assert again.texts == ["Answer to: Say a", "Answer to: Say b", "Answer to: Say c"]
    assert [message.text for message in again[0].older] == ["one two "]


def test_no_more_than_so_many_go_at_once(provider: Provider, model: Model) -> None:
    answers = [provider.answer(f"{number}", gated=True) for number in range(6)]
    runs = compare("Say {input}", model, list("abcdef"), concurrency={"openai-chat": 2})
    for count in range(6):
        under_way = min(6, 2 + count)
        provider.until(partial(lambda wanted: len(provider.requests) == wanted, under_way))
        answers[count].open()
    runs.wait()
    assert len(provider.requests) == 6


def test_rows_are_readable_at_any_time(provider: Provider, model: Model) -> None:
    provider.answer("first")
    held = provider.answer("second", gated=True)
    runs = compare("Say {input}", model, ["a", "b", "c"], concurrency=1)
    provider.until(lambda: len(provider.requests) == 2)
    rows = runs.rows()
    assert [row["status"] for row in rows[1:]] == ["streaming", "queued"]
    assert rows[0] | {"text": "first", "status": "complete", "input": "a"} == rows[0]
    held.open()
    runs.wait()


def test_an_observer_that_raises_disturbs_nobody(
    provider: Provider, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: set[int]) -> None:
        raise ValueError("no such widget")

    held = provider.answer("held", gated=True)
    runs = compare("Say {input}", model, ["a"])
    seen = threading.Event()
    runs.observe(broken)
    runs.observe(lambda _: seen.set())
    held.open()
    runs.wait()
    assert seen.wait(10)
    assert "no such widget" in caplog.text
    assert caplog.text.count("a view of this comparison failed") == 1


# -- cells, kernels --


def test_a_cell_that_runs_again_takes_over_what_is_under_way(
    provider: Provider, model: Model, cells: Cells, asked: Asked
) -> None:
    held = provider.answer("held", gated=True)
    with cells("a"):
        first = compare("Say {input}", model, ["a", "b"], concurrency=1)
    provider.until(lambda: len(provider.requests) == 1)
    with cells("a"):
        second = compare("Now {input}", model, ["b"], concurrency=1)
        third = compare("Say {input}", model, ["a", "c"], concurrency=1)
    second.wait()
    held.open()
    assert third.wait().texts == ["held", "Answer to: Say c"]
    assert statuses(first.wait()) == ["complete", "skipped"]
    assert asked() == ["Now b", "Say a", "Say c"]


@pytest.fixture(
    params=["disk", pytest.param("redis", marks=[pytest.mark.redis, redis_server.needed])]
)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is that processes share."""
    if request.param == "redis":
        url: str = request.getfixturevalue("redis").url
        return url
    return str(tmp_path / "s")


def test_two_processes_that_share_a_grid_ask_each_once(provider: Provider, shared: str) -> None:
    code = "runs = compare('Say {input}', model, list(range(200)), store=store)"
    peers = [Peer(provider.url, shared) for _ in range(2)]
    with peers[0] as one, peers[1] as two:
        for peer in (one, two):
            peer.do("from chatkit import compare")
            peer.start(code)
        for peer in (one, two):
            peer.finish()
        ours, theirs = (peer.get("runs.wait().texts") for peer in (one, two))
    assert ours == theirs == [f"Answer to: Say {number}" for number in range(200)]
    assert len(provider.requests) == 200


def test_what_a_killed_process_asked_is_asked_again(provider: Provider, tmp_path: Path) -> None:
    held = provider.answer("half of it", gated=True)
    code = "runs = compare('Say {input}', model, ['a', 'b', 'c'], store=store, concurrency=2)"
    with Peer(provider.url, tmp_path / "s") as one:
        one.do("from chatkit import compare")
        one.do(code)
        held.release(1)
        one.until("'half ' in runs.texts and runs.counts.get('complete') == 2")
        one.kill()
    with Peer(provider.url, tmp_path / "s") as two:
        two.do("from chatkit import compare")
        two.do(code)
        texts = ["Answer to: Say a", "Answer to: Say b", "Answer to: Say c"]
        assert two.get("runs.wait().texts") == texts
    assert len(provider.requests) == 4


def test_what_another_process_asks_is_let_go_by_stop_and_joined_by_retry(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    held = provider.answer("held", gated=True)
    with Peer(provider.url, tmp_path / "s") as peer:
        peer.do("from chatkit import compare")
        peer.do("runs = compare('Say {input}', model, ['a'], store=store)")
        provider.until(lambda: len(provider.requests) == 1)
        runs = compare("Say {input}", model, ["a"], store=tmp_path / "s")
        assert statuses(runs) == ["streaming"]
        assert statuses(runs.stop().wait(10)) == ["skipped"]
        runs.retry()
        held.open()
        assert runs.wait(30).texts == ["held"]
    assert len(provider.requests) == 1


def test_stop_ends_no_answer_that_another_comparison_waits_for(
    provider: Provider, model: Model, cells: Cells
) -> None:
    """But the comparison that the same cell made before waits for nothing any more."""
    held = provider.answer("held", gated=True)
    with cells("a"):
        runs = compare("Say {input}", model, ["a"])
    with cells("b"):
        before = compare("Say {input}", model, ["a"])
    with cells("b"):
        beside = compare("Say {input}", model, ["a"])
    provider.until(lambda: len(provider.requests) == 1)
    assert statuses(beside.stop().wait(10)) == ["skipped"]
    assert "it goes on for another comparison" in str(beside[0].error)
    held.open()
    assert runs.wait(10).texts == before.wait(10).texts == ["held"]
    assert beside.retry().wait(10).texts == ["held"]
    held = provider.answer("never whole", gated=True)
    with cells("b"):
        compare("Say {input}", model, ["b"])
    with cells("b"):
        again = compare("Say {input}", model, ["b"])
    held.release(1)
    provider.until(lambda: len(provider.requests) == 2)
    assert statuses(again.stop().wait(10)) == ["stopped"]
    provider.until(lambda: provider.disconnects == 1)
    assert len(provider.requests) == 2


def test_a_comparison_that_gave_way_and_is_taken_up_again_is_waited_for(
    provider: Provider, model: Model, cells: Cells
) -> None:
    held = provider.answer("held", gated=True)
    with cells("a"):
        before = compare("Say {input}", model, ["a"])
    with cells("a"):
        after = compare("Say {input}", model, ["a"])
    provider.until(lambda: len(provider.requests) == 1)
    before.retry()
    assert statuses(after.stop().wait(10)) == ["skipped"]
    held.open()
    assert before.wait(10).texts == ["held"]


def test_what_is_left_to_another_comparison_is_what_it_was_before(
    provider: Provider, cells: Cells
) -> None:
    """Its text, and what the budget holds of it."""
    dear = get_model("azure/gpt-4o-2024-08-06", base_url=provider.url, api_key="k")
    with cells("a"):
        runs = compare("Say {input}", dear, ["a"]).wait()
    with cells("b"):
        beside = compare("Say {input}", dear, ["a"], budget=1.0).wait()
    spent = beside._runner.purse.spent
    assert spent == runs.cost > 0
    held = provider.answer("another", gated=True)
    runs.retry(fresh=True)
    beside.retry(fresh=True)
    provider.until(lambda: len(provider.requests) == 2)
    assert statuses(beside.stop().wait(10)) == ["skipped"]
    assert beside.texts == ["Answer to: Say a"]
    assert beside._runner.purse.spent == spent
    held.open()
    assert runs.wait(10).texts == ["another"]


def test_delete_leaves_what_another_comparison_waits_for(
    provider: Provider, model: Model, cells: Cells
) -> None:
    held = provider.answer("held", gated=True)
    with cells("a"):
        runs = compare("Say {input}", model, ["a"])
    provider.until(lambda: len(provider.requests) == 1)
    with cells("b"):
        beside = compare("Say {input}", model, ["a", "b"])
    provider.until(lambda: len(provider.requests) == 2)
    held.release(1)
    beside.delete()
    held.open()
    assert runs.wait(10).texts == ["held"]
    assert compare("Say {input}", model, ["a", "b"]).wait(10).counts == {"complete": 2}
    assert len(provider.requests) == 3


def test_what_was_asked_elsewhere_and_is_asked_fresh_comes_to_its_end(
    provider: Provider, model: Model, cells: Cells, tmp_path: Path
) -> None:
    dear = get_model("azure/gpt-4o-2024-08-06", base_url=provider.url, api_key="k")
    provider.answer("half of it", gated=True)
    asking = (
        "other = get_model('azure/gpt-4o-2024-08-06', base_url=model.base_url, api_key='k');"
        "runs = compare('Hi', other, store=store)"
    )
    with Peer(provider.url, tmp_path / "s") as peer:
        peer.do("from chatkit import compare")
        peer.do(asking)
        provider.until(lambda: len(provider.requests) == 1)
        with cells("a"):
            runs = compare("Hi", dear, store=tmp_path / "s", fresh=True, confirm_above=0)
        assert statuses(runs) == ["streaming"]
        peer.process.terminate()
        peer.process.wait()
        provider.until(lambda: provider.disconnects == 1)
        runs.start().wait(60)
    assert runs.counts == {"complete": 1}


# -- costs --


def test_a_budget_is_not_passed(provider: Provider) -> None:
    model = get_model("azure/gpt-4o-2024-08-06", base_url=provider.url, api_key="k")
    usage = {"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010}
    for _ in range(9):
        provider.answer("word", usage=usage)  # about one cent each
    asking: dict[str, Any] = {"options": {"max_tokens": 1000}, "budget": 0.035}
    runs = compare("Say {input}", model, list(range(9)), **asking).wait()
    assert runs.counts == {"complete": 3, "skipped": 6}
    assert 0.03 <= runs.cost <= 0.035
    assert "budget of $0.04" in str(runs[8].error)
    assert compare("Say {input}", model, list(range(9)), **asking).wait().counts == runs.counts
    assert len(provider.requests) == 3


def test_what_judges_took_counts_in_the_budget_of_the_next_time(provider: Provider) -> None:
    model = get_model("azure/gpt-4o-2024-08-06", base_url=provider.url, api_key="k")
    usage = {"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010}
    scores = {"good": judge(model, "It is good.")}
    provider.answer("word", usage=usage)
    provider.answer('{"reason": "It is.", "verdict": "yes"}', usage=usage)
    first = compare("Say a", model, scores=scores, options={"max_tokens": 1000}).wait()
    assert first.cost == pytest.approx(0.02, rel=0.1)
    again = {"scores": scores, "options": {"max_tokens": 1000}, "budget": 0.025}
    runs = compare(["Say a", "Say b"], model, **again).wait()  # type: ignore[arg-type]
    assert [run.status for run in runs] == ["complete", "skipped"]


def test_a_budget_needs_the_price_of_a_judge(provider: Provider, model: Model) -> None:
    priced = get_model("azure/gpt-4o-2024-08-06", base_url=provider.url, api_key="k")
    with pytest.raises(ConfigError, match="price of openai-chat/test"):
        compare("Hi", priced, scores={"good": judge(model, "It is good.")}, budget=1.0)


def test_a_budget_without_a_price_is_refused(model: Model) -> None:
    with pytest.raises(ConfigError, match="price of openai-chat/test"):
        compare("Hi", model, budget=1.0)


def test_what_would_cost_much_waits_to_be_started(provider: Provider, cells: Cells) -> None:
    model = get_model("azure/gpt-4o-2024-08-06", base_url=provider.url, api_key="k")
    with cells("a"):
        runs = compare("Say {input}", model, list(range(5)), confirm_above=0.001)
    assert runs.is_held
    assert runs.estimate > 0.001
    with pytest.raises(ConfigError, match="start"):
        runs.wait()
    assert provider.requests == []
    assert len(runs.start().wait().where(status="complete")) == 5


def test_what_was_stopped_before_it_began_can_be_started(provider: Provider, cells: Cells) -> None:
    model = get_model("azure/gpt-4o-2024-08-06", base_url=provider.url, api_key="k")
    with cells("a"):
        runs = compare("Say {input}", model, ["a"], confirm_above=0.0)
    assert runs.stop().is_over
    assert runs.start().wait().texts == ["Answer to: Say a"]


def test_where_nobody_can_start_it_that_is_an_error(provider: Provider) -> None:
    model = get_model("azure/gpt-4o-2024-08-06", base_url=provider.url, api_key="k")
    with pytest.raises(ConfigError, match="budget="):
        compare("Say {input}", model, list(range(5)), confirm_above=0.001)


# -- scores --


def test_scores_are_computed_once_and_never_ask_the_model(model: Model, asked: Asked) -> None:
    calls = itertools.count()

    def right(reply: Any, case: Any) -> bool:
        next(calls)
        return case["country"] in reply.text

    runs = compare(PROMPTS, model, COUNTRIES, scores={"right": right}).wait()
    assert [run.scores["right"] for run in runs] == [Verdict(True)] * 4
    asked()
    again = compare(PROMPTS, model, COUNTRIES, scores={"right": right}).wait()
    assert [run.scores["right"] for run in again] == [Verdict(True)] * 4
    assert next(calls) == 4
    changed = compare(PROMPTS, model, COUNTRIES, scores={"long": lambda r, c: len(r.text)}).wait()
    assert [run.scores["long"].value for run in changed][:1] == [29]
    assert asked() == []


def test_an_error_in_a_score_is_kept(model: Model) -> None:
    [run] = compare("Hi", model, scores={"broken": lambda reply, case: 1 / 0}).wait()
    assert run.status == "complete"
    assert "ZeroDivisionError" in run.scores["broken"].error


def test_a_judge_is_asked_once(provider: Provider, model: Model, asked: Asked) -> None:
    judging = get_model("openai-chat/judge", base_url=provider.url, api_key="k")
    provider.answer("Paris")
    provider.answer('{"reason": "It names it.", "verdict": "yes"}')
    scores = {"good": judge(judging, "It names {capital}.")}
    [run] = compare("Capital of {country}?", model, COUNTRIES[:1], scores=scores).wait()
    assert (run.scores["good"].value, run.scores["good"].reason) == (True, "It names it.")
    assert len(asked()) == 2
    [run] = compare("Capital of {country}?", model, COUNTRIES[:1], scores=scores).wait()
    assert run.scores["good"].value is True
    assert asked() == []


def test_a_score_that_raises_an_interrupt_ends_nothing_else(model: Model) -> None:
    def interrupted(reply: Any) -> bool:
        raise KeyboardInterrupt

    [run] = compare("Hi", model, scores={"odd": interrupted}).wait(10)
    assert "KeyboardInterrupt" in run.scores["odd"].error
    assert compare("Ho", model).wait(10).texts == ["Answer to: Ho"]


def test_stop_does_not_wait_for_a_score_and_retry_computes_it(model: Model) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow(reply: Any) -> bool:
        began.set()
        return may_end.wait(20)

    runs = compare("Say {input}", model, ["a"], scores={"slow": slow})
    assert began.wait(10)
    assert runs.stop().wait(10).counts == {"complete": 1}
    assert runs[0].scores == {}
    may_end.set()
    assert runs.retry().wait()[0].scores == {"slow": Verdict(True)}


def test_stop_asks_no_judge_any_more(provider: Provider, model: Model, asked: Asked) -> None:
    judging = get_model("openai-chat/judge", base_url=provider.url, api_key="k")
    yes = '{"reason": "", "verdict": "yes"}'
    compare("Say {input}", model, list(range(40))).wait()
    asked()
    held = [provider.answer(yes, gated=True) for _ in range(2)]
    scores = {"good": judge(judging, "Is it?"), "kind": judge(judging, "Is it kind?")}
    runs = compare("Say {input}", model, list(range(40)), scores=scores, concurrency=2)
    provider.until(lambda: len(provider.requests) == 42)
    runs.stop()
    for each in held:
        each.open()
    runs.wait(10)
    assert len(asked()) == 2
    for _ in range(80):
        provider.answer(yes)
    runs.retry().wait()
    assert {verdict.value for run in runs for verdict in run.scores.values()} == {True}


# -- what becomes of the runs --


def test_a_run_goes_on_as_a_chat(model: Model) -> None:
    runs = compare("Capital of {country}?", model, COUNTRIES, system="Be brief.").wait()
    chat = runs[1].chat()
    assert [message.text for message in chat.messages] == [
        "Capital of Peru?",
        "Answer to: Capital of Peru?",
    ]
    assert chat.system == "Be brief."
    assert chat.ask("And its river?").text == "Answer to: And its river?"
    assert len(runs[1].chat().messages) == 4
    assert [info.id for info in chats()] == [chat.id]  # the comparison itself is no chat


def test_an_answer_that_changed_is_another_chat(provider: Provider, model: Model) -> None:
    provider.answer("one")
    provider.answer("two")
    before, after = (compare("Hi", model, fresh=bool(n)).wait()[0].chat() for n in range(2))
    assert [chat.messages[1].text for chat in (before, after)] == ["one", "two"]
    assert compare("Hi", model)[0].chat().id == after.id


def test_deleted_answers_are_gone(model: Model, asked: Asked) -> None:
    compare("Hi", model).wait().delete()
    asked()
    compare("Hi", model).wait()
    assert asked() == ["Hi"]
