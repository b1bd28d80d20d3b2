from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.cluster import CNI_KEYS
from calico_lint.rules import networking
from calico_lint.rules.core import Rule
from tests.helpers import lint_spec
from tests.rules.judge import ANY_VALUE, MINORS, V1ALPHA3, assert_segments_agree, cluster_of, found, only

ERROR, WARNING = "error", "warning"
IPV6 = 'nonMasqueradeCIDR: "::/0"\n'


def options(*keys: str) -> str:
    return f"networking: {{{', '.join(f'{key}: {{}}' for key in keys)}}}\n"


# Two options, and the kOps minors that refuse them as two (not each for itself).
KOPS_COUNTS = [
    (("calico", "cilium"), range(18, 37)),
    (("kubenet", "calico"), range(18, 37)),
    (("calico", "gce"), range(18, 37)),
    (("calico", "amazonvpc"), range(18, 37)),
    (("calico", "kuberouter"), range(18, 37)),
    (("calico", "cni"), (18, *range(32, 37))),
    (("kubenet", "cni"), range(18, 37)),
    (("weave", "calico"), (*range(18, 28), *range(32, 37))),
    (("calico", "canal"), range(18, 34)),
    (("calico", "romana"), (18, *range(32, 37))),
    (("calico", "lyftvpc"), (*range(18, 23), *range(32, 37))),
    (("calico", "classic"), range(32, 37)),
    (("calico", "kindnet"), range(32, 37)),
]


@pytest.mark.parametrize(("keys", "minors"), KOPS_COUNTS)
def test_two_options_are_an_error_of_the_linter_always_and_of_kops_where_it_counts(
    keys: tuple[str, str], minors: tuple[int, ...]
) -> None:
    for minor in MINORS:
        findings = [finding for finding in lint_spec(options(*keys), f"1.{minor}") if finding.rule == "KC130"]
        assert {finding.field for finding in findings} == {f"spec.networking.{key}" for key in keys}
        assert {finding.severity for finding in findings} == {ERROR}
        assert {finding.origin for finding in findings} == {"kops-written" if minor in minors else "calico"}, minor


def test_each_conflicting_option_names_the_others() -> None:
    findings = [finding for finding in lint_spec(options("cilium", "calico", "cni"), "1.24") if finding.rule == "KC130"]
    assert [len(finding.related) for finding in findings] == [2, 2, 2]
    assert all("`cilium`, `calico` and `cni`" in finding.message for finding in findings)


CASES = [
    ("networking: {calico: {}}", "1.36", set()),
    ("networking: {}", "1.36", set()),
    ("networking: null", "1.36", set()),
    ("networking: {calico: {}, cilium: null}", "1.36", set()),
    ("networking: {calico: {}, cilium: true}", "1.36", set()),
    (
        V1ALPHA3 + "cloudProvider: {aws: {}}\nnetworking: {calico: {}, kubeRouter: {}}",
        "1.36",
        {("KC130", "calico", ERROR), ("KC130", "kubeRouter", ERROR)},
    ),
    # KC131
    ("networking: {canal: {defaultEndpointToHostAction: REJECT}}", "1.8",
     {("KC131", "canal.defaultEndpointToHostAction", ERROR)}),
    ("networking: {canal: {defaultEndpointToHostAction: DROP}}", "1.8", set()),
    ("networking: {canal: {chainInsertMode: first}}", "1.8", {("KC131", "canal.chainInsertMode", ERROR)}),
    ("networking: {canal: {logSeveritySys: info}}", "1.9", set()),
    ("networking: {canal: {logSeveritySys: info}}", "1.10", {("KC131", "canal.logSeveritySys", ERROR)}),
    ("networking: {canal: {logSeveritySys: NONE}}", "1.10", set()),
    ("networking: {canal: {iptablesBackend: nft}}", "1.17", set()),
    ("networking: {canal: {iptablesBackend: nft}}", "1.18", {("KC131", "canal.iptablesBackend", ERROR)}),
    ("networking: {canal: {iptablesBackend: nft}}", "1.27", {("KC131", "canal.iptablesBackend", ERROR)}),
    ("networking: {canal: {iptablesBackend: Auto, chainInsertMode: ''}}", "1.18", set()),
    ("networking: {canal: {iptablesBackend: 1, chainInsertMode: [x]}}", "1.18", set()),
    ("kubernetesVersion: 1.27.16\nnetworking: {canal: {iptablesBackend: nft}}", "1.28",
     {("KC131", "canal.iptablesBackend", ERROR)}),
    ("networking: {canal: {iptablesBackend: nft}}", "1.28", {("KC133", "canal", ERROR)}),
    # KC132
    (IPV6 + options("canal"), "1.22", set()),
    (IPV6 + options("canal"), "1.23", {("KC132", "canal", ERROR)}),
    (IPV6 + "kubernetesVersion: 1.27.16\n" + options("canal"), "1.33", {("KC132", "canal", ERROR)}),
    (IPV6 + options("canal"), "1.33", {("KC133", "canal", ERROR)}),
    (IPV6 + "kubernetesVersion: 1.27.16\n" + options("canal"), "1.34", {("KC133", "canal", ERROR)}),
    # KC133
    (options("canal"), "1.27", set()),
    ("kubernetesVersion: 1.28.0\n" + options("canal"), "1.27", set()),
    ("kubernetesVersion: 1.27.16\n" + options("canal"), "1.28", set()),
    ("kubernetesVersion: 1.28.0\n" + options("canal"), "1.28", {("KC133", "canal", ERROR)}),
    ("kubernetesVersion: 1.27.16\n" + options("canal"), "1.33", set()),
    ("kubernetesVersion: 1.27.16\n" + options("canal"), "1.34", {("KC133", "canal", ERROR)}),
    (options("canal"), "1.36", {("KC133", "canal", ERROR)}),
    ("kubernetesVersion: latest\n" + options("canal"), "1.30", set()),
    ("networking: {canal: true}", "1.36", set()),
    (
        options("canal", "calico"),
        "1.36",
        {("KC133", "canal", ERROR), ("KC130", "canal", ERROR), ("KC130", "calico", ERROR)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "kops", "expected"), CASES)
def test_cases(lines: str, kops: str, expected: set[tuple[str, str, str]]) -> None:
    assert found(lines, kops) == {(rule, f"networking.{key}", severity) for rule, key, severity in expected}


@pytest.mark.parametrize(
    ("rule", "lines", "severity", "releases"),
    [
        ("KC133", "kubernetesVersion: 1.28.0\n" + options("canal"), ERROR, None),
        ("KC133", "kubernetesVersion: 1.27.0\n" + options("canal"), None, None),
        ("KC132", IPV6 + "kubernetesVersion: 1.21.0\n" + options("canal"), WARNING, "1.23-1.26"),
    ],
)
def test_inferred_releases(rule: str, lines: str, severity: str | None, releases: str | None) -> None:
    findings = [finding for finding in lint_spec(lines, None, base="1.24") if finding.rule == rule]
    expected = [(severity, releases)] if severity else []
    assert [(finding.severity, finding.releases) for finding in findings] == expected


def test_message_names_what_was_meant() -> None:
    message = only("KC131", "networking: {canal: {logSeveritySys: info}}", "1.22").message
    assert "`info`" in message
    assert "write `INFO`" in message


@pytest.mark.parametrize("rule", networking.RULES, ids=lambda rule: rule.id)
def test_one_release_stands_for_its_segment(rule: Rule) -> None:
    lines = [(lines, kops) for lines, kops, _ in CASES] + [(options(*keys), "1.30") for keys, _ in KOPS_COUNTS]
    for text, kops in [*lines, *((example.yaml, example.kops) for example in rule.text.bad + rule.text.good)]:
        assert_segments_agree(rule, cluster_of(text, kops))


@given(
    st.dictionaries(st.sampled_from(CNI_KEYS), ANY_VALUE, max_size=3),
    st.dictionaries(st.sampled_from(tuple(networking._CANAL_VALUES)), ANY_VALUE),
    ANY_VALUE,
    st.sampled_from((None, "1.8", "1.17", "1.18", "1.24", "1.30", "1.36")),
)
@settings(max_examples=200, deadline=None)
def test_no_value_makes_a_rule_raise(
    network: dict[str, object], canal: dict[str, object], other: object, kops: str | None
) -> None:
    lint_spec({"networking": {"canal": canal, **network}}, kops)
    lint_spec({"networking": {"canal": canal}, "nonMasqueradeCIDR": other, "kubernetesVersion": other}, kops)
    lint_spec({"networking": other}, kops)
