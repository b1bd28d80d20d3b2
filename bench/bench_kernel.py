"""The kernel: against the engine, against the floor of its random numbers, growth, memory.

Every figure is a ratio of medians of interleaved rounds. The floor draws as many lognormal numbers as the kernel draws
numbers, and adds them up. The prototype does that in integers, and schedules the sums on the places that there are:
what remains of a simulation without the protocol.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

import numpy as np

from bench.pairing import peak_memory_mb
from calico_lint.kops.releases import Version
from simulator import draws, kernel
from simulator.engine import run
from simulator.kernel import schedule
from simulator.observations import Observations
from simulator.profile import Fixed, Profile, Settings, Situation, build
from simulator.scenario import V2_TO_V3, V3_ROLLING, Scenario
from simulator.timing import MICRO, TIMINGS

NODES, THREADS = 5000, 2
ENGINE_RUNS = 2


def the_plan(nodes: int, at_once: int | str, bird: bool = True, limited: bool = False) -> tuple[Profile, Scenario]:
    """Profile and scenario of a plan: a migration, or without BIRD's readiness rule a roll from v3 to v3.

    Unless it is `limited`, the API server's limit is left out: it holds up more than 14 nodes at once.
    """
    protocol, kubernetes = (V2_TO_V3, Version(1, 10, 13)) if bird else (V3_ROLLING, Version(1, 20, 4))
    no_limit: Settings = {} if limited else {"api_qps": (Fixed(0), "no limit")}
    profile = build(Situation(protocol, nodes, 3, kubernetes, bird), no_limit)
    timing = {item.name: item.distribution.median for item in profile.parameters if item.name in TIMINGS}
    timing.setdefault("ensure_initialized", 0)
    timing["services"] = max(timing["services"], timing["ensure_initialized"])
    if not bird:
        timing["failure_threshold"] = 1_000_000
    cluster = {"nodes": nodes, "max_unavailable": at_once, "protocol": protocol, "kubernetes": str(kubernetes)}
    return profile, Scenario.from_dict({"cluster": cluster, "timing": timing, "horizon": None})


def simulate(profile: Profile, scenario: Scenario, runs: int, executor: Executor | None = None) -> Observations:
    """All replications through the kernel, draws included."""
    kept = Observations()
    for some in kernel.simulate(profile, scenario, 1, runs, executor=executor):
        kept.extend(some, scenario.cluster.rolling)
    return kept


def numbers_a_node(profile: Profile) -> int:
    """How many random numbers a node takes in each run; one is for the processing order."""
    return 1 + sum(not isinstance(item.distribution, Fixed) for item in profile.of_scope("node"))


def floor(nodes: int, numbers: int, runs: int) -> None:
    """Draw and add as many lognormal numbers, in pieces that fit the cache."""
    generator = np.random.Generator(np.random.PCG64DXSM(1))
    piece = max(1, 2**14 // nodes)
    drawn, total = np.empty((piece, nodes)), np.zeros((piece, nodes))
    for _ in range(0, runs, piece):
        for _ in range(numbers):
            generator.standard_normal(out=drawn)
            drawn *= 0.5
            np.exp(drawn, out=drawn)
            total += drawn


def prototype(nodes: int, numbers: int, at_once: int, runs: int, executor: Executor) -> None:
    """As many draws in whole microseconds, and the pods' sums on `at_once` places."""

    def batch(number: int) -> int:
        generator = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(1, spawn_key=(number,))))
        size = max(1, 2**17 // nodes)
        drawn, total = np.empty((size, nodes)), np.zeros((size, nodes), np.int64)
        for _ in range(numbers):
            generator.standard_normal(out=drawn)
            np.multiply(drawn, 0.5, out=drawn)
            np.exp(drawn, out=drawn)
            np.multiply(drawn, MICRO, out=drawn)
            total += drawn.astype(np.int64)
        if at_once == 1:
            return int(total.sum(axis=1).max())
        first, rest = total[:, :at_once].copy(), total[:, at_once:]
        return int((schedule.sorted_in_blocks(first, rest, np.zeros(size, np.int64)) + rest).max())

    list(executor.map(batch, range(-(-runs // max(1, 2**17 // nodes)))))


def medians(rounds: int, *actions: Callable[[], object]) -> list[float]:
    """Median seconds of each, in turns, after a warm-up."""
    walls: list[list[float]] = [[] for _ in actions]
    for number in range(rounds + 1):
        for wall, action in zip(walls, actions, strict=True):
            gc.collect()
            start = time.perf_counter()
            action()
            if number:
                wall.append(time.perf_counter() - start)
    return [statistics.median(wall) for wall in walls]


def by_engine(profile: Profile, scenario: Scenario) -> None:
    """A few replications, event by event."""
    block = draws.draw(profile, scenario.cluster.nodes, 1, 0)
    for index in range(ENGINE_RUNS):
        run(draws.replication(scenario, block, index))


CASES: tuple[tuple[int | str, bool, bool], ...] = (
    (1, True, False),
    (1, False, False),
    ("10%", False, False),
    ("10%", True, False),
    (10, True, False),
    ("10%", False, True),
    ("10%", True, True),
)


def against_engine_and_floor(runs: int, rounds: int) -> None:
    """Gates (a) and (b)."""
    print(f"## Kernel, draws included, {NODES} nodes × {runs} runs\n")
    print("| at once | sessions matter | API server's limit | ms a run | engine ÷ kernel, a run | kernel ÷ floor |")
    print("|---:|---|---|---:|---:|---:|")
    for at_once, bird, limited in CASES:
        profile, scenario = the_plan(NODES, at_once, bird, limited)
        count = runs if at_once == 1 or not (bird or limited) else max(256, runs // 4)
        ours, engine, least = medians(
            rounds,
            partial(simulate, profile, scenario, count),
            partial(by_engine, profile, scenario),
            partial(floor, NODES, numbers_a_node(profile), count),
        )
        ratio = (engine / ENGINE_RUNS) / (ours / count)
        case = f"| {at_once} | {'yes' if bird else 'no'} | {'yes' if limited else 'no'} "
        print(f"{case}| {ours / count * 1e3:.2f} | {ratio:.0f} | {ours / least:.2f} |")


def growth(rounds: int) -> None:
    """Gate (d): microseconds a node and run, where twice as many nodes or runs should cost twice as much."""
    print("\n## Growth: µs a node and run\n")
    print("| nodes | runs | 1 at once | 10 % at once, sessions do not matter |")
    print("|---:|---:|---:|---:|")
    sizes = [(1250, 512), (2500, 512), (5000, 512), (1250, 1024), (1250, 2048)]
    for nodes, runs in sizes:
        plans = [the_plan(nodes, 1), the_plan(nodes, "10%", bird=False)]
        walls = medians(rounds, *(partial(simulate, *plan, runs) for plan in plans))
        print(f"| {nodes} | {runs} | " + " | ".join(f"{wall / nodes / runs * 1e6:.3f}" for wall in walls) + " |")


def against_prototype(runs: int, rounds: int) -> None:
    """Gate (e)."""
    print(f"\n## {NODES} nodes × {runs} replications, draws included, {THREADS} threads\n")
    print("| at once | sessions matter | kernel s | prototype s | kernel ÷ prototype | peak memory MB |")
    print("|---:|---|---:|---:|---:|---:|")
    for at_once, bird in ((1, True), ("10%", False)):
        profile, scenario = the_plan(NODES, at_once, bird)
        places = scenario.cluster.budget(NODES)
        with ThreadPoolExecutor(THREADS) as executor:
            ours, least = medians(
                rounds,
                partial(simulate, profile, scenario, runs, executor),
                partial(prototype, NODES, numbers_a_node(profile), places, runs, executor),
            )
        peak = peak_memory_mb(
            "from concurrent.futures import ThreadPoolExecutor\nfrom bench.bench_kernel import *\n"
            f"with ThreadPoolExecutor(THREADS) as some: simulate(*the_plan(NODES, {at_once!r}, {bird}), 2048, some)"
        )
        answer = f"{ours:.2f} | {least:.2f} | {ours / least:.2f} | {peak:.0f} |"
        print(f"| {at_once} | {'yes' if bird else 'no'} | {answer}")


def main() -> None:
    """Print the tables; `quick` takes fewer runs."""
    quick = "quick" in sys.argv
    against_engine_and_floor(256 if quick else 1024, 1 if quick else 3)
    growth(1 if quick else 3)
    against_prototype(1024 if quick else 10_000, 1 if quick else 3)


if __name__ == "__main__":
    main()
