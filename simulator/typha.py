"""Typha's roll in v3-rolling (extension): which Felix loses its Typha when, and for how long.

The Deployment is rolled beside the DaemonSet, and neither waits for the other: Felix stays ready while it looks for
another Typha. So the bounces are computed from the finished run, beyond its end if need be. The rules, and which of
them choose where the code takes one at random, are in docs/scenario-extensions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from simulator.extensions import Typha
from simulator.timing import MICRO
from simulator.trace import Trace, TyphaTrace

_MAX_DROP_INTERVAL = MICRO
"""ShutdownMaxDropInterval (typha/pkg/config/config_params.go:147-149@release-v3.31)."""

# Within an instant: Felixes end, Typhas become ready, Felixes come, Typhas that end drop one.
_LEAVE, _READY, _COME, _DROP = range(4)


@dataclass(slots=True)
class _Pod:
    """One Typha. `ends`: it accepts nobody and drops its clients every `interval`."""

    new: bool
    ready: bool = False
    scheduled: bool = False
    ends: bool = False
    interval: int = 0
    clients: set[int] = field(default_factory=set)


def roll(trace: Trace) -> TyphaTrace:
    """What the roll of Typha does to each node's Felix in a finished run of v3-rolling."""
    typha = trace.scenario.typha
    assert typha is not None
    return _Roll(trace, typha).run()


class _Roll:
    """The Deployment's pods, the clients of each, and what is still to happen."""

    def __init__(self, trace: Trace, typha: Typha) -> None:
        self._typha = typha
        self._hosts = trace.scenario.cluster.nodes
        self._now = 0
        self._old = [_Pod(new=False, ready=True, scheduled=True) for _ in range(typha.replicas)]
        self._new: list[_Pod] = []
        self._looking: list[tuple[int, int | None]] = []  # (node, when it lost its Typha; None: it has just started)
        self._queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self._count = 0
        self._trace = TyphaTrace({index: [] for index in trace.existing})
        for index in range(trace.scenario.cluster.nodes):
            self._old[index % typha.replicas].clients.add(index)
        for time, kind, index in _felixes(trace):
            action = self._leaves if kind == _LEAVE else self._comes
            self._at(time, kind, lambda action=action, index=index: action(index))  # type: ignore[misc]

    def run(self) -> TyphaTrace:
        """Play everything that happens, instant by instant."""
        self._at(0, _LEAVE, lambda: None)  # the instant at which the Deployment is applied
        while self._queue:
            self._now, _, _, action = heappop(self._queue)
            action()
            if not self._queue or self._queue[0][0] > self._now:
                self._deploy()
        for index, since in self._looking:
            if since is not None and index in self._trace.gaps:
                self._trace.gaps[index].append((since, None))
        return self._trace

    def _at(self, time: int, kind: int, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (time, kind, self._count, action))

    # Felixes -------------------------------------------------------------------------------------------------

    def _leaves(self, index: int) -> None:
        """Felix ends with its container; what it misses from here on is the node's own staleness."""
        for pod in (*self._old, *self._new):
            pod.clients.discard(index)
        for entry in [entry for entry in self._looking if entry[0] == index]:
            self._looking.remove(entry)
            if entry[1] is not None:
                self._missed(index, entry[1], self._now)
        gaps = self._trace.gaps.get(index)
        if gaps and gaps[-1][1] is not None and gaps[-1][1] > self._now:
            gaps[-1] = (gaps[-1][0], self._now)

    def _comes(self, index: int, since: int | None = None) -> None:
        """Felix looks for a Typha: a new one before an old one, then the one with the fewest clients."""
        open_ = [pod for pod in (*self._new, *self._old) if pod.ready and not pod.ends]
        if not open_:
            self._looking.append((index, since))
            return
        min(open_, key=lambda pod: (not pod.new, len(pod.clients))).clients.add(index)
        if since is not None:
            self._missed(index, since, self._now + self._typha.reconnect)

    def _missed(self, index: int, since: int, until: int) -> None:
        gaps = self._trace.gaps.get(index)
        if gaps is None or since == until:
            return
        if gaps and gaps[-1][1] is not None and gaps[-1][1] >= since:
            since = gaps.pop()[0]
        gaps.append((since, until))

    # Typhas --------------------------------------------------------------------------------------------------

    def _becomes_ready(self, pod: _Pod) -> None:
        pod.ready = True
        looking, self._looking = sorted(self._looking), []
        for index, since in looking:
            self._comes(index, since)

    def _ends(self, pod: _Pod) -> None:
        """Asked to end, it drops one client an interval, so that all are gone after 95 % of its time at the latest."""
        pod.ends = True
        if not pod.clients:
            self._is_gone(pod)
            return
        pod.interval = min(_MAX_DROP_INTERVAL, self._typha.shutdown * 95 // 100 // len(pod.clients))
        self._at(self._now + pod.interval, _DROP, lambda: self._drops(pod))

    def _drops(self, pod: _Pod) -> None:
        dropped = min(pod.clients, default=None)
        if dropped is not None:
            pod.clients.discard(dropped)
            self._comes(dropped, self._now)
        if pod.clients:
            self._at(self._now + pod.interval, _DROP, lambda: self._drops(pod))
        else:
            self._is_gone(pod)

    def _is_gone(self, pod: _Pod) -> None:
        self._old.remove(pod)
        if not self._old:
            self._trace.gone = self._now

    def _deploy(self) -> None:
        """The Deployment controller, then the scheduler: new pods within the surge, old ones while enough are ready."""
        typha, before = self._typha, -1
        while before != (before := len(self._new) + sum(pod.ends for pod in self._old)):
            running = [pod for pod in self._old if not pod.ends]
            while len(self._new) < min(typha.replicas, typha.replicas + typha.surge - len(running)):
                self._new.append(_Pod(new=True))
            starting = sum(not pod.ready for pod in self._new)
            spare = len(running) + len(self._new) - starting - (typha.replicas - typha.max_unavailable)
            for pod in running[: max(0, spare)]:
                self._ends(pod)
        for pod in self._new:
            # It uses a port of its host, until its container has ended: one a node.
            if not pod.scheduled and len(self._old) + sum(new.scheduled for new in self._new) < self._hosts:
                pod.scheduled = True
                self._at(self._now + typha.start, _READY, lambda pod=pod: self._becomes_ready(pod))  # type: ignore[misc]
        done = len(self._new) == typha.replicas and all(pod.ready for pod in self._new)
        if done and self._trace.rollout is None and all(pod.ends for pod in self._old):
            self._trace.rollout = self._now


def _felixes(trace: Trace) -> Iterator[tuple[int, int, int]]:
    """(time, kind, node) of every Felix that comes or ends in the run."""
    numbers = {f"n{index + 1}": index for index in range(len(trace.nodes))}
    for event in trace.events:
        if event.node is None or event.event not in ("services_up", "pod_deleted", "not_ready"):
            continue
        index = numbers[event.node]
        if event.event == "services_up":
            yield event.time, _COME, index
        elif event.event == "not_ready":
            yield event.time, _LEAVE, index
        else:
            yield event.time + trace.scenario.stages["kill"][index], _LEAVE, index
