"""The scenario: what happens to which cluster, with which durations.

`Scenario.from_dict` and `Scenario.from_toml` check everything they read; what they return can be run. Any
bad input raises `ScenarioError` with its place, the reason and what to do. Seconds become integer
microseconds here and nowhere else (see `simulator.timing` for the units).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from simulator.extensions import Arrivals, Join, Typha
from simulator.timing import MICRO, TIMINGS, Timing
from simulator.timing import seconds as _seconds

V2_TO_V3: Final = "v2-to-v3"
V3_ROLLING: Final = "v3-rolling"
ROLLING_UPDATE: Final = "RollingUpdate"
ON_DELETE: Final = "OnDelete"
DEFAULT_HORIZON: Final = 100_000 * MICRO


class ScenarioError(ValueError):
    """A scenario that cannot be run: `place` (such as ``faults[2].node``), `reason` and `advice` (what to do)."""

    def __init__(self, place: str, reason: str, advice: str) -> None:
        super().__init__(f"{place}: {reason}; {advice}" if place else f"{reason}; {advice}")
        self.place = place
        self.reason = reason
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault (kinds: rules, section 3). Nodes are indices from 0; times are microseconds.

    A window is [`start`, `until`); `until` None means for ever. `at` belongs to faults of an instant.
    """

    kind: str
    node: int | None = None
    at: int | None = None
    image: str | None = None
    object: int | None = None
    abort_fails: bool = False
    start: int = 0
    until: int | None = None

    def active(self, time: int | None) -> bool:
        """Whether the window holds `time`; None asks for the end of time."""
        if time is None:
            return self.until is None
        return self.start <= time and (self.until is None or time < self.until)


@dataclass(frozen=True, slots=True)
class Action:
    """One action of the operator (rules, section 4) at `at` microseconds; `node` is an index from 0."""

    kind: str
    at: int
    node: int | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to the finished run (rules, section 5): a pod's start or a policy's arrival."""

    kind: str
    at: int
    node: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster and the upgrade's settings. `order` is the processing order as node indices from 0.

    `nodes` counts those that are there from the beginning; `order` holds those that join as well.
    """

    nodes: int
    max_unavailable: int | str = 1
    kubernetes: str = "1.10.0"
    kops: str | None = None
    protocol: str = V2_TO_V3
    order: tuple[int, ...] = ()
    resources: int = 200
    ipam: int = 0
    update_strategy: str = ROLLING_UPDATE

    @property
    def rolling(self) -> bool:
        """Whether this is the roll from v3 to v3, which migrates nothing."""
        return self.protocol == V3_ROLLING

    def budget(self, existing: int) -> int:
        """How many pods may be unavailable among `existing` nodes; a percentage rounds up (R3)."""
        if isinstance(self.max_unavailable, int):
            return self.max_unavailable
        return -(-int(self.max_unavailable[:-1]) * existing // 100)

    @property
    def at_once(self) -> int:
        """How many pods can be replaced at once: the budget of all nodes, but no more than there are."""
        return min(self.budget(self.nodes), self.nodes)

    def kubernetes_at_least(self, major: int, minor: int, patch: int = 0) -> bool:
        """Whether the Kubernetes release is that release or a later one; a pre-release is earlier."""
        return parse_version(self.kubernetes) >= (major, minor, patch, 1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A complete, checked scenario. Equal scenarios give equal results.

    `timing`: cluster-wide value of every name but the ladders. `stages`: for every name that may differ from
    node to node, one value per node. `horizon`: None runs until nothing can change any more. What follows `title`
    goes beyond the contract (docs/scenario-extensions.md).
    """

    cluster: Cluster
    timing: Mapping[str, int]
    stages: Mapping[str, tuple[int, ...]]
    crash_ladder: tuple[int, ...]
    image_ladder: tuple[int, ...]
    faults: tuple[Fault, ...] = ()
    operator: tuple[Action, ...] = ()
    probes: tuple[Probe, ...] = ()
    horizon: int | None = DEFAULT_HORIZON
    name: str | None = None
    title: str | None = None
    joins: tuple[Join, ...] = ()
    typha: Typha | None = None
    pod_arrivals: Arrivals | None = None
    policy_arrivals: Arrivals | None = None
    hazards: bool = False

    @property
    def node_count(self) -> int:
        """How many nodes there are, those that join included."""
        return self.cluster.nodes + len(self.joins)

    @property
    def asks_more(self) -> bool:
        """Whether the result has fields beyond the contract's."""
        asked = self.typha or self.pod_arrivals or self.policy_arrivals or self.hazards
        return bool(asked) or any(action.kind == "roll_back" for action in self.operator)

    @property
    def rolls_back(self) -> bool:
        """Whether the operator rolls back before the horizon: such a run does not end by completing."""
        return any(
            action.kind == "roll_back" and (self.horizon is None or action.at <= self.horizon)
            for action in self.operator
        )

    @classmethod
    def from_dict(cls, data: object) -> Scenario:
        """Check a scenario read from JSON: bare, or as ``{"scenario": …, "expected": …}``.

        Raises:
            ScenarioError: anything in it is not as the format demands.

        """
        from simulator.scenario_reader import read_dict  # it needs the classes of this module

        return read_dict(data)

    @classmethod
    def from_toml(cls, text: str) -> Scenario:
        """Check a scenario in TOML: the same keys; one that is null in JSON is left out.

        Raises:
            ScenarioError: the text is no TOML, or anything in it is not as the format demands.

        """
        from simulator.scenario_reader import read_toml

        return read_toml(text)

    def with_durations(
        self,
        timing: Mapping[str, int],
        per_node: Mapping[str, Sequence[int]],
        order: Sequence[int] | None = None,
    ) -> Scenario:
        """The same scenario with other durations, for one replication of many.

        Args:
            timing: cluster-wide values. For a name that may differ from node to node, the value holds on every
                node as well, unless `per_node` has the name too.
            per_node: one value per node, n1 first.
            order: processing order as a permutation of the node indices 0 … N-1.

        Values are integers as in `Scenario.timing`: microseconds, or counts.

        Raises:
            ScenarioError: an unknown name, a wrong number of values, a value out of range.

        """
        count = self.node_count
        new_timing, stages = dict(self.timing), dict(self.stages)
        for name, value in timing.items():
            if name not in new_timing:
                raise unknown("timing", name, new_timing, "timing name")
            check_range(f"timing.{name}", TIMINGS[name], value)
            new_timing[name] = int(value)
            if name in stages:
                stages[name] = (int(value),) * count
        for name, values in per_node.items():
            if name not in stages:
                raise unknown("per_node", name, stages, "name of a duration of nodes")
            if len(values) != count:
                raise ScenarioError(f"per_node.{name}", f"{len(values)} values for {count} nodes", "give one per node")
            stages[name] = tuple(map(int, values))
            check_range(f"per_node.{name}", TIMINGS[name], min(stages[name]))
        check_services(new_timing, stages)
        cluster = self.cluster
        if order is not None:
            if sorted(order) != list(range(count)):
                raise ScenarioError("order", "not a permutation of the nodes", f"use 0 … {count - 1} once each")
            cluster = replace(cluster, order=tuple(map(int, order)))
        return replace(self, cluster=cluster, timing=new_timing, stages=stages)

    def to_dict(self) -> dict[str, Any]:
        """The scenario as JSON data; parsing it gives an equal scenario. Golden values are left out."""
        cluster: dict[str, Any] = {
            "nodes": self.cluster.nodes,
            "max_unavailable": self.cluster.max_unavailable,
            "kubernetes": self.cluster.kubernetes,
            "protocol": self.cluster.protocol,
            "objects": {"resources": self.cluster.resources, "ipam": self.cluster.ipam},
        }
        if self.cluster.kops is not None:
            cluster["kops"] = self.cluster.kops
        if self.cluster.update_strategy != ROLLING_UPDATE:
            cluster["update_strategy"] = self.cluster.update_strategy
        if self.cluster.order != tuple(range(self.node_count)):
            cluster["order"] = [node_name(index) for index in self.cluster.order]
        per_node: dict[str, dict[str, float]] = {}
        for name, values in self.stages.items():
            usual = self.timing[name]
            for index, value in enumerate(values):
                if value != usual:
                    per_node.setdefault(node_name(index), {})[name] = _written(TIMINGS[name], value)
        data: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "cluster": cluster,
            "timing": _timing_dict(self),
            "per_node": per_node,
            "faults": [_fault_dict(fault) for fault in self.faults],
            "operator": [_entry("action", action.kind, action) for action in self.operator],
            "probes": [_entry("kind", probe.kind, probe) for probe in self.probes],
            "joins": [{"node": node_name(join.node), "at": _seconds(join.at)} for join in self.joins],
            "typha": None if self.typha is None else self.typha.to_dict(),
            "arrivals": {
                name: arrivals.to_dict()
                for name, arrivals in (("pods", self.pod_arrivals), ("policies", self.policy_arrivals))
                if arrivals is not None
            },
            "extensions": ["hazards"] if self.hazards else [],
        }
        data = {key: value for key, value in data.items() if value or value == ""}
        data["horizon"] = None if self.horizon is None else _seconds(self.horizon)
        return data


def _written(timing: Timing, value: int) -> int | float:
    return _seconds(value) if timing.scaled else value


def node_name(index: int) -> str:
    """The name of the node with that index: n1 for 0."""
    return f"n{index + 1}"


def _timing_dict(scenario: Scenario) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for name, timing in TIMINGS.items():
        if name in ("crash_ladder", "image_ladder"):
            ladder = [_seconds(step) for step in getattr(scenario, name)]
            if tuple(ladder) != timing.golden:
                written[name] = ladder
        elif (value := _written(timing, scenario.timing[name])) != timing.golden:
            written[name] = value
    return written


def _entry(key: str, kind: str, item: Action | Probe) -> dict[str, Any]:
    entry: dict[str, Any] = {key: kind}
    if item.node is not None:
        entry["node"] = node_name(item.node)
    if isinstance(item, Probe) and item.source is not None:
        entry["source"] = item.source
    entry["at"] = _seconds(item.at)
    return entry


def _fault_dict(fault: Fault) -> dict[str, Any]:
    values: dict[str, Any] = {
        "node": None if fault.node is None else node_name(fault.node),
        "at": None if fault.at is None else _seconds(fault.at),
        "image": fault.image,
        "object": fault.object,
        "abort_fails": fault.abort_fails or None,
        "from": _seconds(fault.start) or None,
        "until": None if fault.until is None else _seconds(fault.until),
    }
    return {"kind": fault.kind} | {key: value for key, value in values.items() if value is not None}


def _close(word: object, known: Iterable[str]) -> str:
    """``did you mean …`` or the list of what is possible."""
    from difflib import get_close_matches  # only a mistake pays for this import

    names = list(known)
    near = get_close_matches(str(word), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"possible: {', '.join(names) or 'none'}"


def unknown(place: str, word: object, known: Iterable[str], what: str) -> ScenarioError:
    """The error for a word that is none of the known ones."""
    return ScenarioError(place, f"{word!r} is no {what}", _close(word, known))


def check_range(place: str, timing: Timing, number: int) -> None:
    """Refuse a value that the timing name cannot have."""
    if number < 0:
        raise ScenarioError(place, "it is negative", "use 0 or more")
    if timing.positive and number == 0:
        raise ScenarioError(place, "it must be more than 0", "use a positive number")


def check_services(timing: Mapping[str, int], stages: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse services that come up before the version is written."""
    advice = "calico-node writes its version before its services come up: use services >= ensure_initialized"
    if timing["services"] < timing["ensure_initialized"]:
        raise ScenarioError("timing.services", "it is less than ensure_initialized", advice)
    late = map(operator.lt, stages["services"], stages["ensure_initialized"])
    for index, wrong in enumerate(late):
        if wrong:
            raise ScenarioError(f"per_node.{node_name(index)}.services", "it is less than ensure_initialized", advice)


def parse_version(text: str) -> tuple[int, int, int, int]:
    """(major, minor, patch, 1, or 0 for a pre-release); text that is no version: ValueError."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.(\d+))?(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", text)
    if match is None:
        raise ValueError(text)
    return int(match[1]), int(match[2]), int(match[3] or 0), 0 if match[4] else 1
