"""`calico-sim replay`: a recorded rollout, predicted from its own durations.

The recording comes from a real control plane whose kubelets were hollow, so two things are modelled: the protocol as
those kubelets played it (facts §1, without probe grid, BIRD and CNI image), and the real DaemonSet controller with its
latencies: one worker that syncs, batches of creations that double, a client that may make 20 calls a second.
`Latencies` is the only place of measured constants, and they are the same for every recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from simpy import Environment, Event

from simulator.protocol.apiserver import SyncWorker, TokenBucket
from simulator.recording import WINDOWS, Observed, Rollout, windows
from simulator.timing import MICRO

Story = Generator[Event, Any, None]

Json = dict[str, Any]

# Why a rollout does not complete: a pod that never gets Ready, or only that the recording stopped too early.
NODE_NEVER_READY: Final = "node_never_ready"
OUT_OF_TIME: Final = "horizon"


@dataclass(frozen=True, slots=True)
class Latencies:
    """What a step costs beyond its recorded duration, in seconds where nothing else is said.

    Means and medians over the public recordings; `start` and `saved` are estimates, `qps` and `burst` defaults of
    Kubernetes. `docs/validation.md` says how each was found, and how far they hold on recordings not used for it.
    """

    apply: float = 0.0224
    """zero until the DaemonSet controller's first sync makes its calls: apply, watch, new ControllerRevision"""
    reaction: float = 0.0031
    """a pod's Ready is in the API until the idle controller makes its first call"""
    call: float = 0.0079
    """a call of a controller or of the scheduler: a deletion, a status update, a creation, a binding"""
    call_at_start: float = 0.0206
    """the same in the first `start` seconds, when the manifests wake all controllers at once"""
    start: float = 0.25
    """how long that lasts"""
    step: float = 0.0009
    """the hollow kubelet's own delay at each start of a container"""
    ready_report: float = 0.0109
    """a pod is Ready until the API knows it"""
    status_request: float = 0.0048
    """the completion Job's request for the DaemonSet's status, which lengthens every turn of its loop"""
    job_bound: float = 0.0824
    """zero until the Job's pod is bound"""
    controllers_deleted: float = 0.0777
    """zero until the old kube-controllers pod is gone"""
    controllers_bound: float = 0.1619
    """zero until the new kube-controllers pod is bound"""
    qps: float = 20.0
    """calls a second of the DaemonSet controller's client: kube-controller-manager's --kube-api-qps, its default"""
    burst: float = 30.0
    """calls that it may save up: --kube-api-burst, its default"""
    saved: float = 5.0
    """calls saved up at zero: creating the v2 pods had used them all, shortly before"""


MEASURED: Final = Latencies()

ORDERS: Final = 15
"""Orders of creation in which a rollout is played; odd, so that one is the median."""


@dataclass(slots=True)
class Prediction:
    """The instants of a predicted rollout in microseconds after zero; None: not before the recording stopped."""

    locked: int | None = None
    version: int | None = None
    controllers_deleted: int | None = None
    controllers_bound: int | None = None
    controllers_init_done: int | None = None
    controllers_ready: int | None = None
    last_ready: int | None = None
    unlocked: int | None = None
    last_change: int = 0
    """the last instant at which a pod or a flag changed"""

    def end(self) -> tuple[float, float]:
        """What plays are sorted by: when the datastore is unlocked, when the last node is ready; infinite if never."""
        return (
            math.inf if self.unlocked is None else self.unlocked,
            math.inf if self.last_ready is None else self.last_ready,
        )

    def windows(self, rollout: Rollout) -> dict[str, float | None]:
        """Every one of `WINDOWS` in seconds."""
        return windows(
            locked=_seconds(self.locked),
            version=_seconds(self.version),
            controllers_deleted=_seconds(self.controllers_deleted),
            controllers_bound=_seconds(self.controllers_bound),
            controllers_init_done=_seconds(self.controllers_init_done),
            controllers_ready=_seconds(self.controllers_ready),
            last_ready=_seconds(self.last_ready),
            unlocked=_seconds(self.unlocked),
            ctl_pull=rollout.ctl_pull / MICRO,
        )

    def stall(self, rollout: Rollout) -> Json | None:
        """Why the datastore is still locked when the recording stops, since when (seconds), and what helps."""
        if self.unlocked is not None:
            return None
        # The recipes and their order are those of the scenario format's stalls.
        recovery = []
        if rollout.not_ready:
            recovery.append("restore_node" if len(rollout.not_ready) == len(rollout.draws) else "delete_node")
        if rollout.stuck - rollout.not_ready:
            recovery.append("fix_node")
        reason = NODE_NEVER_READY if recovery else OUT_OF_TIME
        return {"reason": reason, "since": round(self.last_change / MICRO, 3), "recovery": recovery}


def replay(rollout: Rollout, observed: Observed, latencies: Latencies = MEASURED) -> Json:
    """Prediction, observation and relative error of a recording, as the command line contract wants them.

    An error is (predicted - observed) / observed, None where a side is missing or the observed value is 0.
    """
    prediction = predict(rollout, latencies)
    ours, theirs = prediction.windows(rollout), observed.windows(rollout)
    return {
        "version": 1,
        "completed": prediction.unlocked is not None,
        "predicted": ours,
        "observed": theirs,
        "error": {name: _relative(ours[name], theirs[name]) for name in WINDOWS},
        "stall": prediction.stall(rollout),
    }


def predict(rollout: Rollout, latencies: Latencies = MEASURED) -> Prediction:
    """Play the rollout until the datastore is unlocked and kube-controllers is ready, or until its timeout.

    The controller creates the pods of one sync in no particular order (Go's map order), which decides who takes the
    lock and may cost a poll. So the rollout is played in several orders, always the same ones, and the play with the
    median end is the prediction.
    """
    plays = [_Play(rollout, latencies, Random(order)).run() for order in range(ORDERS)]
    return sorted(plays, key=Prediction.end)[ORDERS // 2]


def _relative(ours: float | None, theirs: float | None) -> float | None:
    return round((ours - theirs) / theirs, 6) if ours is not None and theirs else None


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / MICRO


def _micros(seconds: float) -> int:
    return round(seconds * MICRO)


class _Clock(Environment):
    """A SimPy environment that counts integer microseconds from zero, so that every machine computes the same."""

    def __init__(self) -> None:
        super().__init__(initial_time=0)

    @property
    def now(self) -> int:
        return self._now  # type: ignore[return-value]  # starts at 0, and all delays are integers


class _Play:
    """One rollout: the datastore's flags, and everybody who reads and writes them."""

    def __init__(self, rollout: Rollout, latencies: Latencies, random: Random) -> None:
        self._rollout = rollout
        self._latencies = latencies
        self._clock = _Clock()
        self._step = _micros(latencies.step)
        self._ready_report = _micros(latencies.ready_report)
        self._prediction = Prediction()
        self._version_written = self._clock.event()
        self._daemonset = _DaemonSetController(self._clock, rollout, latencies, random, self._start_pod, self._changed)

    def run(self) -> Prediction:
        """Play it to its end."""
        clock = self._clock
        actors = [clock.process(self._job()), clock.process(self._controllers())]
        clock.process(self._daemonset.run())
        clock.run(until=clock.any_of([clock.all_of(actors), clock.timeout(self._rollout.timeout)]))
        return self._prediction

    def _changed(self) -> int:
        """A pod or a flag has changed: now."""
        self._prediction.last_change = self._clock.now
        return self._clock.now

    # calico-node ---------------------------------------------------------------------------------------------

    def _start_pod(self, node: str) -> None:
        self._clock.process(self._pod(node))

    def _pod(self, node: str) -> Story:
        """A new pod from its creation until it is Ready."""
        clock, rollout, draw = self._clock, self._rollout, self._rollout.draws[node]
        yield clock.timeout(self._daemonset.call_duration(clock.now))  # the scheduler binds it
        self._changed()
        if node in rollout.not_ready:
            return
        yield clock.timeout(draw.pull_init + self._step)
        yield from self._init_container()
        self._changed()
        if node in rollout.stuck:
            return
        yield clock.timeout(draw.pull_main + self._step)
        self._changed()
        yield clock.timeout(rollout.ensure)
        self._write_version()
        yield clock.timeout(max(0, draw.start_ready - rollout.ensure) + self._ready_report)
        self._prediction.last_ready = self._changed()
        self._daemonset.pod_ready()

    def _init_container(self) -> Story:
        """The first to have validated takes the lock and migrates; all others poll until the version is written."""
        clock, rollout, prediction = self._clock, self._rollout, self._prediction
        if prediction.version is not None:
            return
        if prediction.locked is None:
            yield clock.timeout(rollout.validate)
            if self._take_lock():
                yield clock.timeout(rollout.hold)
                return
            self._changed()  # lost the race: it exits 1, runs again at once, and finds the migration in progress
        yield from self._poll(self._version_written, rollout.poll)

    def _take_lock(self) -> bool:
        if self._prediction.locked is not None:
            return False
        self._prediction.locked = self._changed()
        return True

    def _write_version(self) -> None:
        if self._prediction.version is None:
            self._prediction.version = self._changed()
            self._version_written.succeed()

    def _poll(self, event: Event, period: int) -> Story:
        """Look every `period` from now on; it ends with the first look that finds the event in the past or present."""
        first = self._clock.now
        yield event
        yield self._clock.timeout((first - self._clock.now) % period)

    # kube-controllers and the completion Job ------------------------------------------------------------------

    def _controllers(self) -> Story:
        clock, rollout, latencies, prediction = self._clock, self._rollout, self._latencies, self._prediction
        yield clock.timeout(_micros(latencies.controllers_deleted))
        prediction.controllers_deleted = self._changed()
        yield clock.timeout(_micros(latencies.controllers_bound) - clock.now)
        prediction.controllers_bound = self._changed()
        yield clock.timeout(rollout.ctl_pull)
        yield from self._poll(self._version_written, rollout.poll)
        prediction.controllers_init_done = self._changed()
        yield clock.timeout(rollout.ctl_start + self._ready_report)
        prediction.controllers_ready = self._changed()

    def _job(self) -> Story:
        clock, rollout, request = self._clock, self._rollout, _micros(self._latencies.status_request)
        yield clock.timeout(_micros(self._latencies.job_bound))
        self._changed()
        yield clock.timeout(rollout.job_pull + request)
        yield from self._poll(self._daemonset.rolled_out, rollout.poll + request)
        self._changed()
        yield clock.timeout(rollout.complete)
        self._prediction.unlocked = self._changed()


class _DaemonSetController(SyncWorker[str]):
    """kube-controller-manager's DaemonSet controller (facts §6, Kubernetes >= 1.21, maxSurge 0).

    Created pods have to be seen before old ones are deleted, so no sync does both.
    """

    def __init__(
        self,
        clock: _Clock,
        rollout: Rollout,
        latencies: Latencies,
        random: Random,
        on_created: Callable[[str], None],
        on_change: Callable[[], object],
    ) -> None:
        tokens = TokenBucket(_micros(1 / latencies.qps), latencies.burst, latencies.saved)
        super().__init__(tokens, clock.timeout)
        self._clock = clock
        self._latencies = latencies
        self._random = random
        self._budget = rollout.budget
        self._on_created = on_created
        self._on_change = on_change
        self._old_unavailable = [node for node in rollout.order if node in rollout.not_ready]
        self._old_available = [node for node in reversed(rollout.order) if node not in rollout.not_ready]
        self._desired = len(rollout.order)
        self._missing: list[str] = []
        self._created = 0
        self._ready = 0
        self._wake = clock.event()
        self.rolled_out = clock.event()
        """the status says that every node has a new, available pod"""

    def pod_ready(self) -> None:
        """A new pod's Ready condition is in the API."""
        self._ready += 1
        self._notice()

    def run(self) -> Story:
        """Sync whenever something has changed; the first change is the DaemonSet itself."""
        yield self._clock.timeout(_micros(self._latencies.apply))
        self._notice()
        while True:
            if not self._wake.triggered:
                yield self._wake
                yield self._clock.timeout(_micros(self._latencies.reaction))
            self._wake = self._clock.event()
            yield from self.sync()

    def _notice(self) -> None:
        if not self._wake.triggered:
            self._wake.succeed()

    def now(self) -> int:
        return self._clock.now

    def take_missing(self, limit: int) -> list[str]:
        created, self._missing = self._missing[:limit], self._missing[limit:]
        self._random.shuffle(created)
        return created

    def take_old(self, limit: int) -> list[str]:
        """Every unavailable old pod; then, while fewer than the budget are unavailable, available ones in order."""
        unavailable = self._desired - self._ready - len(self._old_available)
        taken, self._old_unavailable = self._old_unavailable[:limit], self._old_unavailable[limit:]
        for _ in range(min(self._budget - unavailable, len(self._old_available), limit - len(taken))):
            taken.append(self._old_available.pop())
        return taken

    def delete(self, item: str) -> None:
        self._on_change()
        self._missing.append(item)
        self._notice()

    def create(self, item: str) -> None:
        self._created += 1
        self._on_created(item)
        self._notice()

    def status(self) -> tuple[int, int, int]:
        return len(self._missing), self._created, self._ready

    def status_written(self, status: Hashable) -> None:
        if status == (0, self._desired, self._desired):
            self.rolled_out.succeed()

    def call_duration(self, at: int, creation: bool = False) -> int:
        at_start = at < _micros(self._latencies.start)
        return _micros(self._latencies.call_at_start if at_start else self._latencies.call)
