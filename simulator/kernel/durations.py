"""The durations of many runs as arrays, and what of a pod's life does not depend on when it begins.

Arrays are [node, run] or broadcast to that; a duration that is the same everywhere has the shape (1, 1).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from simulator.draws import Block, Integers
from simulator.scenario import Scenario

NEVER = 2**62
"""An instant that does not come, in microseconds."""


class Durations:
    """A scenario's durations with the draws of some runs in their place, as `draws.replication` would put them."""

    def __init__(self, scenario: Scenario, block: Block) -> None:
        self.scenario = scenario
        self.nodes = scenario.cluster.nodes
        self.runs = len(block.order)
        self._block = block

    @property
    def order(self) -> Integers:
        """[run, rank] -> node."""
        return self._block.order

    def cluster(self, name: str) -> Integers:
        """The cluster's own value, one a run."""
        drawn = self._block.timing.get(name)
        return np.full(self.runs, self.scenario.timing[name]) if drawn is None else drawn

    def node(self, name: str) -> Integers:
        """The nodes' values: [node, run], or a shape that broadcasts to it."""
        if name in self._block.per_node:
            return self._block.per_node[name]
        if name in self._block.timing:
            return narrow(self._block.timing[name][None, :])
        return narrow(np.array(self.scenario.stages[name])[:, None])

    @cached_property
    def places(self) -> Integers:
        """[run, rank] -> where the node of that rank stands in a flat array [node, run]."""
        return self._block.order * self.runs + np.arange(self.runs)[:, None]

    def ordered(self, values: Integers, ranks: slice = slice(None)) -> Integers:
        """[node, run] -> [run, rank]: in processing order."""
        places = self.places[:, ranks]
        rows, columns = values.shape
        if rows == 1:
            return np.broadcast_to(values.T, places.shape) if columns > 1 else np.broadcast_to(values, places.shape)
        if columns == 1:
            return values[:, 0].take(self._block.order[:, ranks])
        return values.ravel().take(places)

    def by_node(self, values: Integers) -> Integers:
        """[run, rank] -> [node, run]."""
        spread = np.empty((self.nodes, self.runs), np.int64)
        spread.reshape(-1)[self.places] = values
        return spread


def narrow(values: Integers) -> Integers:
    """One value, of shape (1, 1), if all are the same: it makes divisions fast and saves memory."""
    first = values[:1, :1]
    return first if (values == first).all() else values


def ceil_grid(since: Integers, turn: Integers, until: Integers) -> Integers:
    """The first of since, since + turn, since + 2 turns ... that is not before `until`."""
    step = int(turn.flat[0]) if turn.size == 1 else turn  # a division by one number is several times faster
    turns = (until - since + (step - 1)) // step
    reached: Integers = since + np.maximum(turns, 0) * step
    return reached


def total(*parts: Integers) -> Integers:
    """The sum, in one array of its own: what is small is added first, and nothing large is made in between."""
    parts = tuple(sorted(parts, key=np.size))
    answer = parts[0] + parts[1]
    for part in parts[2:]:
        shape = np.broadcast_shapes(answer.shape, part.shape)
        answer = np.add(answer, part, out=answer if answer.shape == shape else None)
    return answer


class PodLife:
    """The instants of a new pod, in microseconds after the deletion of the old one, where nothing holds it up.

    `main`: calico-node starts. `up`: Felix and BIRD are up. `dead`: the old BIRD is down for the probes from then on.
    """

    def __init__(self, durations: Durations) -> None:
        self._node = node = durations.node
        self.rolling = durations.scenario.cluster.rolling
        self.kill = node("kill")
        self.latency = narrow(durations.cluster("scheduler_latency")[None, :])
        self.dead = np.maximum(self.kill, 1)  # what the controller deletes is missed only by later probes (R1)
        self.main = total(np.maximum(self.kill, self.latency), *map(node, ROLLING if self.rolling else MIGRATION))
        self.up = self.main + node("services")
        self.felix_after = node("felix_sync" if self.rolling else "felix_ready")
        self.period = node("readiness_period")

    @property
    def begun(self) -> Integers:
        """From where the kubelet begins with the pod, which the old one's end may hold up, to `main`."""
        return self.main - np.maximum(self.kill, self.latency)

    @property
    def cni(self) -> Integers:
        """install-cni runs; in v3-rolling it has long been."""
        return self.up if self.rolling else self.main + self._node("pull_cni")

    @property
    def zero(self) -> Integers:
        """The first readiness probe."""
        return self.latency + self._node("probe_offset")

    def ready(self, peers: Integers) -> Integers:
        """When the pod is Ready, if it has peers enough from so long after `up` on."""
        zero = self.zero
        ready: Integers = self.up + np.maximum(self.felix_after, peers)
        if ready.shape != np.broadcast_shapes(ready.shape, zero.shape, self.period.shape) or self.period.size > 1:
            ready = ceil_grid(zero, self.period, ready)
        else:  # the same without new arrays
            step = int(self.period.flat[0])
            ready -= zero - (step - 1)
            ready //= step
            np.maximum(ready, 0, out=ready)
            ready *= step
            ready += zero
        if not self.rolling:
            ready = np.maximum(ready, self.cni)
        return ready


MIGRATION = ("sandbox", "pull_upgrade", "needed", "pull_node")
ROLLING = ("sandbox", "pull_cni", "upgrade_ipam", "install_cni", "pull_node", "ebpf_bootstrap")
"""What comes between the start of a pod and that of calico-node, in v2-to-v3 and in v3-rolling."""
