from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulator
from simulator.cli import main
from simulator.engine import run
from simulator.planning import Plan, replication
from simulator.recover import NoAnswerError
from simulator.remaining import COMPLETING, DONE, FIRST, NOT_BEGUN, ROLLING, remaining, standing
from simulator.report.remaining import render_text
from simulator.scenario import V2_TO_V3, Scenario, ScenarioError
from tests.helpers import ROOT
from tests.simulator.kubectl_json import V3, at_the_end, job, listed, machine, new_node, old_node

SPECS, STATES = ROOT / "fixtures" / "specs", ROOT / "fixtures" / "states"
MIGRATION, MODERN = SPECS / "calico-v2-to-v3.yaml", SPECS / "calico-v3-rolling.yaml"
MICRO = 1_000_000
RUNNING = {"running": {"startedAt": "2019-05-07T01:12:30Z"}}


@pytest.fixture(scope="module")
def migration() -> Plan:
    return simulator.plan(MIGRATION, kops_version="1.12.3", nodes=5, replications=24, seed=5)


@pytest.fixture(scope="module")
def rolling() -> Plan:
    return simulator.plan(MODERN, kops_version="1.30", nodes=4, replications=2)


@pytest.fixture(autouse=True)
def few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.remaining._MOST", 64)


def state(name: str) -> Any:
    return json.loads((STATES / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("name", "phase", "done", "on_their_way", "locked", "code"),
    [
        ("not-begun", NOT_BEGUN, 0, 0, False, 0),
        ("init-waits", FIRST, 0, 1, None, 5),
        ("rolling-on", ROLLING, 1, 1, True, 0),
        ("node-lost", ROLLING, 2, 0, True, 4),
        ("job-pending", COMPLETING, 4, 0, True, 4),
        ("finished", DONE, 4, 0, False, 0),
        ("short-form", FIRST, 0, 1, None, 4),
    ],
)
def test_states(
    migration: Plan, name: str, phase: str, done: int, on_their_way: int, locked: bool | None, code: int
) -> None:
    found = remaining(migration, state(name))
    at = found.standing
    assert (at.phase, at.done, len(at.on_their_way), at.locked, found.exit_code) == (
        phase, done, on_their_way, locked, code,
    )  # fmt: skip
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["phase"] == phase
    assert data["diagnosis"]["verdict"] == found.answer.verdict
    assert (data["left_when"] is None) == (name != "node-lost")
    for quantiles in (data["left_when"] or {"left": data["left"]})[
        "deleted" if name == "node-lost" else "left"
    ].values():
        assert quantiles["p50"] <= quantiles["p90"]


def test_what_is_left_is_what_the_run_took(migration: Plan) -> None:
    """Runs that are stopped somewhere, shown as kubectl would show them: the truth is what they take from there on.

    What a node has done of its step is not taken off, so that the answer may be too long, by a step of one node.
    """
    generator = np.random.default_rng(3)
    errors, above = [], 0
    for number in range(24):
        whole = run(replication(migration, number))
        assert whole.clear is not None
        assert whole.complete is not None
        stop = int(generator.integers(whole.clear + MICRO, whole.complete - MICRO))
        scenario = replication(migration, number).to_dict() | {"horizon": stop / MICRO}
        found = remaining(migration, at_the_end(run(Scenario.from_dict(scenario))))
        p50, p90 = found.left["scheduling_block"]
        assert p50.value is not None
        assert p90.value is not None
        truth = (whole.complete - stop) / MICRO
        errors.append(p50.value - truth)
        above += truth > p90.value
    assert above <= 5  # of 24, where 10 % is 2.4: more has a probability of 3 %
    assert -10 < np.median(errors) < 20


def test_it_gets_shorter_step_by_step(migration: Plan) -> None:
    images = listed(*(old_node(f"old-{number}", f"n{number}") for number in range(1, 5)))["items"]

    def left(*new: Any) -> float:
        old = images[len(new) :]
        found = remaining(migration, listed(*new, *old)).left["scheduling_block"][0].value
        assert found is not None
        return found

    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}

    def ready(number: int) -> Any:
        return new_node(f"new-{number}", f"n{number}", ended, RUNNING, ready=True)

    waiting = {"waiting": {"reason": "PodInitializing"}}
    lengths = [
        left(),
        left(new_node("new-1", "n1", ended, waiting)),
        left(new_node("new-1", "n1", ended, RUNNING)),
        left(ready(1)),
        left(ready(1), new_node("new-2", "n2", waiting)),
        left(ready(1), new_node("new-2", "n2", RUNNING)),
        left(ready(1), new_node("new-2", "n2", ended, RUNNING)),
        left(ready(1), ready(2)),
        left(ready(1), ready(2), ready(3)),
        left(ready(1), ready(2), ready(3), ready(4)),
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 60 > 5 > lengths[-1]


def test_the_daemon_sets_own_setting_counts(migration: Plan) -> None:
    daemon_set = {
        "kind": "DaemonSet",
        "metadata": {"name": "calico-node"},
        "spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}},
    }
    items = [old_node(f"old-{number}", f"n{number}") for number in range(8)]
    slow, fast = (remaining(migration, listed(*items, *more)) for more in ((), (daemon_set,)))
    assert fast.standing.max_unavailable == "50%"
    assert "maxUnavailable 50%, as the DaemonSet has it" in fast.notes
    assert fast.left["total"][0].value < 0.7 * slow.left["total"][0].value  # type: ignore[operator]
    assert "8 nodes, as the state shows them; the plan is for 5" in fast.notes


def test_of_many_nodes_that_are_done_few_are_played(migration: Plan) -> None:
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    done = [new_node(f"new-{number}", f"n{number}", ended, RUNNING, ready=True) for number in range(200)]
    late = remaining(migration, listed(*done, old_node("old", "late")))
    few = remaining(migration, listed(*done[:10], old_node("old", "late")))
    assert any("of the 200 nodes that are done 10 are in the runs" in note for note in late.notes)
    assert late.left == few.left


def test_cordons_are_seen(migration: Plan) -> None:
    machines = [machine(f"n{number}") for number in range(3)]
    machines[0]["spec"] = {"unschedulable": True}
    machines[1]["spec"] = {"taints": [{"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}]}
    pods = [old_node(f"old-{number}", f"n{number}") for number in range(3)]
    notes = remaining(migration, listed(*pods, *machines)).notes
    assert any(note.startswith("1 node is cordoned") for note in notes)
    assert not any("completion Job" in note for note in notes)
    machines[2]["spec"] = {"unschedulable": True}
    assert any(
        "the completion Job, which tolerates nothing" in note
        for note in remaining(migration, listed(*pods, *machines)).notes
    )


def revision(pod: Any, name: str, created: str) -> Any:
    pod = deepcopy(pod)
    del pod["spec"]["initContainers"]
    del pod["status"]["initContainerStatuses"]
    pod["metadata"]["labels"]["controller-revision-hash"] = name
    pod["metadata"]["creationTimestamp"] = created
    return pod


def test_a_roll_within_v3(rolling: Plan) -> None:
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}

    def pods(count: int, image: str = V3) -> Any:
        for number in range(4):
            pod = new_node(f"p{number}", f"n{number}", ended, RUNNING, ready=True)
            pod["spec"]["containers"][0]["image"] = image
            new = number < count
            yield revision(pod, "b" if new else "a", "2024-05-07T01:12:30Z" if new else "2023-05-07T01:12:30Z")

    half = remaining(rolling, listed(*pods(2)))
    assert (half.standing.phase, half.standing.done, half.standing.locked) == (ROLLING, 2, None)
    assert set(half.left) == {"rollout", "total"}
    most = remaining(rolling, listed(*pods(3)))
    assert most.left["total"][0].value < half.left["total"][0].value  # type: ignore[operator]
    none = remaining(rolling, listed(*pods(0)))
    assert none.standing.phase == NOT_BEGUN
    assert none.left["total"][0].value > half.left["total"][0].value  # type: ignore[operator]
    assert remaining(rolling, listed(*pods(0, f"calico/node:v{rolling.upgrade.calico_to}"))).standing.phase == DONE


def test_what_never_ends_and_what_is_blocked() -> None:
    never = simulator.plan(MIGRATION, kops_version="1.16", nodes=4, replications=1)
    found = remaining(never, state("rolling-on"))
    assert found.left["scheduling_block"][0].value is None
    assert found.exit_code == 4
    assert "ever" in render_text(found, "x")
    blocked = simulator.plan(SPECS / "calico-v2-etcd-2.yaml", kops_version="1.12")
    found = remaining(blocked, state("rolling-on"))
    assert found.left == {}
    assert found.notes[0].startswith("nothing is simulated, because the plan is blocked")


def test_nodes_that_were_not_ready_before_are_those_of_the_state_now() -> None:
    before = simulator.plan(MIGRATION, kops_version="1.12.3", nodes=9, replications=1, not_ready=1)
    after = simulator.plan(MIGRATION, kops_version="1.12.3", nodes=9, replications=1)
    assert remaining(before, state("rolling-on")).left == remaining(after, state("rolling-on")).left


def test_an_interrupted_migration_begins_anew(migration: Plan) -> None:
    found = remaining(migration, state("short-form"))
    assert "the migration begins anew, with its checks" in found.notes
    assert "From when that is mended on" in render_text(found, "x")


# --- NotReady nodes -------------------------------------------------------------------------------------

ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}


def nodes(done: int, down: int, old: int, *more: Any) -> Any:
    """A state: nodes that are done, that are NotReady with their new pod Pending, and that are as they were."""
    numbers = range(done + down + old)
    pods = [new_node(f"new-{number}", f"n{number}", ENDED, RUNNING, ready=True) for number in numbers[:done]]
    pods += [new_node(f"lost-{number}", f"n{number}", None) for number in numbers[done : done + down]]
    pods += [old_node(f"old-{number}", f"n{number}") for number in numbers[done + down :]]
    machines = [machine(f"n{number}", not done <= number < done + down) for number in numbers]
    return listed(*pods, *machines, *more)


def p50(left: Any, name: str) -> Any:
    return left[name][0].value


def test_a_node_that_is_not_ready_stays_so_in_the_runs(migration: Plan) -> None:
    found = remaining(migration, state("node-lost"))
    assert found.standing.not_ready == ("ip-172-20-61-5.eu-central-1.compute.internal",)
    assert {name: p50.value for name, (p50, _) in found.left.items()} == dict.fromkeys(
        ("others", "scheduling_block", "policy_freeze_enforcement", "rollout", "total")
    )
    assert found.deleted is not None
    assert found.returned is not None
    for name in ("scheduling_block", "rollout", "total"):  # one node to go, or two
        assert 15 < p50(found.deleted, name) < p50(found.returned, name) - 15
    text = render_text(found, "x")
    assert "x: 2 of 4 nodes run the new calico-node, 1 node is NotReady; no new pod starts." in text
    titles = (
        "kubectl delete node ip-172-20-61-5",
        "As long as that node is NotReady",
        "Once it is deleted",
        "Once it is back",
    )
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert found.to_dict()["nodes"]["not_ready"] == list(found.standing.not_ready)


def test_where_nothing_is_not_ready_there_is_one_table(migration: Plan) -> None:
    found = remaining(migration, state("rolling-on"))
    assert (found.deleted, found.returned, found.standing.not_ready) == (None, None, ())
    assert "others" not in found.left
    assert "NotReady node" not in render_text(found, "x")


def daemon_set(max_unavailable: int) -> Any:
    update = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max_unavailable}}
    return {"kind": "DaemonSet", "metadata": {"name": "calico-node"}, "spec": {"updateStrategy": update}}


def test_the_others_go_on_while_the_budget_lasts(migration: Plan) -> None:
    """A NotReady node takes one of those that may be unavailable: beside it one node is rolled at a time, or none."""
    none, one = (remaining(migration, nodes(2, 1, 4, daemon_set(number))) for number in (1, 2))
    assert p50(none.left, "others") is None
    assert 4 * 15 < p50(one.left, "others") < 4 * 60
    assert p50(one.left, "rollout") is None
    assert p50(one.left, "scheduling_block") is None
    # Without the node two are rolled at a time.
    assert p50(one.deleted, "rollout") < 0.8 * p50(one.left, "others")
    assert p50(remaining(migration, nodes(6, 1, 0)).left, "others") == 0


def test_the_last_node_that_is_missing_is_not_ready(migration: Plan) -> None:
    found = remaining(migration, nodes(4, 1, 0))
    assert p50(found.deleted, "rollout") == 0
    assert p50(found.deleted, "scheduling_block") < 2  # only the completion Job is left
    assert p50(found.returned, "scheduling_block") > 15
    opened = remaining(migration, nodes(4, 1, 0, job(done=True)))
    assert opened.deleted == {"total": opened.deleted["total"]}  # type: ignore[index]
    assert p50(opened.deleted, "total") == 0
    assert "scheduling_block" not in opened.left
    assert p50(opened.left, "total") is None


def test_all_nodes_are_not_ready(migration: Plan) -> None:
    found = remaining(migration, nodes(0, 3, 0))
    assert found.deleted == {}
    text = render_text(found, "x")
    assert "As long as 3 nodes are NotReady" in text
    assert "deleted" not in text[text.index("As long as") :]
    assert "Once they are back" in text
    assert "0 of 3 nodes run the new calico-node, 3 nodes are NotReady" in text


def test_a_node_that_was_done_is_not_while_it_is_not_ready(migration: Plan) -> None:
    items = nodes(3, 0, 1)["items"]
    found = remaining(migration, listed(*(item for item in items if item != machine("n2")), machine("n2", ready=False)))
    assert (found.standing.done, found.standing.not_ready) == (2, ("n2",))


def test_of_a_roll_within_v3(rolling: Plan) -> None:
    def pods(image: str) -> Any:
        for number in range(4):
            pod = new_node(f"p{number}", f"n{number}", ENDED, RUNNING, ready=number < 3)
            pod["spec"]["containers"][0]["image"] = image
            yield revision(pod, "a", "2024-05-07T01:12:30Z")

    machines = [machine(f"n{number}", number < 3) for number in range(4)]
    begun = remaining(rolling, listed(*pods(f"calico/node:v{rolling.upgrade.calico_to}"), *machines))
    assert (begun.standing.phase, begun.standing.done, begun.exit_code) == (ROLLING, 3, 4)
    assert (p50(begun.left, "others"), p50(begun.left, "total"), p50(begun.deleted, "total")) == (0, None, 0)
    not_begun = remaining(rolling, listed(*pods(V3), *machines))
    assert not_begun.standing.phase == NOT_BEGUN
    assert p50(not_begun.left, "others") is None
    assert p50(not_begun.deleted, "total") < p50(not_begun.returned, "total")


@pytest.mark.parametrize("way", ["deleted", "returned"])
def test_what_is_left_of_a_held_roll_is_what_the_run_took(migration: Plan, way: str) -> None:
    """As above, of runs that a node holds from the second one on, until it is deleted or back."""
    errors, above, count = [], 0, 16
    for number in range(count):
        drawn = replication(migration, number)
        victim = f"n{drawn.cluster.order[-1] + 1}"
        done = sorted(node.ready for node in run(drawn).nodes if node.ready is not None)
        lost = (done[1] + MICRO) / MICRO
        mended = lost + 500
        data = drawn.to_dict() | {"faults": [{"kind": "node_not_ready", "node": victim, "from": lost}]}
        state = at_the_end(run(Scenario.from_dict(data | {"horizon": mended - 1})))
        if way == "deleted":
            data["operator"] = [{"action": "delete_node", "node": victim, "at": mended}]
        else:
            data["faults"][0]["until"] = mended
        whole = run(Scenario.from_dict(data))
        assert whole.complete is not None
        found = remaining(migration, state)
        assert p50(found.left, "scheduling_block") is None
        median, late = getattr(found, way)["scheduling_block"]
        truth = whole.complete / MICRO - mended
        errors.append(median.value - truth)
        above += truth > late.value
    assert above <= 4  # of 16, where 10 % is 1.6: more has a probability of 2 %
    assert -10 < np.median(errors) < 20


# --- the command ----------------------------------------------------------------------------------------

COMMAND = ["plan", str(MIGRATION), "--kops-version", "1.12.3", "--replications", "2"]


@pytest.mark.parametrize(
    ("name", "code", "word"),
    [("rolling-on", 0, "IN PROGRESS"), ("node-lost", 4, "STALLED"), ("init-waits", 5, "UNDECIDED")],
)
def test_the_command(name: str, code: int, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--state", str(STATES / f"{name}.json")]) == code
    out = capsys.readouterr().out
    assert word in out
    assert "Approximated and assumed" in out
    assert all(len(line) <= 100 for line in out.splitlines() if "$ " not in line)
    assert main([*COMMAND, "--state", str(STATES / f"{name}.json"), "--format", "json"]) == code
    data = json.loads(capsys.readouterr().out)
    assert data["cluster"]["nodes"] == data["remaining"]["nodes"]["total"] == 4
    left = data["remaining"]["left"] if code != 4 else data["remaining"]["left_when"]["returned"]
    assert data["windows"]["scheduling_block"]["p50"] > left["scheduling_block"]["p50"] - 60


def test_nodes_that_are_given_count(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*COMMAND, "--nodes", "9", "--format", "json", "--state", str(STATES / "rolling-on.json")]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["cluster"]["nodes"] == 9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "line 1, column 2"),
        ("[]", "expected an object"),
        ('{"kind": "List", "items": []}', "no calico-node pod is in it"),
        ('{"v1_ready": true}', "no calico-node pod is in it"),
        ('{"pods": 3}', "pods"),
    ],
)
def test_what_is_no_state(content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    assert main([*COMMAND, "--state", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"calico-sim: {path}: ")
    assert message in err


SEEDS = [json.loads(path.read_text()) for path in sorted(STATES.glob("*.json"))]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutilated_states_have_a_standing_or_a_reason(data: st.DataObject) -> None:
    mutated = deepcopy(data.draw(st.sampled_from([*SEEDS, listed(job(), machine("n1"))])))
    for _ in range(data.draw(st.integers(0, 3))):
        place: Any = mutated
        while isinstance(place, (dict, list)) and place:
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            inner = place[key]
            if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
                place[key] = data.draw(st.sampled_from([None, 0, -1, "", "x", True, [], {}, [3], {"a": 1}]))
                break
            place = inner
    try:
        at, _ = standing(mutated, V2_TO_V3)
    except (NoAnswerError, ScenarioError):
        return
    assert 0 <= at.done <= at.nodes
