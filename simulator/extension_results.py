"""The fields of a result beyond the contract, each only where it is asked for (docs/scenario-extensions.md)."""

from __future__ import annotations

from typing import Any

from simulator import arrivals
from simulator.scenario import node_name
from simulator.timing import written
from simulator.trace import Span, Trace
from simulator.windows import hazard_closed, rollback_staleness, v3_usable

Json = dict[str, Any]


def further(trace: Trace) -> Json:
    """The further fields, in the order of the documentation."""
    scenario = trace.scenario
    answer: Json = {}
    if any(action.kind == "roll_back" for action in scenario.operator):
        answer |= {"rolled_back": trace.rolled_back is not None, "rollback": _rollback(trace)}
    if trace.typha is not None:
        gaps = trace.typha.gaps
        answer["typha"] = {
            "rollout": written(trace.typha.rollout),
            "gone": written(trace.typha.gone),
            "gaps": {node_name(index): [_span(gap) for gap in gaps[index]] for index in trace.existing},
        }
    asked: Json = {}
    if scenario.pod_arrivals is not None:
        asked["pods"] = arrivals.pods(trace, scenario.pod_arrivals).to_dict()
    if scenario.policy_arrivals is not None:
        asked["policies"] = arrivals.policies(trace, scenario.policy_arrivals).to_dict()
    if asked:
        answer["arrivals"] = asked
    if scenario.hazards:
        answer |= {
            "hazard_open": [_span(span) for span in hazard_closed(trace)],
            "hazards": {node_name(index): _span(_hazard(trace, index)) for index in trace.existing},
        }
    return answer


def _hazard(trace: Trace, index: int) -> Span | None:
    """H(i): the node's Felix is in sync and kube-controllers has not written what it needs."""
    in_sync = trace.nodes[index].in_sync
    for _, until in hazard_closed(trace):
        if in_sync is not None and (until is None or in_sync < until):
            return in_sync, until
    return None


def _rollback(trace: Trace) -> Json | None:
    """What going back costs; None if it has not begun."""
    if trace.roll_back is None:
        return None
    gone = trace.controllers_v3_gone
    return {
        "at": written(trace.roll_back),
        "done": written(trace.rolled_back),
        "controllers_gap": None if gone is None else [written(gone), written(trace.controllers_back)],
        "nodes": {node_name(index): _rollback_node(trace, index) for index in trace.existing},
    }


def _rollback_node(trace: Trace, index: int) -> Json:
    """A node's second gap and staleness, if v3 had begun there, and the pods that lose their network.

    Those were started by the v3 CNI plugin: v1 data does not know them, and v2's Felix takes their routes away.
    """
    node = trace.nodes[index]
    gap = None if node.main is None or node.v3_ended is None else (node.v3_ended, node.v2_main)
    usable, lost = v3_usable(trace, index), None
    if usable is not None and trace.complete is not None:
        since = max(usable, trace.complete)
        if node.v2_cni is None or since < node.v2_cni:
            lost = {"from": written(since), "until": written(node.v2_cni), "at": written(node.v2_in_sync)}
    return {"container_gap": _span(gap), "staleness": _span(rollback_staleness(trace, node)), "pods_lost": lost}


def _span(span: Span | None) -> list[Any] | None:
    return None if span is None else [written(span[0]), written(span[1])]
