"""kube-controllers: Recreate, an init container that waits for the migration, then all policies (R17, R21)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy import Interrupt
from simpy.events import Process

from simulator.protocol.clock import Moment, Phase, Story
from simulator.protocol.kubelet import CrashLadder, ImagePuller, next_read

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster


class Controllers:
    """The one kube-controllers pod, on a node that never fails."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        ranks = cluster.scenario.node_count
        self._step = cluster.clock.priority(Phase.STEP, ranks)
        self._poll = cluster.clock.priority(Phase.POLL, ranks)
        self.puller = ImagePuller(cluster, "controllers", self._step)
        self._process: Process | None = None

    def start(self) -> None:
        """The Deployment as applied with the manifests."""
        self._process = self._cluster.clock.process(_until_deleted(self._run()))

    def roll_back(self) -> None:
        """`kubectl rollout undo`: the pod ends, and v2's starts when it is gone (Recreate)."""
        if self._process is not None and self._process.is_alive:
            self._process.interrupt()
        self.puller.waiting.clear()
        self._cluster.clock.process(self._run_v2())

    def _run(self) -> Story[None]:
        """From the end of the old pod until all keys are written."""
        cluster, clock, timing, trace = self._cluster, self._cluster.clock, self._cluster.timing, self._cluster.trace
        yield Moment(clock, timing["controllers_old_gone"], self._step, "controllers_old_gone")
        trace.controllers_down = clock.now
        cluster.record("controllers", None, "old_gone")
        yield from self._sandbox()
        if not cluster.rolling:
            yield from self.puller.pull("upgrade", timing["pull_upgrade"])
            yield from self._run_init()
        yield from self.puller.pull("controllers", timing["pull_controllers"])
        cluster.record("controllers", None, "main_started")
        yield Moment(clock, timing["controllers_sync"], self._step, "controllers_sync")
        trace.controllers_sync = clock.now
        cluster.record("controllers", None, "controllers_sync")
        cluster.check_complete()

    def _run_v2(self) -> Story[None]:
        """From the end of the pod there is until v2's has written all keys; its image is still there."""
        cluster, clock, timing, trace = self._cluster, self._cluster.clock, self._cluster.timing, self._cluster.trace
        gone = timing["controllers_old_gone"]
        if trace.controllers_down is None:  # the first v2 pod is still on its way out
            gone -= clock.now
        yield Moment(clock, gone, self._step, "controllers_old_gone")
        if trace.controllers_down is None:
            trace.controllers_down = clock.now
        trace.controllers_v3_gone = clock.now
        cluster.record("controllers", None, "v3_gone")
        yield from self._sandbox()
        cluster.record("controllers", None, "v2_main_started")
        yield Moment(clock, timing["controllers_sync"], self._step, "controllers_sync")
        trace.controllers_back = clock.now
        cluster.record("controllers", None, "v2_controllers_sync")
        cluster.rollback.check_done()

    def _sandbox(self) -> Story[None]:
        """Until the pod is schedulable and its sandbox is made; perhaps for ever."""
        cluster, clock = self._cluster, self._cluster.clock
        schedulable = cluster.faults.over("controllers_unschedulable")
        if schedulable is None:
            yield clock.event()
            return
        if schedulable > clock.now:
            yield Moment(clock, schedulable - clock.now, self._step, "fault controllers_unschedulable")
        cluster.record("controllers", None, "sandbox_started")
        yield Moment(clock, cluster.timing["sandbox"], self._step, "sandbox")
        cluster.record("controllers", None, "sandbox_done")

    def _run_init(self) -> Story[None]:
        """`needed` again and again: 1 ends the wait, 2 fails the container."""
        cluster, clock, timing = self._cluster, self._cluster.clock, self._cluster.timing
        faults, ladder = cluster.faults, CrashLadder(cluster)
        cluster.trace.controllers_init = clock.now
        while True:
            started = clock.now
            cluster.record("controllers", None, "init_started")
            yield Moment(clock, timing["needed"], self._poll, "needed")
            asked = clock.now
            while not (failed := faults.active("needed_error", clock.now)) and cluster.datastore.needed():
                yield from next_read(cluster, timing["script_poll"] + timing["needed"], self._poll)
            if not failed:
                break
            cluster.record("controllers", None, "init_failed")
            yield from ladder.back_off(started, self._step, ("needed_error",))
        clock.because(cluster.datastore.upgraded, then="script_poll", since=asked)
        cluster.trace.controllers_init_end = clock.now
        cluster.record("controllers", None, "init_done")


def _until_deleted(story: Story[None]) -> Story[None]:
    try:
        yield from story
    except Interrupt:
        return
