"""A node: on or off, with its images and the one calico-node pod that belongs to it (R5, R6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Phase
from simulator.protocol.pod import Pod
from simulator.scenario import node_name
from simulator.timing import NodeTiming

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster


class Node:
    """One node. `rank` is its place in the processing order."""

    def __init__(self, cluster: Cluster, index: int, rank: int, timing: NodeTiming) -> None:
        self.cluster = cluster
        self.index = index
        self.name = node_name(index)
        self.rank = rank
        self.timing = timing
        self.trace = cluster.trace.nodes[index]
        self.kill = cluster.clock.priority(Phase.KILL, rank)
        self.step = cluster.clock.priority(Phase.STEP, rank)
        self.check = cluster.clock.priority(Phase.CHECK, rank)
        self.poll = cluster.clock.priority(Phase.POLL, rank)
        self.up = True
        self.exists = True
        self.images: set[str] = set()
        self._dying: list[Pod] = []  # deleted pods whose containers may still live
        self.pod = Pod(self, new=False)

    def replace_pod(self) -> None:
        """Delete the pod; its replacement exists at once (R3)."""
        old = self.pod
        self.pod = Pod(self, new=True)
        self.cluster.record("daemonset", self.name, "pod_deleted")
        self.cluster.daemonset.pod_replaced(self, old)
        self._dying.append(old)
        old.delete()
        if self.up:
            self.pod.begin(self.timing.kill)

    def go_down(self) -> None:
        """The node is off: all its containers and pulls end (R6)."""
        self.up = False
        self.cluster.record("node", self.name, "not_ready")
        for pod in (*self._dying, self.pod):
            pod.stop()
        self._dying.clear()

    def come_back(self) -> None:
        """The node is on again; the kubelet starts its pod anew (R6)."""
        if not self.exists:
            return
        self.up = True
        self.cluster.record("node", self.name, "returned")
        if self.pod.new:
            self.pod.begin(0)
        else:  # back before the controller noticed, which takes `controller_reaction`
            self.cluster.mesh.bird_up(self.index)
            self.pod.run_old()
            self.pod.probe.watch()

    def remove(self) -> None:
        """The Node object and the pod vanish (action `delete_node`)."""
        if self.up:
            self.go_down()
        self.exists = False
        self.cluster.record("operator", self.name, "node_deleted")
        self.cluster.trace.removed.add(self.index)
        self.cluster.mesh.node_removed(self.index)
        self.cluster.daemonset.node_removed(self)
        self.cluster.node_removed(self)

    def readiness_changed(self, ready: bool) -> None:
        """The pod's Ready condition has changed."""
        self.cluster.record("kubelet", self.name, "pod_ready" if ready else "pod_unready")
        if ready and self.pod.new and self.trace.ready is None:
            self.trace.ready = self.cluster.clock.now
        self.cluster.daemonset.readiness_changed(self)

    def services_up(self, started: int) -> None:
        """Felix and BIRD of a calico-node run that began at `started` are up."""
        if self.trace.main is None:
            self.trace.main = started
        self.cluster.record("calico-node", self.name, "services_up")
        self.cluster.mesh.bird_up(self.index)

    def cni_installed(self) -> None:
        """The v3 CNI plugin is on the node (R7)."""
        if self.trace.cni is None:
            self.trace.cni = self.cluster.clock.now
            self.cluster.record("install-cni", self.name, "cni_installed")
            self.cluster.node_progressed(self)

    def felix_in_sync(self) -> None:
        """v3 Felix programs the current policy (R16)."""
        self.cluster.record("felix", self.name, "in_sync")
        if self.trace.in_sync is None:
            self.trace.in_sync = self.cluster.clock.now
            self.cluster.node_progressed(self)

    @property
    def settled(self) -> bool:
        """Nothing of the upgrade is missing here: Felix in sync and, after a migration, the v3 CNI plugin."""
        return self.trace.in_sync is not None and (self.cluster.rolling or self.trace.cni is not None)
