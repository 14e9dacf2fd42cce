"""The numbers of a comparison, against published ones and against counting."""

from __future__ import annotations

import random
from itertools import combinations, product

import pytest

from chatkit.compare.summary.statistics import (
    Wins,
    estimate,
    interval,
    pass_at_k,
    sign_test,
    student,
    t_quantile,
    wilson,
    wins,
)
from chatkit.errors import ConfigError

T_TABLE = [  # of any textbook: two-sided
    (0.90, 1, 6.314),
    (0.90, 5, 2.015),
    (0.95, 1, 12.706),
    (0.95, 2, 4.303),
    (0.95, 4, 2.776),
    (0.95, 9, 2.262),
    (0.95, 30, 2.042),
    (0.95, 120, 1.980),
    (0.99, 1, 63.657),
    (0.99, 5, 4.032),
    (0.99, 30, 2.750),
    (0.999, 3, 12.924),
]
NEWCOMBE = [  # Statistics in Medicine 17 (1998) 857, table I, method 3
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]  # Student, Biometrika 6 (1908) 1


@pytest.mark.parametrize(("confidence", "freedom", "told"), T_TABLE)
def test_students_t_is_that_of_the_tables(confidence: float, freedom: int, told: float) -> None:
    assert t_quantile(confidence, freedom) == pytest.approx(told, abs=5e-4)


def test_students_t_comes_to_the_normal_distribution() -> None:
    assert t_quantile(0.95, 10_000) == pytest.approx(1.960201, abs=1e-6)


@pytest.mark.parametrize(("right", "count", "low", "high"), NEWCOMBE)
def test_wilsons_interval_is_the_published_one(
    right: int, count: int, low: float, high: float
) -> None:
    assert wilson(right / count, count) == pytest.approx((low, high), abs=5e-5)


def test_students_interval_is_the_published_one() -> None:
    assert student(SLEEP) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert interval(SLEEP) == student(SLEEP)


def test_right_and_wrong_have_an_interval_that_is_never_sure_of_few() -> None:
    assert interval([True] * 3) == pytest.approx((0.4385, 1.0), abs=1e-4)
    assert interval([0.0]) == pytest.approx((0.0, 0.7935), abs=1e-4)
    assert interval([True, False] * 10) == wilson(0.5, 20)


def test_a_single_number_has_no_interval_and_nothing_has_no_mean() -> None:
    assert estimate([[0.7]]) == (0.7, None)
    assert estimate([]) is None
    assert estimate([[], []]) is None
    assert interval([]) is None


def test_an_interval_of_shares_stays_between_0_and_1() -> None:
    assert interval([0.9, 1.0]) == pytest.approx((0.3147, 1.0), abs=1e-3)
    low, high = interval([4.0, 5.0]) or (0, 0)
    assert low < 0 < 5 < high


def test_more_confidence_is_a_wider_interval() -> None:
    for values in (SLEEP, [True, False, True]):
        wide, narrow = interval(values, 0.99), interval(values, 0.9)
        assert wide is not None
        assert narrow is not None
        assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_samples_that_only_repeat_their_case_do_not_count_as_more() -> None:
    once = estimate([[1], [1], [0], [1], [0]])
    assert estimate([[1] * 9, [1] * 9, [0] * 9, [1] * 9, [0] * 9]) == once
    numbers = [[0.2], [0.7], [0.4]]
    assert estimate([each * 9 for each in numbers]) == estimate(numbers)
    assert estimate([[True] * 100] * 4) == (1.0, interval([True] * 4))


def test_samples_that_differ_within_a_case_make_the_interval_narrower_but_not_by_more() -> None:
    def width(cases: list[list[int]]) -> float:
        told = estimate(cases)
        assert told is not None
        assert told.interval is not None
        return told.interval[1] - told.interval[0]

    cases = [[1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 1]]
    independent = width([[value] for values in cases for value in values])
    assert independent <= width(cases) < width([[1], [1], [1], [1], [0], [0]])
    assert width([[1, 0]] * 4) == pytest.approx(width([[1], [0]] * 4))


def test_cases_with_many_samples_count_as_the_answers_that_scatter_as_they_do() -> None:
    rights = [12, 8, 10, 12, 8]  # of 20 each: a variance of 0.01 between the cases, 0.002 of a mean
    told = estimate([[1] * right + [0] * (20 - right) for right in rights])
    effective = 0.5 * 0.5 / 0.002 * (1.95996 / 2.77645) ** 2
    assert told is not None
    assert told.interval == pytest.approx(wilson(0.5, effective), abs=1e-5)


def test_numbers_that_are_all_the_same_tell_of_no_interval() -> None:
    assert estimate([[0.5], [0.5], [0.5]]) == (0.5, None)


def test_samples_of_a_single_case_count_each() -> None:
    assert estimate([[1, 0, 1, 1]]) == (0.75, wilson(0.75, 4))
    told = estimate([SLEEP])
    assert told is not None
    assert told.mean == pytest.approx(1.58)
    assert told.interval == student(SLEEP)


def test_a_case_counts_once_however_many_samples_it_has() -> None:
    told = estimate([[1, 1, 1, 1], [0]])
    assert told is not None
    assert told.mean == 0.5


@pytest.mark.parametrize("samples", [1, 4])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(samples: int) -> None:
    chance, held, rounds = random.Random(7), 0, 400
    for _ in range(rounds):
        hard = [chance.betavariate(2, 1) for _ in range(12)]  # their mean is 2/3
        told = estimate([[float(chance.random() < p) for _ in range(samples)] for p in hard])
        assert told is not None
        assert told.interval is not None
        held += told.interval[0] <= 2 / 3 <= told.interval[1]
    assert 0.93 <= held / rounds <= 0.99


def test_pass_at_k_is_what_counting_gives() -> None:
    for answers, k in [(1, 1), (3, 2), (5, 3), (6, 6)]:
        for right in range(answers + 1):
            chosen = list(combinations([n < right for n in range(answers)], k))
            assert pass_at_k(answers, right, k) == pytest.approx(
                sum(map(any, chosen)) / len(chosen)
            )


def test_pass_at_more_than_there_are_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigError, match="pass@4 of 3 answers"):
        pass_at_k(3, 1, 4)


def test_the_sign_test_is_what_counting_gives() -> None:
    for count in range(1, 9):
        for won in range(count + 1):
            off = abs(won - count / 2)
            outcomes = [abs(sum(each) - count / 2) for each in product((0, 1), repeat=count)]
            told = sum(each >= off for each in outcomes) / len(outcomes)
            assert sign_test(won, count - won) == pytest.approx(told)


def test_the_sign_test_takes_none_and_very_many() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(5_000, 5_000) == 1.0
    assert sign_test(0, 10_000) == 0.0
    assert sign_test(5_100, 4_900) == pytest.approx(0.0466, abs=1e-3)


def test_wins_are_counted_value_by_value() -> None:
    assert wins([1, 0, 0.5, True], [0, 1, 0.5, False]) == Wins(wins=2, losses=1, ties=1)
