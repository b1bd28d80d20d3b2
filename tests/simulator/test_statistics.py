from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.statistics import (
    QUANTILES,
    binomial_cdf,
    clopper_pearson,
    interval_ranks,
    quantile,
    quantile_rank,
    summarise,
)

# Ranks of 95 % intervals, from an independent computation (scipy.stats.binom.ppf).
RANKS = {
    100: [(40, 61), (84, 96), None],
    400: [(180, 221), (348, 372), (392, 400)],
    1_000: [(469, 532), (881, 919), (983, 997)],
    2_000: [(956, 1045), (1773, 1827), (1971, 1989)],
    10_000: [(4902, 5099), (8941, 9059), (9880, 9920)],
}


@pytest.mark.parametrize(("count", "ranks"), RANKS.items())
def test_ranks_of_the_intervals(count: int, ranks: list[tuple[int, int] | None]) -> None:
    assert [interval_ranks(count, share) for share in QUANTILES.values()] == ranks


def test_smallest_samples_with_an_interval() -> None:
    assert interval_ranks(367, 0.99) is None
    assert interval_ranks(368, 0.99) is not None
    assert interval_ranks(35, 0.90) is None
    assert interval_ranks(36, 0.90) is not None
    assert interval_ranks(5, 0.50) is None
    assert interval_ranks(6, 0.50) == (1, 6)


@given(st.integers(1, 60), st.integers(-1, 61), st.integers(1, 99))
def test_binomial_cdf_is_exact(trials: int, successes: int, percent: int) -> None:
    p = Fraction(percent, 100)
    exact = sum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(min(successes, trials) + 1))
    assert binomial_cdf(successes, trials, percent / 100) == pytest.approx(float(exact), abs=1e-12)


def test_binomial_cdf_at_the_ends() -> None:
    assert binomial_cdf(3, 10, 0.0) == 1.0
    assert binomial_cdf(3, 10, 1.0) == 0.0


@given(st.integers(6, 500))
def test_the_interval_holds_its_confidence_and_surrounds_the_estimate(count: int) -> None:
    ranks = interval_ranks(count, 0.5)
    assert ranks is not None
    lower, upper = ranks
    assert 1 <= lower <= quantile_rank(count, 0.5) <= upper <= count
    # P(X(lower) <= median < X(upper)) = P(lower <= B < upper)
    assert binomial_cdf(upper - 1, count, 0.5) - binomial_cdf(lower - 1, count, 0.5) >= 0.95


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    [
        (0, 10, (0.0, 0.3084971)),
        (10, 10, (0.6915029, 1.0)),
        (1, 1, (0.025, 1.0)),
        (8, 20, (0.1911901, 0.6394574)),
        (5, 100, (0.0164319, 0.1128349)),
    ],
)
def test_clopper_pearson(successes: int, trials: int, interval: tuple[float, float]) -> None:
    assert clopper_pearson(successes, trials) == pytest.approx(interval, abs=2e-6)


@given(st.integers(1, 200).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_clopper_pearson_surrounds_the_share(case: tuple[int, int]) -> None:
    successes, trials = case
    low, high = clopper_pearson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = clopper_pearson(trials - successes, trials)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_clopper_pearson_refuses_what_is_no_share(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        clopper_pearson(successes, trials)


def test_quantiles_are_order_statistics() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert [quantile(ordered, share) for share in (0.07, 0.5, 0.9, 0.99, 1.0)] == [7, 50, 90, 99, 100]
    assert quantile([3.0], 0.5) == 3.0


def test_unfinished_runs_count_as_infinite() -> None:
    summary = summarise([10.0] * 360 + [math.inf] * 40)
    assert (summary.p50, summary.p90, summary.p99) == (10.0, 10.0, None)
    assert summary.unfinished == 0.1
    assert summary.intervals["p90"] == (10.0, None)
    assert summary.intervals["p99"] == (None, None)
    assert (summary.mean, summary.minimum, summary.maximum) == (None, 10.0, None)


def test_nothing_but_unfinished_runs() -> None:
    summary = summarise([math.inf] * 400)
    assert (summary.p50, summary.minimum, summary.maximum, summary.unfinished) == (None, None, None, 1.0)


def test_no_p99_from_few_runs() -> None:
    few, enough = summarise([1.0] * 367), summarise([1.0] * 368)
    assert (few.p99, few.intervals["p99"]) == (None, None)
    assert (enough.p99, enough.intervals["p99"]) == (1.0, (1.0, 1.0))


def test_an_empty_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="no replications"):
        summarise([])


@given(st.lists(st.floats(0, 1e6) | st.just(math.inf), min_size=1, max_size=80), st.randoms())
def test_a_summary_does_not_depend_on_the_order(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = summarise(values), summarise(shuffled)
    assert first == second
    finite = [point for point in (first.minimum, first.p50, first.p90, first.maximum) if point is not None]
    assert finite == sorted(finite)
