"""v3 Felix: ready while it waits for the datastore, in sync some time after it opened (R16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Moment, Story, ceil_div

if TYPE_CHECKING:
    from simulator.protocol.pod import Pod


def felix(pod: Pod, at_start: bool) -> Story[None]:
    """From the start of the services; `at_start`: that is calico-node's own start."""
    cluster, clock, timing = pod.cluster, pod.cluster.clock, pod.node.timing
    since = clock.now
    yield Moment(clock, 0, pod.node.poll)  # the first look; it sees the writes of its instant
    is_open = cluster.datastore.open or cluster.rolling
    pod.probe.services_up(since, since + (timing.felix_sync if is_open else timing.felix_ready), at_start)
    wait = timing.felix_sync
    if not is_open:
        yield cluster.datastore.opened
        poll = cluster.timing["felix_poll"]
        wait += ceil_div(clock.now - since, poll) * poll - (clock.now - since)
    yield Moment(clock, wait, pod.node.step)
    pod.node.felix_in_sync()
