"""What waited for what in one run, and where the time went.

A run with ``causes=True`` leaves behind, for everything that happened, the last thing that it waited for
(`Trace.links`, kept by `simulator.protocol.causality`): a node that became Ready waited for a turn of its probe, the
probe for a BGP session, the session for another node's BIRD. There is always exactly one such thing, so the causal
graph is a tree that grows from the start of the run, and the way from there to an event is that event's critical
path: its waits follow each other without a gap, and their lengths sum to the event's time to the microsecond.

Three kinds of wait deserve a word. A *grid* (``readiness_period``, ``script_poll``, ``felix_poll``, ``crash_ladder``,
``image_ladder``, ``complete_retry``) is the time from the moment at which something was possible until somebody looked
again. A ``fault …`` lasts from the start of the run until the fault is over, an ``operator …`` until the operator acts:
whoever waited for these would not have been faster in any other way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from simulator import windows
from simulator.trace import Link, Trace, TraceEvent

if TYPE_CHECKING:
    import networkx

GOALS: Final = ("complete", "rollout", "total")
"""What a critical path can lead to: datastoreReady is true, every pod is new and Ready, nothing is missing any more."""

_DONE: Final = {
    ("datastore", "complete"): ("complete", "total"),
    ("daemonset", "rollout"): ("rollout", "total"),
    ("controllers", "controllers_sync"): ("total",),
    ("felix", "in_sync"): ("total",),
    ("install-cni", "cni_installed"): ("total",),
}

_LABELS: Final = {
    "image pulls": ("pull_upgrade", "pull_node", "pull_cni", "pull_controllers", "pull_v2_node", "pull_v2_cni"),
    "limit of the API calls": ("api_limit",),
    "restart of the pod": ("controller_reaction", "scheduler_latency", "kill", "sandbox"),
    "checks of calico-upgrade": ("needed", "inprogress", "validate", "clear"),
    "polls of calico-upgrade's scripts": ("script_poll",),
    "pause of calico-upgrade": ("pause",),
    "read and write the data": ("requery", "store"),
    "init containers": ("upgrade_ipam", "install_cni", "ebpf_bootstrap"),
    "start of calico-node": ("ensure_initialized", "services"),
    "BGP sessions": ("bgp_session",),
    "sessions that are still missing": ("bird_threshold",),  # until it is old enough to do without them
    "start of Felix": ("felix_ready", "felix_poll", "felix_sync"),
    "readiness probe": ("readiness_period",),
    "failing readiness probes": ("failure_threshold",),
    "completion Job": ("job_ready", "complete"),
    "kube-controllers": ("controllers_old_gone", "controllers_sync"),
    "nodes that join": ("node joins",),
    "failed attempts": (
        "abort_failed_run",
        "complete_failed_run",
        "complete_retry",
        "crash_ladder",
        "image_ladder",
        "startup_failed_run",
    ),
}
_LABEL_OF: Final = {stage: label for label, stages in _LABELS.items() for stage in stages}


class Wait(NamedTuple):
    """One wait of a critical path: from `start` until `end` (microseconds) `actor` on `node` (None: the cluster's).

    `stage` is a timing name, ``store`` (the writes), ``fault KIND`` or ``operator ACTION``. `event` is what happened
    when it was over; None: nothing that a trace notes, the next wait began.
    """

    start: int
    end: int
    stage: str
    actor: str
    node: str | None
    event: str | None


class Cause(NamedTuple):
    """What an event waited for: another one, as its place in `Trace.events` (None: the start of the run).

    `waits` are the waits since then, in order, as (stage, microseconds); none if both happened in one instant.
    """

    event: int | None
    waits: list[tuple[str, int]]


def label(stage: str) -> str:
    """The stage in a reader's words; several stages share one."""
    if stage.startswith("fault "):
        return "faults"
    if stage.startswith("operator "):
        return "the operator"
    return _LABEL_OF[stage]


def goal(trace: Trace, name: str) -> int | None:
    """The event that reached a goal, as its place in `trace.events`; None if none did.

    `name` is one of `GOALS`; a roll from v3 to v3 has no ``complete``.
    """
    existing = {f"n{index + 1}" for index in trace.existing}
    seen: set[tuple[str, str | None, str]] = set()
    time = windows.total(trace) if name == "total" else {"complete": trace.complete, "rollout": trace.rollout}[name]
    reaching = {what: actor for (actor, what), goals in _DONE.items() if name in goals}
    found = None
    for place, event in enumerate(trace.events):
        if reaching.get(event.event) != event.actor or event[1:] in seen:
            continue
        if event.node is not None and event.node not in existing:
            continue
        seen.add(event[1:])  # only the first of its kind counts
        if event.time == time:
            found = place
    return found


def critical_path(trace: Trace, event: int) -> list[Wait]:
    """The waits from the start of the run to an event (its place in `trace.events`), in order, without a gap.

    Raises:
        ValueError: the trace was made without causes.

    """
    return list(_path(trace, event))


def graph(trace: Trace) -> networkx.DiGraph[int]:
    """The causal graph of a run: an edge leads from what was waited for to what waited.

    Nodes are numbers; 0 is the start of the run. They carry `time` (microseconds), `actor`, `node` and `event`, the
    last three None where only a wait ended. Edges carry `stage` and `duration` (microseconds).

    Raises:
        ValueError: the trace was made without causes.

    """
    import networkx

    made: networkx.DiGraph[int] = networkx.DiGraph()
    made.add_node(0, time=0, actor=None, node=None, event=None)
    described = {0}
    for place in _places(trace):
        here = place
        while here not in described:
            described.add(here)
            link = _whole(trace.links, here)
            actor, node, event = (None, None, None) if link.event is None else trace.events[link.event][1:]
            made.add_node(here, time=link.time, actor=actor, node=node, event=event)
            made.add_edge(link.cause, here, stage=link.stage, duration=link.time - trace.links[link.cause].time)
            here = link.cause
    return made


def direct_causes(trace: Trace) -> list[Cause]:
    """For each event, in order, the event that it waited for last.

    Raises:
        ValueError: the trace was made without causes.

    """
    return [_cause(trace, here) for here in _places(trace)]


def stages(waits: Iterable[tuple[int, int, str]], start: int, end: int) -> dict[str, int]:
    """Microseconds of [start, end) that each label holds on a path that covers it; `waits`: begin, end and stage."""
    held: dict[str, int] = {}
    for begin, over, stage in waits:
        length = min(over, end) - max(begin, start)
        if length > 0:
            held[stage] = held.get(stage, 0) + length
    labels: dict[str, int] = {}
    for stage, length in held.items():
        labels[label(stage)] = labels.get(label(stage), 0) + length
    return labels


def window(trace: Trace) -> dict[str, int]:
    """Microseconds that each label holds on the critical path of the block, from the first lock until it is over.

    For a roll from v3 to v3, which blocks nothing, of the roll. Empty if it is not over.
    """
    rolling = trace.scenario.cluster.rolling
    start, reached = (0, goal(trace, "rollout")) if rolling else (trace.clear, goal(trace, "complete"))
    if start is None or reached is None:
        return {}
    return stages(_waits(trace.links, reached), start, trace.events[reached].time)


def _waits(links: list[Link], event: int) -> Iterator[tuple[int, int, str]]:
    """Begin, end and stage of the waits of an event's critical path, the last one first."""
    link = next(link for link in reversed(links) if link.event == event)
    while link.cause or link.time:
        cause = links[link.cause]
        if cause.time != link.time:
            yield cause.time, link.time, link.stage
        link = cause


def _places(trace: Trace) -> list[int]:
    """Where each event stands in the links."""
    if not trace.links:
        raise ValueError("this trace was made without causes: run(scenario, causes=True)")
    return [place for place, link in enumerate(trace.links) if link.event is not None]


def _cause(trace: Trace, here: int) -> Cause:
    waits: list[tuple[str, int]] = []
    while here:
        link = _whole(trace.links, here)
        cause = trace.links[link.cause]
        if link.time != cause.time:
            waits.insert(0, (link.stage, link.time - cause.time))
        if cause.event is not None:
            return Cause(cause.event, waits)
        here = link.cause
    return Cause(None, waits)


def _whole(links: list[Link], place: int) -> Link:
    """The link, with the wait that ended in the same instant as its own wait."""
    link = links[place]
    cause = links[link.cause]
    while link.cause and cause.time == link.time and cause.event is None:
        link = link._replace(cause=cause.cause, stage=cause.stage)
        cause = links[link.cause]
    return link


def _path(trace: Trace, event: int) -> Iterator[Wait]:
    chain = []
    here = _places(trace)[event]
    while here:
        chain.append(_whole(trace.links, here))
        here = chain[-1].cause
    chain.reverse()
    before: TraceEvent | None = None
    for position, link in enumerate(chain):
        start = trace.links[link.cause].time
        here_happened = None if link.event is None else trace.events[link.event]
        if start != link.time:
            who = _who(trace, chain, position, before)
            yield Wait(start, link.time, link.stage, who.actor, who.node, here_happened and here_happened.event)
        before = here_happened or before


def _who(trace: Trace, chain: list[Link], position: int, before: TraceEvent | None) -> TraceEvent:
    """An event of the actor whose wait stands at `position` of a path; `before` is the event before it.

    It is the actor of the next event. But a store waits for nobody: there it is the actor who wrote, who goes on in
    the same instant, or else is the last one who did something.
    """
    ahead = (chain[place].event for place in range(position, len(chain)))
    events = (trace.events[event] for event in ahead if event is not None)
    following = next(events)
    if following.actor != "datastore":
        return following
    same_instant = takewhile(lambda event: event.time == following.time, events)
    return next((event for event in same_instant if event.actor != "datastore"), before or following)
