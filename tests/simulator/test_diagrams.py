"""The state machines against the engine: every step of every trace is an edge, and every edge is a step of one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from simulator.engine import run
from simulator.protocol import diagrams
from simulator.protocol.diagrams import CHAPTER, draw, machines, with_diagrams
from simulator.protocol.states import MACHINES, UndrawnError, initial, lanes, steps
from simulator.scenario import V2_TO_V3, V3_ROLLING, Scenario
from simulator.trace import NodeTrace, Trace, TraceEvent
from tests.helpers import ROOT
from tests.simulator.strategies import extended, scenarios

Json = dict[str, Any]

quick = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def off(node: str, start: float, until: float | None = None) -> Json:
    return {"kind": "node_not_ready", "node": node, "from": start, "until": until}


def late(image: str, until: float) -> Json:
    return {"kind": "image_unpullable", "image": image, "until": until}


def act(action: str, at: float, node: str | None = None) -> Json:
    return {"action": action, "at": at} | ({"node": node} if node else {})


SLOW_KILL = {"kill": 20}  # n1's init begins at 25, calico-node at 53
ROLLING = {"nodes": 2, "protocol": "v3-rolling"}
SCENES: dict[str, Json] = {
    "an old pod whose node is back at once": {
        "cluster": {"nodes": 2},
        "timing": {"controller_reaction": 2},
        "faults": [off("n2", 10, 11)],
    },
    "the same in a roll": {"cluster": ROLLING, "timing": {"controller_reaction": 2}, "faults": [off("n2", 10, 11)]},
    "an old pod that nobody deletes": {
        "cluster": {"nodes": 1, "update_strategy": "OnDelete"},
        "faults": [off("n1", 10, 20)],
        "operator": [act("delete_pod", 60, "n1"), act("complete", 200)],
    },
    "a deleted pod migrates on": {
        "cluster": {"nodes": 1},
        "timing": SLOW_KILL,
        "operator": [act("delete_pod", 26, "n1"), act("abort", 100), act("delete_v3_data", 99)],
    },
    "a deleted pod fails on": {
        "cluster": {"nodes": 1},
        "timing": SLOW_KILL,
        "faults": [{"kind": "conversion_error", "until": 60}],
        "operator": [act("delete_pod", 26, "n1")],
    },
    "a deleted pod starts on": {
        "cluster": {"nodes": 1},
        "timing": SLOW_KILL,
        "operator": [act("delete_pod", 54, "n1"), act("complete", 55.5)],
    },
    "a deleted pod crashes on": {
        "cluster": {"nodes": 1},
        "timing": SLOW_KILL,
        "faults": [{"kind": "main_crash", "node": "n1", "until": 80}],
        "operator": [act("delete_pod", 53.5, "n1")],
    },
    "a deleted v2 pod starts on": {
        "cluster": {"nodes": 1},
        "timing": SLOW_KILL,
        "operator": [act("roll_back", 100), act("delete_pod", 122, "n1")],
    },
    "a deleted pod starts on in a roll": {
        "cluster": ROLLING,
        "timing": SLOW_KILL,
        "operator": [act("delete_pod", 39, "n1")],
    },
    "a deleted pod crashes on in a roll": {
        "cluster": ROLLING,
        "timing": SLOW_KILL,
        "faults": [{"kind": "main_crash", "node": "n1", "until": 70}],
        "operator": [act("delete_pod", 38.5, "n1")],
    },
    "back to v2 with a node that joined": {
        "cluster": {"nodes": 2},
        "joins": [{"node": "n3", "at": 3}],
        "operator": [act("roll_back", 90)],
    },
    "a registry that is late": {
        "cluster": {"nodes": 1},
        "faults": [late("upgrade", 30), late("node", 100), late("cni", 120), late("controllers", 150)],
    },
    "the same in a roll from v3": {
        "cluster": ROLLING,
        "faults": [late("node", 60), late("cni", 40), late("controllers", 50)],
    },
    "nodes that go off, and one that is deleted": {
        "cluster": {"nodes": 3},
        "timing": {"controller_reaction": 2},
        "faults": [off("n3", 20), off("n1", 60, 70)],
        "operator": [act("delete_node", 21, "n3"), act("delete_pod", 65, "n1")],
    },
    "nodes that go off in a roll, and two that are deleted": {
        "cluster": ROLLING | {"nodes": 4},
        "timing": {"controller_reaction": 2},
        "faults": [off("n3", 20), off("n4", 3), off("n1", 60, 80)],
        "operator": [act("delete_node", 21, "n3"), act("delete_node", 50, "n4"), act("delete_pod", 70, "n1")],
    },
    "a node that goes off while it pulls the CNI image": {"cluster": {"nodes": 1}, "faults": [off("n1", 36, 50)]},
    "a pod that is Ready and loses its peer": {"cluster": {"nodes": 2}, "per_node": {"n2": {"pull_node": 18}}},
    "an init container that is killed twice": {
        "cluster": {"nodes": 1},
        "faults": [{"kind": "init_killed", "node": "n1", "at": at} for at in (5.5, 24)],
        "operator": [act("delete_v3_data", 90), act("abort", 91)],
    },
    "a Job that gives up": {
        "cluster": {"nodes": 1, "kubernetes": "1.11.0"},
        "faults": [{"kind": "complete_fails", "until": 1000}],
        "operator": [act("recreate_job", 1100)],
    },
}


def scenes() -> Iterator[tuple[str, Json]]:
    yield from SCENES.items()
    for path in sorted((ROOT / "fixtures" / "scenarios").glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def traced(data: Json) -> Trace:
    return run(Scenario.from_dict(data))


# --- the table and the engine ------------------------------------------------------------------------------------


def test_every_edge_is_a_step_of_a_scene() -> None:
    seen: set[tuple[str, str, str]] = set()
    for _, data in scenes():
        trace = traced(data)
        seen |= {(step.machine.name, step.before, trace.events[step.event].event) for step in steps(trace)}
    missing = [
        (machine.name, state, event)
        for machine in machines().values()
        for state, edges in machine.edges.items()
        for event in edges
        if (machine.name, state, event) not in seen
    ]
    missing += [
        (machine.name, machine.what, event)
        for machine in machines().values()
        for event in machine.interrupts
        if not any((machine.name, state, event) in seen for state in machine.inside)
    ]
    assert missing == []


@quick
@given(scenarios(max_nodes=5))
def test_every_step_is_an_edge(data: Json) -> None:
    for step in steps(traced(data)):
        assert step.after in step.machine.edges


@quick
@given(extended())
def test_every_step_of_an_extension_is_an_edge(data: Json) -> None:
    assert list(steps(traced(data)))


@pytest.mark.parametrize("protocol", [V2_TO_V3, V3_ROLLING])
def test_machines_are_whole(protocol: str) -> None:
    for machine in MACHINES[protocol]:
        states = set(machine.edges)
        assert {machine.start, *machine.interrupts.values(), *machine.inside} <= states
        reached = {initial(machine, joins=False), initial(machine, joins=True), *machine.interrupts.values()}
        reached |= {after for edges in machine.edges.values() for after in edges.values()}
        assert reached == states
        assert bool(machine.interrupts) == bool(machine.inside) == bool(machine.what)


def test_lanes_have_no_gap() -> None:
    for name, data in scenes():
        trace = traced(data)
        end = trace.events[-1].time + 7
        for lane in lanes(trace, end):
            assert lane.states[0][0] == 0, name
            assert lane.states[-1][1] == end
            assert [until for _, until, _ in lane.states[:-1]] == [since for since, _, _ in lane.states[1:]]


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (TraceEvent(5, "kubelet", "n1", "sandbox_melted"), "event 0: nobody hears 'sandbox_melted' of 'kubelet'"),
        (TraceEvent(5, "job", None, "job_failed"), "event 0: job of the cluster, 'no pod': 'job_failed'"),
        (TraceEvent(5, "install-cni", "n1", "pull_cni_done"), "event 0: install-cni of n1, 'no v3 CNI plugin'"),
    ],
)
def test_what_is_not_drawn_is_an_error(event: TraceEvent, complaint: str) -> None:
    trace = Trace(Scenario.from_dict({"cluster": {"nodes": 1}}), [NodeTrace()], events=[event])
    with pytest.raises(UndrawnError, match=re.escape(complaint)):
        list(steps(trace))


# --- the drawing -------------------------------------------------------------------------------------------------


def test_the_chapter_is_up_to_date() -> None:
    assert diagrams.main(["--check"]) == 0


def test_a_diagram_holds_every_state_and_every_edge() -> None:
    for machine in machines().values():
        text = draw(machine)
        names = dict(re.findall(r'state "(.*)" as (s\d+)', text))
        assert list(names) == list(machine.edges)
        drawn = {
            (before, event, after)
            for before, after, events in re.findall(r"(s\d+) --> (s\d+) : (.*)", text)
            for event in events.split(", ")
        }
        assert drawn == {
            (names[state], event, names[after])
            for state, edges in machine.edges.items()
            for event, after in edges.items()
        }
        assert all(f"any --> {names[after]} : {event}" in text for event, after in machine.interrupts.items())


def test_stale_and_missing_diagrams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chapter = CHAPTER.read_text(encoding="utf-8")
    copy = tmp_path / "model.md"
    monkeypatch.setattr(diagrams, "CHAPTER", copy)
    copy.write_text(chapter.replace("job_failed", "job_lost"), encoding="utf-8")
    assert diagrams.main(["--check"]) == 1
    assert "run python -m simulator.protocol.diagrams" in capsys.readouterr().err
    assert diagrams.main([]) == 0
    assert copy.read_text(encoding="utf-8") == chapter
    assert diagrams.main(["--draw"]) == 2
    with pytest.raises(ValueError, match="places for diagrams"):
        with_diagrams(chapter.replace("<!-- diagram: job -->", ""))
