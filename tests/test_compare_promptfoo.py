"""promptfoo's configs, in and out."""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import Chat
from chatkit.compare import compare, promptfoo
from chatkit.compare.cases import cases_of
from chatkit.compare.promptfoo.assertions import PerCase
from chatkit.compare.promptfoo.templates import of_promptfoo, to_promptfoo
from chatkit.compare.promptfoo.vendors import model_of, provider_of
from chatkit.errors import ConfigError
from chatkit.fields import cut, fill
from chatkit.providers import Model
from chatkit.scores import contains, exact, json_schema, judge, regex, similar

EXAMPLE = """
description: Translations
prompts:
  - 'Convert to {{language}}: {{ input }}'
  - label: polite
    raw: 'Please translate "{{input}}" to {{language}}. Answer as {"text": "..."}'
  - file://prompts/chat.json
  - file://prompts/two.txt
providers:
  - openai:gpt-5-mini
  - id: anthropic:messages:claude-haiku-4-5
    label: haiku
tests:
  - description: greeting
    vars:
      language: [French, German]
      input: Hello world
    assert:
      - type: icontains
        value: monde
      - type: not-contains
        value: '{{input}}'
  - vars:
      language: French
      input: file://input.txt
    assert:
      - type: icontains
        value: merci
      - type: contains-any
        value: [Merci, merci]
        metric: thanks
defaultTest:
  assert:
    - type: is-json
evaluateOptions:
  repeat: 2
  maxConcurrency: 4
"""


BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))])


def config(folder: Path, text: str) -> dict[str, Any]:
    """What is read of a config of this text."""
    path = folder / "promptfooconfig.yaml"
    path.write_text(text, encoding="utf-8")
    return promptfoo.read(path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    chat = [{"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "{{input}}"}]
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/chat.json").write_text(json.dumps(chat))
    (tmp_path / "prompts/two.txt").write_text("One {{input}}\n---\nTwo {{input}}\n")
    (tmp_path / "input.txt").write_text("Thank you")
    path = tmp_path / "promptfooconfig.yaml"
    path.write_text(EXAMPLE)
    return path


# -- in --


def test_a_config_is_what_compare_is_given(project: Path) -> None:
    found = promptfoo.read(project)
    assert found["prompts"] == {
        "Convert to {{language}}: {{ input }}": "Convert to {language}: {input}",
        "polite": 'Please translate "{input}" to {language}. Answer as {"text": "..."}',
        "chat": [
            {"role": "system", "content": "Be {tone}."},
            {"role": "user", "content": "{input}"},
        ],
        "One {{input}}": "One {input}",
        "Two {{input}}": "Two {input}",
    }
    assert found["models"] == {
        "openai/gpt-5-mini": "openai/gpt-5-mini",
        "haiku": "anthropic/claude-haiku-4-5",
    }
    assert found["cases"] == [
        {"description": "greeting", "language": "French", "input": "Hello world"},
        {"description": "greeting", "language": "German", "input": "Hello world"},
        {"language": "French", "input": "Thank you"},
    ]
    assert (found["samples"], found["concurrency"]) == (2, 4)
    assert list(found["scores"]) == ["is-json", "icontains", "not-contains", "thanks"]


def test_what_is_read_is_compared_and_each_case_has_its_own_rules(
    tmp_path: Path, model: Model
) -> None:
    found = config(
        tmp_path,
        """
        prompts: 'Say {{word}}'
        tests:
          - vars: {word: one}
            assert: [{type: contains, value: one}, {type: contains, value: Say}]
          - vars: {word: two}
            assert: [{type: contains, value: three}]
          - vars: {word: four}
            assert: [{type: not-regex, value: 'o\\w'}]
        """,
    )
    runs = compare(**found, models=model).wait()
    told = [{name: each.value for name, each in run.scores.items()} for run in runs]
    assert told == [
        {"contains": True, "not-regex": None},
        {"contains": False, "not-regex": None},
        {"contains": None, "not-regex": False},
    ]
    assert runs[1].scores["contains"].reason == "it lacks 'three'"
    assert not any(each.error for run in runs for each in run.scores.values())


def test_tests_in_a_csv_file_have_what_is_expected_in_columns(tmp_path: Path) -> None:
    (tmp_path / "tests.csv").write_text(
        "word,__expected1,__expected2,__metric\n"
        'one,contains: One,"contains-all: a, b",first\n'
        "two,Two,,\n"
        "three,not-icontains:3,similar(0.9):Three,\n"
    )
    with pytest.warns(UserWarning, match="embeddings of assertions similar"):
        found = config(
            tmp_path, "prompts: '{{word}}'\nproviders: ollama:chat:m:1b\ntests: tests.csv"
        )
    assert found["models"] == {"ollama/m:1b": "ollama/m:1b"}
    assert found["cases"] == [{"word": "one"}, {"word": "two"}, {"word": "three"}]
    scores = found["scores"]
    own = {
        name: [repr(each) for each in score.of({"word": "one"})] for name, score in scores.items()
    }
    assert own["first"] == [
        repr(contains("One", ignore_case=False, ignore_space=False)),
        repr(contains(["a", "b"], ignore_case=False, ignore_space=False)),
    ]
    [equals] = scores["equals"].of({"word": "two"})
    assert repr(equals) == repr(
        exact("Two", ignore_case=False, ignore_space=False, ignore_stop=False)
    )
    [like] = scores["similar"].of({"word": "three"})
    assert like.threshold == 0.9


@pytest.mark.parametrize(
    ("assertion", "score"),
    [
        (
            "{type: equals, value: 4}",
            exact("4", ignore_case=False, ignore_space=False, ignore_stop=False),
        ),
        (
            "{type: contains, value: '{{a}}'}",
            contains("{a}", ignore_case=False, ignore_space=False),
        ),
        ("{type: icontains, value: x}", contains("x", ignore_space=False)),
        (
            "{type: icontains-any, value: 'x, y'}",
            contains(["x", "y"], how="any", ignore_space=False),
        ),
        ("{type: regex, value: '^a{2}'}", regex("^a{2}")),
        ("{type: is-json}", json_schema(ignore_fence=False)),
        (
            "{type: is-json, value: {type: object}}",
            json_schema({"type": "object"}, ignore_fence=False),
        ),
        ("{type: contains-json}", json_schema(ignore_fence=False, ignore_talk=True)),
        (
            "{type: llm-rubric, value: 'Kind to {{a}}?', provider: 'openai:chat:m'}",
            judge("openai-chat/m", "Kind to {a}?"),
        ),
        ("{type: not-icontains, value: x}", ~contains("x", ignore_space=False)),
    ],
)
def test_an_assertion_for_all_is_a_score(tmp_path: Path, assertion: str, score: Any) -> None:
    found = config(tmp_path, f"defaultTest: {{assert: [{assertion}]}}\ntests: [{{vars: {{a: 1}}}}]")
    [read] = found["scores"].values()
    assert repr(read) == repr(score)
    assert read.print_ == score.print_


def test_options_that_all_providers_have_are_options(tmp_path: Path) -> None:
    variants = """
        providers:
          - {id: 'openai:m', config: {temperature: 0, max_tokens: 9}}
          - {id: 'google:g', config: {temperature: 0, maxOutputTokens: 9}}
    """
    found = config(tmp_path, variants)
    assert found["models"] == {"openai/m": "openai/m", "gemini/g": "gemini/g"}
    assert found["options"] == {"temperature": 0, "max_tokens": 9}
    twice = "providers: [{id: 'xai:m', config: {temperature: 0}}, {id: 'xai:m', config: {seed: 1}}]"
    assert config(tmp_path, twice)["options"] == [{"temperature": 0}, {"seed": 1}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tests: [{assert: [{type: javascript, value: 'true'}]}]", "assertions javascript"),
        (
            "tests: [{assert: [{type: contains, value: a, transform: b}]}]",
            "contains with a transform",
        ),
        (
            "tests: [{assert: [{type: contains, value: a, weight: 2}]}]",
            "weight of assertions contains",
        ),
        (
            "tests: [{assert: [{type: equals, value: {a: 1}}]}]",
            "an assertion equals: its value is no",
        ),
        ("tests: [{assert: [{type: regex, value: '('}]}]", "no regular expression"),
        ("tests: [{assert: [{type: llm-rubric, value: a}]}]", "the model of chatkit.config judges"),
        ("tests: [{options: {transform: a}, threshold: 1}]", "threshold of tests"),
        ("tests: file://tests.py:make", "the code in tests.py:make"),
        ("prompts: [file://prompt.js, 'a']", "the code in prompt.js"),
        ("prompts: ['exec:run.sh', 'a']", "the prompt 'exec:run.sh'"),
        (
            "prompts: '{{ name | upper }} {% if a %}'",
            "the template '{{ name | upper }}'; the template",
        ),
        (
            "providers: ['bedrock:m', 'openai:embedding:m']",
            "provider bedrock:m; the provider openai:emb",
        ),
        ("providers: [{id: 'openai:m', config: {apiKey: k}}]", "apiKey of provider openai:m"),
        ("providers: ['openai:m', {id: 'xai:m', config: {seed: 1}}]", "options of providers"),
        ("nunjucksFilters: {a: b.js}", "nunjucksFilters"),
        ("evaluateOptions: {delay: 5}", "evaluateOptions.delay"),
    ],
)
def test_what_does_not_map_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.warns(UserWarning, match=re.escape(told)):
        config(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "cannot be read: while parsing a flow"),
        ("- a", "is no config of promptfoo"),
        ("tests: file://none.csv", "there is no file 'none.csv' in"),
        ("a: 2026-99-99", "cannot be read: month must be in"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        (BOMB, "more than 1,000,000 values"),
        ("a: &a [*a]", "more than 1,000,000 values"),
    ],
)
def test_a_broken_config_is_refused_with_its_file(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, text)
    assert told in str(caught.value)


def test_without_pyyaml_json_is_read_and_yaml_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "a.json").write_text('{"prompts": ["Say {{a}}"]}')
    assert promptfoo.read(tmp_path / "a.json")["prompts"] == {"Say {{a}}": "Say {a}"}
    with pytest.raises(ConfigError, match="pip install pyyaml"):
        config(tmp_path, "prompts: a")
    with pytest.raises(ConfigError, match=r"is no \.yaml, \.yml, \.json file of promptfoo"):
        promptfoo.read("a.toml")


# -- out --


def written(path: Path, **given: Any) -> Path:
    return promptfoo.write(SimpleNamespace(given=given), path)


GIVEN: dict[str, Any] = {
    "prompts": {
        "terse": 'Capital of {country}? As {"city": ...}, {{braces}} {% raw',
        "chat": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "{country}"},
        ],
    },
    "models": {"mini": "openai/gpt-5-mini", "gemini/g": "gemini/g"},
    "cases": [{"country": "France", "tags": ["a", {"b": None}]}, {"country": "Peru", "tags": []}],
    "options": [{"temperature": 0}, {"temperature": 0.7, "max_tokens": 5}],
    "samples": 3,
    "concurrency": 8,
    "scores": {
        "right": contains("{country}"),
        "regex": regex(r"\d{4}"),
        "like": similar("{country}", threshold=0.5),
        "kind": judge("openai/m", "Is {country} named?"),
        "is-json": ~json_schema({"type": "object"}, ignore_fence=False),
    },
}


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_what_is_written_is_read_as_it_was(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"a.{suffix}", **GIVEN)
    with pytest.warns(UserWarning, match="embeddings"):
        found = promptfoo.read(path)
    told, meant = found.pop("scores"), {**GIVEN}
    scores = meant.pop("scores")
    assert found == {**meant, "cases": cases_of(meant["cases"])}
    assert list(told) == list(scores)
    same = [name for name in scores if told[name].print_ == scores[name].print_]
    assert set(scores) - set(same) == {"right"}  # promptfoo minds how much white space there is


def test_rules_of_each_case_are_written_with_it(project: Path, tmp_path: Path) -> None:
    first = promptfoo.read(project)
    again = promptfoo.read(written(tmp_path / "again.yaml", **first))
    scores = first.pop("scores"), again.pop("scores")
    assert first == again
    assert [[*each] for each in scores] == [["is-json", "icontains", "not-contains", "thanks"]] * 2
    for case in first["cases"]:
        one, two = (
            [
                repr(rule)
                for score in each.values()
                if isinstance(score, PerCase)
                for rule in score.of(case)
            ]
            for each in scores
        )
        assert one == two


def test_a_system_prompt_is_written_into_each_prompt(tmp_path: Path) -> None:
    given = {"prompts": "Say {input}", "models": "xai/m", "cases": ["x"], "system": "Be {input}."}
    path = written(tmp_path / "a.json", **given)
    [prompt] = json.loads(path.read_text())["prompts"]
    assert json.loads(prompt["raw"]) == [
        {"role": "system", "content": "Be {{input}}."},
        {"role": "user", "content": "Say {{input}}"},
    ]


def test_what_promptfoo_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="promptfoo has nothing for") as caught:
        written(
            tmp_path / "a.yaml",
            prompts={"a": "{x:.2f} {Unit price}", "b": lambda case: "x", "c": Chat("c")},
            models=["local/smollm2"],
            cases=[{"x": 1, "Unit price": 2}],
            scores={
                "s": lambda reply: True,
                "k": judge("local/m", "?", scale=(1, 5)),
                "e": exact("a"),
            },
            schema={"type": "object"},
            budget=None,
        )
    told = str(caught[0].message)
    for what in (
        *("the format of {x:.2f}", "the field {Unit price}", "the prompt 'b'", "the prompt 'c'"),
        *("the model local/smollm2", "the score <score", "the scale of a judge", "schema="),
        "what exact does not count",
    ):
        assert what in told
    assert "budget" not in told


# -- names and templates --


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("openai:gpt-4o", "openai/gpt-4o"),
        ("openai:chat:ft:gpt-4o:me::1", "openai-chat/ft:gpt-4o:me::1"),
        ("anthropic:messages:claude-x", "anthropic/claude-x"),
        ("google:gemini-x", "gemini/gemini-x"),
        ("ollama:chat:llama3:8b", "ollama/llama3:8b"),
        ("openrouter:meta/llama", "openrouter/meta/llama"),
        ("anthropic:claude-agent-sdk", None),
        ("openai:embedding:x", None),
        ("openai", None),
        ("openai:chat", None),
        ("", None),
    ],
)
def test_a_provider_is_a_model(theirs: str, ours: str | None) -> None:
    assert model_of(theirs) == ours
    if ours is not None:
        assert model_of(provider_of(ours) or "") == ours


def test_names_in_a_template_are_fields_and_the_rest_stays() -> None:
    lost: list[str] = []
    text = "{{a}} {{- b.c[0]['d e'] -}} {x} {{ f | g }} {% raw %}{{h}}{% endraw %}"
    found = of_promptfoo(text, lost.append)
    assert found == "{a} {b.c[0][d e]} {{x}} {{ f | g }} {{{h}}}"
    assert lost == ["the template '{{ f | g }}'"]
    case = {"a": 1, "b": {"c": [{"d e": 2}]}}
    assert fill(found, case) == "1 2 {x} {{ f | g }} {{h}}"


@settings(deadline=None)
@given(st.text(alphabet="{}%#ab.[0]_ \n\\r", max_size=40))
def test_every_text_is_the_same_prompt_after_promptfoo(text: str) -> None:
    lost: list[str] = []
    again = of_promptfoo(to_promptfoo(text, ["a"], lost.append), lost.append)
    assert lost or cut(again) == cut(text)


NAMES = st.sampled_from(
    "prompts providers tests defaultTest evaluateOptions vars assert type value options provider"
    " config id label raw contains equals not-regex similar llm-rubric is-json metric".split()
)
PARTS = st.recursive(
    st.none() | st.integers() | NAMES | st.sampled_from(["{{a}}", "openai:m", "a, b", "file://a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.filterwarnings("ignore:a.json")
@settings(deadline=None)
@given(config=st.dictionaries(NAMES, PARTS))
def test_any_config_is_read_or_refused(
    config: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.json"
    path.write_text(json.dumps(config))
    with suppress(ConfigError):
        assert set(promptfoo.read(path)) <= {
            *("prompts", "models", "options", "cases", "scores", "samples", "concurrency"),
        }
