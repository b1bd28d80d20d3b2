"""Calibration: what is generated from a known profile is found again, whatever stamps and probes hide of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.calibrate import (
    STAGES,
    CalibrationError,
    Fit,
    Interval,
    Seen,
    fit,
    fit_all,
    profile_toml,
    read,
)
from simulator.cli import main
from simulator.profile import Lognormal, load
from tests.simulator.kubectl_json import RUNNING, ended, listed, new_node
from tests.simulator.kubectl_stream import printed, stamp

ROOT = Path(__file__).parents[2]
TRACES = ROOT.parent / "shared" / "traces"
Json = dict[str, Any]


def distance(found: Fit, median: float) -> float:
    """How far the fitted median is from the true one, in standard errors of its logarithm."""
    low, high = found.median_interval
    return abs(math.log(found.median / median)) / (math.log(high / low) / 2 / 1.96)


# --- the fit --------------------------------------------------------------------------------------------

medians, sigmas, seeds = st.floats(1.0, 60.0), st.floats(0.1, 0.8), st.integers(0, 2**32)


@given(medians, sigmas, seeds)
@settings(max_examples=30, deadline=None)
def test_round_trip_of_exact_durations(median: float, sigma: float, seed: int) -> None:
    drawn = median * np.exp(sigma * np.random.default_rng(seed).standard_normal(400))
    found = fit("pull_node", [Interval(value, value) for value in drawn])
    assert distance(found, median) < 5
    # A default far off adds its distance to the spread: 2 d² / (n + 2), the price of the prior.
    conflict = 2 * math.log(median / STAGES["pull_node"].median) ** 2 / 402
    assert 0.75 * sigma < found.sigma < math.sqrt((1.3 * sigma) ** 2 + conflict + 0.5 / 402)
    assert found.observations == 402


@given(st.floats(2.0, 60.0), sigmas, seeds)
@settings(max_examples=30, deadline=None)
def test_round_trip_of_whole_seconds(median: float, sigma: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    start = generator.random(400)
    end = np.floor(start + median * np.exp(sigma * generator.standard_normal(400)))
    found = fit("pull_node", [Interval(value - 1, value + 1) for value in end])
    assert distance(found, median) < 6
    assert not found.poor


@given(st.floats(4.0, 40.0), st.floats(0.15, 0.6), seeds)
@settings(max_examples=30, deadline=None)
def test_round_trip_through_a_probe_grid(median: float, sigma: float, seed: int) -> None:
    """Readiness is seen at the next probe only: taken for the truth it would be half a period too long."""
    generator = np.random.default_rng(seed)
    true = median * np.exp(sigma * generator.standard_normal(600))
    offset = 10 * generator.random(600)
    seen = offset + 10 * np.maximum(0, np.ceil((true - offset) / 10))
    found = fit("services", [Interval(value - 10, value) for value in seen])
    assert distance(found, median) < 6
    assert abs(found.median - median) < abs(float(np.median(seen)) - median) + 0.5


def test_few_observations_stay_near_the_default() -> None:
    found = fit("pull_node", [Interval(80.0, 80.0)])
    default = STAGES["pull_node"].median
    assert default < found.median < 80.0 / 2
    assert found.observations == 3
    assert found.median_interval[1] > 40


def test_what_is_hidden_counts_less() -> None:
    wide = fit("pull_node", [Interval(1.0, 60.0)] * 50)
    sharp = fit("pull_node", [Interval(7.9, 8.1)] * 50)
    assert wide.observations < 20 < 50 < sharp.observations


def test_two_kinds_of_durations_are_a_poor_fit() -> None:
    both = [Interval(0.2, 0.2)] * 60 + [Interval(40.0, 41.0)] * 60
    assert fit("pull_node", both).poor


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), min_size=1, max_size=20))
@settings(deadline=None)
def test_the_fit_never_fails(ends: list[tuple[float, float]]) -> None:
    seen = Seen()
    for low, width in ends:
        seen.add("sandbox", low, low + width)
    for found in fit_all(seen):
        assert 0 < found.median < 1e6
        assert math.isfinite(found.sigma)
        assert found.observations >= 1


# --- reading --------------------------------------------------------------------------------------------


def node_pod(number: int, created: float, init: float, pull: float, ready: float) -> Json:
    """A finished calico-node pod: created, its init container's run, the pull, Ready after the start."""
    item = new_node(f"calico-node-{number:05}", f"n{number}", ended(), RUNNING, ready=True)
    item["metadata"]["creationTimestamp"] = stamp(created)
    init_run = item["status"]["initContainerStatuses"][0]["state"]["terminated"]
    init_run["startedAt"], init_run["finishedAt"] = stamp(created + 2), stamp(created + 2 + init)
    started = created + 2 + init + pull
    for status in item["status"]["containerStatuses"]:
        status["state"] = {"running": {"startedAt": stamp(started)}}
    item["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(created)},
        {"type": "Ready", "status": "True", "lastTransitionTime": stamp(started + ready)},
    ]
    probe = {"exec": {"command": ["/bin/calico-node", "-bird-ready", "-felix-ready"]}, "periodSeconds": 10}
    item["spec"]["containers"][0]["readinessProbe"] = probe
    return item


def test_pods_alone_give_what_they_show() -> None:
    generator = np.random.default_rng(3)
    pods, at = [], 0.0
    for number in range(200):
        pull, start = (
            12 * math.exp(0.3 * generator.standard_normal()),
            5 + 4 * math.exp(0.3 * generator.standard_normal()),
        )
        ready = 10 * math.ceil(start / 10)
        pods.append(node_pod(number, at, 0.3, pull, ready))
        at += 2 + 0.3 + pull + ready + 0.2
    seen = read([("pods.json", json.dumps(listed(*pods)).encode())])
    found = {item.name: item for item in fit_all(seen)}
    assert set(found) == {"controller_reaction", "needed", "pull_node", "services"}
    assert distance(found["pull_node"], 12) < 4
    assert 2 < found["services"].median < 6.5


@pytest.mark.parametrize(
    ("message", "parameter", "seconds"),
    [
        (
            'Successfully pulled image "docker.io/calico/node:v3.27.3" in 8.25s (8.3s including waiting)',
            "pull_node",
            8.25,
        ),
        ('Successfully pulled image "quay.io/calico/cni:v3.7.4" in 1m2.5s', "pull_cni", 62.5),
        ('Successfully pulled image "calico/upgrade:v1.0.5" in 850ms', "pull_upgrade", 0.85),
        ('Successfully pulled image "quay.io/calico/kube-controllers:v3.7.4" in 2s', "pull_controllers", 2.0),
        ('Successfully pulled image "nginx:1.27" in 2s', None, 0.0),
        ('Successfully pulled image "calico/node:v3.7.4"', None, 0.0),
    ],
)
def test_pulled_events(message: str, parameter: str | None, seconds: float) -> None:
    event = {
        "kind": "Event",
        "involvedObject": {"kind": "Pod", "name": "calico-node-x"},
        "reason": "Pulled",
        "message": message,
        "firstTimestamp": stamp(5),
    }
    seen = read([("events.json", json.dumps(listed(event)).encode())])
    assert seen.intervals == ({parameter: [Interval(seconds, seconds)]} if parameter else {})


def test_events_give_the_sandbox_and_say_what_was_cached() -> None:
    about = {"kind": "Pod", "name": "calico-node-00001"}
    events = [
        {"kind": "Event", "involvedObject": about, "reason": reason, "message": message, "firstTimestamp": stamp(at)}
        for at, reason, message in (
            (10, "Scheduled", "Successfully assigned kube-system/calico-node-00001 to n1"),
            (12, "Pulling", 'Pulling image "calico/upgrade:v1.0.5"'),
            (15, "Pulled", 'Container image "quay.io/calico/node:v3.7.4" already present on machine'),
        )
    ]
    seen = read([("events.json", json.dumps(listed(*events, node_pod(1, 10, 0.3, 4, 10))).encode())])
    assert seen.intervals["sandbox"] == [Interval(1.0, 3.0)]
    assert seen.cached == {"pull_node": 1}


def test_a_stream_counts_each_pod_once() -> None:
    item = node_pod(1, 0, 0.3, 9, 10)
    text = printed(item) * 3 + "garbage\n"
    seen = read([("watch.json", text.encode())])
    assert len(seen.intervals["pull_node"]) == 1
    assert any("passed over" in note for note in seen.notes)


@pytest.mark.parametrize("name", [path.name for path in sorted(TRACES.glob("*.json"))] or [None])
def test_recorded_rollouts(name: str | None) -> None:
    """Each recording holds its own draws: what was fitted from its events must be their distribution."""
    if name is None:
        pytest.skip("../shared/traces is not there")
    path = TRACES / name
    draws = json.loads(path.read_text())["draws"].values()
    found = {item.name: item for item in fit_all(read([(name, path.read_bytes())]))}
    pulls = sorted(draw["pull_main"] for draw in draws)
    if len(pulls) >= 20:
        assert found["pull_node"].median == pytest.approx(pulls[len(pulls) // 2], rel=0.35)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "object was expected"),
        (b"{}", "no pod of Calico"),
        (b'{"kind": "List", "items": []}', "no pod of Calico"),
        (b'{"draws": {}, "events": [{"node": "a"}]}', "no time"),
    ],
)
def test_records_that_are_none(content: bytes, part: str) -> None:
    with pytest.raises(CalibrationError, match=part):
        read([("record.json", content)])


# --- the profile ----------------------------------------------------------------------------------------


def test_the_profile_is_read_back(tmp_path: Path) -> None:
    found = fit("pull_node", [Interval(5.0, 6.0)] * 30)
    path = tmp_path / "mine.toml"
    path.write_text(profile_toml('a "cluster"', [found]))
    name, parameters = load(path)
    assert name == 'a "cluster"'
    setting = parameters["pull_node"]
    assert isinstance(setting.distribution, Lognormal)
    assert setting.distribution.median == pytest.approx(found.median, rel=1e-5)
    assert setting.observations == found.observations


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, profile = tmp_path / "pods.json", tmp_path / "profile.toml"
    record.write_text(json.dumps(listed(*(node_pod(number, 60 * number, 0.3, 9, 20) for number in range(5)))))
    assert main(["calibrate", str(record), "--output", str(profile), "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {item["name"] for item in answer["parameters"]} >= {"pull_node", "services"}
    assert "kill" in answer["default"]
    spec = str(ROOT / "fixtures" / "specs" / "calico-v2-to-v3.yaml")
    arguments = ["plan", spec, "--kops-version", "1.14", "--profile", str(profile), "--replications", "5"]
    assert main([*arguments, "--format", "json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["profile"]["name"] == "calibrated"
    assert main(["calibrate", str(record)]) == 0
    assert "pull_node" in capsys.readouterr().out


def test_nothing_to_fit_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "pods.json"
    record.write_text(json.dumps(listed(new_node("calico-node-a", "a", None))))
    assert main(["calibrate", str(record)]) == 1
    assert "no answer" in capsys.readouterr().err
