"""Nodes that join while an upgrade runs, as an autoscaler lets them: what they do to it, and what it does to them.

A node that joins gets the new pod at once. Until that is Ready the roll counts it as unavailable and waits; and no
other pod starts on it before it has a network, in a migration before the datastore is open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from simulator import draws, windows
from simulator.engine import run
from simulator.profile import Profile
from simulator.scenario import Scenario, node_name
from simulator.statistics import Difference, Estimate, clopper_pearson, estimate, paired
from simulator.timing import MICRO
from simulator.trace import Trace
from simulator.variants import difference_to_dict, pair_to_dict

_PER_NODE = 2
"""A run is given up when so many nodes have joined for each that was there (50 at least): it would go on for ever."""


@dataclass(frozen=True, slots=True)
class NodeJoins:
    """What new nodes at a rate an hour mean: (P50, P90) over the runs, seconds; None: without end.

    `joined`: how many join before the end. `window`: the plan's main window, with its lengths without them (`without`)
    and with them (`length`), and what they do to one and the same run (`difference`). `closed`: how long a new node
    takes no pod, the one that waits longest. `never`: the share of runs that do not end because of them: one joins
    so early that the roll never begins, or they come faster than it gets on.
    """

    rate: float
    window: str
    joined: tuple[Estimate, Estimate]
    without: tuple[Estimate, Estimate]
    length: tuple[Estimate, Estimate]
    difference: Difference
    closed: tuple[Estimate, Estimate]
    never: float
    never_interval: tuple[float, float]
    replications: int

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        both: Mapping[str, tuple[Estimate, Estimate]] = {
            "joined": self.joined,
            "without": self.without,
            "length": self.length,
            "closed": self.closed,
        }
        answer: dict[str, Any] = {"nodes_per_hour": self.rate, "replications": self.replications, "window": self.window}
        for name, (p50, p90) in both.items():
            answer[name] = pair_to_dict(p50, p90)
        answer["difference"] = difference_to_dict(self.difference)["difference"]
        answer["never"] = {"share": round(self.never, 6), "ci": [round(end, 6) for end in self.never_interval]}
        return answer


def parse_node_rate(text: str) -> float:
    """Nodes an hour as `--node-rate` takes them: `6`, `6/h`, `0.5/min`. Raises ValueError."""
    number, _, unit = text.strip().partition("/")
    try:
        rate = float(number) * {"h": 1.0, "min": 60.0, "m": 60.0, "d": 1 / 24}[unit.strip() or "h"]
    except (KeyError, ValueError):
        rate = math.nan
    if not 1e-3 <= rate <= 1e5:
        raise ValueError(f"{text!r} is no rate of nodes: write 6/h, 0.5/min or 20/d")
    return rate


def node_joins(profile: Profile, scenario: Scenario, seed: int, rate: float, count: int) -> NodeJoins:
    """Play `count` runs with and without new nodes, which come at random, `rate` an hour, from t_apply on."""
    window = "total" if scenario.cluster.rolling else "scheduling_block"
    without, length, closed, joined, never = [], [], [], [], 0
    for number in range(count):
        before, after, endless = _pair(profile, scenario, seed, number, rate)
        here = [node for node in after.existing if after.nodes[node].joined is not None]
        joined.append(math.inf if endless else float(len(here)))
        without.append(_length(before, window))
        length.append(math.inf if endless else _length(after, window))
        closed.append(math.inf if endless else max((_closed(after, node) for node in here), default=0.0))
        never += math.isinf(length[-1]) and not math.isinf(without[-1])
    return NodeJoins(
        rate=rate,
        window=window,
        joined=_quantiles(joined),
        without=_quantiles(without),
        length=_quantiles(length),
        difference=paired(without, length),
        closed=_quantiles(closed),
        never=never / count,
        never_interval=clopper_pearson(never, count),
        replications=count,
    )


def _quantiles(values: list[float]) -> tuple[Estimate, Estimate]:
    ordered = sorted(values)
    return estimate(ordered, 0.5), estimate(ordered, 0.9)


def _pair(profile: Profile, scenario: Scenario, seed: int, number: int, rate: float) -> tuple[Trace, Trace, bool]:
    """One run without and with new nodes, from the same draws; and whether they come faster than the roll gets on."""
    first = scenario.cluster.nodes
    most = max(50, _PER_NODE * first)
    block, member = divmod(number, draws.BLOCK)

    def played(times: list[float]) -> Trace:
        joins = [{"node": node_name(first + index), "at": time} for index, time in enumerate(times)]
        given = Scenario.from_dict(scenario.to_dict() | {"joins": joins}) if joins else scenario
        return run(draws.replication(given, _drawn(profile, first + len(times), seed, block), member))

    before = after = played([])
    coming = _times(seed, number, rate)
    times: list[float] = []
    following = next(coming)
    # Each that joins may make the run longer, so that one more joins before its end; of one that stands still, none
    # that joins later mends it.
    while after.end is not None and following < after.end / MICRO:
        if len(times) >= most:
            return before, after, True
        while following < after.end / MICRO and len(times) < most:
            times.append(following)
            following = next(coming)
        after = played(times)
    return before, after, False


@lru_cache(maxsize=8)
def _drawn(profile: Profile, nodes: int, seed: int, block: int) -> draws.Block:
    """A node keeps its draws when others join."""
    return draws.draw(profile, nodes, seed, block)


def _times(seed: int, number: int, rate: float) -> Iterator[float]:
    """When nodes join a run, in seconds after t_apply: independently of each other."""
    generator = draws.stream(seed, number, "node_joins")
    time = 0.0
    while True:
        time += float(generator.exponential(3600 / rate))
        yield round(time, 6)


def _length(trace: Trace, window: str) -> float:
    if window == "total":
        total = windows.total(trace)
        return math.inf if total is None else total / MICRO
    length = windows.flat(trace)[window]
    return math.inf if length is None else length


def _closed(trace: Trace, node: int) -> float:
    """How long a node that has joined takes no pod, in seconds."""
    spans = windows.node_scheduling_block(trace, node)
    return sum(math.inf if until is None else (until - since) / MICRO for since, until in spans)
