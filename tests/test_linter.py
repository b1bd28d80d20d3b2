"""Files -> clusters: what belongs together, what is skipped and why, which release is assumed."""

from __future__ import annotations

import pytest

from calico_lint.kops.releases import parse_release
from calico_lint.linter import Input, LintResult, lint
from calico_lint.yaml_source import Source
from tests.helpers import lint_text, spec_text

GROUP = """apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata:
  name: nodes
  labels:
    kops.k8s.io/cluster: {cluster}
spec:
  role: Node
  minSize: 3
  maxSize: 5
"""


def run(*files: tuple[str, str], named: bool = True, kops: str | None = "1.36") -> LintResult:
    return lint(
        [Input(Source(path, text.encode()), named=named) for path, text in files],
        releases=parse_release(kops) if kops else None,
    )


def rules(result: LintResult) -> list[str]:
    return [finding.rule for finding in result.findings]


def test_a_clean_spec_has_no_findings_and_counts_its_documents() -> None:
    result = run(("a.yaml", spec_text(None, "1.36") + "---\n" + GROUP.format(cluster="example.net")))
    assert rules(result) == []
    assert [report.documents for report in result.files] == [2]
    assert result.clusters[0][0].node_count() == (3, 5)


def test_groups_alone_in_a_file_join_the_one_file_that_has_their_cluster() -> None:
    result = run(("ig.yaml", GROUP.format(cluster="example.net")), ("c.yaml", spec_text(None, "1.36")))
    (cluster, _), *others = result.clusters
    assert not others
    assert [group.name for group in cluster.groups] == ["nodes"]


def test_groups_stay_alone_where_their_cluster_is_missing_or_not_the_only_one() -> None:
    assert (
        not run(("ig.yaml", GROUP.format(cluster="other.net")), ("c.yaml", spec_text(None, "1.36")))
        .clusters[0][0]
        .groups
    )
    spec = spec_text(None, "1.36")
    twice = run(("ig.yaml", GROUP.format(cluster="example.net")), ("a.yaml", spec), ("b.yaml", spec))
    assert [cluster.groups for cluster, _ in twice.clusters] == [(), ()]


def test_two_clusters_in_one_file_take_their_own_groups() -> None:
    text = (
        spec_text(None, "1.36", name="a.net")
        + "---\n"
        + spec_text(None, "1.36", name="b.net")
        + "---\n"
        + GROUP.format(cluster="b.net")
    )
    result = run(("x.yaml", text))
    assert [(cluster.name, len(cluster.groups)) for cluster, _ in result.clusters] == [("a.net", 0), ("b.net", 1)]


def test_a_list_is_opened_and_fields_name_their_item() -> None:
    cluster = spec_text("kubernetesVersion: latest", "1.36")
    text = "apiVersion: v1\nkind: List\nitems:\n- " + cluster.replace("\n", "\n  ").rstrip() + "\n"
    result = run(("l.yaml", text))
    assert [(finding.rule, finding.field) for finding in result.findings] == [
        ("KV301", "items[0].spec.kubernetesVersion")
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("apiVersion: v1\nkind: ConfigMap\n", "no kOps apiVersion"),
        ("just: some yaml\n", "no kOps apiVersion"),
        ("[1, 2\n", "no kOps apiVersion"),
        ("", "no kOps apiVersion"),
        (spec_text(None, "1.36").replace("1.35.0", "{{ .version }}"), "a template: lint the rendered file"),
        (spec_text(None, "1.36").replace("1.35.0", "${VERSION}"), "a template: lint the rendered file"),
        ("{{ if .x }}\napiVersion: kops.k8s.io/v1alpha2\n", "a template: lint the rendered file"),
    ],
)
def test_files_found_in_a_folder_are_skipped_with_a_reason(text: str, reason: str) -> None:
    result = run(("x.yaml", text), named=False)
    assert rules(result) == []
    assert [report.skipped for report in result.files] == [reason]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apiVersion: v1\nkind: ConfigMap\n", ["Y006"]),
        ("", ["Y006"]),
        ("[1, 2\n", ["Y001"]),
        ("{{ if .x }}\napiVersion: kops.k8s.io/v1alpha2\n{{ end }}\n", ["Y011"]),
    ],
)
def test_the_same_files_are_findings_where_the_user_named_them(text: str, expected: list[str]) -> None:
    assert sorted(rules(run(("x.yaml", text)))) == expected


def test_a_broken_kops_spec_in_a_folder_is_not_passed_over() -> None:
    result = run(("x.yaml", "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nspec: [\n"), named=False)
    assert rules(result) == ["Y001"]


def test_variables_in_a_script_make_no_template() -> None:
    text = spec_text(None, "1.36") + "  fileAssets:\n  - name: x\n    content: |\n      echo ${HOME}\n"
    result = run(("x.yaml", text), named=False)
    assert result.files[0].skipped is None


@pytest.mark.parametrize(
    ("api_version", "kind", "rule"),
    [
        ("kops/v1alpha1", "Cluster", "U007"),
        ("kops.k8s.io/v1beta1", "Cluster", "U007"),
        ("kops.k8s.io/v1alpha2", "Clutser", "U008"),
        ("kops.k8s.io/v1alpha2", "Keyset", None),
    ],
)
def test_documents_that_kops_cannot_take(api_version: str, kind: str, rule: str | None) -> None:
    result = run(("x.yaml", f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\n"))
    assert rules(result) == ([rule] if rule else [])


def test_a_release_outside_the_tables_is_one_info() -> None:
    result = run(("a.yaml", spec_text(None, "1.36")), ("b.yaml", spec_text(None, "1.36")), kops="1.40.1")
    assert [(finding.rule, finding.severity) for finding in result.findings] == [("KV300", "info")]


def test_the_range_is_inferred_from_kubernetes_and_fields() -> None:
    assert str(lint_text(spec_text("kubernetesVersion: 1.25.4", "1.25")).clusters[0][1]) == "1.25-1.31"
    narrowed = lint_text(
        spec_text("{kubernetesVersion: 1.25.4, networking: {calico: {wireguardEnabled: true}}}", "1.25")
    )
    assert str(narrowed.clusters[0][1]) == "1.25-1.31"


def test_an_unmatched_pair_is_an_info() -> None:
    result = lint_text(spec_text(None, "1.36"), "1.36", old=spec_text(None, "1.36", name="other.net"))
    assert [(finding.rule, finding.severity) for finding in result.findings] == [("P700", "info")]


def test_findings_come_in_the_order_of_the_file() -> None:
    result = lint_text(spec_text("{kubernetesVersion: x, networking: {calico: {ipipMode: y}}}", "1.36"), "1.36")
    places = [(finding.range.line, finding.range.column) for finding in result.findings]
    assert places == sorted(places)
    assert len(places) >= 2
