from __future__ import annotations

from collections.abc import Container
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.rules import scale as rules
from calico_lint.rules.core import Rule
from tests.helpers import lint_spec, spec_text
from tests.rules.judge import ANY_VALUE, MINORS, assert_segments_agree, cluster_of, etcd

WARNING, INFO, ERROR = "warning", "info", "error"
OWN = {rule.id for rule in rules.RULES}
ETCD = etcd("version: 3.2.24", "version: 3.2.24") + "kubernetesVersion: 1.11.10\n"
GCE = "cloudProvider: gce\nnetworkCIDR: <absent>\n"
SUBNET_ON_GCE = "subnets: [{name: z1, region: us-test1, cidr: 100.100.0.0/20, type: Public}]\n"


def calico(keys: str = "") -> str:
    return f"networking: {{calico: {{{keys}}}}}\n"


def group(most: int | None = None, least: int | None = None, role: str = "Node", keys: str = "") -> str:
    sizes = "".join(f", {key}: {size}" for key, size in (("minSize", least), ("maxSize", most)) if size is not None)
    return f"---\n{{role: {role}{sizes}{keys}}}\n"


def pool(cidr: str, keys: str = "") -> str:
    return f"kubeControllerManager: {{clusterCIDR: {cidr}{keys}}}\n" + calico()


def found(lines: str | dict[str, Any], kops: str | None, **options: Any) -> set[tuple[str, str, str]]:
    return {
        (finding.rule, finding.field.removeprefix("spec."), finding.severity)
        for finding in lint_spec(lines, kops, **options)
        if finding.rule in OWN
    }


TYPHA, CLUSTER_CIDR = "networking.calico.typhaReplicas", "kubeControllerManager.clusterCIDR"

# lines, field below spec, the kOps minors in which the rule speaks of the field. It is silent in all others.
SPANS = [
    ("T821", calico() + group(60, 60), TYPHA, range(12, 37)),
    ("T821", ETCD + calico() + group(60, 60), TYPHA, range(22, 37)),
    ("T822", calico("typhaReplicas: 3") + group(700, 700), TYPHA, {15, 16, *range(18, 37)}),  # 1.17: T823
    ("T823", calico("typhaReplicas: 3") + group(3, 2), TYPHA, range(15, 37)),
    ("B825", calico() + group(120), "networking.calico", range(8, 37)),
    ("B825", calico("encapsulationMode: vxlan") + group(120), "networking.calico", range(8, 19)),
    ("B826", GCE + calico(), "networking.calico", range(8, 36)),
    ("B826", GCE + calico("encapsulationMode: vxlan"), "networking.calico", range(8, 19)),
    ("C831", GCE + SUBNET_ON_GCE, "nonMasqueradeCIDR", range(8, 28)),
    ("C831", "networkID: vpc-1\nnetworkCIDR: <absent>\n" + SUBNET_ON_GCE, "nonMasqueradeCIDR", range(8, 28)),
    ("C832", pool("100.96.0.0/27"), CLUSTER_CIDR, range(8, 37)),
    ("C833", pool("100.96.0.0/22") + group(40), CLUSTER_CIDR, {*range(8, 12), *range(15, 37)}),
    ("C834", pool("100.96.0.0/20") + group(40), CLUSTER_CIDR, {*range(8, 12), *range(15, 37)}),
    ("C835", pool("100.96.0.0/19") + group(60), CLUSTER_CIDR, {*range(8, 12), *range(15, 37)}),
    ("C836", pool("100.96.0.0/20") + group(16), CLUSTER_CIDR, range(8, 37)),
    ("C836", pool("100.96.0.0/25"), CLUSTER_CIDR, range(8, 37)),
    ("C837", "nonMasqueradeCIDR: 11.0.0.0/9\n", "nonMasqueradeCIDR", range(8, 37)),
    ("C838", pool("100.96.1.0/11"), CLUSTER_CIDR, range(8, 37)),
    ("C838", "nonMasqueradeCIDR: 169.254.0.0/16\n", "nonMasqueradeCIDR", range(8, 37)),
    ("C839", "nonMasqueradeCIDR: 10.128.0.0/9\n", "serviceClusterIPRange", range(28, 37)),
    ("C840", "kubeProxy: {clusterCIDR: 10.0.0.0/8}\n", "kubeProxy.clusterCIDR", range(8, 37)),
]


@pytest.mark.parametrize(("rule", "lines", "field", "expected"), SPANS)
def test_a_rule_holds_from_its_first_to_its_last_release(
    rule: str, lines: str, field: str, expected: Container[int]
) -> None:
    for minor in MINORS:
        seen = {place for id, place, _ in found(lines, f"1.{minor}") if id == rule}
        assert seen == ({field} if minor in expected else set()), f"kOps 1.{minor}"


def severity(rule: str, lines: str, kops: str = "1.30") -> str | None:
    return next((severity for id, _, severity in found(lines, kops) if id == rule), None)


# The base spec has one etcd member, so one node of the control plane without a group of its own.
@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (group(49), None),
        (group(50), WARNING),
        (group(99), WARNING),
        (group(100), ERROR),
        (group(30, 1) + group(20, 1), WARNING),
        (group(50) + group(0, 0, "ControlPlane"), None),
        (group(48) + group(3, 3, "Master"), WARNING),
        (group(48) + group(3, 3, "APIServer"), WARNING),
        (group(48) + group(3, 3, "Bastion"), None),
        (group(), None),
        (group(3, keys=", manager: Karpenter"), INFO),
        (group(60, keys=", manager: Karpenter"), WARNING),
    ],
)
def test_how_many_nodes_need_typha(groups: str, expected: str | None) -> None:
    assert severity("T821", calico() + groups) == expected
    assert severity("T821", calico("typhaReplicas: 0") + groups) == expected
    assert severity("T821", calico("typhaReplicas: 3") + groups) is None


@pytest.mark.parametrize(
    ("replicas", "groups", "expected"),
    [
        (3, group(599, 599), None),
        (3, group(600, 600), "T822"),
        (4, group(600, 600), None),
        (20, group(5000, 5000), None),
        (21, group(5000, 5000), "T822"),
        (1, group(5, 5), "T822"),
        (2, group(9, 3), "T822"),
        (2, group(9, 2), None),  # three nodes are too few for three
        (1, "", "T822"),
        (3, "", None),
        (3, group(9, 2), "T823"),
        (3, group(9, 3), None),
        (4, group(9, 3), "T823"),
        (300, group(100, 50), "T823"),
        (0, group(9, 3), None),
        (-1, group(9, 3), None),
        (1, group(1, 0) + group(0, 0, "ControlPlane"), "T823"),
        (3, group(3, 3, "ControlPlane"), None),  # how many workers is not known
    ],
)
def test_how_many_typhas(replicas: int, groups: str, expected: str | None) -> None:
    rules_found = {id for id, _, _ in found(calico(f"typhaReplicas: {replicas}") + groups, "1.30") if id[:3] == "T82"}
    assert rules_found == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("kops", "kubernetes", "least", "expected"),
    [
        ("1.18", "1.15.12", {"ControlPlane": 3, "Node": 3}, True),  # not on the control plane
        ("1.18", "1.15.12", {"ControlPlane": 3, "Node": 4}, False),
        ("1.17", "1.16.15", {"ControlPlane": 3, "Node": 9}, True),  # only there
        ("1.17", "1.16.15", {"ControlPlane": 5, "Node": 2}, False),
        ("1.18", "1.16.15", {"ControlPlane": 1, "Node": 2}, True),
        ("1.18", "1.16.15", {"ControlPlane": 1, "Node": 3}, False),
    ],
)
def test_where_typha_may_run(kops: str, kubernetes: str, least: dict[str, int], expected: bool) -> None:
    groups = "".join(group(size, size, role) for role, size in least.items())
    lines = f"kubernetesVersion: {kubernetes}\n" + calico("typhaReplicas: 3") + groups
    assert (severity("T823", lines, kops) == ERROR) is expected


@pytest.mark.parametrize(
    ("prefix", "keys", "groups", "expected"),
    [
        # /22: 16 blocks of 64; the control plane has one node.
        (22, "", group(15), "C834"),
        (22, "", group(16), "C833"),
        (22, "", group(7), "C835"),
        (22, "", group(8), "C834"),
        (22, "", group(3), None),
        (22, "kubelet: {maxPods: 64}\n", group(15), "C835"),
        (22, "kubelet: {maxPods: 30}\n", group(15), None),
        (22, "masterKubelet: {maxPods: 10}\nkubelet: {maxPods: 64}\n", group(7), None),
        (22, "", group(7, keys=", kubelet: {maxPods: 250}"), "C834"),
        (22, "", "", None),  # how many nodes is not known
        (11, "", group(500), None),
        (27, "", group(5), "C832"),
        (26, "", group(1) + group(0, 0, "ControlPlane"), "C834"),
    ],
)
def test_room_for_pods(prefix: int, keys: str, groups: str, expected: str | None) -> None:
    lines = f"{keys}kubeControllerManager: {{clusterCIDR: 100.96.0.0/{prefix}, allocateNodeCIDRs: false}}\n"
    rules_found = {id for id, _, _ in found(lines + calico() + groups, "1.30") if id[:3] == "C83"}
    assert rules_found == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("cidr", "keys", "nodes", "kops", "expected"),
    [
        ("100.96.0.0/20", "", 15, "1.13", None),
        ("100.96.0.0/20", "", 16, "1.13", ERROR),
        ("100.96.0.0/20", "", 16, "1.16", INFO),
        ("100.96.0.0/20", ", nodeCIDRMaskSize: 25", 16, "1.13", None),
        ("100.96.0.0/20", ", nodeCIDRMaskSize: 23", 8, "1.13", ERROR),
        ("100.96.0.0/20", ", allocateNodeCIDRs: false", 16, "1.13", None),
        ("100.96.0.0/24", "", 0, "1.30", None),
        ("100.96.0.0/25", "", 0, "1.30", ERROR),
        ("100.96.0.0/25", ", nodeCIDRMaskSize: 26", 0, "1.30", None),
        ("100.96.0.0/27", "", 0, "1.30", None),  # C832
    ],
)
def test_ranges_for_nodes(cidr: str, keys: str, nodes: int, kops: str, expected: str | None) -> None:
    lines = pool(cidr, keys) + (group(nodes, nodes) if nodes else "")
    assert severity("C836", lines, kops) == expected


CASES = [
    (calico(), "1.30", set()),
    ("networking: {calico: null}\n" + group(500), "1.30", set()),
    ("networking: {cilium: {}}\n" + group(500), "1.30", set()),
    ("kubernetesVersion: latest\n" + calico("typhaReplicas: 9") + group(500), "1.30", set()),
    (calico("typhaReplicas: text") + group(40), "1.30", set()),
    (calico("typhaReplicas: true") + group(40), "1.30", set()),
    ('nonMasqueradeCIDR: "::/0"\n' + calico(), "1.30", set()),
    ('nonMasqueradeCIDR: "::/0"\n' + calico() + group(40), "1.30", set()),
    ("nonMasqueradeCIDR: 10.128.0.0/9\nserviceClusterIPRange: 10.128.0.0/12\n", "1.30", set()),
    ("nonMasqueradeCIDR: 100.0.0.0/8\n", "1.30", {("C837", "nonMasqueradeCIDR", WARNING)}),
    ("nonMasqueradeCIDR: 100.64.0.0/14\n", "1.30", set()),  # KN409
    ("networkCIDR: 100.96.0.0/16\n", "1.24", set()),  # KN401
    ("podCIDR: 10.30.0.0/16\nnetworkCIDR: 10.30.0.0/16\n", "1.30", {("C831", "podCIDR", WARNING)}),
    ("additionalNetworkCIDRs: [10.40.0.0/16]\nkubeControllerManager: {clusterCIDR: 10.40.0.0/17}\n", "1.24",
     {("C831", CLUSTER_CIDR, WARNING)}),
    ("kubeProxy: {clusterCIDR: 100.64.0.0/10}\n", "1.30", set()),
    ("kubeProxy: {clusterCIDR: '100.96.0.0/11,fd00::/64'}\n", "1.30", set()),
    ("kubeProxy: {clusterCIDR: 100.96.0.0/12}\n", "1.30", {("C840", "kubeProxy.clusterCIDR", ERROR)}),
    ("kubeProxy: {clusterCIDR: 10.0.0.0/8, enabled: false}\n", "1.30", set()),
    ("kubeProxy: {clusterCIDR: text}\n", "1.30", set()),
    ("apiVersion: kops.k8s.io/v1alpha3\ncloudProvider: {gce: {}}\nnetworkCIDR: <absent>\n" + calico(), "1.30",
     {("B826", "networking.calico", WARNING)}),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "kops", "expected"), CASES)
def test_cases(lines: str, kops: str, expected: set[tuple[str, str, str]]) -> None:
    assert found(lines, kops) == expected


@pytest.mark.parametrize(
    ("rule", "lines", "severity", "releases"),
    [
        ("T821", "kubernetesVersion: 1.30.4\n" + calico() + group(200), ERROR, None),
        ("C839", "kubernetesVersion: 1.26.4\nnonMasqueradeCIDR: 10.128.0.0/9\n" + calico(), WARNING, "1.28-1.31"),
        ("B826", "kubernetesVersion: 1.31.4\n" + GCE + calico(), None, None),  # kOps 1.36 may be the one
        ("B826", "kubernetesVersion: 1.28.4\n" + GCE + calico(), WARNING, None),
    ],
)
def test_inferred_releases(rule: str, lines: str, severity: str | None, releases: str | None) -> None:
    findings = [finding for finding in lint_spec(lines, None, base="1.30") if finding.rule == rule]
    assert [(each.severity, each.releases) for each in findings] == ([(severity, releases)] if severity else [])


def test_sizes_are_shown_largest_first() -> None:
    lines = calico() + group(20) + group(90) + group(30) + group(10)
    text = spec_text(lines, "1.30").splitlines()
    (finding,) = [finding for finding in lint_spec(lines, "1.30") if finding.rule == "T821"]
    shown = [text[related.range.line - 1].strip() for related in finding.related]
    assert shown == ["maxSize: 90", "maxSize: 30", "maxSize: 20"]


FIXES = [
    (calico("version: v3.27.3") + group(90, 9), "T821", "typhaReplicas: 3"),
    (calico("typhaReplicas: 0") + group(90, 9), "T821", "3"),
    (calico("typhaReplicas: 3") + group(700, 700), "T822", "4"),
    (calico("typhaReplicas: 5") + group(5, 3), "T823", "3"),
    (pool("100.96.1.0/11"), "C838", "100.96.0.0/11"),
    ("nonMasqueradeCIDR: 10.128.0.0/9\n" + calico(), "C839", "serviceClusterIPRange: 10.128.0.0/12"),
    ("kubeProxy: {clusterCIDR: 10.0.0.0/8, enabled: true}\n" + calico(), "C840", ""),
]


@pytest.mark.parametrize(("lines", "rule", "text"), FIXES)
def test_fixes(lines: str, rule: str, text: str) -> None:
    (finding,) = [finding for finding in lint_spec(lines, "1.30") if finding.rule == rule]
    assert finding.fix is not None
    assert not finding.fix.safe
    assert "".join(edit.text for edit in finding.fix.edits).strip() == text


def test_no_fix_makes_more_typhas_than_there_are_nodes() -> None:
    (finding,) = [each for each in lint_spec(calico() + group(90, 2), "1.30") if each.rule == "T821"]
    assert finding.fix is None


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_one_release_stands_for_its_segment(rule: Rule) -> None:
    examples = [(example.yaml, example.kops) for example in rule.text.bad + rule.text.good]
    spans = [(lines, "1.16") for id, lines, _, _ in SPANS if id == rule.id]
    for lines, kops in [*examples, *spans, *((lines, kops) for lines, kops, _ in CASES)]:
        assert_segments_agree(rule, cluster_of(lines, kops))


@given(
    st.sampled_from(("maxPods", "clusterCIDR", "typhaReplicas", "minSize", "manager", "role")),
    ANY_VALUE,
    ANY_VALUE,
    st.sampled_from((None, "1.8", "1.13", "1.17", "1.28", "1.36")),
)
@settings(max_examples=80, deadline=None)
def test_no_value_makes_a_rule_raise(key: str, value: object, other: object, kops: str | None) -> None:
    spec: dict[str, Any] = {
        "kubelet": {key: value}, "masterKubelet": other, "kubeProxy": {key: value}, "etcdClusters": other,
        "kubeControllerManager": {key: value, "nodeCIDRMaskSize": other}, "networking": {"calico": {key: value}},
    }  # fmt: skip
    lint_spec(spec, kops)


@given(st.integers(8, 30), st.integers(0, 400), st.integers(0, 400))
@settings(max_examples=50, deadline=None)
def test_more_nodes_are_never_better_for_a_pool(prefix: int, nodes: int, more: int) -> None:
    order = (None, "C835", "C834", "C833", "C832")

    def worst(count: int) -> str | None:
        lines = pool(f"100.0.0.0/{prefix}", ", allocateNodeCIDRs: false") + group(count, count)
        return next((id for id, _, _ in found(lines, "1.30") if id in order), None)

    assert order.index(worst(nodes + more)) >= order.index(worst(nodes))
