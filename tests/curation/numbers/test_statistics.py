"""The statistics give what is published, and what one reckons by hand."""

import math

import pytest

from curation.statistics.agreement import (
    Units,
    agreement,
    cohen_kappa,
    krippendorff_alpha,
)
from curation.statistics.bradley_terry import POINTS, Meeting, fit
from curation.statistics.intervals import wilson
from curation.statistics.matrices import Singular, inverse, product

# Agresti, Categorical Data Analysis: baseball in 1987. Wins of row over column.
BASEBALL = """\
0 7 9 7 7 9 11
6 0 7 5 11 9 9
4 6 0 7 7 8 12
6 8 6 0 6 7 10
6 2 6 7 0 7 12
4 4 5 6 6 0 6
2 4 1 3 1 7 0"""
# As published, with Baltimore at 0: the strengths' logarithms and their errors.
PUBLISHED = [
    (1.5814, 0.3433),
    (1.4364, 0.3396),
    (1.2945, 0.3367),
    (1.2476, 0.3359),
    (1.1077, 0.3339),
    (0.6839, 0.3319),
]
# Krippendorff (2011), "Computing Krippendorff's alpha-reliability": four observers.
OBSERVERS = """\
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 ."""


def baseball() -> list[Meeting]:
    wins = [list(map(int, row.split())) for row in BASEBALL.splitlines()]
    return [
        Meeting(i, j, wins[i][j], wins[j][i], 0)
        for i in range(len(wins))
        for j in range(i)
    ]


def observed() -> list[Units]:
    rows = [row.split() for row in OBSERVERS.splitlines()]
    return [
        Units(tuple(column.count(str(value)) for value in range(1, 6)))
        for column in zip(*rows, strict=True)
    ]


@pytest.mark.parametrize("team", range(6))
def test_bradley_and_terry_rank_baseball_teams_as_published(team):
    lead = fit(7, baseball(), prior=None).lead(team, 6)

    error = (lead.high - lead.value) / 1.959964
    assert lead.value / POINTS == pytest.approx(PUBLISHED[team][0], abs=1e-4)
    assert error / POINTS == pytest.approx(PUBLISHED[team][1], abs=1e-4)


def test_ties_are_davidsons():
    found = fit(2, [Meeting(0, 1, 30, 10, 20)], prior=None)

    lead = found.lead(0, 1)
    assert lead.value == pytest.approx(POINTS * math.log(30 / 10))
    error = (lead.high - lead.value) / 1.959964 / POINTS
    assert error == pytest.approx(math.sqrt(1 / 30 + 1 / 10), abs=1e-6)
    assert found.log_ties is not None
    assert math.exp(found.log_ties) == pytest.approx(20 / math.sqrt(30 * 10))


def test_who_never_lost_has_a_rating_with_a_wide_interval():
    rating = fit(2, [Meeting(0, 1, 30, 0, 0)]).rating(0)

    assert 1000 < rating.low < rating.value < rating.high < 3000


def test_nothing_but_ties_makes_equals():
    found = fit(2, [Meeting(0, 1, 0, 0, 50)])

    assert found.rating(0).value == pytest.approx(1000)


def test_without_a_prior_strangers_cannot_be_compared():
    with pytest.raises(Singular):
        fit(4, [Meeting(0, 1, 3, 2, 0), Meeting(2, 3, 3, 2, 0)], prior=None)


def test_many_votes_are_few_numbers():
    few = fit(3, [Meeting(0, 1, 6, 3, 1), Meeting(1, 2, 5, 4, 1)])
    many = fit(
        3, [Meeting(0, 1, 60000, 30000, 10000), Meeting(1, 2, 50000, 40000, 10000)]
    )

    assert many.values == pytest.approx(few.values, abs=0.2)
    assert many.rating(0).high - many.rating(0).low < 10


def test_alpha_is_krippendorffs():
    assert krippendorff_alpha(observed()) == pytest.approx(0.743, abs=5e-4)


def test_alphas_interval_is_the_jackknifes():
    units = [unit for unit in observed() if sum(unit.ratings) > 1]
    whole = agreement(units)
    without = [
        krippendorff_alpha(units[:i] + units[i + 1 :]) or 0 for i in range(len(units))
    ]
    mean = sum(without) / len(without)
    n = len(units)
    error = math.sqrt((n - 1) / n * sum((one - mean) ** 2 for one in without))

    assert whole.alpha is not None
    assert whole.alpha.value - whole.alpha.low == pytest.approx(1.959964 * error)


def test_equal_units_may_be_passed_once():
    apart = agreement([Units((2, 0)), Units((2, 0)), Units((1, 1)), Units((0, 2))])
    together = agreement([Units((2, 0), 2), Units((1, 1)), Units((0, 2))])

    assert apart == together and apart.percent == 0.75


@pytest.mark.parametrize("units", [[], [Units((1, 0))], [Units((3, 0)), Units((2, 0))]])
def test_alpha_is_unknown_without_variation(units):
    assert krippendorff_alpha(units) is None


def test_kappa_is_cohens():
    kappa = cohen_kappa([[20, 5], [10, 15]])

    assert kappa is not None and kappa.value == pytest.approx(0.4)
    error = math.sqrt(0.7 * 0.3 / 50) / 0.5
    assert kappa.high - kappa.value == pytest.approx(1.959964 * error)


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[9, 0], [0, 0]]])
def test_kappa_is_unknown_without_variation(table):
    assert cohen_kappa(table) is None


def test_wilsons_interval_is_the_published_one():
    share = wilson(8, 10)

    assert share is not None
    assert share == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)


def test_shares_of_nothing_and_of_all():
    assert wilson(0, 0) is None
    none, every = wilson(0, 10), wilson(10, 10)
    assert none is not None and every is not None
    assert none.low == 0 and none.high == pytest.approx(0.2775, abs=1e-4)
    assert every.high == 1 and every.excludes(0.5)


def test_an_inverse_undoes_its_matrix():
    matrix = [[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [3.0, 0.0, 1.0]]

    assert product(inverse(matrix), product(matrix, [1, 2, 3])) == pytest.approx(
        [1, 2, 3]
    )
