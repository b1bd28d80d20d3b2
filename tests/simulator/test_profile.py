from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_lint.kops.releases import Version
from simulator.profile import (
    CERTAIN,
    LONGEST,
    Distribution,
    Doubt,
    FirstOf,
    Fixed,
    Lognormal,
    Parameter,
    ProfileError,
    Situation,
    Uniform,
    build,
    load,
    objects,
    parse,
)
from simulator.scenario import V2_TO_V3, V3_ROLLING
from simulator.timing import PER_NODE, TIMINGS


def migration(nodes: int = 12, kubernetes: Version | None = None) -> Situation:
    return Situation(V2_TO_V3, nodes, 3, kubernetes or Version(1, 10, 13))


def rolling(**changes: bool) -> Situation:
    return Situation(V3_ROLLING, 12, 3, Version(1, 30, 4), **changes)


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("8", Fixed(8)),
        (" 0.5 ", Fixed(0.5)),
        ("fixed(8)", Fixed(8)),
        ("uniform(1,4)", Uniform(1, 4)),
        ("Uniform( 1 , 4 )", Uniform(1, 4)),
        ("lognormal(8,0.5)", Lognormal(8, 0.5)),
        ("lognormal(200, 0.7, 50, 2000)", Lognormal(200, 0.7, 50, 2000)),
        ("first_of(3, 0, 60)", FirstOf(3, 0, 60)),
    ],
)
def test_parse(text: str, distribution: Distribution) -> None:
    assert parse(text) == distribution
    assert parse(str(distribution)) == distribution


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a number"),
        ("fast", "is not a number"),
        ("-1", "is outside 0 to"),
        ("nan", "is outside 0 to"),
        ("inf", "is outside 0 to"),
        ("1e9", "is outside 0 to"),
        ("normal(8,1)", "is no known distribution"),
        ("uniform(4,1)", "the lower end 4 is above the upper end 1"),
        ("uniform(4)", "has 1 numbers"),
        ("uniform()", "has 0 numbers"),
        ("lognormal(8)", "has 1 numbers"),
        ("lognormal(0,0.5)", "must be above 0"),
        ("lognormal(8,0.5,9,1)", "the lower end 9"),
        ("lognormal(8,wide)", "'wide' is not a number"),
        ("first_of(1.5,0,60)", "must be a whole number"),
        ("first_of(0,0,60)", "must be a whole number"),
    ],
)
def test_what_cannot_be_parsed_is_explained(text: str, why: str) -> None:
    with pytest.raises(ProfileError) as error:
        parse(text)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


@given(
    st.one_of(
        st.builds(Fixed, st.floats(0, 1e4)),
        st.builds(Uniform, st.floats(0, 1e3), st.floats(1e3, 2e3)),
        st.builds(
            lambda n, low, width: FirstOf(n, low, low + width), st.integers(1, 9), st.floats(0, 9), st.floats(0, 99)
        ),
        st.builds(Lognormal, st.floats(0.01, 100), st.floats(0, 1), st.floats(0, 0.005), st.floats(200, 1e3)),
    ),
    st.integers(0, 2**32),
)
def test_draws_lie_around_the_median(distribution: Distribution, seed: int) -> None:
    drawn = distribution.sample(np.random.default_rng(seed), (400,))
    assert drawn.shape == (400,)
    assert np.isfinite(drawn).all()
    assert (drawn >= 0).all()
    below = int((drawn <= distribution.median * (1 + 1e-12)).sum())
    assert below >= 120  # P(fewer than 120 of 400 below the median) < 1e-15


def test_first_of_is_the_minimum_of_uniform_draws() -> None:
    drawn = FirstOf(3, 0, 60).sample(np.random.default_rng(1), (20_000,))
    assert drawn.mean() == pytest.approx(60 / 4, rel=0.03)


@pytest.mark.parametrize("situation", [migration(), rolling(), rolling(bird=False, upgrade_ipam=False)])
def test_every_parameter_says_unit_and_source(situation: Situation) -> None:
    profile = build(situation)
    names = [parameter.name for parameter in profile.parameters]
    assert len(set(names)) == len(names)
    for parameter in profile.parameters:
        assert parameter.unit
        assert len(parameter.source) > 9 or parameter.source == "assumption"
        assert parameter.scope in ("node", "run", "input")
        if parameter.scope == "input":
            continue
        timing = TIMINGS[parameter.name]
        assert parameter.unit == timing.unit
        assert parameter.scope == "run" or parameter.name in PER_NODE
        if parameter.observations is not None:
            assert parameter.uncertain
            assert parameter.source.startswith("assumption")


def test_the_fixed_constants_are_those_of_the_code() -> None:
    profile = build(migration())
    for name in ("pause", "script_poll", "felix_poll", "readiness_period", "bird_threshold"):
        assert profile[name].distribution == Fixed(float(TIMINGS[name].golden))  # type: ignore[arg-type]


def test_probes_begin_at_random_before_kubernetes_1_21() -> None:
    assert build(migration()).__getitem__("probe_offset").distribution == Uniform(0, 10)
    assert build(rolling())["probe_offset"].distribution == Fixed(0)


def test_sizes_follow_nodes_and_pods() -> None:
    assert objects(migration(100), 30) == (4 + 100 + 3000, 2 * 100 + 3000)
    assert objects(migration(10), 100) == (4 + 10 + 1000, 2 * 20 + 1000)  # two blocks of 64 addresses a node
    assert objects(migration(3), 0) == (7, 6)
    small, large = build(migration(10)), build(migration(500))
    assert large["validate"].distribution.median > small["validate"].distribution.median
    assert large["felix_sync"].distribution.median > small["felix_sync"].distribution.median


def test_a_setting_replaces_the_parameter_and_is_certain() -> None:
    profile = build(migration(), {"pull_node": (parse("lognormal(2,0.1)"), "--set")})
    parameter = profile["pull_node"]
    assert parameter.distribution == Lognormal(2, 0.1)
    assert (parameter.source, parameter.observations) == ("--set", None)


def test_sizes_can_be_set() -> None:
    few = build(migration(), {"pods_per_node": (Fixed(1), "--set")})
    assert few["requery"].distribution.median < build(migration())["requery"].distribution.median
    with pytest.raises(ProfileError, match="pods_per_node takes one number"):
        build(migration(), {"pods_per_node": (Uniform(1, 2), "--set")})


@pytest.mark.parametrize(
    ("situation", "name", "advice"),
    [
        (migration(), "pull_nod", "did you mean 'pull_node'?"),
        (rolling(), "pause", "of a v3-rolling plan"),
        (rolling(), "zzz", "these are: api_burst, api_qps, apply"),
    ],
)
def test_an_unknown_parameter_is_refused(situation: Situation, name: str, advice: str) -> None:
    with pytest.raises(ProfileError) as error:
        build(situation, {name: (Fixed(1), "--set")})
    assert advice in str(error.value)


@pytest.mark.parametrize("text", ["0", "uniform(0, 5)", "lognormal(5,1,0,0)"])
def test_a_loop_must_wait(text: str) -> None:
    if text.startswith("lognormal"):
        assert parse(text).median == 0
    for name in ("store_rate", "readiness_period", "script_poll", "felix_poll", "sandbox_retry"):
        with pytest.raises(ProfileError, match="must always be above 0"):
            build(migration(), {name: (parse(text), "--set")})


def test_profiles_are_read_from_toml_and_json(tmp_path: Path) -> None:
    toml = tmp_path / "office.toml"
    toml.write_text(
        '[parameters]\npull_node = "lognormal(2, 0.3)"\nkill = 1\n'
        'pull_cni = {distribution = "3", source = "measured in May"}\n'
        'sandbox = {distribution = "lognormal(1.2, 0.3)", observations = 20}\n'
    )
    name, settings = load(toml)
    assert name == "office"
    assert settings["pull_node"] == (Lognormal(2, 0.3), "profile office.toml", None)
    assert settings["kill"] == (Fixed(1), "profile office.toml", None)
    assert settings["pull_cni"] == (Fixed(3), "measured in May", None)
    assert settings["sandbox"] == (Lognormal(1.2, 0.3), "profile office.toml", 20)
    assert build(migration(), settings)["sandbox"].observations == 20
    json = tmp_path / "p.json"
    json.write_text('{"name": "lab", "parameters": {"kill": 2.5}}')
    assert load(json) == ("lab", {"kill": (Fixed(2.5), "profile p.json", None)})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("parameters = 3", "has a table `parameters`"),
        ("kill = 1", "has a table `parameters`"),
        ("[parameters]\nkill = true", "parameters.kill is no distribution"),
        ("[parameters]\nkill = [1]", "parameters.kill is no distribution"),
        ('[parameters]\nkill = "fast"', "parameters.kill: 'fast'"),
        ("[parameters.kill]\nsource = 'x'", "parameters.kill is no distribution"),
        ("[parameters]\nkill = {distribution = 1, count = 3}", "parameters.kill.count is no key of a parameter"),
        ("[parameters]\nkill = {distribution = 1, observations = 0}", "parameters.kill.observations: 0 is no number"),
        ("[parameters]\nkill = {distribution = 1, observations = true}", "write a whole number from 1 on"),
        ("[parameters]\nkill = {distribution = 1, observations = 2.5}", "2.5 is no number of observations"),
        ("[parameters", "at end of document"),
        ("\xff", "codec can't decode"),
    ],
)
def test_a_bad_profile_is_explained(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ProfileError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert why in str(error.value)


def test_a_lognormal_draw_is_cut() -> None:
    drawn = Lognormal(100, 3, 50, 200).sample(np.random.default_rng(3), (500,))
    assert drawn.min() == 50
    assert drawn.max() == 200
    assert Lognormal(8, 0.5).high == math.inf


# --- doubt ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observations", [3, 10, 60])
def test_what_few_observations_leave_open(observations: int) -> None:
    """Moments of the Normal-Inverse-Gamma posterior: E σ'² = σ², E ln m' = ln m, Var ln m' = σ²/n."""
    parameter = Parameter("sandbox", Lognormal(8, 0.5), "s", "-", "node", observations)
    doubt = parameter.doubt(np.random.default_rng(2), 400_000)
    centre, variance = np.log(doubt.scale), np.square(doubt.spread)
    assert variance.mean() == pytest.approx(1, rel=0.02)
    assert centre.mean() == pytest.approx(0, abs=0.002)
    assert centre.std() == pytest.approx(0.5 / math.sqrt(observations), rel=0.02)
    # A long σ' and a far median go together.
    assert np.corrcoef(variance, np.abs(centre))[0, 1] > 0.1


def test_a_posterior_predicts_a_student_t() -> None:
    """ln X of the next observation is t with n + 2 degrees of freedom: here P(|t6| > 2.447) = 5 %."""
    parameter = Parameter("sandbox", Lognormal(8, 0.5), "s", "-", "node", 4)
    random = np.random.default_rng(4)
    drawn = parameter.distribution.sample(random, (200_000,), parameter.doubt(random, 200_000))
    # Location 0, scale² = β/α (1 + 1/n) with α = 3, β = 2 σ².
    scale = 0.5 * math.sqrt(2 / 3 * (1 + 1 / 4))
    outside = (np.abs(np.log(drawn / 8)) / scale > 2.447).mean()
    assert outside == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize("distribution", [Fixed(3), FirstOf(3, 0, 60), Lognormal(3, 0), Uniform(2, 2)])
def test_what_has_no_spread_leaves_no_doubt(distribution: Distribution) -> None:
    parameter = Parameter("sandbox", distribution, "s", "-", "node", 2)
    assert not parameter.uncertain
    assert parameter.doubt(np.random.default_rng(1), 64) is CERTAIN
    assert Parameter("sandbox", Lognormal(3, 1), "s", "-").doubt(np.random.default_rng(1), 64) is CERTAIN


@pytest.mark.parametrize("distribution", [Uniform(2, 6), Uniform(0, 5), Lognormal(3, 0.4), Uniform(1, 1000)])
def test_the_spread_of_the_logarithm(distribution: Uniform | Lognormal) -> None:
    drawn = np.log(distribution.sample(np.random.default_rng(6), (200_000,)))
    assert drawn.std() == pytest.approx(distribution.log_spread, rel=0.02)


def test_a_doubted_uniform_distribution_is_scaled() -> None:
    doubt = Doubt(np.array([0.5, 1.0, 4.0]), np.array([3.0, 1.0, 0.1]))
    drawn = Uniform(2, 6).sample(np.random.default_rng(7), (4000, 3), doubt)
    assert drawn.min(axis=0) == pytest.approx([1, 2, 8], rel=0.01)
    assert drawn.max(axis=0) == pytest.approx([3, 6, 24], rel=0.01)


def test_ends_that_are_only_guessed_move_together() -> None:
    doubt = Parameter("services", Uniform(2, 6), "s", "-", "node", 2).doubt(np.random.default_rng(5), 100_000)
    assert doubt.spread == 1.0
    assert np.log(doubt.scale).std() == pytest.approx(Uniform(2, 6).log_spread / math.sqrt(2), rel=0.02)


def test_no_doubt_makes_a_duration_absurd() -> None:
    doubt = Doubt(np.full(64, 1e200), np.full(64, 1e3))
    for distribution in (Uniform(2, 6), Lognormal(3, 0.4)):
        drawn = distribution.sample(np.random.default_rng(7), (9, 64), doubt)
        assert drawn.max() == LONGEST
