"""A calico-node pod of v2 that starts anew: after a rollback, or under OnDelete after a reboot (extensions B, O).

It has no init container and no probe (kOps' `k8s-1.7.yaml.template`): it is available as soon as it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Moment, Story, ceil_div

if TYPE_CHECKING:
    from simulator.protocol.pod import Pod


def calico_node_v2(pod: Pod) -> Story[None]:
    """From the sandbox to v2's Felix in sync, with v3's durations: the facts know no others."""
    cluster, clock, node = pod.cluster, pod.cluster.clock, pod.node
    if node.joins:  # elsewhere both images have been there since before the upgrade
        yield from pod.pull("v2_node", node.timing.pull_node)
        yield from pod.pull("v2_cni", node.timing.pull_cni)
    started = clock.now
    pod.container = "calico-node"
    node.v2_started()
    pod.update()
    yield Moment(clock, node.timing.services, node.step, "services")
    node.v2_services_up(started)
    since = clock.now
    while not cluster.datastore.v1_ready:
        yield cluster.datastore.changed
    poll = cluster.timing["felix_poll"]
    wait = ceil_div(clock.now - since, poll) * poll - (clock.now - since) + node.timing.felix_sync
    yield Moment(clock, wait, node.step, "felix_sync")
    pod.steady = True
    node.v2_in_sync(clock.now)


def felix_v2_resumes(pod: Pod) -> Story[None]:
    """v2's Felix that ran before the rollback: it has looked at Ready every `felix_poll` since that was cleared."""
    cluster, clock, poll = pod.cluster, pod.cluster.clock, pod.cluster.timing["felix_poll"]
    in_sync = clock.now
    if cluster.trace.v1_not_ready:
        since, until = cluster.trace.v1_not_ready[-1]
        assert until is not None  # the rollback's abort, or an earlier one
        in_sync = since + ceil_div(until - since, poll) * poll + pod.node.timing.felix_sync
        yield Moment(clock, max(0, in_sync - clock.now), pod.node.step, "felix_sync")
    pod.node.v2_in_sync(in_sync)
