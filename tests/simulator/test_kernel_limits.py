"""The kernel under the API server's limit: it says which runs it cannot follow, and is equal in all others."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from simulator import draws, kernel
from simulator.engine import run
from simulator.kernel import limits
from simulator.kernel.durations import Durations
from simulator.observations import Runs
from simulator.profile import Fixed, Lognormal, Parameter, Profile, Uniform
from simulator.scenario import Scenario

STAGES = {
    "pull_node": Lognormal(8, 0.5),
    "pull_cni": Uniform(2, 6),
    "probe_offset": Uniform(0, 10),
    "sandbox": Lognormal(1, 0.3),
    "controller_reaction": Lognormal(0.2, 0.5),
}
PROFILE = Profile(
    "limits",
    tuple(
        Parameter(name, distribution, "s", "-", "run" if name == "controller_reaction" else "node")
        for name, distribution in STAGES.items()
    ),
)


def scenario(nodes: int, at_once: int, protocol: str = "v2-to-v3", **timing: float) -> Scenario:
    cluster = {"nodes": nodes, "max_unavailable": at_once, "protocol": protocol}
    return Scenario.from_dict({"cluster": cluster, "timing": timing, "horizon": None})


@pytest.mark.parametrize("protocol", ["v2-to-v3", "v3-rolling"])
@pytest.mark.parametrize(
    ("nodes", "at_once", "qps", "burst"),
    [(6, 1, 20, 30), (6, 1, 0.2, 4), (9, 3, 20, 30), (9, 3, 0.4, 8), (9, 3, 0.2, 3), (20, 16, 20, 30), (12, 4, 1, 12)],
)
def test_equal_to_the_engine_with_the_limit(
    protocol: str, nodes: int, at_once: int, qps: float, burst: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = scenario(nodes, at_once, protocol, api_qps=qps, api_burst=burst)
    assert kernel.covers(base) is None
    block = draws.draw(PROFILE, nodes, 1, 0)
    by_engine: list[int] = []

    def counted(base: Scenario, block: draws.Block, index: int) -> Runs:
        by_engine.append(index)
        return Runs.of(run(draws.replication(base, block, index)))

    monkeypatch.setattr("simulator.kernel.batch.by_engine", counted)
    found = kernel.observe(base, [block])
    for index in range(0, draws.BLOCK, 5):
        expected = Runs.of(run(draws.replication(base, block, index)))
        for field in fields(Runs):
            assert getattr(found, field.name)[index] == getattr(expected, field.name)[0], field.name
    assert not by_engine or protocol == "v3-rolling"


def calls(base: Scenario, runs: int = 1) -> limits.Calls:
    order = np.tile(np.arange(base.cluster.nodes), (runs, 1))
    return limits.Calls.of(Durations(base, draws.Block({}, {}, order)))


def never_limited(base: Scenario, block: draws.Block, index: int) -> bool:
    """Whether the engine does the same without a limit."""
    free = scenario(base.cluster.nodes, base.cluster.budget(base.cluster.nodes), base.cluster.protocol)
    return run(draws.replication(base, block, index)).events == run(draws.replication(free, block, index)).events


@pytest.mark.parametrize(("at_once", "qps", "burst"), [(1, 0.2, 4), (2, 0.3, 7), (3, 0.5, 8)])
def test_no_run_that_waits_is_taken_for_one_that_does_not(at_once: int, qps: float, burst: int) -> None:
    base = scenario(7, at_once, "v3-rolling", api_qps=qps, api_burst=burst)
    block = draws.draw(PROFILE, 7, 3, 0)
    ready: Any = []
    for index in range(24):
        free = scenario(7, at_once, "v3-rolling")
        trace = run(draws.replication(free, block, index))
        ready.append([node.ready for node in trace.nodes])
    waits = calls(base, 24).may_wait(np.sort(np.array(ready), axis=1), at_once)
    for index in range(24):
        assert waits[index] or never_limited(base, block, index)
    assert waits.any() or qps > 0.3


def test_what_waits_at_once() -> None:
    for limit, waits in (({"api_qps": 20}, True), ({}, False), ({"slow_start": 0.01}, True)):
        base = scenario(100, 15, **limit)
        assert limits.exceeded_at_once(base) is waits
        assert calls(base).exceeded_at_once(15).tolist() == [waits]
    assert not limits.exceeded_at_once(scenario(100, 14, api_qps=20, api_burst=30))
    assert kernel.covers(scenario(100, 50, api_qps=20, api_burst=30)) is None
    assert kernel.covers(scenario(100, 1, slow_start=0.01)) is None
    assert "API server's limit" in (kernel.covers(scenario(100, 100, api_qps=20, api_burst=30)) or "")


def test_certain_limits() -> None:
    """Ready 1 s apart: four calls each is what 4 calls a second allow for ever, and 3.9 not."""
    ready = np.arange(1, 4001)[None, :] * 1_000_000
    assert not calls(scenario(2, 1, api_qps=4, api_burst=8)).may_wait(ready, 1)[0]
    assert calls(scenario(2, 1, api_qps=3.9, api_burst=8)).may_wait(ready, 1)[0]
    assert not calls(scenario(2, 1)).may_wait(ready, 1)[0]


def test_the_first_wave_is_as_the_engine_s_controller_makes_it() -> None:
    base = scenario(700, 600, "v2-to-v3", api_qps=20, api_burst=30)
    deleted, created = calls(base).first_wave(np.array([1_500_000]), 600)
    trace = run(base.with_durations({"controller_reaction": 1_500_000}, {}))
    expected = [event.time for event in trace.events if event.event == "pod_deleted"][:600]
    assert deleted[0].tolist() == expected
    assert (created > deleted).all()
    assert (np.diff(created[0]) >= 50_000).all()  # the burst is over by then


def test_fixed_settings_need_no_profile() -> None:
    profile = Profile("fixed", (Parameter("pull_node", Fixed(8), "s", "-", "node"),))
    base = scenario(4, 1, api_qps=20, api_burst=30)
    runs = next(iter(kernel.simulate(profile, base, 0, 64)))
    expected = Runs.of(run(base))
    assert set(runs.total.tolist()) == set(expected.total.tolist())
