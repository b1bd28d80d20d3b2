"""The rollback to v2 (extension: action `roll_back`; facts F22): the recipe in its order, and when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Phase

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster
    from simulator.protocol.node import Node


class Rollback:
    """What the operator does to go back, and what he waits for before he empties the v3 store.

    `started`: the DaemonSet's template is v2's again.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.started = False
        self._missing: set[Node] = set()  # nodes on which v2's Felix is not in sync again

    def start(self) -> None:
        """Abort, undo the DaemonSet and the Deployment, delete the Job: all at once, in the recipe's order."""
        cluster = self._cluster
        self.started = True
        cluster.trace.roll_back = cluster.clock.now
        self._missing = {node for node in cluster.nodes if node.exists}
        cluster.datastore.set_ready(True)
        cluster.daemonset.roll_back()
        cluster.controllers.roll_back()
        cluster.job.delete()
        for node in cluster.nodes:
            if node.exists and node.pod.steady:
                node.pod.resume()

    def containers_ended(self) -> None:
        """A pod's containers are gone. An init container of v3 that lived for another `kill` may have locked again.

        The operator looks at Ready once more; while another one migrates that would be too early.
        """
        store = self._cluster.datastore
        if not store.v1_ready and not any(node.migrates for node in self._cluster.nodes):
            store.set_ready(True)

    def node_joined(self, node: Node) -> None:
        """Its pod is one of v2."""
        if self.started:
            self._missing.add(node)

    def node_done(self, node: Node) -> None:
        """v2's Felix is in sync on a node, or the node is gone."""
        self._missing.discard(node)
        self.check_done()

    def check_done(self) -> None:
        """The last step: no v3 container is left, kube-controllers included, so the v3 store stays empty now."""
        cluster, trace = self._cluster, self._cluster.trace
        if not self.started or self._missing or trace.controllers_back is None or trace.rolled_back is not None:
            return
        trace.rolled_back = cluster.clock.now
        cluster.datastore.delete_objects()
        cluster.record("operator", None, "rolled_back")
        cluster.clock.call(0, cluster.clock.priority(Phase.END), cluster.stop)
