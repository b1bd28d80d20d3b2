"""The engine against the plain rules, and against decisions that the rules leave no choice about."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.engine import run
from simulator.protocol.clock import Clock
from simulator.scenario import Scenario
from simulator.timing import MICRO
from simulator.windows import flat, result
from tests.simulator.helpers import answer
from tests.simulator.oracle import World, comparable
from tests.simulator.strategies import halves, scenarios

Json = dict[str, Any]

thorough = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# --- random scenarios ------------------------------------------------------------------------------------------


@thorough
@given(scenarios())
def test_equal_to_the_ticking_rules(data: Json) -> None:
    engine = comparable(result(run(Scenario.from_dict(data))))
    assert engine == World(data).run().result(), json.dumps(data)


@thorough
@given(scenarios(max_nodes=6))
def test_ends_and_repeats_itself(data: Json) -> None:
    data["horizon"] = None
    scenario = Scenario.from_dict(data)
    assert Scenario.from_dict(json.loads(json.dumps(scenario.to_dict()))) == scenario
    trace = run(scenario)
    first = result(trace)
    assert result(run(scenario)) == first
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    assert (trace.end is None) == (not trace.completed)
    data["horizon"] = 20000
    cut = result(run(Scenario.from_dict(data)))
    if cut["completed"] or first["completed"]:
        assert cut == first
    else:
        assert cut["stall"] == first["stall"] or _cycles(data)


def _cycles(data: Json) -> bool:
    """An init container that migrates and fails for ever may be stopped in any state."""
    return any(fault["kind"] == "store_fails" and fault["object"] == 1 for fault in data["faults"])


@thorough
@given(scenarios())
def test_intervals_and_events_are_in_order(data: Json) -> None:
    scenario = Scenario.from_dict(data)
    trace = run(scenario)
    answer = result(trace)
    assert [event.time for event in trace.events] == sorted(event.time for event in trace.events)
    lists = [answer["scheduling_block"], *(node["scheduling_block"] for node in answer["nodes"].values())]
    singles = [answer["controllers_gap"], *answer["policy_freeze"].values()]
    singles += [node[key] for node in answer["nodes"].values() for key in ("staleness", "container_gap")]
    lists += [[span] for span in singles if span is not None]
    for spans in [*lists, answer["hazard_closed"]]:
        for start, until in spans:
            assert start >= 0
            assert until is None or start <= until
        for (_, until), (start, _) in pairwise(spans):
            assert until is not None
            assert until < start
    events, freeze = answer["events"], answer["policy_freeze"]
    if freeze["controllers_init"] and freeze["controllers_init"][1] is not None:
        down, sync = freeze["conversion"]
        assert down <= freeze["controllers_init"][0]
        assert sync is None or freeze["controllers_init"][1] <= sync
    if events["version"] is not None:
        assert events["clear"] is not None
        assert events["version"] > events["clear"] or _instant_migration(data)
    if not scenario.cluster.rolling:
        for node in answer["nodes"].values():
            if node["staleness"] and node["staleness"][1] is not None:
                assert node["staleness"][1] >= events["complete"]
    by_hand = any(action["action"] == "complete" for action in data["operator"])
    if events["complete"] is not None and not by_hand:
        assert events["complete"] >= events["rollout"]
    lengths = flat(trace)
    assert lengths["total"] == (answer["total"] if answer["completed"] else float("inf"))


def _instant_migration(data: Json) -> bool:
    return data["timing"].get("ensure_initialized", 2) == 0


# --- invariants of the protocol (facts §8.3, as corrected) -------------------------------------------------------


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 3), halves(7.5, 25))
def test_a_kill_after_the_flag_needs_an_abort(nodes: int, at: float) -> None:
    got = answer(nodes, faults=[{"kind": "init_killed", "node": "n1", "at": at}], horizon=None)
    assert got["stall"]["reason"] == "migration_interrupted"
    assert got["stall"]["recovery"] == (["abort"] if at <= 23 else ["delete_v3_data", "abort"])
    assert got["scheduling_block"] == [[7, None]]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 12), st.integers(1, 5))
def test_block_grows_with_equal_nodes(nodes: int, budget: int) -> None:
    def block(count: int) -> float:
        ((start, until),) = answer({"nodes": count, "max_unavailable": budget})["scheduling_block"]
        return until - start

    assert block(nodes) <= block(nodes + 1)


@pytest.mark.parametrize("nodes", [2, 3, 10, 57])
def test_closed_form(nodes: int) -> None:
    got = answer(nodes)
    assert got["events"]["complete"] == 30 * nodes + 21
    assert got["scheduling_block"] == [[7, 30 * nodes + 21]]


def test_processing_order_only_renames() -> None:
    got = answer({"nodes": 3, "order": ["n3", "n1"]})
    assert [got["nodes"][name]["ready"] for name in ("n3", "n1", "n2")] == [50, 80, 110]


# --- ties and combinations ---------------------------------------------------------------------------------------


def test_a_window_between_get_and_put_lets_both_migrate() -> None:
    """R9: both GETs precede the first PUT."""
    got = answer({"nodes": 2, "max_unavailable": 2}, timing={"clear": 1})
    assert got["init_failures"] == 0
    assert got["events"]["clear"] == 8


def test_a_put_is_seen_by_a_get_of_its_instant() -> None:
    """R1: n2 checks at 8, when n1's PUT takes effect."""
    per_node = {"n1": {"clear": 1}, "n2": {"validate": 3}}
    assert answer({"nodes": 2, "max_unavailable": 2, "order": ["n2", "n1"]}, per_node=per_node)["init_failures"] == 1


def test_a_poll_sees_the_version_of_its_instant() -> None:
    """R1: n1 writes the version at 35, and n2, first in order, reads at 35."""
    cluster = {"nodes": 2, "max_unavailable": 2, "order": ["n2", "n1"]}
    got = answer(cluster, per_node={"n2": {"pull_upgrade": 9}})  # init at 10: in progress, reads 15, 20 … 35
    assert got["nodes"]["n2"]["container_gap"] == [0, 43]


def test_init_killed_counts_only_a_running_init() -> None:
    """R1: at 5 the pull has not ended yet; at 25 the init has not ended yet; at 5 to 25 it runs."""
    for at, failures in ((5, 0), (5.5, 1), (25, 1), (25.5, 0)):
        got = answer(1, faults=[{"kind": "init_killed", "node": "n1", "at": at}], horizon=1000)
        assert got["init_failures"] == failures


def test_init_killed_while_asleep_and_in_back_off() -> None:
    """The restarted init sleeps at 12 and is killed; its first wait is 0, the second 10: nothing runs at 15."""
    faults = [{"kind": "init_killed", "node": "n1", "at": at} for at in (10, 12, 15)]
    got = answer(1, faults=faults, operator=[{"action": "abort", "at": 16}])
    assert got["init_failures"] == 2
    assert got["scheduling_block"][1][0] == 24  # restart at 22, checked at 24


def test_a_reboot_is_no_failure_and_resumes_the_pull() -> None:
    """R5, R6: the node goes off in the pull of its image (25-33) and pulls anew: 40 + 1 + 8 … after its init."""
    faults = [{"kind": "node_not_ready", "node": "n1", "from": 30, "until": 40}]
    got = answer(1, faults=faults, operator=[{"action": "delete_v3_data", "at": 42}, {"action": "abort", "at": 43}])
    assert got["init_failures"] == 0
    assert got["nodes"]["n1"]["container_gap"] == [0, 46 + 20 + 8]  # read at 46, start takes 20, then the pull


def test_images_stay_over_reboots() -> None:
    """R5: back at 100, only the sandbox is made again: services 104, session 109, probes of both at 110."""
    faults = [{"kind": "node_not_ready", "node": "n1", "from": 80, "until": 100}]
    got = answer(2, faults=faults)
    assert (got["nodes"]["n1"]["ready"], got["nodes"]["n2"]["ready"]) == (50, 110)
    assert got["events"]["rollout"] == 110


def test_old_pod_of_a_lost_node_is_deleted_at_once() -> None:
    """R3, R6: n3 goes off at 20 while n1 uses the budget; its replacement is the first on its return."""
    faults = [{"kind": "node_not_ready", "node": "n3", "from": 20, "until": 45}]
    got = answer(3, faults=faults)
    assert got["nodes"]["n3"]["container_gap"] == [20, 58]
    assert got["nodes"]["n2"]["container_gap"][0] > 60


def test_failure_threshold_is_reached_at_the_last_probe() -> None:
    """B3 with a pull of 17: the session is back at the third failing probe; with 18 it is not."""
    for pull, ready in ((17, 80), (18, 90)):
        assert answer(2, per_node={"n2": {"pull_node": pull}})["nodes"]["n2"]["ready"] == ready


def test_start_probe_since_kubernetes_1_21() -> None:
    """R14: it can only succeed when the services come up with the container."""
    timing = {"services": 0, "ensure_initialized": 0, "felix_ready": 0, "pull_cni": 0}
    old, new = (answer({"nodes": 1, "kubernetes": version}, timing=timing) for version in ("1.20.9", "1.21.0"))
    assert (old["nodes"]["n1"]["ready"], new["nodes"]["n1"]["ready"]) == (40, 33)
    assert answer({"nodes": 1, "kubernetes": "1.21.0-rc.0"}, timing=timing)["nodes"]["n1"]["ready"] == 40


def test_touching_windows_are_one() -> None:
    """R6: back and off in one instant is off."""
    halves_ = [{"from": 10, "until": 30}, {"from": 30, "until": 50}]
    faults = [{"kind": "node_not_ready", "node": "n1", **window} for window in halves_]
    whole = [{"kind": "node_not_ready", "node": "n1", "from": 10, "until": 50}]
    abort = [{"action": "abort", "at": 60}]
    assert answer(1, faults=faults, operator=abort) == answer(1, faults=whole, operator=abort)


def test_upgrade_image_of_one_node_is_not_the_jobs() -> None:
    """Section 3: without a node the fault also holds for the controllers' init and the Job."""
    fault = {"kind": "image_unpullable", "image": "upgrade", "until": 12}
    everywhere = answer(1, faults=[fault])["policy_freeze"]["controllers_init"]
    there = answer(1, faults=[fault | {"node": "n1"}])["policy_freeze"]["controllers_init"]
    assert (there[0], everywhere[0]) == (6, 16)  # attempts of the controllers: 2, 12


def test_job_limit_and_its_release() -> None:
    """R20: with a limit of 1 the first restart makes the Job Failed, from Kubernetes 1.10.5 on."""
    faults = [{"kind": "complete_fails", "until": 70}]
    for version, restarts, total in (("1.10.4", 1, 74), ("1.10.5", 1, None)):
        got = answer({"nodes": 1, "kubernetes": version}, faults=faults, timing={"job_backoff_limit": 1})
        assert (got["job_restarts"], got["total"]) == (restarts, total)


def test_crash_reset_starts_the_ladder_anew() -> None:
    """Runs of 30 s are longer than a reset after 20 s: every restart is at once."""
    faults = [{"kind": "complete_fails", "until": 200}]
    got = answer(1, faults=faults, timing={"crash_reset": 20})
    assert got["events"]["complete"] == 201


def test_unready_old_pods_are_deleted_outside_the_budget() -> None:
    """R3: both lost nodes are replaced at once although one pod may be unavailable; n1 waits for both."""
    faults = [{"kind": "node_not_ready", "node": node, "until": 20} for node in ("n2", "n3")]
    got = answer(3, faults=faults)
    assert [got["nodes"][name]["container_gap"][0] for name in ("n2", "n3")] == [0, 0]
    assert got["nodes"]["n1"]["container_gap"][0] == max(got["nodes"][name]["ready"] for name in ("n2", "n3"))


def test_horizon_holds_its_own_instant() -> None:
    """R2: what happens at the horizon counts, what happens later does not."""
    assert answer(1, horizon=44)["completed"]
    cut = answer(1, horizon=43.5)
    assert (cut["completed"], cut["stall"]) == (False, {"reason": "horizon", "since": 41, "recovery": []})
    assert cut["nodes"]["n1"]["staleness"] == [0, None]


def test_removal_of_the_last_missing_node_completes() -> None:
    """R2: nothing else was missing; the total is when the last thing that counts happened."""
    faults = [{"kind": "node_not_ready", "node": "n2"}]
    actions = [{"action": "complete", "at": 100}, {"action": "delete_node", "node": "n2", "at": 200}]
    got = answer({"nodes": 2, "max_unavailable": 2}, faults=faults, operator=actions)
    assert (got["total"], list(got["nodes"])) == (103, ["n1"])


# --- named extensions --------------------------------------------------------------------------------------------


def test_latencies_of_controller_and_scheduler() -> None:
    """Each of three pods begins 0.5 s after the change before it, and is seen 0.25 s later."""
    got = answer(3, timing={"controller_reaction": 0.5, "scheduler_latency": 0.25, "readiness_period": 1})
    begins = [got["nodes"][f"n{number}"]["container_gap"][0] for number in (1, 2, 3)]
    assert begins[0] == 0.5
    assert begins[1] == got["nodes"]["n1"]["ready"] + 0.5
    assert got["nodes"]["n2"]["container_gap"] == [begins[1], begins[1] + 13.25]
    early = answer(3, timing={"channels_delay": 30, "apply": 3})
    assert early == answer(3)


def test_a_node_that_is_back_before_the_controller_reacts_keeps_its_pod() -> None:
    faults = [{"kind": "node_not_ready", "node": "n2", "from": 10, "until": 11}]
    for protocol in ("v2-to-v3", "v3-rolling"):
        cluster = {"nodes": 2, "protocol": protocol}
        got = answer(cluster, faults=faults, timing={"controller_reaction": 2})
        assert got["completed"]
        assert got["nodes"]["n2"]["container_gap"][0] == got["nodes"]["n1"]["ready"] + 2


# --- work --------------------------------------------------------------------------------------------------------


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[Json], int]:
    """How many events SimPy schedules in a run."""
    count = 0
    schedule = Clock.schedule

    def counting(self: Clock, *args: Any, **kwargs: Any) -> None:
        nonlocal count
        count += 1
        schedule(self, *args, **kwargs)

    monkeypatch.setattr(Clock, "schedule", counting)

    def measure(data: Json) -> int:
        nonlocal count
        count = 0
        run(Scenario.from_dict(data))
        return count

    return measure


@pytest.mark.parametrize("protocol", ["v2-to-v3", "v3-rolling"])
@pytest.mark.parametrize("budget", [1, "10%", "100%"])
def test_work_is_linear_in_nodes(work: Callable[[Json], int], protocol: str, budget: Any) -> None:
    def of(nodes: int) -> int:
        return work({"cluster": {"nodes": nodes, "max_unavailable": budget, "protocol": protocol}})

    assert of(200) / of(50) < 4.2
    assert of(200) < 200 * 35


@pytest.mark.parametrize(
    ("rest", "limit"),
    [
        ({"faults": [{"kind": "init_killed", "node": "n1", "at": 10}]}, 200),  # all wait for an abort
        ({"faults": [{"kind": "expected_image_mismatch"}]}, 1000),
        ({"faults": [{"kind": "conversion_error"}]}, 10000),  # a crash ladder to the horizon
        ({"faults": [{"kind": "image_unpullable", "image": "node"}]}, 10000),
    ],
)
def test_waiting_for_ever_costs_little(work: Callable[[Json], int], rest: Json, limit: int) -> None:
    data = {"cluster": {"nodes": 20, "max_unavailable": 3}, "horizon": 100000, **rest}
    assert work(data) < limit
    assert work(data | {"horizon": None}) < limit


def test_clock_is_whole_microseconds() -> None:
    trace = run(Scenario.from_dict({"cluster": {"nodes": 3}, "timing": {"store_rate": 3, "needed": 0.123456789}}))
    assert all(type(event.time) is int for event in trace.events)
    assert trace.events[-1].time % MICRO != 0
