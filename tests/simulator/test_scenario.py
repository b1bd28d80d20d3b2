"""What a scenario may say, and what it is told when it may not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.run_command import read_scenario, run_file
from simulator.scenario import Scenario, ScenarioError
from simulator.timing import MICRO, PER_NODE, TIMINGS

Json = dict[str, Any]
TWO: Json = {"nodes": 2}


def scenario(**rest: Any) -> Scenario:
    return Scenario.from_dict({"cluster": TWO, **rest})


def test_defaults() -> None:
    plain = scenario()
    assert plain.horizon == 100_000 * MICRO
    assert (plain.cluster.kubernetes, plain.cluster.max_unavailable, plain.cluster.order) == ("1.10.0", 1, (0, 1))
    assert plain.timing["pause"] == 15 * MICRO
    assert plain.timing["failure_threshold"] == 3
    assert plain.stages["pull_node"] == (8 * MICRO, 8 * MICRO)
    assert plain.crash_ladder[:2] == (0, 10 * MICRO)
    assert Scenario.from_dict({"cluster": TWO | {"protocol": "v3-rolling"}}).cluster.kubernetes == "1.28.0"
    assert set(plain.timing) | {"crash_ladder", "image_ladder"} == set(TIMINGS)
    assert tuple(plain.stages) == PER_NODE


def test_seconds_become_microseconds_once() -> None:
    timing = {"pause": 0.1, "needed": 1e-7, "store_rate": 0.5, "job_backoff_limit": 2}
    got = scenario(timing=timing, per_node={"n2": {"pause": 2.000001}})
    assert [got.timing[name] for name in timing] == [100_000, 0, 500_000, 2]
    assert got.stages["pause"] == (100_000, 2_000_001)


def test_golden_file_shape() -> None:
    assert Scenario.from_dict({"scenario": {"cluster": TWO}, "expected": {"anything": 1}}) == scenario()


def test_budget_rounds_up() -> None:
    def budget(value: int | str, existing: int) -> int:
        return Scenario.from_dict({"cluster": {"nodes": 9, "max_unavailable": value}}).cluster.budget(existing)

    assert [budget("34%", 3), budget("10%", 3), budget("10%", 10), budget("10%", 11)] == [2, 1, 1, 2]
    assert [budget("100%", 7), budget(20, 3)] == [7, 20]


@pytest.mark.parametrize(
    ("kubernetes", "since"),
    [("1.10.4", False), ("v1.10.5", True), ("1.10.5-beta.1", False), ("1.11", True), ("1.9.11+kops", False)],
)
def test_releases_compare_as_versions(kubernetes: str, since: bool) -> None:
    cluster = Scenario.from_dict({"cluster": TWO | {"kubernetes": kubernetes}}).cluster
    assert cluster.kubernetes_at_least(1, 10, 5) is since


FULL: Json = {
    "name": "full",
    "title": "",
    "cluster": {
        "nodes": 3,
        "max_unavailable": "50%",
        "kubernetes": "1.11.1",
        "kops": "1.12.0",
        "order": ["n3"],
        "objects": {"resources": 7, "ipam": 3},
    },
    "timing": {"pause": 1.25, "crash_ladder": [1, 2.5], "failure_threshold": 5, "store_rate": 12.5, "apply": 3},
    "per_node": {"n2": {"pull_node": 0.001, "store_rate": 3}, "n3": {"kill": 1}},
    "faults": [
        {"kind": "init_killed", "node": "n1", "at": 0},
        {"kind": "node_not_ready", "node": "n1", "from": 5, "until": 10.5},
        {"kind": "node_not_ready", "node": "n1", "from": 10.5},
        {"kind": "image_unpullable", "image": "cni", "node": "n2", "until": 0},
        {"kind": "store_fails", "object": 4, "abort_fails": True},
        {"kind": "expected_image_mismatch"},
        {"kind": "job_unschedulable", "until": 40},
    ],
    "operator": [{"action": "abort", "at": 1.5}, {"action": "delete_node", "node": "n1", "at": 20}],
    "probes": [{"kind": "pod_start", "node": "n2", "at": 0}, {"kind": "policy", "source": "kubernetes", "at": 5}],
    "horizon": None,
}


def test_round_trip() -> None:
    full = Scenario.from_dict(FULL)
    assert Scenario.from_dict(json.loads(json.dumps(full.to_dict()))) == full
    assert full.to_dict()["per_node"] == FULL["per_node"]
    assert scenario().to_dict().keys() == {"cluster", "horizon"}


def test_toml_has_the_same_keys() -> None:
    text = """
    horizon = 50.5
    [cluster]
    nodes = 2
    max_unavailable = "34%"
    [timing]
    crash_ladder = [0, 5]
    [per_node.n2]
    pull_node = 12
    [[faults]]
    kind = "node_not_ready"
    node = "n2"
    """
    assert Scenario.from_toml(text) == Scenario.from_dict(
        {
            "cluster": {"nodes": 2, "max_unavailable": "34%"},
            "timing": {"crash_ladder": [0, 5]},
            "per_node": {"n2": {"pull_node": 12}},
            "faults": [{"kind": "node_not_ready", "node": "n2", "from": 0, "until": None}],
            "horizon": 50.5,
        }
    )
    with pytest.raises(ScenarioError, match="line 2"):
        Scenario.from_toml("\n= 3")


DEAD = {"kind": "node_not_ready", "node": "n2", "from": 10}
REMOVE = {"action": "delete_node", "node": "n2", "at": 3}


@pytest.mark.parametrize(
    ("data", "place", "says"),
    [
        ([], "", "expected an object, found a list"),
        ({}, "cluster", "missing"),
        ({"cluster": 3}, "cluster", "expected an object"),
        ({"cluster": {}}, "cluster.nodes", "missing"),
        ({"cluster": {"nodes": 0}}, "cluster.nodes", "too small"),
        ({"cluster": {"nodes": True}}, "cluster.nodes", "true or false"),
        ({"cluster": {"nodes": 2.0}}, "cluster.nodes", "whole number"),
        ({"cluster": {"nodes": 10**9}}, "cluster.nodes", "too large"),
        ({"cluster": TWO | {"node": 2}}, "cluster", "'nodes'?"),
        ({"cluster": TWO, "operators": []}, "", "'operator'?"),
        ({"scenario": {"cluster": TWO}, "expect": 1}, "", "'expected'?"),
        ({"scenario": {"cluster": {"nodes": "2"}}}, "scenario.cluster.nodes", "found text"),
        ({"cluster": TWO | {"max_unavailable": 0}}, "cluster.max_unavailable", "too small"),
        ({"cluster": TWO | {"max_unavailable": "0%"}}, "cluster.max_unavailable", "no percentage"),
        ({"cluster": TWO | {"max_unavailable": "101%"}}, "cluster.max_unavailable", "no percentage"),
        ({"cluster": TWO | {"max_unavailable": "5"}}, "cluster.max_unavailable", "no percentage"),
        ({"cluster": TWO | {"max_unavailable": 1.5}}, "cluster.max_unavailable", "whole number"),
        ({"cluster": TWO | {"max_unavailable": None}}, "cluster.max_unavailable", "null"),
        ({"cluster": TWO | {"kubernetes": "latest"}}, "cluster.kubernetes", "no version"),
        ({"cluster": TWO | {"kubernetes": 1.1}}, "cluster.kubernetes", "expected text"),
        ({"cluster": TWO | {"protocol": "v2-v3"}}, "cluster.protocol", "'v2-to-v3'?"),
        ({"cluster": TWO | {"order": ["n3"]}}, "cluster.order[0]", "n1 … n2"),
        ({"cluster": TWO | {"order": ["n2", "n2"]}}, "cluster.order[1]", "twice"),
        ({"cluster": TWO | {"order": "n2"}}, "cluster.order", "expected a list"),
        ({"cluster": TWO | {"objects": {"resources": 0}}}, "cluster.objects.resources", "too small"),
        ({"timing": {"pul_node": 3}}, "timing", "'pull_node'?"),
        ({"timing": {"pause": -1}}, "timing.pause", "negative"),
        ({"timing": {"pause": float("nan")}}, "timing.pause", "not finite"),
        ({"timing": {"pause": float("inf")}}, "timing.pause", "not finite"),
        ({"timing": {"pause": 10**400}}, "timing.pause", "too large"),
        ({"timing": {"pause": False}}, "timing.pause", "true or false"),
        ({"timing": {"pause": "3"}}, "timing.pause", "text"),
        ({"timing": {"store_rate": 0}}, "timing.store_rate", "more than 0"),
        ({"timing": {"felix_poll": 1e-9}}, "timing.felix_poll", "more than 0"),
        ({"timing": {"failure_threshold": 0}}, "timing.failure_threshold", "more than 0"),
        ({"timing": {"failure_threshold": 1.5}}, "timing.failure_threshold", "whole number"),
        ({"timing": {"crash_ladder": []}}, "timing.crash_ladder", "list of seconds"),
        ({"timing": {"crash_ladder": [0, 10, 0]}}, "timing.crash_ladder", "last value is 0"),
        ({"timing": {"image_ladder": [5, "x"]}}, "timing.image_ladder[1]", "text"),
        ({"timing": {"services": 1}}, "timing.services", "ensure_initialized"),
        ({"per_node": {"n1": {"services": 1}}}, "per_node.n1.services", "ensure_initialized"),
        ({"per_node": {"n9": {}}}, "per_node.n9", "no node 'n9'"),
        ({"per_node": {"n1": {"felix_poll": 2}}}, "per_node.n1.felix_poll", "node to node"),
        ({"per_node": {"n1": {"sandbux": 2}}}, "per_node.n1", "'sandbox'?"),
        ({"per_node": {"n1": 3}}, "per_node.n1", "expected an object"),
        ({"faults": {}}, "faults", "expected a list"),
        ({"faults": [3]}, "faults[0]", "expected an object"),
        ({"faults": [{}]}, "faults[0].kind", "missing"),
        ({"faults": [{"kind": "init_kiled"}]}, "faults[0].kind", "'init_killed'?"),
        ({"faults": [{"kind": "init_killed", "node": "n1"}]}, "faults[0].at", "missing"),
        ({"faults": [{"kind": "init_killed", "node": "n1", "at": None}]}, "faults[0].at", "null"),
        ({"faults": [{"kind": "init_killed", "node": "n1", "at": -3}]}, "faults[0].at", "negative"),
        ({"faults": [DEAD | {"at": 3}]}, "faults[0]", "no known key"),
        ({"faults": [DEAD | {"node": "m2"}]}, "faults[0].node", "no node"),
        ({"faults": [DEAD | {"node": 2}]}, "faults[0].node", "expected text"),
        ({"faults": [DEAD | {"until": 5}]}, "faults[0].until", "ends before"),
        ({"faults": [DEAD, {"kind": "needed_error"}, DEAD | {"from": 99}]}, "faults[2]", "overlaps"),
        ({"faults": [{"kind": "image_unpullable", "image": "nodes"}]}, "faults[0].image", "'node'?"),
        ({"faults": [{"kind": "image_unpullable", "image": "controllers", "node": "n1"}]}, "faults[0].node", "leave"),
        ({"faults": [{"kind": "store_fails"}]}, "faults[0].object", "missing"),
        ({"faults": [{"kind": "store_fails", "object": 0}]}, "faults[0].object", "too small"),
        ({"faults": [{"kind": "store_fails", "object": 1, "abort_fails": 1}]}, "faults[0].abort_fails", "true or"),
        ({"operator": [{"action": "abort"}]}, "operator[0].at", "missing"),
        ({"operator": [{"action": "aborted", "at": 3}]}, "operator[0].action", "'abort'?"),
        ({"operator": [{"action": "abort", "at": 3, "node": "n1"}]}, "operator[0]", "no known key"),
        ({"operator": [REMOVE]}, "operator[0].node", "never returns"),
        ({"operator": [REMOVE], "faults": [DEAD]}, "operator[0].node", "never returns"),
        ({"probes": [{"kind": "pod_start", "at": 3}]}, "probes[0].node", "missing"),
        ({"probes": [{"kind": "policy", "source": "calicoctl", "at": 3}]}, "probes[0].source", "'calicoctl_v"),
        ({"horizon": "long"}, "horizon", "text"),
        ({"name": 3}, "name", "expected text"),
    ],
)
def test_mistakes_are_named(data: Any, place: str, says: str) -> None:
    if isinstance(data, dict) and data and not data.keys() & {"cluster", "scenario"}:
        data = {"cluster": TWO, **data}
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_dict(data)
    assert caught.value.place == place
    assert says in str(caught.value)
    assert caught.value.advice


def test_deletions_leave_a_node() -> None:
    dead = [{"kind": "node_not_ready", "node": node} for node in ("n1", "n2")]
    both = [{"action": "delete_node", "node": node, "at": 3} for node in ("n1", "n2")]
    with pytest.raises(ScenarioError, match="no node would remain"):
        scenario(faults=dead, operator=both)
    with pytest.raises(ScenarioError, match="deleted twice"):
        scenario(faults=dead, operator=[both[0], both[0]])


@pytest.mark.parametrize(
    ("rest", "place"),
    [
        ({"faults": [{"kind": "conversion_error"}]}, "faults[0].kind"),
        ({"faults": [{"kind": "image_unpullable", "image": "upgrade"}]}, "faults[0].image"),
        ({"operator": [{"action": "abort", "at": 3}]}, "operator[0].action"),
    ],
)
def test_rolling_knows_fewer_faults_and_actions(rest: Json, place: str) -> None:
    scenario(**rest)
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_dict({"cluster": TWO | {"protocol": "v3-rolling"}, **rest})
    assert caught.value.place == place


def test_with_durations() -> None:
    base = scenario(per_node={"n2": {"sandbox": 3}})
    got = base.with_durations({"sandbox": 5, "bgp_session": 7}, {"pull_node": [1, 2]}, order=[1, 0])
    assert (got.stages["sandbox"], got.stages["pull_node"]) == ((5, 5), (1, 2))
    assert (got.timing["bgp_session"], got.timing["pull_node"], got.cluster.order) == (7, 8 * MICRO, (1, 0))
    assert base.stages["sandbox"] == (MICRO, 3 * MICRO)
    assert Scenario.from_dict(got.to_dict()) == got


@pytest.mark.parametrize(
    ("timing", "per_node", "order", "says"),
    [
        ({"sandbux": 1}, {}, None, "'sandbox'?"),
        ({}, {"sandbux": [1, 2]}, None, "'sandbox'?"),
        ({}, {"bgp_session": [1, 2]}, None, "no name of a duration of nodes"),
        ({}, {"sandbox": [1]}, None, "1 values for 2 nodes"),
        ({}, {"sandbox": [1, -1]}, None, "negative"),
        ({"store_rate": 0}, {}, None, "more than 0"),
        ({}, {"services": [5, 1]}, None, "ensure_initialized"),
        ({}, {}, [0, 0], "permutation"),
    ],
)
def test_with_durations_checks(timing: Any, per_node: Any, order: Any, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario().with_durations(timing, per_node, order)
    assert says in str(caught.value)


def test_run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text('\ufeff{"cluster": {"nodes": 1}}', encoding="utf-8")
    (tmp_path / "a.toml").write_text("[cluster]\nnodes = 1\n", encoding="utf-8")
    text = run_file(str(tmp_path / "a.json"))
    assert json.loads(text)["total"] == 44
    assert run_file(str(tmp_path / "a.toml")) == text
    command = "from simulator.run_command import run_file; print(run_file('-'), end='')"
    done = subprocess.run(
        [sys.executable, "-c", command], input=b'{"cluster": {"nodes": 1}}', capture_output=True, check=True
    )
    assert done.stdout.decode().replace("\r\n", "\n") == text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"cluster": {"nodes": 1},\n "x": }', "line 2, column 7"),
        (b'{"cluster": {"nodes": 1, "nodes": 2}}', "'nodes': the key is there twice"),
        (b'{"horizon": NaN}', "NaN"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"horizon": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_files_that_are_no_json(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        read_scenario(str(path))
    assert says in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(ScenarioError, match="cannot be read"):
            read_scenario(str(path))


def test_imports_stay_small() -> None:
    heavy = "('numpy', 'networkx', 'difflib')"
    command = f"import sys, simulator.run_command; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
