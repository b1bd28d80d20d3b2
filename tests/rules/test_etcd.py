from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.rules import etcd as rules
from calico_lint.rules.core import Rule
from tests.helpers import lint_spec
from tests.rules.judge import (
    ANY_VALUE,
    MINORS,
    V1ALPHA3,
    assert_segments_agree,
    cluster_of,
    etcd,
    found,
    members,
    only,
)

ERROR, WARNING = "error", "warning"
KUBENET = "networking: {kubenet: {}}\n"


def both(keys: str) -> str:
    return etcd(keys, keys)


def kubernetes(version: str) -> str:
    return f"kubernetesVersion: {version}\n"


def clusters(*entries: str) -> str:
    return "etcdClusters:\n" + "".join(f"- {entry}\n" for entry in entries)


# A spec that is wrong, the fields, the first and the last kOps minor that objects. The rule is silent outside.
SPANS = [
    ("KE201", "etcdClusters: []", ("",), 8, 36),
    ("KE202", clusters("{name: main}"), ("[0].etcdMembers",), 8, 36),
    ("KE202", clusters(f"{{name: main, etcdMembers: {members(2)}}}"), ("[0].etcdMembers",), 8, 36),
    ("KE203", clusters("{name: main, etcdMembers: [{name: a}]}"), ("[0].etcdMembers[0].instanceGroup",), 8, 36),
    ("KE204", clusters(f"{{etcdMembers: {members()}}}"), ("[0].name",), 8, 36),
    ("KE204", clusters(f"{{name: calico, etcdMembers: {members()}}}"), ("[0].name",), 21, 36),
    ("KE204", clusters(f"{{name: leases, etcdMembers: {members()}}}"), ("[0].name",), 21, 35),
    ("KE205", both('version: "3.4"'), ("[0].version", "[1].version"), 8, 36),
    ("KE205", both("version: 2.2.1"), ("[0].version", "[1].version"), 20, 36),
    ("KE205", both("version: 4.0.0"), ("[0].version", "[1].version"), 8, 36),
    ("KE206", etcd("version: 3.4.13", "version: 3.4.3"), ("[1].version",), 8, 36),
    ("KE206", etcd("", "version: 3.4.3"), ("[1].version",), 8, 36),
    ("KE207", etcd("enableEtcdTLS: true"), ("[0].enableEtcdTLS",), 8, 22),
    ("KE207", etcd("", "enableEtcdTLS: true"), ("[0].enableEtcdTLS",), 8, 22),
    ("KE208", both("provider: manager"), ("[0].provider", "[1].provider"), 11, 36),
    ("KE208", both("provider: Legacy"), ("[0].provider", "[1].provider"), 18, 36),
    ("KE208", kubernetes("1.17.17") + both("provider: Legacy"), ("[0].provider", "[1].provider"), 23, 36),
    ("KE209", both("version: 3.2.20"), ("[0].version", "[1].version"), 12, 36),
    ("KE209", both("version: 3.4.13"), ("[0].version", "[1].version"), 12, 17),
    ("KE210", both("enableEtcdTLS: true, provider: Manager"), ("[0].enableEtcdTLS", "[1].enableEtcdTLS"), 10, 11),
    ("KE211", etcd("provider: Manager, heartbeatInterval: 1s"), ("[0].heartbeatInterval",), 10, 36),
    ("KE211", etcd("provider: Manager, leaderElectionTimeout: 1s"), ("[0].leaderElectionTimeout",), 10, 36),
    ("KE212", "cloudProvider: openstack\n" + both("provider: Manager"), ("[0].provider", "[1].provider"), 10, 13),
    ("KE212", "cloudProvider: azure\n" + both("provider: Manager"), ("[0].provider", "[1].provider"), 10, 19),
    ("KE213", KUBENET.replace("kubenet", "calico") + both("enableEtcdTLS: true"), ("[0].enableEtcdTLS",), 8, 8),
    (
        "KE213",
        kubernetes("1.5.8") + "networking: {calico: {}}\n" + both("enableEtcdTLS: true"),
        ("[0].enableEtcdTLS",),
        8,
        17,
    ),
    ("KE214", etcd("").replace("events", "main"), ("[1].name",), 8, 36),
]


@pytest.mark.parametrize(("rule", "lines", "fields", "first", "last"), SPANS)
def test_a_rule_holds_from_its_first_to_its_last_release(
    rule: str, lines: str, fields: tuple[str, ...], first: int, last: int
) -> None:
    if rule == "KE209" and "3.4.13" in lines:
        expected = {*range(first, last + 1), 36}  # kOps 1.36 has no etcd 3.4 any more
    else:
        expected = set(range(first, last + 1))
    for minor in MINORS:
        seen = {field for id, field, severity in found(lines, f"1.{minor}") if id == rule and severity == ERROR}
        assert seen == ({f"etcdClusters{field}" for field in fields} if minor in expected else set()), f"kOps 1.{minor}"


CASES = [
    ("", "1.36", set()),
    ("etcdClusters: <absent>", "1.36", {("KE201", "", ERROR)}),
    ("etcdClusters: null", "1.36", {("KE201", "", ERROR)}),
    ("etcdClusters: {}", "1.36", set()),
    ("etcdClusters: text", "1.36", set()),
    ("etcdClusters: [text]", "1.36", set()),
    ("etcdClusters: [null]", "1.36", {("KE202", "[0].etcdMembers", ERROR), ("KE204", "[0].name", ERROR)}),
    ("networking: {calico: {majorVersion: v3}}\netcdClusters: []", "1.18", {("KE201", "", ERROR)}),
    # KE202, KE203
    (clusters(f"{{name: main, etcdMembers: {members(3)}}}"), "1.36", set()),
    (clusters(f"{{name: main, etcdMembers: {members(4)}}}"), "1.36", {("KE202", "[0].etcdMembers", ERROR)}),
    (clusters("{name: main, etcdMembers: []}"), "1.36", {("KE202", "[0].etcdMembers", ERROR)}),
    (clusters("{name: main, etcdMembers: null}"), "1.36", {("KE202", "[0].etcdMembers", ERROR)}),
    (clusters("{name: main, etcdMembers: text}"), "1.36", set()),
    (
        clusters("{name: main, etcdMembers: [{instanceGroup: ''}]}"),
        "1.36",
        {("KE203", "[0].etcdMembers[0].name", ERROR), ("KE203", "[0].etcdMembers[0].instanceGroup", ERROR)},
    ),
    (
        clusters("{name: main, etcdMembers: [null]}"),
        "1.36",
        {("KE203", "[0].etcdMembers[0].name", ERROR), ("KE203", "[0].etcdMembers[0].instanceGroup", ERROR)},
    ),
    (clusters("{name: main, etcdMembers: [text]}"), "1.36", set()),
    (clusters("{name: main, etcdMembers: [{name: 1, instanceGroup: [a]}]}"), "1.36", set()),
    # KE204
    (clusters(f"{{name: cilium, etcdMembers: {members()}}}"), "1.36", set()),
    (clusters(f"{{name: '', etcdMembers: {members()}}}"), "1.30", {("KE204", "[0].name", ERROR)}),
    (clusters(f"{{name: 1, etcdMembers: {members()}}}"), "1.30", set()),
    # KE205
    (both("version: v3.4.13"), "1.24", set()),
    (both('version: ""'), "1.24", set()),
    (both("version: 3.5.1-rc.1"), "1.24", {("KE209", "[0].version", ERROR), ("KE209", "[1].version", ERROR)}),
    (both("version: 2.2.1"), "1.19", {("KE215", "[0].version", ERROR)}),
    (both("version: 3.4"), "1.24", {("KE205", "[0].version", ERROR), ("KE205", "[1].version", ERROR)}),
    (both("version: 3"), "1.24", {("KE205", "[0].version", ERROR), ("KE205", "[1].version", ERROR)}),
    (both("version: true"), "1.24", set()),
    (both("version: vv3.4.13"), "1.24", {("KE205", "[0].version", ERROR), ("KE205", "[1].version", ERROR)}),
    # KE206: both directions, with defaults, and never beside KE205
    (etcd("version: 3.6.12"), "1.36", {}),
    (etcd("version: 3.5.31"), "1.36", {("KE206", "[1].version", ERROR)}),
    (etcd("version: v3.6.12"), "1.36", {("KE206", "[1].version", ERROR)}),
    (etcd("version: v3.6.12", "version: 3.6.12"), "1.36", {("KE206", "[1].version", ERROR)}),
    (etcd("", "version: 3.6.12"), "1.36", {("KE206", "[1].version", ERROR)}),
    (etcd("version: 3.5.31", 'version: ""'), "1.36", {("KE206", "[1].version", ERROR)}),
    (etcd("version: 3.4.13", "version: 2.2.1"), "1.24", {("KE205", "[1].version", ERROR)}),
    (etcd("version: 2.2.1", "version: 3.4.13"), "1.24",
     {("KE205", "[0].version", ERROR), ("KE206", "[1].version", ERROR)}),
    (etcd('version: "3.4"'), "1.24", {("KE205", "[0].version", ERROR)}),
    (etcd("version: 3.4", "version: 3.4.13"), "1.24", {("KE205", "[0].version", ERROR)}),
    (etcd("version: 3.4.13", "version: 3.4"), "1.24", {("KE205", "[1].version", ERROR)}),
    (kubernetes("latest") + etcd("version: 3.5.31"), "1.36", set()),
    (kubernetes("1.11.10") + KUBENET + etcd("provider: Manager"), "1.16", {("KE206", "[1].version", ERROR)}),
    (
        f"etcdClusters: [{{name: main, etcdMembers: {members()}, version: 3.5.6}}, "
        f"{{name: events, etcdMembers: {members()}, version: 3.5.6}}, "
        f"{{name: cilium, etcdMembers: {members()}, version: 3.5.4}}]",
        "1.24",
        {("KE206", "[2].version", ERROR)},
    ),
    # KE207: as written, and with the defaults
    (both("enableEtcdTLS: true"), "1.16", set()),
    (etcd("enableEtcdTLS: true", "enableEtcdTLS: false"), "1.16", {("KE207", "[0].enableEtcdTLS", ERROR)}),
    (etcd("", "provider: Legacy"), "1.16", {("KE207", "[0].enableEtcdTLS", ERROR)}),
    (kubernetes("1.11.10") + KUBENET + etcd("version: 3.2.24, provider: Manager", "version: 3.2.24"), "1.16", set()),
    (both("version: 2.2.1") + "", "1.16", {("KE215", "[0].version", ERROR)}),
    (kubernetes("1.17.17") + etcd("", "provider: Legacy"), "1.20", {("KE207", "[0].enableEtcdTLS", ERROR)}),
    (etcd("enableEtcdTLS: text"), "1.16", set()),
    # KE208
    (both("provider: Manager"), "1.36", set()),
    (both("provider: Legacy"), "1.17", set()),
    (both('provider: ""'), "1.36", set()),
    (both("provider: [Manager]"), "1.36", set()),
    (V1ALPHA3 + "cloudProvider: {aws: {}}\n" + both("provider: manager"), "1.30", set()),
    # KE209
    (both("version: 3.2.20, provider: Legacy"), "1.16", set()),
    (kubernetes("1.11.10") + KUBENET + both("version: 3.2.20"), "1.16", set()),
    (kubernetes("1.11.10") + KUBENET + both("version: 3.2.20, manager: {}"), "1.16",
     {("KE209", "[0].version", ERROR), ("KE209", "[1].version", ERROR)}),
    (both("version: v3.6.12"), "1.36", set()),
    # KE210, KE211, KE212, KE213
    (KUBENET + both("enableEtcdTLS: true"), "1.11", set()),
    (KUBENET + kubernetes("1.12.10") + both("enableEtcdTLS: true"), "1.11",
     {("KE210", "[0].enableEtcdTLS", ERROR), ("KE210", "[1].enableEtcdTLS", ERROR)}),
    (KUBENET + both("enableEtcdTLS: true, manager: {image: x}"), "1.10",
     {("KE210", "[0].enableEtcdTLS", ERROR), ("KE210", "[1].enableEtcdTLS", ERROR)}),
    (etcd("heartbeatInterval: 1s, leaderElectionTimeout: 1s"), "1.16",
     {("KE211", "[0].heartbeatInterval", ERROR), ("KE211", "[0].leaderElectionTimeout", ERROR)}),
    (etcd("heartbeatInterval: 1s, provider: Legacy", "provider: Legacy"), "1.16", set()),
    (etcd("heartbeatInterval: null"), "1.16", set()),
    (etcd("heartbeatInterval: 500"), "1.16", set()),
    (V1ALPHA3 + "cloudProvider: {aws: {}}\n" + etcd("heartbeatInterval: 1s"), "1.30", set()),
    ("cloudProvider: openstack\n", "1.12", {("KE212", "[0].provider", ERROR), ("KE212", "[1].provider", ERROR)}),
    ("cloudProvider: openstack\n", "1.14", set()),
    ("cloudProvider: openstack\n" + both("provider: Legacy"), "1.12", set()),
    ("cloudProvider: digitalocean\n", "1.14", set()),
    ("cloudProvider: alicloud\n", "1.24", {("KE212", "[0].provider", ERROR), ("KE212", "[1].provider", ERROR)}),
    ("cloudProvider: nowhere\n", "1.24", set()),
    (V1ALPHA3 + "cloudProvider: {do: {}}\n", "1.30", set()),
    (V1ALPHA3 + "cloudProvider: {linode: {}}\n", "1.36",
     {("KE212", "[0].provider", ERROR), ("KE212", "[1].provider", ERROR)}),
    (KUBENET + both("enableEtcdTLS: true"), "1.8", set()),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "kops", "expected"), CASES)
def test_cases(lines: str, kops: str, expected: set[tuple[str, str, str]]) -> None:
    assert found(lines, kops) == {(rule, f"etcdClusters{field}", severity) for rule, field, severity in expected}


@pytest.mark.parametrize(
    ("rule", "lines", "kops", "origin"),
    [
        ("KE201", "etcdClusters: []", "1.36", "kops-written"),
        ("KE206", etcd("", "version: 3.6.12"), "1.36", "kops-written"),
        ("KE206", etcd("version: 3.5.31"), "1.36", "kops-completed"),
        ("KE207", etcd("enableEtcdTLS: true"), "1.16", "kops-written"),
        ("KE207", etcd("", "provider: Legacy"), "1.16", "kops-completed"),
        ("KE209", etcd("version: 3.2.20", "provider: Legacy, version: 3.2.20"), "1.16", "kops-apply"),
        ("KE211", etcd("heartbeatInterval: 1s"), "1.16", "kops-apply"),
        ("KE214", etcd("").replace("events", "main"), "1.17", "calico"),
        ("KE214", etcd("").replace("events", "main"), "1.18", "kops-written"),
        ("KE205", etcd("version: 3.4"), "1.30", "schema"),
    ],
)
def test_who_objects_and_when(rule: str, lines: str, kops: str, origin: str) -> None:
    assert only(rule, lines, kops).origin == origin


def test_a_number_for_a_version_is_one_finding() -> None:
    findings = [finding for finding in lint_spec(etcd("version: 3.4"), "1.30") if finding.severity == ERROR]
    assert [(finding.rule, finding.field) for finding in findings] == [("KE205", "spec.etcdClusters[0].version")]
    assert "YAML reads `3.4` as a number" in findings[0].message


def test_the_etcd_that_has_tls_is_named() -> None:
    finding = only("KE207", etcd("", "enableEtcdTLS: true"), "1.16")
    assert "etcd cluster `main` lacks" in finding.message
    assert [related.message for related in finding.related] == ["TLS is on here"]


@pytest.mark.parametrize(
    ("rule", "lines", "severity", "releases"),
    [
        ("KE205", kubernetes("1.19.0") + etcd("version: 2.3.8"), WARNING, "1.20-1.24"),
        ("KE205", kubernetes("1.19.0") + etcd('version: "3.4"'), ERROR, None),
        ("KE206", kubernetes("1.34.0") + etcd("version: 3.6.11"), WARNING, "1.35-1.36"),
        ("KE206", kubernetes("1.34.0") + etcd("version: 3.5.9"), ERROR, None),
        ("KE208", kubernetes("1.17.17") + etcd("provider: Legacy"), None, None),
        ("KE209", kubernetes("1.34.0") + both("version: 3.5.31"), None, None),  # only 1.35 and later run it
        ("KE209", kubernetes("1.34.0") + both("version: 3.3.1"), ERROR, None),
    ],
)
def test_inferred_releases(rule: str, lines: str, severity: str | None, releases: str | None) -> None:
    findings = [finding for finding in lint_spec(lines, None, base="1.30") if finding.rule == rule]
    expected = {(severity, releases)} if severity else set()
    assert {(finding.severity, finding.releases) for finding in findings} == expected
    assert releases is None or all(f"kOps {releases}" in finding.message for finding in findings)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_one_release_stands_for_its_segment(rule: Rule) -> None:
    examples = [(example.yaml, example.kops) for example in rule.text.bad + rule.text.good]
    spans = [(lines, "1.16") for _, lines, _, _, _ in SPANS]
    for lines, kops in [*examples, *spans, *((lines, kops) for lines, kops, _ in CASES)]:
        assert_segments_agree(rule, cluster_of(lines, kops))


KEYS = ("name", "etcdMembers", "version", "provider", "manager", "enableEtcdTLS", "heartbeatInterval")
ENTRY = st.dictionaries(st.sampled_from(KEYS), ANY_VALUE, max_size=3)
MEMBER = st.dictionaries(st.sampled_from(("name", "instanceGroup")), ANY_VALUE)


@given(
    ANY_VALUE | st.lists(ENTRY | ANY_VALUE | st.builds(lambda member: {"etcdMembers": [member]}, MEMBER), max_size=3),
    st.sampled_from(("kubernetesVersion", "cloudProvider", "networking")),
    ANY_VALUE,
    st.sampled_from((None, "1.8", "1.11", "1.16", "1.19", "1.22", "1.30", "1.36")),
)
@settings(max_examples=300, deadline=None)
def test_no_value_makes_a_rule_raise(clusters: object, other: str, beside: object, kops: str | None) -> None:
    lint_spec({"etcdClusters": clusters}, kops)
    lint_spec({"etcdClusters": clusters, other: beside}, kops)
