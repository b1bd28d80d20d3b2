"""v3 Felix: ready while it waits for the datastore, in sync some time after it opened (R16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Moment, Reason, Story, ceil_div

if TYPE_CHECKING:
    from simulator.protocol.pod import Pod


def felix(pod: Pod, at_start: bool) -> Story[None]:
    """From the start of the services; `at_start`: that is calico-node's own start."""
    cluster, clock, timing = pod.cluster, pod.cluster.clock, pod.node.timing
    since, cause = clock.now, clock.mark().cause
    yield Moment(clock, 0, pod.node.poll)  # the first look; it sees the writes of its instant
    is_open = cluster.datastore.open or cluster.rolling
    typha = max(0, cluster.typha_away - since)  # extension T6
    if is_open:
        ready = Reason(since + typha + timing.felix_sync, cause, "felix_sync")
    else:
        ready = Reason(since + timing.felix_ready, cause, "felix_ready")
    pod.probe.services_up(since, ready, at_start)
    wait = typha + timing.felix_sync
    if not is_open:
        yield cluster.datastore.opened
        poll = cluster.timing["felix_poll"]
        turn = ceil_div(clock.now - since, poll) * poll - (clock.now - since)
        clock.because(Reason(clock.now + turn, clock.mark().cause, "felix_poll"))
        wait += turn
    yield Moment(clock, wait, pod.node.step, "felix_sync")
    pod.node.felix_in_sync()
