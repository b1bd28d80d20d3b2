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
    """One node. `rank` is its place in the processing order; one that `joins` is not there from the beginning."""

    def __init__(self, cluster: Cluster, index: int, rank: int, timing: NodeTiming, joins: bool) -> None:
        self.cluster = cluster
        self.index = index
        self.name = node_name(index)
        self.rank = rank
        self.joins = joins
        self.timing = timing
        self.trace = cluster.trace.nodes[index]
        self.kill = cluster.clock.priority(Phase.KILL, rank)
        self.step = cluster.clock.priority(Phase.STEP, rank)
        self.check = cluster.clock.priority(Phase.CHECK, rank)
        self.poll = cluster.clock.priority(Phase.POLL, rank)
        self.up = True
        self.exists = not joins
        self.images: set[str] = set()
        self._dying: list[Pod] = []  # deleted pods whose containers may still live
        self._dead_at = 0  # when the containers of the last one that was deleted have ended
        self.missing = False  # the pod, which is not there yet: it was deleted, or the node has joined
        self.pod = Pod(self, new=joins, running=not joins)

    def join(self) -> None:
        """The node is there; the controller sees it and creates its pod (extension J1)."""
        self.exists = True
        self.trace.joined = self.cluster.clock.now
        self.cluster.trace.removed.discard(self.index)
        self.cluster.record("node", self.name, "joined")
        self.pod = Pod(self, new=self.cluster.daemonset.new)
        self._dead_at = self.cluster.clock.now
        self.missing = True
        at_once = self.cluster.daemonset.node_joined(self)
        self.cluster.node_joined(self)
        if at_once:
            self.create_pod(late=self.cluster.timing["controller_reaction"])

    def replace_pod(self) -> None:
        """Delete the pod; its replacement exists at once (R3)."""
        self.delete_pod()
        self.create_pod()

    def delete_pod(self) -> None:
        """Delete the pod; the one that stands for its replacement is not there yet."""
        old, now = self.pod, self.cluster.clock.now
        self.pod = Pod(self, new=self.cluster.daemonset.new)
        self.missing = True
        self._dead_at = now + self.timing.kill if self.up else now
        self.cluster.record("daemonset", self.name, "pod_deleted")
        self.cluster.daemonset.pod_deleted(self, old)
        self._dying.append(old)
        old.delete()

    def create_pod(self, late: int = 0) -> None:
        """The missing pod is there, or will be that much later; it starts when the one before has ended."""
        now = self.cluster.clock.now
        self.missing = False
        self.pod.created = now + late
        self.pod.new = self.cluster.daemonset.new
        if self.up:
            self.pod.begin(max(0, self._dead_at - now))

    def go_down(self) -> None:
        """The node is off: all its containers and pulls end (R6)."""
        self.up = False
        self._dead_at = min(self._dead_at, self.cluster.clock.now)
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
        if self.missing:
            return
        if self.pod.new or self.cluster.daemonset.keeps_old:
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

    def initialized(self) -> None:
        """Startup has written its Node resource and the version (R11)."""
        if self.joins:
            self.cluster.mesh.node_known(self.index)
        if not self.cluster.rolling:
            self.cluster.datastore.write_version()

    def services_up(self, started: int) -> None:
        """Felix and BIRD of a calico-node run that began at `started` are up."""
        if self.trace.main is None:
            self.trace.main = started
        self.trace.v3_ended = None
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

    def calico_node_ended(self, pod: Pod) -> None:
        """The calico-node container of a pod of this node ends."""
        if pod.new:
            self.trace.v3_ended = self.cluster.clock.now
        elif not self.cluster.rollback.started:
            self.trace.killed = self.cluster.clock.now

    # A pod of v2 that starts anew ----------------------------------------------------------------------------

    def v2_started(self) -> None:
        """Its containers run; the second one has put v2's CNI plugin on the node."""
        self.cluster.record("calico-node", self.name, "v2_main_started")
        if not self.cluster.rollback.started:
            self.trace.killed = None  # the pod was never deleted
        elif self.trace.v2_cni is None:
            self.trace.v2_cni = self.cluster.clock.now

    def v2_services_up(self, started: int) -> None:
        """v2's Felix and BIRD of a calico-node run that began at `started` are up."""
        self.cluster.record("calico-node", self.name, "v2_services_up")
        self.cluster.mesh.bird_up(self.index, stranger=not self.cluster.rolling)
        if self.cluster.rollback.started and self.trace.v2_main is None:
            self.trace.v2_main = started

    def v2_in_sync(self, since: int) -> None:
        """v2's Felix programs the current policy, since that time."""
        if self.cluster.rollback.started and self.trace.v2_in_sync is None:
            self.trace.v2_in_sync = since
            self.cluster.record("felix", self.name, "v2_in_sync")
            self.cluster.rollback.node_done(self)

    @property
    def migrates(self) -> bool:
        """An init container is between its t_clear and its end."""
        return any(pod.migrating for pod in (*self._dying, self.pod))

    @property
    def settled(self) -> bool:
        """Nothing of the upgrade is missing here: Felix in sync and, after a migration, the v3 CNI plugin."""
        return self.trace.in_sync is not None and (self.cluster.rolling or self.trace.cni is not None)
