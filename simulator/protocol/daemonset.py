"""The DaemonSet controller's rolling update, and the rollout status (R3, R4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Moment, Phase, Reason, Story
from simulator.scenario import ON_DELETE

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster
    from simulator.protocol.node import Node
    from simulator.protocol.pod import Pod

NEVER = -1


class DaemonSet:
    """Counts pods as they change, so that a look at all of them costs nothing. `order`: processing order.

    `new`: the template is the new one; after a rollback (extension) it is the old one again, and "old" below is v3.
    """

    def __init__(self, cluster: Cluster, order: list[Node]) -> None:
        self._cluster = cluster
        self._clock = cluster.clock
        self._order = order
        self._on_delete = cluster.scenario.cluster.update_strategy == ON_DELETE
        self.new = True
        self._candidate = 0  # everything before it in the order is new or gone
        self._desired = sum(node.exists for node in order)
        self._unavailable = 0
        self._updated_ready = 0
        self._old_unready: dict[Node, Reason] = {}  # and what made them so
        self._freed: list[Reason] = []  # what lessened the unavailable pods since the last reaction
        self._sync_at = NEVER
        self.acted_at = NEVER
        """instant of the last reaction"""
        self._finished = self._clock.event()
        self._sync_priority = self._clock.priority(Phase.CONTROLLER)
        self._status_priority = self._clock.priority(Phase.ROLLOUT)

    # What the controller sees --------------------------------------------------------------------------------

    def readiness_changed(self, node: Node) -> None:
        """A node's pod has become Ready or unready."""
        ready, new = node.pod.ready, node.pod.new is self.new
        self._unavailable += -1 if ready else 1
        if ready:
            self._freed.append(self._clock.mark())
        if new:
            self._updated_ready += 1 if ready else -1
        elif ready:
            self._old_unready.pop(node, None)
        else:
            self._old_unready[node] = self._clock.mark()
        if ready or not new:
            self.request_sync()
        self._check_rollout()

    def pod_replaced(self, node: Node, old: Pod) -> None:
        """A pod was deleted; its replacement is not Ready."""
        self._unavailable += old.ready
        self._updated_ready -= old.ready and old.new is self.new
        self._old_unready.pop(node, None)

    def node_joined(self) -> None:
        """A node is there, without a Ready pod: one more is desired and one more unavailable, which deletes nothing."""
        self._desired += 1
        self._unavailable += 1
        self.request_sync()

    def node_removed(self, node: Node) -> None:
        """A node, which is not Ready, and its pod are gone."""
        self._desired -= 1
        self._unavailable -= 1
        self._freed.append(self._clock.mark())
        self._old_unready.pop(node, None)
        self.request_sync()
        self._check_rollout()

    # What it does --------------------------------------------------------------------------------------------

    @property
    def keeps_old(self) -> bool:
        """Whether a pod that is not Ready any more may stay although it is of the first template."""
        return self._on_delete or not self.new

    def roll_back(self) -> None:
        """`kubectl rollout undo`: the template is v2's again, and the same rules take the nodes back."""
        self.new = False
        self._candidate = 0
        nodes = [node for node in self._order if node.exists]
        self._updated_ready = sum(node.pod.ready for node in nodes if not node.pod.new)
        self._old_unready = {node: self._clock.mark() for node in nodes if node.pod.new and not node.pod.ready}
        self.request_sync()

    def request_sync(self) -> None:
        """React to what is seen now, `controller_reaction` later, after all probes of that instant (R1, R3)."""
        delay = self._cluster.timing["controller_reaction"]
        if self._sync_at != self._clock.now + delay:
            self._sync_at = self._clock.now + delay
            self._clock.call(delay, self._sync_priority, self._sync, "controller_reaction")

    def _sync(self) -> None:
        self.acted_at = self._clock.now
        if self._sync_at == self.acted_at:
            self._sync_at = NEVER  # what happens in the rest of this instant is seen by another look
        if self._on_delete:
            return  # extension O1: pods are only created
        budget = self._cluster.scenario.cluster.budget(self._desired)
        look, freed = self._clock.mark(), self._freed
        self._freed = []
        for node in sorted(self._old_unready, key=lambda node: node.rank):
            self._clock.because(self._old_unready[node], then="controller_reaction")
            node.replace_pod()  # outside the budget, though it counts
        while self._unavailable < budget and self._candidate < len(self._order):
            node = self._order[self._candidate]
            self._candidate += 1
            if node.exists and node.pod.new is not self.new:
                room = budget - self._unavailable  # of the latest that made room, the earliest is used first
                self._clock.because(freed[-room] if room <= len(freed) else look, then="controller_reaction")
                node.replace_pod()

    # Rollout status ------------------------------------------------------------------------------------------

    @property
    def rolled_out(self) -> bool:
        """Whether every existing node has a new, Ready pod (R4)."""
        return self._updated_ready == self._desired

    def wait_for_rollout(self) -> Story[None]:
        """Wait until the rollout is seen finished; it may be at once (R18)."""
        yield Moment(self._clock, 0, self._status_priority)
        while self._on_delete or not self.rolled_out:  # `rollout status` refuses OnDelete (extension O2)
            yield self._finished

    def _check_rollout(self) -> None:
        if self.rolled_out:
            self._clock.call(0, self._status_priority, self._report_rollout)

    def _report_rollout(self) -> None:
        if not self.rolled_out:
            return
        trace = self._cluster.trace
        if trace.rollout is None and self.new:
            trace.rollout = self._clock.now
            self._cluster.record("daemonset", None, "rollout")
            self._cluster.check_complete()
        self._finished.succeed()
        self._finished = self._clock.event()
