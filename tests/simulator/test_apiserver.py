"""Extension L: the rate limit of the DaemonSet controller's client, and slow-start batches."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.causes import critical_path, goal
from simulator.engine import run
from simulator.protocol.apiserver import BURST_REPLICAS, TokenBucket, slow_start
from simulator.scenario import Scenario
from simulator.timing import MICRO
from simulator.trace import Trace
from simulator.windows import result
from tests.simulator.strategies import scenarios

Json = dict[str, Any]

thorough = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def rolled(nodes: int, at_once: int | str, **timing: float) -> Trace:
    """A roll from v3 to v3: no migration, so that only the DaemonSet controller decides who starts when."""
    cluster = {"nodes": nodes, "max_unavailable": at_once, "protocol": "v3-rolling"}
    return run(Scenario.from_dict({"cluster": cluster, "timing": timing, "horizon": None}), causes=True)


def instants(trace: Trace, event: str) -> list[float]:
    return [entry.time / MICRO for entry in trace.events if entry.event == event]


def sandboxes(trace: Trace) -> list[float]:
    """When the kubelets start the new pods: at their creation, as old containers die at once."""
    return [
        entry.time / MICRO for entry in trace.events if (entry.actor, entry.event) == ("kubelet", "sandbox_started")
    ]


# --- the bucket and the batches ---------------------------------------------------------------------------


def test_a_full_bucket_gives_its_burst_and_then_one_an_interval() -> None:
    bucket = TokenBucket(MICRO // 20, 30)
    assert [bucket.take(0) for _ in range(33)] == [0] * 30 + [50_000, 100_000, 150_000]
    # 1.05 s later three calls have been paid for and 18 saved.
    assert [bucket.take(1_050_000) for _ in range(20)].count(0) == 18


def test_what_is_saved_is_never_more_than_the_burst() -> None:
    bucket = TokenBucket(MICRO, 4)
    assert [bucket.take(10**12) for _ in range(6)] == [0, 0, 0, 0, MICRO, 2 * MICRO]


@pytest.mark.parametrize("burst", [0, 1])
def test_a_client_that_saves_nothing_makes_one_call_an_interval(burst: int) -> None:
    bucket = TokenBucket(MICRO, burst)
    assert [bucket.take(0) for _ in range(3)] == [0, MICRO, 2 * MICRO]


@given(st.integers(1, 10**6), st.integers(0, 40), st.lists(st.integers(0, 10**6), max_size=60))
def test_no_span_of_time_holds_more_calls_than_the_limit_allows(interval: int, burst: int, gaps: list[int]) -> None:
    bucket, now = TokenBucket(interval, burst), 0
    sent = []
    for gap in gaps:
        now += gap
        sent.append(now + bucket.take(now))
    assert sent == sorted(sent)
    for first, start in enumerate(sent):
        for count, end in enumerate(sent[first:], start=1):
            assert (count - max(1, burst)) * interval <= end - start


@given(st.integers(0, 600))
def test_batches_double_and_hold_everything_in_order(count: int) -> None:
    batches = list(slow_start(range(count)))
    assert [item for batch in batches for item in batch] == list(range(count))
    sizes = [len(batch) for batch in batches]
    assert sizes[:-1] == [2**power for power in range(len(sizes) - 1)]


# --- in the engine ------------------------------------------------------------------------------------------


@thorough
@given(scenarios())
def test_a_limit_that_never_binds_changes_nothing(data: Json) -> None:
    # A pod that the operator deletes is replaced by the controller under a limit, at the end of the same instant.
    data["operator"] = [action for action in data["operator"] if action["action"] != "delete_pod"]
    plain = run(Scenario.from_dict(data))
    data["timing"] |= {"api_qps": 1_000_000, "api_burst": 1_000_000}
    limited = run(Scenario.from_dict(data))
    assert limited.events == plain.events, json.dumps(data)
    assert result(limited) == result(plain)


@thorough
@given(scenarios(), st.sampled_from([0.05, 0.5, 2, 20]), st.integers(0, 5), st.sampled_from([0, 0.25]))
def test_a_limited_run_ends_and_never_exceeds_the_limit(data: Json, qps: float, burst: int, batch: float) -> None:
    data["timing"] |= {"api_qps": qps, "api_burst": burst, "slow_start": batch}
    data["horizon"] = None
    scenario = Scenario.from_dict(data)
    assert Scenario.from_dict(json.loads(json.dumps(scenario.to_dict()))) == scenario
    trace = run(scenario, causes=True)
    assert result(run(scenario)) == result(trace)
    for place, event in enumerate(trace.events):
        assert sum(wait.end - wait.start for wait in critical_path(trace, place)) == event.time
    by_hand = {action.at for action in scenario.operator}
    deleted = [e.time for e in trace.events if e.event == "pod_deleted" and e.time not in by_hand]
    for first, start in enumerate(deleted):
        for count, end in enumerate(deleted[first:], start=1):
            assert (count - max(1, burst)) / qps <= (end - start) / MICRO + 1e-5


def test_all_at_once_at_20_calls_a_second() -> None:
    """100 deletions, a status, 100 creations: the burst is 30, then a call each 50 ms."""
    no_bgp = {"bgp_session": 0, "bird_threshold": 0}
    trace = rolled(100, "100%", api_qps=20, api_burst=30, **no_bgp)
    calls = [0.0] * 30 + [0.05 * number for number in range(1, 172)]
    assert instants(trace, "pod_deleted") == pytest.approx(calls[:100])
    assert sandboxes(trace) == pytest.approx(calls[101:201])
    unlimited = rolled(100, "100%", **no_bgp)
    assert sandboxes(unlimited) == [0.0] * 100
    assert trace.rollout is not None
    assert unlimited.rollout is not None
    # Probes stand at creation + k * 10 s: the last pod is as much later as it was created later.
    assert trace.rollout - unlimited.rollout == round(calls[200] * MICRO)
    reached = goal(trace, "rollout")
    assert reached is not None
    waited = sum(wait.end - wait.start for wait in critical_path(trace, reached) if wait.stage == "api_limit")
    assert waited / MICRO == pytest.approx(calls[200])


def test_a_sync_takes_250_and_so_about_ten_nodes_a_second() -> None:
    trace = rolled(600, "100%", api_qps=20, api_burst=30)
    created = sandboxes(trace)
    deleted = instants(trace, "pod_deleted")
    assert len(created) == len(deleted) == 600
    # 250 deletions, their status, 250 creations, their status; and so on.
    calls = [max(0, number - 29) * 0.05 for number in range(1206)]
    assert deleted[:BURST_REPLICAS] == pytest.approx(calls[:250])
    assert created[:BURST_REPLICAS] == pytest.approx(calls[251:501])
    assert deleted[BURST_REPLICAS:500] == pytest.approx(calls[502:752])
    assert created[-1] == pytest.approx(calls[-2])
    assert 9.9 < 600 / created[-1] < 10.3


def test_one_at_a_time_never_meets_the_limit() -> None:
    assert rolled(40, 1, api_qps=20, api_burst=30).events == rolled(40, 1).events


def test_batches_of_creations_double() -> None:
    trace = rolled(20, "100%", slow_start=0.5)
    assert sandboxes(trace) == [0.5] + [1.0] * 2 + [1.5] * 4 + [2.0] * 8 + [2.5] * 5
    assert instants(trace, "pod_deleted") == [0.0] * 20


def test_what_gets_ready_meanwhile_waits_for_the_worker() -> None:
    """Four of six at once, a call a second and no burst: the fifth is deleted when all four have been created."""
    trace = rolled(6, 4, api_qps=1, readiness_period=0.5, sandbox=0, pull_cni=0, pull_node=0, bgp_session=0)
    deleted, created = instants(trace, "pod_deleted"), sandboxes(trace)
    assert deleted[:4] == [0, 1, 2, 3]
    assert created[:4] == [5, 6, 7, 8]  # the status took the call of 4
    ready = instants(trace, "pod_ready")
    assert ready[0] < 15
    assert deleted[4] > created[3]


def test_a_pod_deleted_by_hand_is_created_by_the_controller() -> None:
    cluster = {"nodes": 3, "protocol": "v3-rolling"}
    timing = {"api_qps": 0.1, "controller_reaction": 2}
    twice = [{"action": "delete_pod", "node": "n3", "at": 40}, {"action": "delete_pod", "node": "n3", "at": 41}]
    trace = run(Scenario.from_dict({"cluster": cluster, "timing": timing, "operator": twice, "horizon": None}))
    assert trace.completed
    by_hand = [entry.time / MICRO for entry in trace.events if entry[2:] == ("n3", "pod_deleted")]
    assert by_hand == [40]  # there is nothing left to delete at 41
    started = [entry.time / MICRO for entry in trace.events if entry[2:] == ("n3", "sandbox_started")]
    assert started[0] >= 42


def test_a_node_that_joins_gets_its_pod_by_a_call() -> None:
    cluster = {"nodes": 2, "protocol": "v3-rolling"}
    join = {"joins": [{"node": "n3", "at": 1}], "horizon": None}
    limits = {"api_qps": 0.1, "api_burst": 1}
    trace = run(Scenario.from_dict({"cluster": cluster, "timing": limits, **join}))
    # The calls: 0 deletion of n1, 10 its status, 20 the creation of n1's pod and then, in a batch of its own, n3's.
    started = {entry.node: entry.time / MICRO for entry in trace.events if entry.event == "sandbox_started"}
    assert (started["n1"], started["n3"]) == (20, 30)
    assert trace.completed


def test_a_node_that_goes_while_its_pod_is_missing_is_not_waited_for() -> None:
    cluster = {"nodes": 3, "protocol": "v3-rolling", "max_unavailable": 1}
    faults = [{"kind": "node_not_ready", "node": "n1", "from": 3}]
    operator = [{"action": "delete_node", "node": "n1", "at": 5}]
    data = {"cluster": cluster, "faults": faults, "operator": operator, "horizon": None}
    trace = run(Scenario.from_dict({**data, "timing": {"api_qps": 0.1}}))
    assert trace.completed
    assert all(entry.node != "n1" for entry in trace.events if entry.event == "sandbox_started")


def test_a_node_that_is_back_before_its_pod_is_there_waits_for_it() -> None:
    cluster = {"nodes": 2, "protocol": "v3-rolling"}
    faults = [{"kind": "node_not_ready", "node": "n1", "from": 3, "until": 6}]
    trace = run(Scenario.from_dict({"cluster": cluster, "faults": faults, "timing": {"api_qps": 0.1}, "horizon": None}))
    started = [entry.time / MICRO for entry in trace.events if entry[2:] == ("n1", "sandbox_started")]
    assert started == [20]
    assert trace.completed
