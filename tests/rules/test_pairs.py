from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.rules import pairs as rules
from tests.helpers import lint_spec
from tests.rules.judge import ANY_VALUE, MINORS

ERROR, WARNING = "error", "warning"
OWN = {rule.id for rule in rules.RULES}
KUBENET = "networking: {kubenet: {}}\n"


def etcd(main: str = "{name: a, instanceGroup: cp-a}", events: str | None = "{name: a, instanceGroup: cp-a}") -> str:
    lines = f"{KUBENET}etcdClusters:\n- {{name: main, etcdMembers: [{main}]}}\n"
    return lines + (f"- {{name: events, etcdMembers: [{events}]}}\n" if events is not None else "")


def member(keys: str) -> str:
    return f"{{name: a, instanceGroup: cp-a, {keys}}}"


def found(new: Any, old: Any, kops: str | None, from_kops: str | None = None) -> set[tuple[str, str, str]]:
    return {
        (finding.rule, finding.field.removeprefix("spec."), finding.severity)
        for finding in lint_spec(new, kops, old, from_kops, base=kops or "1.16")
        if finding.rule in OWN
    }


OTHER = "{name: b, instanceGroup: cp-b}"
# old, new, the field, the first and the last kOps minor that refuses the step. The rule is silent outside.
SPANS = [
    ("KP501", etcd(), etcd(events=None), "etcdClusters", 8, 36),
    ("KP501", etcd(), etcd().replace("name: events", "name: cilium"), "etcdClusters", 8, 36),
    ("KP502", etcd(), etcd(f"{member('')}, {OTHER}"), "etcdClusters[0].etcdMembers[1]", 8, 17),
    ("KP502", etcd(f"{member('')}, {OTHER}"), etcd(), "etcdClusters[0].etcdMembers", 8, 17),
    ("KP503", etcd(), etcd("{name: a, instanceGroup: cp-z}"), "etcdClusters[0].etcdMembers[0].instanceGroup", 8, 36),
    ("KP503", etcd(), etcd("{name: a}"), "etcdClusters[0].etcdMembers[0].instanceGroup", 8, 36),
    ("KP504", etcd(), etcd(member("volumeSize: 40")), "etcdClusters[0].etcdMembers[0].volumeSize", 8, 19),
    ("KP504", etcd(member("volumeSize: 40")), etcd(), "etcdClusters[0].etcdMembers[0].volumeSize", 8, 19),
    ("KP504", etcd(), etcd(member("volumeType: gp3")), "etcdClusters[0].etcdMembers[0].volumeType", 8, 19),
    ("KP504", etcd(), etcd(member("volumeIops: 100")), "etcdClusters[0].etcdMembers[0].volumeIops", 9, 19),
    ("KP504", etcd(), etcd(member("kmsKeyId: k")), "etcdClusters[0].etcdMembers[0].kmsKeyId", 8, 19),
    ("KP504", etcd(), etcd(member("encryptedVolume: true")), "etcdClusters[0].etcdMembers[0].encryptedVolume", 8, 19),
]


@pytest.mark.parametrize(("rule", "old", "new", "field", "first", "last"), SPANS)
def test_a_rule_holds_from_its_first_to_its_last_release(
    rule: str, old: str, new: str, field: str, first: int, last: int
) -> None:
    for minor in MINORS:
        assert found(new, old, f"1.{minor}") == ({(rule, field, ERROR)} if first <= minor <= last else set()), minor
        assert found(old, old, f"1.{minor}") == found(new, new, f"1.{minor}") == set()


CASES = [
    # more of them, another order, or a default that is written down
    (etcd(events=None), etcd(), "1.16", set()),
    (etcd(), KUBENET + "etcdClusters: []", "1.36", {("KP501", "etcdClusters", ERROR)}),
    (etcd(), KUBENET + "etcdClusters: <absent>", "1.36", set()),
    (etcd(f"{member('')}, {OTHER}"), etcd(f"{OTHER}, {member('')}"), "1.16", set()),
    (etcd(), etcd(member("encryptedVolume: false, volumeSize: 0, volumeType: ''")), "1.16", set()),
    (etcd(), etcd(member("encryptedVolume: null")), "1.16", set()),
    # ill-typed values are the schema's business
    (etcd(), etcd(member("volumeSize: '40'")), "1.16", set()),
    (etcd(member("volumeSize: [40]")), etcd(member("volumeSize: 40")), "1.16", set()),
    (etcd(), KUBENET + "etcdClusters: text", "1.16", set()),
    (KUBENET + "etcdClusters: text", etcd(), "1.16", set()),
    (etcd(), etcd("text"), "1.16", {("KP502", "etcdClusters[0].etcdMembers", ERROR)}),
]


@pytest.mark.parametrize(("old", "new", "kops", "expected"), CASES)
def test_cases(old: str, new: str, kops: str, expected: set[tuple[str, str, str]]) -> None:
    assert found(new, old, kops) == expected


def test_the_old_place_is_shown() -> None:
    findings = lint_spec(etcd(events=None), "1.36", etcd(), None, base="1.36")
    (finding,) = [finding for finding in findings if finding.rule == "KP501"]
    assert [(related.path, related.message) for related in finding.related] == [("old.yaml", "as it is today")]


@pytest.mark.parametrize(
    ("from_kops", "kops", "severity"),
    [
        ("1.36.2", "1.36.2", None),
        ("1.36.2", "1.36.1", ERROR),
        ("1.36.2", "1.35.9", ERROR),
        ("1.35.2", "1.36.0", None),
        ("1.20.0", "1.19.3", ERROR),
        ("1.20.0", "1.20.0-beta.1", ERROR),
        ("1.19.3", "1.18.3", None),  # it does not look
        (None, "1.19.3", None),
    ],
)
def test_a_downgrade_of_kops(from_kops: str | None, kops: str, severity: str | None) -> None:
    findings = [finding for finding in lint_spec("", kops, "", from_kops, base=kops) if finding.rule == "KP505"]
    assert [(finding.field, finding.severity) for finding in findings] == (
        [("metadata.name", severity)] if severity else []
    )
    assert all(finding.origin == "kops-apply" for finding in findings)


def test_a_downgrade_that_only_some_releases_would_be() -> None:
    (finding,) = [
        finding
        for finding in lint_spec("kubernetesVersion: 1.34.2", None, "", "1.35", base="1.34")
        if finding.rule == "KP505"
    ]
    assert (finding.severity, finding.releases) == (WARNING, "1.34")


V3 = (
    "kubernetesVersion: 1.11.10\nnetworking: {calico: {majorVersion: v3}}\netcdClusters:\n"
    "- {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}\n"
)


@pytest.mark.parametrize(
    ("from_kops", "kops", "old", "new", "fires"),
    [
        ("1.11.0", "1.12.0", V3, V3, True),
        ("1.11.1", "1.19.3", V3, V3, True),
        ("1.12.2", "1.12.3", V3, V3, True),
        ("1.12.0", "1.12.2", V3, V3, False),
        ("1.12.3", "1.19.3", V3, V3, False),
        ("1.11.0", "1.11.1", V3, V3, False),
        (None, "1.12.3", V3, V3, False),
        ("1.11.1", "1.12.3", V3.replace("majorVersion: v3", ""), V3, False),
        ("1.11.1", "1.12.3", V3, V3.replace("1.11.10", "1.12.10"), False),
    ],
)
def test_the_job_of_the_upgrade(from_kops: str | None, kops: str, old: str, new: str, fires: bool) -> None:
    expected = {("KI608", "networking.calico.majorVersion", WARNING)} if fires else set()
    assert {each for each in found(new, old, kops, from_kops) if each[0] == "KI608"} == expected


ENTRY = st.dictionaries(
    st.sampled_from(("name", "etcdMembers")),
    st.sampled_from(("main", "events"))
    | st.lists(st.dictionaries(st.sampled_from(("name", "instanceGroup", "volumeSize")), ANY_VALUE), max_size=2)
    | ANY_VALUE,
)


@given(
    st.lists(ENTRY | ANY_VALUE, max_size=2), st.lists(ENTRY | ANY_VALUE, max_size=2), st.sampled_from((None, "1.16"))
)
@settings(max_examples=200, deadline=None)
def test_no_value_makes_a_rule_raise(old: object, new: object, kops: str | None) -> None:
    lint_spec({"etcdClusters": new}, kops, {"etcdClusters": old}, kops)
