"""The completion Job: waits for the rollout, then opens the datastore (R18-R20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simpy import Interrupt
from simpy.events import Process

from simulator.protocol.clock import Moment, Phase, Story
from simulator.protocol.kubelet import CrashLadder, ImagePuller

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster


class CompletionJob:
    """The Job `calico-complete-upgrade`, on a node that never fails. A migration has one; it may be recreated."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._step = cluster.clock.priority(Phase.STEP, cluster.scenario.node_count)
        self._process: Process | None = None
        self.puller = ImagePuller(cluster, "job", self._step)
        self.image_mismatch = bool(cluster.faults.of("expected_image_mismatch"))
        self.failed = False

    def create(self) -> None:
        """The Job as applied with the manifests."""
        self._process = self._cluster.clock.process(self._until_deleted())

    def recreate(self) -> None:
        """Deleted and created again, now with the right image (action `recreate_job`)."""
        self.delete()
        self._cluster.trace.job_restarts = 0
        self.create()

    def delete(self) -> None:
        """The Job and its pod are gone."""
        if self._process is not None and self._process.is_alive:
            self._process.interrupt()
        self.puller.waiting.clear()
        self.image_mismatch = self.failed = False

    def _until_deleted(self) -> Story[None]:
        try:
            yield from self._run()
        except Interrupt:
            return

    def _run(self) -> Story[None]:
        cluster, clock, timing = self._cluster, self._cluster.clock, self._cluster.timing
        schedulable = cluster.faults.over("job_unschedulable")
        if schedulable is None:
            return
        if schedulable > clock.now:
            yield Moment(clock, schedulable - clock.now, self._step, "fault job_unschedulable")
        cluster.record("job", None, "pod_created")
        # `job_ready` includes the pull, so the pull begins as late as it can (R18).
        pull = min(timing["pull_upgrade"], timing["job_ready"])
        yield Moment(clock, timing["job_ready"] - pull, self._step, "job_ready")
        yield from self.puller.pull("upgrade", pull)
        if self.image_mismatch:
            return  # it polls for an image that never comes; nothing that happens changes what it sees
        limit = timing["job_backoff_limit"] if cluster.scenario.cluster.kubernetes_at_least(1, 10, 5) else None
        ladder = CrashLadder(cluster)
        while True:
            started = clock.now
            yield from cluster.daemonset.wait_for_rollout()
            if (yield from self._complete()):
                return
            yield from ladder.back_off(started, self._step, ("complete_fails",))
            cluster.trace.job_restarts += 1
            cluster.record("job", None, "job_restarted")
            if limit is not None and cluster.trace.job_restarts >= limit:
                self.failed = True  # R20
                cluster.record("job", None, "job_failed")
                return

    def _complete(self) -> Story[Any]:
        """One run of `complete`: True when a try opened the datastore (R19)."""
        cluster, clock, timing = self._cluster, self._cluster.clock, self._cluster.timing
        cluster.record("job", None, "complete_started")
        begin = clock.now
        end = begin + timing["complete_failed_run"]
        while cluster.faults.active("complete_fails", clock.now):
            if clock.now + timing["complete_retry"] >= end:
                yield Moment(clock, end - clock.now, self._step, "complete_failed_run")
                cluster.record("job", None, "complete_failed")
                return False
            yield Moment(clock, timing["complete_retry"], self._step, "complete_retry")
        clock.because(cluster.faults.gone(("complete_fails",), begin, clock.now), then="complete_retry")
        yield Moment(clock, timing["complete"], self._step, "complete")
        cluster.datastore.set_open()
        return True
