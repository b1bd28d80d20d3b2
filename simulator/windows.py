"""Every window, defined once: from a trace to the result of a run, and to flat seconds for statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from simulator.protocol.faults import Faults
from simulator.scenario import Probe, node_name
from simulator.timing import MICRO
from simulator.trace import NodeTrace, Span, Trace

Json = dict[str, Any]


def result(trace: Trace) -> Json:
    """The result of a run in the shape of section 7 of the scenario format; times are seconds."""
    existing = trace.existing
    controllers_gap = _interval(trace.controllers_down, trace.controllers_sync)
    migration = not trace.scenario.cluster.rolling
    return {
        "completed": trace.completed,
        "total": _seconds(total(trace)),
        "scheduling_block": _spans(scheduling_block(trace)),
        "policy_freeze": {
            "controllers_init": _interval(trace.controllers_init, trace.controllers_init_end),
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
        "stall": stall(trace),
    }


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


def node_scheduling_block(trace: Trace, node: NodeTrace) -> list[Span]:
    """No pod can start on the node: by v1 Ready before it has the v3 CNI plugin, by datastoreReady after."""
    if trace.scenario.cluster.rolling:
        return []
    spans = [_cut(span, 0, node.cni) for span in trace.v1_not_ready]
    if node.cni is not None:
        spans.append(_cut((node.cni, None), 0, trace.complete))
    return _merged(spans)


def staleness(trace: Trace, node: NodeTrace) -> Span | None:
    """S_i: from the end of the old containers or the first t_clear until v3 Felix is in sync."""
    started = [time for time in (node.killed, trace.clear) if time is not None]
    return (min(started), node.in_sync) if started else None


def container_gap(node: NodeTrace) -> Span | None:
    """No calico-node container: from the end of the old one to the first new one that reaches its services."""
    return None if node.killed is None else (node.killed, node.main)


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
    return _merged([(min(sync), trace.controllers_sync)]) if sync else []


# Probes ------------------------------------------------------------------------------------------------------


def _pod_start(trace: Trace, probe: Probe) -> Json:
    """The first of kubelet's attempts outside the node's block; policy applies when the node is not stale."""
    assert probe.node is not None
    if probe.node in trace.removed:
        return {"networked": None, "programmed": None}
    node, time = trace.nodes[probe.node], probe.at
    retry = trace.scenario.timing["sandbox_retry"]
    for start, until in node_scheduling_block(trace, node):
        if time >= start and until is None:
            return {"networked": None, "programmed": None}
        if until is not None and start <= time < until:
            time += -(-(until - time) // retry) * retry
    return {"networked": _seconds(time), "programmed": _seconds(_after(time, staleness(trace, node)))}


def _policy(trace: Trace, probe: Probe) -> Json:
    """applied_i of facts §2 (c): when each node enforces a policy written at `at`."""
    return {
        node_name(index): _seconds(_applied(trace, trace.nodes[index], probe.source, probe.at))
        for index in trace.existing
    }


def _applied(trace: Trace, node: NodeTrace, source: str | None, time: int) -> int | None:
    stale = staleness(trace, node)
    if trace.scenario.cluster.rolling:
        return _after(time, stale)
    by_v1 = source == "calicoctl_v1" or (
        source == "kubernetes" and (trace.controllers_down is None or time < trace.controllers_down)
    )
    if by_v1 and (stale is None or time < stale[0]):
        return time
    available: int | None = time
    if source == "kubernetes":
        available = None if trace.controllers_sync is None else max(time, trace.controllers_sync)
    elif source == "calicoctl_v1" and trace.snapshot is not None and time >= trace.snapshot:
        available = None  # not in the last snapshot: lost
    if available is None or node.in_sync is None:
        return None
    return max(available, node.in_sync)


def _after(time: int, span: Span | None) -> int | None:
    """`time`, or the end of the span if it lies in it."""
    if span is None or time < span[0] or (span[1] is not None and time >= span[1]):
        return time
    return span[1]


_PROBES: dict[str, Callable[[Trace, Probe], Json]] = {"pod_start": _pod_start, "policy": _policy}


# Stall -------------------------------------------------------------------------------------------------------


def stall(trace: Trace) -> Json | None:
    """Why the run did not complete and what to do: the table at the end of section 7; None if it completed."""
    if trace.completed:
        return None
    rows = [(reason, steps) for holds, reason, steps in _stall_rows(trace) if holds]
    recovery = dict.fromkeys(step for _, steps in rows for step in steps)
    return {"reason": rows[0][0] if rows else "horizon", "recovery": list(recovery)}


def _stall_rows(trace: Trace) -> list[tuple[bool, str, list[str]]]:
    ending, end, faults = trace.ending, trace.end, Faults(trace.scenario.faults)
    unversioned = trace.version is None
    interrupted = unversioned and not ending.migrating and not ending.past_init
    pulls_fail = any(faults.pull_fails(image, node, end) for image, node in ending.waiting_pulls)
    crashing = any(faults.active("main_crash", end, node) for node in ending.crash_looping)
    clean = [] if ending.v3_empty else ["delete_v3_data"]
    job_reasons = {
        "job_failed": ending.job_failed,
        "expected_image_mismatch": ending.image_mismatch,
        "complete_fails": faults.active("complete_fails", end),
        "job_unschedulable": faults.active("job_unschedulable", end),
    }
    job_reason = next((reason for reason, holds in job_reasons.items() if holds), "")
    all_down = ending.not_ready == len(trace.existing)
    return [
        (ending.not_ready > 0, "node_not_ready", ["restore_node" if all_down else "delete_node"]),
        (faults.active("needed_error", end), "needed_error", ["fix_version"]),
        (unversioned and faults.active("conversion_error", end), "conversion_error", ["fix_v1_data"]),
        (pulls_fail, "image_unpullable", ["fix_image"]),
        (crashing, "main_crash", ["fix_node"]),
        (unversioned and faults.active("store_fails", end), "store_fails", ["fix_datastore"]),
        (interrupted and not ending.v1_ready, "migration_interrupted", [*clean, "abort"]),
        (interrupted and ending.v1_ready and not ending.v3_empty, "v3_not_empty", ["delete_v3_data"]),
        (faults.active("controllers_unschedulable", end), "controllers_unschedulable", ["fix_controllers"]),
        (trace.complete is None and bool(job_reason), job_reason, ["complete"]),
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


def _node(trace: Trace, index: int) -> Json:
    node = trace.nodes[index]
    return {
        "ready": _seconds(node.ready),
        "staleness": _span(staleness(trace, node)),
        "container_gap": _span(container_gap(node)),
        "scheduling_block": _spans(node_scheduling_block(trace, node)),
    }


def _seconds(micros: int | None) -> int | float | None:
    """Whole seconds as a whole number, others with up to 3 decimals."""
    if micros is None:
        return None
    milli = round(micros, -3) // 1000
    return milli // 1000 if milli % 1000 == 0 else milli / 1000


def _interval(start: int | None, until: int | None) -> list[Any] | None:
    return None if start is None else [_seconds(start), _seconds(until)]


def _span(span: Span | None) -> list[Any] | None:
    return None if span is None else _interval(*span)


def _spans(spans: Iterable[Span]) -> list[Any]:
    return [_span(span) for span in spans]
