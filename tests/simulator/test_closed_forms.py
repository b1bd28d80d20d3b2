"""Random runs against what probability theory says of them.

A roll from v3 to v3 with as little as possible between the stages: no probe grid (a period of 1 µs), no BGP. Then the
roll is a queue: nodes are customers, `max_unavailable` is the number of servers, a node's own stages are its service.
Each test asks for |z| < 4.5: a right engine fails one in 150,000 times, and the seeds are fixed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from simulator.draws import draw, replication
from simulator.engine import run
from simulator.profile import Distribution, Fixed, Lognormal, Parameter, Profile, Uniform
from simulator.protocol.apiserver import TokenBucket
from simulator.scenario import Scenario
from simulator.timing import MICRO

Floats = npt.NDArray[np.float64]

# Everything that is not random takes no time; probes are so dense that they cost nothing.
BARE = {
    "sandbox": 0,
    "pull_cni": 0,
    "upgrade_ipam": 0,
    "install_cni": 0,
    "pull_node": 0,
    "ebpf_bootstrap": 0,
    "services": 0,
    "ensure_initialized": 0,
    "felix_sync": 0,
    "bgp_session": 0,
    "bird_threshold": 0,
    "readiness_period": 1e-6,
}


def bare(nodes: int, at_once: int, **timing: float) -> Scenario:
    cluster = {"nodes": nodes, "max_unavailable": at_once, "protocol": "v3-rolling"}
    return Scenario.from_dict({"cluster": cluster, "timing": BARE | timing, "horizon": None})


def rollouts(scenario: Scenario, stages: dict[str, Floats]) -> Floats:
    """The length of the roll of each run; `stages[name][run, node]` in seconds."""
    lengths = []
    count = len(next(iter(stages.values())))
    for number in range(count):
        per_node = {name: np.rint(values[number] * MICRO).astype(int).tolist() for name, values in stages.items()}
        rollout = run(scenario.with_durations({}, per_node)).rollout
        assert rollout is not None
        lengths.append(rollout / MICRO)
    return np.array(lengths)


def agrees(values: Floats, mean: float, variance: float) -> None:
    """The sample's mean and variance are those."""
    count = len(values)
    assert abs(values.mean() - mean) < 4.5 * math.sqrt(variance / count) + 1e-3
    # The variance of a sample's variance, with the sample's own fourth moment.
    fourth = float(((values - values.mean()) ** 4).mean())
    assert abs(values.var(ddof=1) - variance) < 4.5 * math.sqrt((fourth - variance**2) / count)


def test_one_at_a_time_is_the_sum_of_independent_stages() -> None:
    """The draws of a profile, through the engine: means and variances add up over stages and nodes."""
    nodes, stages = 6, {"pull_node": Lognormal(8, 0.5), "pull_cni": Uniform(2, 10), "services": Lognormal(3, 0.3)}
    parameters = [Parameter(name, distribution, "s", "-", "node") for name, distribution in stages.items()]
    profile = Profile("closed form", (*parameters, Parameter("sandbox", Fixed(1.5), "s", "-", "node")))
    base = bare(nodes, 1)
    lengths = []
    for number in range(12):
        block = draw(profile, nodes, 3, number, uncertain=False)
        for member in range(64):
            rollout = run(replication(base, block, member)).rollout
            assert rollout is not None
            lengths.append(rollout / MICRO)

    def moments(distribution: Distribution) -> tuple[float, float]:
        match distribution:
            case Lognormal(centre=centre, sigma=sigma):
                square = math.exp(sigma**2)
                return centre * math.sqrt(square), centre**2 * square * (square - 1)
            case Uniform(low=low, high=high):
                return (low + high) / 2, (high - low) ** 2 / 12
            case _:
                raise AssertionError(distribution)

    mean = sum(moments(distribution)[0] for distribution in stages.values()) + 1.5
    variance = sum(moments(distribution)[1] for distribution in stages.values())
    agrees(np.array(lengths), nodes * mean, nodes * variance)


@pytest.mark.parametrize(("nodes", "at_once"), [(8, 1), (12, 3), (16, 8)])
def test_k_parallel_servers(nodes: int, at_once: int) -> None:
    """Exponential stages: while all k are busy one ends every 1/(kμ), then k, k - 1, … are left."""
    mean = 10.0
    draws = np.random.default_rng(nodes).exponential(mean, (500, nodes))
    waits = [mean / at_once] * (nodes - at_once) + [mean / left for left in range(at_once, 0, -1)]
    lengths = rollouts(bare(nodes, at_once), {"services": draws})
    agrees(lengths, sum(waits), sum(wait**2 for wait in waits))


@pytest.mark.parametrize("nodes", [3, 7, 10])  # of two, the old one would lose its only peer
@pytest.mark.parametrize("at_once", [1, 3, 10])
def test_equal_nodes_go_in_waves(nodes: int, at_once: int) -> None:
    rollout = run(bare(nodes, at_once, services=7.5)).rollout
    assert rollout == pytest.approx(math.ceil(nodes / at_once) * 7.5 * MICRO, abs=nodes)


def test_graham_s_bounds_hold_in_every_run() -> None:
    """max(S/k, max x) <= C <= S/k + (1 - 1/k) max x for any durations x with sum S."""
    nodes, at_once = 15, 4
    draws = np.exp(np.random.default_rng(5).standard_normal((150, nodes)))
    lengths = rollouts(bare(nodes, at_once), {"services": draws})
    total, largest = draws.sum(axis=1), draws.max(axis=1)
    slack = 2e-6 * nodes
    assert (lengths >= np.maximum(total / at_once, largest) - slack).all()
    assert (lengths <= total / at_once + (1 - 1 / at_once) * largest + slack).all()


def test_waiting_for_a_probe_of_random_phase_is_uniform() -> None:
    """A pod gets Ready at the first probe after its services: the wait is uniform, so P/2 and P²/12 a node."""
    nodes, period = 5, 10.0
    random = np.random.default_rng(8)
    services = random.uniform(20, 40, (500, nodes))
    offsets = random.uniform(0, period, (500, nodes))
    lengths = rollouts(bare(nodes, 1, readiness_period=period), {"services": services, "probe_offset": offsets})
    agrees(lengths - services.sum(axis=1), nodes * period / 2, nodes * period**2 / 12)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_a_client_without_burst_is_an_m_d_1_queue(load: float) -> None:
    """Poisson calls at `load` of the limit wait ρ/(2(1-ρ)) intervals (Pollaczek-Khinchine with fixed service)."""
    interval, calls, batches = 50_000, 400, 200
    gaps = np.random.default_rng(9).exponential(interval / load, (batches, calls * 3))
    means = []
    for row in gaps:
        bucket, now, waits = TokenBucket(interval, 1), 0.0, []
        for gap in row:
            now += gap
            waits.append(bucket.take(round(now)))
        means.append(sum(waits[calls:]) / len(waits[calls:]))  # in equilibrium
    sample: Any = np.array(means)
    expected = load / (2 * (1 - load)) * interval
    assert abs(sample.mean() - expected) < 4.5 * sample.std(ddof=1) / math.sqrt(batches) + 1
