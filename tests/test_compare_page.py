"""A comparison as HTML: everything is there to read, in bounds, and nothing in it runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from chatkit.compare.page import report_html, table_html
from chatkit.compare.rows import Compared
from chatkit.compare.run import Place
from chatkit.messages import Message, ToolPart
from chatkit.scores.verdict import Verdict
from tests.comparing import FakeRuns, answer, runs_of
from tests.hostile import CASES, Case
from tests.test_render import ATTRIBUTES, ELEMENTS, MATH_ELEMENTS

OURS = set(
    "b dd details div dl dt figure g h2 i main path section small style summary svg text title"
    " header body head html meta table tbody td th thead tr code br".split()
)
MORE = {
    "aria-label": r".*",
    "charset": r"utf-8",
    "content": r"width=device-width, initial-scale=1|no-referrer|default-src 'none'; style-src"
    r" 'unsafe-inline'; img-src data:",
    "d": r"[\w. -]*",
    "http-equiv": r"Content-Security-Policy",
    "lang": r"en",
    "name": r"viewport|referrer",
    "open": r"",
    "role": r"img|region",
    "scope": r"row|col",
    "style": r"--(rows|columns): \d+|color:#[0-9a-f]{6}|overflow-x: auto|text-align:\w+",
    "tabindex": r"0",
    "text-anchor": r"\w+",
    "title": r".*",
    "transform": r"translate\([\d. -]+\)",
    "viewbox": r"[\d. ]+",
    "width": r"\d+",
    "x": r"[\d.-]+",
    "xmlns": r"http://www\.w3\.org/2000/svg",
    "y": r"[\d.-]+",
}
VOID = {"br", "hr", "input", "meta"}


class Reader(HTMLParser):
    """Notes what is not on the lists, what is not closed, and the text of each place."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.open: list[str] = []
        self.places: list[str] = []
        self.asked: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS | MATH_ELEMENTS | OURS:
            self.forbidden.append(f"<{tag}>")
        for name, value in attrs if tag not in MATH_ELEMENTS else ():
            ways = [lists[name] for lists in (ATTRIBUTES, MORE) if name in lists]
            if not any(re.fullmatch(way, value or "", re.DOTALL | re.IGNORECASE) for way in ways):
                self.forbidden.append(f"<{tag} {name}={value!r}>")
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("br", "dt", "div", "h2", "p", "span", "summary", "th"):
            self.handle_data("\n")
        match dict(attrs).get("class"):
            case "place":
                self.places.append("")
            case "asked":
                self.asked.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.forbidden.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open and self.places:
            self.places[-1] += data
        elif "th" in self.open and self.asked:
            self.asked[-1] += data

    def handle_comment(self, data: str) -> None:
        self.forbidden.append(f"comment {data!r}")

    unknown_decl = handle_pi = handle_comment


def read(page: str) -> Reader:
    """The page, in which there is nothing but what may be there, and all is closed."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.forbidden == []
    assert reader.open == []
    return reader


def words(text: str) -> str:
    return " ".join(text.split())


def capital(place: Place) -> Message:
    return answer(f"It is **{place.case['capital']}**.", cost=0.0021, seconds=1.25)


CAPITALS = [{"country": "France", "capital": "Paris"}, {"country": "Peru", "capital": "Lima"}]


def compared(**changes: object) -> FakeRuns:
    given: dict[str, object] = {
        "prompts": ["terse", "polite"],
        "models": ["local/small", "openai/large"],
        "cases": CAPITALS,
        "answer": capital,
        "scores": {
            "right": lambda run: run.case["country"] == "France",
            "tone": lambda run: Verdict(0.83, reason="It is friendly."),
        },
    }
    return runs_of(**(given | changes))  # type: ignore[arg-type]


def one(message: Message | None, verdict: Verdict | None = None) -> str:
    """What is shown of a comparison of one answer."""
    scores = {} if verdict is None else {"right": lambda _: verdict}
    return table_html(runs_of(answer=lambda place: message, scores=scores))


def test_each_place_shows_its_answer_its_scores_and_what_it_took() -> None:
    page = read(table_html(compared()))
    assert len(page.places) == 8
    assert words(page.places[0]) == (
        "✓ right tone 0.83 tone: It is friendly. It is Paris. ● 10 → 5 tokens · 1.2 s · $0.0021"
    )
    assert words(page.places[-1]).startswith("✗ right")


def test_models_are_across_and_prompts_and_cases_down() -> None:
    html = table_html(compared())
    page = read(html)
    assert list(map(words, page.asked)) == [
        "terse country France capital Paris",
        "terse country Peru capital Lima",
        "polite country France capital Paris",
        "polite country Peru capital Lima",
    ]
    assert "case and prompt local/small openai/large" in words(page.text)
    assert "<strong>Paris</strong>" in html


def test_options_and_system_prompts_are_columns_and_samples_share_a_place() -> None:
    runs = runs_of(systems=["kind", "strict"], variants=[{"seed": 1}, {"seed": "1"}], samples=3)
    page = read(table_html(runs))
    assert len(page.places) == 4
    assert "seed 1 · kind" in page.text
    assert "seed '1' · strict" in page.text
    assert [f"sample {number}" in page.places[0] for number in (1, 2, 3, 4)] == [True] * 3 + [False]


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        (Verdict(True), '<span class="chip right"><b>✓</b> right</span>'),
        (Verdict(False), '<span class="chip wrong"><b>✗</b> right</span>'),
        (Verdict(0.5), '<span class="chip n5">right <b>0.5</b></span>'),
        (Verdict(12.0), '<span class="chip n10">right <b>12</b></span>'),
        (Verdict(-1.0), '<span class="chip n0">right <b>-1</b></span>'),
        (Verdict(float("inf")), '<span class="chip n10">right <b>inf</b></span>'),
        (Verdict(None), '<span class="chip none">– right</span>'),
        (Verdict(None, error="late"), '<span class="chip failed"><b>!</b> right</span>'),
    ],
)
def test_a_score_is_told_by_a_sign_or_a_number_and_by_colour(verdict: Verdict, shown: str) -> None:
    assert shown in one(answer(), verdict)


def test_the_scores_stand_in_the_same_order_everywhere() -> None:
    runs = compared()
    for run in runs[::2]:
        run.scores = dict(reversed(run.scores.items()))  # as the slower one came first
    assert all("right tone" in words(place) for place in read(table_html(runs)).places)


def test_a_score_that_is_no_number_at_all_is_shown_as_that() -> None:
    assert "right <b>nan</b>" in one(answer(), Verdict(float("nan")))


def test_why_a_score_is_so_is_told_under_it() -> None:
    assert "<p>right: TypeError: late</p>" in one(answer(), Verdict(None, error="TypeError: late"))


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (None, "○ queued"),
        (answer("The cap", status="streaming"), "The cap It was still being written"),
        (answer("The cap", status="stopped"), "The cap It was stopped here. ■ stopped"),
        (answer("The cap", status="interrupted"), "The cap It broke off here. ◇ interrupted"),
        (answer("", error="Overloaded"), "It failed: Overloaded ✕ error"),
        (answer(finish_reason="length"), "● complete, cut off at the token limit"),
    ],
)
def test_how_an_answer_ended_is_told_in_words_and_by_a_sign(
    message: Message | None, told: str
) -> None:
    assert told in words(read(one(message)).places[0])


def test_what_was_not_asked_says_why() -> None:
    runs = runs_of(answer=lambda place: None)
    runs[0].skipped = "the budget of $1.00 is spent"
    assert "the budget of $1.00 is spent – skipped" in words(read(table_html(runs)).places[0])


def test_a_long_text_is_folded_and_all_of_it_is_there() -> None:
    assert '<details class="fold">' not in one(answer("word " * 20))
    folded = one(answer("word " * 300 + "end"))
    assert '<details class="fold"><summary>Whole text</summary></details>' in folded
    assert "end" in read(folded).places[0]


def test_an_answer_without_text_shows_what_it_has() -> None:
    message = answer("").replace(parts=(ToolPart("look", "call-1", state="output-available"),))
    assert "look(" in read(one(message)).places[0]


def test_an_answer_by_a_schema_is_shown_as_json() -> None:
    message = answer('{"city":"Paris"}')
    message = message.replace(metadata={**message.metadata, "schema": {"type": "object"}})
    assert '<pre data-language="json">' in one(message)


def test_a_huge_text_is_clipped_in_a_notebook_and_whole_and_plain_in_a_report() -> None:
    runs = runs_of(answer=lambda place: answer("# a\n\n" + "<b>*so*</b> " * 9_000 + "end"))
    short = read(table_html(runs)).places[0]
    assert "characters more" in short
    assert len(short) < 3_000
    page = report_html(runs)
    assert "*so*&lt;/b&gt; end</p>" in page
    assert '<p class="raw"># a' in page


def test_only_the_first_rows_are_kept_and_a_line_says_how_to_see_the_rest() -> None:
    runs = compared(cases=[{"country": str(n), "capital": "Lima"} for n in range(30)])
    page = read(table_html(runs, limit=10))
    assert len(page.asked) == 10
    assert "50 more rows not shown here" in page.text
    assert 'runs.export("report.html")' in page.text
    assert "not shown" not in table_html(runs, limit=60)


FORMULAS = "$\\frac{x^2}{\\sqrt{y}}$ " * 200
COLUMNS = [f"m{number}" for number in range(12)]


@pytest.mark.parametrize("text", ["<" * 5_000, FORMULAS, "界" * 9_000, "```py\n" + "x = 1\n" * 900])
@pytest.mark.parametrize("size", [60_000, 300_000])
def test_it_has_no_more_bytes_than_it_may(text: str, size: int) -> None:
    cases = [{"n": number, "s": text} for number in range(40)]
    runs = runs_of(models=COLUMNS, cases=cases, samples=2, answer=lambda place: answer(text))
    html = table_html(runs, size=size)
    assert len(html.encode()) <= size
    page = read(html)
    assert f"{40 - len(page.asked)} more rows not shown" in page.text


def test_where_nothing_was_asked_a_sentence_says_so() -> None:
    assert table_html(runs_of(prompts=[])) == "<p>There is nothing to compare yet.</p>"


# --- the report -------------------------------------------------------------------------------


def test_a_report_stands_alone_and_has_every_answer() -> None:
    page = report_html(compared(cases=CAPITALS * 150), title="Two <b>prompts</b>")
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert "<title>Two &lt;b&gt;prompts&lt;/b&gt;</title>" in page
    read_page = read(page)
    assert len(read_page.places) == 1_200
    assert "not shown" not in read_page.text
    assert not re.search(r"<(script|link|img|iframe)|@import|url\(|https?://(?!www\.w3\.org)", page)


def test_a_report_tells_what_was_compared_and_what_came_of_it() -> None:
    text = words(read(report_html(compared())).text)
    assert "8 of 8 answers · 80 → 40 tokens · $0.017" in text
    assert "2 cases of country, capital" in text
    assert "terse as asked for the first case" in text
    assert "You" in text
    assert "terse?" in text
    assert "Who wins" in text
    assert "cost per answer" in text


def test_a_report_has_the_options_that_a_model_was_asked_with() -> None:
    runs = compared()
    for run in runs:
        run.settings = run.settings._replace(options={"temperature": 0.2})
    assert "local/small · temperature 0.2" in read(report_html(runs)).text


def test_a_report_lists_what_failed_each_reason_once_and_where() -> None:
    runs = compared(
        answer=lambda place: answer("", error="Overloaded") if place.prompt == "terse" else "Paris"
    )
    errors = words(read(report_html(runs)).text.partition("Errors")[2].rpartition("Errors")[2])
    assert errors.count("ServerError: Overloaded") == 1
    assert "terse · local/small (run 0)" in errors
    assert "Errors</h2>" not in report_html(compared())


def test_a_report_of_nothing_answered_says_so() -> None:
    assert "There are no answers to plot yet." in report_html(compared(answer=lambda place: None))


# --- what is hostile --------------------------------------------------------------------------


def hostile(cases: list[Case], **names: str) -> Compared:
    """A comparison in which each answer is one of these texts."""
    return runs_of(
        cases=[{"n": number} for number in range(len(cases))],
        answer=lambda place: answer(cases[place.case_index].text()),
    )


SAMPLE = {
    family: [case for case in CASES if case.family == family][::4]
    for family in sorted({case.family for case in CASES} - {"size"})
}


@pytest.mark.parametrize("family", SAMPLE)
def test_hostile_answers_stay_in_their_place_with_all_they_say(family: str) -> None:
    cases = SAMPLE[family]
    for page in (table_html(hostile(cases)), report_html(hostile(cases))):
        for case, place in zip(cases, read(page).places, strict=True):
            assert case.mark in "".join(place.split()) or "characters more" in place, case


@pytest.mark.parametrize("family", SAMPLE)
def test_hostile_names_fields_reasons_and_errors_are_words(family: str) -> None:
    for case in SAMPLE[family][::3]:
        text = case.text()
        runs = runs_of(
            prompts=[text, "b"],
            models=[text],
            systems=[text, "s"],
            variants=[{text: text}, {}],
            cases=[{text: text}],
            answer=lambda place: (
                answer("", error=text) if place.prompt == "b" else answer(status="stopped")  # noqa: B023
            ),
        )
        runs[0].message = answer()
        runs[0].scores = {text: Verdict(0.5, reason=text), "e": Verdict(None, error=text)}
        runs[1].skipped = text
        runs.score_names = [text, "e"]
        assert len(read(table_html(runs)).places) == 8
        assert len(read(report_html(runs, title=text)).places) == 8
        report_html(runs, title=text).encode()


@pytest.mark.parametrize("case", [case for case in CASES if case.family == "size"][::3], ids=str)
def test_however_large_it_is_shown(case: Case) -> None:
    runs = hostile([case])
    assert len(table_html(runs).encode()) <= 1_000_000
    assert case.mark in "".join(read(report_html(runs)).text.split())


def test_of_one_model_the_prompts_stand_across() -> None:
    runs = runs_of(prompts=["terse", "polite"], cases=[{"n": 1}])
    heads = re.findall(r'scope="col">([^<]+)', table_html(runs))
    assert heads == ["terse", "polite"]
    assert re.findall(r'scope="row"><div>(<b>)?', table_html(runs)) == [""]
