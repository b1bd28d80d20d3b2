"""Exported runs against the rules of their formats, above all those of Chrome's trace events."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from simulator.cli import main
from simulator.engine import run
from simulator.report.trace import Files, as_chrome, as_csv, as_json
from simulator.scenario import Scenario
from simulator.timing import MICRO
from simulator.trace import Trace
from tests.helpers import ROOT
from tests.simulator.strategies import extended, scenarios

Json = dict[str, Any]

SCENARIO = str(ROOT / "fixtures" / "scenarios" / "two-nodes-at-once.json")
SPEC = str(ROOT / "fixtures" / "specs" / "upgrade-new.yaml")
quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def traced(data: Json) -> Trace:
    return run(Scenario.from_dict(data), causes=True)


def check_chrome(text: str) -> list[Json]:
    """The rules of the trace-event format, as far as we use it; returns the events."""
    document = json.loads(text)
    events: list[Json] = document["traceEvents"]
    slices: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    named: set[tuple[str, int, int]] = set()
    arrows: dict[int, dict[str, Json]] = defaultdict(dict)
    for event in events:
        assert event["ph"] in "XisfCM", event
        assert type(event["pid"]) is type(event["tid"]) is int
        if event["ph"] == "M":
            named.add((event["name"], event["pid"], event["tid"]))
            continue
        assert type(event["ts"]) is int
        assert event["ts"] >= 0
        if event["ph"] == "X":
            assert type(event["dur"]) is int
            assert event["dur"] > 0
            slices[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] in "sf":
            assert event["ph"] not in arrows[event["id"]], "an arrow starts and ends once"
            arrows[event["id"]][event["ph"]] = event
        elif event["ph"] == "C":
            assert all(type(value) is int for value in event["args"].values())
        elif event["ph"] == "i":
            assert event["s"] in ("t", "p", "g")
    assert len({thread for _, thread in slices}) == len(slices), "a thread's number belongs to one process"
    for (process, thread), own in slices.items():
        assert ("process_name", process, 0) in named
        assert ("thread_name", process, thread) in named
        assert own == sorted(own)
        assert all(end <= start for (_, end), (start, _) in pairwise(own)), "slices do not overlap"
    for ends in arrows.values():
        assert set(ends) == {"s", "f"}
        start, finish = ends["s"], ends["f"]
        assert start["ts"] <= finish["ts"]
        assert (start["name"], start["cat"]) == (finish["name"], finish["cat"])
        assert finish["bp"] == "e"
        for end in (start, finish):
            assert any(since <= end["ts"] < until for since, until in slices[end["pid"], end["tid"]]), end
    return events


def threads(events: list[Json]) -> dict[tuple[str, str], list[tuple[int, int, str]]]:
    """(process, thread) -> (start, end, name) of its slices, in seconds."""
    processes = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    found: dict[tuple[str, str], list[tuple[int, int, str]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start, end = event["ts"] / MICRO, (event["ts"] + event["dur"]) / MICRO
            found[processes[event["pid"]], names[event["tid"]]].append((start, end, event["name"]))
    return found


# --- Chrome trace events -----------------------------------------------------------------------------------------


@quick
@given(scenarios())
def test_chrome_events_keep_the_rules_of_the_format(data: Json) -> None:
    check_chrome(as_chrome(traced(data), "a random scenario"))


@quick
@given(extended())
def test_chrome_events_of_extensions_keep_them_too(data: Json) -> None:
    check_chrome(as_chrome(traced(data), "a random scenario"))


def test_lanes_of_two_nodes() -> None:
    """S2 with two nodes, by hand."""
    events = check_chrome(as_chrome(traced({"cluster": {"nodes": 2}}), "two nodes"))
    found = threads(events)
    assert found["n1", "calico-node's pod in the migration"] == [
        (0, 1, "sandbox"),
        (1, 5, "pull upgrade"),
        (5, 7, "init: checks, waits"),
        (7, 22, "init: pause"),
        (22, 25, "init: read and write"),
        (25, 33, "pull node"),
        (33, 36, "start"),
        (36, 50, "waiting for Ready"),
        (50, 85, "Ready"),
    ]
    assert found["n1", "install-cni, the second container of calico-node's pod"] == [
        (0, 33, "no v3 CNI plugin"),
        (33, 39, "pull cni"),
        (39, 85, "v3 CNI plugin"),
    ]
    assert found["n2", "Felix"] == [
        (0, 50, "old Felix"),
        (50, 66, "none, its pod starts"),
        (66, 84, "waits for the datastore, syncs"),
        (84, 85, "in sync"),
    ]
    assert found["cluster", "datastoreReady"] == [(0, 81, "not true"), (81, 85, "true")]
    path = found["critical paths", "to complete"]
    assert path[0] == (0, 1, "sandbox")
    assert path[-1] == (80, 81, "complete")
    assert {process for process, _ in found} == {"cluster", "critical paths", "n1", "n2"}
    arrows = {(event["ts"] / MICRO, event["name"]) for event in events if event["ph"] == "s"}
    assert (50, "at once") in arrows  # n1 is Ready: n2's pod is deleted
    assert (66, "bgp_session, readiness_period") not in arrows  # n2 waits for its own BIRD, which needs no arrow
    counters = [(event["ts"] // MICRO, event["args"]) for event in events if event["ph"] == "C"]
    assert [args["unavailable pods"] for _, args in counters if "unavailable pods" in args] == [1, 1, 0]
    assert [(time, args["v1 Ready"]) for time, args in counters if "v1 Ready" in args] == [(0, 1), (7, 0)]
    assert [(time, args["datastoreReady"]) for time, args in counters if "datastoreReady" in args] == [(0, 0), (81, 1)]


def test_an_action_is_a_mark_and_an_arrow() -> None:
    actions = [{"action": "abort", "at": 98}]
    trace = traced(
        {"cluster": {"nodes": 1}, "operator": actions, "faults": [{"kind": "init_killed", "node": "n1", "at": 10}]}
    )
    events = check_chrome(as_chrome(trace, "S5"))
    assert [event["ts"] for event in events if event["ph"] == "i" and event["name"] == "abort"] == [98 * MICRO]
    assert [event["ts"] for event in events if event["ph"] == "f" and event["ts"] == 98 * MICRO] == [98 * MICRO]


def test_five_thousand_nodes_can_be_opened() -> None:
    text = as_chrome(traced({"cluster": {"nodes": 5000, "max_unavailable": "2%"}}), "many nodes")
    assert len(text) < 25_000_000  # browsers take some hundred megabytes
    assert text.count("\n") < 200_000
    assert len(threads(check_chrome(text))) > 15_000


# --- CSV and our own JSON ----------------------------------------------------------------------------------------


def test_csv() -> None:
    trace = traced({"cluster": {"nodes": 2}, "timing": {"sandbox": 0.000001}})
    rows = list(csv.DictReader(io.StringIO(as_csv(trace))))
    assert list(rows[0]) == ["time_s", "actor", "node", "event"]
    assert len(rows) == len(trace.events)
    for row, event in zip(rows, trace.events, strict=True):
        assert round(float(row["time_s"]) * MICRO) == event.time
        assert (row["actor"], row["node"] or None, row["event"]) == event[1:]
    assert any(row["time_s"] == "0.000001" for row in rows)


@quick
@given(scenarios())
def test_our_json_adds_up(data: Json) -> None:
    trace = traced(data)
    document = json.loads(as_json(trace))
    assert (document["version"], document["completed"], document["end_us"]) == (1, trace.completed, trace.end)
    assert Scenario.from_dict(document["scenario"]) == trace.scenario
    events = document["events"]
    assert [(e["time_us"], e["actor"], e["node"], e["event"]) for e in events] == trace.events
    for place, event in enumerate(events):
        assert event["id"] == place
        cause = event["cause"]
        begun = 0 if cause is None else events[cause]["time_us"]
        assert cause is None or cause < place
        assert begun + sum(wait["us"] for wait in event["waits"]) == event["time_us"]
    for name, path in document["critical_paths"].items():
        assert all(wait["start_us"] == 0 for wait in path[:1])
        assert name != "complete" or sum(wait["end_us"] - wait["start_us"] for wait in path) == trace.complete


# --- the command line --------------------------------------------------------------------------------------------


def test_run_writes_all_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", SCENARIO]) == 0
    alone = capsys.readouterr()
    files = [str(tmp_path / name) for name in ("t.json", "t.csv", "e.json")]
    assert main(["run", SCENARIO, "--trace", files[0], "--csv", files[1], "--events", files[2]]) == 0
    assert capsys.readouterr() == alone
    check_chrome(Path(files[0]).read_text(encoding="utf-8"))
    assert Path(files[1]).read_text(encoding="utf-8").startswith("time_s,actor,node,event\n0.000000,")
    assert json.loads(Path(files[2]).read_text(encoding="utf-8"))["version"] == 1
    assert sorted(os.listdir(tmp_path)) == ["e.json", "t.csv", "t.json"]


def test_plan_writes_the_replication_in_the_middle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / name) for name in ("t.json", "t.csv")]
    options = ["--kops-version", "1.12.3", "--nodes", "4", "--replications", "9", "--format", "json"]
    assert main(["plan", SPEC, *options, "--trace", files[0], "--csv", files[1]]) == 0
    out = capsys.readouterr()
    assert "of 9, the one whose scheduling block is the median" in out.err
    plan = json.loads(out.out)
    events = check_chrome(Path(files[0]).read_text(encoding="utf-8"))
    cleared = next(start for start, _, name in threads(events)["cluster", "v1 Ready"] if name == "false")
    opened = next(start for start, _, name in threads(events)["cluster", "datastoreReady"] if name == "true")
    assert round(opened - cleared, 3) == plan["windows"]["scheduling_block"]["p50"]


def test_a_blocked_plan_has_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(ROOT / "fixtures" / "specs" / "calico-v2-etcd-2.yaml")
    assert main(["plan", spec, "--kops-version", "1.12.3", "--trace", str(tmp_path / "t.json")]) == 1
    assert "nothing was simulated" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("option", ["--trace", "--csv", "--events"])
def test_what_cannot_be_written_is_said_at_once(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, reason in ((tmp_path, "it is a directory"), (tmp_path / "no" / "file", "its directory does not exist")):
        assert main(["run", SCENARIO, option, str(path)]) == 2
        out = capsys.readouterr()
        assert out.out == ""
        assert out.err == f"calico-sim: {path}: it cannot be written: {reason}\n"


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "t.csv"
    target.write_text("before", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="it cannot be written: No space left on device"):
        Files(table=str(target)).write(traced({"cluster": {"nodes": 1}}), "full")
    assert target.read_text(encoding="utf-8") == "before"
    assert os.listdir(tmp_path) == ["t.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes to write into")
def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        Files(table=str(pipe)).write(traced({"cluster": {"nodes": 1}}), "piped")
        assert os.read(reader, 100).startswith(b"time_s,actor")
    finally:
        os.close(reader)
