"""A timing profile from what one's own cluster did: pods, events, watch streams, recorded rollouts.

Kubernetes writes whole seconds, and a pod is seen to be Ready only at a probe: what is known of a duration is an
interval. The fit takes it as one (interval-censored; taking the probe for the truth makes 8 s look like 13). Few
observations are drawn towards the default profile, which counts like two of them.

The logarithm of a duration is taken as normal, with the conjugate normal-inverse-gamma prior (Gelman et al., *Bayesian
Data Analysis*, 3.3); the expectation-maximisation of Dempster, Laird and Rubin (1977) fills in what the intervals hide.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Final

from simulator import kubectl
from simulator.kubectl import ActorState, PodState, mapping
from simulator.scenario import ScenarioError
from simulator.stream import Malformed, read_objects
from simulator.watch import instant

Json = Mapping[str, Any]

PRIOR: Final = 2
"""What the default is worth in observations (kappa_0 = alpha_0 = 2, as in `simulator.profile`)."""

STAMP_S: Final = 1.0
"""The resolution of Kubernetes' stamps."""

_SHORTEST_S: Final = 0.01
_TURNS: Final = 200
_CLOSE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Stage:
    """One parameter that can be seen: its default (median and sigma of the logarithm) and from what it is read."""

    median: float
    sigma: float
    seen: str


STAGES: Final[Mapping[str, Stage]] = {
    "controller_reaction": Stage(0.15, 0.6, "a pod is Ready until the next node's pod is created"),
    "kill": Stage(0.63, 0.6, "a pod is deleted until its last container has ended"),
    "sandbox": Stage(1.0, 0.4, "a pod is bound until its first pull or container"),
    "pull_upgrade": Stage(4.0, 0.5, "Pulled events of the calico-upgrade image"),
    "pull_node": Stage(
        8.0, 0.5, "Pulled events of the calico-node image, or from the last init container to the main one"
    ),
    "pull_cni": Stage(6.0, 0.5, "Pulled events of the CNI image"),
    "pull_controllers": Stage(3.0, 0.5, "Pulled events of the kube-controllers image"),
    "needed": Stage(0.2, 0.5, "runs of calico-node's init container that find nothing to do"),
    "upgrade_ipam": Stage(1.0, 0.5, "runs of the init container upgrade-ipam"),
    "install_cni": Stage(1.0, 0.5, "runs of the init container install-cni"),
    "ebpf_bootstrap": Stage(1.0, 0.5, "runs of the last init container"),
    "services": Stage(3.5, 0.33, "calico-node starts until it is Ready, without the probe's grid and the BGP sessions"),
}
"""What can be calibrated, in the order in which things happen; the names are those of the profile."""

_INITS = {
    "upgrade-ipam": "upgrade_ipam",
    "install-cni": "install_cni",
    "flexvol-driver": "ebpf_bootstrap",
    "mount-bpffs": "ebpf_bootstrap",
    "ebpf-bootstrap": "ebpf_bootstrap",
}
_IMAGES = (
    (re.compile(r"calico[-/]upgrade|/upgrade:"), "pull_upgrade"),
    (re.compile(r"/kube-controllers[:@]"), "pull_controllers"),
    (re.compile(r"/cni[:@]"), "pull_cni"),
    (re.compile(r"/node[:@]"), "pull_node"),
)
_PULLED = re.compile(r'Successfully pulled image "([^"]+)" in ((?:[\d.]+(?:h|ms|µs|us|m|s))+)')
_PRESENT = re.compile(r'Container image "([^"]+)" already present')
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}

# Between the services' start and a readiness that asks BIRD lies a BGP session (default: 2 to 8 s), else Felix's sync.
_SESSION_S, _SYNC_S = 5.0, 3.0


class CalibrationError(ValueError):
    """A record that cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A duration is at least `low` and at most `high` seconds."""

    low: float
    high: float


@dataclass(slots=True)
class Seen:
    """All that the records say: intervals by parameter, and what was passed over."""

    intervals: dict[str, list[Interval]] = field(default_factory=dict)
    cached: dict[str, int] = field(default_factory=dict)
    """how often an image was on the node already"""
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, low: float, high: float) -> None:
        """One duration; nothing is shorter than a hundredth of a second."""
        if high > 0:
            low = max(low, 0.0)
            self.intervals.setdefault(name, []).append(Interval(low, max(high, low, _SHORTEST_S)))

    def stamps(self, name: str, start: float | None, end: float | None) -> None:
        """One duration between two stamps, each cut to whole seconds."""
        if start is not None and end is not None and end >= start:
            self.add(name, end - start - STAMP_S, end - start + STAMP_S)


@dataclass(frozen=True, slots=True)
class Fit:
    """One fitted parameter, `median` and `sigma` of a lognormal distribution.

    `count` durations were seen; `observations` is what they and the default are worth as if they had been seen
    exactly. `median_interval` holds the true median at 95 %. `seen_p50` and `seen_p90` are of the intervals' middles.
    `poor`: what was seen is no lognormal distribution (Kolmogorov's bound at 5 %).
    """

    name: str
    median: float
    sigma: float
    count: int
    observations: int
    median_interval: tuple[float, float]
    seen_p50: float
    seen_p90: float
    poor: bool

    def quantile(self, share: float) -> float:
        """A quantile of the fitted distribution, in seconds."""
        return self.median * math.exp(self.sigma * NormalDist().inv_cdf(share))


# --- reading --------------------------------------------------------------------------------------------


def read(records: Iterable[tuple[str, bytes]]) -> Seen:
    """What records say, given as (name, content). Raises CalibrationError."""
    seen = Seen()
    pods: dict[str, _Life] = {}
    events: dict[str, list[tuple[float, str, str]]] = {}
    for name, data in records:
        found = 0
        for item in _items(name, data, seen):
            if "draws" in item and "events" in item:
                found += _recording(item, seen)
                continue
            try:
                children = list(kubectl.objects(item))
                for child in children:
                    found += _take(child, pods, events, seen)
            except ScenarioError as error:
                seen.notes.append(f"{name}: an object was passed over: {error}")
        if not found:
            raise CalibrationError(
                f"{name}: no pod of Calico, no event of one and no recorded rollout is in it; give what "
                "`kubectl -n kube-system get pods -o json` or `get events -o json` prints"
            )
    _pods(pods, events, seen)
    return seen


def _items(name: str, data: bytes, seen: Seen) -> Iterator[Json]:
    """The objects of a file: one JSON document, or a stream of them."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{name}: it is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        bad = 0
        for item in read_objects(text.splitlines(keepends=True)):
            if isinstance(item, Malformed):
                bad += 1
            else:
                inner = item.get("object")
                yield inner if isinstance(inner, Mapping) else item
        if bad:
            seen.notes.append(f"{name}: {bad} pieces are no JSON objects and were passed over")
        return
    if not isinstance(whole, Mapping):
        raise CalibrationError(f"{name}: a JSON object was expected")
    yield whole


@dataclass(slots=True)
class _Life:
    """One pod of calico-node or kube-controllers, with the first instant of each thing."""

    pod: PodState
    item: Json
    created: float | None = None
    ready: float | None = None
    killed_from: float | None = None
    killed_until: float | None = None


def _take(item: Json, pods: dict[str, _Life], events: dict[str, list[tuple[float, str, str]]], seen: Seen) -> int:
    """Keep what matters of one object; returns how much that was."""
    if item.get("kind") == "Event" or "involvedObject" in item:
        return _event(item, events, seen)
    taken = 0
    for pod in kubectl.read(item).pods:
        taken += 1
        life = pods.get(pod.name)
        if life is None:
            life = pods[pod.name] = _Life(pod, item)
        if pod.state in (ActorState.READY, ActorState.RUNNING) or life.ready is None:
            life.pod, life.item = pod, item
        metadata, status = mapping(item.get("metadata")), mapping(item.get("status"))
        life.created = instant(metadata.get("creationTimestamp"))
        if life.ready is None and pod.restarts == 0:
            life.ready = _condition(status, "Ready")
        grace = metadata.get("deletionGracePeriodSeconds")
        gone = instant(metadata.get("deletionTimestamp"))
        if gone is not None:
            life.killed_from = gone - (grace if isinstance(grace, (int, float)) else 0)
            ends = [
                instant(mapping(_state(entry, "terminated")).get("finishedAt"))
                for entry in _statuses(status, "containerStatuses")
            ]
            if ends and all(end is not None for end in ends):
                life.killed_until = max(end for end in ends if end is not None)
    return taken


def _event(item: Json, events: dict[str, list[tuple[float, str, str]]], seen: Seen) -> int:
    about = mapping(item.get("involvedObject"))
    name = about.get("name")
    if about.get("kind") != "Pod" or not isinstance(name, str) or not name.startswith("calico-"):
        return 0
    reason, message = item.get("reason"), item.get("message")
    if not isinstance(reason, str) or not isinstance(message, str):
        return 0
    at = instant(item.get("eventTime")) or instant(item.get("firstTimestamp"))
    if at is not None:
        events.setdefault(name, []).append((at, reason, message))
    if (pulled := _PULLED.search(message)) is not None and (parameter := _image(pulled[1])) is not None:
        seconds = sum(
            float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(h|ms|µs|us|m|s)", pulled[2])
        )
        seen.add(parameter, seconds, seconds)
    elif (present := _PRESENT.search(message)) is not None and (parameter := _image(present[1])) is not None:
        seen.cached[parameter] = seen.cached.get(parameter, 0) + 1
    return 1


def _image(image: str) -> str | None:
    return next((parameter for pattern, parameter in _IMAGES if pattern.search(image)), None)


def _pods(pods: Mapping[str, _Life], events: Mapping[str, list[tuple[float, str, str]]], seen: Seen) -> None:
    """The durations between the stamps of each pod, and between pods."""
    nodes = [life for life in pods.values() if life.pod.app == kubectl.NODE]
    pulls_told = "pull_node" in seen.intervals  # by events, to the millisecond: the pods would tell it once more
    for name, life in pods.items():
        said = {reason: at for at, reason, _ in sorted(events.get(name, ()), reverse=True)}
        seen.stamps("kill", life.killed_from, life.killed_until)
        status = mapping(life.item.get("status"))
        bound = said.get("Scheduled") or _condition(status, "PodScheduled")
        first = said.get("Pulling") or said.get("Pulled")
        if bound is not None and first is not None:
            seen.stamps("sandbox", bound, first)
        if life.pod.app == kubectl.NODE and life.pod.new:
            _node(life, status, seen, pulls_told=pulls_told)
    migrated = any(life.pod.migrates for life in nodes)
    new = sorted(
        (life for life in nodes if life.created is not None and (life.pod.migrates or not migrated)),
        key=lambda life: life.created or 0.0,
    )
    for before, after in pairwise(new):
        if before.ready is not None and after.created is not None and 0 <= after.created - before.ready <= 10:
            seen.stamps("controller_reaction", before.ready, after.created)


def _node(life: _Life, status: Json, seen: Seen, *, pulls_told: bool) -> None:
    """One calico-node pod of v3: its init containers, its start."""
    inits = _statuses(status, "initContainerStatuses")
    ended = None
    for entry in inits:
        run = mapping(_state(entry, "terminated"))
        start, end = instant(run.get("startedAt")), instant(run.get("finishedAt"))
        if entry.get("restartCount"):
            continue
        name = _INITS.get(str(entry.get("name")))
        if name is not None:
            seen.stamps(name, start, end)
        # The first node's run migrates, and those that run meanwhile wait for it: longer than any answer of `needed`.
        elif life.pod.migrates and start is not None and end is not None and end - start < 5:
            seen.stamps("needed", start, end)
        ended = end if end is not None else ended
    main = next((entry for entry in _statuses(status, "containerStatuses") if entry.get("name") == "calico-node"), None)
    if main is None or main.get("restartCount"):
        return
    started = instant(mapping(_state(main, "running")).get("startedAt"))
    if life.pod.migrates and not pulls_told:
        seen.stamps("pull_node", ended, started)
    if started is None or life.ready is None or life.ready < started:
        return
    probe = _probe(life.item)
    period = probe.get("periodSeconds", 10)
    command = json.dumps(probe)
    lag = _SESSION_S if "bird-ready" in command else _SYNC_S
    grid = float(period) if isinstance(period, (int, float)) else 10.0
    length = life.ready - started
    seen.add("services", length - grid - STAMP_S - lag, length + STAMP_S - lag)


def _probe(item: Json) -> Json:
    for container in mapping(item.get("spec")).get("containers") or ():
        if isinstance(container, Mapping) and container.get("name") == "calico-node":
            return mapping(container.get("readinessProbe"))
    return {}


def _recording(item: Json, seen: Seen) -> int:
    """A recorded rollout: exact instants, no probe grid."""
    instants: dict[str, dict[str, float]] = {}
    for event in item["events"]:
        if not isinstance(event, Mapping) or not isinstance(event.get("t"), (int, float)):
            raise CalibrationError("an event of the recorded rollout has no time `t`")
        if event.get("node") is not None and (event.get("app"), event.get("rev")) in (
            (None, None),
            ("calico-node", "v3"),
        ):
            instants.setdefault(str(event["node"]), {}).setdefault(str(event.get("event")), float(event["t"]))
    for node in instants.values():
        if "init_done" in node and "main_started" in node:
            pull = node["main_started"] - node["init_done"]
            seen.add("pull_node", pull, pull)
        if "main_started" in node and "node_ready" in node:
            start = node["node_ready"] - node["main_started"]
            seen.add("services", start, start)
    return len(instants)


def _statuses(status: Json, key: str) -> list[Json]:
    value = status.get(key)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _state(entry: Json, key: str) -> object:
    return mapping(entry.get("state")).get(key)


def _condition(status: Json, name: str) -> float | None:
    conditions = status.get("conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, Mapping) and (condition.get("type"), condition.get("status")) == (name, "True"):
            return instant(condition.get("lastTransitionTime"))
    return None


# --- fitting --------------------------------------------------------------------------------------------


def fit_all(seen: Seen) -> list[Fit]:
    """A fit of every parameter that was seen, in the order of `STAGES`."""
    return [fit(name, seen.intervals[name]) for name in STAGES if seen.intervals.get(name)]


def fit(name: str, intervals: Sequence[Interval]) -> Fit:
    """The lognormal distribution that a stage's intervals and its default support."""
    stage = STAGES[name]
    counts: dict[tuple[float, float], int] = {}
    for interval in intervals:
        key = (_log(interval.low), _log(interval.high))
        counts[key] = counts.get(key, 0) + 1
    count = len(intervals)
    prior_mu, prior_beta = math.log(stage.median), stage.sigma**2 * PRIOR / 2
    mu, sigma = prior_mu, max(stage.sigma, 0.5)
    centre = scatter = hidden = 0.0
    for _ in range(_TURNS):
        # What the intervals hide is filled in with its expectation under the current fit.
        first = second = hidden = 0.0
        for (low, high), times in counts.items():
            mean, variance = _truncated(mu, sigma, low, high)
            first += times * mean
            second += times * (mean**2 + variance)
            hidden += times * min(1.0, variance / sigma**2)
        centre = first / count
        kappa = PRIOR + count
        scatter = max(0.0, second - count * centre**2)
        beta = prior_beta + scatter / 2 + PRIOR * count * (centre - prior_mu) ** 2 / (2 * kappa)
        before, mu, sigma = (mu, sigma), (PRIOR * prior_mu + first) / kappa, math.sqrt(2 * beta / kappa)
        if abs(mu - before[0]) < _CLOSE and abs(sigma - before[1]) < _CLOSE:
            break
    observations = PRIOR + count - hidden
    reach = 1.96 * sigma / math.sqrt(observations)
    middles = sorted((interval.low + interval.high) / 2 for interval in intervals)
    return Fit(
        name,
        math.exp(mu),
        sigma,
        count,
        max(1, round(observations)),
        (math.exp(mu - reach), math.exp(mu + reach)),
        middles[max(0, math.ceil(count * 0.5) - 1)],
        middles[max(0, math.ceil(count * 0.9) - 1)],
        _poor(intervals, NormalDist(centre, max(1e-3, math.sqrt(scatter / count)))),
    )


def _log(seconds: float) -> float:
    return math.log(seconds) if seconds > 0 else -math.inf


def _truncated(mu: float, sigma: float, low: float, high: float) -> tuple[float, float]:
    """Mean and variance of a normal variable that is known to lie between two values."""
    if high - low < 1e-9:
        return low, 0.0
    a, b = (low - mu) / sigma, (high - mu) / sigma
    mass = _between(a, b)
    if mass < 1e-12:  # far out in a tail: at the end that is nearer
        return (low if a > 0 else high), 0.0
    density_a, density_b = _density(a), _density(b)
    shift = (density_a - density_b) / mass
    spread = ((a * density_a if math.isfinite(a) else 0.0) - (b * density_b if math.isfinite(b) else 0.0)) / mass
    return mu + sigma * shift, max(0.0, sigma**2 * (1.0 + spread - shift**2))


def _between(a: float, b: float) -> float:
    """P(a < Z <= b), from the tail that keeps the digits."""
    if a > 0:
        return 0.5 * (math.erfc(a / math.sqrt(2)) - math.erfc(b / math.sqrt(2)))
    return 0.5 * (math.erfc(-b / math.sqrt(2)) - math.erfc(-a / math.sqrt(2)))


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) if math.isfinite(z) else 0.0


def _poor(intervals: Sequence[Interval], logs: NormalDist) -> bool:
    """Whether a lognormal distribution is outside what the intervals allow by more than Kolmogorov's bound at 5 %."""
    count = len(intervals)
    lows, highs = sorted(item.low for item in intervals), sorted(item.high for item in intervals)
    worst = 0.0
    for index in range(count):
        # At least index+1 durations are below the high ends, at most so many below the low ends.
        above, below = logs.cdf(_log(highs[index])), logs.cdf(_log(lows[index]))
        worst = max(worst, (index + 1) / count - above, below - index / count)
    return worst > 1.36 / math.sqrt(count)


# --- the profile ----------------------------------------------------------------------------------------


def profile_toml(name: str, fits: Sequence[Fit]) -> str:
    """The profile as `calico-sim plan --profile` reads it."""
    lines = [f"name = {json.dumps(name)}", ""]
    for item in fits:
        source = f"calibrated: {item.count} of {STAGES[item.name].seen}"
        lines += [
            f"[parameters.{item.name}]",
            f'distribution = "lognormal({item.median:.6g}, {max(item.sigma, 1e-6):.6g})"',
            f"observations = {item.observations}",
            f"source = {json.dumps(source, ensure_ascii=False)}",
            "",
        ]
    return "\n".join(lines)
