"""What the tests of the rule modules share: a spec's findings as comparable tuples, and checks for every rule."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from calico_lint import rules
from calico_lint.cluster import Cluster
from calico_lint.kops.releases import NEWEST_PATCH, inferred
from calico_lint.rules.core import Hit, Rule
from calico_lint.yaml_source import Node, Source
from tests.helpers import lint_spec, spec_text

MINORS = tuple(NEWEST_PATCH)
V1ALPHA3 = "apiVersion: kops.k8s.io/v1alpha3\n"
OWN = {rule.id for topic in ("calico", "networking", "etcd") for rule in rules.load(topic).RULES}

# Any value that JSON, and so a spec as kOps decodes it, can hold.
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def members(count: int = 1) -> str:
    """A YAML list of etcd members."""
    return f"[{', '.join(f'{{name: m{n}, instanceGroup: cp-{n}}}' for n in range(count))}]"


def etcd(main: str, events: str = "") -> str:
    """The etcd clusters main and events, each with one member and further keys."""
    return "etcdClusters:\n" + "".join(
        f"- {{name: {name}, etcdMembers: {members()}{', ' if keys else ''}{keys}}}\n"
        for name, keys in (("main", main), ("events", events))
    )


def found(lines: str | dict[str, Any] | None, kops: str | None, **options: Any) -> set[tuple[str, str, str]]:
    """(rule, field below spec, severity) of the findings that the rules under test make of a spec."""
    return {
        (finding.rule, finding.field.removeprefix("spec."), finding.severity)
        for finding in lint_spec(lines, kops, **options)
        if finding.rule in OWN
    }


def only(rule: str, lines: str | dict[str, Any] | None, kops: str | None, **options: Any) -> Any:
    """The one finding of a rule."""
    (finding,) = [finding for finding in lint_spec(lines, kops, **options) if finding.rule == rule]
    return finding


def cluster_of(lines: str, kops: str | None) -> Cluster:
    """The cluster that `lint_spec` lints."""
    return Cluster(Source("spec.yaml", spec_text(lines, kops).encode()).documents[0])


def assert_segments_agree(rule: Rule, cluster: Cluster) -> None:
    """The release that stands for a group of releases answers for each of them."""
    asked: list[tuple[Node, ...]] = [()]
    if rule.on:
        nodes = [cluster.at(path) for path in rule.on]
        asked = [(node,) for node in nodes if node is not None and node.value is not None]
    for subjects in asked:
        for representative, group in rule.segments(inferred(tuple(MINORS))):
            expected = [_answer(hit) for hit in rule.check(cluster, representative, *subjects)]
            for release in group:
                answer = [_answer(hit) for hit in rule.check(cluster, release, *subjects)]
                assert answer == expected, f"{rule.id} for kOps {release}, judged by {representative}"


def _answer(hit: Hit) -> tuple[object, ...]:
    return (hit.field, hit.range, hit.message, hit.severity, hit.origin)
