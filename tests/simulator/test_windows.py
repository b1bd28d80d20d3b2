"""Each window from a trace made by hand, without a run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from simulator.scenario import Scenario
from simulator.timing import MICRO
from simulator.trace import Ending, NodeTrace, Trace
from simulator.windows import flat, result, stall


def at(second: float | None) -> int | None:
    return None if second is None else round(second * MICRO)


def trace_of(rest: dict[str, Any] | None = None, nodes: int = 1, **times: Any) -> Trace:
    """A trace of a stalled migration; times in seconds."""
    scenario = Scenario.from_dict({"cluster": {"nodes": nodes}, "horizon": None} | (rest or {}))
    trace = Trace(scenario, [NodeTrace() for _ in range(nodes)])
    for name, second in times.items():
        setattr(trace, name, at(second))
    return trace


def spans(*pairs: tuple[float, float | None]) -> list[Any]:
    return [(at(start), at(until)) for start, until in pairs]


def test_nothing_has_happened() -> None:
    got = result(trace_of())
    assert got["scheduling_block"] == got["hazard_closed"] == []
    assert got["policy_freeze"] == {"controllers_init": None, "conversion": None, "enforcement": None}
    assert got["controllers_gap"] is None
    assert got["nodes"] == {"n1": {"ready": None, "staleness": None, "container_gap": None, "scheduling_block": []}}
    assert got["stall"] == {"reason": "horizon", "since": 0, "recovery": []}


def test_block_is_the_flag_until_completion_and_joins_what_touches() -> None:
    trace = trace_of(complete=50)
    trace.v1_not_ready = spans((5, 5), (7, 10), (10, 20), (30, None), (60, 70))
    assert result(trace)["scheduling_block"] == [[7, 20], [30, 50]]


def test_block_of_a_node_changes_its_flag_with_the_plugin() -> None:
    trace = trace_of(nodes=3, complete=50)
    trace.v1_not_ready = spans((7, 20), (40, None))
    trace.nodes[0].cni = at(25)  # closed by datastoreReady from 25 on, although v1 Ready is true again
    trace.nodes[1].cni = at(60)  # opened by its own plugin only
    blocks = {name: node["scheduling_block"] for name, node in result(trace)["nodes"].items()}
    assert blocks == {"n1": [[7, 20], [25, 50]], "n2": [[7, 20], [40, 60]], "n3": [[7, 20], [40, None]]}


def test_numbers_are_whole_or_have_three_decimals() -> None:
    events = result(trace_of(clear=7, version=35.0004, rollout=40.1236, complete=44.5))["events"]
    assert [str(events[name]) for name in ("clear", "version", "rollout", "complete")] == ["7", "35", "40.124", "44.5"]


def test_removed_nodes_do_not_count() -> None:
    trace = trace_of(nodes=2, controllers_sync=60)
    trace.nodes[0] = NodeTrace(killed=at(0), in_sync=at(20))
    trace.nodes[1] = NodeTrace(killed=at(3), in_sync=at(50))
    trace.removed = {0}
    got = result(trace)
    assert got["policy_freeze"]["enforcement"] == [3, 50]
    assert got["hazard_closed"] == [[50, 60]]
    assert list(got["nodes"]) == ["n2"]


def test_hazard_stays_open_without_controllers() -> None:
    trace = trace_of()
    trace.nodes[0].in_sync = at(20)
    assert result(trace)["hazard_closed"] == [[20, None]]
    trace.controllers_sync = at(20)
    assert result(trace)["hazard_closed"] == []


@pytest.mark.parametrize(
    ("asked", "networked", "programmed"),
    [(0, 0, 0), (6.5, 6.5, 54), (7, 57, 57), (27, 57, 57), (40, 50, 54), (50, 50, 54), (54, 54, 54)],
)
def test_pod_start(asked: float, networked: float, programmed: float) -> None:
    """Attempts every 10 s; blocked in [7, 50), stale in [5, 54)."""
    probe = {"kind": "pod_start", "node": "n1", "at": asked}
    trace = trace_of({"probes": [probe]}, complete=50)
    trace.v1_not_ready = spans((7, None))
    trace.nodes[0] = NodeTrace(killed=at(5), cni=at(30), in_sync=at(54))
    assert result(trace)["probes"] == [{"networked": networked, "programmed": programmed}]


def test_pod_start_never() -> None:
    probes = [{"kind": "pod_start", "node": node, "at": 8} for node in ("n1", "n2", "n3")]
    trace = trace_of({"probes": probes}, nodes=3)
    trace.v1_not_ready = spans((7, 20))
    trace.nodes[0].cni = at(15)
    trace.nodes[1].killed = at(1)
    trace.removed = {2}
    never = {"networked": None, "programmed": None}
    assert result(trace)["probes"] == [never, {"networked": 28, "programmed": None}, never]


def test_policy() -> None:
    """n1 is stale in [0, 60), n2 in [7, 70); the controllers are away in [1, 41); the snapshot is at 22."""
    asked = [
        ("kubernetes", 0.5, [60, 0.5]),
        ("kubernetes", 5, [60, 70]),
        ("kubernetes", 65, [65, 70]),
        ("calicoctl_v1", 5, [60, 5]),
        ("calicoctl_v1", 21, [60, 70]),
        ("calicoctl_v1", 22, [None, None]),
        ("calicoctl_v3", 65, [65, 70]),
    ]
    probes = [{"kind": "policy", "source": source, "at": second} for source, second, _ in asked]
    trace = trace_of({"probes": probes}, nodes=2, clear=7, snapshot=22, controllers_down=1, controllers_sync=41)
    trace.nodes[0] = NodeTrace(killed=at(0), in_sync=at(60))
    trace.nodes[1] = NodeTrace(killed=at(50), in_sync=at(70))
    assert result(trace)["probes"] == [dict(zip(("n1", "n2"), times, strict=True)) for _, _, times in asked]
    trace.controllers_sync = None
    assert result(trace)["probes"][1] == {"n1": None, "n2": None}


def test_flat_tells_never_from_not_applicable() -> None:
    stuck = flat(trace_of(clear=7))
    assert stuck["policy_freeze_controllers_init"] == stuck["total"] == stuck["node_policy_staleness_max"] == math.inf
    assert stuck["scheduling_block"] == stuck["node_felix_gap_max"] == 0.0
    rolling = flat(trace_of({"cluster": {"nodes": 1, "protocol": "v3-rolling"}}))
    assert rolling["scheduling_block"] == 0.0
    assert [name for name, value in rolling.items() if value is None] == [
        "policy_freeze_controllers_init",
        "policy_freeze_conversion",
        "policy_freeze_enforcement",
    ]


def test_flat_adds_up_the_blocks() -> None:
    trace = trace_of(nodes=2, complete=50, controllers_down=1, controllers_sync=41.5)
    trace.v1_not_ready = spans((7, 10), (30, None))
    trace.nodes[0] = NodeTrace(killed=at(0), main=at(33), in_sync=at(54))
    trace.nodes[1] = NodeTrace(killed=at(20), main=at(60), in_sync=at(71))
    got = flat(trace)
    assert got["scheduling_block"] == 23.0
    assert got["policy_freeze_conversion"] == 40.5
    assert got["policy_freeze_enforcement"] == 71.0
    assert (got["node_policy_staleness_max"], got["node_felix_gap_max"]) == (54.0, 40.0)


def test_total_is_the_last_of_what_completion_needs() -> None:
    trace = trace_of(complete=50, controllers_sync=41, rollout=90)
    trace.nodes[0] = NodeTrace(in_sync=at(54), cni=at(60))
    assert result(trace)["total"] is None
    trace.completed = True
    assert (result(trace)["total"], stall(trace)) == (60, None)


# --- the stall table ---------------------------------------------------------------------------------------------

ALWAYS: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("faults", "ending", "times", "reason", "recovery"),
    [
        ([], {"not_ready": 1}, {}, "node_not_ready", ["delete_node"]),
        ([], {"not_ready": 2}, {}, "node_not_ready", ["restore_node"]),
        (["needed_error"], {}, {"version": 35}, "needed_error", ["fix_version"]),
        (["conversion_error"], {}, {}, "conversion_error", ["fix_v1_data"]),
        (["conversion_error"], {}, {"version": 35}, "horizon", []),
        (["store_fails"], {"v3_empty": False}, {}, "store_fails", ["fix_datastore", "delete_v3_data"]),
        (["store_fails"], {}, {"version": 35}, "horizon", []),
        ([], {"v1_ready": False}, {}, "migration_interrupted", ["abort"]),
        ([], {"v1_ready": False, "v3_empty": False}, {}, "migration_interrupted", ["delete_v3_data", "abort"]),
        ([], {"v1_ready": False, "migrating": True}, {}, "horizon", []),
        ([], {"v1_ready": False, "past_init": True}, {}, "horizon", []),
        ([], {"v3_empty": False}, {}, "v3_not_empty", ["delete_v3_data"]),
        ([], {"v3_empty": False}, {"version": 35}, "horizon", []),
        (["controllers_unschedulable"], {}, {}, "controllers_unschedulable", ["fix_controllers"]),
        (["complete_fails"], {"job_failed": True}, {}, "job_failed", ["complete"]),
        (["complete_fails"], {"image_mismatch": True}, {}, "expected_image_mismatch", ["complete"]),
        (["complete_fails", "job_unschedulable"], {}, {}, "complete_fails", ["complete"]),
        (["job_unschedulable"], {}, {}, "job_unschedulable", ["complete"]),
        (["job_unschedulable"], {}, {"complete": 50}, "horizon", []),
        (["needed_error"], {"not_ready": 1}, {}, "node_not_ready", ["delete_node", "fix_version"]),
    ],
)
def test_stall(faults: list[str], ending: Any, times: Any, reason: str, recovery: list[str]) -> None:
    keys = {"store_fails": {"object": 3}}
    listed = [{"kind": kind, **keys.get(kind, {})} for kind in faults]
    trace = trace_of({"faults": listed}, nodes=2, **times)
    trace.ending = replace(Ending(), **ending)
    assert stall(trace) == {"reason": reason, "recovery": recovery}
    trace.scenario = Scenario.from_dict({"cluster": {"nodes": 2}, "faults": [f | {"until": 9} for f in listed]})
    trace.end = at(9)  # the windows are over
    if faults and not ending:
        assert stall(trace) == {"reason": "horizon", "recovery": []}


def test_stall_by_an_image_or_a_crash_of_one_node() -> None:
    faults = [{"kind": "image_unpullable", "image": "cni", "node": "n2"}, {"kind": "main_crash", "node": "n1"}]
    trace = trace_of({"faults": faults}, nodes=2)
    trace.ending = Ending(waiting_pulls=[("cni", 0), ("cni", None)], crash_looping=[1])
    assert stall(trace) == {"reason": "horizon", "recovery": []}
    trace.ending = Ending(waiting_pulls=[("cni", 1)], crash_looping=[0])
    assert stall(trace) == {"reason": "image_unpullable", "recovery": ["fix_image", "fix_node"]}
