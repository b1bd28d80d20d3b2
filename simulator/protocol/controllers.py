"""kube-controllers: Recreate, an init container that waits for the migration, then all policies (R17, R21)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Moment, Phase, Story
from simulator.protocol.kubelet import CrashLadder, ImagePuller, next_read

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster


class Controllers:
    """The one kube-controllers pod, on a node that never fails."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        ranks = cluster.scenario.cluster.nodes
        self._step = cluster.clock.priority(Phase.STEP, ranks)
        self._poll = cluster.clock.priority(Phase.POLL, ranks)
        self.puller = ImagePuller(cluster, "controllers", self._step)

    def run(self) -> Story[None]:
        """From the end of the old pod until all keys are written."""
        cluster, clock, timing, trace = self._cluster, self._cluster.clock, self._cluster.timing, self._cluster.trace
        yield Moment(clock, timing["controllers_old_gone"], self._step)
        trace.controllers_down = clock.now
        cluster.record("controllers", None, "old_gone")
        schedulable = cluster.faults.over("controllers_unschedulable")
        if schedulable is None:
            return
        if schedulable > clock.now:
            yield Moment(clock, schedulable - clock.now, self._step)
        cluster.record("controllers", None, "sandbox_started")
        yield Moment(clock, timing["sandbox"], self._step)
        cluster.record("controllers", None, "sandbox_done")
        if not cluster.rolling:
            yield from self.puller.pull("upgrade", timing["pull_upgrade"])
            yield from self._run_init()
        yield from self.puller.pull("controllers", timing["pull_controllers"])
        cluster.record("controllers", None, "main_started")
        yield Moment(clock, timing["controllers_sync"], self._step)
        trace.controllers_sync = clock.now
        cluster.record("controllers", None, "controllers_sync")
        cluster.check_complete()

    def _run_init(self) -> Story[None]:
        """`needed` again and again: 1 ends the wait, 2 fails the container."""
        cluster, clock, timing = self._cluster, self._cluster.clock, self._cluster.timing
        faults, ladder = cluster.faults, CrashLadder(cluster)
        cluster.trace.controllers_init = clock.now
        while True:
            started = clock.now
            cluster.record("controllers", None, "init_started")
            yield Moment(clock, timing["needed"], self._poll)
            while not (failed := faults.active("needed_error", clock.now)) and cluster.datastore.needed():
                yield from next_read(cluster, timing["script_poll"] + timing["needed"], self._poll)
            if not failed:
                break
            cluster.record("controllers", None, "init_failed")
            yield Moment(clock, ladder.after(clock.now - started), self._step)
        cluster.trace.controllers_init_end = clock.now
        cluster.record("controllers", None, "init_done")
