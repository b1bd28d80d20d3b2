"""The route: which steps, in which order, and why there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.kops.etcd import LEGACY, MANAGER
from calico_lint.kops.releases import newest_of_minor, parse_release, takes_kubernetes
from calico_lint.linter import lint_sources
from calico_lint.yaml_source import Source
from simulator.cli import main
from simulator.planning import Options
from simulator.route import Route, RouteError, State, find_route, moves_from, parse_goal, stages, start_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "specs"


def route(start: State, *goals: str) -> Route:
    return find_route(start, (), [parse_goal(text) for text in goals])


def steps(found: Route) -> list[str]:
    """Each step by its kind and where it leads."""
    return [
        {
            "kops": f"kops 1.{move.after.kops}",
            "kubernetes": f"kubernetes 1.{move.after.kubernetes}",
            "etcd": f"etcd {move.after.etcd[0]}.{move.after.etcd[1]}",
        }.get(move.kind, move.kind)
        for move in found.moves
    ]


@pytest.mark.parametrize(
    ("start", "goal", "expected"),
    [
        # The migration needs a kOps that knows majorVersion and whose Job ends: 1.11 to 1.14.
        (State(10, 10, (3, 2), LEGACY, False), "v3", ["kops 1.14", "migration"]),
        (State(13, 10, (3, 2), LEGACY, False), "v3", ["migration"]),
        # Calico of kOps 1.8 is older than 2.6.5 unless it was applied again: the newer kOps does that first.
        (State(8, 8, (3, 1), LEGACY, False), "v3", ["kops 1.14", "migration"]),
        # etcd 2 stays on Calico v2, or moves first, which only etcd-manager can do.
        (State(10, 10, (2, 2), LEGACY, False), "v3", ["kops 1.14", "provider", "etcd 3.2", "migration"]),
        (State(14, 11, (2, 2), MANAGER, False), "v3", ["etcd 3.2", "migration"]),
        # From 1.15 on the Job never ends: what is left is to cross Kubernetes 1.12.
        (State(16, 10, (3, 2), LEGACY, False), "v3", ["kubernetes 1.11", "kubernetes 1.12"]),
        (State(8, 6, (3, 1), LEGACY, False), "v3", ["kops 1.14", "kubernetes 1.7", "migration"]),
        (State(12, 11, (3, 2), LEGACY, True), "crd", ["kubernetes 1.12"]),
        # Kubernetes never ahead of kOps, one minor at a time; kOps may skip.
        (State(24, 24, (3, 5), MANAGER, False), "kubernetes=1.26",
         ["kops 1.29", "kubernetes 1.25", "kubernetes 1.26"]),
        (State(30, 30, (3, 5), MANAGER, False), "v3", []),
        # kOps 1.28 runs no etcd 3.2 any more.
        (State(27, 27, (3, 2), MANAGER, False), "kops=1.28", ["etcd 3.3", "etcd 3.4", "kops 1.28"]),
    ],
)  # fmt: skip
def test_the_steps(start: State, goal: str, expected: list[str]) -> None:
    found = route(start, goal)
    assert steps(found) == expected
    assert not found.refused


@pytest.mark.parametrize(
    ("start", "goal", "expected"),
    [
        # etcd with TLS under etcd-manager leaves Calico without its certificate, so etcd 2 cannot move before 1.12 ...
        (State(14, 11, (2, 2), LEGACY, False, tls=True), "v3", ["kubernetes 1.12"]),
        # ... and Kubernetes 1.13 and later store nothing in etcd 2.
        (State(14, 12, (2, 2), LEGACY, False), "kubernetes=1.13", ["provider", "etcd 3.2", "kubernetes 1.13"]),
    ],
)
def test_a_rule_that_forbids_one_way_leads_another(start: State, goal: str, expected: list[str]) -> None:
    assert steps(route(start, goal)) == expected


def test_no_route_names_the_rules_that_stand_in_the_way() -> None:
    goal = parse_goal("calico=3.1")
    stuck = find_route(State(11, 10, (2, 2), LEGACY, False), (), [goal, parse_goal("kops=1.11")])
    assert not stuck.moves
    assert {move.refused[0] for move in stuck.refused if move.refused} <= {"P704", "KC102"}
    assert stuck.refused


@pytest.mark.parametrize(
    ("goal", "part"),
    [
        ("v4", "no goal"),
        ("kops=2.0", "known releases"),
        ("kops=1.99", "known releases"),
        ("kubernetes=1.24.x", "no goal"),
        ("", "no goal"),
    ],
)
def test_goals_that_are_none(goal: str, part: str) -> None:
    with pytest.raises(RouteError, match=part):
        parse_goal(goal)


def test_nothing_goes_back() -> None:
    with pytest.raises(RouteError, match="older release"):
        route(State(23, 22, (3, 5), MANAGER, False), "kops=1.20")


states = st.builds(
    State,
    st.integers(8, 36),
    st.integers(5, 36),
    st.sampled_from([(2, 2), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5)]),
    st.sampled_from([LEGACY, MANAGER]),
    st.booleans(),
    st.booleans(),
).filter(lambda state: takes_kubernetes(state.kops, state.kubernetes) and state.manifest is not None)


@given(states, st.sampled_from(["v3", "crd", "kops=1.36", "kubernetes=1.20", "calico=3.20"]))
@settings(max_examples=25, deadline=None)
def test_a_route_is_a_chain_of_safe_single_steps(start: State, goal: str) -> None:
    parsed = parse_goal(goal)
    try:
        found = find_route(start, (), [parsed])
    except RouteError:
        return
    state = start
    for move in found.moves:
        assert move.refused is None
        assert move.before == state
        assert sum(before != after for before, after in zip(move.before, move.after, strict=True)) == 1
        assert takes_kubernetes(move.after.kops, move.after.kubernetes)
        state = move.after
    assert parsed.reached(state) or found.refused


@given(states)
@settings(max_examples=50, deadline=None)
def test_a_step_goes_forward(state: State) -> None:
    for move in moves_from(state, parse_goal("kops=1.36")):
        before, after = move.before, move.after
        assert (after.kops, after.kubernetes, after.etcd) >= (before.kops, before.kubernetes, before.etcd)


@pytest.mark.parametrize(
    ("spec", "goal"),
    [
        ("calico-v2.yaml", "v3"),
        ("calico-v2-etcd-2.yaml", "v3"),
        ("calico-v2.yaml", "kubernetes=1.16"),
        ("calico-v3-rolling.yaml", "kubernetes=1.32"),
    ],
)
def test_the_linter_agrees_with_every_step(spec: str, goal: str) -> None:
    """The route is found from tables; each pair of specs that it makes must pass the rules as well."""
    source = Source(spec, (FIXTURES / spec).read_bytes())
    cluster, releases = lint_sources(source).clusters[0]
    start, assumptions = start_of(cluster, releases)
    found = find_route(start, assumptions, [parse_goal(goal)])
    assert found.moves
    for stage in stages(found, source, Options(replications=2)):
        # O888: the images are older than the kOps of the later steps. That is for the user to put right.
        assert {finding.rule for finding in stage.findings} <= {"O888"}, stage.move.title


def test_an_anchor_ends_the_predictions() -> None:
    text = (FIXTURES / "calico-v2.yaml").read_text().replace("calico: {}", "calico: &calico {}")
    source = Source("anchored.yaml", text.encode())
    cluster, _ = lint_sources(source).clusters[0]
    start, assumptions = start_of(cluster, parse_release("1.14"))
    (stage,) = stages(find_route(start, assumptions, [parse_goal("v3")]), source, Options(replications=2))
    assert "by hand" in stage.unpredicted


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(FIXTURES / "calico-v2-etcd-2.yaml")
    assert main(["route", path, "--to", "v3", "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [step["kind"] for step in answer["steps"]] == ["kops", "provider", "etcd", "migration"]
    assert answer["steps"][2]["write"][0] == {"field": "spec.etcdClusters[0].version", "value": "3.2.24"}
    assert answer["steps"][3]["windows"]["scheduling_block"]["p50"] > 0
    assert main(["route", path, "--to", "v3"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("ROUTE  prod.example.com to Calico v3: 4 steps\n")
    assert "   $ kops update cluster prod.example.com --yes\n" in text
    assert str(newest_of_minor(14)) in text


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["calico-v2.yaml", "--to", "v9"], 2, "no goal"),
        (["calico-v2.yaml", "--to", "v3", "--kops-version", "one"], 2, "not a kOps version"),
        (["nothing.yaml", "--to", "v3"], 2, "No such file"),
        (["calico-v2.yaml", "--to", "kops=1.8"], 1, "no upgrade leads"),
    ],
)
def test_answers_that_are_none(arguments: list[str], code: int, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", str(FIXTURES / arguments[0]), *arguments[1:]]) == code
    assert part in capsys.readouterr().err
