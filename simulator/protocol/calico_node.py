"""The calico-node container: crashes, writes the version, starts Felix and BIRD (R11, R15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Moment, Story
from simulator.protocol.felix import felix
from simulator.protocol.kubelet import CrashLadder

if TYPE_CHECKING:
    from simulator.protocol.pod import Pod


def calico_node(pod: Pod) -> Story[None]:
    """All runs of the container, to the one that lives."""
    cluster, clock, node = pod.cluster, pod.cluster.clock, pod.node
    ladder = CrashLadder(cluster)
    while True:
        started = clock.now
        pod.container = "calico-node"
        cluster.record("calico-node", node.name, "main_started")
        begin = clock.mark()
        if not cluster.faults.active("main_crash", started, node.index):
            break
        run = cluster.timing["startup_failed_run"]
        yield Moment(clock, run, node.step, "startup_failed_run")
        pod.container = None
        pod.crash_looping = True
        cluster.record("calico-node", node.name, "main_crashed")
        if pod.deleted:
            return
        yield from ladder.back_off(started, node.step, ("main_crash",), node.index)
    pod.crash_looping = False
    if not cluster.rolling or node.joins:
        yield Moment(clock, node.timing.ensure_initialized, node.step, "ensure_initialized")
        node.initialized()
    yield Moment(clock, started + node.timing.services - clock.now, node.step)
    clock.because(begin, then="services")  # which are no later for a slow write of the version
    node.services_up(started)
    yield from felix(pod, at_start=clock.now == started)
