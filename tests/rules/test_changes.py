"""Changes of a running cluster (P704-P724): one table of steps, and what every rule of the family keeps to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.kops.releases import NEWEST_PATCH
from calico_lint.rules import changes as rules
from tests.helpers import lint_spec, lint_text, spec_text
from tests.rules.judge import ANY_VALUE

ERROR, WARNING, INFO = "error", "warning", "info"
OWN = {rule.id for rule in rules.RULES}
CALICO = "networking.calico"


def etcd(*keys: str) -> str:
    """The etcd clusters main and events with further keys."""
    return "etcdClusters: [" + ", ".join(
        f"{{name: {name}, etcdMembers: [{{name: a, instanceGroup: cp-a}}], {of}}}"
        for name, of in zip(("main", "events"), keys * 2, strict=False)
    ) + "]"  # fmt: skip


def step(kubernetes: str, *lines: str) -> str:
    return "\n".join((f"kubernetesVersion: {kubernetes}", *lines))


def calico(keys: str = "") -> str:
    return f"networking: {{calico: {{{keys}}}}}"


def found(new: Any, old: Any, kops: str | None, from_kops: str | None = None) -> dict[str, tuple[str, str]]:
    """rule -> (field below spec, severity)."""
    findings = [finding for finding in lint_spec(new, kops, old, from_kops, base="1.30") if finding.rule in OWN]
    answer = {finding.rule: (finding.field.removeprefix("spec."), finding.severity) for finding in findings}
    assert len(answer) == len(findings), "one finding a rule and step"
    return answer


ETCD = "etcdClusters[0].version"
KUBERNETES = "kubernetesVersion"
V2_2, V3_2, V3_3, V3_4 = (etcd(f"version: {version}") for version in ("2.2.1", "3.2.24", "3.3.17", "3.4.13"))
MANAGER2, MANAGER3 = (etcd(f"version: {version}, provider: Manager") for version in ("2.2.1", "3.2.24"))
LEGACY3 = etcd("version: 3.2.24, provider: Legacy")
GONE = "etcdClusters: [{name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}]"

# old, new, kOps of old and new, what is found
CASES: list[tuple[str, str, str | None, str | None, dict[str, tuple[str, str]]]] = [
    # P701: only Calico's version changes, as it should
    (step("1.11.10", V3_2), step("1.11.10", V3_2, calico("majorVersion: v3")), "1.10.1", "1.12.3", {}),
    # P704, P705: etcd 2 to 3
    (step("1.11.10", V2_2), step("1.11.10", LEGACY3), "1.12.3", "1.12.3", {"P704": (ETCD, ERROR)}),
    (step("1.11.10", V2_2), step("1.11.10", V3_2), "1.10.1", "1.11.1", {"P704": (ETCD, ERROR)}),
    (step("1.11.10", V2_2), step("1.11.10", MANAGER3), "1.12.3", "1.12.3", {"P705": (ETCD, WARNING)}),
    (step("1.11.10", V2_2), step("1.11.10", MANAGER3), "1.11.1", "1.11.1", {"P705": (ETCD, ERROR)}),
    (step("1.11.10", V2_2), step("1.11.10", MANAGER2), "1.11.1", "1.12.3", {}),
    (step("1.11.10", MANAGER3), step("1.11.10", MANAGER3), "1.11.1", "1.12.3", {}),
    # by default: etcd-manager of kOps 1.12 takes etcd 3 on Kubernetes 1.12
    (
        step("1.11.10"), step("1.12.10"), "1.11.1", "1.12.3",
        {"P705": (ETCD, WARNING), "P706": (KUBERNETES, WARNING),
         "P708": ("etcdClusters[0].enableEtcdTLS", WARNING)},
    ),
    # what runs is not known: 2.2.1 or 3.2.24
    (step("1.11.10", etcd("version: 3.2.24")), step("1.11.10", V3_2), None, "1.12.3", {}),
    # P706: the datastore moves
    (
        step("1.11.10", LEGACY3), step("1.12.10", LEGACY3), "1.12.3", "1.12.3", {"P706": (KUBERNETES, WARNING)},
    ),
    (step("1.11.10", LEGACY3), step("1.12.10", LEGACY3), None, "1.13.2", {"P706": (KUBERNETES, WARNING)}),
    (step("1.11.10", LEGACY3), step("1.12.10", LEGACY3), None, "1.12.0", {"P706": (KUBERNETES, WARNING)}),
    (step("1.11.10", LEGACY3), step("1.12.10", LEGACY3), "1.11.1", "1.11.1", {}),  # kOps 1.11 stays on etcd
    (step("1.12.10", LEGACY3), step("1.13.12", LEGACY3), "1.13.2", "1.13.2", {}),
    (
        step("1.11.10", LEGACY3, "networking: {canal: {}}"), step("1.12.10", LEGACY3, "networking: {canal: {}}"),
        "1.12.3", "1.12.3", {},
    ),
    # P707: from host-local to Calico's IPAM
    (step("1.14.10"), step("1.14.10"), "1.14.1", "1.15.3", {"P707": (CALICO, INFO)}),
    (step("1.14.10"), step("1.14.10"), None, "1.15.3", {}),  # it may have been 1.15 before
    (step("1.14.10"), step("1.14.10"), "1.15.0", "1.15.3", {}),
    (
        step("1.14.10"), step("1.14.10", "rollingUpdate: {maxSurge: 3}"), "1.14.1", "1.18.3",
        {"P707": (CALICO, WARNING)},
    ),
    (
        step("1.16.15", "networking: {canal: {}}"), step("1.16.15", calico()), "1.18.3", "1.18.3",
        {"P707": (CALICO, INFO), "P711": (CALICO, ERROR)},
    ),
    # P708: TLS
    (
        step("1.11.10", V3_2), step("1.11.10", etcd("version: 3.2.24, enableEtcdTLS: true")), "1.11.1", "1.11.1",
        {"P708": ("etcdClusters[0].enableEtcdTLS", WARNING)},
    ),
    (
        step("1.11.10", etcd("version: 3.2.24, enableEtcdTLS: true")), step("1.11.10", V3_2), "1.11.1", "1.11.1",
        {"P708": ("etcdClusters[0].enableEtcdTLS", WARNING)},
    ),
    (step("1.30.4"), step("1.30.4", etcd("enableEtcdTLS: true")), "1.30.4", "1.30.4", {}),
    (
        step("1.11.10", V3_2, "networking: {cilium: {}}"),
        step("1.11.10", etcd("version: 3.2.24, enableEtcdTLS: true"), "networking: {cilium: {}}"),
        "1.11.1", "1.11.1", {},
    ),
    # P709, P710: back, and too far
    (step("1.19.7", V3_4), step("1.19.7", V3_3), "1.19.3", "1.19.3", {"P709": (ETCD, ERROR)}),
    (step("1.19.7", V3_4), step("1.19.7", etcd("version: 3.4.3")), "1.19.3", "1.19.3", {"P709": (ETCD, ERROR)}),
    (step("1.30.4", etcd("version: 3.6.6")), step("1.30.4"), "1.30.4", "1.30.4", {"P709": (ETCD, ERROR)}),
    (step("1.30.4", etcd("version: 3.5.25")), step("1.30.4"), "1.30.4", "1.30.4", {}),  # defaults differ by patch
    (step("1.19.7", V3_2), step("1.19.7", V3_4), "1.19.3", "1.19.3", {"P710": (ETCD, WARNING)}),
    (step("1.19.7", V3_3), step("1.19.7", V3_4), "1.19.3", "1.19.3", {}),
    (step("1.19.7", V3_3), step("1.19.7", etcd("version: v3.3.17")), "1.19.3", "1.19.3", {}),
    (step("1.19.7", V3_3), step("1.19.7", etcd("version: newest")), "1.19.3", "1.19.3", {}),
    (step("1.19.7", V3_3), step("1.19.7", GONE), "1.19.3", "1.19.3", {}),
    # P711: another network
    (step("1.30.4", "networking: {cilium: {}}"), step("1.30.4", calico()), None, None, {"P711": (CALICO, ERROR)}),
    (step("1.30.4", calico()), step("1.30.4", "networking: {cilium: {}}"), None, "1.30.4",
     {"P711": ("networking.cilium", ERROR)}),
    (step("1.9.0", "networking: {flannel: {}}"), step("1.9.0", "networking: {canal: {}}"), "1.9.2", "1.9.2",
     {"P711": ("networking.canal", ERROR)}),
    (step("1.30.4", "networking: {kubenet: {}}"), step("1.30.4", calico()), None, "1.30.4",
     {"P711": (CALICO, ERROR)}),
    (step("1.30.4", "networking: {cni: {}}"), step("1.30.4", calico()), None, "1.30.4", {"P711": (CALICO, WARNING)}),
    (step("1.30.4", "networking: {weave: {}}"), step("1.30.4", "networking: {cilium: {}}"), None, "1.30.4", {}),
    (step("1.30.4", "networking: {calico: null}"), step("1.30.4", calico()), None, "1.30.4", {}),
    (step("1.30.4", calico()), step("1.30.4", "networking: {calico: {}, cilium: {}}"), None, "1.30.4", {}),
    # P712: the range of pods
    (step("1.30.4", "podCIDR: 100.96.0.0/12"), step("1.30.4", "podCIDR: 100.112.0.0/12"), None, "1.30.4",
     {"P712": ("podCIDR", ERROR)}),
    (step("1.30.4"), step("1.30.4", "podCIDR: 100.96.0.0/12"), None, "1.30.4", {"P712": ("podCIDR", ERROR)}),
    (step("1.30.4", "podCIDR: 100.96.0.0/12"), step("1.30.4"), None, "1.30.4", {"P712": ("podCIDR", ERROR)}),
    (step("1.30.4"), step("1.30.4", "podCIDR: 100.96.0.0/11"), None, "1.30.4", {}),  # the default, written down
    (step("1.30.4"), step("1.30.4", "podCIDR: 100.96.0.1/11"), None, "1.30.4", {}),
    (step("1.30.4"), step("1.30.4", "nonMasqueradeCIDR: 10.0.0.0/9"), None, "1.30.4",
     {"P712": ("nonMasqueradeCIDR", ERROR)}),
    (step("1.30.4", "podCIDR: 100.96.0.0/11"),
     step("1.30.4", "podCIDR: 100.96.0.0/11", "nonMasqueradeCIDR: 100.64.0.0/9"), None, "1.30.4", {}),
    (step("1.10.13"), step("1.10.13", "kubeControllerManager: {clusterCIDR: 100.112.0.0/12}"), "1.10.1", "1.10.1",
     {"P712": ("kubeControllerManager.clusterCIDR", ERROR)}),
    (step("1.30.4", "networking: {cilium: {}}"),
     step("1.30.4", "networking: {cilium: {}}", "podCIDR: 100.96.0.0/12"), None, "1.30.4", {}),
    # P713: encapsulation
    (step("1.24.3"), step("1.24.3", calico("encapsulationMode: vxlan")), None, "1.24.5",
     {"P713": (f"{CALICO}.encapsulationMode", WARNING)}),
    (step("1.24.3", calico("encapsulationMode: vxlan")), step("1.24.3"), None, "1.24.5",
     {"P713": (f"{CALICO}.encapsulationMode", WARNING)}),
    (step("1.24.3"), step("1.24.3", calico("ipipMode: Always")), None, "1.24.5",
     {"P713": (f"{CALICO}.ipipMode", WARNING)}),
    (step("1.24.3"), step("1.24.3", calico("ipipMode: Never")), None, "1.24.5",
     {"P713": (f"{CALICO}.ipipMode", WARNING)}),
    (step("1.24.3", calico("encapsulationMode: vxlan")),
     step("1.24.3", calico("encapsulationMode: vxlan, vxlanMode: Always")), None, "1.24.5",
     {"P713": (f"{CALICO}.vxlanMode", WARNING)}),
    (step("1.24.3"), step("1.24.3", calico("encapsulationMode: ipip, ipipMode: CrossSubnet")), None, "1.24.5", {}),
    (step("1.16.15"), step("1.16.15", calico("crossSubnet: true")), "1.18.3", "1.18.3",
     {"P713": (f"{CALICO}.crossSubnet", WARNING)}),
    (step("1.24.3"), step("1.24.3", calico("crossSubnet: true")), None, "1.24.5", {}),  # without effect
    # P714: eBPF
    (step("1.30.4"), step("1.30.4", calico("bpfEnabled: true")), None, "1.30.4",
     {"P714": (f"{CALICO}.bpfEnabled", WARNING)}),
    (step("1.30.4", calico("bpfEnabled: true")), step("1.30.4"), None, "1.30.4",
     {"P714": (f"{CALICO}.bpfEnabled", WARNING)}),
    (step("1.30.4"), step("1.30.4", calico("bpfEnabled: false")), None, "1.30.4", {}),
    # P715: the defaults of kOps 1.22
    (step("1.20.1"), step("1.20.1"), "1.21.5", "1.22.6", {"P715": (f"{CALICO}.ipipMode", WARNING)}),
    (step("1.20.1", calico("encapsulationMode: vxlan")), step("1.20.1", calico("encapsulationMode: vxlan")),
     "1.21.5", "1.22.6", {"P715": (f"{CALICO}.vxlanMode", WARNING)}),
    (step("1.20.1"), step("1.20.1"), "1.22.0", "1.22.6", {}),
    (step("1.20.1"), step("1.20.1"), None, "1.22.6", {}),  # it may have been 1.22 before
    (step("1.16.1"), step("1.17.1"), None, "1.22.0", {"P715": (f"{CALICO}.ipipMode", WARNING)}),
    (step("1.20.1", "cloudProvider: gce"), step("1.20.1", "cloudProvider: gce"), "1.21.5", "1.22.6", {}),
    (step("1.20.1", calico("crossSubnet: true")), step("1.20.1", calico("crossSubnet: true")), "1.21.5", "1.22.6", {}),
    (step("1.20.1"), step("1.20.1", calico("ipipMode: Always")), "1.21.5", "1.22.6",
     {}),
    # P716: Kubernetes
    (step("1.28.9"), step("1.30.4"), None, "1.30.4", {"P716": (KUBERNETES, WARNING)}),
    (step("1.29.9"), step("1.30.4"), None, "1.30.4", {}),
    (step("1.30.4"), step("1.28.4"), None, "1.30.4", {}),
    (step("newest"), step("1.30.4"), None, "1.30.4", {}),
    # P718: Calico
    (step("1.22.1"), step("1.22.1"), "1.22.6", "1.25.4", {"P718": (CALICO, INFO)}),
    (step("1.22.1"), step("1.22.1"), "1.23.4", "1.24.5", {}),
    (step("1.22.1", calico("version: v3.23.1")), step("1.22.1", calico("version: v3.23.5")), "1.22.6", "1.25.4", {}),
    # P722: names of nodes
    (step("1.23.17"), step("1.24.17"), "1.24.5", "1.25.4", {"P722": (KUBERNETES, WARNING)}),
    (step("1.23.17"), step("1.24.17"), None, "1.25.4", {"P722": (KUBERNETES, WARNING)}),
    (step("1.24.17"), step("1.25.16"), "1.24.5", "1.25.4", {}),
    (step("1.23.17", "cloudControllerManager: {}"), step("1.24.17", "cloudControllerManager: {}"), "1.24.5", "1.25.4",
     {}),
    (step("1.22.17"), step("1.23.17", "cloudControllerManager: {}"), "1.24.5", "1.24.5",
     {"P722": (KUBERNETES, WARNING)}),
    (step("1.23.17", "cloudProvider: gce"), step("1.24.17", "cloudProvider: gce"), "1.24.5", "1.25.4", {}),
    # P723: MTU
    (step("1.30.4"), step("1.30.4", calico("mtu: 8981")), None, "1.30.4", {"P723": (f"{CALICO}.mtu", INFO)}),
    (step("1.30.4", calico("mtu: 8981")), step("1.30.4"), None, "1.30.4", {"P723": (f"{CALICO}.mtu", INFO)}),
    (step("1.30.4"), step("1.30.4", calico("mtu: 0")), None, "1.30.4", {}),
    (step("1.30.4"), step("1.30.4", calico("mtu: large")), None, "1.30.4", {}),
    (step("1.13.12"), step("1.13.12", calico("mtu: 8981")), "1.13.2", "1.13.2", {}),  # KI601: ignored
    # P724: back to etcd
    (step("1.12.10", LEGACY3), step("1.11.10", LEGACY3), "1.12.3", "1.12.3", {"P724": (KUBERNETES, ERROR)}),
    (step("1.12.10", LEGACY3), step("1.12.10", LEGACY3), "1.12.3", "1.11.1", {"P724": (KUBERNETES, ERROR)}),
    (step("1.12.10", LEGACY3), step("1.12.10", LEGACY3), "1.11.1", "1.12.3", {"P706": (KUBERNETES, WARNING)}),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "from_kops", "kops", "expected"), CASES)
def test_steps(
    old: str, new: str, from_kops: str | None, kops: str | None, expected: dict[str, tuple[str, str]]
) -> None:
    assert found(new, old, kops, from_kops) == expected


@pytest.mark.parametrize(("old", "new", "from_kops", "kops", "expected"), [case for case in CASES if case[4]])
def test_findings_stand_on_the_new_spec_and_show_the_old_place(
    old: str, new: str, from_kops: str | None, kops: str | None, expected: dict[str, tuple[str, str]]
) -> None:
    for finding in lint_spec(new, kops, old, from_kops, base="1.30"):
        if finding.rule in OWN:
            assert finding.path == "spec.yaml"
            assert "old.yaml" in {related.path for related in finding.related}


@pytest.mark.parametrize("spec", sorted({side for case in CASES for side in case[:2]}))
@pytest.mark.parametrize("kops", [None, "1.12", "1.19", "1.22", "1.36"])
def test_nothing_changes_where_nothing_changes(spec: str, kops: str | None) -> None:
    assert found(spec, spec, kops, kops) == {}


def test_every_rule_has_examples_and_a_case() -> None:
    for rule in rules.RULES:
        assert rule.pair
        assert rule.text.bad
        assert rule.text.good
        assert any(rule.id in case[4] for case in CASES), rule.id


def test_an_inferred_release_makes_no_error_of_what_is_a_warning_in_most() -> None:
    old, new = step("1.11.10", V2_2), step("1.11.10", MANAGER3)
    (finding,) = [f for f in lint_spec(new, None, old, "1.11.1", base="1.11") if f.rule == "P705"]
    assert finding.severity == WARNING


def test_etcd_clusters_that_move_together_are_one_finding() -> None:
    findings = lint_spec(step("1.19.7", V3_4), "1.19.3", step("1.19.7", V3_2), "1.19.3", base="1.19")
    (finding,) = [finding for finding in findings if finding.rule == "P710"]
    assert "`main` and `events` move from 3.2.24 to 3.4.13" in finding.message


def test_a_group_that_rolls_several_nodes_at_once_makes_the_import_of_addresses_a_warning() -> None:
    group = "---\nrole: Node\nminSize: 5\nmaxSize: 5\nrollingUpdate: {maxUnavailable: 50%}\n"
    new, old = (spec_text(step("1.14.10", calico()) + "\n" + more, "1.14") for more in (group, ""))
    (finding,) = [finding for finding in lint_text(new, "1.18.3", old, "1.14.1").findings if finding.rule == "P707"]
    assert finding.severity == WARNING
    assert [related.message for related in finding.related] == ["as it is today", "several nodes at once"]


def test_v1alpha3_keeps_its_own_paths() -> None:
    def spec(pods: str) -> str:
        return f"apiVersion: kops.k8s.io/v1alpha3\nnetworking: {{calico: {{}}, podCIDR: {pods}}}"

    findings = lint_spec(spec("100.112.0.0/12"), "1.30.4", spec("100.96.0.0/12"), base="1.30")
    assert [finding.field for finding in findings if finding.rule == "P712"] == ["spec.networking.podCIDR"]


KEYS = ("kubernetesVersion", "etcdClusters", "networking", "podCIDR", "nonMasqueradeCIDR", "kubeControllerManager",
        "cloudProvider", "rollingUpdate")  # fmt: skip
OPTIONS = ("encapsulationMode", "ipipMode", "vxlanMode", "crossSubnet", "bpfEnabled", "version", "awsSrcDstCheck")
SOME_CALICO = st.fixed_dictionaries({"calico": st.dictionaries(st.sampled_from(OPTIONS), ANY_VALUE, max_size=3)})
SOME_ETCD = st.lists(
    st.dictionaries(
        st.sampled_from(("name", "version", "provider", "enableEtcdTLS", "etcdMembers")),
        st.sampled_from(("main", "2.2.1", "3.4.13", "Manager", "Legacy", True)) | ANY_VALUE,
    ),
    max_size=2,
)
SOME_SPEC = st.dictionaries(
    st.sampled_from(KEYS),
    SOME_CALICO
    | SOME_ETCD
    | st.sampled_from(("1.11.10", "1.12.10", "1.24.3", "10.0.0.0/8", "::/0", "aws"))
    | ANY_VALUE,
)


@given(SOME_SPEC, SOME_SPEC, st.sampled_from((None, *NEWEST_PATCH)), st.sampled_from((None, *NEWEST_PATCH)))
@settings(max_examples=100, deadline=None)
def test_no_spec_makes_a_rule_raise(
    old: dict[str, Any], new: dict[str, Any], minor: int | None, from_minor: int | None
) -> None:
    kops, from_kops = (f"1.{number}" if number else None for number in (minor, from_minor))
    lint_spec(new, kops, old, from_kops, base="1.24")
