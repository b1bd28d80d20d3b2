"""The kubelet's habits: back-off after crashes and failed pulls, and readiness probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING

from simpy.events import EventPriority

from simulator.protocol.bgp import ALWAYS
from simulator.protocol.clock import START, Moment, Reason, Story, ceil_div
from simulator.scenario import node_name

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster
    from simulator.protocol.pod import Pod


class CrashLadder:
    """Waits from the end of a failed container to its restart, for one container of one pod (timing `crash_ladder`)."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._steps = cluster.scenario.crash_ladder
        self._reset = cluster.timing["crash_reset"]
        self._next = 0

    def back_off(
        self,
        started: int,
        priority: EventPriority,
        obstacles: Sequence[str],
        node: int | None = None,
        others: Callable[[], Reason | None] = lambda: None,
    ) -> Story[None]:
        """Wait after a run that began at `started` and has failed now.

        If what made it fail has gone meanwhile, that was waited for: the faults of the kinds `obstacles`, or what
        `others` names.
        """
        clock, failed = self._cluster.clock, self._cluster.clock.now
        yield Moment(clock, self._after(failed - started), priority, "crash_ladder")
        if clock.causal:
            gone = self._cluster.faults.gone(obstacles, failed, clock.now, node)
            clock.because(gone, others(), then="crash_ladder", since=failed)

    def _after(self, run: int) -> int:
        """The wait after a run of that length."""
        if run > self._reset:
            self._next = 0
        wait = self._steps[min(self._next, len(self._steps) - 1)]
        self._next += 1
        return wait


def _image_ladder(steps: Sequence[int]) -> Iterator[int]:
    """Waits from a failed pull to the next attempt; the last repeats."""
    return chain(steps, repeat(steps[-1]))


class ImagePuller:
    """Pulls the images of one pod's containers; `waiting` holds those that wait for another attempt.

    `node` is the index of the node; None for the controllers and the Job, which run elsewhere.
    """

    def __init__(self, cluster: Cluster, actor: str, priority: EventPriority, node: int | None = None) -> None:
        self._cluster = cluster
        self._actor = actor
        self._priority = priority
        self._node = node
        self._name = None if node is None else node_name(node)
        self.waiting: set[str] = set()

    def pull(self, image: str, duration: int, first_failure: Callable[[], None] | None = None) -> Story[None]:
        """Attempt by attempt until one is not in a fault's window; that one takes `duration`."""
        cluster, clock, begin = self._cluster, self._cluster.clock, self._cluster.clock.now
        for wait in _image_ladder(cluster.scenario.image_ladder):
            if not cluster.faults.pull_fails(image, self._node, clock.now):
                break
            cluster.record(self._actor, self._name, f"pull_{image}_failed")
            if first_failure and image not in self.waiting:
                first_failure()
            self.waiting.add(image)
            yield Moment(clock, wait, self._priority, "image_ladder")
        if clock.causal:
            over = cluster.faults.gone(("image_unpullable",), begin, clock.now, self._node, image)
            clock.because(over, then="image_ladder")
        self.waiting.discard(image)
        cluster.record(self._actor, self._name, f"pull_{image}_started")
        yield Moment(clock, duration, self._priority, f"pull_{image}")
        cluster.record(self._actor, self._name, f"pull_{image}_done")


def next_read(cluster: Cluster, cycle: int, priority: EventPriority) -> Story[None]:
    """From one read of a script's loop to the next that can see another answer (R8, R17).

    The loop reads every `cycle` microseconds; nothing is missed by sleeping until the store changes.
    """
    clock = cluster.clock
    last = clock.now
    yield cluster.datastore.changed
    turns = max(1, ceil_div(clock.now - last, cycle))
    yield Moment(clock, last + turns * cycle - clock.now, priority, "script_poll")


class ReadinessProbe:
    """Readiness of one calico-node container: probes at `base` + offset + k·period (R13)."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._cluster = pod.cluster
        self.base = 0
        self.ready = False
        self._failures = 0
        self._services_since: int | None = None
        self._felix_since = 0
        self._watching = False
        self._felix = START
        self._doubt = START  # what the first of the failures saw

    def services_up(self, since: int, felix: Reason, at_start: bool) -> None:
        """Calico-node's services run since `since`, which is the cause of `felix`: Felix reports ready (R16).

        `at_start`: they came up with the container, so that the probe of its start can succeed (R14).
        """
        self._services_since, self._felix_since, self._felix = since, felix.at, felix
        if at_start and self._cluster.probe_at_start:
            self._probe()
        self.watch(felix.at)

    def old_pod(self) -> None:
        """Ready with everything up since long ago, which the mesh will doubt when it must (R21)."""
        self._services_since = self._felix_since = ALWAYS
        self.ready = True

    def container_ended(self) -> None:
        """No probe counts until the next start."""
        self._services_since = None
        self.ready = self._watching = False
        self._failures = 0

    def watch(self, first: int = 0) -> None:
        """Look at every probe from now (not before `first`) on, until Ready and no longer in doubt of its peers."""
        if self._services_since is not None and not self._watching:
            self._watching = True
            self._pod.spawn(self._watch(max(first, self._cluster.clock.now)))

    def _watch(self, first: int) -> Story[None]:
        cluster, clock, timing = self._cluster, self._cluster.clock, self._pod.node.timing
        zero, period = self.base + timing.probe_offset, timing.readiness_period
        tick = zero + max(0, ceil_div(first - zero, period)) * period
        if tick == clock.now == cluster.daemonset.acted_at:
            tick += period  # the probes of an instant come before the controller's reaction (R1)
        while self._watching:
            yield Moment(clock, tick - clock.now, self._pod.node.poll, "readiness_period")
            self._probe()
            tick += period

    def _probe(self) -> None:
        """One probe. A failed one matters only while ready; the first success makes ready (R13)."""
        clock, threshold = self._cluster.clock, self._cluster.timing["failure_threshold"]
        if self._succeeds():
            self._failures = 0
            if clock.causal and not self.ready:
                clock.because(self._last_condition(), then="readiness_period")
            self.ready = True
            # Ready, and one peer is enough from here on: the mesh calls when that one may be gone.
            self._watching = not self._old_enough()
        elif self.ready:
            self._failures += 1
            if self._failures == 1:
                self._doubt = self._cluster.mesh.lost
            if self._failures == threshold:
                clock.because(self._doubt, then="failure_threshold")
                self.ready = False
        self._pod.update()

    def _old_enough(self) -> bool:
        assert self._services_since is not None
        return self._cluster.clock.now - self._services_since >= self._cluster.timing["bird_threshold"]

    def _succeeds(self) -> bool:
        now, mesh = self._cluster.clock.now, self._cluster.mesh
        if now < self._felix_since:
            return False
        if mesh.alone:
            return True
        if self._old_enough():
            return mesh.any_established(self._pod.node.index, now)
        return mesh.all_established(self._pod.node.index, now)

    def _last_condition(self) -> Reason:
        """Of the conditions that hold, all of which are needed, the one that did so last."""
        cluster, node, now = self._cluster, self._pod.node.index, self._cluster.clock.now
        mesh = cluster.mesh
        ways = []  # of having enough peers: one is enough
        if mesh.alone or mesh.all_established(node, now):
            ways.append(mesh.all_since())
        if self._old_enough() and mesh.any_established(node, now):
            assert self._services_since is not None
            old = self._services_since + cluster.timing["bird_threshold"]
            ways.append(max(mesh.any_since(node), Reason(old, self._felix.cause, "bird_threshold")))
        return max(self._felix, min(ways), START)
