"""kubectl's JSON -> the actors of the upgrade, and the state that each is in.

Reads what ``kubectl -n kube-system get pods,jobs,daemonsets,nodes -o json`` prints, in any part: a List, a single
object, kinds that do not matter, fields that are missing. Only what has a wrong type is an error: a `ScenarioError`
with its place.
`PodState.status` is the STATUS column of `kubectl get pods`, worked out as kubectl does (`printPod` in
`pkg/printers/internalversion/printers.go`), so that people find in it what they see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from simulator.reading import Table, boolean, kind_of, text, whole
from simulator.scenario import ScenarioError

NODE: Final = "calico-node"
CONTROLLERS: Final = "calico-kube-controllers"
JOB: Final = "calico-complete-upgrade"
_APPS: Final = (NODE, CONTROLLERS, JOB)

_PULL_FAILS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_LOST: Final = frozenset({"NodeLost", "Unknown"})
_STARTING: Final = frozenset({"PodInitializing", "ContainerCreating"})


class ActorState(StrEnum):
    """Where a pod stands on its way, as far as the API shows it."""

    UNSCHEDULED = "unscheduled"
    """not bound to a node"""
    UNSEEN = "unseen"
    """bound, but the node's kubelet has not reported it"""
    STARTING = "starting"
    """sandbox, image pulls, between two containers"""
    INIT = "init"
    """an init container runs"""
    INIT_FAILED = "init-failed"
    """an init container has failed and waits for its restart"""
    RUNNING = "running"
    """the containers run, the pod is not Ready"""
    READY = "ready"
    CRASHED = "crashed"
    """a container has failed and waits for its restart"""
    DONE = "done"
    FAILED = "failed"
    """the pod is given up"""
    TERMINATING = "terminating"
    LOST = "lost"
    """its node does not answer"""


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of the upgrade.

    `new`: made from the new manifest, which shows in the init container that `migrates`, or in an image of v3.
    `past_init`: its init containers are done. `pull_fails`: an image cannot be pulled, whatever else is true.
    `unschedulable`: the scheduler has said so. `image` is the main container's, `expects` the image that a completion
    Job waits for.
    """

    name: str
    app: str
    state: ActorState
    status: str
    node: str | None = None
    new: bool = False
    migrates: bool = False
    past_init: bool = False
    pull_fails: bool = False
    unschedulable: bool = False
    restarts: int = 0
    image: str | None = None
    expects: str | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """A completion Job: `expects` is the image of calico-node that it waits for."""

    name: str
    done: bool = False
    failed: bool = False
    expects: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What kubectl shows of the upgrade.

    `nodes` holds each Node object's Ready condition (None: it has none). `on_delete`: calico-node's DaemonSet is seen,
    and replaces no pod by itself.
    """

    pods: tuple[PodState, ...] = ()
    jobs: tuple[JobState, ...] = ()
    nodes: Mapping[str, bool | None] = field(default_factory=dict)
    on_delete: bool = False

    def of(self, app: str) -> list[PodState]:
        """The pods of one app, in the order of the input."""
        return [pod for pod in self.pods if pod.app == app]


def load(data: bytes) -> Any:
    """JSON from a file or a pipe.

    Raises:
        ScenarioError: it is not UTF-8 or not JSON, with line and column.

    """
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ScenarioError("", f"it is not UTF-8: {error.reason} at byte {error.start}", "save it as UTF-8") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ScenarioError(place, f"this is not JSON: {error.msg}", "was the output of kubectl cut off?") from None
    except RecursionError:
        raise ScenarioError("", "the JSON is nested too deeply", "kubectl prints nothing like it") from None
    except ValueError as error:  # a number with thousands of digits
        raise ScenarioError("", str(error), "kubectl prints nothing like it") from None


def read(data: object, place: str = "") -> Observed:
    """The upgrade's actors in kubectl's JSON: one object or a List; other objects are passed over.

    Raises:
        ScenarioError: something has a type that it cannot have.

    """
    pods: list[PodState] = []
    jobs: list[JobState] = []
    nodes: dict[str, bool | None] = {}
    on_delete = False
    for item in _objects(Table(data, place)):
        kind = item.maybe("kind", text)
        if kind == "Pod" and (pod := _pod(item)) is not None:
            pods.append(pod)
        elif kind == "Job" and (job := _job(item)) is not None:
            jobs.append(job)
        elif kind == "Node":
            nodes[_name(item)] = _condition(_sub(item, "status"), "Ready")
        elif kind == "DaemonSet" and _name(item) == NODE:
            on_delete = _sub(_sub(item, "spec"), "updateStrategy").maybe("type", text) == "OnDelete"
    return Observed(tuple(pods), tuple(jobs), nodes, on_delete)


def read_short(table: Table) -> PodState:
    """A pod as columns of ``kubectl get pods -o wide``: ``{"name", "ready", "status", "restarts", "node", "image"}``.

    Raises:
        ScenarioError: a key is unknown, missing or has a wrong type, or the pod is none of the upgrade's.

    """
    table.known("name", "ready", "status", "restarts", "age", "ip", "node", "image")
    name = table.need("name", text)
    app = next((app for app in _APPS if name.startswith(app)), None)
    if app is None:
        raise ScenarioError(table.at("name"), f"{name!r} is no pod of the upgrade", f"it takes {', '.join(_APPS)}")
    status = table.need("status", text)
    bare = status.removeprefix("Init:")
    node, image = table.maybe("node", text), table.maybe("image", text)
    in_init = status != bare
    began = in_init or status == "PodInitializing"
    if app == NODE and image is None and not began and status != "Pending":
        raise ScenarioError(table.at("image"), "it is missing", "it tells v2 from v3: add the image of calico-node")
    state = _state_of(status, _ready_column(table), node)
    return PodState(
        name=name,
        app=app,
        state=state,
        status=status,
        node=node,
        new=began or app == JOB or state in (ActorState.UNSEEN, ActorState.UNSCHEDULED) or _is_v3(app, image),
        migrates=began,
        past_init=status == "PodInitializing" or (not in_init and (state in _RUNS or bare in _PULL_FAILS)),
        pull_fails=bare in _PULL_FAILS,
        unschedulable=state is ActorState.UNSCHEDULED,
        restarts=table.get("restarts", whole(0), 0),
        image=image,
    )


# --- objects --------------------------------------------------------------------------------------------


def mapping(value: object) -> Mapping[str, Any]:
    """A part of an object that need not be there; empty where it is absent, null or no object."""
    return value if isinstance(value, Mapping) else {}


def objects(data: object) -> Iterator[Mapping[str, Any]]:
    """The single objects in kubectl's JSON, in order, as they are.

    Raises:
        ScenarioError: it is no object of Kubernetes.

    """
    for table in _objects(Table(data, "")):
        yield table.data


def _objects(table: Table) -> Iterable[Table]:
    """The objects of a List, of Lists in it, or the one there is."""
    kind = table.maybe("kind", text)
    if kind is None and "items" not in table.data:
        raise ScenarioError(table.at("kind"), "it is missing", "give what kubectl prints with -o json")
    if "items" not in table.data:
        yield table
        return
    for item in _list(table, "items"):
        # `kubectl get pods -o json` leaves the kind in every item; the API's own PodList does not.
        if "kind" not in item.data and kind not in (None, "List"):
            item = Table({**item.data, "kind": str(kind).removesuffix("List")}, item.place)
        yield from _objects(item)


def _sub(table: Table, key: str) -> Table:
    """An object below; empty if it is absent or null, as Go writes it."""
    return table.maybe(key, Table) or Table({}, table.at(key))


def _list(table: Table, key: str) -> list[Table]:
    return [] if table.data.get(key) is None else table.items(key)


def _name(item: Table) -> str:
    return _sub(item, "metadata").maybe("name", text) or "?"


def _condition(status: Table, name: str) -> bool | None:
    """A condition of an object; "Unknown" counts as false, as the DaemonSet controller counts it."""
    for condition in _list(status, "conditions"):
        if condition.maybe("type", text) == name:
            return condition.maybe("status", text) == "True"
    return None


def _job(item: Table) -> JobState | None:
    name, status = _name(item), _sub(item, "status")
    if not name.startswith(JOB):
        return None
    spec = _sub(_sub(_sub(item, "spec"), "template"), "spec")
    succeeded = status.get("succeeded", _count, 0) > 0
    return JobState(
        name=name,
        done=succeeded or _condition(status, "Complete") is True,
        failed=_condition(status, "Failed") is True,
        expects=_expects(spec),
    )


def _pod(item: Table) -> PodState | None:
    metadata, spec, status = _sub(item, "metadata"), _sub(item, "spec"), _sub(item, "status")
    name = _name(item)
    app = _app(name, _sub(metadata, "labels"))
    if app is None or metadata.maybe("namespace", text) not in (None, "kube-system"):
        return None
    inits, mains = _containers(status, "initContainerStatuses"), _containers(status, "containerStatuses")
    wanted = _list(spec, "initContainers")
    shown = _status(metadata, status, inits, mains, len(wanted))
    node = spec.maybe("nodeName", text)
    in_init = shown.startswith("Init:")
    state = _state(shown, status, inits, mains, node)
    image = next((container.maybe("image", text) for container in _list(spec, "containers")), None)
    migrates = any("upgrade" in (container.maybe("image", text) or "") for container in wanted)
    return PodState(
        name=name,
        app=app,
        state=state,
        status=shown,
        node=node,
        new=migrates or app == JOB or _is_v3(app, image),
        migrates=migrates,
        past_init=not in_init and bool(mains) and state in (*_RUNS, ActorState.STARTING),
        pull_fails=any(container.waiting in _PULL_FAILS for container in (*inits, *mains)),
        unschedulable=node is None and _condition(status, "PodScheduled") is False,
        restarts=sum(container.restarts for container in (*inits, *mains)),
        image=image,
        expects=_expects(spec),
    )


def _app(name: str, labels: Table) -> str | None:
    label = labels.maybe("k8s-app", text)
    if label in _APPS:
        return label
    job = labels.maybe("job-name", text) or ""
    return next((app for app in _APPS if name.startswith(f"{app}-") or (app == JOB and job.startswith(JOB))), None)


def _expects(spec: Table) -> str | None:
    for container in _list(spec, "containers"):
        for variable in _list(container, "env"):
            if variable.maybe("name", text) == "EXPECTED_NODE_IMAGE":
                return variable.maybe("value", text)
    return None


def _is_v3(app: str, image: str | None) -> bool:
    """Whether an image is of Calico v3; kube-controllers of v2 has version 1."""
    match = re.search(r":v?(\d+)\.", image or "")
    return match is not None and int(match[1]) >= (2 if app == CONTROLLERS else 3)


# --- containers and STATUS ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Container:
    """One container's status. `waiting` and `ended` are the reasons, None where it is not so; `code` is its exit."""

    running: bool
    waiting: str | None
    ended: str | None
    code: int
    ready: bool
    restarts: int


def _count(value: object, place: str) -> int:
    return 0 if value is None else whole(0)(value, place)


def _containers(status: Table, key: str) -> list[_Container]:
    found = []
    for container in _list(status, key):
        state = _sub(container, "state")
        waiting, ended = state.maybe("waiting", Table), state.maybe("terminated", Table)
        code = signal = 0
        if ended is not None:
            code, signal = (int(ended.maybe(name, _number) or 0) for name in ("exitCode", "signal"))
        reason = ended.maybe("reason", text) if ended is not None else None
        found.append(
            _Container(
                running=state.data.get("running") is not None,
                waiting=waiting.maybe("reason", text) or "" if waiting is not None else None,
                ended=None if ended is None else reason or (f"Signal:{signal}" if signal else f"ExitCode:{code}"),
                code=code or signal,
                ready=container.maybe("ready", boolean) or False,
                restarts=container.get("restartCount", _count, 0),
            )
        )
    return found


def _number(value: object, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ScenarioError(place, f"expected a whole number, found {kind_of(value)}", "kubectl prints a number")
    return value


def _status(metadata: Table, status: Table, inits: list[_Container], mains: list[_Container], count: int) -> str:
    """The STATUS column."""
    reason = status.maybe("reason", text) or status.maybe("phase", text) or "Unknown"
    for index, container in enumerate(inits):
        if container.ended is not None and container.code == 0:
            continue
        if container.ended is not None:
            reason = f"Init:{container.ended}"
        elif container.waiting not in (None, "", "PodInitializing"):
            reason = f"Init:{container.waiting}"
        else:
            reason = f"Init:{index}/{max(count, len(inits))}"
        break
    else:
        ready = False
        for container in reversed(mains):
            reason = container.waiting or container.ended or reason
            ready |= container.running and container.ready
        if reason == "Completed" and ready:
            reason = "Running"
    if metadata.data.get("deletionTimestamp") is not None:
        return "Unknown" if status.maybe("reason", text) == "NodeLost" else "Terminating"
    return reason


_RUNS: Final = (ActorState.RUNNING, ActorState.READY, ActorState.CRASHED)


def _state(shown: str, status: Table, inits: list[_Container], mains: list[_Container], node: str | None) -> ActorState:
    ready = _condition(status, "Ready")
    every = bool(mains) and all(container.ready for container in mains)
    if shown == "Running" and every and ready is False:
        return ActorState.LOST  # kubelet has said ready, the node controller has taken it back
    if not inits and not mains and node is not None and shown == "Pending":
        return ActorState.UNSEEN
    if shown.startswith("Init:") and "/" in shown and not any(container.running for container in inits):
        return ActorState.STARTING
    if any(container.waiting == "CrashLoopBackOff" for container in mains):
        return ActorState.CRASHED  # also where another container's reason comes first
    return _state_of(shown, ready if ready is not None else every, node)


def _state_of(shown: str, ready: bool, node: str | None) -> ActorState:
    """The state behind a STATUS."""
    bare = shown.removeprefix("Init:")
    if shown in _LOST:
        return ActorState.LOST
    if shown == "Pending":
        return ActorState.UNSCHEDULED if node is None else ActorState.UNSEEN
    if bare in _PULL_FAILS or shown in _STARTING:
        return ActorState.STARTING
    if shown != bare:
        return ActorState.INIT if re.fullmatch(r"\d+/\d+", bare) else ActorState.INIT_FAILED
    named = {
        "Running": ActorState.READY if ready else ActorState.RUNNING,
        "Succeeded": ActorState.DONE,
        "Completed": ActorState.DONE,
        "Failed": ActorState.FAILED,
        "Evicted": ActorState.FAILED,
        "Terminating": ActorState.TERMINATING,
    }
    return named.get(shown, ActorState.CRASHED)


def _ready_column(table: Table) -> bool:
    """READY: `1/2`, or true and false."""
    value = table.data.get("ready")
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)/(\d+)", value)):
        return match[1] == match[2] != "0"
    return bool(table.maybe("ready", boolean))
