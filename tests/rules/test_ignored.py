from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.rules import ignored as rules
from calico_lint.rules.core import Rule
from tests.helpers import lint_spec
from tests.rules.judge import ANY_VALUE, MINORS, assert_segments_agree, cluster_of, etcd

WARNING, INFO, ERROR = "warning", "info", "error"
OWN = {rule.id for rule in rules.RULES}
ETCD = etcd("version: 3.2.24", "version: 3.2.24") + "kubernetesVersion: 1.11.10\n"


def calico(keys: str) -> str:
    return f"networking: {{calico: {{{keys}}}}}\n"


def found(lines: str | dict[str, Any], kops: str | None, **options: Any) -> set[tuple[str, str, str]]:
    return {
        (finding.rule, finding.field.removeprefix("spec.networking.calico").lstrip("."), finding.severity)
        for finding in lint_spec(lines, kops, **options)
        if finding.rule in OWN
    }


# lines, field below calico, the first and the last kOps minor that ignores it. The rule is silent outside.
SPANS = [
    ("KI601", calico("mtu: 8981"), "mtu", 12, 14),
    ("KI601", ETCD + calico("mtu: 8981, majorVersion: v3"), "mtu", 11, 19),
    ("KI601", "kubernetesVersion: 1.6.13\n" + calico("mtu: 8981"), "mtu", 10, 17),
    ("KI601", "kubernetesVersion: 1.5.8\n" + calico("mtu: 8981"), "mtu", 10, 17),
    ("KI602", ETCD + calico("ipipMode: Always"), "ipipMode", 8, 19),
    ("KI602", calico("ipipMode: Always"), "ipipMode", 8, 14),
    ("KI603", ETCD + calico("typhaReplicas: 1"), "typhaReplicas", 8, 19),
    ("KI603", calico("typhaReplicas: 3"), "typhaReplicas", 8, 14),
    ("KI604", "cloudProvider: gce\n" + calico("crossSubnet: true"), "crossSubnet", 8, 18),
    ("KI605", calico("nftablesMode: Auto"), "nftablesMode", 35, 36),
    ("KI606", calico("version: v3.27.4"), "version", 19, 36),
    ("KI607", calico(""), "", 12, 12),
    ("KI609", calico("crossSubnet: true"), "crossSubnet", 8, 19),
    ("KI609", "kubernetesVersion: 1.15.12\n" + calico("crossSubnet: true"), "crossSubnet", 8, 21),
]


@pytest.mark.parametrize(("rule", "lines", "field", "first", "last"), SPANS)
def test_a_rule_holds_from_its_first_to_its_last_release(
    rule: str, lines: str, field: str, first: int, last: int
) -> None:
    expected = set(range(first, last + 1))
    if rule == "KI606":
        expected -= {28, 29, 30, 31}  # they ship v3.27
    for minor in MINORS:
        seen = {place for id, place, _ in found(lines, f"1.{minor}") if id == rule}
        assert seen == ({field} if minor in expected else set()), f"kOps 1.{minor}"


CASES = [
    (calico("mtu: 8981"), "1.15", set()),
    (ETCD + calico("mtu: 8981"), "1.11", set()),  # the manifest for Calico v2 has a place for it
    ("kubernetesVersion: latest\n" + calico("mtu: 8981, ipipMode: Always, typhaReplicas: 3"), "1.16", set()),
    (calico("typhaReplicas: 0"), "1.14", set()),
    (calico("typhaReplicas: -1"), "1.14", set()),
    (calico('typhaReplicas: "3"'), "1.14", set()),
    (calico("ipipMode: 7"), "1.14", set()),
    (calico("crossSubnet: false"), "1.16", set()),
    (calico("crossSubnet: true"), "1.16", {("KI609", "crossSubnet", INFO)}),
    ("cloudProvider: gce\nnetworkCIDR: <absent>\n" + calico("crossSubnet: true"), "1.19", set()),
    ("cloudProvider: <absent>\n" + calico("crossSubnet: true"), "1.16", set()),
    (calico("nftablesMode: Enabled"), "1.36", set()),
    (calico("nftablesMode: disabled"), "1.36", set()),  # Felix does not mind the case
    (calico('nftablesMode: ""'), "1.36", set()),
    (calico("nftablesMode: true"), "1.36", set()),
    (calico("nftablesMode: Auto, version: v3.32.0"), "1.36", {("KI606", "version", WARNING)}),
    (calico("nftablesMode: Sometimes, version: v3.32.0"), "1.36",
     {("KI605", "nftablesMode", ERROR), ("KI606", "version", WARNING)}),
    (calico("version: v3.31.9"), "1.36", set()),
    (calico("version: 3.31.9"), "1.36", set()),
    (calico("version: master"), "1.36", set()),
    (calico("version: 3.1"), "1.36", set()),
    (calico(""), "1.12.0", {("KI607", "", WARNING)}),
    (calico(""), "1.13.0", {("KI607", "", WARNING)}),
    (calico(""), "1.13.1", set()),
    (ETCD + calico(""), "1.12", set()),
    ("networking: {kubenet: {}}", "1.12", set()),
    ("networking: {calico: null}", "1.12", set()),
    ("networking: {calico: text}", "1.15", set()),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "kops", "expected"), CASES)
def test_cases(lines: str, kops: str, expected: set[tuple[str, str, str]]) -> None:
    assert found(lines, kops) == expected


@pytest.mark.parametrize(
    ("rule", "lines", "severity", "releases"),
    [
        ("KI603", "kubernetesVersion: 1.11.10\n" + calico("typhaReplicas: 3"), WARNING, None),
        ("KI606", "kubernetesVersion: 1.35.2\n" + calico("version: v3.30.3"), WARNING, None),
        ("KI606", "kubernetesVersion: 1.34.2\n" + calico("version: v3.30.3"), WARNING, "1.35-1.36"),
        ("KI607", "kubernetesVersion: 1.12.10\n" + calico(""), INFO, "1.12"),
    ],
)
def test_inferred_releases(rule: str, lines: str, severity: str, releases: str | None) -> None:
    (finding,) = [finding for finding in lint_spec(lines, None, base="1.12") if finding.rule == rule]
    assert (finding.severity, finding.releases) == (severity, releases)


def test_an_ignored_key_is_one_finding_even_where_it_is_unknown() -> None:
    findings = lint_spec(calico("typhaReplicas: 3"), "1.14")
    assert [finding.rule for finding in findings if finding.field == "spec.networking.calico.typhaReplicas"] == [
        "KI603"
    ]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_one_release_stands_for_its_segment(rule: Rule) -> None:
    examples = [(example.yaml, example.kops) for example in rule.text.bad + rule.text.good]
    spans = [(lines, "1.16") for _, lines, _, _, _ in SPANS]
    for lines, kops in [*examples, *spans, *((lines, kops) for lines, kops, _ in CASES)]:
        assert_segments_agree(rule, cluster_of(lines, kops))


KEYS = ("mtu", "ipipMode", "typhaReplicas", "crossSubnet", "nftablesMode", "version", "majorVersion")


@given(
    st.dictionaries(st.sampled_from(KEYS), ANY_VALUE, max_size=4) | ANY_VALUE,
    st.sampled_from((None, "1.8", "1.12", "1.16", "1.19", "1.36")),
)
@settings(max_examples=200, deadline=None)
def test_no_value_makes_a_rule_raise(values: object, kops: str | None) -> None:
    lint_spec({"networking": {"calico": values}}, kops)
