"""What goes beyond the contract: docs/scenario-extensions.md, rule by rule."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.cli import main
from simulator.engine import run
from simulator.planning import parse_rate
from simulator.scenario import Scenario, ScenarioError
from simulator.windows import result
from tests.helpers import ROOT
from tests.simulator.helpers import answer
from tests.simulator.oracle import World, comparable
from tests.simulator.strategies import extended, halves, scenarios

Json = dict[str, Any]

thorough = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# --- the second implementation, and what must not change ----------------------------------------------------------


@thorough
@given(extended())
def test_equal_to_the_ticking_rules(data: Json) -> None:
    engine = comparable(result(run(Scenario.from_dict(data))))
    assert engine == World(data).run().result(), json.dumps(data)


@thorough
@given(extended())
def test_a_run_always_ends_and_repeats_itself(data: Json) -> None:
    data |= {"horizon": None, "extensions": ["hazards"], "arrivals": {"pods": {"rate": 2}, "policies": {"rate": 1}}}
    scenario = Scenario.from_dict(data)
    assert Scenario.from_dict(json.loads(json.dumps(scenario.to_dict()))) == scenario
    trace = run(scenario)
    first = result(trace)
    assert result(run(scenario)) == first
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    over = trace.completed or trace.rolled_back is not None
    assert over == (first["stall"] is None) == (trace.end is not None)
    if scenario.rolls_back and first["stall"]:
        assert first["stall"]["reason"] in ("node_not_ready", "controllers_unschedulable", "on_delete")


@thorough
@given(scenarios())
def test_absent_is_the_contract_and_questions_change_nothing(data: Json) -> None:
    plain = result(run(Scenario.from_dict(data)))
    empty: Json = {"joins": [], "arrivals": {}, "extensions": [], "typha": None}
    cluster = data["cluster"] | {"update_strategy": "RollingUpdate"}
    assert result(run(Scenario.from_dict(data | empty | {"cluster": cluster}))) == plain
    asked = {"arrivals": {"pods": {"rate": 7}, "policies": {"times": [3, 50]}}, "extensions": ["hazards"]}
    more = result(run(Scenario.from_dict(data | asked)))
    assert more["hazard_open"] == plain["hazard_closed"]
    assert {key: more[key] for key in plain} == plain
    assert list(more) == [*plain, "arrivals", "hazard_open", "hazards"]


# --- nodes that join -----------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.integers(1, 5),
    st.integers(1, 3),
    halves(0.5, 150),
    st.integers(1, 2),
    st.sampled_from([{}, {"pull_node": 20}, {"bgp_session": 12}, {"readiness_period": 3}]),
)
def test_a_join_never_shortens_a_nominal_upgrade(nodes: int, budget: int, at: float, count: int, timing: Json) -> None:
    cluster = {"nodes": nodes, "max_unavailable": budget}
    without = answer(cluster, timing=timing)
    joined = answer(cluster, timing=timing, joins=[{"node": count, "at": at}])
    assert joined["completed"]
    assert joined["events"]["complete"] >= without["events"]["complete"]
    assert joined["total"] >= without["total"]


def test_a_join_shortens_where_a_percentage_grows() -> None:
    # 10 % of 10 nodes is one at a time, of 11 it is two: the two first nodes cost 50, the other pairs less.
    cluster = {"nodes": 10, "max_unavailable": "10%"}
    assert answer(cluster)["total"] == 324
    assert answer(cluster, joins=[{"node": 1, "at": 1}])["total"] < 324


def test_a_join_after_the_end_is_none() -> None:
    without = answer(2)
    assert answer(2, joins=[{"node": 1, "at": 500}]) == without
    # Its last instant counts (R2), and the node joins in it: it must be waited for.
    assert answer(2, joins=[{"node": 1, "at": without["total"]}])["total"] > without["total"]


def test_a_node_that_joins_first_waits_for_a_peer_for_ever() -> None:
    # n3's pod is there before the controller's first look and uses the budget of 1. It migrates, but v2 nodes do not
    # see its Node, which only the v3 store has: no session, never Ready, and so no other node is upgraded.
    joins = [{"node": "n3", "at": 0}]
    got = answer(2, joins=joins, horizon=None)
    assert got["events"]["version"] == 35
    assert (got["stall"]["reason"], got["stall"]["recovery"]) == ("no_v3_peer", ["delete_pod"])
    # Deleted by hand at 100, n1 passes its init at 105, its BIRD is up at 116: the session at 121.
    freed = answer(2, joins=joins, operator=[{"action": "delete_pod", "node": "n1", "at": 100}], horizon=None)
    assert freed["completed"]
    assert freed["nodes"]["n3"]["ready"] == 130


def test_a_join_is_a_peer_only_once_its_node_is_written() -> None:
    # n2 joins at 30 and writes its Node at 30 + 13 + 2 = 45, so that n1's probe of 40 finds no peer; one at 20 in
    # a cluster with faster pulls writes it at 35 + 2 and keeps n1 from being Ready until the session of 43.
    late = answer(1, joins=[{"node": 1, "at": 30}])
    assert late["nodes"]["n1"]["ready"] == 40
    early = answer(1, joins=[{"node": "n2", "at": 20}], per_node={"n2": {"pull_node": 0}})
    assert early["nodes"]["n1"]["ready"] == 50


def test_a_join_that_is_lost_and_deleted_is_not_waited_for() -> None:
    faults = [{"kind": "node_not_ready", "node": "n3", "from": 60}]
    operator = [{"action": "delete_node", "node": "n3", "at": 200}]
    stuck = answer(2, joins=[{"node": 1, "at": 55}], faults=faults, horizon=None)
    assert stuck["stall"]["reason"] == "node_not_ready"
    freed = answer(2, joins=[{"node": 1, "at": 55}], faults=faults, operator=operator)
    assert list(freed["nodes"]) == ["n1", "n2"]
    assert freed["events"]["complete"] == 201


def test_the_controller_reacts_to_a_join() -> None:
    fast = answer(1, joins=[{"node": 1, "at": 20}], timing={"controller_reaction": 0})
    slow = answer(1, joins=[{"node": 1, "at": 20}], timing={"controller_reaction": 3})
    assert fast["nodes"]["n2"]["ready"] == 60
    assert slow["nodes"]["n2"]["ready"] == 63  # its probe grid begins 3 later too


# --- rollback ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(0, 130, 3))
@pytest.mark.parametrize("budget", [1, 2])
def test_a_rollback_from_anywhere_brings_everything_back(at: int, budget: int) -> None:
    data = {
        "cluster": {"nodes": 3, "max_unavailable": budget},
        "operator": [{"action": "roll_back", "at": at}],
        "horizon": None,
    }
    trace = run(Scenario.from_dict(data))
    got = result(trace)
    assert got["rolled_back"]
    assert got["completed"] is False
    assert got["total"] is got["stall"] is None
    assert trace.ending.v1_ready
    assert trace.ending.v3_empty
    assert trace.ending.outdated == 0
    blocks = [got["scheduling_block"], *(node["scheduling_block"] for node in got["nodes"].values())]
    assert all(until is not None for spans in blocks for _, until in spans)
    assert got["rollback"]["done"] <= at + 3 * 10  # a v2 pod is there after a second, without probes


def test_an_init_that_locks_again_after_the_abort_is_unlocked() -> None:
    # n2's init waits in `inprogress`. At 12 the abort lets it go on; its pod is deleted in the same instant, but its
    # containers live for another 3 s, and `validate` takes 1: it clears Ready at 13. The operator finds that at 15.
    got = answer(
        {"nodes": 2, "max_unavailable": 2},
        timing={"kill": 3, "validate": 1, "script_poll": 1},
        operator=[{"action": "roll_back", "at": 12}],
        horizon=None,
    )
    assert got["rolled_back"]
    assert len(got["scheduling_block"]) == 2
    assert got["scheduling_block"][1] == [13, 15]


def test_a_rollback_cures_what_stopped_the_upgrade() -> None:
    faults = [{"kind": "main_crash", "node": "n1"}, {"kind": "image_unpullable", "image": "cni"}]
    stuck = answer(2, faults=faults, horizon=None)
    assert stuck["stall"]["reason"] == "image_unpullable"
    back = answer(2, faults=faults, operator=[{"action": "roll_back", "at": 1000}], horizon=None)
    assert back["rolled_back"]
    assert back["nodes"]["n1"]["container_gap"] == [0, 1001]


def test_a_rollback_waits_for_every_node() -> None:
    # n2 is lost with v3's pod. Its v2 pod is created at once and uses the budget of 1, so that n1 keeps v3 until n2 is
    # deleted: pod 200, v2's calico-node 201, services 204, in sync 207.
    faults = [{"kind": "node_not_ready", "node": "n2", "from": 55}]
    roll_back = {"action": "roll_back", "at": 90}
    stuck = answer(3, faults=faults, operator=[roll_back], horizon=None)
    assert stuck["rolled_back"] is False
    assert (stuck["stall"]["reason"], stuck["stall"]["recovery"]) == ("node_not_ready", ["delete_node"])
    freed = answer(3, faults=faults, operator=[roll_back, {"action": "delete_node", "node": "n2", "at": 200}])
    assert freed["rolled_back"]
    assert freed["rollback"]["done"] == 207


def test_a_rollback_beyond_the_horizon_is_none() -> None:
    got = answer(1, operator=[{"action": "roll_back", "at": 90}], horizon=80)
    assert got["completed"]
    assert (got["rolled_back"], got["rollback"]) == (False, None)


def test_policies_across_a_rollback() -> None:
    # Complete 41, e 44; rolled back at 100: v3's Felix ends at 100, v2's kube-controllers has written all at 104,
    # v2's Felix is in sync at 107. What v3 alone knows is gone.
    probes = [
        {"kind": "policy", "source": source, "at": at}
        for source in ("kubernetes", "calicoctl_v1", "calicoctl_v3")
        for at in (60, 102)
    ]
    got = answer(1, operator=[{"action": "roll_back", "at": 100}], probes=probes)
    assert [probe["n1"] for probe in got["probes"]] == [60, 107, 107, 107, 60, None]


def test_a_node_that_joins_is_rolled_back_too() -> None:
    # v2 is the template again when n2 joins: sandbox 102, v2's images 110 and 116, services 119, in sync 122.
    got = answer(1, joins=[{"node": 1, "at": 101}], operator=[{"action": "roll_back", "at": 100}])
    assert got["rollback"]["done"] == 122
    assert got["nodes"]["n2"] == {
        "ready": None,
        "staleness": [101, 122],
        "container_gap": None,
        "scheduling_block": [[101, 116]],
        "joined": 101,
    }


# --- OnDelete ------------------------------------------------------------------------------------------------------


def test_on_delete_leaves_a_dead_nodes_pod_alone() -> None:
    # RollingUpdate replaces it at once (R3); here n1 comes back at 50 with v2's pod: sandbox 51, and no gap is left.
    faults = [{"kind": "node_not_ready", "node": "n1", "from": 10, "until": 50}]
    got = answer({"nodes": 1, "update_strategy": "OnDelete"}, faults=faults, horizon=None)
    assert got["nodes"]["n1"] == {"ready": None, "staleness": None, "container_gap": None, "scheduling_block": []}
    assert got["stall"]["reason"] == "on_delete"


def test_on_delete_still_creates_pods() -> None:
    got = answer({"nodes": 1, "update_strategy": "OnDelete"}, joins=[{"node": 1, "at": 5}], horizon=None)
    assert got["events"]["clear"] == 12
    assert got["stall"]["reason"] == "on_delete"


# --- Typha ---------------------------------------------------------------------------------------------------------


def typha(nodes: int, horizon: float = 100_000, **keys: Any) -> Json:
    cluster = {"nodes": nodes, "protocol": "v3-rolling"}
    return answer(cluster, typha=keys, horizon=horizon, timing={"controllers_old_gone": 1})["typha"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(2, 40), st.integers(1, 6), st.integers(1, 4), st.sampled_from([0, 1, "25%", "100%"]), halves(0, 90))
def test_typhas_bounces(nodes: int, replicas: int, unavailable: int, surge: int | str, start: float) -> None:
    replicas = min(replicas, nodes - 1)
    keys = {"replicas": replicas, "max_unavailable": unavailable, "max_surge": surge, "start": start, "shutdown": 20}
    got = typha(nodes, **keys)
    assert got["rollout"] is not None
    assert got["gone"] is not None
    enough = unavailable < replicas
    for spans in got["gaps"].values():
        assert len(spans) <= replicas  # an old Typha ends once
        for since, until in spans:
            assert 0 < since <= got["gone"]
            assert 0 < until - since <= 2 * replicas + (0 if enough else start) + 0.001
    # Each old one is gone after 95 % of its time, and the new ones are there after their start: one after the other.
    assert got["gone"] <= (replicas + 1) * (start + 20)


def test_typha_of_one_waits_until_a_node_is_free() -> None:
    # 2 nodes, 1 replica: the old one (on a node of its own) and the new one fit beside each other.
    got = typha(2, replicas=1, start=5)
    assert got == {"rollout": 5, "gone": 1, "gaps": {"n1": [], "n2": [[1, 7]]}}


def test_typha_without_surge_lacks_one_at_a_time() -> None:
    # At 0 the first ends: of its clients n1 and n4 the former has just ended, so n4 is dropped at 1 and goes to the
    # second, as its successor is ready at 10. Then the second ends: n2 is dropped at 11 and n4 at 12. The third
    # successor is created at 20.
    got = typha(4, replicas=3, max_surge=0, start=10)
    assert got["rollout"] == 30
    assert got["gaps"]["n4"] == [[1, 3], [12, 14]]


# --- arrivals ------------------------------------------------------------------------------------------------------


@thorough
@given(scenarios(), st.sampled_from(["kubernetes", "calicoctl_v1", "calicoctl_v3"]), st.lists(halves(0, 300)))
def test_arrivals_are_so_many_probes(data: Json, source: str, times: list[float]) -> None:
    times = sorted(times)
    plain = result(run(Scenario.from_dict(data)))
    nodes = list(plain["nodes"])
    data["probes"] = [
        {"kind": "pod_start", "node": nodes[number % len(nodes)], "at": at} for number, at in enumerate(times)
    ] + [{"kind": "policy", "source": source, "at": at} for at in times]
    data["arrivals"] = {"pods": {"times": times}, "policies": {"times": times, "source": source}}
    got = result(run(Scenario.from_dict(data)))
    pods, policies = got["probes"][: len(times)], got["probes"][len(times) :]
    expect(got["arrivals"]["pods"], times, [probe["networked"] for probe in pods])
    last = [None if None in probe.values() else max(probe.values()) for probe in policies]
    expect(got["arrivals"]["policies"], times, last)


def expect(got: Json, times: list[float], ends: list[float | None]) -> None:
    waits = sorted(math.inf if end is None else end - time for time, end in zip(times, ends, strict=True))
    assert got["count"] == len(times)
    assert got["waiting"] == sum(wait > 0 for wait in waits)
    assert got["never"] == waits.count(math.inf)
    finite = bool(waits) and not got["never"]
    assert got["max"] == (waits[-1] if finite else None)
    assert got["mean"] == (pytest.approx(sum(waits) / len(waits), abs=0.001) if finite else None)
    for name, share in (("p50", 50), ("p90", 90), ("p99", 99)):
        wait = waits[-(-len(waits) * share // 100) - 1] if waits else None
        assert got[name] == (None if wait == math.inf else wait)
    spans = [(time, math.inf if end is None else end) for time, end in zip(times, ends, strict=True)]
    at_once = [sum(since <= time < until for since, until in spans) for time in times]
    assert got["waiting_at_once"] == max(at_once, default=0)


def test_arrivals_at_a_rate() -> None:
    # Every 20 s from 10 on: 10, 30, 50, 70, 90 to n1, n2, n3, n1, n2; complete 111, attempts every 10 s.
    got = answer(3, arrivals={"pods": {"rate": 3, "from": 10, "until": 110}})["arrivals"]["pods"]
    assert got == {
        "count": 5,
        "waiting": 5,
        "never": 0,
        "waiting_at_once": 5,
        "max": 110,
        "mean": 70,
        "p50": 70,
        "p90": 110,
        "p99": 110,
    }


def test_arrivals_on_nodes_that_join_and_in_a_run_that_never_ends() -> None:
    # n2 is there from 20 on: pods 0 to n1, 1 (at 15) to n1, 2 (at 25) to n1, 3 (at 35) to n2.
    times = {"pods": {"times": [0, 15, 25, 35]}}
    got = answer(1, joins=[{"node": 1, "at": 20}], arrivals=times)["arrivals"]["pods"]
    assert (got["max"], got["waiting"]) == (50, 3)
    faults = [{"kind": "init_killed", "node": "n1", "at": 10}]
    stuck = answer(1, faults=faults, arrivals={"pods": {"rate": 60}}, horizon=None)["arrivals"]["pods"]
    assert stuck["never"] == stuck["waiting"] == stuck["waiting_at_once"] > 0
    assert stuck["max"] is stuck["mean"] is stuck["p99"] is None


def test_too_many_arrivals() -> None:
    with pytest.raises(ScenarioError, match="more than 100000 pods"):
        answer(3, arrivals={"pods": {"rate": 1_000_000}})


@pytest.mark.parametrize(("text", "rate"), [("12", 12), ("12/min", 12), ("0.5/s", 30), ("90/h", 1.5)])
def test_rates_of_the_command_line(text: str, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "x", "0", "-1/min", "3/day", "nan", "inf"])
def test_no_rates(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        parse_rate(text)


def test_the_plans_pods(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", str(ROOT / "fixtures/specs/calico-v2-to-v3.yaml"), "--nodes", "6", "--replications", "16"]
    main([*command, "--format", "json"])
    plain = json.loads(capsys.readouterr().out)
    main([*command, "--format", "json", "--pod-rate", "0.2/s"])
    asked = json.loads(capsys.readouterr().out)
    assert plain.pop("arrivals") is None
    arrivals = asked.pop("arrivals")
    assert asked == plain
    assert arrivals["pods_per_minute"] == 12
    # One arrives every 5 s of the block; the first of them waits for its whole length, and at most 10 s longer.
    block = plain["windows"]["scheduling_block"]
    assert arrivals["waiting"]["p50"] == pytest.approx(block["p50"] / 5, abs=2)
    assert arrivals["wait_max"]["p50"] == pytest.approx(block["p50"], abs=15)
    main([*command, "--pod-rate", "12"])
    assert f"12 new pods a minute {arrivals['waiting']['p50']:.0f} have to wait" in capsys.readouterr().out
    main([*command[:1], str(ROOT / "fixtures/specs/calico-v3-rolling.yaml"), *command[2:], "--pod-rate", "12"])
    assert "12 new pods a minute none has to wait" in capsys.readouterr().out


# --- Kubernetes releases -------------------------------------------------------------------------------------------


def until_1_20(pods: list[tuple[bool, bool]], budget: int) -> set[int]:
    """Which pods (new, available) a look deletes: ds110/update.go:43-79, in processing order."""
    unavailable = sum(not available for _, available in pods)
    deleted = {index for index, (new, available) in enumerate(pods) if not new and not available}
    for index, (new, available) in enumerate(pods):
        if not new and available and unavailable < budget:
            deleted.add(index)
            unavailable += 1
    return deleted


def from_1_21(pods: list[tuple[bool, bool]], budget: int, counts_old: bool) -> set[int]:
    """The same for update.go of 1.21 and later; `counts_old`: as repaired in 1.31 (kubernetes #123233)."""
    unavailable, allowed, candidates = 0, [], []
    for index, (new, available) in enumerate(pods):
        if new:
            unavailable += not available
        elif not available:
            allowed.append(index)
            unavailable += counts_old
        elif unavailable < budget:
            candidates.append(index)
    return {*allowed, *candidates[: max(0, budget - unavailable)]}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.integers(1, 6).flatmap(lambda count: st.lists(st.booleans(), min_size=count, max_size=count)),
    st.one_of(st.integers(1, 4), st.sampled_from(["1%", "34%", "50%", "100%"])),
    st.sampled_from(["v2-to-v3", "v3-rolling"]),
)
def test_one_rule_for_all_releases(up: list[bool], budget: int | str, protocol: str) -> None:
    """R3's first look at a cluster with dead nodes, beside the controllers of the real releases."""
    faults = [
        {"kind": "node_not_ready", "node": f"n{number}", "from": 0} for number, on in enumerate(up, start=1) if not on
    ]
    cluster = {"nodes": len(up), "max_unavailable": budget, "protocol": protocol}
    trace = run(Scenario.from_dict({"cluster": cluster, "faults": faults, "horizon": 0}))
    deleted = {int(str(event.node)[1:]) - 1 for event in trace.events if event.event == "pod_deleted"}
    number = trace.scenario.cluster.budget(len(up))
    assert number == (math.ceil(int(budget[:-1]) * len(up) / 100) if isinstance(budget, str) else budget)
    pods = [(False, on) for on in up]
    assert deleted == until_1_20(pods, number)
    assert deleted == from_1_21(pods, number, counts_old=True)
    assert deleted <= from_1_21(pods, number, counts_old=False)
    if all(up):
        assert deleted == from_1_21(pods, number, counts_old=False)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8), st.integers(1, 5))
def test_the_releases_differ_only_over_old_pods_that_are_not_available(
    pods: list[tuple[bool, bool]], budget: int
) -> None:
    old = until_1_20(pods, budget)
    assert from_1_21(pods, budget, counts_old=True) == old
    assert from_1_21(pods, budget, counts_old=False) >= old
    if all(new or available for new, available in pods):
        assert from_1_21(pods, budget, counts_old=False) == old


@settings(max_examples=60, deadline=None, derandomize=True)
@given(scenarios(), st.sampled_from([("1.7.0", "1.9.11"), ("1.11.0", "1.20.15"), ("1.21.0", "1.36.0")]))
def test_within_a_generation_the_release_changes_nothing(data: Json, releases: tuple[str, str]) -> None:
    both = []
    for release in releases:
        data["cluster"]["kubernetes"] = release
        both.append(result(run(Scenario.from_dict(data))))
    assert both[0] == both[1]


# --- mistakes ------------------------------------------------------------------------------------------------------

ROLL = {"action": "roll_back", "at": 50}


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        ({"joins": {}}, "joins", "expected a list"),
        ({"joins": [{"node": 0, "at": 1}]}, "joins[0].node", "too small"),
        ({"joins": [{"node": 1}]}, "joins[0].at", "missing"),
        ({"joins": [{"node": 1, "at": 1, "rate": 1}]}, "joins[0]", "'rate' is no known key"),
        ({"joins": [{"node": "n1", "at": 1}]}, "joins[0].node", "from the beginning"),
        ({"joins": [{"node": "n4", "at": 1}]}, "joins[0].node", "no node 'n4'"),
        ({"joins": [{"node": "n3", "at": 1}, {"node": "n3", "at": 2}]}, "joins[1].node", "joins twice"),
        ({"joins": [{"node": 100_000, "at": 1}]}, "joins", "too many"),
        (
            {"joins": [{"node": 1, "at": 9}], "faults": [{"kind": "node_not_ready", "node": "n3"}]},
            "faults[0].from",
            "joins",
        ),
        ({"operator": [ROLL, ROLL]}, "operator[1]", "rolled back twice"),
        ({"operator": [ROLL, {"action": "complete", "at": 50}]}, "operator[1]", "at or after the rollback"),
        ({"cluster": {"nodes": 2, "protocol": "v3-rolling"}, "operator": [ROLL]}, "operator[0].action", "no use"),
        ({"cluster": {"nodes": 2, "update_strategy": "Ondelete"}}, "cluster.update_strategy", "no strategy"),
        (
            {"cluster": {"nodes": 2, "update_strategy": "OnDelete", "protocol": "v3-rolling"}},
            "cluster.update_strategy",
            "before 1.9",
        ),
        ({"typha": {"replicas": 1}}, "typha", "no Typha"),
        ({"cluster": {"nodes": 2, "protocol": "v3-rolling"}, "typha": {}}, "typha.replicas", "missing"),
        ({"cluster": {"nodes": 2, "protocol": "v3-rolling"}, "typha": {"replicas": 2}}, "typha.replicas", "2 nodes"),
        (
            {"cluster": {"nodes": 2, "protocol": "v3-rolling"}, "typha": {"replicas": 1, "max_surge": "200%"}},
            "typha.max_surge",
            "no percentage",
        ),
        ({"arrivals": {"nodes": {}}}, "arrivals", "'nodes' is no known key"),
        ({"arrivals": {"pods": {}}}, "arrivals.pods", "either times or rate"),
        ({"arrivals": {"pods": {"rate": 0}}}, "arrivals.pods.rate", "more than 0"),
        ({"arrivals": {"pods": {"rate": 1, "source": "kubernetes"}}}, "arrivals.pods", "'source' is no known key"),
        ({"arrivals": {"pods": {"times": [1], "from": 2}}}, "arrivals.pods", "'from' is no known key"),
        ({"arrivals": {"pods": {"rate": 1, "from": 2, "until": 1}}}, "arrivals.pods.until", "before they begin"),
        ({"arrivals": {"policies": {"times": 3}}}, "arrivals.policies.times", "expected a list"),
        ({"arrivals": {"policies": {"times": [], "source": "me"}}}, "arrivals.policies.source", "no source"),
        ({"extensions": ["hazard"]}, "extensions[0]", "'hazard' is no extension"),
        ({"extensions": "hazards"}, "extensions", "expected a list"),
    ],
)
def test_mistakes(change: Json, place: str, reason: str) -> None:
    with pytest.raises(ScenarioError) as error:
        Scenario.from_dict({"cluster": {"nodes": 2}} | change)
    assert error.value.place == place
    assert reason in str(error.value)
