"""The causal graph against its sums, against what each wait was, and against runs in which one wait is changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

import networkx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.causes import GOALS, critical_path, goal, graph, label, stages, window
from simulator.engine import run
from simulator.scenario import Scenario
from simulator.timing import MICRO
from simulator.trace import Trace
from simulator.windows import scheduling_block, total
from tests.helpers import ROOT
from tests.simulator.strategies import extended, scenarios

Json = dict[str, Any]

quick = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def traced(cluster: Json | int, **rest: Any) -> Trace:
    described = {"nodes": cluster} if isinstance(cluster, int) else cluster
    return run(Scenario.from_dict({"cluster": described, **rest}), causes=True)


def path_to(trace: Trace, name: str = "complete") -> list[tuple[str, str | None, float]]:
    """(stage, node, seconds) of the path to a goal."""
    reached = goal(trace, name)
    assert reached is not None
    return [(wait.stage, wait.node, (wait.end - wait.start) / MICRO) for wait in critical_path(trace, reached)]


# --- sums --------------------------------------------------------------------------------------------------------


@settings(quick, max_examples=150)
@given(st.one_of(scenarios(), extended()))
def test_waits_follow_each_other_and_sum_to_the_time_of_every_event(data: Json) -> None:
    scenario = Scenario.from_dict(data)
    trace = run(scenario, causes=True)
    assert trace.events == run(scenario).events
    for place, event in enumerate(trace.events):
        path = critical_path(trace, place)
        assert sum(wait.end - wait.start for wait in path) == event.time
        edges = [0, *(wait.end for wait in path)]
        assert [wait.start for wait in path] == edges[:-1]
        assert edges[-1] == event.time, json.dumps(data)
        assert all(wait.end > wait.start and label(wait.stage) for wait in path)


@settings(quick, max_examples=60)
@given(scenarios(max_nodes=6))
def test_the_graph_is_a_tree_with_the_same_paths(data: Json) -> None:
    trace = run(Scenario.from_dict(data), causes=True)
    tree = graph(trace)
    assert networkx.is_arborescence(tree) or len(tree) == 1
    happened = [node for node, kept in tree.nodes(data=True) if kept["event"] is not None]
    assert len(happened) == len(trace.events)
    for cause, effect, kept in tree.edges(data=True):
        assert kept["duration"] == tree.nodes[effect]["time"] - tree.nodes[cause]["time"] >= 0
        assert bool(kept["stage"]) == (kept["duration"] > 0)
    for place, node in enumerate(sorted(happened)):
        way = networkx.shortest_path(tree, 0, node)
        edges = [tree.edges[edge] for edge in pairwise(way)]
        waits = [(kept["stage"], kept["duration"]) for kept in edges if kept["duration"]]
        assert waits == [(wait.stage, wait.end - wait.start) for wait in critical_path(trace, place)]


@settings(quick, max_examples=100)
@given(scenarios())
def test_goals_are_the_instants_of_the_windows(data: Json) -> None:
    trace = run(Scenario.from_dict(data), causes=True)
    times = {name: None if (place := goal(trace, name)) is None else trace.events[place].time for name in GOALS}
    assert times["complete"] == trace.complete
    assert times["rollout"] == trace.rollout
    assert times["total"] == total(trace)
    held = window(trace)
    first = 0 if trace.scenario.cluster.rolling else trace.clear
    reached = goal(trace, "rollout" if trace.scenario.cluster.rolling else "complete")
    if first is not None and reached is not None:
        path = [wait[:3] for wait in critical_path(trace, reached)]
        assert held == stages(path, first, trace.events[reached].time)
    if not trace.scenario.cluster.rolling and trace.complete is not None and trace.clear is not None:
        blocked = scheduling_block(trace)
        assert sum(held.values()) == max(0, trace.complete - trace.clear)
        assert len(blocked) > 1 or sum(held.values()) >= sum((end or 0) - start for start, end in blocked)


# --- what a wait is ----------------------------------------------------------------------------------------------


def test_one_node() -> None:
    """S1 by hand: the probe of 40 comes 1 s after install-cni, which needs no probe, runs."""
    trace = traced(1)
    assert path_to(trace) == [
        ("sandbox", "n1", 1),
        ("pull_upgrade", "n1", 4),
        ("validate", "n1", 2),
        ("pause", "n1", 15),
        ("requery", "n1", 1),
        ("store", "n1", 0.01),
        ("store", "n1", 1.99),
        ("pull_node", "n1", 8),
        ("services", "n1", 3),
        ("felix_ready", "n1", 1),
        ("readiness_period", "n1", 3),
        ("complete", None, 1),
    ]
    assert path_to(trace, "total")[-1] == ("felix_sync", "n1", 3)
    assert sum(window(trace).values()) == 34 * MICRO


def test_ready_waits_for_the_last_of_its_conditions() -> None:
    def last(**rest: Any) -> list[str]:
        trace = traced(2, **rest)
        ready = next(place for place, event in enumerate(trace.events) if event[1:] == ("kubelet", "n1", "pod_ready"))
        return [wait.stage for wait in critical_path(trace, ready)][-2:]

    assert last() == ["bgp_session", "readiness_period"]
    assert last(timing={"bgp_session": 0.5}) == ["felix_ready", "readiness_period"]
    assert last(timing={"pull_cni": 30}) == ["pull_node", "pull_cni"]
    assert last(timing={"bgp_session": 100, "bird_threshold": 100}) == ["bgp_session", "readiness_period"]
    # One peer is enough at an age of 30 s; the other one never comes.
    lost = {"kind": "node_not_ready", "node": "n3"}
    trace = traced({"nodes": 3, "max_unavailable": 2}, faults=[lost], horizon=300)
    ready = next(place for place, event in enumerate(trace.events) if event[1:] == ("kubelet", "n1", "pod_ready"))
    assert [wait.stage for wait in critical_path(trace, ready)][-2:] == ["bird_threshold", "readiness_period"]


def test_a_deletion_waits_for_the_ready_that_made_room() -> None:
    """n1 is Ready at 50.0, n2 at 50.4; each lets one more go, 0.5 s later: both looks see both."""
    per_node = {"n2": {"probe_offset": 0.4}}
    cluster = {"nodes": 4, "max_unavailable": 2, "order": ["n1", "n2", "n3", "n4"]}
    timing = {"controller_reaction": 0.5, "script_poll": 0.5, "bgp_session": 20}
    trace = traced(cluster, timing=timing, per_node=per_node)
    deleted = {event.node: place for place, event in enumerate(trace.events) if event.event == "pod_deleted"}
    ready = {event.node: event.time for event in trace.events if event.event == "pod_ready"}
    assert 0 < ready["n2"] - ready["n1"] < MICRO // 2
    for node, freed_by in (("n3", "n1"), ("n4", "n2")):
        look = critical_path(trace, deleted[node])[-1]
        assert (look.stage, look.start) == ("controller_reaction", ready[freed_by])
        assert look.end == ready["n1"] + MICRO // 2


def test_start_waits_for_the_release_of_the_lock() -> None:
    """S5: killed in the pause at 10, released at 98; the script looks at 100."""
    faults = [{"kind": "init_killed", "node": "n1", "at": 10}]
    path = path_to(traced(1, faults=faults, operator=[{"action": "abort", "at": 98}]))
    assert path[:3] == [("operator abort", None, 98), ("script_poll", "n1", 2), ("validate", "n1", 2)]


def test_a_retry_waits_for_what_made_it_fail() -> None:
    fault = {"kind": "image_unpullable", "image": "node", "until": 200}
    assert path_to(traced(1, faults=[fault]))[:3] == [
        ("fault image_unpullable", "n1", 200),
        ("image_ladder", "n1", 135),
        ("pull_node", "n1", 8),
    ]
    fault = {"kind": "conversion_error", "until": 100}
    assert path_to(traced(1, faults=[fault]))[:2] == [("fault conversion_error", "n1", 100), ("crash_ladder", "n1", 65)]
    fault = {"kind": "main_crash", "node": "n1", "until": 40}
    assert path_to(traced(1, faults=[fault]))[:2] == [("fault main_crash", "n1", 40), ("crash_ladder", "n1", 5)]
    fault = {"kind": "complete_fails", "until": 50.5}
    assert path_to(traced(1, faults=[fault]))[:2] == [
        ("fault complete_fails", None, 50.5),
        ("complete_retry", None, 0.5),
    ]
    fault = {"kind": "init_killed", "node": "n1", "at": 24}
    actions = [{"action": "abort", "at": 100}, {"action": "delete_v3_data", "at": 130}]
    assert path_to(traced(1, faults=[fault], operator=actions))[:2] == [
        ("operator delete_v3_data", None, 130),
        ("crash_ladder", "n1", 8),
    ]


def test_other_nodes_wait_for_the_version_and_for_the_job() -> None:
    trace = traced({"nodes": 2, "max_unavailable": 2}, per_node={"n2": {"pull_upgrade": 5, "pull_node": 20}})
    path = path_to(trace)
    assert ("ensure_initialized", "n1", 2) in path
    assert path[path.index(("ensure_initialized", "n1", 2)) + 1][:2] == ("script_poll", "n2")
    assert [stage for stage, *_ in path_to(traced(1, timing={"job_ready": 300}))] == [
        "job_ready",
        "pull_upgrade",
        "complete",
    ]


def test_an_old_pod_that_lost_its_peer() -> None:
    """n1's old pod misses the probes of 0, 10, 20 because n2 went off, and is deleted beside it."""
    trace = traced(
        {"nodes": 2, "protocol": "v3-rolling"}, faults=[{"kind": "node_not_ready", "node": "n2", "until": 100}]
    )
    gone = next(place for place, event in enumerate(trace.events) if event[1:] == ("daemonset", "n1", "pod_deleted"))
    assert [(wait.stage, wait.end) for wait in critical_path(trace, gone)] == [("failure_threshold", 20 * MICRO)]


def test_shares_of_a_part_of_a_path() -> None:
    waits = [(0, 4, "sandbox"), (4, 9, "pull_node"), (9, 12, "pull_cni")]
    assert stages(waits, 2, 11) == {"restart of the pod": 2, "image pulls": 7}
    assert stages(waits, 12, 20) == {}
    assert label("fault main_crash") == "faults"
    assert label("operator abort") == "the operator"


def test_a_trace_without_causes_says_so() -> None:
    trace = run(Scenario.from_dict({"cluster": {"nodes": 1}}))
    assert trace.links == []
    for read in (lambda: critical_path(trace, 0), lambda: graph(trace)):
        with pytest.raises(ValueError, match="causes=True"):
            read()


def test_networkx_is_imported_by_the_graph_alone() -> None:
    scenario = ROOT / "fixtures" / "scenarios" / "two-nodes-at-once.json"
    script = (
        "import sys; from simulator.cli import main; from simulator.planning import make_plan; "
        f"main(['run', {str(scenario)!r}, '--trace', '/dev/null']); assert 'networkx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=ROOT)


# --- honesty: change one duration by a microsecond ---------------------------------------------------------------

_PER_NODE = (
    "kill",
    "sandbox",
    "pull_upgrade",
    "pull_node",
    "pull_cni",
    "needed",
    "validate",
    "clear",
    "pause",
    "requery",
    "ensure_initialized",
    "services",
    "upgrade_ipam",
    "install_cni",
    "ebpf_bootstrap",
    "felix_ready",
    "felix_sync",
)
_CLUSTER = ("bgp_session", "bird_threshold", "complete", "controller_reaction", "scheduler_latency", "pull_controllers")


@st.composite
def _without_grids(draw: st.DrawFn) -> tuple[Scenario, dict[str, int], dict[str, list[int]]]:
    """Random durations of up to 2 ms, and every grid a microsecond wide, so that it hides nothing."""
    nodes = draw(st.integers(1, 4))
    cluster = {
        "nodes": nodes,
        "max_unavailable": draw(st.integers(1, nodes)),
        "protocol": draw(st.sampled_from(["v2-to-v3", "v2-to-v3", "v3-rolling"])),
        "objects": {"resources": 1},
    }
    number = st.integers(1, 2000)
    timing = {name: draw(number) for name in _CLUSTER}
    timing |= {"needed": 0, "inprogress": 0, "job_ready": 0, "probe_offset": 0, "store_rate": 10**12}
    timing |= {"script_poll": 1, "felix_poll": 1, "readiness_period": 1, "failure_threshold": 10**9}
    per_node = {name: [draw(number) for _ in range(nodes)] for name in _PER_NODE}
    per_node["services"] = [
        early + late for early, late in zip(per_node["ensure_initialized"], per_node["services"], strict=True)
    ]
    return Scenario.from_dict({"cluster": cluster, "horizon": None}), timing, per_node


@settings(quick, max_examples=20)
@given(_without_grids(), st.sampled_from(["rollout", "total"]))
def test_what_is_on_the_path_delays_and_what_is_not_does_not(
    drawn: tuple[Scenario, dict[str, int], dict[str, list[int]]], name: str
) -> None:
    base, timing, per_node = drawn

    def end(timing: dict[str, int], per_node: dict[str, list[int]]) -> int:
        trace = run(base.with_durations(timing, per_node))
        found = total(trace) if name == "total" else trace.rollout
        assert found is not None
        return found

    trace = run(base.with_durations(timing, per_node), causes=True)
    reached = goal(trace, name)
    assert reached is not None
    before = trace.events[reached].time
    on_path = Counter((wait.stage, wait.node) for wait in critical_path(trace, reached))
    for stage in _PER_NODE:
        for index in range(base.cluster.nodes):
            times = on_path[stage, f"n{index + 1}"]
            changed = list(per_node[stage])
            changed[index] += 1 if times else -1
            assert end(timing, per_node | {stage: changed}) == before + times, (stage, index, times)
    for stage in _CLUSTER:
        times = sum(count for (held, _), count in on_path.items() if held == stage)
        assert end(timing | {stage: timing[stage] + (1 if times else -1)}, per_node) == before + times, (stage, times)
