"""The actors as state machines: which event of a trace leads from which state to which.

One table for three readers: the diagrams of docs/model.md are drawn from it, the lanes of an exported trace are its
states, and the tests hold it against the events that the engine really writes. The engine itself does not use it: it
tells the same story as code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from simulator.scenario import V2_TO_V3, V3_ROLLING, node_name
from simulator.trace import Trace

Edges = Mapping[str, Mapping[str, str]]
"""state -> event -> next state"""


@dataclass(frozen=True, eq=False)
class Machine:
    """One actor. `actors` are those of the trace whose events it hears; others of the same name are not meant.

    An event of `interrupts` ends whatever is going on `inside`, from any of its states, which `what` names together. A
    machine that is `per_node` exists once for each node; one of a node that joins begins in the state `ABSENT`.
    """

    name: str
    title: str
    actors: tuple[str, ...]
    start: str
    edges: Edges
    per_node: bool = False
    interrupts: Mapping[str, str] = field(default_factory=dict)
    inside: frozenset[str] = frozenset()
    what: str = ""

    @property
    def alphabet(self) -> frozenset[str]:
        """Every event that it hears."""
        return frozenset(self.interrupts).union(*self.edges.values())

    def following(self, state: str, event: str) -> str | None:
        """The state after an event; None if the event cannot happen there."""
        after = self.edges[state].get(event)
        if after is None and state in self.inside:
            return self.interrupts.get(event)
        return after


class Step(NamedTuple):
    """An event as one machine saw it: `event` is its place in `Trace.events`."""

    machine: Machine
    node: str | None
    before: str
    event: int
    after: str


class Lane(NamedTuple):
    """A machine of a run and the states it was in: (from, until, state), in microseconds, without a gap."""

    machine: Machine
    node: str | None
    states: list[tuple[int, int, str]]


class UndrawnError(ValueError):
    """A trace holds something for which no machine has an edge: table and engine have drifted apart."""


# --- the calico-node pod -----------------------------------------------------------------------------------------

ABSENT: Final = "no node yet"
_START: Final = "to be started"
_BEFORE_MAIN: Final = "init is over"


def _pull(image: str, waiting: str, fails: bool = True) -> dict[str, dict[str, str]]:
    """The pull of an image by a pod that is `waiting` for it and is so again, with the image, when it is over."""
    pulling, failed = f"pull {image}", f"back-off of image {image}"
    if not fails:
        return {waiting: {f"pull_{image}_started": pulling}, pulling: {f"pull_{image}_done": waiting}}
    return {
        waiting: {f"pull_{image}_started": pulling, f"pull_{image}_failed": failed},
        pulling: {f"pull_{image}_done": waiting},
        failed: {f"pull_{image}_started": pulling, f"pull_{image}_failed": failed},
    }


def _joined(*tables: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """One table; a state that is in several has the edges of all."""
    made: dict[str, dict[str, str]] = {}
    for table in tables:
        for state, edges in table.items():
            made.setdefault(state, {}).update(edges)
    return made


# An old pod is one of the old template: there since before the upgrade, or again, after a rollback.
_OUTSIDE: Final = {
    ABSENT: {"joined": _START},
    "old pod": {
        "pod_deleted": _START,
        "not_ready": "old pod, node off",
        "pod_ready": "old pod",
    },
    "old pod, node off": {
        "pod_unready": "old pod, node off",
        "pod_deleted": "node off",
        "returned": "old pod",
        "node_deleted": "gone",
    },
    "node off": {
        "pod_unready": "node off",
        "pod_deleted": "node off",
        "returned": _START,
        "node_deleted": "gone",
    },
    "gone": {},
}
_MAIN: Final = {
    _BEFORE_MAIN: {"main_started": "start"},
    "start": {"services_up": "waiting for Ready", "main_crashed": "back-off after a crash"},
    "back-off after a crash": {"main_started": "start"},
    "waiting for Ready": {"pod_ready": "Ready"},
    "Ready": {"pod_unready": "waiting for Ready"},
}
# After a rollback, or on a node that is back where nobody deletes old pods (OnDelete).
_OLD_AGAIN: Final = {
    "old pod": {"sandbox_started": "sandbox"},
    "sandbox is made": {"v2_main_started": "start of an old pod"},
    "start of an old pod": {"pod_ready": "start of an old pod", "v2_services_up": "old pod"},
}
_INTERRUPTS: Final = {"pod_deleted": _START, "not_ready": "node off"}


def _pod(name: str, title: str, own: Edges) -> Machine:
    begin = {_START: {"sandbox_started": "sandbox"}, "sandbox": {"sandbox_done": "sandbox is made"}}
    edges = _joined(_OUTSIDE, begin, own, _MAIN)
    return Machine(
        name=name,
        title=title,
        actors=("node", "operator", "daemonset", "kubelet", "init", "calico-node"),
        start="old pod",
        edges=edges,
        per_node=True,
        interrupts=_INTERRUPTS,
        inside=frozenset(edges) - frozenset(_OUTSIDE),
        what="a pod that starts, or runs by the new template",
    )


# While the containers of a deleted pod have not ended (`kill`), they go on with what they do.
_DYING: Final = (
    "clear",
    "snapshot",
    "init_done",
    "init_failed",
    "main_crashed",
    "services_up",
    "v2_services_up",
)
_MIGRATING_POD: Final = _pod(
    "pod",
    "calico-node's pod in the migration",
    _joined(
        {_START: dict.fromkeys(_DYING, _START)},
        _pull("upgrade", "sandbox is made"),
        _OLD_AGAIN,
        _pull("v2_node", "sandbox is made", fails=False),
        _pull("v2_cni", "sandbox is made", fails=False),
        {
            "sandbox is made": {"init_started": "init: checks, waits"},
            "init: checks, waits": {
                "clear": "init: pause",
                "init_done": _BEFORE_MAIN,
                "init_failed": "back-off of init",
                "init_killed": "back-off of init",
            },
            "init: pause": {"snapshot": "init: read and write", "init_killed": "back-off of init"},
            "init: read and write": {
                "init_done": _BEFORE_MAIN,
                "init_failed": "back-off of init",
                "init_killed": "back-off of init",
            },
            "back-off of init": {"init_started": "init: checks, waits"},
        },
        _pull("node", _BEFORE_MAIN),
    ),
)
_ROLLED_POD: Final = _pod(
    "rolled-pod",
    "calico-node's pod in a roll from v3 to v3",
    _joined(
        {"old pod": {"pod_unready": "old pod"}},
        {_START: {"services_up": _START, "main_crashed": _START}},
        _pull("cni", "sandbox is made"),
        {
            "sandbox is made": {"upgrade_ipam_started": "upgrade-ipam"},
            "upgrade-ipam": {"upgrade_ipam_done": "IPAM is done"},
            "IPAM is done": {"install_cni_started": "install-cni"},
            "install-cni": {"install_cni_done": "CNI is done"},
        },
        _pull("node", "CNI is done"),
        {
            "CNI is done": {"ebpf_bootstrap_started": "ebpf-bootstrap"},
            "ebpf-bootstrap": {"ebpf_bootstrap_done": _BEFORE_MAIN},
        },
    ),
)

# --- the rest of a node ------------------------------------------------------------------------------------------

_NODE: Final = Machine(
    name="node",
    title="A node",
    actors=("node", "operator"),
    start="Ready",
    edges={
        ABSENT: {"joined": "Ready"},
        "Ready": {"not_ready": "NotReady"},
        "NotReady": {"returned": "Ready", "node_deleted": "gone"},
        "gone": {},
    },
    per_node=True,
)
_INSTALL_CNI: Final = Machine(
    name="install-cni",
    title="install-cni, the second container of calico-node's pod",
    actors=("node", "daemonset", "kubelet", "calico-node", "install-cni"),
    start="no v3 CNI plugin",
    edges=_joined(
        {
            "no v3 CNI plugin": {
                "pod_deleted": "no v3 CNI plugin",
                "not_ready": "no v3 CNI plugin",
                "v2_main_started": "no v3 CNI plugin",
            }
        },
        _pull("cni", "no v3 CNI plugin"),
        {
            "no v3 CNI plugin": {"cni_installed": "v3 CNI plugin"},
            "v3 CNI plugin": {
                "pod_deleted": "v3 CNI plugin",
                "not_ready": "v3 CNI plugin",
                "v2_main_started": "no v3 CNI plugin",
            },
        },
    ),
    per_node=True,
    interrupts={"pod_deleted": "no v3 CNI plugin", "not_ready": "no v3 CNI plugin"},
    inside=frozenset({"pull cni", "back-off of image cni"}),
    what="a pull",
)
_FELIX: Final = Machine(
    name="felix",
    title="Felix",
    actors=("node", "daemonset", "kubelet", "calico-node", "felix"),
    start="old Felix",
    edges={
        ABSENT: {"joined": "none"},
        "old Felix": {
            "pod_deleted": "none",
            "not_ready": "old Felix, node off",
            "sandbox_started": "none, its pod starts",
            "v2_in_sync": "old Felix",
        },
        "old Felix, node off": {"returned": "old Felix", "pod_deleted": "none"},
        "none": {
            # of a deleted pod whose containers have not ended
            "services_up": "none",
            "v2_services_up": "none",
            "in_sync": "none",
            "v2_in_sync": "none",
            # of the new one, or after its node is back
            "sandbox_started": "none, its pod starts",
            "returned": "none",
        },
        "none, its pod starts": {"services_up": "waits for the datastore, syncs", "v2_services_up": "old Felix"},
        "waits for the datastore, syncs": {"in_sync": "in sync"},
        "in sync": {},
    },
    per_node=True,
    interrupts={"pod_deleted": "none", "not_ready": "none"},
    inside=frozenset({"none", "none, its pod starts", "waits for the datastore, syncs", "in sync"}),
    what="v3's Felix, or none",
)

# --- the cluster -------------------------------------------------------------------------------------------------

_DAEMONSET: Final = Machine(
    name="daemonset",
    title="The DaemonSet controller",
    actors=("daemonset",),
    start="rolling",
    edges={
        "rolling": {"pod_deleted": "rolling", "rollout": "rolled out"},
        "rolled out": {"pod_deleted": "rolled out"},
    },
)


def _controllers(name: str, title: str, own: Edges, interrupts: Mapping[str, str]) -> Machine:
    edges = _joined(
        {
            "old pod": {"old_gone": _START},
            _START: {"sandbox_started": "sandbox"},
            "sandbox": {"sandbox_done": "sandbox is made"},
        },
        own,
        {"writing all policies": {"controllers_sync": "in sync"}, "in sync": {}},
    )
    return Machine(
        name,
        title,
        ("controllers", "operator"),
        "old pod",
        edges,
        interrupts=interrupts,
        inside=frozenset(edges) if interrupts else frozenset(),
        what="any state" if interrupts else "",
    )


_CONTROLLERS: Final = _controllers(
    "controllers",
    "kube-controllers in the migration",
    _joined(
        _pull("upgrade", "sandbox is made"),
        {
            "sandbox is made": {"init_started": "init: waits"},
            "init: waits": {"init_done": _BEFORE_MAIN, "init_failed": "back-off of init"},
            "back-off of init": {"init_started": "init: waits"},
        },
        _pull("controllers", _BEFORE_MAIN),
        {
            _BEFORE_MAIN: {"main_started": "writing all policies"},
            "goes back to v2": {"v3_gone": _START},
            "sandbox is made": {"v2_main_started": "v2: writing all policies"},
            "v2: writing all policies": {"v2_controllers_sync": "v2: in sync"},
            "v2: in sync": {},
        },
    ),
    {"roll_back": "goes back to v2"},
)
_ROLLED_CONTROLLERS: Final = _controllers(
    "rolled-controllers",
    "kube-controllers in a roll from v3 to v3",
    _joined(
        _pull("controllers", "sandbox is made"),
        {"sandbox is made": {"main_started": "writing all policies"}},
    ),
    {},
)
_JOB_EDGES: Final = {
    "no pod": {"pod_created": "created"},
    "created": {"pull_upgrade_started": "pull upgrade", "pull_upgrade_failed": "back-off of image upgrade"},
    "pull upgrade": {"pull_upgrade_done": "waits for image and rollout"},
    "back-off of image upgrade": {
        "pull_upgrade_started": "pull upgrade",
        "pull_upgrade_failed": "back-off of image upgrade",
    },
    "waits for image and rollout": {"complete_started": "completes", "job_failed": "failed"},
    "completes": {"complete_failed": "back-off of complete"},
    "back-off of complete": {"job_restarted": "waits for image and rollout"},
    "failed": {},
}
_JOB: Final = Machine(
    name="job",
    title="The completion Job",
    actors=("job", "operator"),
    start="no pod",
    edges=_JOB_EDGES,
    interrupts={"recreate_job": "no pod", "roll_back": "no pod"},
    inside=frozenset(_JOB_EDGES),
    what="any state",
)


def _flag(name: str, title: str, start: str, edges: Edges) -> Machine:
    return Machine(name, title, ("datastore",), start, edges)


_FLAGS: Final = (
    _flag("v1-ready", "v1 Ready", "true", {"true": {"v1_not_ready": "false"}, "false": {"v1_ready": "true"}}),
    _flag("calico-version", "CalicoVersion", "v2", {"v2": {"version": "v3"}, "v3": {}}),
    _flag(
        "v3-data",
        "The v3 store",
        "empty",
        {
            "empty": {"v3_not_empty": "holds data", "v3_empty": "empty"},
            "holds data": {"v3_empty": "empty"},
        },
    ),
    _flag("datastore-ready", "datastoreReady", "not true", {"not true": {"complete": "true"}, "true": {}}),
)
_OPERATOR: Final = Machine(
    name="operator",
    title="The operator",
    actors=("operator",),
    start="watches",
    edges={
        "watches": dict.fromkeys(
            (
                "abort",
                "delete_v3_data",
                "complete",
                "recreate_job",
                "delete_pod",
                "delete_node",
                "node_deleted",
                "roll_back",
                "rolled_back",
            ),
            "watches",
        )
    },
)

MACHINES: Final[Mapping[str, tuple[Machine, ...]]] = {
    V2_TO_V3: (_DAEMONSET, *_FLAGS, _CONTROLLERS, _JOB, _OPERATOR, _MIGRATING_POD, _INSTALL_CNI, _FELIX, _NODE),
    V3_ROLLING: (_DAEMONSET, _ROLLED_CONTROLLERS, _OPERATOR, _ROLLED_POD, _FELIX, _NODE),
}
"""The actors of each protocol: those of the cluster, then those of every node, who does most first."""

# --- traces ------------------------------------------------------------------------------------------------------


def steps(trace: Trace) -> Iterator[Step]:
    """Every event as each of the machines that hear it sees it.

    Raises:
        UndrawnError: an event that nobody hears, or that cannot happen in the state of somebody who hears it.

    """
    machines = MACHINES[trace.scenario.cluster.protocol]
    listeners: dict[tuple[str, str], list[Machine]] = {}
    for machine in machines:
        for actor in machine.actors:
            for heard in machine.alphabet:
                listeners.setdefault((actor, heard), []).append(machine)
    joining = {node_name(join.node) for join in trace.scenario.joins}
    states: dict[tuple[Machine, str | None], str] = {}
    for place, (_, actor, node, event) in enumerate(trace.events):
        hearing = [machine for machine in listeners.get((actor, event), ()) if node is not None or not machine.per_node]
        if not hearing:
            raise UndrawnError(f"event {place}: nobody hears {event!r} of {actor!r}")
        for machine in hearing:
            where = node if machine.per_node else None
            before = states.get((machine, where)) or initial(machine, where in joining)
            after = machine.following(before, event)
            if after is None:
                raise UndrawnError(f"event {place}: {machine.name} of {where or 'the cluster'}, {before!r}: {event!r}")
            states[machine, where] = after
            yield Step(machine, where, before, place, after)


def initial(machine: Machine, joins: bool) -> str:
    """The state at the start of a run; `joins`: of a node that is not there yet."""
    return ABSENT if joins and ABSENT in machine.edges else machine.start


def lanes(trace: Trace, end: int) -> list[Lane]:
    """What every machine was in from 0 until `end`; a machine that heard nothing is left out.

    Raises:
        UndrawnError: as `steps`.

    """
    made: dict[tuple[Machine, str | None], Lane] = {}
    for machine, node, before, place, after in steps(trace):
        lane = made.setdefault((machine, node), Lane(machine, node, [(0, 0, before)]))
        time = trace.events[place].time
        since, _, state = lane.states[-1]
        if after != state:
            lane.states[-1] = (since, time, state)
            lane.states.append((time, time, after))
    for lane in made.values():
        since, _, state = lane.states[-1]
        lane.states[-1] = (since, end, state)
    return list(made.values())
