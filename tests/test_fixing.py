"""Fixes of the rules: every bad example that has one is cured by it, and what files look like afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from calico_lint import rules
from calico_lint.finding import Finding
from calico_lint.fixing import MAX_ROUNDS, Repair, repair, unified_diff
from calico_lint.kops.releases import parse_release
from calico_lint.linter import Input, LintResult, lint
from calico_lint.rules.core import Example, Rule
from calico_lint.yaml_source import Source
from tests.helpers import spec_text

ALL = rules.all_rules()


def only(*wanted: str, kops: str) -> Any:
    """A linter of some rules."""

    def check(inputs: Any) -> LintResult:
        result = lint(inputs, releases=parse_release(kops))
        result.findings = [finding for finding in result.findings if finding.rule in wanted]
        return result

    return check


def repaired(
    text: str, kops: str | None, *, unsafe: bool, old: str | None = None, from_kops: str | None = None
) -> Repair:
    releases = parse_release(kops) if kops else None
    old_releases = parse_release(from_kops) if from_kops else None
    before = [Input(Source("old.yaml", old.encode()))] if old is not None else []

    def check(inputs: Any) -> LintResult:
        return lint(inputs, old=before, releases=releases, old_releases=old_releases)

    return repair([Input(Source("spec.yaml", text.encode()))], check, unsafe=unsafe)


def repaired_example(rule: Rule, example: Example, *, unsafe: bool) -> tuple[list[Finding], Repair]:
    """The findings of an example, and what becomes of it."""
    if rule.pair:
        pair = yaml.safe_load(example.yaml)
        text, old = spec_text(pair["new"], "1.11"), spec_text(pair["old"], "1.11")
    else:
        text, old = spec_text(example.yaml, example.kops), None
    before = [Input(Source("old.yaml", old.encode()))] if old is not None else []
    releases = parse_release(example.kops)
    old_releases = parse_release(example.from_kops) if example.from_kops else None
    inputs = [Input(Source("spec.yaml", text.encode()))]
    findings = lint(inputs, old=before, releases=releases, old_releases=old_releases).findings
    return findings, repaired(text, example.kops, unsafe=unsafe, old=old, from_kops=example.from_kops)


# --- the examples of the rules --------------------------------------------------------------------------

EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.id}-{number}")
    for rule in ALL
    for number, example in enumerate(rule.text.bad)
]
# What has no example below `spec:` with a fix: files of its own, see FILES.
WITHOUT_EXAMPLE = {"KV301", "U008", "Y002", "Y004", "Y005"}


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_a_fix_cures_the_bad_example(rule: Rule, example: Example) -> None:
    findings, outcome = repaired_example(rule, example, unsafe=True)
    fixable = [finding for finding in findings if finding.rule == rule.id and finding.fix is not None]
    assert rule.fix is not None or not fixable, "say `fix=` in the rule's decorator"
    assert rule.fix != "unsafe" or not any(finding.fix.safe for finding in fixable if finding.fix)
    assert not outcome.refused
    assert not outcome.unsettled
    left = {(finding.rule, finding.field, finding.message) for finding in outcome.result.findings}
    for finding in fixable:
        assert (finding.rule, finding.field, finding.message) not in left
    known = {(finding.rule, finding.field) for finding in findings}
    worse = [
        finding
        for finding in outcome.result.findings
        if finding.severity == "error" and (finding.rule, finding.field) not in known
    ]
    assert not worse


@pytest.mark.parametrize("rule", [rule for rule in ALL if rule.fix], ids=lambda rule: rule.id)
def test_a_rule_that_promises_a_fix_has_an_example_with_one(rule: Rule) -> None:
    if rule.id in WITHOUT_EXAMPLE:
        return
    fixes = [
        finding.fix
        for example in rule.text.bad
        for finding in repaired_example(rule, example, unsafe=True)[0]
        if finding.rule == rule.id and finding.fix is not None
    ]
    assert fixes


@pytest.mark.parametrize(
    ("rule", "example"),
    [
        pytest.param(rule, example, id=f"{rule.id}-{number}")
        for rule in ALL
        if rule.fix
        for number, example in enumerate(rule.text.good)
    ],
)
def test_safe_fixes_leave_the_good_example_good(rule: Rule, example: Example) -> None:
    outcome = repaired_example(rule, example, unsafe=False)[1]
    assert rule.id not in {finding.rule for finding in outcome.result.findings}


# --- whole files ----------------------------------------------------------------------------------------

SPEC = """\
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata: {name: example.net}
spec:
  cloudProvider: aws
  kubernetesVersion: 1.30.2
  networkCIDR: 10.30.0.0/16
  nonMasqueradeCIDR: 100.64.0.0/10
  subnets:
  - {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Public}
  etcdClusters:
  - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
  - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
  networking:
    calico:  # the network
      mtu: 1440
"""
GROUP = """\
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata:
  name: nodes
  labels: {kops.k8s.io/cluster: example.net}
spec:
  role: Node
  subnets: [z1]
"""


def changed(old: str, new: str, base: str = SPEC) -> str:
    assert base.count(old) == 1
    return base.replace(old, new)


CALICO = "      mtu: 1440\n"
EMPTY = changed(f":  # the network\n{CALICO}", ": {}  # the network\n")
V3 = SPEC.replace("mtu: 1440", "majorVersion: v3")
OLD_V3 = V3.replace("1.30.2", "1.10.13").replace("kops.k8s.io/", "kops/")
NEW = SPEC.replace("1.30.2", "1.36.0")
# rule, kOps, safe, file, what becomes of it
FILES = [
    ("Y005", "1.30.4", True, f"{SPEC}--- # groups\n{GROUP}", f"{SPEC}---\n# groups\n{GROUP}"),
    ("Y005", "1.30.4", True, f"{SPEC}---  \n{GROUP}", f"{SPEC}---\n{GROUP}"),
    ("Y005", "1.30.4", True, f"{SPEC}---\t# x\n{GROUP}--- #y\n{GROUP.replace('nodes', 'more')}",
     f"{SPEC}---\n# x\n{GROUP}---\n#y\n{GROUP.replace('nodes', 'more')}"),
    ("Y005", "1.30.4", True, f"{SPEC}--- # groups\n{GROUP}".replace("\n", "\r\n"),
     f"{SPEC}---\n# groups\n{GROUP}".replace("\n", "\r\n")),
    ("Y004", "1.30.4", True, f"# the cluster\n---\n{SPEC}", f"# the cluster\n{SPEC}"),
    ("Y004", "1.30.4", True, f"{SPEC}---\n# nothing more\n", f"{SPEC}# nothing more\n"),
    ("Y004", "1.30.4", True, f"{SPEC}---\n---\n{GROUP}", f"{SPEC}---\n{GROUP}"),
    ("Y004", "1.30.4", True, f"{SPEC}---\r\n\r\n---\r\n{GROUP}", f"{SPEC}\r\n---\r\n{GROUP}"),
    ("Y002", "1.30.4", True, changed(CALICO, CALICO * 2), SPEC),
    ("Y002", "1.30.4", True, changed(CALICO, CALICO * 3), SPEC),
    ("Y002", "1.30.4", False, changed(CALICO, "      mtu: 1440\n      mtu: 1440 # again\n"), SPEC),
    ("Y002", "1.30.4", True, changed("{name: example.net}", "{name: example.net, name: example.net}"), SPEC),
    ("Y002", "1.30.4", None, changed(CALICO, "      mtu: 1440\n      mtu: 9001\n"), None),
    ("Y002", "1.30.4", None, changed(CALICO, "      vxlanMode: &m Never\n      vxlanMode: &m Never\n"), None),
    ("U008", "1.30.4", True, changed("kind: Cluster", "kind: cluster"), SPEC),
    ("KV301", "1.30.4", True, changed("1.30.2", "1.30"), changed("1.30.2", '"1.30"')),
    ("U001", "1.30.4", False, changed("      mtu", "      MTU"), SPEC),
    ("U001", "1.30.4", None, changed("      mtu", "      mtuu: 1\n      mtu"), None),  # `mtu` is taken
    ("U001", "1.30.4", False, changed(CALICO, "      typhaReplica: 3 # three\n"),
     changed(CALICO, "      typhaReplicas: 3 # three\n")),
    ("U001", "1.30.4", None, changed(CALICO, "      typhaReplica: three\n"), None),  # the value does not fit
    ("U001", "1.36.2", True, changed("  networking:", "  kubeAPIServer: {targetRamMb: 3, logLevel: 2}\n  networking:"),
     changed("  networking:", "  kubeAPIServer: {logLevel: 2}\n  networking:")),  # gone since 1.30, and for good
    ("U001", "1.21.5", None, changed(CALICO, "      vxlanMode: Never\n"), None),  # a later kOps reads it
    ("U001", "1.30.4", False, changed("    calico:  # the network\n" + CALICO, "    kubeRouter: {}\n"),
     changed("    calico:  # the network\n" + CALICO, "    kuberouter: {}\n")),  # as v1alpha3 has it
    ("U003", "1.30.4", True, changed("1440", '"1440"'), SPEC),
    ("U003", "1.30.4", True, changed("1440", "1440\n      bpfEnabled: 'true'"),
     changed("1440", "1440\n      bpfEnabled: true")),
    ("U003", "1.30.4", True, changed("us-test-1a", "1_0"), changed("us-test-1a", '"1_0"')),
    ("U005", "1.12.3", True, changed("1.30.2", "1.12.10"),
     changed("1.30.2", "1.12.10").replace("kops.k8s.io/v1alpha2", "kops/v1alpha2")),
    ("KC118", "1.30.4", True, changed(CALICO, "      crossSubnet: true\n"), EMPTY),
    ("KC118", "1.30.4", False, changed(CALICO, "      crossSubnet: true # why\n"), EMPTY),
    ("KC120", "1.36.2", True, changed("mtu: 1440", "bpfEnabled: true").replace("1.30.2", "1.36.0"),
     changed("mtu: 1440", "bpfEnabled: true\n  kubeProxy:\n    enabled: false").replace("1.30.2", "1.36.0")),
    ("S3", "1.24.5", True, changed(CALICO, "      majorVersion: v3\n" + CALICO).replace("1.30.2", "1.24.2"),
     SPEC.replace("1.30.2", "1.24.2")),
    ("KC102", "1.11.1", False,
     OLD_V3, OLD_V3.replace("cp-a}]}", "cp-a}], version: 3.2.24}")),
    ("KC102", "1.17.2", True,
     V3.replace("1.30.2", "1.17.2"), EMPTY.replace("1.30.2", "1.17.2")),
    ("KE206", "1.36.2", True,
     NEW.replace("{name: main", "{name: main, version: v3.6.12").replace("{name: ev", "{version: 3.6.12, name: ev"),
     NEW.replace("{name: main", "{name: main, version: 3.6.12").replace("{name: ev", "{version: 3.6.12, name: ev")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "kops", "safe", "text", "expected"), FILES)
def test_files(rule: str, kops: str, safe: bool | None, text: str, expected: str | None) -> None:
    check = only(rule, kops=kops)
    source = Source("spec.yaml", text.encode())
    findings = check([Input(source)]).findings
    assert findings
    if safe is None:
        assert all(finding.fix is None for finding in findings)
        return
    assert {finding.fix.safe for finding in findings if finding.fix is not None} == {safe}
    outcome = repair([Input(source)], check, unsafe=not safe)
    assert outcome.inputs[0].source.text == expected
    assert not outcome.result.findings
    untouched = repair([Input(source)], check, unsafe=False)
    assert (untouched.inputs[0].source is source) is not safe


def test_a_fix_that_only_some_releases_want_is_not_safe() -> None:
    text = changed(CALICO, "      crossSubnet: true\n").replace("1.30.2", "1.21.0")
    (finding,) = [each for each in lint([Input(Source("x", text.encode()))]).findings if each.rule == "KC118"]
    assert finding.releases is not None
    assert finding.fix is not None
    assert not finding.fix.safe


def test_of_overlapping_fixes_the_first_wins_and_the_rest_come_later() -> None:
    text = SPEC.replace("1.30.2", "1.11.10").replace(
        "      mtu: 1440\n", "      ipipMode: Never\n      typhaReplicas: 3\n"
    )
    inputs = [Input(Source("spec.yaml", text.encode()))]
    outcome = repair(inputs, only("KI602", "KI603", kops="1.14.1"), unsafe=True)
    assert {"KI602", "KI603"} <= {finding.rule for finding in outcome.applied["spec.yaml"]}
    assert "    calico: {}  # the network\n" in outcome.inputs[0].source.text


def test_a_refused_fix_does_not_keep_another_out() -> None:
    """Without the second `mtu` the first would be there: the removal waits until the duplicate is gone."""
    text = changed("1440\n", "1\n      mtu: 1\n")
    inputs = [Input(Source("spec.yaml", text.encode()))]
    outcome = repair(inputs, only("M803", "Y002", kops="1.30.4"), unsafe=True)
    assert outcome.inputs[0].source.text == EMPTY
    assert not outcome.refused


def test_fixes_that_undo_each_other_come_to_an_end() -> None:
    """Two rules that want the opposite: the text comes back to what it was, and that is said."""
    from calico_lint import fix

    def check(inputs: Any) -> LintResult:
        result = LintResult()
        source = inputs[0].source
        node = source.documents[0].root["a"]
        cure = fix.set_value(node, "v2" if node.value == "v3" else "v3", safe=True)
        result.findings = [
            Finding(rule="KC101", name="t", severity="error", origin="schema", message="m", path=source.path,
                    range=node.range, fix=cure)
        ]  # fmt: skip
        return result

    outcome = repair([Input(Source("spec.yaml", b"a: v2\n"))], check, unsafe=False)
    assert outcome.unsettled == ["spec.yaml"]
    assert outcome.inputs[0].source.text == "a: v3\n"


def test_fixes_without_end_are_stopped() -> None:
    from calico_lint import fix

    def check(inputs: Any) -> LintResult:
        result = LintResult()
        source = inputs[0].source
        node = source.documents[0].root["a"]
        cure = fix.set_value(node, node.value + 1, safe=True)
        result.findings = [
            Finding(rule="KC101", name="t", severity="error", origin="schema", message="m", path=source.path,
                    range=node.range, fix=cure)
        ]  # fmt: skip
        return result

    outcome = repair([Input(Source("spec.yaml", b"a: 0\n"))], check, unsafe=False)
    assert outcome.unsettled == ["spec.yaml"]
    assert outcome.inputs[0].source.text == f"a: {MAX_ROUNDS}\n"


def test_two_inputs_of_one_name_are_not_fixed() -> None:
    text = changed(CALICO, "      crossSubnet: true\n")
    inputs = [Input(Source("spec.yaml", text.encode())), Input(Source("spec.yaml", b"\n" * 3 + text.encode()))]
    outcome = repair(inputs, only("KC118", "U001", kops="1.30.4"), unsafe=True)
    assert list(outcome.left) == ["spec.yaml"]
    assert [item.source for item in outcome.inputs] == [item.source for item in inputs]


def test_a_group_in_another_file_is_fixed_there() -> None:
    inputs = [
        Input(Source("cluster.yaml", SPEC.encode())),
        Input(Source("group.yaml", GROUP.replace("role: Node", "Role: Node").encode())),
    ]
    outcome = repair(inputs, only("KC118", "U001", kops="1.30.4"), unsafe=True)
    assert set(outcome.applied) == {"group.yaml"}
    assert outcome.inputs[1].source.text == GROUP


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a\nb\n", "a\nc\n", "--- x\n+++ x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
        ("a", "b", "--- x\n+++ x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"),
        ("a", "a\n", "--- x\n+++ x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
        ("\r\n\x0cb\u2028c", "\r\n\x0cb\u2028\n", "--- x\n+++ x\n@@ -1,2 +1,2 @@\n \r\n-\x0cb\u2028c\n"
         "\\ No newline at end of file\n+\x0cb\u2028\n"),
        ("a\n", "a\n", ""),
    ],
)  # fmt: skip
def test_diff(old: str, new: str, expected: str) -> None:
    assert unified_diff("x", old, new) == expected
