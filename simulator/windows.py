"""Every window, defined once: from a trace to the result of a run, and to flat seconds for statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from simulator.catalogue import recovery
from simulator.protocol.faults import Faults
from simulator.scenario import ON_DELETE, Probe, node_name
from simulator.timing import MICRO
from simulator.timing import written as _seconds
from simulator.trace import NodeTrace, Span, Trace

Json = dict[str, Any]


def result(trace: Trace) -> Json:
    """The result of a run in the shape of section 7 of the scenario format; times are seconds."""
    existing = trace.existing
    controllers_gap = _interval(trace.controllers_down, _first(trace.controllers_sync, trace.controllers_back))
    migration = not trace.scenario.cluster.rolling
    answer = {
        "completed": trace.completed,
        "total": _seconds(total(trace)),
        "scheduling_block": _spans(scheduling_block(trace)),
        "policy_freeze": {
            "controllers_init": _interval(
                trace.controllers_init, _first(trace.controllers_init_end, trace.controllers_v3_gone)
            ),
            "conversion": controllers_gap if migration else None,
            "enforcement": _span(enforcement_freeze(trace)),
        },
        "controllers_gap": controllers_gap,
        "nodes": {node_name(index): _node(trace, index) for index in existing},
        "events": {
            "clear": _seconds(trace.clear),
            "version": _seconds(trace.version),
            "rollout": _seconds(trace.rollout),
            "complete": _seconds(trace.complete),
            "controllers_sync": _seconds(trace.controllers_sync),
        },
        "init_failures": trace.init_failures,
        "job_restarts": trace.job_restarts,
        "hazard_closed": _spans(hazard_closed(trace)),
        "probes": [_PROBES[probe.kind](trace, probe) for probe in trace.scenario.probes],
        "stall": _dated(stall(trace), trace),
    }
    if trace.scenario.asks_more:
        from simulator.extension_results import further  # it needs the definitions of this module

        answer |= further(trace)
    return answer


def flat(trace: Trace) -> dict[str, float | None]:
    """The lengths of the windows in seconds, under flat names.

    ``math.inf``: the window has not ended when the run did, or its beginning was not even reached. None: the
    protocol has no such window (the policy freezes of v3-rolling). 0.0: there was none.
    """
    scenario = trace.scenario
    nodes = [trace.nodes[index] for index in trace.existing]
    lengths: dict[str, float | None] = {
        "scheduling_block": sum((_length(span) for span in scheduling_block(trace)), 0.0),
        "policy_freeze_controllers_init": _between(trace.controllers_init, trace.controllers_init_end),
        "policy_freeze_conversion": _between(trace.controllers_down, trace.controllers_sync),
        "policy_freeze_enforcement": _length(enforcement_freeze(trace)),
        "node_policy_staleness_max": max((_length(staleness(trace, node)) for node in nodes), default=0.0),
        "node_felix_gap_max": max((_length(container_gap(node)) for node in nodes), default=0.0),
        "total": math.inf if (whole := total(trace)) is None else whole / MICRO,
    }
    if scenario.cluster.rolling:
        lengths |= {name: None for name in lengths if name.startswith("policy_freeze_")}
    return lengths


# Definitions -------------------------------------------------------------------------------------------------


def total(trace: Trace) -> int | None:
    """When the last thing that completion needs happened; None if one is missing."""
    if not trace.completed:
        return None
    rolling = trace.scenario.cluster.rolling
    nodes = [trace.nodes[index] for index in trace.existing]
    times = [trace.controllers_sync, trace.rollout if rolling else trace.complete]
    times += [node.in_sync for node in nodes]
    times += [] if rolling else [node.cni for node in nodes]
    return max(time for time in times if time is not None)


def scheduling_block(trace: Trace) -> list[Span]:
    """v1 Ready false and datastoreReady not true; v3-rolling has none."""
    return _merged(_cut(span, 0, trace.complete) for span in trace.v1_not_ready)


def node_scheduling_block(trace: Trace, index: int) -> list[Span]:
    """No pod can start on the node: by v1 Ready before it has the v3 CNI plugin, by datastoreReady after.

    On one that joins none starts before it has a plugin. A rollback brings the v2 plugin back.
    """
    node = trace.nodes[index]
    if trace.scenario.cluster.rolling:
        return [] if node.joined is None else [(node.joined, v3_usable(trace, index))]
    v3, v2 = v3_usable(trace, index), node.v2_cni  # from when on it has that plugin; v2: again
    if node.joined is None:
        spans = [_cut(span, 0, _first(v3, v2)) for span in trace.v1_not_ready]
    else:
        spans = [(node.joined, _first(v3, v2))]
    if v3 is not None:
        spans.append(_cut((v3, v2), 0, trace.complete))
    if v2 is not None:
        spans += [_cut(span, v2, None) for span in trace.v1_not_ready]
    return _merged(spans)


def v3_usable(trace: Trace, index: int) -> int | None:
    """When the node has the v3 CNI plugin; None: not yet.

    On one that joins the plugin also needs the file `nodename`, which calico-node writes as its services come up
    (cni3: plugin.go:83-90); elsewhere v2 has left it there.
    """
    node = trace.nodes[index]
    if node.joined is None:
        return node.cni
    services = None if node.main is None else node.main + trace.scenario.stages["services"][index]
    if trace.scenario.cluster.rolling:
        return services
    return None if services is None or node.cni is None else max(services, node.cni)


def staleness(trace: Trace, node: NodeTrace) -> Span | None:
    """S_i: from the end of the old containers or the first t_clear until v3 Felix is in sync.

    A node that joins has no Felix before. After a rollback v2's Felix may be the first in sync.
    """
    end = _first(node.in_sync, node.v2_in_sync)
    if node.joined is not None:
        return node.joined, end
    started = [time for time in (node.killed, trace.clear) if time is not None]
    return (min(started), end) if started else None


def container_gap(node: NodeTrace) -> Span | None:
    """No calico-node container: from the end of the old one to the first new one that reaches its services."""
    return None if node.killed is None else (node.killed, _first(node.main, node.v2_main))


def enforcement_freeze(trace: Trace) -> Span | None:
    """From the first stale node to the last that is in sync; None if none is stale, or v3-rolling."""
    if trace.scenario.cluster.rolling:
        return None
    spans = [span for index in trace.existing if (span := staleness(trace, trace.nodes[index]))]
    if not spans:
        return None
    ends = [until for _, until in spans if until is not None]
    return min(start for start, _ in spans), max(ends) if len(ends) == len(spans) else None


def hazard_closed(trace: Trace) -> list[Span]:
    """Felix is in sync somewhere, and kube-controllers has not yet written what it needs; v3-rolling has none."""
    if trace.scenario.cluster.rolling:
        return []
    sync = [time for index in trace.existing if (time := trace.nodes[index].in_sync) is not None]
    return _merged([(min(sync), _first(trace.controllers_sync, trace.rolled_back))]) if sync else []


# Probes ------------------------------------------------------------------------------------------------------


def _pod_start(trace: Trace, probe: Probe) -> Json:
    """The first of kubelet's attempts outside the node's block; policy applies when the node is not stale."""
    assert probe.node is not None
    if probe.node in trace.removed:
        return {"networked": None, "programmed": None}
    node = trace.nodes[probe.node]
    time = networked(trace, node_scheduling_block(trace, probe.node), max(probe.at, node.joined or 0))
    if time is None:
        return {"networked": None, "programmed": None}
    programmed = _after(time, staleness(trace, node))
    if programmed is not None:
        programmed = _after(programmed, rollback_staleness(trace, node))
    return {"networked": _seconds(time), "programmed": _seconds(programmed)}


def networked(trace: Trace, block: Sequence[Span], time: int) -> int | None:
    """The first of kubelet's attempts, which begin at `time`, outside a node's block; None: never."""
    retry = trace.scenario.timing["sandbox_retry"]
    for start, until in block:
        if time >= start and until is None:
            return None
        if until is not None and start <= time < until:
            time += -(-(until - time) // retry) * retry
    return time


def _policy(trace: Trace, probe: Probe) -> Json:
    """applied_i of facts §2 (c): when each node enforces a policy written at `at`."""
    return {node_name(index): _seconds(applied(trace, index, probe.source, probe.at)) for index in trace.existing}


def applied(trace: Trace, index: int, source: str | None, time: int) -> int | None:
    """When a node enforces a policy written at `time` by `source`; None: never.

    A node that joins has nothing to enforce before its Felix is in sync. What v3's Felix does not enforce before a
    rollback ends it, v2's does afterwards, if v1 data has it.
    """
    node = trace.nodes[index]
    stale = staleness(trace, node)
    if trace.scenario.cluster.rolling:
        enforced = _after(time, stale) if node.joined is None else _later(time, node.in_sync)
        for gap in trace.typha.gaps[index] if trace.typha else ():
            enforced = None if enforced is None else _after(enforced, gap)
        return enforced
    by_v1 = source == "calicoctl_v1" or (
        source == "kubernetes" and (trace.controllers_down is None or time < trace.controllers_down)
    )
    if by_v1 and node.joined is None and (stale is None or time < stale[0]):
        return time
    by_v3 = _applied_by_v3(trace, node, source, time)
    v3_ended = _first(node.v3_ended, node.v2_in_sync)
    if trace.roll_back is None or (by_v3 is not None and (v3_ended is None or by_v3 < v3_ended)):
        return by_v3
    if source == "calicoctl_v3":
        return None
    return _later(time, node.v2_in_sync, *([trace.controllers_back] if source == "kubernetes" else []))


def _applied_by_v3(trace: Trace, node: NodeTrace, source: str | None, time: int) -> int | None:
    available: int | None = time
    if source == "kubernetes":
        available = None if trace.controllers_sync is None else max(time, trace.controllers_sync)
    elif source == "calicoctl_v1" and trace.snapshot is not None and time >= trace.snapshot:
        available = None  # not in the last snapshot: lost
    return _later(available, node.in_sync)


def rollback_staleness(trace: Trace, node: NodeTrace) -> Span | None:
    """After a rollback of a node on which v3's Felix was in sync: from its end until v2's is."""
    if trace.roll_back is None or node.in_sync is None or node.v3_ended is None:
        return None
    return node.v3_ended, node.v2_in_sync


def _after(time: int, span: Span | None) -> int | None:
    """`time`, or the end of the span if it lies in it."""
    if span is None or time < span[0] or (span[1] is not None and time >= span[1]):
        return time
    return span[1]


_PROBES: dict[str, Callable[[Trace, Probe], Json]] = {"pod_start": _pod_start, "policy": _policy}


# Stall -------------------------------------------------------------------------------------------------------


def stall(trace: Trace) -> Json | None:
    """Why the run did not complete and what to do: the table at the end of section 7; None if it completed.

    A rollback that is done is no stall either.
    """
    if trace.completed or trace.rolled_back is not None:
        return None
    reasons = [reason for reason, holds in _stall_rows(trace) if holds]
    all_down = trace.ending.not_ready == len(trace.existing)
    steps = recovery(reasons, v3_empty=trace.ending.v3_empty, all_nodes_down=all_down)
    return {"reason": reasons[0] if reasons else "horizon", "recovery": steps}


def _dated(stalled: Json | None, trace: Trace) -> Json | None:
    """A stall with `since`: the last instant at which a window, a pod or a flag changed."""
    if stalled is None:
        return None
    return {"reason": stalled["reason"], "since": _seconds(trace.last_change), "recovery": stalled["recovery"]}


def _stall_rows(trace: Trace) -> list[tuple[str, bool]]:
    """The reasons in the order of the table, each with whether it holds; their steps are `catalogue.STALLS`."""
    ending, end, faults = trace.ending, trace.end, Faults(trace.scenario.faults)
    on_delete = trace.scenario.cluster.update_strategy == ON_DELETE
    unversioned = trace.version is None
    interrupted = unversioned and not ending.migrating and not ending.past_init
    pulls_fail = any(faults.pull_fails(image, node, end) for image, node in ending.waiting_pulls)
    crashing = any(faults.active("main_crash", end, node) for node in ending.crash_looping)
    if trace.roll_back is not None:  # what stopped the upgrade no longer matters on the way back
        return [
            ("node_not_ready", ending.not_ready > 0),
            ("controllers_unschedulable", faults.active("controllers_unschedulable", end)),
            ("on_delete", on_delete and ending.outdated > 0),
        ]
    job_reasons = {
        "job_failed": ending.job_failed,
        "expected_image_mismatch": ending.image_mismatch,
        "rollout_status_refused": on_delete and not trace.scenario.cluster.rolling,
        "complete_fails": faults.active("complete_fails", end),
        "job_unschedulable": faults.active("job_unschedulable", end),
    }
    job_reason = next((reason for reason, holds in job_reasons.items() if holds), "job_failed")
    return [
        ("node_not_ready", ending.not_ready > 0),
        ("needed_error", faults.active("needed_error", end)),
        ("conversion_error", unversioned and faults.active("conversion_error", end)),
        ("image_unpullable", pulls_fail),
        ("main_crash", crashing),
        ("store_fails", unversioned and faults.active("store_fails", end)),
        ("migration_interrupted", interrupted and not ending.v1_ready),
        ("v3_not_empty", interrupted and ending.v1_ready and not ending.v3_empty),
        ("controllers_unschedulable", faults.active("controllers_unschedulable", end)),
        ("on_delete", on_delete and ending.outdated > 0),
        ("no_v3_peer", ending.without_peer),
        (job_reason, trace.complete is None and any(job_reasons.values())),
    ]


# Arithmetic of intervals -------------------------------------------------------------------------------------


def _cut(span: Span, start: int, until: int | None) -> Span:
    """The part of a span within [start, until)."""
    ends = [time for time in (span[1], until) if time is not None]
    return max(span[0], start), min(ends, default=None)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, without empty ones, and those that touch joined."""
    merged: list[Span] = []
    for start, until in sorted(spans, key=lambda span: span[0]):
        if until is not None and until <= start:
            continue
        if merged and merged[-1][1] == start:
            start, _ = merged.pop()
        merged.append((start, until))
    return merged


def _length(span: Span | None) -> float:
    if span is None:
        return 0.0
    return math.inf if span[1] is None else (span[1] - span[0]) / MICRO


def _between(start: int | None, until: int | None) -> float:
    return math.inf if start is None or until is None else (until - start) / MICRO


def _first(*times: int | None) -> int | None:
    """The first of these that there is, in this order."""
    return next((time for time in times if time is not None), None)


def _later(*times: int | None) -> int | None:
    """The latest of these; None if one never comes."""
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


def _node(trace: Trace, index: int) -> Json:
    node = trace.nodes[index]
    answer = {
        "ready": _seconds(node.ready),
        "staleness": _span(staleness(trace, node)),
        "container_gap": _span(container_gap(node)),
        "scheduling_block": _spans(node_scheduling_block(trace, index)),
    }
    return answer if node.joined is None else answer | {"joined": _seconds(node.joined)}


def _interval(start: int | None, until: int | None) -> list[Any] | None:
    return None if start is None else [_seconds(start), _seconds(until)]


def _span(span: Span | None) -> list[Any] | None:
    return None if span is None else _interval(*span)


def _spans(spans: Iterable[Span]) -> list[Any]:
    return [_span(span) for span in spans]
