from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.statistics import (
    QUANTILES,
    binomial_cdf,
    clopper_pearson,
    estimate,
    half_width,
    interval_ranks,
    looks,
    paired,
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


# --- do the intervals hold what they promise? ---------------------------------------------------------------

EXPERIMENTS = 400


def misses_allowed(rate: float) -> int:
    """Misses among the experiments that a promise of `rate` explains but in one of 10,000 test runs."""
    allowed = next(k for k in range(EXPERIMENTS) if binomial_cdf(k, EXPERIMENTS, rate) > 1 - 1e-4)
    assert allowed < EXPERIMENTS * rate * 2
    return allowed


@pytest.mark.parametrize(("share", "z"), [(0.5, 0.0), (0.9, 1.2815515655446004), (0.99, 2.3263478740408408)])
def test_intervals_of_quantiles_cover_the_truth(share: float, z: float) -> None:
    """Samples of 400 lognormal lengths, whose quantiles are known."""
    truth = math.exp(0.5 * z)
    samples = np.exp(0.5 * np.random.default_rng(11).standard_normal((EXPERIMENTS, 400)))
    missed = 0
    for sample in samples:
        low, high = estimate(sorted(sample.tolist()), share).interval or (None, None)
        assert low is not None
        assert high is not None
        missed += not low <= truth <= high
    assert missed <= misses_allowed(0.05)
    # Nor are they so wide that they could not miss.
    assert missed > 0


def test_intervals_of_shares_cover_the_truth() -> None:
    random = np.random.default_rng(12)
    missed = 0
    for over in random.binomial(300, 0.07, EXPERIMENTS):
        low, high = clopper_pearson(int(over), 300)
        missed += not low <= 0.07 <= high
    assert 0 < missed <= misses_allowed(0.05)


def test_intervals_of_differences_cover_the_truth() -> None:
    """Pairs that differ by a shift of -1 and noise around it."""
    random = np.random.default_rng(13)
    missed = 0
    for _ in range(EXPERIMENTS):
        now = 50 + 10 * random.standard_normal(64)
        low, high = paired(now.tolist(), (now - 1 + random.standard_normal(64)).tolist()).median.interval or (0, 0)
        missed += not (low or 0) <= -1 <= (high or 0)
    assert 0 < missed <= misses_allowed(0.05)


def test_stopping_as_soon_as_it_is_narrow_keeps_the_promise() -> None:
    """The same quantile, looked at again and again until its half width is 4.5 %; the 0.9 quantile of exp(1)."""
    random = np.random.default_rng(14)
    missed, ends = 0, set()
    for _ in range(EXPERIMENTS):
        values = random.exponential(size=8192)
        for count, confidence in looks(8192):
            sample = values[:count].tolist()
            width = half_width(sample, 0.9, confidence)
            if width is not None and width <= 0.045:
                break
        ends.add(count)
        low, high = estimate(sorted(sample), 0.9, confidence).interval or (0, 0)
        missed += not (low or 0) <= math.log(10) <= (high or 0)
    assert missed <= misses_allowed(0.05)
    assert len(ends) > 1


# --- sequential plans ---------------------------------------------------------------------------------------


def test_looks_double_and_spend_five_percent_at_most() -> None:
    plan = list(looks(10_000))
    assert [count for count, _ in plan] == [1024, 2048, 4096, 8192, 10_000]
    failing = [1 - confidence for _, confidence in plan]
    assert failing == pytest.approx([0.025, 0.0125, 0.00625, 0.003125, 0.0015625])
    assert sum(failing) <= 0.05
    assert list(looks(500)) == [(500, 0.975)]


def test_half_width() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert half_width(ordered, 0.5) == pytest.approx((61 - 40) / 2 / 50)
    assert half_width(ordered, 0.99) is None
    assert half_width([0.0] * 100, 0.9) == 0.0
    assert half_width([math.inf] * 100, 0.9) == 0.0
    assert half_width([1.0] * 90 + [math.inf] * 10, 0.9) is None


def test_a_wider_promise_is_a_wider_interval() -> None:
    values = [float(value) for value in range(2000)]
    narrow, wide = summarise(values), summarise(values, 0.99)
    for name in QUANTILES:
        (low, high), (lower, higher) = narrow.intervals[name] or (0, 0), wide.intervals[name] or (0, 0)
        assert (lower or 0) < (low or 0) < (high or 0) < (higher or 0)


# --- pairs --------------------------------------------------------------------------------------------------


def test_pairs_are_compared_run_by_run() -> None:
    now = [float(value) for value in range(100, 200)]
    difference = paired(now, [value - 5 for value in now])
    assert (difference.median.value, difference.median.interval, difference.shorter) == (-5, (-5, -5), 1.0)
    assert difference.shorter_interval == (pytest.approx(0.025 ** (1 / 100)), 1.0)
    same = paired(now, now)
    assert (same.median.value, same.shorter) == (0, 0.0)
    # Twice the same sample in another order has the same quantiles, but is not the same in pairs.
    turned = paired(now, now[::-1])
    assert turned.shorter == 0.5
    assert turned.median.interval is not None


def test_pairs_that_do_not_end() -> None:
    endless = [math.inf] * 40
    assert paired(endless, endless).median.value == 0
    assert paired([5.0] * 40, endless).median.value is None
    ended = paired(endless, [5.0] * 40)
    assert (ended.median.value, ended.shorter) == (None, 1.0)


@pytest.mark.parametrize(("now", "then"), [([], []), ([1.0], [1.0, 2.0])])
def test_what_are_no_pairs(now: list[float], then: list[float]) -> None:
    with pytest.raises(ValueError, match="are no pairs"):
        paired(now, then)


@settings(deadline=None, max_examples=25)
@given(st.integers(2000, 100_000), st.sampled_from([0.5, 0.9, 0.99]))
def test_ranks_of_many_runs_stand_around_the_quantile(count: int, share: float) -> None:
    ranks = interval_ranks(count, share)
    assert ranks is not None
    spread = math.sqrt(count * share * (1 - share))
    # The normal approximation, to a rank or two.
    assert ranks[0] == pytest.approx(count * share - 1.96 * spread, abs=3)
    assert ranks[1] == pytest.approx(count * share + 1.96 * spread, abs=3)
