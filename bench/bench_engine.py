"""The engine against its floor: bare SimPy that processes as many timeouts as the run has events.

Both run in turns in the same process, so that the machine's mood hits them alike. Read the ratios, and whether
the microseconds a node grow with the number of nodes.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Generator
from typing import Any

import simpy

from simulator.engine import run
from simulator.protocol.clock import Clock
from simulator.scenario import Scenario

SIZES = (10, 100, 1000, 5000)


def bare_simpy(events: int, processes: int) -> None:
    """`events` timeouts in `processes` processes."""
    env = simpy.Environment()

    def process(turns: int) -> Generator[simpy.Event, Any, None]:
        for _ in range(turns):
            yield env.timeout(1)

    for _ in range(processes):
        env.process(process(events // processes))
    env.run()


def count_events(scenario: Scenario) -> int:
    """How many events SimPy schedules in a run."""
    count = 0
    schedule = Clock.schedule

    def counting(self: Clock, *args: Any, **kwargs: Any) -> None:
        nonlocal count
        count += 1
        schedule(self, *args, **kwargs)

    Clock.schedule = counting  # type: ignore[method-assign]
    try:
        run(scenario)
    finally:
        Clock.schedule = schedule  # type: ignore[method-assign]
    return count


def paired(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median seconds of each, in turns, after one warm-up."""
    walls: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for wall, action in zip(walls, (first, second), strict=True):
            gc.collect()
            start = time.perf_counter()
            action()
            if number:
                wall.append(time.perf_counter() - start)
    return statistics.median(walls[0]), statistics.median(walls[1])


def main() -> None:
    """Print one table for each protocol."""
    for protocol in ("v2-to-v3", "v3-rolling"):
        print(f"### Engine, {protocol}\n")
        print("| nodes | at once | events | ms a run | runs/s | events/s | µs a node | × bare SimPy |")
        print("|---:|---:|---:|---:|---:|---:|---:|---:|")
        for nodes in SIZES:
            for budget in (1, "10%"):
                cluster = {"nodes": nodes, "max_unavailable": budget, "protocol": protocol}
                scenario = Scenario.from_dict({"cluster": cluster, "horizon": None})
                events = count_events(scenario)
                rounds = max(3, min(50, 2000 // nodes))
                engine, floor = paired(
                    lambda scenario=scenario: run(scenario),  # type: ignore[misc]
                    lambda events=events, nodes=nodes: bare_simpy(events, nodes),  # type: ignore[misc]
                    rounds,
                )
                print(
                    f"| {nodes} | {budget} | {events} | {engine * 1e3:.1f} | {1 / engine:.1f} | {events / engine:,.0f} "
                    f"| {engine / nodes * 1e6:.0f} | {engine / floor:.1f} |"
                )
        print()


if __name__ == "__main__":
    main()
