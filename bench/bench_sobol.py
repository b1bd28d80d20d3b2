"""Do quasi-random parameters narrow a plan's intervals? `python -m bench.bench_sobol` (needs SciPy).

A plan draws the parameters of its timings once a run, then the durations. Here the first are drawn in two ways, as
pseudo-random numbers and as scrambled Sobol points, and everything else alike. Each way makes the same plan again and
again with other seeds. How far the estimates scatter is what an interval has to cover. But Sobol points are not
independent of each other, so the intervals of order statistics do not hold for them; what does is the scatter of
estimates from several independent scramblings. Both intervals are made from the same number of runs, and their widths
and their coverage compared.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import numpy as np

from calico_lint.kops.releases import Version
from simulator import draws, kernel
from simulator.observations import Observations
from simulator.profile import CERTAIN, Doubt, Floats, Lognormal, Parameter, Profile, Situation, build
from simulator.scenario import V2_TO_V3, Scenario
from simulator.statistics import estimate, quantile
from simulator.timing import TIMINGS

RUNS, PLANS = 2048, 20
SCRAMBLES = 16
CASES = ((12, 1), (100, 1), (100, "10%"))
SHARES = {"P50": 0.5, "P90": 0.9}
STUDENT = 2.131  # 0.975 quantile of Student's t with 15 degrees of freedom


@dataclass(frozen=True, slots=True)
class Given(Parameter):
    """A parameter of which the truth of each run is given."""

    truth: Doubt = CERTAIN

    def doubt(self, generator: np.random.Generator, runs: int) -> Doubt:
        return self.truth


def prepare(nodes: int, at_once: int | str) -> tuple[Profile, Scenario]:
    """A plan's profile without the rate limit, which is not the question, and its scenario."""
    kubernetes = Version(1, 10, 13)
    profile = build(Situation(V2_TO_V3, nodes, 3, kubernetes, api_qps=0))
    timing = {
        parameter.name: parameter.distribution.median
        for parameter in profile.parameters
        if parameter.name in TIMINGS and parameter.scope != "input"
    }
    cluster = {"nodes": nodes, "max_unavailable": at_once, "kubernetes": str(kubernetes)}
    return profile, Scenario.from_dict({"cluster": cluster, "timing": timing, "horizon": None})


def truths(parameter: Parameter, first: Floats, second: Floats) -> Doubt:
    """`Parameter.doubt` by inversion of two uniform numbers a run."""
    from scipy.special import gammaincinv, ndtri

    assert parameter.observations is not None
    sigma, count = parameter.distribution.log_spread, parameter.observations
    if not isinstance(parameter.distribution, Lognormal):
        return Doubt(np.exp(sigma / math.sqrt(count) * ndtri(first)), 1.0)
    spread = np.sqrt(count / 2 / gammaincinv(1 + count / 2, second))
    return Doubt(np.exp(sigma * spread * ndtri(first) / math.sqrt(count)), spread)


def lengths(profile: Profile, scenario: Scenario, seed: int, points: Floats) -> list[float]:
    """The scheduling blocks of one plan's runs; `points` [run, dimension]."""
    found = Observations()
    for number in range(len(points) // draws.BLOCK):
        rows = points[number * draws.BLOCK : (number + 1) * draws.BLOCK]
        parameters: list[Parameter] = []
        dimension = 0
        for parameter in profile.parameters:
            if not parameter.uncertain:
                parameters.append(parameter)
                continue
            truth = truths(parameter, rows[:, dimension], rows[:, dimension + 1])
            dimension += 2
            fields = (getattr(parameter, name) for name in Parameter.__slots__)
            parameters.append(Given(*fields, truth=truth))
        block = draws.draw(Profile(profile.name, tuple(parameters)), scenario.cluster.nodes, seed, number)
        found.extend(kernel.observe(scenario, [block]), rolling=False)
    return found.windows["scheduling_block"]


def by_order(values: list[float], share: float) -> tuple[float, float, float]:
    """(estimate, lower, upper) as a plan has them."""
    found = estimate(sorted(values), share)
    assert found.value is not None
    assert found.interval is not None
    low, high = found.interval
    assert low is not None
    assert high is not None
    return found.value, low, high


def by_scrambles(values: list[float], share: float) -> tuple[float, float, float]:
    """(estimate, lower, upper) from the scatter of the scramblings, each of which is a part of the runs in order."""
    size = len(values) // SCRAMBLES
    parts = [by_order(values[begin : begin + size], share)[0] for begin in range(0, len(values), size)]
    middle, reach = statistics.fmean(parts), STUDENT * statistics.stdev(parts) / math.sqrt(SCRAMBLES)
    return middle, middle - reach, middle + reach


def main() -> None:
    """Print scatter, width and coverage of both ways."""
    from scipy.stats import qmc

    print(f"### Sobol points for the parameters: {PLANS} plans of {RUNS} runs each\n")
    print(
        "| nodes | at once | | scatter | with Sobol | half interval, order statistics | half interval, scramblings "
        "| held |"
    )
    print("|---:|---:|---|---:|---:|---:|---:|---|")
    for nodes, at_once in CASES:
        profile, scenario = prepare(nodes, at_once)
        dimensions = 2 * sum(parameter.uncertain for parameter in profile.parameters)
        plain, whole, split = [], [], []
        for seed in range(PLANS):
            one = np.random.default_rng([seed, 1]).random((RUNS, dimensions))
            two = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng([seed, 2])).random(RUNS)
            three = np.concatenate(
                [
                    qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng([seed, 3, part])).random(
                        RUNS // SCRAMBLES
                    )
                    for part in range(SCRAMBLES)
                ]
            )
            for values, points in ((plain, one), (whole, two), (split, three)):
                # Scrambled points may hit the ends, whose inverse is infinite.
                values.append(lengths(profile, scenario, seed, np.clip(points, 2.0**-40, 1 - 2.0**-40)))
        everything = sorted(value for values in (*plain, *whole) for value in values)
        for name, share in SHARES.items():
            truth = quantile(everything, share) or math.nan
            ordered = [by_order(values, share) for values in plain]
            scrambled = [by_scrambles(values, share) for values in split]
            scatters = [
                statistics.stdev(by_order(values, share)[0] for values in way) / truth for way in (plain, whole)
            ]
            widths = [statistics.fmean(high - low for _, low, high in way) / 2 / truth for way in (ordered, scrambled)]
            held = [sum(low <= truth <= high for _, low, high in way) for way in (ordered, scrambled)]
            print(
                f"| {nodes} | {at_once} | {name} | {scatters[0]:.2%} | {scatters[1]:.2%} | {widths[0]:.2%} "
                f"| {widths[1]:.2%} | {held[0]} and {held[1]} of {PLANS} |"
            )


if __name__ == "__main__":
    main()
