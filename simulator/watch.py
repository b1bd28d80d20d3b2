"""A live upgrade, followed in kubectl's stream of pods: where it stands, when it will be over, what is wrong.

`Watch` is fed with objects and asked for its `Status`. Time is the cluster's: that of the stamps in the objects, and
between them what has passed on this machine's steady clock, so that neither a clock that is set nor a stream that is
played faster confuses it. What is wrong is found by the same function that `calico-sim recover` uses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from calico_lint.report.files import write
from simulator import kubectl
from simulator.kubectl import ActorState, Observed, PodState, mapping
from simulator.reading import Table, text
from simulator.recover import FINISHED, STALLED, Answer, NoAnswerError, diagnose
from simulator.recover import State as Seen
from simulator.scenario import V2_TO_V3, V3_ROLLING, ScenarioError

DRAWS: Final = 2000
"""Draws of the time that is left, from fixed streams: the same stream of objects gives the same ETA."""

_PRIOR: Final = 2.0
"""What the plan, or the guess without one, is worth in observed nodes (kappa_0 and alpha_0)."""

_GUESS_S: Final = 45.0
"""One node from its new pod's creation to the next one's, without a plan: the default profile's median."""

_SIGMA: Final = 0.35
"""Spread of the logarithm of one node's time in the default profile."""

_TAIL_S: Final = 10.0
"""From the last node to the open datastore, without a plan: one poll of the Job and its `complete`."""

_PATIENCE_S: Final = 60.0
"""No alarm for want of progress before this, however fast the nodes were."""

_SLOWEST: Final = 4.0
"""An alarm at the latest when a node takes so many times as long as expected, or as the slowest one so far."""

_SUCCESSOR_S: Final = 300.0
"""A node whose pod is gone for longer, and has no other, is no node any more."""

_SKEW_S: Final = 3600.0
"""A node's clock that is further ahead is not believed."""


class WatchError(ValueError):
    """A plan or a state file that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a plan says about the roll; the defaults are those without a plan.

    `nodes` in all, `parallel` nodes at a time, `cycle` seconds a node, `spread` of that cycle's logarithm as the plan
    is sure of it, `tail` seconds from the last node to the end.
    """

    nodes: int | None = None
    parallel: int = 1
    cycle: float = _GUESS_S
    spread: float = _SIGMA
    tail: float = _TAIL_S
    protocol: str | None = None

    @classmethod
    def of_plan(cls, data: object) -> Expectation:
        """From `calico-sim plan --format json`. Raises WatchError."""
        try:
            return cls._of(Table(data, ""))
        except (ScenarioError, KeyError, TypeError, ValueError) as error:
            raise WatchError(f"this is no plan of calico-sim: {error}") from None

    @classmethod
    def _of(cls, plan: Table) -> Expectation:
        scenario = plan.table("scenario").table("cluster")
        nodes, protocol = scenario.data["nodes"], scenario.need("protocol", text)
        steps = {str(step.data["name"]): step.data for step in plan.items("steps")}
        name = "roll calico-node" if protocol == V3_ROLLING else "roll the other nodes"
        roll = steps[name]
        assert isinstance(nodes, int)
        parallel = _parallel(scenario.data.get("max_unavailable", 1), nodes)
        start, end, late = (_seconds(roll[key]) for key in ("start_p50", "end_p50", "end_p90"))
        if start is None or end is None:
            return cls(nodes, parallel, protocol=protocol)
        waves = max(1.0, (nodes - (protocol == V2_TO_V3)) / parallel)
        length = max(1e-3, end - start)
        spread = _SIGMA if late is None else math.log(max(1.0, (late - start) / length)) / 1.2816
        finish = _seconds(steps.get("complete the upgrade", roll).get("end_p50"))
        tail = 0.0 if finish is None else max(0.0, finish - end)
        return cls(nodes, parallel, length / waves, max(0.05, spread), tail, protocol)


def _seconds(value: object) -> float | None:
    if value is None or (isinstance(value, (int, float)) and math.isfinite(value)):
        return value
    raise ValueError(f"{value!r} is no number of seconds")


def _parallel(max_unavailable: object, nodes: int) -> int:
    if isinstance(max_unavailable, str):
        return max(1, math.ceil(nodes * int(max_unavailable.removesuffix("%")) / 100))
    assert isinstance(max_unavailable, int)
    return max(1, max_unavailable)


@dataclass(slots=True)
class _Pod:
    """A pod with what tells its generation; instants are seconds since 1970. `deleted`: when it is to be gone."""

    state: PodState
    revision: str | None
    created: float | None
    ready_at: float | None
    deleted: float | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that will not pass by itself, or has taken longer than it should.

    `key` tells alarms apart, so that each is raised once as long as it lasts.
    """

    key: str
    message: str
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Where the upgrade stands at an instant of the cluster's time (seconds since 1970; None: nothing seen).

    `eta` are seconds until it is over, (P50, P90); None where it is not begun, done, or held up by an alarm. `states`
    counts the nodes by what their pod does. `blocked_for`: seconds since the first init container began, in which no
    new pod starts, as far as the pods show it.
    """

    now: float | None
    phase: str
    nodes: int
    done: int
    eta: tuple[float, float] | None
    blocked_for: float | None
    states: Mapping[str, int]
    alarms: tuple[Alarm, ...]


NOT_BEGUN: Final = "not-begun"
ROLLING: Final = "rolling"
COMPLETING: Final = "completing"
DONE: Final = "done"


@dataclass(slots=True)
class Watch:
    """The upgrade as the objects so far show it."""

    expected: Expectation = field(default_factory=Expectation)
    pods: dict[str, _Pod] = field(default_factory=dict)
    nodes: dict[str, bool | None] = field(default_factory=dict)
    jobs: dict[str, kubectl.JobState] = field(default_factory=dict)
    on_delete: bool = False
    latest: float | None = None
    """the newest stamp seen"""
    began: float | None = None
    """when the first init container that can migrate was started"""
    progress_at: float | None = None
    """when a node was last seen to get on"""
    seen_at: float = 0.0
    """the steady clock when `latest` was last moved"""
    revisions: dict[str, float] = field(default_factory=dict)
    """the revisions of calico-node's DaemonSet, each with the creation of its first pod"""
    _marks: dict[str, str] = field(default_factory=dict)

    def feed(self, item: Mapping[str, Any], clock: float) -> None:
        """Take an object, a List or a watch event in; `clock` is the steady clock in seconds.

        Raises ScenarioError where something in it has a type that it cannot have.
        """
        kind = item.get("type")
        inner = item.get("object")
        if isinstance(inner, Mapping):
            if kind not in ("BOOKMARK", "ERROR"):
                self._take(inner, clock, gone=kind == "DELETED")
            return
        self._take(item, clock, gone=False)

    def _take(self, item: Mapping[str, Any], clock: float, *, gone: bool) -> None:
        for child in kubectl.objects(item):
            observed = kubectl.read(child)
            for job in observed.jobs:
                self.jobs[job.name] = job
            self.nodes |= observed.nodes
            if child.get("kind") == "DaemonSet":
                self.on_delete = observed.on_delete
            for pod in observed.pods:
                entry = _Pod(pod, *_stamps(child))
                if gone:
                    self.pods.pop(pod.name, None)
                else:
                    self.pods[pod.name] = entry
                if pod.app == kubectl.NODE and entry.revision is not None and entry.created is not None:
                    first = self.revisions.get(entry.revision, entry.created)
                    self.revisions[entry.revision] = min(first, entry.created)
                self._note(pod, child, clock)

    def _note(self, pod: PodState, item: Mapping[str, Any], clock: float) -> None:
        now = self.now(clock)
        stamps = [instant(mapping(item.get("metadata")).get("creationTimestamp"))]
        if now is not None:
            # These come from the clocks of the nodes, and one of them may be wrong.
            stamps += [stamp for stamp in _all_stamps(item.get("status")) if stamp < now + _SKEW_S]
        stamp = max((stamp for stamp in stamps if stamp is not None), default=None)
        if stamp is not None and (now is None or stamp > now):
            self.latest, self.seen_at = stamp, clock
        if pod.app == kubectl.NODE and pod.migrates and pod.state is not ActorState.UNSCHEDULED:
            started = _init_started(item)
            if started is not None:
                self.began = started if self.began is None else min(self.began, started)
        mark = f"{pod.state}/{pod.restarts}"
        if pod.app in (kubectl.NODE, kubectl.JOB) and self._marks.get(pod.name) != mark:
            self._marks[pod.name] = mark
            self.progress_at = self.now(clock)

    def knows(self, item: Mapping[str, Any]) -> bool:
        """Whether an object, or watch event, is about a pod that was seen before."""
        inner = item.get("object")
        metadata = mapping(mapping(inner if isinstance(inner, Mapping) else item).get("metadata"))
        return metadata.get("name") in self.pods

    def now(self, clock: float) -> float | None:
        """The cluster's time: the newest stamp, and what has passed here since it came."""
        return None if self.latest is None else self.latest + max(0.0, clock - self.seen_at)

    # --- what follows

    def status(self, clock: float) -> Status:
        """Where the upgrade stands; `clock` is the steady clock in seconds."""
        now = self.now(clock)
        current = self._current()
        new = self._new(current)
        ready = [pod for pod in new if pod.state.state is ActorState.READY]
        total = max(len(self._places(now)), len(self.nodes)) or self.expected.nodes or 0
        rolling = self.expected.protocol == V3_ROLLING or not any(pod.state.migrates for pod in current.values())
        alarms, answer = self._alarms()
        if not new:
            phase = NOT_BEGUN
        elif len(ready) < total:
            phase = ROLLING
        elif rolling or (answer is not None and answer.verdict == FINISHED) or self._job_done():
            phase = DONE
        else:
            phase = COMPLETING
        eta = None
        if now is not None and phase in (ROLLING, COMPLETING):
            alarms = alarms or self._late(now, new, ready)
            eta = None if alarms else self._eta(now, new, ready, total - len(ready))
        states: dict[str, int] = {}
        names = {pod.state.name for pod in new}
        for pod in current.values():
            word = str(pod.state.state) if pod.state.name in names else "old"
            states[word] = states.get(word, 0) + 1
        blocked = None
        if not rolling and self.began is not None and now is not None and phase in (ROLLING, COMPLETING):
            blocked = max(0.0, now - self.began)
        return Status(now, phase, total, len(ready), eta, blocked, states, alarms)

    def _current(self) -> dict[str, _Pod]:
        """The newest calico-node pod of each node; one that is not placed yet stands for its own."""
        found: dict[str, _Pod] = {}
        for name, pod in self.pods.items():
            if pod.state.app != kubectl.NODE or pod.state.state is ActorState.TERMINATING:
                continue
            key = pod.state.node or name
            if key not in found or (pod.created or 0.0) >= (found[key].created or 0.0):
                found[key] = pod
        return found

    def _places(self, now: float | None) -> set[str]:
        """The nodes that have a calico-node pod, or had one moments ago."""
        return {
            pod.state.node or name
            for name, pod in self.pods.items()
            if pod.state.app == kubectl.NODE
            and (pod.deleted is None or now is None or now - pod.deleted < _SUCCESSOR_S)
        }

    def _new(self, current: Mapping[str, _Pod]) -> list[_Pod]:
        """The pods of the generation to come: v3 where this is a migration, else the newest revision."""
        pods = list(current.values())
        if any(pod.state.migrates or not pod.state.new for pod in pods):
            return [pod for pod in pods if pod.state.new]
        if len(self.revisions) < 2:
            return []
        newest = max(self.revisions, key=lambda revision: self.revisions[revision])
        return [pod for pod in pods if pod.revision == newest]

    def new(self) -> list[PodState]:
        """The calico-node pods of the generation to come."""
        return [pod.state for pod in self._new(self._current())]

    def _job_done(self) -> bool:
        return any(job.done for job in self.jobs.values()) or any(
            pod.state.app == kubectl.JOB and pod.state.state is ActorState.DONE for pod in self.pods.values()
        )

    def observed(self) -> Observed:
        """What has been seen, as `calico-sim recover` takes it."""
        pods = sorted(self.pods.values(), key=lambda pod: pod.created or 0.0)
        return Observed(
            tuple(pod.state for pod in pods), tuple(self.jobs.values()), dict(self.nodes), on_delete=self.on_delete
        )

    def _alarms(self) -> tuple[tuple[Alarm, ...], Answer | None]:
        if not self.pods and not self.jobs:
            return (), None
        try:
            answer = diagnose(Seen(observed=self.observed()))
        except NoAnswerError:
            return (), None
        if answer.verdict != STALLED:
            return (), answer
        return (Alarm("+".join(answer.reasons), answer.summary, answer),), answer

    def _late(self, now: float, new: list[_Pod], ready: list[_Pod]) -> tuple[Alarm, ...]:
        """Pods that take longer than the P99 of one node, or nothing at all that gets on for so long."""
        cycles = self._cycles(new)
        # Few nodes that differ from what was expected leave a P99 of hours: nobody waits that long for an alarm.
        most = _SLOWEST * max(self.expected.cycle, *cycles, 0.0)
        limit = max(_PATIENCE_S, min(self._posterior(cycles).quantile(0.99), most))
        finished = {pod.state.name for pod in ready}
        slow = [
            pod
            for pod in new
            if pod.state.name not in finished and pod.created is not None and now - pod.created > limit
        ]
        # Nobody is ready before the first one has migrated: that takes what it takes.
        if not finished or not slow:
            if self.progress_at is None or now - self.progress_at <= limit:
                return ()
            key, message = "no-progress", f"no progress for {now - self.progress_at:.0f} s"
        else:
            names = sorted(f"{pod.state.node or pod.state.name} ({pod.state.status})" for pod in slow)
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            key = "slow:" + ",".join(sorted(pod.state.name for pod in slow))
            message = f"not Ready for {limit:.0f} s and longer: {shown}"
        try:
            answer = diagnose(Seen(observed=self.observed()))
        except NoAnswerError:
            answer = None
        return (Alarm(key, f"{message}; a node is expected to take {limit:.0f} s at most", answer),)

    # --- when it will be over

    def _cycles(self, new: list[_Pod]) -> list[float]:
        """Seconds that each finished node took, the first one of a migration aside: it waits for the copy.

        One node at a time: from one pod's creation to the next one's; several: from creation to Ready.
        """
        pods = sorted((pod for pod in new if pod.created is not None), key=lambda pod: pod.created or 0.0)
        if pods and pods[0].state.migrates:
            pods = pods[1:]
        found = []
        for index, pod in enumerate(pods):
            assert pod.created is not None
            if pod.ready_at is None or pod.state.state is not ActorState.READY:
                continue
            following = pods[index + 1].created if index + 1 < len(pods) else None
            end = following if self.expected.parallel == 1 and following is not None else pod.ready_at
            found.append(max(1.0, end - pod.created))
        return found

    def _posterior(self, cycles: list[float]) -> _Posterior:
        return _Posterior.of(cycles, self.expected.cycle, max(_SIGMA, self.expected.spread))

    def _eta(self, now: float, new: list[_Pod], ready: list[_Pod], left: int) -> tuple[float, float]:
        """(P50, P90) of the seconds that are left: the nodes to come, those on their way, and the tail."""
        posterior = self._posterior(self._cycles(new))
        generator = np.random.default_rng(0)
        mean, sigma = posterior.parameters(generator, DRAWS)
        parallel = min(self.expected.parallel, max(1, left))
        finished = {pod.state.name for pod in ready}
        begun = [now - pod.created for pod in new if pod.state.name not in finished and pod.created is not None]
        waiting = max(0, left - len(begun))
        # The sum of many lognormal times is nearly normal; few are drawn one by one.
        if waiting <= 50:
            work = np.exp(mean + sigma * generator.standard_normal((waiting, DRAWS))).sum(axis=0)
        else:
            one = np.exp(mean + sigma**2 / 2)
            spread = one * np.sqrt(np.expm1(sigma**2))
            work = np.maximum(waiting * one + math.sqrt(waiting) * spread * generator.standard_normal(DRAWS), 0.0)
        residual = np.zeros(DRAWS)
        for elapsed in begun[:50]:
            drawn = np.exp(mean + sigma * generator.standard_normal(DRAWS))
            # Given that it has taken so long: of the draws those that are longer, each as often as it takes.
            longer = drawn[drawn > elapsed]
            residual += (np.resize(longer, DRAWS) if len(longer) >= 20 else 1.5 * elapsed) - elapsed
        total = (work + residual) / parallel + self.expected.tail
        half, most = np.quantile(total, [0.5, 0.9])
        return float(half), float(most)

    # --- across restarts

    def save(self, path: Path) -> None:
        """Write what the objects alone do not tell again, atomically."""
        data = {
            "version": 1,
            "latest": self.latest,
            "began": self.began,
            "progress_at": self.progress_at,
            "revisions": self.revisions,
            "marks": self._marks,
        }
        write(str(path), json.dumps(data))

    def load(self, path: Path, clock: float) -> None:
        """Go on where an earlier watch stopped. Raises WatchError."""
        try:
            table = Table(json.loads(path.read_text(encoding="utf-8")), "")
        except FileNotFoundError:
            return
        except (OSError, ValueError, ScenarioError) as error:
            raise WatchError(f"{path}: this is no state of calico-sim watch: {error}") from None
        marks, revisions = table.data.get("marks"), table.data.get("revisions")
        try:
            self.latest, self.began, self.progress_at = (
                _seconds(table.data.get(name)) for name in ("latest", "began", "progress_at")
            )
            if not isinstance(marks, dict) or not isinstance(revisions, dict):
                raise ValueError("marks or revisions are missing")
            self.revisions = {str(key): _seconds(value) or 0.0 for key, value in revisions.items()}
        except ValueError as error:
            raise WatchError(f"{path}: this is no state of calico-sim watch: {error}") from None
        self._marks = {str(key): str(value) for key, value in marks.items()}
        self.seen_at = clock


@dataclass(frozen=True, slots=True)
class _Posterior:
    """The normal-inverse-gamma belief about the logarithm of one node's time."""

    mu: float
    kappa: float
    alpha: float
    beta: float

    @classmethod
    def of(cls, observed: list[float], prior: float, sigma: float) -> _Posterior:
        logs = np.log(np.asarray(observed, dtype=float))
        count = len(observed)
        mu, kappa, alpha = math.log(prior), _PRIOR, _PRIOR
        beta = sigma**2 * alpha
        if not count:
            return cls(mu, kappa, alpha, beta)
        mean = float(logs.mean())
        scatter = float(((logs - mean) ** 2).sum())
        return cls(
            (kappa * mu + count * mean) / (kappa + count),
            kappa + count,
            alpha + count / 2,
            beta + scatter / 2 + kappa * count * (mean - mu) ** 2 / (2 * (kappa + count)),
        )

    def parameters(self, generator: np.random.Generator, count: int) -> tuple[Any, Any]:
        """Draws of (mean, sigma) of the logarithm."""
        sigma = np.sqrt(self.beta / generator.gamma(self.alpha, 1.0, count))
        return self.mu + sigma / math.sqrt(self.kappa) * generator.standard_normal(count), sigma

    def quantile(self, share: float) -> float:
        """A quantile of one node's time, from fixed draws."""
        generator = np.random.default_rng(1)
        mean, sigma = self.parameters(generator, DRAWS)
        return float(np.quantile(np.exp(mean + sigma * generator.standard_normal(DRAWS)), share))


# --- stamps ---------------------------------------------------------------------------------------------


def _stamps(item: Mapping[str, Any]) -> tuple[str | None, float | None, float | None, float | None]:
    """(revision, created, since when Ready, to be gone at) of a pod."""
    metadata = mapping(item.get("metadata"))
    labels = mapping(metadata.get("labels"))
    revision = labels.get("controller-revision-hash") or labels.get("pod-template-generation")
    ready = None
    conditions = mapping(item.get("status")).get("conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, dict) and condition.get("type") == "Ready" and condition.get("status") == "True":
            ready = instant(condition.get("lastTransitionTime"))
    made, gone = (instant(metadata.get(key)) for key in ("creationTimestamp", "deletionTimestamp"))
    return revision if isinstance(revision, str) else None, made, ready, gone


def _init_started(item: Mapping[str, Any]) -> float | None:
    """When the first init container was started (now, or the time before it was restarted)."""
    statuses = mapping(item.get("status")).get("initContainerStatuses")
    first = statuses[0] if isinstance(statuses, list) and statuses else None
    for key in ("lastState", "state"):
        for state in mapping(mapping(first).get(key)).values():
            started = instant(mapping(state).get("startedAt"))
            if started is not None:
                return started
    return None


def _all_stamps(value: object) -> list[float]:
    """Every instant anywhere in a value."""
    if isinstance(value, Mapping):
        return [stamp for child in value.values() for stamp in _all_stamps(child)]
    if isinstance(value, list):
        return [stamp for child in value for stamp in _all_stamps(child)]
    stamp = instant(value)
    return [] if stamp is None else [stamp]


def instant(value: object) -> float | None:
    """Seconds since 1970 of a stamp as Kubernetes writes it (RFC 3339, UTC); None if it is none."""
    if not isinstance(value, str) or len(value) < 20 or value[4:5] != "-" or value[10:11] != "T":
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC).timestamp()
