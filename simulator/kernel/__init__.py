"""All runs of a scenario at once, on arrays of integer microseconds.

The engine is the definition; this gives, run by run and to the microsecond, the same `observations.Runs` as the
engine does from the same draws. It knows only what those need, no events, and not every scenario: `covers` says what
is missing. Where a single run takes a turn that the arrays cannot follow, the engine runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

from simulator import draws
from simulator.kernel.batch import by_engine, covers, observe
from simulator.kernel.failing import of_pods
from simulator.kernel.limits import exceeded_at_once
from simulator.kernel.memory import keep_freed_memory
from simulator.kernel.schedule import INSERTION
from simulator.observations import Runs
from simulator.profile import Profile
from simulator.scenario import Scenario

_NODES_AT_ONCE = 25_000
"""Of all blocks that are worked on in step; 64 runs of a node take some 12 kB."""

_WORTH_A_THREAD = 500
"""With fewer nodes one thread is faster than two."""

__all__ = ["by_engine", "covers", "observe", "simulate"]


def simulate(
    profile: Profile,
    scenario: Scenario,
    seed: int,
    runs: int,
    *,
    first: int = 0,
    uncertain: bool = True,
    executor: Executor | None = None,
) -> Iterator[Runs]:
    """Draw and run the replications from `first` on (a multiple of 64) to `runs`, some at a time, in their order.

    Neither the executor nor the number of its workers changes the result. The scenario must be one that `covers`
    allows.
    """
    keep_freed_memory()
    wanted = [(number, len(members)) for number, members in draws.blocks(runs) if number * draws.BLOCK >= first]
    nodes, in_step = scenario.cluster.nodes, _in_step(scenario)
    size = max(1, min(16, _NODES_AT_ONCE // nodes)) if in_step else 1
    if (in_step or nodes < _WORTH_A_THREAD) and isinstance(executor, ThreadPoolExecutor):
        executor = None  # between small steps threads only wait for the interpreter
    chunks = [wanted[begin : begin + size] for begin in range(0, len(wanted), size)]
    chunk = partial(_chunk, profile, scenario, seed, uncertain)
    return map(chunk, chunks) if executor is None else executor.map(chunk, chunks)


def _in_step(scenario: Scenario) -> bool:
    """Whether it goes from pod to pod, with all runs in step: the more of them, the better."""
    if of_pods(scenario) is not None:
        return True
    places = scenario.cluster.at_once
    return 1 < places < scenario.cluster.nodes and (places <= 4 * INSERTION or exceeded_at_once(scenario))


def _chunk(profile: Profile, scenario: Scenario, seed: int, uncertain: bool, wanted: list[tuple[int, int]]) -> Runs:
    nodes = scenario.cluster.nodes
    return observe(
        scenario,
        (draws.draw(profile, nodes, seed, number, uncertain=uncertain).first(runs) for number, runs in wanted),
    )
