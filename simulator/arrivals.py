"""Pods and policies that arrive during a run (extension): how long they wait. They change nothing, like probes.

Arrivals are answered as so many probes would be, from the same definitions in `simulator.windows`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from simulator.extensions import MAX_ARRIVALS, Arrivals
from simulator.scenario import ScenarioError
from simulator.statistics import QUANTILES, quantile
from simulator.timing import MICRO, written
from simulator.trace import Trace
from simulator.windows import applied, networked, node_scheduling_block, staleness


@dataclass(frozen=True, slots=True)
class Waits:
    """One wait for each arrival, in microseconds; `math.inf`: for ever. `at_once`: the most that waited together."""

    waits: tuple[float, ...]
    at_once: int

    @property
    def waiting(self) -> int:
        """How many have to wait."""
        return sum(wait > 0 for wait in self.waits)

    def to_dict(self) -> dict[str, Any]:
        """The shape of the result: seconds; what falls among those that wait for ever is None, as in a plan."""
        waits = sorted(self.waits)
        never = sum(map(math.isinf, waits))
        answer: dict[str, Any] = {
            "count": len(waits),
            "waiting": self.waiting,
            "never": never,
            "waiting_at_once": self.at_once,
            "max": written(waits[-1]) if waits and not never else None,
            "mean": written(math.fsum(waits) / len(waits)) if waits and not never else None,
        }
        return answer | {name: written(quantile(waits, share)) if waits else None for name, share in QUANTILES.items()}


class PodWaits(NamedTuple):
    """How many pods of one run have to wait, how many at once, and how long: half of them at most, and the longest.

    Waits are microseconds; `math.inf`: for ever.
    """

    waiting: float = 0
    waiting_at_once: float = 0
    wait_median: float = 0.0
    wait_max: float = 0.0


_SAMPLE = 1000


def pods(trace: Trace, arrivals: Arrivals) -> Waits:
    """How long each pod waits for its network. The k-th goes to node k, counted round those that are there by then."""
    nodes = [(trace.nodes[index].joined or 0, index) for index in trace.existing]
    blocks = {index: node_scheduling_block(trace, index) for _, index in nodes}
    joined = sorted(since for since, _ in nodes if since)
    here: list[int] = []
    known = -1

    def wait(number: int, time: int) -> float:
        nonlocal here, known
        if (count := bisect_right(joined, time)) != known:
            known, here = count, [index for since, index in nodes if since <= time]
        start = networked(trace, blocks[here[number % len(here)]], time)
        return math.inf if start is None else start - time

    return _waits(_instants(trace, arrivals, "pods"), wait)


def pods_at_rate(trace: Trace, rate: int) -> PodWaits:
    """Pods that arrive all the time: `rate` millionths a minute. Of very many a thousandth part stands for all."""
    end = trace.last_change if trace.end is None else trace.end
    count = end * rate // (60 * MICRO * MICRO) + 1
    each = max(1, -(-count // _SAMPLE))  # how many each of those that are looked at stands for
    waits = pods(trace, Arrivals(rate=max(1, rate // each)))
    waiting = sorted(wait for wait in waits.waits if wait)
    if not waiting:
        return PodWaits()
    if math.isinf(waiting[-1]):  # there is no last one
        return PodWaits(math.inf, math.inf, quantile(waiting, 0.5) or math.inf, math.inf)
    return PodWaits(len(waiting) * each, waits.at_once * each, quantile(waiting, 0.5) or 0.0, waiting[-1])


def policies(trace: Trace, arrivals: Arrivals) -> Waits:
    """How long each policy waits until every node enforces it."""
    slowest = _slowest(trace)

    def wait(_: int, time: int) -> float:
        latest = time
        for index in slowest(time):
            enforced = applied(trace, index, arrivals.source, time)
            if enforced is None:
                return math.inf
            latest = max(latest, enforced)
        return latest - time

    return _waits(_instants(trace, arrivals, "policies"), wait)


def _slowest(trace: Trace) -> Callable[[int], Iterable[int]]:
    """Nodes among which the last to enforce a policy of that time is.

    That is the last to be in sync, of all or of those that are stale by then: a policy that reaches the nodes by the
    old way is enforced at once by the others. With a rollback or Typha it may be any.
    """
    if trace.roll_back is not None or trace.typha is not None:
        return lambda _: trace.existing
    starts: list[float] = []
    worst: list[int] = []

    def in_sync(index: int) -> float:
        time = trace.nodes[index].in_sync
        return math.inf if time is None else time

    spans = ((staleness(trace, trace.nodes[index]), index) for index in trace.existing)
    stale = sorted((0 if trace.nodes[index].joined else span[0], index) for span, index in spans if span)
    for since, index in stale:
        starts.append(since)
        worst.append(index if not worst else max(worst[-1], index, key=in_sync))
    last = max(trace.existing, key=in_sync)

    def among(time: int) -> Iterable[int]:
        count = bisect_right(starts, time)
        return (last, worst[count - 1]) if count else (last,)

    return among


def _instants(trace: Trace, arrivals: Arrivals, kind: str) -> list[int]:
    """When they arrive; for a run that stays as it is for ever, until the last change."""
    end = trace.last_change if trace.end is None else trace.end
    instants = list(islice(arrivals.instants(end), MAX_ARRIVALS + 1))
    if len(instants) > MAX_ARRIVALS:
        reason = f"more than {MAX_ARRIVALS} {kind} arrive during this run"
        raise ScenarioError(f"arrivals.{kind}", reason, "use a lower rate, or from and until")
    return instants


def _waits(instants: list[int], wait: Callable[[int, int], float]) -> Waits:
    waits = tuple(wait(number, time) for number, time in enumerate(instants))
    # Of those that end and begin to wait in the same instant the former are gone.
    changes: list[tuple[float, int]] = [(time, 1) for time, length in zip(instants, waits, strict=True) if length]
    changes += [(time + length, -1) for time, length in zip(instants, waits, strict=True) if 0 < length < math.inf]
    together = most = 0
    for _, change in sorted(changes):
        together += change
        most = max(most, together)
    return Waits(waits, most)
