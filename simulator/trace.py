"""What one run leaves behind: instants, counts and the events in order, all in integer microseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from simulator.scenario import Scenario

Span = tuple[int, int | None]
"""[from, until) in microseconds; until None: still open at the end of the run."""

# Turns of retry loops. They happen, but after them nothing in the cluster is different.
_RETRIES: Final = frozenset(
    {
        "init_started",
        "init_failed",
        "pull_upgrade_failed",
        "pull_node_failed",
        "pull_cni_failed",
        "pull_controllers_failed",
        "main_started",
        "main_crashed",
        "complete_started",
        "complete_failed",
        "job_restarted",
    }
)


class TraceEvent(NamedTuple):
    """One event: time in microseconds, who, on which node (None: the cluster), what."""

    time: int
    actor: str
    node: str | None
    event: str


class Link(NamedTuple):
    """One node of the causal graph: something that happened, and the last thing that it waited for.

    `cause` is the place of that thing in `Trace.links`; from its time to `time` (microseconds) the wait was of the
    kind `stage`, empty if there was none. `event` is the place in `Trace.events`; None: only a wait that ended.
    """

    time: int
    cause: int
    stage: str
    event: int | None


@dataclass(slots=True)
class NodeTrace:
    """First instants of one node (microseconds; None: it did not happen).

    `killed`: the old pod's containers ended. `main`: start of the first calico-node run that reached its
    services. `cni`: the v3 CNI plugin is installed. `ready`: the new pod is Ready. `in_sync`: v3 Felix is in sync.

    `joined`: the node joined the cluster; None: it was there from the beginning. The rest is of a rollback: the end
    of the last v3 calico-node container, the v2 CNI plugin on the node again, the start of the first v2 calico-node
    run that reached its services, and v2's Felix in sync.
    """

    killed: int | None = None
    main: int | None = None
    cni: int | None = None
    ready: int | None = None
    in_sync: int | None = None
    joined: int | None = None
    v3_ended: int | None = None
    v2_cni: int | None = None
    v2_main: int | None = None
    v2_in_sync: int | None = None


@dataclass(slots=True)
class TyphaTrace:
    """The roll of Typha (extension; `simulator.typha`), in microseconds; None: it never happens.

    `gaps`: per node the intervals in which its Felix had no Typha, beside its own restart. `rollout`: every Typha is
    new and Ready. `gone`: no old one is left.
    """

    gaps: dict[int, list[Span]]
    rollout: int | None = None
    gone: int | None = None


@dataclass(slots=True)
class Ending:
    """The state at the end of a run, as far as it can say why the run did not complete."""

    not_ready: int = 0
    """existing nodes that are NotReady"""
    outdated: int = 0
    """existing nodes whose pod is not of the DaemonSet's template"""
    without_peer: bool = False
    """a node that joined waits for a BGP session, and only nodes of v2 are there, which do not know it"""
    waiting_pulls: list[tuple[str, int | None]] = field(default_factory=list)
    """(image, node or None) of containers in image back-off"""
    crash_looping: list[int] = field(default_factory=list)
    """nodes whose calico-node container is in its crash ladder"""
    migrating: bool = False
    """an init container is between its t_clear and its end"""
    past_init: bool = False
    """a pod's init container has finished"""
    v1_ready: bool = True
    v3_empty: bool = True
    job_failed: bool = False
    image_mismatch: bool = False
    """the Job that exists waits for an image that will not come"""


@dataclass(slots=True)
class Trace:
    """Everything observed in one run. Windows are computed from it in `simulator.windows`.

    Times are integer microseconds after t_apply, None when the event did not happen. `end` is the time at
    which the run ended; None for a run without horizon that stalled: it stays as it is for ever.
    `last_change` is the last instant at which anything but a fruitless retry happened.
    """

    scenario: Scenario
    nodes: list[NodeTrace]
    end: int | None = None
    completed: bool = False
    removed: set[int] = field(default_factory=set)
    v1_not_ready: list[Span] = field(default_factory=list)
    clear: int | None = None
    snapshot: int | None = None
    version: int | None = None
    rollout: int | None = None
    complete: int | None = None
    controllers_down: int | None = None
    controllers_init: int | None = None
    controllers_init_end: int | None = None
    controllers_sync: int | None = None
    roll_back: int | None = None
    """the operator began to roll back"""
    rolled_back: int | None = None
    """every node runs v2 again, the flags are open and the v3 store is empty"""
    controllers_v3_gone: int | None = None
    controllers_back: int | None = None
    """v2's kube-controllers has written all keys"""
    typha: TyphaTrace | None = None
    """only if the scenario has a Typha"""
    init_failures: int = 0
    job_restarts: int = 0
    ending: Ending = field(default_factory=Ending)
    events: list[TraceEvent] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    """what each event waited for, the start of the run first; empty unless the run was asked for causes"""
    last_change: int = 0

    def record(self, time: int, actor: str, node: str | None, event: str) -> None:
        """Append an event; anything but the turn of a retry loop counts as a change."""
        self.events.append(TraceEvent(time, actor, node, event))
        if event not in _RETRIES:
            self.last_change = time

    @property
    def existing(self) -> list[int]:
        """Indices of the nodes that exist at the end, in number order."""
        return [index for index in range(len(self.nodes)) if index not in self.removed]
