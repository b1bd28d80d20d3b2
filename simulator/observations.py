"""What is kept of every run of a plan: windows, the instants of the steps, and where the time went.

Traces count microseconds from t_apply. A plan counts seconds from the end of `kops update cluster --yes`:
`channels_delay` and `apply` come first and are in every instant here; lengths do not change, except `total`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from simulator import arrivals, causes, windows
from simulator.timing import MICRO
from simulator.trace import Trace

WINDOWS = (
    "scheduling_block",
    "policy_freeze_controllers_init",
    "policy_freeze_conversion",
    "policy_freeze_enforcement",
    "node_policy_staleness_max",
    "node_felix_gap_max",
    "total",
)
"""The windows of a plan, by the flat names of the contract."""

GRACEFUL_RESTART_S = 120
"""How long BIRD's peers keep a silent node's routes: BIRD's default, an assumption for these builds."""


class Step(NamedTuple):
    """One step of one run, in microseconds after t_apply (None: not reached), and what is blocked meanwhile."""

    name: str
    start: int | None
    end: int | None
    what: str


@dataclass(slots=True)
class Observations:
    """The lists hold one entry a run, in the order of the runs; `math.inf` is an instant never reached.

    `stages` are microseconds on the critical path, summed over the `explained` runs, those made with causes; `events`
    count the runs in which something happened. `bird` is whether BIRD is part of these runs.
    """

    bird: bool = True
    pod_rate: int | None = None
    """new pods in millionths a minute, if their waits are asked for"""
    pod_waits: list[arrivals.PodWaits] = field(default_factory=list)
    count: int = 0
    explained: int = 0
    windows: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WINDOWS})
    starts: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WINDOWS})
    steps: dict[str, tuple[list[float], list[float], str]] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    def share(self, event: str) -> float:
        """The share of runs in which something happened."""
        return self.events.get(event, 0) / self.count

    def add(self, trace: Trace) -> None:
        """Keep what one run says."""
        timing = trace.scenario.timing
        delay = (timing["channels_delay"] + timing["apply"]) / MICRO
        flat = windows.flat(trace)
        self.count += 1
        for name in WINDOWS:
            length = flat[name]
            if length is not None:  # None: this protocol has no such window
                self.windows[name].append(length + (delay if name == "total" else 0.0))
        for name, start in _starts(trace).items():
            self.starts[name].append(_instant(start, delay))
        self.starts["total"].append(0.0)
        for step in _steps(trace):
            starts, ends, _ = self.steps.setdefault(step.name, ([], [], step.what))
            starts.append(0.0 if step.name == APPLY else _instant(step.start, delay))
            ends.append(_instant(step.end, delay))
        if trace.links:
            self.explained += 1
            for stage, length_us in causes.window(trace).items():
                self.stages[stage] = self.stages.get(stage, 0) + length_us
        if self.pod_rate is not None:
            self.pod_waits.append(arrivals.pods_at_rate(trace, self.pod_rate))
        gap = flat["node_felix_gap_max"]
        for event, happened in (
            ("init_failures", trace.init_failures > 0),
            ("hazard_closed", bool(windows.hazard_closed(trace))),
            ("long_gap", gap is not None and gap > GRACEFUL_RESTART_S),
        ):
            self.events[event] = self.events.get(event, 0) + happened


def _instant(time: int | None, delay: float) -> float:
    return math.inf if time is None else time / MICRO + delay


def _starts(trace: Trace) -> dict[str, int | None]:
    """When the windows of the whole cluster begin."""
    if trace.scenario.cluster.rolling:
        return {}
    frozen = windows.enforcement_freeze(trace)
    return {
        "scheduling_block": trace.clear,
        "policy_freeze_controllers_init": trace.controllers_init,
        "policy_freeze_conversion": trace.controllers_down,
        "policy_freeze_enforcement": None if frozen is None else frozen[0],
    }


# --- steps ----------------------------------------------------------------------------------------------

APPLY = "apply the manifests"


def _steps(trace: Trace) -> Iterator[Step]:
    yield Step(APPLY, 0, 0, "nothing")
    if trace.scenario.cluster.rolling:
        yield Step(
            "restart kube-controllers",
            trace.controllers_down,
            trace.controllers_sync,
            "clean-up of nodes and addresses",
        )
        yield Step(
            "roll calico-node",
            0,
            trace.rollout,
            "policies and routes, on one node at a time",
        )
        return
    yield Step(
        "prepare the first node",
        0,
        trace.clear,
        "policies on that node",
    )
    yield Step(
        "hold kube-controllers",
        trace.controllers_down,
        trace.controllers_init_end,
        "the storing of new policies",
    )
    yield Step(
        "migrate the data",
        trace.clear,
        trace.version,
        "new pods and policies, everywhere",
    )
    yield Step(
        "write the policies anew",
        trace.controllers_init_end,
        trace.controllers_sync,
        "new pods and policies, everywhere",
    )
    yield Step("roll the other nodes", trace.version, trace.rollout, "new pods and policies, everywhere")
    yield Step("complete the upgrade", trace.rollout, trace.complete, "new pods and policies, everywhere")
    frozen = windows.enforcement_freeze(trace)
    yield Step(
        "catch up",
        trace.complete,
        None if frozen is None else frozen[1],
        "policies, node by node",
    )
