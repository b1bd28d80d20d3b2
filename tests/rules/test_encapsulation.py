from __future__ import annotations

from collections.abc import Container
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from calico_lint.kops import calico as table
from calico_lint.kops.releases import newest_of_minor, parse_semver
from calico_lint.rules import encapsulation as rules
from calico_lint.rules.core import Rule
from tests.helpers import lint_spec
from tests.rules.judge import ANY_VALUE, MINORS, assert_segments_agree, cluster_of, etcd

WARNING, INFO, ERROR = "warning", "info", "error"
OWN = {rule.id for rule in rules.RULES}
ETCD = etcd("version: 3.2.24", "version: 3.2.24") + "kubernetesVersion: 1.11.10\n"
GCE = "cloudProvider: gce\nnetworkCIDR: <absent>\n"
OPENSTACK, AZURE = "cloudProvider: openstack\n", "cloudProvider: azure\n"
TWO_SUBNETS = (
    "subnets:\n"
    "- {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Private}\n"
    "- {name: z2, zone: us-test-1b, cidr: 10.30.64.0/19, type: Private}\n"
)
ONE_AND_UTILITY = (
    "subnets:\n"
    "- {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Private}\n"
    "- {name: u1, zone: us-test-1b, cidr: 10.30.64.0/22, type: Utility}\n"
)
NODES = "---\n{role: Node, machineType: m5.large}\n"


def calico(keys: str = "") -> str:
    return f"networking: {{calico: {{{keys}}}}}\n"


def found(lines: str | dict[str, Any], kops: str | None, **options: Any) -> set[tuple[str, str, str]]:
    return {
        (finding.rule, finding.field.removeprefix("spec.networking.calico").lstrip("."), finding.severity)
        for finding in lint_spec(lines, kops, **options)
        if finding.rule in OWN
    }


# --- the encapsulation in force -------------------------------------------------------------------------

IN_FORCE = [
    # kOps, Kubernetes, cloud, keys, (tunnel, mode, backend)
    ("1.8.1", "1.7.16", "aws", {}, ("ipip", "Always", "bird")),
    ("1.11.1", "1.10.13", "aws", {"cross_subnet": True}, ("ipip", "CrossSubnet", "bird")),
    ("1.11.1", "1.10.13", "gce", {"cross_subnet": True}, ("ipip", "Always", "bird")),
    ("1.14.1", "1.14.1", "aws", {"ipip_mode": "Never"}, ("ipip", "Always", "bird")),
    ("1.15.3", "1.15.1", "aws", {"ipip_mode": "never"}, ("none", "Never", "bird")),
    ("1.15.3", "1.15.1", "aws", {"ipip_mode": "cross-subnet"}, ("ipip", "CrossSubnet", "bird")),
    ("1.18.3", "1.18.1", "aws", {"encapsulation_mode": "vxlan"}, ("ipip", "Always", "bird")),
    ("1.18.3", "1.18.1", "gce", {"cross_subnet": True}, ("ipip", "Always", "bird")),
    ("1.19.3", "1.19.1", "aws", {}, ("ipip", "Always", "bird")),
    ("1.19.3", "1.19.1", "gce", {"cross_subnet": True}, ("ipip", "CrossSubnet", "bird")),
    ("1.19.3", "1.19.1", "aws", {"encapsulation_mode": "vxlan"}, ("vxlan", "Always", "vxlan")),
    ("1.21.5", "1.19.1", "aws", {"encapsulation_mode": "vxlan", "cross_subnet": True},
     ("vxlan", "CrossSubnet", "vxlan")),
    ("1.20.3", "1.15.1", "aws", {"encapsulation_mode": "vxlan"}, ("none", "Never", "bird")),
    ("1.22.6", "1.22.1", "aws", {"cross_subnet": True, "ipip_mode": "Always"}, ("ipip", "Always", "bird")),
    ("1.22.6", "1.22.1", "aws", {}, ("ipip", "CrossSubnet", "bird")),
    ("1.22.6", "1.22.1", "openstack", {}, ("ipip", "Always", "bird")),
    ("1.30.4", "1.30.1", "aws", {"encapsulation_mode": "vxlan"}, ("vxlan", "CrossSubnet", "vxlan")),
    ("1.30.4", "1.30.1", "aws", {"encapsulation_mode": "vxlan", "vxlan_mode": "Never"}, ("none", "Never", "vxlan")),
    ("1.30.4", "1.30.1", "aws", {"ipv6_only": True}, ("none", "Never", "none")),
    ("1.34.3", "1.34.1", "azure", {}, ("ipip", "CrossSubnet", "bird")),
    ("1.35.2", "1.34.1", "azure", {}, ("vxlan", "Always", "vxlan")),
    ("1.35.2", "1.34.1", "azure", {"vxlan_mode": "CrossSubnet"}, ("vxlan", "CrossSubnet", "vxlan")),
]  # fmt: skip


@pytest.mark.parametrize(("kops", "kubernetes", "cloud", "keys", "expected"), IN_FORCE)
def test_the_encapsulation_in_force(
    kops: str, kubernetes: str, cloud: str, keys: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    release, wanted = parse_semver(kops), parse_semver(kubernetes)
    assert release is not None
    assert wanted is not None
    manifest = table.manifest(release, wanted, major_version_v3=False)
    assert manifest is not None
    got = table.encapsulation(release, manifest, cloud, **keys)
    assert (got.kind, got.mode, got.backend) == expected


@given(
    st.sampled_from(MINORS),
    st.integers(5, 36),
    st.sampled_from(("aws", "gce", "azure", "openstack", "hetzner", None)),
    st.booleans(),
    st.booleans(),
    *[st.none() | st.sampled_from(("ipip", "vxlan", "none", "Always", "CrossSubnet", "Never", "x"))] * 3,
)
@settings(max_examples=300, deadline=None)
def test_every_combination_of_keys_has_an_encapsulation(
    minor: int,
    kubernetes: int,
    cloud: str | None,
    ipv6: bool,
    cross: bool,
    encapsulation: str | None,
    ipip: str | None,
    vxlan: str | None,
) -> None:
    release = newest_of_minor(minor)
    manifest = table.manifest(release, parse_semver(f"1.{kubernetes}.0"), major_version_v3=False)  # type: ignore[arg-type]
    assume(manifest is not None)
    assert manifest is not None
    got = table.encapsulation(
        release, manifest, cloud, ipv6_only=ipv6, cross_subnet=cross,
        encapsulation_mode=encapsulation, ipip_mode=ipip, vxlan_mode=vxlan,
    )  # fmt: skip
    assert (got.kind == "none") == (got.mode == "Never")
    assert got.kind in ("ipip", "vxlan", "none")
    if got.kind == "ipip":
        assert got.backend == "bird"
    if minor <= 18:
        assert got.backend == "bird"


# --- from which release to which ------------------------------------------------------------------------

# lines, field below calico, the kOps minors in which the rule speaks of the field. It is silent in all others.
SPANS = [
    ("M801", calico("mtu: 9001"), "mtu", {10, 11, *range(15, 37)}),
    ("M801", "kubernetesVersion: 1.11.10\n" + calico("mtu: 8982"), "mtu", {*range(10, 20), *range(22, 37)}),
    ("M801", ETCD + calico("mtu: 9001, majorVersion: v3"), "mtu", {10, *range(22, 37)}),  # else KI601
    ("M801", GCE + calico("mtu: 1460"), "mtu", {10, 11, *range(15, 37)}),
    ("M801", calico("mtu: 8981, wireguardEnabled: true"), "mtu", range(18, 37)),
    ("M801", calico("mtu: 8981, bpfEnabled: true"), "mtu", range(19, 37)),
    ("M801", calico("mtu: 8981, encapsulationMode: vxlan"), "mtu", range(19, 37)),
    ("M802", calico("mtu: 8951"), "mtu", range(19, 37)),
    ("M802", calico("mtu: 0"), "mtu", range(19, 37)),
    ("M802", "kubernetesVersion: 1.15.12\n" + calico("mtu: 8951"), "mtu", range(22, 37)),
    ("M803", calico("mtu: 500"), "mtu", {10, 11, *range(15, 37)}),
    ("M803", calico("mtu: 0"), "mtu", {10, 11, *range(15, 19)}),
    ("M804", calico() + NODES, "mtu", range(12, 19)),
    ("M804", "kubernetesVersion: 1.15.12\n" + calico() + NODES, "mtu", range(12, 22)),
    ("A811", calico("awsSrcDstCheck: DoNothing"), "awsSrcDstCheck", range(22, 37)),
    ("A811", calico("awsSrcDstCheck: Enable, encapsulationMode: vxlan"), "awsSrcDstCheck", range(22, 37)),
    ("A812", calico("ipipMode: CrossSubnet"), "ipipMode", range(15, 22)),
    ("A812", calico("ipipMode: Never"), "ipipMode", range(15, 22)),
    ("A812", calico("ipipMode: CrossSubnet, awsSrcDstCheck: Disable"), "ipipMode", range(15, 19)),
    ("A812", "kubernetesVersion: 1.15.12\n" + calico("ipipMode: CrossSubnet, awsSrcDstCheck: Disable"), "ipipMode",
     range(15, 22)),
    ("A813", GCE + calico("awsSrcDstCheck: Disable"), "awsSrcDstCheck", range(19, 37)),
    ("A815", TWO_SUBNETS + calico("ipipMode: Always"), "ipipMode", range(15, 37)),
    ("A815", TWO_SUBNETS + calico("encapsulationMode: vxlan, vxlanMode: Always"), "vxlanMode", range(19, 37)),
    ("A816", calico("crossSubnet: true"), "crossSubnet", range(8, 19)),
    ("A817", OPENSTACK + calico("ipipMode: CrossSubnet"), "ipipMode", range(15, 37)),
    ("A817", OPENSTACK + calico("crossSubnet: true"), "crossSubnet", range(19, 22)),
    ("A817", OPENSTACK + calico("encapsulationMode: vxlan"), "vxlanMode", range(22, 37)),
    ("A818", TWO_SUBNETS + calico("ipipMode: Never"), "ipipMode", range(22, 37)),
    ("A818", GCE + calico("encapsulationMode: vxlan, vxlanMode: Never"), "vxlanMode", range(22, 37)),
    ("F841", AZURE + calico(), "encapsulationMode", range(8, 35)),
    ("F841", AZURE + calico("encapsulationMode: vxlan"), "encapsulationMode", range(8, 19)),
    ("F841", AZURE + calico("encapsulationMode: vxlan"), "vxlanMode", range(22, 35)),
    ("F841", AZURE + calico("vxlanMode: CrossSubnet"), "vxlanMode", range(35, 37)),
    ("F842", OPENSTACK + calico("encapsulationMode: vxlan"), "encapsulationMode", range(19, 37)),
    ("F842", OPENSTACK + calico("bpfEnabled: true"), "bpfEnabled", range(19, 37)),
    ("F843", OPENSTACK + calico("wireguardEnabled: true"), "wireguardEnabled", range(18, 37)),
    ("F843", OPENSTACK + calico("typhaReplicas: 3"), "typhaReplicas", range(15, 37)),
    ("F843", GCE + calico("typhaReplicas: 3"), "typhaReplicas", range(17, 37)),
    ("F844", "cloudProvider: digitalocean\nnetworkCIDR: <absent>\n" + calico(), "", range(8, 37)),
    ("F845", calico("bpfEnabled: true"), "bpfEnabled", range(19, 37)),
    ("F847", GCE + calico(), "", range(8, 23)),
    ("F847", GCE + calico("encapsulationMode: vxlan"), "encapsulationMode", range(19, 37)),
    ("F847", GCE + calico("bpfEnabled: true"), "bpfEnabled", range(19, 37)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "lines", "field", "expected"), SPANS)
def test_a_rule_holds_from_its_first_to_its_last_release(
    rule: str, lines: str, field: str, expected: Container[int]
) -> None:
    for minor in MINORS:
        seen = {place for id, place, _ in found(lines, f"1.{minor}") if id == rule and place == field}
        assert seen == ({field} if minor in expected else set()), f"kOps 1.{minor}"


MTU_CASES = [
    # cloud, keys, the largest mtu without a word, severity just above, the first value that is an error
    ("aws", "", 8981, ERROR, 8982),
    ("aws", "ipipMode: Never", 9001, ERROR, 9002),
    ("aws", "encapsulationMode: vxlan", 8951, ERROR, 8952),
    ("aws", "wireguardEnabled: true", 8941, ERROR, 8942),
    ("aws", "encapsulationMode: vxlan, wireguardEnabled: true", 8941, ERROR, 8942),
    ("aws", "bpfEnabled: true", 8951, ERROR, 8952),
    ("gce", "", 1440, WARNING, 8877),
    ("gce", "encapsulationMode: vxlan", 1410, WARNING, 8847),
    ("openstack", "", 1430, WARNING, 8981),
    ("azure", "encapsulationMode: vxlan", 1450, ERROR, 1451),
    ("azure", "encapsulationMode: vxlan, wireguardEnabled: true", 1340, ERROR, 1341),
    ("hetzner", "", 1430, WARNING, 1481),
    ("digitalocean", "", 1480, ERROR, 1481),
    ("metal", "", 1480, WARNING, 8981),
]


@pytest.mark.parametrize(("cloud", "keys", "fits", "above", "error_from"), MTU_CASES)
def test_the_largest_mtu(cloud: str, keys: str, fits: int, above: str, error_from: int) -> None:
    def severity(mtu: int) -> str | None:
        lines = f"cloudProvider: {cloud}\nnetworkCIDR: <absent>\n" + calico(f"mtu: {mtu}{', ' if keys else ''}{keys}")
        return next((severity for rule, _, severity in found(lines, "1.30") if rule == "M801"), None)

    assert [severity(fits), severity(fits + 1), severity(error_from)] == [None, above, ERROR]
    if error_from > fits + 1:
        assert severity(error_from - 1) == WARNING


def test_ipv6_packets_are_at_least_1280() -> None:
    ipv6 = 'nonMasqueradeCIDR: "::/0"\n'
    assert found(ipv6 + calico("mtu: 1279"), "1.30") == {("M803", "mtu", WARNING)}
    assert found(ipv6 + calico("mtu: 1280"), "1.30") == {("M802", "mtu", INFO)}
    assert found(calico("mtu: 576"), "1.30") == {("M802", "mtu", INFO)}


CASES = [
    (calico("mtu: text"), "1.30", set()),
    (calico("mtu: true"), "1.30", set()),
    ("cloudProvider: <absent>\n" + calico("mtu: 9001"), "1.30", {("M802", "mtu", INFO)}),
    ("kubernetesVersion: latest\n" + calico("mtu: 9001, awsSrcDstCheck: DoNothing"), "1.30", set()),
    (calico("mtu: 9001"), "1.30", {("M801", "mtu", ERROR)}),  # one finding: M802 would say the same again
    (calico() + "---\n{role: Node, machineType: m1.large}\n", "1.15", set()),
    (calico() + "---\n{role: Node}\n", "1.15", set()),
    (calico("mtu: 1480") + "---\n{role: Node, machineType: m1.large}\n", "1.15", set()),
    (calico("mtu: 8981") + "---\n{role: Bastion, machineType: t1.micro}\n", "1.15", set()),
    (calico("mtu: 8981") + "---\n{role: Node, machineType: m1.large}\n", "1.15",
     {("M806", "spec.machineType", WARNING)}),
    (calico("mtu: 8981")
     + "---\n{role: Node, machineType: m5.large, mixedInstancesPolicy: {instances: [m5.large, c1.xlarge]}}\n", "1.15",
     {("M806", "spec.mixedInstancesPolicy.instances[1]", WARNING)}),
    (calico("awsSrcDstCheck: Disable"), "1.30", set()),
    (calico("awsSrcDstCheck: DoNothing, ipipMode: Always"), "1.30", set()),
    (calico("awsSrcDstCheck: DoNothing, encapsulationMode: vxlan, vxlanMode: Always"), "1.30", set()),
    ('nonMasqueradeCIDR: "::/0"\n' + calico("awsSrcDstCheck: DoNothing"), "1.30", set()),
    (GCE + calico("awsSrcDstCheck: DoNothing"), "1.36", set()),
    (calico("ipipMode: CrossSubnet, crossSubnet: true"), "1.20", set()),
    (calico("encapsulationMode: vxlan, ipipMode: Never"), "1.20", set()),
    (calico("ipipMode: Always"), "1.30", set()),  # one subnet
    (ONE_AND_UTILITY + calico("ipipMode: Always"), "1.30", set()),
    (TWO_SUBNETS + calico("ipipMode: Always, awsSrcDstCheck: DoNothing"), "1.30", set()),
    (ONE_AND_UTILITY + calico("crossSubnet: true"), "1.16", {("A816", "crossSubnet", WARNING)}),
    (TWO_SUBNETS + calico("crossSubnet: true"), "1.16", set()),
    (calico("crossSubnet: false"), "1.16", set()),
    (calico("ipipMode: Never"), "1.30", set()),
    (OPENSTACK + calico(), "1.30", set()),
    (OPENSTACK + calico("ipipMode: Always"), "1.30", set()),
    (OPENSTACK + calico("encapsulationMode: vxlan, vxlanMode: Always")
     + "---\n{role: Node, additionalSecurityGroups: [x]}\n---\n{role: Bastion}\n", "1.30", set()),
    (OPENSTACK + calico("encapsulationMode: vxlan, vxlanMode: Always")
     + "---\n{role: Node, additionalSecurityGroups: [x]}\n---\n{role: ControlPlane}\n", "1.30",
     {("F842", "encapsulationMode", ERROR)}),
    (GCE + calico("wireguardEnabled: true"), "1.36", {("F843", "wireguardEnabled", WARNING)}),
    (GCE + calico("typhaReplicas: 0"), "1.36", set()),
    (calico("typhaReplicas: 3, wireguardEnabled: true"), "1.30", set()),
    (AZURE + calico("encapsulationMode: vxlan, vxlanMode: Always"), "1.30", set()),
    (AZURE + calico(), "1.36", set()),
    (AZURE + calico("encapsulationMode: ipip"), "1.36", set()),  # KC112
    ("apiVersion: kops.k8s.io/v1alpha3\ncloudProvider: {azure: {}}\n" + calico(), "1.30",
     {("F841", "encapsulationMode", ERROR)}),
    ("apiVersion: kops.k8s.io/v1alpha3\ncloudProvider: {do: {}}\n" + calico(), "1.30", {("F844", "", INFO)}),
    (calico() + "---\n{role: Node, securityGroupOverride: sg-1}\n---\n{role: Bastion, securityGroupOverride: sg-2}\n",
     "1.30", {("F846", "spec.securityGroupOverride", WARNING)}),
    (calico() + "---\n{role: Node, additionalSecurityGroups: [sg-1]}\n", "1.30", set()),
    (GCE + calico("bpfEnabled: true, encapsulationMode: vxlan"), "1.36", {("F847", "encapsulationMode", ERROR)}),
    ("networking: {cilium: {}}", "1.30", set()),
    ("cloudProvider: azure\nnetworking: {calico: null}", "1.30", set()),
    ("cloudProvider: azure\nnetworking: {calico: text}", "1.30", {("F841", "encapsulationMode", ERROR)}),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "kops", "expected"), CASES)
def test_cases(lines: str, kops: str, expected: set[tuple[str, str, str]]) -> None:
    assert found(lines, kops) == expected


@pytest.mark.parametrize(
    ("rule", "lines", "severity", "releases"),
    [
        ("F841", "kubernetesVersion: 1.30.4\n" + AZURE + calico(), WARNING, "1.30-1.34"),
        ("F841", "kubernetesVersion: 1.28.4\n" + AZURE + calico(), ERROR, None),
        ("F847", "kubernetesVersion: 1.21.4\n" + GCE + calico(), WARNING, "1.21-1.22"),
        ("A811", "kubernetesVersion: 1.30.4\n" + calico("awsSrcDstCheck: DoNothing"), ERROR, None),
    ],
)
def test_inferred_releases(rule: str, lines: str, severity: str, releases: str | None) -> None:
    (finding,) = [finding for finding in lint_spec(lines, None, base="1.30") if finding.rule == rule]
    assert (finding.severity, finding.releases) == (severity, releases)


def test_what_the_choice_of_the_release_decides_waits_for_it() -> None:
    lines = "kubernetesVersion: 1.18.4\n" + calico() + NODES
    assert {rule for rule, _, _ in found(lines, None, base="1.18")} == set()
    assert {rule for rule, _, _ in found(lines, "1.18")} == {"M804"}


FIXES = [
    # lines, kOps, rule, what the fix writes
    (calico("mtu: 9001, typhaReplicas: 3"), "1.30", "M801", ""),
    (calico("mtu: 9001"), "1.16", "M801", "8981"),
    (calico("awsSrcDstCheck: DoNothing"), "1.30", "A811", "Disable"),
    (calico("ipipMode: CrossSubnet"), "1.20", "A812", "awsSrcDstCheck: Disable"),
    (TWO_SUBNETS + calico("ipipMode: Always"), "1.30", "A815", "CrossSubnet"),
    (OPENSTACK + calico("ipipMode: CrossSubnet"), "1.30", "A817", "Always"),
    (TWO_SUBNETS + calico("ipipMode: Never"), "1.30", "A818", "CrossSubnet"),
    (AZURE + calico(), "1.30", "F841", "encapsulationMode: vxlan"),
    (AZURE + calico("encapsulationMode: ipip"), "1.30", "F841", "vxlan"),
    (AZURE + calico("encapsulationMode: vxlan"), "1.30", "F841", "vxlanMode: Always"),
    (GCE + calico("encapsulationMode: vxlan"), "1.30", "F847", "ipip"),
    (calico() + NODES, "1.18", "M804", "mtu: 8981"),
]


@pytest.mark.parametrize(("lines", "kops", "rule", "text"), FIXES)
def test_a_fix_that_changes_the_network_is_not_safe(lines: str, kops: str, rule: str, text: str) -> None:
    (finding,) = [finding for finding in lint_spec(lines, kops) if finding.rule == rule]
    assert finding.fix is not None
    assert not finding.fix.safe
    assert "".join(edit.text for edit in finding.fix.edits).strip() == text


def test_a_key_that_does_nothing_goes_safely() -> None:
    for kops, safe in (("1.20", False), ("1.30", True)):
        findings = lint_spec(OPENSTACK + calico("awsSrcDstCheck: Disable"), kops)
        (finding,) = [finding for finding in findings if finding.rule == "A813"]
        assert finding.fix is not None
        assert finding.fix.safe is safe


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_one_release_stands_for_its_segment(rule: Rule) -> None:
    examples = [(example.yaml, example.kops) for example in rule.text.bad + rule.text.good]
    spans = [(lines, "1.16") for id, lines, _, _ in SPANS if id == rule.id]
    for lines, kops in [*examples, *spans, *((lines, kops) for lines, kops, _ in CASES)]:
        assert_segments_agree(rule, cluster_of(lines, kops))


KEYS = ("mtu", "ipipMode", "vxlanMode", "encapsulationMode", "awsSrcDstCheck", "crossSubnet", "typhaReplicas",
        "bpfEnabled", "wireguardEnabled")  # fmt: skip
WORDS = st.sampled_from(("ipip", "vxlan", "none", "Always", "CrossSubnet", "Never", "Disable", "DoNothing", 1500, 9001,
                         True))  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(KEYS), WORDS | ANY_VALUE, max_size=5) | ANY_VALUE,
    st.sampled_from(("aws", "gce", "azure", "openstack", "hetzner")) | ANY_VALUE,
    ANY_VALUE,
    st.sampled_from((None, "1.8", "1.12", "1.16", "1.19", "1.22", "1.36")),
)
@settings(max_examples=250, deadline=None)
def test_no_value_makes_a_rule_raise(values: object, cloud: object, subnets: object, kops: str | None) -> None:
    lint_spec({"cloudProvider": cloud, "subnets": subnets, "networking": {"calico": values}}, kops)
