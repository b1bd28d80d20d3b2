"""What is left of an upgrade that is under way: the plan's runs, cut where kubectl shows that the cluster stands.

Each run of the engine has an instant at which it looks like the state that was given: as many nodes are done, and those
on their way have come as far. What the run takes from there on is one draw of what is left. Nodes that are NotReady in
the state are NotReady in the run from that instant on. What is wrong, if anything, says `simulator.recover`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from simulator import draws, kubectl, windows
from simulator.catalogue import Etcd
from simulator.engine import run
from simulator.kubectl import ActorState, Observed, PodState, mapping
from simulator.reading import Table
from simulator.recover import (
    FINISHED,
    STALLED,
    UNDECIDED,
    Answer,
    NoAnswerError,
    State,
    diagnose,
    not_ready,
    read_state,
)
from simulator.scenario import V2_TO_V3, Fault, Scenario
from simulator.statistics import Estimate, estimate
from simulator.timing import MICRO
from simulator.variants import pair_to_dict
from simulator.watch import Watch

if TYPE_CHECKING:
    from simulator.planning import Plan
    from simulator.trace import Trace

NOT_BEGUN: Final = "not-begun"
FIRST: Final = "first-node"
ROLLING: Final = "rolling"
COMPLETING: Final = "completing"
DONE: Final = "done"

_NODES, _FEWEST, _MOST = 40_000, 40, 400
"""Runs: as many as have so many nodes in all, within these bounds; the engine plays 10,000 nodes a second."""

_PEERS: Final = 10
"""Of the nodes that are done, so many stay in the runs: what is left needs them only as BGP peers."""

# The last thing that a run's node has done when its pod looks so, the later one first; (migration, v3-rolling).
_REACHED: Final[Mapping[ActorState, tuple[str, str]]] = {
    ActorState.RUNNING: ("main_started", "main_started"),
    ActorState.INIT: ("init_started", "sandbox_done"),
    ActorState.INIT_FAILED: ("init_started", "sandbox_done"),
    ActorState.CRASHED: ("init_done", "sandbox_done"),
}
_BEGUN: Final = "sandbox_started"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an upgrade stands. `done` and `on_their_way`, the new pods that are not Ready, are on nodes that are up.

    `not_ready` names the nodes that are NotReady. `locked`: None is not known; `opened`: the datastore is open for v3.
    `max_unavailable` is the DaemonSet's, None: it was not given. `closed_for`: seconds in which no new pod has started,
    at least. `cordoned`: nodes that take no pod; `job_fits`: whether a node is there that the completion Job tolerates.
    """

    phase: str
    nodes: int
    done: int
    on_their_way: tuple[PodState, ...]
    not_ready: tuple[str, ...]
    locked: bool | None
    opened: bool
    max_unavailable: int | str | None
    closed_for: float | None
    cordoned: int
    job_fits: bool


Left = Mapping[str, tuple[Estimate, Estimate]]
"""(P50, P90) in seconds by name"""

_NOTHING: Final[Left] = {"total": (Estimate(0.0, None), Estimate(0.0, None))}


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left, in seconds from now on; empty where nothing could be simulated.

    `left` holds (P50, P90) by name: the windows `scheduling_block` and `policy_freeze_enforcement` as far as they lie
    ahead, `rollout` (every node is Ready) and `total`. `answer` is what `calico-sim recover` says; the numbers hold if
    it is not stalled, else from when that is mended on.

    Where nodes are NotReady, `left` is with them NotReady for ever, so that only what it has besides may end: `others`
    (every other node is Ready). `deleted` and `returned` are what is left from when they are deleted (empty: there
    would be no node) or back; None: no node is NotReady.
    """

    standing: Standing
    answer: Answer
    etcd: Etcd
    left: Left
    replications: int
    notes: tuple[str, ...]
    deleted: Left | None = None
    returned: Left | None = None

    @property
    def exit_code(self) -> int:
        """That of `calico-sim plan --state`: 4 it never ends by itself, 5 that is not decided, else 0."""
        endless = any(p50.value is None for p50, _ in self.left.values())
        return {STALLED: 4, UNDECIDED: 5}.get(self.answer.verdict, 4 if endless else 0)

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        from simulator.report.recover import data_of

        at = self.standing
        return {
            "phase": at.phase,
            "nodes": {
                "total": at.nodes,
                "done": at.done,
                "on_their_way": len(at.on_their_way),
                "not_ready": list(at.not_ready),
            },
            "locked": at.locked,
            "closed_for": at.closed_for,
            "max_unavailable": at.max_unavailable,
            "left": _to_dict(self.left),
            "left_when": None
            if self.deleted is None or self.returned is None
            else {"deleted": _to_dict(self.deleted), "returned": _to_dict(self.returned)},
            "replications": self.replications,
            "notes": list(self.notes),
            "diagnosis": data_of(self.answer, self.etcd),
        }


def _to_dict(left: Left) -> dict[str, Any]:
    return {name: pair_to_dict(p50, p90) for name, (p50, p90) in left.items()}


# --- where it stands --------------------------------------------------------------------------------------


def standing(data: object, protocol: str) -> tuple[Standing, State]:
    """Where the upgrade stands, in kubectl's JSON or in the flags and pods that `calico-sim recover` takes.

    Raises:
        ScenarioError: something in it cannot be what it is, with its place.
        NoAnswerError: nothing of the upgrade is in it.

    """
    state = read_state(data, {})
    seen = state.observed
    raw = list(_raw(data))
    watch = Watch()
    for item in raw:
        watch.feed(item, 0.0)
    status = watch.status(0.0)
    if protocol == V2_TO_V3:
        places = {pod.node or pod.name for pod in seen.of(kubectl.NODE)}
        alive = [pod for pod in seen.of(kubectl.NODE) if pod.state is not ActorState.TERMINATING]
        new = [pod for pod in alive if pod.new]
        total = max(len(places), len(seen.nodes))
    else:
        new = watch.new()
        total = status.nodes
    if not total:
        raise NoAnswerError("no calico-node pod is in it: what is left cannot be told without them")
    down = not_ready(state)
    up = [pod for pod in new if pod.node not in down]
    done = sum(pod.state is ActorState.READY for pod in up)
    opened = state.datastore_ready is True or any(job.done for job in seen.jobs) or _job_done(seen)
    if not new:
        phase = NOT_BEGUN
    elif done < total:
        phase = ROLLING if done else FIRST
    else:
        phase = DONE if protocol != V2_TO_V3 or opened else COMPLETING
    cordoned = [item for item in raw if item.get("kind") == "Node" and _spec(item).get("unschedulable") is True]
    taken = [item for item in raw if item.get("kind") == "Node" and (_spec(item).get("taints") or item in cordoned)]
    return Standing(
        phase=phase,
        nodes=total,
        done=done,
        on_their_way=tuple(pod for pod in up if pod.state is not ActorState.READY),
        not_ready=tuple(down),
        locked=None if protocol != V2_TO_V3 else _locked(state, new, opened),
        opened=opened,
        max_unavailable=next((value for item in raw if (value := _max_unavailable(item)) is not None), None),
        closed_for=status.blocked_for,
        cordoned=len(cordoned),
        job_fits=not seen.nodes or len(taken) < len(seen.nodes),
    ), state


def _raw(data: object) -> Iterator[Mapping[str, Any]]:
    """The objects of kubectl in a state, as they are; of the short forms of pods none."""
    table = Table(data, "")
    if "kind" in table.data or "items" in table.data:
        yield from kubectl.objects(data)
        return
    pods = table.data.get("pods")
    for item in pods if isinstance(pods, list) else [pods]:
        if isinstance(item, Mapping) and ("kind" in item or "metadata" in item or "items" in item):
            yield from kubectl.objects(item if "kind" in item or "items" in item else {"kind": "Pod", **item})


def _spec(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(item.get("spec"))


def _max_unavailable(item: Mapping[str, Any]) -> int | str | None:
    """The DaemonSet's own, if it is one that Kubernetes takes."""
    if item.get("kind") != "DaemonSet" or mapping(item.get("metadata")).get("name") != kubectl.NODE:
        return None
    value = mapping(mapping(_spec(item).get("updateStrategy")).get("rollingUpdate")).get("maxUnavailable")
    if isinstance(value, str) and value.removesuffix("%").isdigit() and value.endswith("%") and value != "0%":
        return value
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _job_done(seen: Observed) -> bool:
    return any(pod.state is ActorState.DONE for pod in seen.of(kubectl.JOB))


def _locked(state: State, new: Sequence[PodState], opened: bool) -> bool | None:
    """Whether no new pod starts at this moment."""
    if opened or not new:
        return False
    if any(pod.past_init or pod.state is ActorState.READY for pod in new):
        return True
    if state.v1_ready is not None:
        return not state.v1_ready
    return True if state.init_log in ("waiting", "migrating") else None


def count_nodes(data: object) -> int:
    """How many nodes a state shows, by their Node objects or calico-node pods. Raises ScenarioError."""
    seen = read_state(data, {}).observed
    return max(len(seen.nodes), len({pod.node or pod.name for pod in seen.of(kubectl.NODE)}))


# --- what is left -----------------------------------------------------------------------------------------


def remaining(plan: Plan, data: object) -> Remaining:
    """What is left of the plan's upgrade, as the state shows it. Raises as `standing`, and NoAnswerError."""
    from simulator.risks import etcd

    at, state = standing(data, plan.upgrade.protocol)
    answer = diagnose(state)
    done_or_down = answer.verdict == FINISHED or bool(at.not_ready)
    if plan.upgrade.protocol != V2_TO_V3 and at.phase == NOT_BEGUN and done_or_down:
        # All pods are of one revision: the one that was, or the one that came.
        images = {pod.image or "" for pod in state.observed.of(kubectl.NODE)}
        if all(image.endswith(f":v{plan.upgrade.calico_to}") for image in images):
            done = at.nodes - len(at.not_ready)
            at = replace(at, phase=ROLLING if at.not_ready else DONE, done=done)
    elif "migration_interrupted" in answer.reasons:
        at = replace(at, locked=None)  # when that is mended, it begins anew, and locks again
    if at.phase == DONE and answer.verdict == FINISHED:
        return Remaining(at, answer, etcd(plan.cluster), _NOTHING, 0, ())
    notes = tuple(_notes(plan, at, interrupted="migration_interrupted" in answer.reasons))
    found = Remaining(at, answer, etcd(plan.cluster), {}, 0, notes)
    if plan.scenario is None:
        return found
    runs = 3 if at.not_ready else 1  # for each draw
    count = max(_FEWEST, min(_MOST, _NODES // (runs * (at.nodes - _spared(at)))))
    returned, left = _play(plan, at, count)
    if not at.not_ready:
        return replace(found, left=left, replications=count)
    return replace(found, left=left, replications=count, deleted=_deleted(plan, at, count), returned=returned)


def _play(plan: Plan, at: Standing, count: int) -> tuple[Left, Left]:
    """What is left if the nodes that are NotReady are back at once, and if they never are; the same where none is."""
    scenario = _scenario(plan, at)
    nodes = scenario.cluster.nodes
    back, stuck = dict[str, list[float]](), dict[str, list[float]]()
    assert plan.profile is not None
    for number, members in draws.blocks(count):
        block = draws.draw(plan.profile, nodes, plan.options.seed, number)
        for member in members:
            drawn = draws.replication(scenario, block, member)
            trace = run(drawn)
            now = _instant(trace, at)
            _add(back, _left(trace, at, now))
            if at.not_ready:
                down = _lost(trace, at, now)
                if now is not None:
                    # The same run from the same draws, up to the next moment: what happens at the instant is done.
                    faults = (Fault("node_not_ready", node, start=now + 1) for node in down)
                    trace = run(replace(drawn, faults=(*drawn.faults, *faults)))
                others = [trace.nodes[node].ready for node in range(nodes) if node not in down]
                last = None if None in others else max(filter(None, others), default=now)
                _add(stuck, {"others": _between(now, last), **_left(trace, at, now)})
    return _estimates(back), _estimates(stuck if at.not_ready else back)


def _deleted(plan: Plan, at: Standing, count: int) -> Left:
    """What is left from when the nodes that are NotReady are deleted on; empty: there would be no node."""
    nodes = at.nodes - len(at.not_ready)
    phase = at.phase
    if at.done == nodes:
        phase = DONE if at.opened or plan.upgrade.protocol != V2_TO_V3 else COMPLETING
    if not nodes or phase == DONE:
        return _NOTHING if nodes else {}
    return _play(plan, replace(at, phase=phase, nodes=nodes, not_ready=()), count)[0]


def _lost(trace: Trace, at: Standing, now: int | None) -> frozenset[int]:
    """The nodes of a run that stand for those that are NotReady: of the ones that are left, the first in order.

    A NotReady node is the next whose pod is deleted, whatever the order.
    """
    ready = {node: instant for node, each in enumerate(trace.nodes) if (instant := each.ready) is not None}
    done = sorted(ready, key=lambda node: ready[node])[: at.done - _spared(at)]
    busy = [node for node in trace.scenario.cluster.order if node not in done and _is_begun(trace, node, now)]
    kept = {*done, *busy[: len(at.on_their_way)]}
    left = [node for node in trace.scenario.cluster.order if node not in kept]
    return frozenset(left[: len(at.not_ready)])


def _is_begun(trace: Trace, node: int, now: int | None) -> bool:
    killed = trace.nodes[node].killed
    return now is not None and killed is not None and killed <= now


def _add(found: dict[str, list[float]], lengths: Mapping[str, float]) -> None:
    for name, length in lengths.items():
        found.setdefault(name, []).append(length)


def _estimates(found: Mapping[str, Sequence[float]]) -> Left:
    ordered = {name: sorted(lengths) for name, lengths in found.items()}
    return {name: (estimate(lengths, 0.5), estimate(lengths, 0.9)) for name, lengths in ordered.items()}


def _scenario(plan: Plan, at: Standing) -> Scenario:
    """The plan's scenario with the nodes that count, and as many at a time as the DaemonSet says."""
    assert plan.scenario is not None
    data = plan.scenario.to_dict()
    at_a_time = plan.options.max_unavailable if at.max_unavailable is None else at.max_unavailable
    if isinstance(at_a_time, str):
        # A share is one of all nodes, also of those that are left out.
        at_a_time = max(1, math.ceil(at.nodes * int(at_a_time.removesuffix("%")) / 100))
    data["cluster"] |= {"nodes": at.nodes - _spared(at), "max_unavailable": at_a_time}
    data.pop("typha", None)
    # What was assumed of single nodes before is not true any more: the state shows them.
    data["faults"] = [fault for fault in data.get("faults", ()) if "node" not in fault]
    return Scenario.from_dict(data)


def _spared(at: Standing) -> int:
    """How many of the nodes that are done are left out."""
    return max(0, at.done - _PEERS)


def _left(trace: Trace, at: Standing, now: int | None) -> dict[str, float]:
    """What one run takes from `now` on, the instant at which it looks like the state, in seconds."""
    rolling = trace.scenario.cluster.rolling
    spans = {"rollout": (now, trace.rollout), "total": (now, windows.total(trace))}
    if not rolling:
        closed = None if now is None else max(now, trace.clear or 0)
        frozen = windows.enforcement_freeze(trace)
        spans = {
            **({} if at.opened else {"scheduling_block": (closed, trace.complete)}),
            "policy_freeze_enforcement": (now, None if frozen is None else frozen[1]),
            **spans,
        }
    return {name: _between(start, end) for name, (start, end) in spans.items()}


def _between(start: int | None, end: int | None) -> float:
    """Seconds; infinite where one of the two never comes."""
    return math.inf if start is None or end is None else max(0, end - start) / MICRO


def _instant(trace: Trace, at: Standing) -> int | None:
    """When the run stands there; None: it never comes so far."""
    done = at.done - _spared(at)
    ready = sorted(node.ready for node in trace.nodes if node.ready is not None)
    if len(ready) < done:
        return None
    if at.phase == COMPLETING:
        return trace.rollout
    now = ready[done - 1] if done else 0
    reached = dict[tuple[str, str], int]()
    begun: list[str] = []
    for event in trace.events:
        if event.node is not None:
            if event.event == _BEGUN:
                begun.append(event.node)
            reached.setdefault((event.node, event.event), event.time)
    rolling = trace.scenario.cluster.rolling
    for node, pod in zip(begun[done:], at.on_their_way, strict=False):
        now = max(now, reached.get((node, _milestone(pod, rolling)), 0))
    if at.locked and trace.clear is not None:
        now = max(now, trace.clear)
    # The next node is not Ready yet, whatever the order in which several at a time get on.
    return min(now, ready[done]) if done < len(ready) else now


def _milestone(pod: PodState, rolling: bool) -> str:
    if pod.past_init and pod.state is ActorState.STARTING:
        return "sandbox_done" if rolling else "init_done"
    return _REACHED.get(pod.state, (_BEGUN, _BEGUN))[rolling]


def _notes(plan: Plan, at: Standing, *, interrupted: bool) -> Iterator[str]:
    """What is approximated, and what was taken from the state."""
    if plan.scenario is None:
        yield f"nothing is simulated, because the plan is blocked: {plan.reason}"
    else:
        yield "what a node has done of the step that it is at is not taken off: it counts as just begun"
        if at.phase == NOT_BEGUN:
            yield "it counts from when the new manifests reach the API, which takes a look of protokube's more (60 s)"
        if at.not_ready:
            one = len(at.not_ready) == 1
            yield (
                f"nobody knows when the NotReady node{' returns' if one else 's return'}: in the first table never, in "
                f"the last one at once, with nothing done of the upgrade on {'it' if one else 'them'}"
            )
        if at.phase == FIRST and interrupted:
            yield "the migration begins anew, with its checks"
        elif at.phase == FIRST and at.locked is None:
            yield "whether the datastore is locked cannot be seen in the pods: the whole block is taken to lie ahead"
        if _spared(at):
            yield f"of the {at.done} nodes that are done {_PEERS} are in the runs, as peers of the others"
        if at.max_unavailable is not None:
            yield f"maxUnavailable {at.max_unavailable}, as the DaemonSet has it"
        else:
            yield f"maxUnavailable {plan.options.max_unavailable}: the DaemonSet is not in the state"
        if plan.scenario.typha is not None:
            yield "Typha's own roll is left out"
        yield "nothing else fails: no further node gets NotReady, no image is missing"
    if at.nodes != plan.nodes:
        yield f"{at.nodes} nodes, as the state shows them; the plan is for {plan.nodes}"
    if at.cordoned:
        which = "1 node is" if at.cordoned == 1 else f"{at.cordoned} nodes are"
        yield f"{which} cordoned: rolled like the others, but they take no other pod"
    if not at.job_fits and plan.upgrade.protocol == V2_TO_V3 and at.phase != DONE:
        yield (
            "every node that is seen is cordoned or tainted: the completion Job, which tolerates nothing, will not be "
            "scheduled; uncordon a worker"
        )
