from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.rules import addresses as rules
from calico_lint.rules.core import Rule
from tests.helpers import lint_spec
from tests.rules.judge import ANY_VALUE, MINORS, V1ALPHA3, assert_segments_agree, cluster_of, only

ERROR, WARNING = "error", "warning"
OWN = {rule.id for rule in rules.RULES}
NEW = "apiVersion: kops.k8s.io/v1alpha3\ncloudProvider: {aws: {}}\n"
GCE = "cloudProvider: gce\nnetworkCIDR: <absent>\n"


def network(lines: str = "", **values: str) -> str:
    """v1alpha3, with the addresses below `networking`, where kOps has them since 1.26."""
    keys = {"nonMasqueradeCIDR": "100.64.0.0/10", "networkCIDR": "10.30.0.0/16", **values}
    inner = ", ".join(f"{key}: {value}" for key, value in keys.items())
    absent = "networkCIDR: <absent>\nnonMasqueradeCIDR: <absent>\nsubnets: <absent>\n"
    return f"{NEW}{absent}networking: {{calico: {{}}, {inner}}}\n{lines}"


def subnets(*cidrs: str, key: str = "cidr") -> str:
    members = ", ".join(f"{{name: z{n}, zone: us-test-1a, {key}: '{cidr}'}}" for n, cidr in enumerate(cidrs))
    return f"subnets: [{members}]\n"


def found(lines: str | dict[str, Any] | None, kops: str | None, **options: Any) -> set[tuple[str, str, str]]:
    return {
        (finding.rule, finding.field.removeprefix("spec."), finding.severity)
        for finding in lint_spec(lines, kops, **options)
        if finding.rule in OWN
    }


# A spec that is wrong, the field, the first and the last kOps minor that objects. The rule is silent outside.
SPANS = [
    ("KN401", "networkCIDR: 100.64.0.0/16", "nonMasqueradeCIDR", 8, 36),
    ("KN401", "networkCIDR: 100.0.0.0/8", "nonMasqueradeCIDR", 8, 36),
    ("KN401", "nonMasqueradeCIDR: 10.30.255.0/24", "nonMasqueradeCIDR", 8, 36),
    ("KN401", "networkCIDR: 100.127.255.0/24\nnonMasqueradeCIDR: <absent>", "nonMasqueradeCIDR", 8, 36),
    ("KN401", "networkCIDR: 100.64.0.0/16\nnetworking: {amazonvpc: {}}", "nonMasqueradeCIDR", 8, 8),
    ("KN401", "networkCIDR: 100.64.0.0/16\nnetworking: {cilium: {ipam: eni}}", "nonMasqueradeCIDR", 8, 17),
    ("KN401", "cloudProvider: gce\nnetworkCIDR: 100.64.0.0/16", "nonMasqueradeCIDR", 8, 27),
    ("KN401", "networkCIDR: <absent>\nnonMasqueradeCIDR: 172.16.0.0/12", "nonMasqueradeCIDR", 8, 36),
    (
        "KN401",
        "cloudProvider: azure\nnetworkCIDR: <absent>\nnonMasqueradeCIDR: 10.0.0.0/8",
        "nonMasqueradeCIDR",
        34,
        36,
    ),
    (
        "KN401",
        "cloudProvider: alicloud\nnetworkCIDR: <absent>\nnonMasqueradeCIDR: 192.168.0.0/20",
        "nonMasqueradeCIDR",
        10,
        23,
    ),
    ("KN402", "additionalNetworkCIDRs: [10.40.0.0/16, 100.127.0.0/16]", "nonMasqueradeCIDR", 27, 36),
    ("KN403", "serviceClusterIPRange: 10.99.0.0/16", "serviceClusterIPRange", 8, 27),
    ("KN403", "serviceClusterIPRange: 100.0.0.0/9", "serviceClusterIPRange", 8, 27),
    ("KN403", "serviceClusterIPRange: 'fd00::/108'", "serviceClusterIPRange", 8, 27),
    ("KN403", GCE + "serviceClusterIPRange: 10.99.0.0/16", "serviceClusterIPRange", 8, 26),
    ("KN403", GCE + "serviceClusterIPRange: 10.99.0.0/16\nnetworking: {gce: {}}", "serviceClusterIPRange", 8, 14),
    ("KN404", "kubeControllerManager: {clusterCIDR: 10.1.0.0/16}", "kubeControllerManager.clusterCIDR", 8, 36),
    ("KN404", "podCIDR: 10.1.0.0/16", "kubeControllerManager.clusterCIDR", 22, 27),
    ("KN405", "podCIDR: 10.1.0.0/16", "podCIDR", 28, 36),
    ("KN405", "podCIDR: 100.0.0.0/9", "podCIDR", 28, 36),
    ("KN405", "podCIDR: 10.1.0.0/16\nnonMasqueradeCIDR: <absent>", "podCIDR", 28, 36),
    ("KN406", "podCIDR: 10.30.0.0/16", "subnets[0].cidr", 28, 36),
    ("KN406", GCE + subnets("100.96.0.0/20"), "subnets[0].cidr", 28, 36),
    ("KN407", "serviceClusterIPRange: 10.30.63.0/24", "subnets[0].cidr", 28, 36),
    ("KN407", GCE + subnets("100.71.255.0/24"), "subnets[0].cidr", 28, 36),
    ("KN408", subnets("10.30.0.0/17", "192.0.2.0/24"), "subnets[1].cidr", 8, 36),
    ("KN408", subnets("10.0.0.0/8"), "subnets[0].cidr", 8, 36),
    ("KN408", "networkCIDR: '::/0'\n" + subnets("10.30.0.0/20"), "subnets[0].cidr", 8, 36),
    ("KN408", "additionalNetworkCIDRs: [192.0.2.0/24]\n" + subnets("192.0.2.0/24"), "subnets[0].cidr", 8, 8),
    ("KN408", "networkCIDR: <absent>", "subnets[0].cidr", 8, 36),
    ("KN408", "cloudProvider: azure\nnetworkCIDR: <absent>", "subnets[0].cidr", 34, 36),
    ("KN408", "cloudProvider: gce\n" + subnets("192.0.2.0/24"), "subnets[0].cidr", 8, 27),
    ("KN410", "nonMasqueradeCIDR: '::/0'", "nonMasqueradeCIDR", 8, 21),
    ("KN410", "nonMasqueradeCIDR: 'fd00:1::/64'\nkubeControllerManager: {clusterCIDR: 'fd00:1::/80'}",
     "nonMasqueradeCIDR", 23, 36),
    ("KN411", "serviceClusterIPRange: 100.64.0.0/13\nkubeAPIServer: {serviceClusterIPRange: 100.64.0.0/14}",
     "serviceClusterIPRange", 8, 17),
    ("KN411", "serviceClusterIPRange: 100.64.0.0/13\nkubeAPIServer: {serviceClusterIPRange: 100.64.0.0/14}",
     "kubeAPIServer.serviceClusterIPRange", 18, 36),
    ("KN411", "kubeAPIServer: {serviceClusterIPRange: 100.64.0.0/13}", "kubeAPIServer.serviceClusterIPRange", 27, 36),
    ("KN411", "kubeAPIServer: {serviceClusterIPRange: 100.64.0.0/14}", "kubeAPIServer.serviceClusterIPRange", 18, 36),
    ("KN412", "kubelet: {nonMasqueradeCIDR: 10.0.0.0/8}", "nonMasqueradeCIDR", 8, 17),
    ("KN412", "kubelet: {nonMasqueradeCIDR: 10.0.0.0/8}", "kubelet.nonMasqueradeCIDR", 18, 36),
    ("KN412", "masterKubelet: {nonMasqueradeCIDR: 100.64.0.0/10}", "masterKubelet.nonMasqueradeCIDR", 24, 36),
    ("KN413", "networkCIDR: not-a-cidr", "networkCIDR", 8, 36),
    ("KN413", "networkCIDR: 10.30.1.0/16", "networkCIDR", 27, 36),
    ("KN413", "cloudProvider: gce\nnetworkCIDR: not-a-cidr", "networkCIDR", 8, 27),
    ("KN413", "nonMasqueradeCIDR: 100.64.0.0", "nonMasqueradeCIDR", 8, 36),
    ("KN413", "nonMasqueradeCIDR: 100.64.0.1/10", "nonMasqueradeCIDR", 27, 36),
    ("KN413", "serviceClusterIPRange: 100.64.0.0/33", "serviceClusterIPRange", 8, 36),
    ("KN413", "serviceClusterIPRange: 100.64.0.1/13", "serviceClusterIPRange", 27, 36),
    ("KN413", "podCIDR: not-a-cidr", "podCIDR", 22, 36),
    ("KN413", "podCIDR: 100.96.0.1/11", "podCIDR", 28, 36),
    ("KN413", "kubeControllerManager: {clusterCIDR: not-a-cidr}", "kubeControllerManager.clusterCIDR", 8, 36),
    ("KN413", subnets("10.30.32.0"), "subnets[0].cidr", 8, 36),
    ("KN413", subnets("10.30.32.1/19"), "subnets[0].cidr", 18, 36),
    ("KN413", "additionalNetworkCIDRs: [10.40.0.0/16, x]", "additionalNetworkCIDRs", 9, 26),
    ("KN413", "additionalNetworkCIDRs: [10.40.0.0/16, x]", "additionalNetworkCIDRs[1]", 18, 36),
    ("KN413", "additionalNetworkCIDRs: [10.40.0.1/16]", "additionalNetworkCIDRs[0]", 18, 36),
    ("KN413", "sshAccess: [203.0.113.7]", "sshAccess[0]", 8, 36),
    ("KN413", "kubernetesApiAccess: [203.0.113.7/24]", "kubernetesApiAccess[0]", 18, 36),
    ("KN413", "nodePortAccess: [pl-1234]", "nodePortAccess[0]", 8, 22),
    ("KN413", "cloudProvider: openstack\nnodePortAccess: [pl-1234]", "nodePortAccess[0]", 8, 36),
    ("KN413", "kubeProxy: {ipvsExcludeCidrs: [x]}", "kubeProxy.ipvsExcludeCidrs[0]", 11, 36),
    ("KN413", subnets("x", key="ipv6CIDR"), "subnets[0].ipv6CIDR", 22, 36),
    ("KN413", subnets("10.0.0.0/8", key="ipv6CIDR"), "subnets[0].ipv6CIDR", 22, 36),
    ("KN413", subnets("/129#1", key="ipv6CIDR"), "subnets[0].ipv6CIDR", 22, 36),
    ("KN413", "networkCIDR: 010.30.0.0/16", "networkCIDR", 23, 36),
    ("KN414", "cloudProvider: gce", "networkCIDR", 8, 36),
    ("KN414", "cloudProvider: digitalocean", "networkCIDR", 8, 22),
    ("KN414", "cloudProvider: digitalocean\nnetworkID: net-1", "networkCIDR", 8, 36),
    ("KN414", "cloudProvider: digitalocean\nnetworkCIDR: 192.0.2.0/24", "networkCIDR", 8, 36),
    ("KN414", "cloudProvider: linode\nnetworkCIDR: 192.0.2.0/24", "networkCIDR", 36, 36),
    ("KN414", "cloudProvider: baremetal", "networkCIDR", 8, 18),
    ("KN415", GCE + "additionalNetworkCIDRs: [10.40.0.0/16]", "additionalNetworkCIDRs", 27, 36),
    ("KN415", "cloudProvider: <absent>\nadditionalNetworkCIDRs: [10.40.0.0/16]", "additionalNetworkCIDRs", 27, 36),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "lines", "field", "first", "last"), SPANS)
def test_a_rule_holds_from_its_first_to_its_last_release(
    rule: str, lines: str, field: str, first: int, last: int
) -> None:
    for minor in MINORS:
        seen = {(id, place) for id, place, severity in found(lines, f"1.{minor}") if severity == ERROR}
        assert ((rule, field) in seen) == (first <= minor <= last), f"kOps 1.{minor}"


CASES: list[tuple[str, str, set[tuple[str, str, str]]]] = [
    ("", "1.8", set()),
    ("", "1.36", set()),
    ("networkCIDR: <absent>\nnonMasqueradeCIDR: <absent>\n" + subnets("172.20.32.0/19"), "1.36", set()),
    # KN401 to KN403: touching is not overlapping, and what cannot be read is KN413's
    ("nonMasqueradeCIDR: 10.31.0.0/16", "1.36", set()),
    *(
        ("networkCIDR: 100.64.0.0/16\nnetworking: <absent>\n" + subnets("100.64.0.0/20"), kops,
         {("KN401", "nonMasqueradeCIDR", ERROR)} if objects else set())
        for kops, objects in (("1.8", True), ("1.9", False), ("1.25", False), ("1.26", True))
    ),
    ("networkCIDR: 100.64.0.0/16\nnetworking: {}\n" + subnets("100.64.0.0/20"), "1.19",
     {("KN401", "nonMasqueradeCIDR", ERROR)}),
    ("networkCIDR: 100.64.0.0/16\nnetworking: {lyftvpc: {}}\n" + subnets("100.64.0.0/20"), "1.11", set()),
    ("networkCIDR: 100.64.0.0/16\nnetworking: {lyftvpc: {}}\n" + subnets("100.64.0.0/20"), "1.23",
     {("KN401", "nonMasqueradeCIDR", ERROR)}),
    ("networkCIDR: 100.128.0.0/10\n" + subnets("100.128.0.0/20"), "1.36", set()),
    ("networkCIDR: 100.64.0.0/16\nnonMasqueradeCIDR: x\n" + subnets("100.64.0.0/20"), "1.36",
     {("KN413", "nonMasqueradeCIDR", ERROR)}),
    ("networkCIDR: <absent>\nnetworkID: vpc-1\nnonMasqueradeCIDR: 172.16.0.0/12\n", "1.24", set()),
    ("networkCIDR: <absent>\nnetworkID: vpc-1\nadditionalNetworkCIDRs: [10.40.0.0/16]\n", "1.36", set()),
    ("networkCIDR: <absent>\nnonMasqueradeCIDR: <absent>\nnetworking: {amazonvpc: {}}\n" + subnets("172.20.0.0/20"),
     "1.36", set()),
    ("additionalNetworkCIDRs: [100.127.0.0/16]", "1.9", {("KN402", "nonMasqueradeCIDR", WARNING)}),
    ("additionalNetworkCIDRs: [100.127.0.0/16]", "1.26", {("KN402", "nonMasqueradeCIDR", WARNING)}),
    ("additionalNetworkCIDRs: [100.127.0.0/16]", "1.8", set()),
    ("additionalNetworkCIDRs: [100.127.0.0/16]\nnetworking: {amazonvpc: {}}", "1.36", set()),
    ("additionalNetworkCIDRs: []", "1.36", set()),
    (GCE + "additionalNetworkCIDRs: [100.127.0.0/16]", "1.36", {("KN415", "additionalNetworkCIDRs", ERROR)}),
    (GCE + "additionalNetworkCIDRs: [x]", "1.36", {("KN415", "additionalNetworkCIDRs", ERROR)}),
    (GCE + "additionalNetworkCIDRs: []", "1.36", set()),
    # KN404, KN405
    ("podCIDR: 10.1.0.0/16\nkubeControllerManager: {clusterCIDR: 100.96.0.0/11}", "1.24", set()),
    ("podCIDR: 10.1.0.0/16", "1.21", set()),
    ("podCIDR: x\nkubeControllerManager: {clusterCIDR: 100.96.0.0/11}", "1.24", set()),
    ("podCIDR: 'fd00::/64'\nnonMasqueradeCIDR: '::/0'", "1.24", set()),
    ("podCIDR: 'fd00::/64'\nnonMasqueradeCIDR: '::/0'", "1.36", set()),
    # KN406 to KN408
    ("podCIDR: 10.30.0.0/19", "1.36", {("KN405", "podCIDR", ERROR)}),
    ("networking: {amazonvpc: {}}\npodCIDR: 10.30.0.0/16", "1.36", {("KN405", "podCIDR", ERROR)}),
    (subnets("fd00:5e4f:ce::/112", key="ipv6CIDR") + "nonMasqueradeCIDR: '::/0'", "1.36",
     {("KN407", "subnets[0].ipv6CIDR", ERROR)}),
    (subnets("/64#a", "2001:db8::/64", key="ipv6CIDR") + "nonMasqueradeCIDR: '::/0'", "1.36", set()),
    ("networkCIDR: <absent>\ncloudProvider: openstack\n" + subnets("192.0.2.0/24"), "1.36", set()),
    # KN409: only ever a warning
    ("podCIDR: 100.64.0.0/11", "1.36", {("KN409", "podCIDR", WARNING)}),
    ("podCIDR: 100.64.0.0/11", "1.21", set()),
    ("podCIDR: 100.64.0.0/11", "1.22", {("KN409", "podCIDR", WARNING)}),
    ("kubeControllerManager: {clusterCIDR: 100.64.0.0/11}", "1.16",
     {("KN409", "kubeControllerManager.clusterCIDR", WARNING)}),
    ("serviceClusterIPRange: 100.96.0.0/16", "1.16", {("KN409", "serviceClusterIPRange", WARNING)}),
    ("serviceClusterIPRange: 100.95.0.0/16", "1.16", set()),
    ("nonMasqueradeCIDR: 100.64.0.0/13", "1.27", set()),
    ("nonMasqueradeCIDR: 100.64.0.0/13", "1.28", {("KN409", "nonMasqueradeCIDR", WARNING)}),
    ("nonMasqueradeCIDR: 100.64.0.0/12", "1.28", set()),
    # KN410
    ("nonMasqueradeCIDR: '::/0'", "1.36", set()),
    ("nonMasqueradeCIDR: '::/0'", "1.22", set()),
    ("nonMasqueradeCIDR: 'fd00:1::/64'", "1.22", set()),
    ("nonMasqueradeCIDR: '::/0'", "1.21", {("KN410", "nonMasqueradeCIDR", ERROR)}),
    ("nonMasqueradeCIDR: '::/0'\nkubeControllerManager: {clusterCIDR: 'fd00::/64'}", "1.21", set()),
    # KN411, KN412
    ("serviceClusterIPRange: 100.64.0.0/13\nkubeAPIServer: {serviceClusterIPRange: 100.64.0.0/13}", "1.36", set()),
    ("kubeAPIServer: {serviceClusterIPRange: 100.64.0.0/13}", "1.26", set()),
    ("serviceClusterIPRange: x\nkubeAPIServer: {serviceClusterIPRange: 100.64.0.0/13}", "1.26",
     {("KN413", "serviceClusterIPRange", ERROR)}),
    ("kubelet: {nonMasqueradeCIDR: 100.64.0.0/10}", "1.23", set()),
    ("nonMasqueradeCIDR: <absent>\nkubelet: {nonMasqueradeCIDR: 100.64.0.0/10}", "1.23", set()),
    ("kubernetesVersion: 1.23.17\nkubelet: {nonMasqueradeCIDR: 10.0.0.0/8}", "1.25", set()),
    ("kubernetesVersion: 1.23.17\ncontainerRuntime: docker\n"
     "kubelet: {nonMasqueradeCIDR: 10.0.0.0/8, networkPluginName: kubenet}", "1.25",
     {("KN412", "kubelet.nonMasqueradeCIDR", ERROR)}),
    # KN413: a list in which Go finds nothing to complain about
    ("sshAccess: [0.0.0.0/0, '::/0']\nkubernetesApiAccess: []\nnodePortAccess: null", "1.36", set()),
    ("sshAccess: [null]", "1.36", {("KN413", "sshAccess[0]", ERROR)}),
    ("kubeProxy: {ipvsExcludeCidrs: [10.0.0.1/8]}", "1.36", set()),
    # KN414
    ("cloudProvider: gce\nnetworkCIDR: ''", "1.36", set()),
    ("cloudProvider: digitalocean", "1.23", set()),
    # values that are no text are the schema's business
    ("networkCIDR: 10", "1.36", set()),
    ("nonMasqueradeCIDR: [100.64.0.0/10]", "1.36", set()),
    ("podCIDR: {}\nserviceClusterIPRange: 1.5", "1.36", set()),
    ("subnets: text", "1.36", set()),
    ("subnets: [text, {cidr: 7}, null]", "1.36", set()),
    ("additionalNetworkCIDRs: text", "1.36", set()),
    (GCE + "additionalNetworkCIDRs: text", "1.36", set()),
    ("kubelet: text\nkubeAPIServer: []", "1.16", set()),
    # v1alpha3: below networking since 1.26, on top before
    (network(), "1.36", set()),
    (network(networkCIDR="100.64.0.0/16"), "1.36", {("KN401", "networking.nonMasqueradeCIDR", ERROR)}),
    (network(podCIDR="10.1.0.0/16"), "1.36", {("KN405", "networking.podCIDR", ERROR)}),
    (network(podCIDR="10.1.0.0/16"), "1.27", {("KN404", "kubeControllerManager.clusterCIDR", ERROR)}),
    (network(serviceClusterIPRange="10.1.0.0/16"), "1.27", {("KN403", "networking.serviceClusterIPRange", ERROR)}),
    (network(subnets="[{name: a, cidr: 192.0.2.0/24}]"), "1.36", {("KN408", "networking.subnets[0].cidr", ERROR)}),
    (network(additionalNetworkCIDRs="[100.100.0.0/16]"), "1.36", {("KN402", "networking.nonMasqueradeCIDR", ERROR)}),
    (network(nonMasqueradeCIDR="'fd00::/64'"), "1.36", {("KN410", "networking.nonMasqueradeCIDR", ERROR)}),
    (network("controlPlaneKubelet: {nonMasqueradeCIDR: 10.0.0.0/8}"), "1.36",
     {("KN412", "controlPlaneKubelet.nonMasqueradeCIDR", ERROR)}),
    (network("api: {access: [x]}\nkubeProxy: {ipvsExcludeCIDRs: [x]}"), "1.36",
     {("KN413", "api.access[0]", ERROR), ("KN413", "kubeProxy.ipvsExcludeCIDRs[0]", ERROR)}),
    (network("cloudProvider: {gce: {}}"), "1.36", {("KN414", "networking.networkCIDR", ERROR)}),
    (NEW + "networkCIDR: 100.64.0.0/16\n" + subnets("100.64.0.0/20"), "1.24", {("KN401", "nonMasqueradeCIDR", ERROR)}),
    (NEW + "networkCIDR: 100.64.0.0/16\nnonMasqueradeCIDR: <absent>\nsubnets: <absent>\nnetworking: {calico: {}}",
     "1.36", {("KN401", "networking.nonMasqueradeCIDR", ERROR)}),
    # v1alpha2: kOps does not read them below networking
    ("networking: {calico: {}, podCIDR: 10.1.0.0/16, subnets: [{cidr: x}], nonMasqueradeCIDR: 'fd00::/64'}", "1.36",
     set()),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "kops", "expected"), CASES)
def test_cases(lines: str, kops: str, expected: set[tuple[str, str, str]]) -> None:
    assert found(lines, kops) == expected


@pytest.mark.parametrize(
    ("rule", "lines", "kops", "origin"),
    [
        ("KN401", "networkCIDR: 100.64.0.0/16", "1.36", "kops-written"),
        ("KN401", "networkCIDR: 100.64.0.0/16\nnonMasqueradeCIDR: <absent>", "1.36", "kops-completed"),
        ("KN402", "additionalNetworkCIDRs: [100.127.0.0/16]", "1.36", "kops-written"),
        ("KN402", "additionalNetworkCIDRs: [100.127.0.0/16]", "1.26", "calico"),
        ("KN403", "serviceClusterIPRange: 10.99.0.0/16", "1.24", "kops-written"),
        ("KN404", "kubeControllerManager: {clusterCIDR: 10.1.0.0/16}", "1.24", "kops-written"),
        ("KN404", "podCIDR: 10.1.0.0/16", "1.24", "kops-completed"),
        ("KN406", "podCIDR: 10.30.0.0/16", "1.36", "kops-written"),
        ("KN406", GCE + subnets("100.96.0.0/20"), "1.36", "kops-completed"),
        ("KN407", GCE + subnets("100.64.0.0/20"), "1.36", "kops-completed"),
        ("KN408", subnets("192.0.2.0/24"), "1.36", "kops-written"),
        ("KN408", "networkCIDR: <absent>", "1.36", "kops-completed"),
        ("KN409", "podCIDR: 100.64.0.0/11", "1.36", "calico"),
        ("KN410", "nonMasqueradeCIDR: '::/0'", "1.21", "kops-completed"),
        ("KN411", "kubeAPIServer: {serviceClusterIPRange: 100.64.0.0/14}", "1.26", "kops-completed"),
        ("KN411", "kubeAPIServer: {serviceClusterIPRange: 100.64.0.0/14}", "1.27", "kops-written"),
        ("KN412", "nonMasqueradeCIDR: <absent>\nkubelet: {nonMasqueradeCIDR: 10.0.0.0/8}", "1.20", "kops-completed"),
        ("KN413", "podCIDR: x", "1.27", "kops-completed"),
        ("KN413", "podCIDR: x", "1.28", "kops-written"),
    ],
)
def test_who_objects_and_when(rule: str, lines: str, kops: str, origin: str) -> None:
    assert only(rule, lines, kops).origin == origin


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("networkCIDR: 10.30.1.0/16", "write `10.30.0.0/16`, or correct the prefix length"),
        ("networkCIDR: 10.30.1.0", "write `10.30.1.0/32` for this one address"),
        ("networkCIDR: 'fd00::1'", "write `fd00::1/128` for this one address"),
        ("networkCIDR: net", "write an address and a prefix length, like `10.30.0.0/16`"),
        ("networkCIDR: 'fd00::1/64'", "write `fd00::/64`"),
    ],
)
def test_a_message_says_what_to_write(lines: str, message: str) -> None:
    assert message in only("KN413", lines, "1.36").message


def test_the_other_range_is_shown_where_it_is_written() -> None:
    finding = only("KN405", "podCIDR: 10.1.0.0/16", "1.36")
    assert [related.message for related in finding.related] == ["the range that it has to lie in"]
    assert only("KN405", "podCIDR: 10.1.0.0/16\nnonMasqueradeCIDR: <absent>", "1.36").related == ()


@pytest.mark.parametrize(
    ("rule", "lines", "severity", "releases"),
    [
        ("KN401", "networkCIDR: 100.64.0.0/16", ERROR, None),
        ("KN402", "additionalNetworkCIDRs: [100.127.0.0/16]", WARNING, None),  # some releases err, all are affected
        ("KN403", "serviceClusterIPRange: 10.99.0.0/16", WARNING, "1.24-1.27"),
        ("KN405", "podCIDR: 10.1.0.0/16", WARNING, "1.28-1.29"),
        ("KN409", "podCIDR: 100.64.0.0/11", WARNING, None),
        ("KN413", "networkCIDR: 10.30.1.0/16", WARNING, "1.27-1.29"),
        ("KN413", "networkCIDR: x", ERROR, None),
    ],
)
def test_inferred_releases(rule: str, lines: str, severity: str, releases: str | None) -> None:
    (finding,) = [
        finding
        for finding in lint_spec(f"kubernetesVersion: 1.24.1\n{lines}", None, base="1.24")
        if finding.rule == rule
    ]
    assert (finding.severity, finding.releases) == (severity, releases)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_one_release_stands_for_its_segment(rule: Rule) -> None:
    examples = [(example.yaml, example.kops) for example in rule.text.bad + rule.text.good]
    spans = [(lines, "1.16") for _, lines, _, _, _ in SPANS]
    for lines, kops in [*examples, *spans, *((lines, kops) for lines, kops, _ in CASES)]:
        assert_segments_agree(rule, cluster_of(lines, kops))


TEXT = st.sampled_from(
    ("10.0.0.0/8", "100.64.0.0/10", "100.64.0.0/31", "0.0.0.0/0", "1.2.3.4/32", "::/0", "fd00::1/64", "x", "", "/64#1")
)
KEYS = ("networkCIDR", "nonMasqueradeCIDR", "podCIDR", "serviceClusterIPRange", "additionalNetworkCIDRs", "subnets",
        "kubelet", "masterKubelet", "kubeAPIServer", "kubeControllerManager", "kubeProxy", "sshAccess", "cloudProvider",
        "networking", "networkID", "kubernetesApiAccess", "api")  # fmt: skip
INNER = st.dictionaries(
    st.sampled_from(("nonMasqueradeCIDR", "serviceClusterIPRange", "clusterCIDR", "cidr", "ipv6CIDR", "ipam", "access",
                     "ipvsExcludeCidrs", "amazonvpc", "cilium", "gce", "podCIDR", "subnets")),
    TEXT | ANY_VALUE,
    max_size=3,
)  # fmt: skip
LINES = st.dictionaries(
    st.sampled_from(KEYS), TEXT | st.lists(TEXT | INNER, max_size=2) | INNER | ANY_VALUE, max_size=6
)


@given(LINES, st.booleans(), st.sampled_from((None, "1.8", "1.16", "1.19", "1.22", "1.24", "1.27", "1.28", "1.36")))
@settings(max_examples=500, deadline=None)
def test_no_value_makes_a_rule_raise(lines: dict[str, Any], alpha3: bool, kops: str | None) -> None:
    if alpha3:
        lines = {"apiVersion": V1ALPHA3.split()[1], **lines}
    lint_spec({key: value for key, value in lines.items() if value != "<absent>"}, kops)
