"""Sensitivity: which parameter moves the P90 of each window most, and so is worth measuring first.

A tornado: each parameter alone at the P10 and at the P90 of what is not known of it, all else as in the plan, on the
same draws. Not known is, where the distribution itself rests on few observations, its median (`Parameter.doubt`);
elsewhere the value that a run draws, which then is the same in all runs and on all nodes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from simulator.profile import Distribution, FirstOf, Fixed, Lognormal, Parameter, Profile, Setting, Uniform
from simulator.statistics import CONFIDENCE, Estimate
from simulator.variants import Observe, Variant, estimate_of, rounded

if TYPE_CHECKING:
    from simulator.observations import Observations

REPLICATIONS = 512
"""Runs at each end, at most."""

NORMAL_P90 = 1.2815515655446004
"""Of the standard normal distribution."""

MEDIAN, VALUE = "median", "value"


@dataclass(frozen=True, slots=True)
class Ends:
    """A parameter at its P10 and P90. `what`: the median of its distribution is varied, or the value itself."""

    what: str
    low: Distribution
    high: Distribution


@dataclass(frozen=True, slots=True)
class Influence:
    """What a parameter does to the P90 of each window: (at its P10, at its P90)."""

    parameter: Parameter
    ends: Ends
    windows: Mapping[str, tuple[Estimate, Estimate]]

    def swing(self, window: str) -> float | None:
        """How far the P90 moves, in seconds; None: at one end it is without end, or the window is none."""
        low, high = (end.value for end in self.windows[window])
        return None if low is None or high is None else abs(high - low)

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "parameter": self.parameter.name,
            "unit": self.parameter.unit,
            "source": self.parameter.source,
            "what": self.ends.what,
            "low": rounded(self.ends.low.median),
            "high": rounded(self.ends.high.median),
            "windows": {
                name: {
                    "low": {"p90": rounded(low.value), "ci": low.to_list()},
                    "high": {"p90": rounded(high.value), "ci": high.to_list()},
                    "swing": rounded(self.swing(name)),
                }
                for name, (low, high) in self.windows.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """All parameters, the one that moves the main window most first; `base` is the P90 of each window as planned."""

    window: str
    base: Mapping[str, Estimate]
    influences: tuple[Influence, ...]
    replications: int

    def of(self, window: str) -> list[Influence]:
        """The parameters that move a window, most first."""
        found = [(swing, each) for each in self.influences if (swing := each.swing(window))]
        return [each for _, each in sorted(found, key=lambda pair: -pair[0])]

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "window": self.window,
            "replications": self.replications,
            "base": {name: {"p90": rounded(each.value), "ci": each.to_list()} for name, each in self.base.items()},
            "order": {name: [each.parameter.name for each in self.of(name)] for name in self.base},
            "parameters": [influence.to_dict() for influence in self.influences],
        }


def sensitivity(
    profile: Profile,
    base: Variant,
    window: str,
    runs: Observations,
    observe: Observe,
    confidence: float = CONFIDENCE,
) -> Sensitivity:
    """Vary every parameter of which something is not known. `runs` are the plan's own."""
    varied = [(parameter, ends) for parameter in profile.parameters if (ends := ends_of(parameter)) is not None]
    outcomes = iter(observe(_variants(base, varied), min(REPLICATIONS, runs.count)))
    influences = []
    count = min(REPLICATIONS, runs.count)
    for parameter, ends in varied:
        low, high = (next(outcomes).runs.windows for _ in range(2))
        p90s = {
            name: (estimate_of(low[name], 0.9, confidence), estimate_of(high[name], 0.9, confidence))
            for name, lengths in runs.windows.items()
            if lengths
        }
        count = len(low[window])
        influences.append(Influence(parameter, ends, p90s))
    found = Sensitivity(
        window,
        {name: estimate_of(lengths[:count], 0.9, confidence) for name, lengths in runs.windows.items() if lengths},
        tuple(influences),
        count,
    )
    ranked = sorted(influences, key=lambda each: -(each.swing(window) or 0.0))
    return replace(found, influences=tuple(ranked))


def _variants(base: Variant, varied: list[tuple[Parameter, Ends]]) -> Iterator[Variant]:
    for parameter, ends in varied:
        for distribution in (ends.low, ends.high):
            setting = Setting(distribution, "sensitivity")
            yield replace(base, settings={**base.settings, parameter.name: setting})


def ends_of(parameter: Parameter) -> Ends | None:
    """The parameter at its P10 and its P90; None: everything is known of it."""
    distribution = parameter.distribution
    if parameter.uncertain:
        factor = math.exp(_doubt(parameter))
        return Ends(MEDIAN, _scaled(distribution, 1 / factor), _scaled(distribution, factor))
    low, high = (quantile(distribution, share) for share in (0.1, 0.9))
    return None if low == high else Ends(VALUE, Fixed(low), Fixed(high))


def _doubt(parameter: Parameter) -> float:
    """The P90 of the logarithm of the factor by which a distribution's median is doubted (`Parameter.doubt`).

    Of a lognormal one it has Student's t distribution with n + 2 degrees of freedom and scale sigma / sqrt(n + 2).
    """
    observations, spread = parameter.observations, parameter.distribution.log_spread
    assert observations is not None  # or it would not be uncertain
    if isinstance(parameter.distribution, Lognormal):
        return student_p90(observations + 2) * spread / math.sqrt(observations + 2)
    return NORMAL_P90 * spread / math.sqrt(observations)


def _scaled(distribution: Distribution, factor: float) -> Distribution:
    match distribution:
        case Lognormal(centre, sigma, low, high):
            return Lognormal(centre * factor, sigma, low, high)
        case Uniform(low, high):
            return Uniform(low * factor, high * factor)
        case _:
            raise AssertionError(f"there is no doubt about {distribution}")


def quantile(distribution: Distribution, share: float) -> float:
    """A quantile of the distribution: P10 or P90, the only ones whose normal deviate is needed here."""
    match distribution:
        case Fixed(value):
            return value
        case Uniform(low, high):
            return low + (high - low) * share
        case FirstOf(count, low, high):
            return float(low + (high - low) * (1.0 - (1.0 - share) ** (1.0 / count)))
        case Lognormal(centre, sigma, low, high):
            deviate = NORMAL_P90 if share > 0.5 else -NORMAL_P90
            return min(max(centre * math.exp(sigma * deviate), low), high)


def student_p90(freedom: int) -> float:
    """The P90 of Student's t distribution: bisection on its distribution function, a finite sum for whole degrees.

    Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4.
    """
    if freedom > 2000:
        return NORMAL_P90  # the two agree to three digits
    low, high = 0.0, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        if _student_central(middle, freedom) < 0.8:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _student_central(t: float, freedom: int) -> float:
    """P(|T| <= t)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle)
    term = total = cosine if freedom % 2 else 1.0
    for degree in range(freedom % 2 + 1, freedom - 2, 2):
        term *= cosine * cosine * degree / (degree + 1)
        total += term
    if freedom % 2 == 0:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if freedom > 1 else 0.0))
