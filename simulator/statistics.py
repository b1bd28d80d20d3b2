"""Quantiles and shares of replications, with confidence intervals that assume nothing about their distribution.

Replications are independent and identically distributed, so a quantile's interval is a pair of order
statistics whose ranks follow from the binomial distribution (David and Nagaraja, *Order Statistics*, 7.1),
and a share's interval is that of Clopper and Pearson (1934). Both are computed by hand: SciPy is not a
dependency, only the oracle that the numbers were compared with.

Two plans of the same replications are compared run by run (`paired`), and runs can be added until an interval is narrow
enough (`looks`) without spoiling what it promises.

A replication that never completes has length `math.inf`. It counts: it sorts last, and whatever falls
among the infinite ones is None, because JSON has no infinity and a number there would be a lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

CONFIDENCE = 0.95
QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}


def binomial_cdf(successes: int, trials: int, probability: float) -> float:
    """P(B <= successes) for B ~ binomial(trials, probability), summed from exact logarithms (lgamma)."""
    if successes < 0:
        return 0.0
    if successes >= trials:
        return 1.0
    if probability <= 0.0:
        return 1.0
    if probability >= 1.0:
        return 0.0
    log_p, log_q = math.log(probability), math.log1p(-probability)
    log_trials = math.lgamma(trials + 1)

    def mass(k: int) -> float:
        return math.exp(
            log_trials - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_p + (trials - k) * log_q
        )

    # The shorter tail is summed: fewer terms, and no cancellation where the result is small.
    if successes < trials * probability:
        return min(1.0, _tail(mass, range(successes, -1, -1)))
    return max(0.0, 1.0 - _tail(mass, range(successes + 1, trials + 1)))


def _tail(mass: Callable[[int], float], outward: range) -> float:
    """The sum of terms that decrease outward, up to those that no longer count."""
    terms: list[float] = []
    for k in outward:
        terms.append(mass(k))
        if terms[-1] < terms[0] * 1e-18:
            break
    return math.fsum(terms)


def quantile_rank(count: int, quantile: float) -> int:
    """The 1-based rank that estimates a quantile: the smallest one that at least this share does not exceed."""
    # 0.07 * 100 is 7.000000000000001: a hair above a whole number is that number.
    return max(1, math.ceil(count * quantile - 1e-9))


@cache
def interval_ranks(count: int, quantile: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """1-based ranks (lower, upper) whose order statistics hold the quantile with at least this confidence.

    None if the sample is too small for a two-sided interval: P99 at 95 % needs 368 replications.
    """
    tail = (1.0 - confidence) / 2
    if binomial_cdf(0, count, quantile) > tail or binomial_cdf(count - 1, count, quantile) < 1.0 - tail:
        return None
    # lower: the largest rank l with P(B <= l - 1) <= tail; upper: the smallest u with P(B <= u - 1) >= 1 - tail.
    # Both lie near count * quantile: bisection on the monotone distribution function.
    lower = _first(lambda rank: binomial_cdf(rank, count, quantile) > tail, 1, count)
    upper = _first(lambda rank: binomial_cdf(rank - 1, count, quantile) >= 1.0 - tail, 1, count)
    return lower, upper


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first whole number in [low, high] from which a monotone condition holds; `high` if none before."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def clopper_pearson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of a share of which `successes` in `trials` were observed."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is not a share")
    tail = (1.0 - confidence) / 2
    # Where nothing (everything) was observed the end is known in closed form; else the binomial tail is solved.
    if successes == 0:
        low = 0.0
    elif successes == trials:
        low = tail ** (1 / trials)
    else:
        low = _solve(lambda p: 1.0 - binomial_cdf(successes - 1, trials, p) - tail)
    if successes == trials:
        high = 1.0
    elif successes == 0:
        high = 1.0 - tail ** (1 / trials)
    else:
        high = _solve(lambda p: tail - binomial_cdf(successes, trials, p))
    return low, high


def _solve(rising: Callable[[float], float]) -> float:
    """The root in [0, 1] of a rising function, to twelve digits (40 halvings)."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """A quantile of a sorted sample as an order statistic; None where it falls among the unfinished runs."""
    return _finite(ordered[quantile_rank(len(ordered), share) - 1])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


Interval = tuple[float | None, float | None]
"""(lower, upper); None is an end among unfinished runs."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A quantile and its interval. Value None: it falls among unfinished runs, or the sample is too small for it.

    Interval None: the sample is too small for one.
    """

    value: float | None
    interval: Interval | None

    def to_list(self) -> list[float | None] | None:
        """The interval as JSON has it, to the millisecond."""
        return None if self.interval is None else [_milli(end) for end in self.interval]


def _milli(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def estimate(ordered: Sequence[float], share: float, confidence: float = CONFIDENCE) -> Estimate:
    """A quantile of a sorted sample as an order statistic, with the order statistics that surround it."""
    ranks = interval_ranks(len(ordered), share, confidence)
    if ranks is None:
        return Estimate(quantile(ordered, share), None)
    return Estimate(quantile(ordered, share), (_finite(ordered[ranks[0] - 1]), _finite(ordered[ranks[1] - 1])))


@dataclass(frozen=True, slots=True)
class Summary:
    """What many replications say about one window. Seconds; None as explained at the top.

    `p99` and its interval are None below 368 replications. An interval is (lower, upper); an upper end
    among unfinished runs is None. `unfinished` is the share of runs in which the window never ended;
    `mean` and `maximum` are None if there is one.
    """

    count: int
    p50: float | None
    p90: float | None
    p99: float | None
    mean: float | None
    minimum: float | None
    maximum: float | None
    intervals: dict[str, Interval | None]
    unfinished: float


def summarise(values: Sequence[float], confidence: float = CONFIDENCE) -> Summary:
    """The summary of one window over all replications; raises ValueError for an empty sample."""
    if not len(values):
        raise ValueError("no replications to summarise")
    ordered = sorted(values)
    count = len(ordered)
    found = {name: estimate(ordered, share, confidence) for name, share in QUANTILES.items()}
    unfinished = sum(map(math.isinf, ordered))
    return Summary(
        count=count,
        p50=found["p50"].value,
        p90=found["p90"].value,
        # A P99 without an interval is the sample's maximum or its neighbour: no estimate at all.
        p99=None if found["p99"].interval is None else found["p99"].value,
        mean=None if unfinished else math.fsum(ordered) / count,
        minimum=_finite(ordered[0]),
        maximum=_finite(ordered[-1]),
        intervals={name: estimated.interval for name, estimated in found.items()},
        unfinished=unfinished / count,
    )


# --- two plans on common random numbers -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change does to a window, from runs in pairs that share their draws; seconds, less than 0 is shorter.

    `median` is that of the differences of the pairs, which is not the difference of the two medians. `shorter` is the
    share of the pairs in which the changed run is the shorter one.
    """

    median: Estimate
    shorter: float
    shorter_interval: tuple[float, float]


def paired(now: Sequence[float], then: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """Compare two samples run by run. Two runs of which neither ends do not differ.

    Raises ValueError for samples that are empty or of different lengths.
    """
    if not len(now) or len(now) != len(then):
        raise ValueError(f"{len(now)} and {len(then)} replications are no pairs")
    ordered = sorted(0.0 if after == before else after - before for before, after in zip(now, then, strict=True))
    shorter = sum(difference < 0 for difference in ordered)
    return Difference(
        estimate(ordered, 0.5, confidence), shorter / len(ordered), clopper_pearson(shorter, len(ordered), confidence)
    )


# --- how many runs are enough -----------------------------------------------------------------------------

FIRST_LOOK = 1024
"""Replications of the first look of a sequential plan; each further look doubles them."""


def looks(most: int) -> Iterator[tuple[int, float]]:
    """(replications, confidence) of each look at the runs of a sequential plan, the last one at `most` replications.

    Who looks often enough sees an interval that is narrow by chance. So look j promises only 1 - 0.05 / 2^j: all looks
    together fail in 5 % of all plans at most, wherever a plan stops (Bonferroni; the spending rule is that of
    *alpha spending*, Lan and DeMets 1983, in its simplest form).
    """
    count, failing = FIRST_LOOK, (1.0 - CONFIDENCE) / 2
    while count < most:
        yield count, 1.0 - failing
        count, failing = 2 * count, failing / 2
    yield most, 1.0 - failing


def half_width(values: Sequence[float], share: float, confidence: float = CONFIDENCE) -> float | None:
    """Half of a quantile's interval relative to the quantile; None: too few runs, or an end among unfinished ones.

    It is 0 if the quantile and both ends are the same, be that 0 or infinite: more runs would not tell more.
    """
    ordered = sorted(values)
    ranks = interval_ranks(len(ordered), share, confidence)
    if ranks is None:
        return None
    low, high = (ordered[rank - 1] for rank in ranks)
    if low == high:
        return 0.0
    middle = ordered[quantile_rank(len(ordered), share) - 1]
    return (high - low) / 2 / middle if math.isfinite(high) and middle > 0 else None
