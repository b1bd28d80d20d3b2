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
        if not cluster.faults.active("main_crash", started, node.index):
            break
        run = cluster.timing["startup_failed_run"]
        yield Moment(clock, run, node.step)
        pod.container = None
        pod.crash_looping = True
        cluster.record("calico-node", node.name, "main_crashed")
        if pod.deleted:
            return
        yield Moment(clock, ladder.after(run), node.step)
    pod.crash_looping = False
    if not cluster.rolling:
        yield Moment(clock, node.timing.ensure_initialized, node.step)
        cluster.datastore.write_version()
    yield Moment(clock, started + node.timing.services - clock.now, node.step)
    node.services_up(started)
    yield from felix(pod, at_start=clock.now == started)
