"""The requirements of the upgrade (S), on one spec and on pairs, and the Kubernetes version (KV)."""

from __future__ import annotations

import pytest

from calico_lint import rules
from tests.helpers import lint_spec

ETCD3 = "[{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]"
ETCD2 = "[{name: main, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}]"
ETCD3_OF_THREE = (
    "[{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}, {name: b, instanceGroup: cp-b}, "
    "{name: c, instanceGroup: cp-c}]}]"
)
V2 = "networking: {calico: {}}"
V3 = "networking: {calico: {majorVersion: v3}}"


def spec(kubernetes: str, calico: str, etcd: str = ETCD3) -> str:
    return f"kubernetesVersion: {kubernetes}\netcdClusters: {etcd}\n{calico}\n"


def found(findings: list[object], *families: str) -> set[tuple[str, str, str | None]]:
    return {
        (finding.rule, finding.severity, finding.field)  # type: ignore[attr-defined]
        for finding in findings
        if finding.rule.startswith(families)  # type: ignore[attr-defined]
    }


MAJOR = "spec.networking.calico.majorVersion"
CALICO = "spec.networking.calico"
MEMBERS = "etcdMembers: [{name: a, instanceGroup: cp-a}]"
TLS = f"[{{name: main, version: 3.2.24, provider: Manager, enableEtcdTLS: true, {MEMBERS}}}]"
TLS_FIELD = "spec.etcdClusters[0].enableEtcdTLS"
IMAGE = f"[{{name: main, version: 3.2.24, image: 'registry:5000/etcd:2.2.1', {MEMBERS}}}]"
IMAGE_FIELD = "spec.etcdClusters[0].image"


@pytest.mark.parametrize(
    ("lines", "kops", "expected"),
    [
        # S3: what majorVersion decides
        (spec("1.10.13", V2), "1.11.1", {("S3", "info", MAJOR)}),
        (spec("1.10.13", V2), "1.10.1", set()),
        (spec("1.11.10", V2), "1.14.1", {("S3", "info", MAJOR)}),
        (spec("1.11.10", V3), "1.14.1", {("S3", "info", MAJOR)}),  # it may be the migration
        (spec("1.11.10", V3, ETCD2), "1.14.1", set()),  # KC102 stands in its way
        (spec("1.12.10", V2), "1.12.3", set()),
        (
            spec("1.12.1", V2),
            "1.11.1",
            {("S3", "info", MAJOR)},
        ),  # kOps 1.11 has no manifest on the Kubernetes datastore
        (spec("1.12.10", V3), "1.12.3", {("S3", "info", MAJOR)}),
        (spec("1.19.7", V3), "1.19.3", {("S3", "info", MAJOR)}),
        (spec("1.20.1", V3), "1.20.3", {("S3", "warning", MAJOR)}),
        (spec("1.30.1", V3), "1.30.4", {("S3", "warning", MAJOR)}),
        (spec("1.30.1", V2), "1.30.4", set()),
        # S5: kOps too old
        (spec("1.10.13", V3), "1.10.1", {("S5", "error", MAJOR)}),
        (spec("1.8.15", V3), "1.8.1", {("S5", "error", MAJOR), ("S13", "warning", "spec.networking.calico")}),
        (spec("1.10.13", V3), "1.11.0", {("S3", "info", MAJOR)}),
        # S9: the Job that never ends
        (spec("1.11.10", V3), "1.15.0", {("S9", "error", MAJOR)}),
        (spec("1.11.10", V3), "1.19.3", {("S9", "error", MAJOR)}),
        (spec("1.10.13", V3), "1.11.0-beta.1", {("S9", "error", MAJOR)}),
        (spec("1.12.10", V3), "1.15.3", {("S3", "info", MAJOR)}),
        # inferred: 1.11 to 1.19 take Kubernetes 1.11, five of them never end
        (spec("1.11.10", V3), None, {("S9", "warning", MAJOR)}),
        # S13
        (spec("1.8.15", V2), "1.8.1", {("S13", "warning", "spec.networking.calico")}),
        (spec("1.8.15", V2), "1.9.0", set()),
        # S14: TLS and etcd-manager
        (spec("1.11.10", V2, TLS), "1.11.1", {("S3", "info", MAJOR)}),
        (spec("1.11.10", V2, TLS), "1.12.0", {("S3", "info", MAJOR), ("S14", "error", TLS_FIELD)}),
        (spec("1.11.10", V2, TLS), "1.19.3", {("S3", "info", MAJOR), ("S14", "error", TLS_FIELD)}),
        (spec("1.11.10", V2, TLS.replace("Manager", "Legacy")), "1.12.3", {("S3", "info", MAJOR)}),
        (spec("1.12.10", V2, TLS), "1.12.3", set()),
        (spec("1.11.10", "networking: {cilium: {}}", TLS), "1.12.3", set()),
        # S15: Calico 2.6.2, which is that of one release
        (spec("1.8.15", V2), "1.8.0", {("S13", "warning", CALICO), ("S15", "warning", CALICO)}),
        (spec("1.5.8", V2), "1.8.0", {("S13", "warning", CALICO)}),
        # S16: what runs is not what is checked
        (spec("1.10.13", V2, IMAGE), "1.11.1", {("S3", "info", MAJOR), ("S16", "error", IMAGE_FIELD)}),
        (spec("1.10.13", V2, IMAGE.replace("2.2.1", "3.3.10")), "1.11.1", {("S3", "info", MAJOR)}),
        (spec("1.10.13", V2, IMAGE.replace(":2.2.1", "")), "1.11.1", {("S3", "info", MAJOR)}),
        (spec("1.10.13", V2, IMAGE.replace("etcd:2.2.1", "etcd@sha256:12")), "1.11.1", {("S3", "info", MAJOR)}),
        (spec("1.10.13", V2, IMAGE.replace("image:", "provider: Manager, image:")), "1.11.1", {("S3", "info", MAJOR)}),
        (spec("1.19.7", V2, IMAGE), "1.20.3", set()),
    ],
)
def test_one_spec(lines: str, kops: str | None, expected: set[tuple[str, str, str]]) -> None:
    assert found(lint_spec(lines, kops, base=kops or "1.11"), "S") == expected


@pytest.mark.parametrize(
    ("old", "new", "from_kops", "kops", "expected"),
    [
        # the upgrade as it should be
        (spec("1.10.13", V2), spec("1.10.13", V3), "1.10.1", "1.12.3", {"S11", "S12"}),
        (spec("1.10.13", V2), spec("1.10.13", V3), "1.9.0", "1.11.0", {"S11", "S12"}),
        # S4: the running Calico is too old, or may be
        (spec("1.8.15", V2), spec("1.8.15", V3), "1.8.0", "1.11.1", {"S4", "S11", "S12"}),
        (spec("1.8.15", V2), spec("1.8.15", V3), "1.8.1", "1.11.1", {"S4", "S11", "S12"}),
        (spec("1.8.15", V2), spec("1.8.15", V3), None, "1.11.1", {"S4", "S11", "S12"}),
        (spec("1.10.13", V2), spec("1.10.13", V3), None, "1.11.1", {"S11", "S12"}),
        (spec("1.8.15", V2), spec("1.8.15", V3), "1.7.1", "1.11.1", {"S4", "S11", "S12"}),
        # S6: etcd and Calico at once
        (spec("1.10.13", V2, ETCD2), spec("1.10.13", V3), "1.10.1", "1.12.3", {"S6", "S11", "S12"}),
        (spec("1.10.13", V2, ETCD2), spec("1.10.13", V2), "1.10.1", "1.12.3", set()),
        # S8: Calico v3 and Kubernetes 1.12 at once
        (spec("1.11.10", V2), spec("1.12.10", V3), "1.11.1", "1.12.3", {"S8"}),
        (spec("1.11.10", V2), spec("1.12.10", V2), "1.11.1", "1.12.3", set()),
        (spec("1.11.10", V2), spec("1.12.10", V3), "1.11.1", "1.11.1", {"S11", "S12"}),  # this kOps stays on etcd
        (spec("1.6.13", V2), spec("1.7.16", V3), "1.10.1", "1.11.1", {"S8", "S11", "S12"}),
        (
            spec("1.10.13", V2, ETCD3.replace("3.2.24", "3.1.12")),
            spec("1.10.13", V3),
            "1.10.1",
            "1.11.1",
            {"S8", "S11", "S12"},
        ),
        (spec("1.11.10", V2), spec("1.11.10", V3, ETCD3_OF_THREE), "1.12.3", "1.18.3", {"S8", "S9", "S11", "S12"}),
        # S9 speaks of a migration only
        (spec("1.11.10", V2), spec("1.11.10", V3), "1.11.1", "1.16.4", {"S9", "S11", "S12"}),
        (spec("1.11.10", V3), spec("1.11.10", V3), "1.11.1", "1.16.4", set()),
        # S10: back to v2
        (spec("1.11.10", V3), spec("1.11.10", V2), "1.12.3", "1.12.3", {"S10"}),
        (spec("1.19.7", V3), spec("1.19.7", V2), "1.19.3", "1.19.3", set()),
        # a modern pair is none of this
        (spec("1.29.1", V2), spec("1.30.1", V2), "1.29.2", "1.30.4", set()),
    ],
)
def test_pairs(old: str, new: str, from_kops: str | None, kops: str, expected: set[str]) -> None:
    findings = lint_spec(new, kops, old, from_kops, base="1.11")
    assert {finding.rule for finding in findings if finding.rule.startswith("S")} - {"S3"} == expected


def test_findings_of_a_pair_stand_on_the_new_spec_with_the_old_place_beside() -> None:
    findings = lint_spec(spec("1.10.13", V3), "1.12.3", spec("1.10.13", V2, ETCD2), "1.10.1", base="1.11")
    (finding,) = [finding for finding in findings if finding.rule == "S6"]
    assert finding.path == "spec.yaml"
    assert [other.path for other in finding.related] == ["old.yaml"]


def test_an_old_kops_that_is_only_assumed_makes_a_warning() -> None:
    assumed = lint_spec(spec("1.8.15", V3), "1.11.1", spec("1.8.15", V2), None, base="1.11")
    assert found(assumed, "S4") == {("S4", "warning", MAJOR)}
    given = lint_spec(spec("1.8.15", V3), "1.11.1", spec("1.8.15", V2), "1.8.0", base="1.11")
    assert found(given, "S4") == {("S4", "error", MAJOR)}


@pytest.mark.parametrize(
    ("lines", "kops", "expected"),
    [
        ("kubernetesVersion: 1.30.2", "1.30.4", set()),
        ("kubernetesVersion: v1.30.2", "1.30.4", set()),
        ("kubernetesVersion: 1.30.0-beta.1", "1.30.4", set()),
        ("kubernetesVersion: <absent>", "1.30.4", {("KV301", "error")}),
        ("kubernetesVersion: null", "1.30.4", {("KV301", "error")}),
        ("kubernetesVersion: ''", "1.30.4", {("KV301", "error")}),
        ("kubernetesVersion: '1.30'", "1.30.4", set()),  # kOps reads 1.30.0
        ("kubernetesVersion: https://dl.k8s.io/release/v1.30.2", "1.30.4", set()),
        ("kubernetesVersion: https://dl.k8s.io/release/v1.31.2", "1.30.4", {("KV303", "error")}),
        ("kubernetesVersion: https://dl.k8s.io/release/stable", "1.30.4", {("KV301", "error")}),
        ("kubernetesVersion: 1.30", "1.30.4", {("KV301", "error")}),
        ("kubernetesVersion: latest", "1.30.4", {("KV301", "error")}),
        ("kubernetesVersion: [1]", "1.30.4", {("KV301", "error")}),
        # too old, release by release
        ("kubernetesVersion: 1.8.15", "1.15.3", set()),
        ("kubernetesVersion: 1.8.15", "1.16.4", {("KV302", "error")}),
        ("kubernetesVersion: 1.30.9", "1.35.2", set()),
        ("kubernetesVersion: 1.30.9", "1.36.2", {("KV302", "error")}),
        ("kubernetesVersion: 1.31.0", "1.36.2", set()),
        # too new
        ("kubernetesVersion: 1.36.9", "1.36.2", set()),
        ("kubernetesVersion: 1.37.0", "1.36.2", {("KV303", "error")}),
        ("kubernetesVersion: 2.0.0", "1.36.2", {("KV303", "error")}),
        ("kubernetesVersion: 1.19.0", "1.18.3", {("KV303", "error")}),
        ("kubernetesVersion: 1.18.0", "1.17.2", {("KV303", "warning")}),
        # Calico v3 before Kubernetes 1.7: no network at all
        (spec("1.6.13", V3), "1.11.1", {("KV304", "error")}),
        (spec("1.7.0", V3), "1.11.1", set()),
        (spec("1.6.13", V2), "1.11.1", set()),
        (spec("1.6.13", V3), "1.14.1", {("KV304", "error")}),
        (spec("1.6.13", V3), None, {("KV304", "error")}),
    ],
)
def test_kubernetes_version(lines: str, kops: str | None, expected: set[tuple[str, str]]) -> None:
    findings = lint_spec(lines, kops, base=kops or "1.11")
    assert {(finding.rule, finding.severity) for finding in findings if finding.rule.startswith("KV")} == expected
    assert all(finding.field == "spec.kubernetesVersion" for finding in findings if finding.rule.startswith("KV"))


def test_a_float_is_explained_as_what_yaml_made_of_it() -> None:
    (finding,) = [f for f in lint_spec("kubernetesVersion: 1.30", "1.30.4") if f.rule == "KV301"]
    assert "1.3" in finding.message


def test_a_finding_of_some_releases_names_them() -> None:
    (finding,) = [f for f in lint_spec(spec("1.11.10", V3), None, base="1.11") if f.rule == "S9"]
    assert finding.releases == "1.15-1.19"
    assert "1.15-1.19" in finding.message


def test_the_documented_aliases_exist() -> None:
    assert rules.matching(("P702",)) == {"S6"}
    assert rules.matching(("P703",)) == {"S8"}
    assert rules.matching(("P711",)) == rules.matching(("Z901",)) == {"P711"}
    assert rules.matching(("P719",)) == {"KP502"}
    assert rules.matching(("P720",)) == {"KE208"}


def test_a_change_of_etcd_in_the_step_of_the_migration_is_a_warning_on_etcd() -> None:
    old = spec("1.10.13", V2, ETCD3.replace("3.2.24", "3.1.12"))
    (finding,) = [f for f in lint_spec(spec("1.10.13", V3), "1.11.1", old, "1.10.1", base="1.11") if f.rule == "S8"]
    assert (finding.severity, finding.field) == ("warning", "spec.etcdClusters[0].version")


@pytest.mark.parametrize(
    ("rule", "kops", "from_kops", "severity"),
    [
        # P717: a pool of kOps before 1.7, which only a given release tells
        ("P717", "1.6.2", None, "warning"),
        ("P717", "1.7.0-beta.1", None, "warning"),  # another message: the Job that moves the pool
        ("P717", "1.7.0", None, None),
        ("P717", "1.9.2", "1.6.2", "warning"),
        ("P717", "1.9.2", "1.7.1", None),
        ("P717", "1.6.2", "1.6.2", "warning"),
        ("P717", None, None, None),
        # P721: policies mean something else from 1.8 on
        ("P721", "1.7.1", None, None),
        ("P721", "1.8.1", None, "info"),
        ("P721", "1.9.2", None, None),
        ("P721", "1.8.1", "1.7.1", "warning"),
        ("P721", "1.10.1", "1.6.2", "warning"),
        ("P721", "1.8.1", "1.8.0", None),
        ("P721", None, "1.7.1", None),
        ("P721", None, None, None),
    ],
)
def test_what_the_kops_of_before_has_left(
    rule: str, kops: str | None, from_kops: str | None, severity: str | None
) -> None:
    lines = spec("1.8.15", V2)
    findings = lint_spec(lines, kops, lines if from_kops else None, from_kops, base="1.11")
    assert [finding.severity for finding in findings if finding.rule == rule] == ([severity] if severity else [])


def test_a_cluster_without_calico_has_no_pool_of_calico() -> None:
    findings = lint_spec(spec("1.8.15", "networking: {kubenet: {}}"), "1.6.2", base="1.11")
    assert not found(findings, "P")
