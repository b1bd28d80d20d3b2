"""The live watch: recorded rollouts played as kubectl's stream, broken streams, restarts, clocks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.cli import main
from simulator.report.watch import follow
from simulator.scenario import V2_TO_V3, V3_ROLLING
from simulator.stream import Malformed, read_objects
from simulator.watch import DONE, NOT_BEGUN, ROLLING, Expectation, Status, Watch, WatchError, instant
from tests.simulator.kubectl_json import RUNNING, controllers, ended, listed, new_node, old_node, waiting
from tests.simulator.kubectl_stream import ZERO, printed, stamp, stream

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings"
TRACES = Path(__file__).parents[3] / "shared" / "traces"


def expectation(path: Path) -> Expectation:
    scenario = json.loads(path.read_text())["scenario"]
    wanted = scenario["max_unavailable"]
    parallel = -(-scenario["nodes"] * int(wanted[:-1]) // 100) if isinstance(wanted, str) else wanted
    return Expectation(scenario["nodes"], parallel, protocol=V2_TO_V3)


def played(path: Path) -> Iterator[tuple[float, Status]]:
    """The status after every object of a recording; the steady clock runs as the recording did."""
    watch = Watch(expectation(path))
    for at, item in stream(path):
        watch.feed(item, at)
        yield at, watch.status(at)


# --- the stream ---------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), values), max_size=6), st.sampled_from([None, 4]))
def test_every_object_of_a_stream_is_read(items: list[dict[str, Any]], indent: int | None) -> None:
    text = "".join(json.dumps(item, indent=indent) + "\n" for item in items)
    assert list(read_objects(io.StringIO(text))) == items


@given(st.lists(st.text(), max_size=12))
def test_no_line_breaks_the_reader(lines: list[str]) -> None:
    for item in read_objects(line + "\n" for line in lines):
        assert isinstance(item, (dict, Malformed))


@pytest.mark.parametrize("broken", ['{\n    "kind": "Po', "Error from server: EOF\n", '{\n"a": [}\n}\n', "{]}\n"])
def test_what_is_cut_off_costs_itself_only(broken: str) -> None:
    whole = printed({"kind": "Pod"})
    found = list(read_objects(io.StringIO(whole + broken + "\n" + whole)))
    assert [item for item in found if not isinstance(item, Malformed)] == [{"kind": "Pod"}] * 2
    assert any(isinstance(item, Malformed) for item in found)


# --- recorded rollouts --------------------------------------------------------------------------------------------


def test_a_rollout_from_its_begin_to_its_end() -> None:
    statuses = list(played(RECORDINGS / "one-after-the-other.json"))
    phases = list(dict.fromkeys(status.phase for _, status in statuses))
    assert phases[0] == NOT_BEGUN
    assert phases[-1] == DONE
    done = [status.done for _, status in statuses]
    assert done == sorted(done)
    assert done[-1] == statuses[-1][1].nodes
    assert statuses[-1][1].eta is None
    assert not any(status.alarms for _, status in statuses)


def test_a_node_that_never_gets_ready_is_named() -> None:
    path = RECORDINGS / "stuck-node.json"
    stuck = json.loads(path.read_text())["stuck"]
    watch = Watch(expectation(path))
    for last, item in stream(path):
        watch.feed(item, last)
    (alarm,) = watch.status(last + 600).alarms
    assert stuck[0] in alarm.message
    assert watch.status(last + 600).eta is None


@pytest.mark.parametrize("name", [path.name for path in sorted(TRACES.glob("*.json"))] or [None])
def test_recorded_on_a_real_control_plane(name: str | None) -> None:
    """With half of the nodes done the time left is known to a factor, from nothing but what was seen."""
    if name is None:
        pytest.skip("../shared/traces is not there")
    path = TRACES / name
    recording = json.loads(path.read_text())
    statuses = list(played(path))
    if not recording["completed"]:
        assert statuses[-1][1].phase == ROLLING
        assert statuses[-1][1].alarms
        return
    assert statuses[-1][1].phase == DONE
    if recording["scenario"]["nodes"] < 10:
        return  # too few for the hollow nodes' 2 s to outweigh what is expected of real ones
    half = next((at, status) for at, status in statuses if status.done * 2 >= status.nodes)
    at, status = half
    assert status.eta is not None
    left = recording["events"][-1]["t"] - at
    # Without a plan a node is guessed to take 45 s, and these took 2.
    assert abs(status.eta[0] - left) <= 1.5 * left
    assert status.eta[1] >= status.eta[0]


# --- what is seen -------------------------------------------------------------------------------------------------


def made(item: dict[str, Any], seconds: float, **labels: str) -> dict[str, Any]:
    item["metadata"]["creationTimestamp"] = stamp(seconds)
    item["metadata"]["labels"] |= labels
    for condition in item["status"].get("conditions", []):
        condition["lastTransitionTime"] = stamp(seconds)
    return item


def test_an_image_that_cannot_be_pulled_is_an_alarm_with_its_recovery() -> None:
    watch = Watch(Expectation(2, protocol=V2_TO_V3))
    watch.feed(listed(made(old_node("calico-node-a", "a"), -99), made(old_node("calico-node-b", "b"), -99)), 0)
    assert watch.status(1).phase == NOT_BEGUN
    watch.feed(made(new_node("calico-node-c", "a", waiting("ImagePullBackOff")), 5), 1)
    watch.feed({"type": "DELETED", "object": made(old_node("calico-node-a", "a"), -99)}, 1)
    status = watch.status(2)
    assert status.phase == ROLLING
    (alarm,) = status.alarms
    assert alarm.answer is not None
    assert "fix_image" in alarm.answer.steps
    assert status.eta is None


def test_a_rolling_upgrade_is_told_by_its_revisions() -> None:
    watch = Watch(Expectation(2, protocol=V3_ROLLING))

    def pod(name: str, node: str, at: float, revision: str) -> dict[str, Any]:
        item = made(old_node(name, node), at, **{"controller-revision-hash": revision})
        item["spec"]["containers"][0]["image"] = f"docker.io/calico/node:v3.2{revision}"
        return item

    before = [pod("calico-node-a", "a", -99, "7.3"), pod("calico-node-b", "b", -99, "7.3")]
    watch.feed(listed(*before), 0)
    assert watch.status(0).phase == NOT_BEGUN
    for item, node, at, phase in ((before[0], "a", 10.0, ROLLING), (before[1], "b", 40.0, DONE)):
        watch.feed({"type": "DELETED", "object": item}, at)
        watch.feed({"type": "ADDED", "object": pod(f"calico-node-new-{node}", node, at, "9.4")}, at)
        assert watch.status(at).phase == phase
    assert watch.status(41).blocked_for is None


def test_a_pod_that_waits_for_the_copy_is_no_alarm_at_once() -> None:
    watch = Watch(Expectation(1, protocol=V2_TO_V3))
    watch.feed(made(new_node("calico-node-c", "a", RUNNING), 0), 0)
    watch.feed(made(controllers("a", RUNNING), 0), 0)
    assert not watch.status(20).alarms
    assert watch.status(20).eta is not None


def test_one_wrong_clock_moves_no_time() -> None:
    watch = Watch()
    watch.feed(made(old_node("calico-node-a", "a"), 0), 0)
    skewed = made(old_node("calico-node-b", "b"), 1)
    skewed["status"]["startTime"] = "2031-01-01T00:00:00Z"
    watch.feed(skewed, 1)
    assert watch.now(1) == ZERO.timestamp() + 1


def test_the_steady_clock_goes_on_between_stamps() -> None:
    watch = Watch()
    watch.feed(made(old_node("calico-node-a", "a"), 0), 100.0)
    assert watch.now(130.0) == ZERO.timestamp() + 30
    assert watch.now(90.0) == ZERO.timestamp()


@given(st.text(max_size=30))
def test_instants(text: str) -> None:
    assert instant(text) is None or text[10] == "T"


# --- the program --------------------------------------------------------------------------------------------------


def text_of(path: Path) -> str:
    return "".join(printed(item) for _, item in stream(path))


def test_follow_writes_progress_and_ends_with_the_upgrade(tmp_path: Path) -> None:
    out = io.StringIO()
    state = tmp_path / "state.json"
    lines = io.StringIO(text_of(RECORDINGS / "one-after-the-other.json"))
    assert follow(Watch(), lines, out, state=state, clock=lambda: 0.0) == 0
    assert "done" in out.getvalue().splitlines()[-1]
    assert json.loads(state.read_text())["version"] == 1


def test_follow_goes_on_after_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    whole = text_of(RECORDINGS / "one-after-the-other.json").splitlines(keepends=True)
    assert follow(Watch(), whole[: len(whole) // 2], io.StringIO(), state=state, clock=lambda: 0.0) == 1
    began = json.loads(state.read_text())["began"]
    again = Watch()
    assert follow(again, whole[len(whole) // 2 :], io.StringIO(), state=state, clock=lambda: 0.0) in (0, 1)
    assert again.began == began


def test_follow_passes_over_what_is_no_object() -> None:
    out = io.StringIO()
    follow(Watch(), ["oops\n", '{"kind": 3}\n', '{"kind": "Pod", "metadata": 7}\n'], out, as_json=True)
    records = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sum("malformed" in record for record in records) == 3
    assert records[-1]["phase"] == NOT_BEGUN


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text_of(RECORDINGS / "one-after-the-other.json")))
    assert main(["watch"]) == 0
    assert "done" in capsys.readouterr().out
    plan = tmp_path / "plan.json"
    plan.write_text('{"version": 1}')
    assert main(["watch", "--plan", str(plan)]) == 2
    assert "no plan" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", '{"marks": []}', '{"marks": {}, "revisions": {}, "latest": "now"}'])
def test_a_state_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state"
    path.write_text(text)
    with pytest.raises(WatchError, match="no state of calico-sim watch"):
        Watch().load(path, 0.0)


@pytest.mark.parametrize("nodes", [1, 2, 40])
def test_a_plan_gives_the_expectation(nodes: int) -> None:
    plan = {
        "scenario": {"cluster": {"nodes": nodes, "max_unavailable": "10%", "protocol": V2_TO_V3}},
        "steps": [
            {"name": "roll the other nodes", "start_p50": 60, "end_p50": 60 + 30 * nodes, "end_p90": 60 + 40 * nodes},
            {"name": "complete the upgrade", "end_p50": 72 + 30 * nodes},
        ],
    }
    expected = Expectation.of_plan(plan)
    assert (expected.nodes, expected.parallel) == (nodes, max(1, -(-nodes // 10)))
    assert expected.tail == 12


def test_the_plan_of_the_program_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = Path(__file__).parents[2] / "fixtures" / "specs" / "calico-v2-to-v3.yaml"
    assert main(["plan", str(spec), "--kops-version", "1.14", "--replications", "20", "--format", "json"]) == 0
    expected = Expectation.of_plan(json.loads(capsys.readouterr().out))
    assert expected.nodes == 12
    assert 15 < expected.cycle < 120


def test_ended_inits_count() -> None:
    """A state file keeps the begin of the block, which a finished pod no longer shows."""
    watch = Watch(Expectation(1, protocol=V2_TO_V3))
    item = made(new_node("calico-node-c", "a", ended(), RUNNING, ready=True), 0)
    watch.feed(item, 0)
    assert watch.began is not None


def test_half_of_the_first_list_is_no_state() -> None:
    """kubectl prints the pods one by one; the first ones may all be new."""
    new = [made(new_node(f"calico-node-{name}", name, ended(), RUNNING, ready=True), 0) for name in "abc"]
    old = [made(old_node(f"calico-node-old-{name}", name), -99) for name in "de"]
    out = io.StringIO()
    follow(Watch(), [printed(item) for item in (*new, *old, old[0])], out, clock=lambda: 0.0)
    assert "every node" not in out.getvalue()
    assert "3 of 5 nodes" in out.getvalue()
