"""What is kept of every run of a plan: windows, the instants of the steps, and where the time went.

Traces count microseconds from t_apply. A plan counts seconds from the end of `kops update cluster --yes`:
`channels_delay` and `apply` come first and are in every instant here; lengths do not change, except `total`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator import arrivals, causes, windows
from simulator.timing import MICRO
from simulator.trace import Trace

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

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
    """One step of some runs, in microseconds after t_apply, and what is blocked meanwhile."""

    name: str
    start: Integers
    end: Integers
    what: str


NEVER = 2**62
"""In `Runs`: an instant that does not come."""


@dataclass(slots=True)
class Runs:
    """What a plan keeps of some runs, one entry a run: instants in microseconds after t_apply, windows in seconds.

    `frozen` and `synced` are the ends of the policy freeze on the nodes. `block`, `staleness` and `gap` are the
    windows' lengths (`math.inf`: without end). `hazard` and `failed` are whether hazard_closed occurs, and whether an
    init container fails.
    """

    delay: Floats
    clear: Integers
    version: Integers
    rollout: Integers
    complete: Integers
    controllers_down: Integers
    controllers_init: Integers
    controllers_init_end: Integers
    controllers_sync: Integers
    frozen: Integers
    synced: Integers
    total: Integers
    block: Floats
    staleness: Floats
    gap: Floats
    hazard: npt.NDArray[np.bool_]
    failed: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, trace: Trace) -> Runs:
        """One run of the engine."""
        flat = windows.flat(trace)
        frozen = windows.enforcement_freeze(trace) or (None, None)
        timing = trace.scenario.timing

        def instant(time: int | None) -> Integers:
            return np.array([NEVER if time is None else time])

        return cls(
            delay=np.array([(timing["channels_delay"] + timing["apply"]) / MICRO]),
            clear=instant(trace.clear),
            version=instant(trace.version),
            rollout=instant(trace.rollout),
            complete=instant(trace.complete),
            controllers_down=instant(trace.controllers_down),
            controllers_init=instant(trace.controllers_init),
            controllers_init_end=instant(trace.controllers_init_end),
            controllers_sync=instant(trace.controllers_sync),
            frozen=instant(frozen[0]),
            synced=instant(frozen[1]),
            total=instant(windows.total(trace)),
            block=np.array([flat["scheduling_block"]], np.float64),
            staleness=np.array([flat["node_policy_staleness_max"]], np.float64),
            gap=np.array([flat["node_felix_gap_max"]], np.float64),
            hazard=np.array([bool(windows.hazard_closed(trace))]),
            failed=np.array([trace.init_failures > 0]),
        )

    @classmethod
    def joined(cls, parts: Sequence[Runs]) -> Runs:
        """The runs of all parts, in their order."""
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))

    def replace(self, index: int, other: Runs) -> None:
        """Put the first of `other` in the place of a run."""
        for item in fields(self):
            getattr(self, item.name)[index] = getattr(other, item.name)[0]


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
        """Keep what one run of the engine says."""
        self.extend(Runs.of(trace), trace.scenario.cluster.rolling)
        if trace.links:
            self.explained += 1
            for stage, length_us in causes.window(trace).items():
                self.stages[stage] = self.stages.get(stage, 0) + length_us
        if self.pod_rate is not None:
            self.pod_waits.append(arrivals.pods_at_rate(trace, self.pod_rate))

    def extend(self, runs: Runs, rolling: bool) -> None:
        """Keep the windows and steps of some runs, in their order."""
        self.count += len(runs.delay)
        for name, length in _lengths(runs, rolling).items():
            self.windows[name] += length.tolist()
        for name, start in _starts(runs, rolling).items():
            self.starts[name] += (_seconds(start) + runs.delay).tolist()
        self.starts["total"] += [0.0] * len(runs.delay)
        for step in _steps(runs, rolling):
            starts, ends, _ = self.steps.setdefault(step.name, ([], [], step.what))
            starts += [0.0] * len(runs.delay) if step.name == APPLY else (_seconds(step.start) + runs.delay).tolist()
            ends += (_seconds(step.end) + runs.delay).tolist()
        for event, happened in (
            ("init_failures", runs.failed),
            ("hazard_closed", runs.hazard),
            ("long_gap", runs.gap > GRACEFUL_RESTART_S),
        ):
            self.events[event] = self.events.get(event, 0) + int(happened.sum())


def _seconds(time: Integers) -> Floats:
    return np.where(time >= NEVER, math.inf, time / MICRO)


def _between(start: Integers, until: Integers) -> Floats:
    return np.where((start >= NEVER) | (until >= NEVER), math.inf, (until - start) / MICRO)


def _lengths(runs: Runs, rolling: bool) -> dict[str, Floats]:
    """The lengths of the windows that the protocol has."""
    lengths = {
        "scheduling_block": runs.block,
        "policy_freeze_controllers_init": _between(runs.controllers_init, runs.controllers_init_end),
        "policy_freeze_conversion": _between(runs.controllers_down, runs.controllers_sync),
        "policy_freeze_enforcement": np.where(runs.frozen >= NEVER, 0.0, _between(runs.frozen, runs.synced)),
        "node_policy_staleness_max": runs.staleness,
        "node_felix_gap_max": runs.gap,
        "total": _seconds(runs.total) + runs.delay,
    }
    return {name: length for name, length in lengths.items() if not (rolling and name.startswith("policy_freeze_"))}


def _starts(runs: Runs, rolling: bool) -> dict[str, Integers]:
    """When the windows of the whole cluster begin."""
    if rolling:
        return {}
    return {
        "scheduling_block": runs.clear,
        "policy_freeze_controllers_init": runs.controllers_init,
        "policy_freeze_conversion": runs.controllers_down,
        "policy_freeze_enforcement": runs.frozen,
    }


# --- steps ----------------------------------------------------------------------------------------------

APPLY = "apply the manifests"


def _steps(runs: Runs, rolling: bool) -> Iterator[Step]:
    zero = np.zeros_like(runs.clear)
    yield Step(APPLY, zero, zero, "nothing")
    if rolling:
        yield Step(
            "restart kube-controllers",
            runs.controllers_down,
            runs.controllers_sync,
            "clean-up of nodes and addresses",
        )
        yield Step(
            "roll calico-node",
            zero,
            runs.rollout,
            "policies and routes, on one node at a time",
        )
        return
    yield Step(
        "prepare the first node",
        zero,
        runs.clear,
        "policies on that node",
    )
    yield Step(
        "hold kube-controllers",
        runs.controllers_down,
        runs.controllers_init_end,
        "the storing of new policies",
    )
    yield Step(
        "migrate the data",
        runs.clear,
        runs.version,
        "new pods and policies, everywhere",
    )
    yield Step(
        "write the policies anew",
        runs.controllers_init_end,
        runs.controllers_sync,
        "new pods and policies, everywhere",
    )
    yield Step("roll the other nodes", runs.version, runs.rollout, "new pods and policies, everywhere")
    yield Step("complete the upgrade", runs.rollout, runs.complete, "new pods and policies, everywhere")
    yield Step(
        "catch up",
        runs.complete,
        runs.synced,
        "policies, node by node",
    )
