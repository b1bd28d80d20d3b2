"""calico-node's init container: `needed`, `inprogress`, `start` (R8-R10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Moment, Story
from simulator.protocol.kubelet import next_read
from simulator.timing import MICRO

if TYPE_CHECKING:
    from simulator.protocol.pod import Pod


def init_container(pod: Pod) -> Story[bool]:
    """One run of the script; True is exit 0. Commands answer with what they read at their end."""
    cluster, clock, node = pod.cluster, pod.cluster.clock, pod.node
    store, faults = cluster.datastore, cluster.faults
    needed, inprogress = node.timing.needed, node.timing.inprogress
    sleep = cluster.timing["script_poll"]

    yield Moment(clock, needed, node.poll, "needed")
    if faults.active("needed_error", clock.now):
        return False
    if not store.needed():
        return True
    yield Moment(clock, inprogress, node.poll, "inprogress")
    asked = clock.now
    # The script does not look at the error of its very first `inprogress` and goes on.
    waiting = store.in_progress() and not faults.active("needed_error", clock.now)
    while waiting:
        yield from next_read(cluster, sleep + inprogress, node.poll)
        if faults.active("needed_error", clock.now):
            return False
        waiting = store.in_progress()
    clock.because(store.idle, then="script_poll", since=asked)
    yield Moment(clock, needed, node.poll, "needed")
    if faults.active("needed_error", clock.now):
        return False
    if not store.needed():
        return True
    return (yield from _start(pod))


def _start(pod: Pod) -> Story[bool]:
    """`calico-upgrade start`: check, clear Ready, pause, read again, write everything."""
    cluster, clock, node = pod.cluster, pod.cluster.clock, pod.node
    store, faults, timing = cluster.datastore, cluster.faults, pod.node.timing

    yield Moment(clock, timing.validate, node.check, "validate")
    now = clock.now
    broken = faults.active("needed_error", now) or faults.active("conversion_error", now)
    if broken or not store.v3_empty or not store.v1_ready:
        return False  # R9; Ready is as it was
    if timing.clear:  # only a window between GET and PUT lets a second run in (R9)
        yield Moment(clock, timing.clear, node.step, "clear")
    store.set_ready(False)
    pod.migrating = True
    if cluster.trace.clear is None:
        cluster.trace.clear = clock.now
    cluster.record("init", node.name, "clear")
    yield Moment(clock, timing.pause, node.step, "pause")
    cluster.trace.snapshot = clock.now
    cluster.record("init", node.name, "snapshot")
    yield Moment(clock, timing.requery, node.step, "requery")
    if faults.active("conversion_error", clock.now):
        store.set_ready(True)
        return False
    return (yield from _write_objects(pod))


def _write_objects(pod: Pod) -> Story[bool]:
    """Steps 8 and 9: object j is written j / rate after they begin, up to the first failing one (R10)."""
    cluster, clock, node = pod.cluster, pod.cluster.clock, pod.node
    store, begin = cluster.datastore, clock.now
    objects = cluster.scenario.cluster.resources + cluster.scenario.cluster.ipam

    def written_at(number: int) -> int:
        rate = node.timing.store_rate  # millionths of an object a second
        return begin + (2 * number * MICRO * MICRO + rate) // (2 * rate)

    failing = [
        fault
        for fault in cluster.faults.of("store_fails")
        if fault.object is not None and fault.object <= objects and fault.active(written_at(fault.object))
    ]
    failure = min(failing, key=lambda fault: fault.object or 0, default=None)
    last = objects if failure is None or failure.object is None else failure.object
    if failure is None or last > 1:
        yield Moment(clock, written_at(1) - clock.now, node.step, "store")
        store.write_objects()
    yield Moment(clock, written_at(last) - clock.now, node.step, "store")
    if failure is None:
        return True
    if failure.abort_fails:
        yield Moment(clock, cluster.timing["abort_failed_run"], node.step, "abort_failed_run")
    else:
        store.set_ready(True)
    return False
