from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.kops.releases import Version
from simulator.draws import BLOCK, Block, blocks, draw, replication, stream
from simulator.engine import run
from simulator.profile import Fixed, Lognormal, Profile, Situation, Uniform, build
from simulator.scenario import V2_TO_V3, V3_ROLLING, Scenario
from simulator.timing import MICRO, TIMINGS
from simulator.windows import flat

PROFILE = build(Situation(V2_TO_V3, 10, 3, Version(1, 10, 13)))
ROLLING = build(Situation(V3_ROLLING, 10, 3, Version(1, 30, 4)))

seeds = st.integers(0, 2**63)
sizes = st.integers(1, 12)
profiles = st.sampled_from([PROFILE, ROLLING])


def scenario(nodes: int, protocol: str = V2_TO_V3) -> Scenario:
    timing = {"ensure_initialized": 0} if protocol == V3_ROLLING else {}
    return Scenario.from_dict({"cluster": {"nodes": nodes, "protocol": protocol}, "timing": timing, "horizon": None})


def same(one: Block, other: Block, nodes: int) -> bool:
    """Whether two blocks agree on the first `nodes` nodes and on the cluster."""
    return (
        one.timing.keys() == other.timing.keys()
        and one.per_node.keys() == other.per_node.keys()
        and all((one.timing[name] == other.timing[name]).all() for name in one.timing)
        and all((one.per_node[name][:nodes] == other.per_node[name][:nodes]).all() for name in one.per_node)
    )


@given(profiles, seeds, sizes, sizes, st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_a_node_keeps_its_draws_when_the_cluster_grows(
    profile: Profile, seed: int, one: int, other: int, number: int
) -> None:
    first, second = draw(profile, one, seed, number), draw(profile, other, seed, number)
    few = min(one, other)
    assert same(first, second, few)
    for member in range(BLOCK):
        # The processing order of the nodes that both have is the same, too.
        orders = [[node for node in block.order[member].tolist() if node < few] for block in (first, second)]
        assert orders[0] == orders[1]


@given(profiles, seeds, sizes)
@settings(max_examples=15, deadline=None)
def test_seeds_and_blocks_are_different_streams(profile: Profile, seed: int, nodes: int) -> None:
    here, again = draw(profile, nodes, seed, 0), draw(profile, nodes, seed, 0)
    assert same(here, again, nodes)
    assert not same(here, draw(profile, nodes, seed + 1, 0), nodes)
    assert not same(here, draw(profile, nodes, seed, 1), nodes)


@given(st.integers(1, 1000))
def test_more_runs_change_no_run(runs: int) -> None:
    found = [(block, member) for block, members in blocks(runs) for member in members]
    assert found == [(index // BLOCK, index % BLOCK) for index in range(runs)]


@given(profiles, seeds, st.sampled_from(["kill", "pull_node", "services", "bgp_session", "sandbox"]))
@settings(max_examples=20, deadline=None)
def test_a_changed_parameter_changes_no_other(profile: Profile, seed: int, name: str) -> None:
    situation = Situation(V2_TO_V3 if profile is PROFILE else V3_ROLLING, 10, 3, Version(1, 10, 13))
    before = build(situation)
    after = build(situation, {name: (Uniform(20, 30), "--set")})
    first, second = draw(before, 4, seed, 0), draw(after, 4, seed, 0)
    for other in first.timing:
        assert ((first.timing[other] == second.timing[other]).all()) == (other != name)
    for other in first.per_node:
        if other != name:
            assert (first.per_node[other] == second.per_node[other]).all()


@given(profiles, seeds, sizes)
@settings(max_examples=15, deadline=None)
def test_draws_are_whole_microseconds_in_range(profile: Profile, seed: int, nodes: int) -> None:
    block = draw(profile, nodes, seed, 0)
    for name, values in (*block.timing.items(), *block.per_node.items()):
        assert values.dtype == np.int64
        assert (values >= 0).all()
        assert values.shape == ((BLOCK,) if values is block.timing.get(name) else (nodes, BLOCK))
    if "ensure_initialized" in block.per_node:
        assert (block.per_node["services"] >= block.per_node["ensure_initialized"]).all()
    assert sorted(block.order[5].tolist()) == list(range(nodes))


def test_every_order_of_the_nodes_comes_up() -> None:
    orders = {tuple(draw(PROFILE, 3, 0, number).order[member]) for number in range(2) for member in range(BLOCK)}
    assert len(orders) == 6


def test_a_certain_profile_has_its_own_medians() -> None:
    certain = draw(PROFILE, 200, 7, 0, uncertain=False)
    medians = np.median(certain.per_node["pull_node"], axis=0) / MICRO
    assert medians.min() > 8 * 0.8
    assert medians.max() < 8 * 1.25
    guessed = np.concatenate([np.median(draw(PROFILE, 200, 7, n).per_node["pull_node"], axis=0) for n in range(9)])
    # Two observations of sigma 0.5: the logarithm of the median is uncertain by 0.35.
    assert np.log(guessed / MICRO / 8).std() == pytest.approx(0.5 / np.sqrt(2), rel=0.25)


def test_what_is_certain_is_not_scaled() -> None:
    settings = {"pull_node": (Lognormal(8, 0.5), "--set")}
    profile = build(Situation(V2_TO_V3, 10, 3, Version(1, 10, 13)), settings)
    one, other = draw(profile, 5, 1, 0), draw(profile, 5, 1, 0, uncertain=False)
    assert (one.per_node["pull_node"] == other.per_node["pull_node"]).all()
    assert (one.per_node["kill"] == other.per_node["kill"]).all()


def test_fixed_values_are_not_spelt_out() -> None:
    block = draw(PROFILE, 3, 0, 0)
    assert "felix_ready" not in block.per_node
    assert set(block.timing["felix_ready"].tolist()) == {MICRO}


def test_stages_of_similar_names_are_different_streams() -> None:
    names = [*TIMINGS, *(f"{name}@median" for name in TIMINGS), *(f"{name}@cluster" for name in TIMINGS), "order"]
    assert len({float(stream(0, 0, name).random()) for name in names}) == len(names)


def test_the_numbers_themselves_stay() -> None:
    # A changed number here means that every published plan changes: bump the version and say so.
    block = draw(PROFILE, 2, 0, 0)
    assert block.per_node["pull_node"][:, 0].tolist() == [9277639, 6585807]
    assert block.timing["apply"][:2].tolist() == [7308569, 4347844]


@pytest.mark.parametrize(("profile", "protocol"), [(PROFILE, V2_TO_V3), (ROLLING, V3_ROLLING)])
def test_a_replication_is_a_scenario_that_run_accepts(profile: Profile, protocol: str) -> None:
    base = scenario(5, protocol)
    one = replication(base, draw(profile, 5, 3, 1), 17)
    written = Scenario.from_dict(one.to_dict())
    assert written == one
    assert flat(run(written)) == flat(run(one))
    assert run(one).completed


def test_services_follow_an_initialisation_that_is_fixed() -> None:
    situation = Situation(V2_TO_V3, 10, 3, Version(1, 10, 13))
    profile = build(situation, {"ensure_initialized": (Fixed(5), "--set"), "services": (Uniform(2, 6), "--set")})
    block = draw(profile, 4, 0, 0)
    assert block.per_node["services"].min() == 5 * MICRO
    assert block.timing["services"].min() == 5 * MICRO
    late = build(situation, {"services": (Fixed(3), "--set")})
    assert draw(late, 4, 0, 0).per_node["services"].min() >= 3 * MICRO
