"""The DaemonSet controller's rolling update, and the rollout status (R3, R4)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from simulator.protocol.apiserver import SyncWorker, TokenBucket
from simulator.protocol.clock import Moment, Phase, Reason, Story
from simulator.scenario import ON_DELETE
from simulator.timing import MICRO

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster
    from simulator.protocol.node import Node
    from simulator.protocol.pod import Pod

NEVER = -1


class DaemonSet:
    """Counts pods as they change, so that a look at all of them costs nothing. `order`: processing order.

    `new`: the template is the new one; after a rollback (extension) it is the old one again, and "old" below is v3.
    Its calls take no time, unless a limit is set (extension L): then a `_Worker` makes them.
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
        limited = cluster.timing["api_qps"] or cluster.timing["slow_start"]
        self._worker = _Worker(cluster, self) if limited else None
        self._status_priority = self._clock.priority(Phase.ROLLOUT)

    # What the controller sees --------------------------------------------------------------------------------

    def readiness_changed(self, node: Node) -> None:
        """A node's pod has become Ready or unready."""
        ready, new = node.pod.ready, node.pod.new is self.new
        self._changed()
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

    def pod_deleted(self, node: Node, old: Pod) -> None:
        """A pod was deleted; its replacement is not Ready, if it is there at all."""
        self._changed()
        self._unavailable += old.ready
        self._updated_ready -= old.ready and old.new is self.new
        self._old_unready.pop(node, None)
        if self._worker is not None:
            self._worker.missing[node] = self._clock.mark()

    def pod_deleted_by_hand(self, node: Node) -> None:
        """The operator deletes a pod, if there is one; the controller replaces it."""
        if not node.exists or node.missing:
            return
        if self._worker is None:
            node.replace_pod()
        else:
            node.delete_pod()
            self.request_sync()

    def node_joined(self, node: Node) -> bool:
        """A node is there, without a Ready pod: one more is desired and one more unavailable, which deletes nothing.

        Whether its pod is created at once, which takes no call.
        """
        self._changed()
        self._desired += 1
        self._unavailable += 1
        self.request_sync()
        if self._worker is not None:
            self._worker.missing[node] = self._clock.mark()
        return self._worker is None

    def node_removed(self, node: Node) -> None:
        """A node, which is not Ready, and its pod are gone."""
        self._changed()
        self._desired -= 1
        self._unavailable -= 1
        self._freed.append(self._clock.mark())
        self._old_unready.pop(node, None)
        if self._worker is not None:
            self._worker.missing.pop(node, None)
        self.request_sync()
        self._check_rollout()

    def _changed(self) -> None:
        """The DaemonSet's status has to be written anew."""
        if self._worker is not None:
            self._worker.changes += 1

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
        self._old_unready = {
            node: self._clock.mark() for node in nodes if node.pod.new and not node.pod.ready and not node.missing
        }
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
        if self._worker is not None:
            self._worker.wake()
            return
        for node, reason in self.take_old():
            self._clock.because(reason, then="controller_reaction")
            node.replace_pod()

    def take_old(self, limit: int | None = None) -> list[tuple[Node, Reason]]:
        """The old pods that this look finds to be deleted, and what made each of them due; `limit` at most.

        The unavailable ones outside the budget, though they count; then available ones in order, while fewer than the
        budget are unavailable.
        """
        if self._on_delete:
            return []  # extension O1: pods are only created
        unavailable, budget = self._unavailable, self._cluster.scenario.cluster.budget(self._desired)
        look, freed = self._clock.mark(), self._freed
        self._freed = []
        unready = sorted(self._old_unready, key=lambda node: node.rank)[:limit]
        taken = [(node, self._old_unready[node]) for node in unready]
        while unavailable < budget and self._candidate < len(self._order) and len(taken) != limit:
            node = self._order[self._candidate]
            self._candidate += 1
            if node.exists and not node.missing and node.pod.new is not self.new and node not in self._old_unready:
                room = budget - unavailable  # of the latest that made room, the earliest is used first
                unavailable += 1
                taken.append((node, freed[-room] if room <= len(freed) else look))
        return taken

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


class _Worker(SyncWorker["tuple[Node, Reason]"]):
    """The controller's calls under a limit (extension L): one sync after the other, each call in its turn."""

    def __init__(self, cluster: Cluster, daemonset: DaemonSet) -> None:
        clock, timing = cluster.clock, cluster.timing
        qps = timing["api_qps"]  # millionths of a call a second
        tokens = TokenBucket(round(MICRO * MICRO / qps), timing["api_burst"]) if qps else None
        priority = clock.priority(Phase.CONTROLLER)
        super().__init__(tokens, lambda delay: Moment(clock, delay, priority, "api_limit"))
        self._clock = clock
        self._daemonset = daemonset
        self._slow_start = timing["slow_start"]
        self._busy = self._again = False
        self._looked_at = 0
        self.missing: dict[Node, Reason] = {}
        """nodes whose pod has to be created, and what made it so"""
        self.changes = 0
        """how often something that the status tells has changed"""

    def wake(self) -> None:
        """Something has changed, `controller_reaction` ago: sync, or again after the present sync."""
        if self._busy:
            self._again = True
        else:
            self._busy = True
            self._clock.process(self._work())

    def _work(self) -> Story[None]:
        self._again = True
        while self._again:
            self._again = False
            yield from self.sync()
        self._busy = False

    def now(self) -> int:
        return self._clock.now

    def take_missing(self, limit: int) -> list[tuple[Node, Reason]]:
        return list(self.missing.items())[:limit]

    def take_old(self, limit: int) -> list[tuple[Node, Reason]]:
        self._looked_at = self._clock.now
        return self._daemonset.take_old(limit)

    def create(self, item: tuple[Node, Reason]) -> None:
        node, reason = item
        if self.missing.pop(node, None) is not None:
            self._again = True
            self.changes += 1
            self._clock.because(reason, then="api_limit")
            node.create_pod()

    def delete(self, item: tuple[Node, Reason]) -> None:
        node, reason = item
        if node.exists and not node.missing and node.pod.new is not self._daemonset.new:
            self._again = True
            self._daemonset.acted_at = now = self._clock.now
            if now == self._looked_at:
                self._clock.because(reason, then="controller_reaction")
            node.delete_pod()

    def status(self) -> Hashable:
        return self.changes

    def status_written(self, status: Hashable) -> None:
        """The rollout is known as soon as it is over (R4): only the call counts."""

    def call_duration(self, at: int, creation: bool) -> int:
        return self._slow_start if creation else 0
