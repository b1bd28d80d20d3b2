"""Sources -> findings: which documents are linted, for which kOps release, by which rules."""

from __future__ import annotations

import re

from calico_lint import rules
from calico_lint.cluster import Cluster, InstanceGroup, Pair, is_kops
from calico_lint.kops.etcd import MANAGER, manager_supports
from calico_lint.kops.releases import infer_releases, inferred
from calico_lint.rules.core import Hit, finding_of, findings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from typing import Any, TypeAlias

    from calico_lint.finding import Finding
    from calico_lint.kops.releases import Releases, Version
    from calico_lint.rules.core import Rule
    from calico_lint.suppressions import Suppressed
    from calico_lint.yaml_source import Document, Node, Source

    Offer: TypeAlias = tuple[int, list[str | None], list[str | None]]

# Kinds of the kOps API group that are no cluster specs: read, counted, nothing to say about them.
OTHER_KINDS = ("SSHCredential", "Keyset", "Host")
API_VERSIONS = ("v1alpha2", "v1alpha3")
_KOPS_TEXT = r"(?m)^\s*[\"']?apiVersion[\"']?\s*:\s*[\"']?kops(?:\.k8s\.io)?/"


class FileReport:
    """What became of one file: how many documents were checked, or why it was skipped."""

    __slots__ = ("documents", "path", "releases", "skipped")

    def __init__(self, path: str) -> None:
        self.path = path
        self.documents = 0
        self.skipped: str | None = None
        self.releases: Releases | None = None


class LintResult:
    """The outcome of one run: findings in the order of the files, and what was checked."""

    __slots__ = ("baseline", "clusters", "files", "findings", "suppressed", "v1_data")

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.files: list[FileReport] = []
        # Every cluster with the releases it was linted for, in the order of the files.
        self.clusters: list[tuple[Cluster, Releases]] = []
        # What comments and a baseline hide; `baseline` tells whether there was one.
        self.suppressed: list[Suppressed] = []
        self.baseline = False
        # The section of that name, where Calico v1 data was linted (`calico_lint.v1data.report`).
        self.v1_data: dict[str, Any] | None = None

    def count(self, severity: str) -> int:
        """How many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)


class Input:
    """A source and how it came: named by the user, or found in a folder (then it may be skipped).

    `releases` is the kOps that will apply it, where that is not the one of the whole run.
    """

    __slots__ = ("named", "releases", "source")

    def __init__(self, source: Source, *, named: bool = True, releases: Releases | None = None) -> None:
        self.source = source
        self.named = named
        self.releases = releases


def lint(
    inputs: Sequence[Input],
    *,
    old: Sequence[Input] = (),
    releases: Releases | None = None,
    old_releases: Releases | None = None,
    join: Callable[[list[Unit]], None] | None = None,
) -> LintResult:
    """Lint sources, each file its own cluster; with `old`, the upgrade rules too.

    `releases` is the kOps that will apply the specs (None: inferred per file); `old_releases` the one that
    last applied the old ones. `join` stands in for `join_groups` where there are more files than these.
    Findings stand on the new specs. Never raises on content.
    """
    result = LintResult()
    units = _units(inputs, result)
    (join or join_groups)(units)
    old_clusters: dict[str | None, list[Cluster]] = {}
    old_units = _units(old, LintResult())
    join_groups(old_units)
    for unit in old_units:
        unit.gather_clusters(old_releases)
        for cluster, _ in unit.clusters:
            old_clusters.setdefault(cluster.name, []).append(cluster)
    for unit in units:
        unit.gather_clusters(unit.releases or releases)
        for cluster, _ in unit.clusters:
            cluster.old = _today(cluster, old_clusters.get(cluster.name, []))
        unit.lint()
        result.findings.extend(unit.findings)
        result.clusters.extend(unit.clusters)
    result.findings.extend(_notes(result))
    if old:
        result.findings.extend(_pair_findings(result, old_clusters, old_releases))
    result.findings.sort(key=lambda finding: finding.sort_key())
    return result


def lint_sources(
    new: Source,
    old: Source | None = None,
    releases: Releases | None = None,
    old_releases: Releases | None = None,
) -> LintResult:
    """Lint one spec, optionally against the one it replaces. The arguments are those of `lint`."""
    return lint(
        [Input(new)],
        old=[Input(old)] if old is not None else (),
        releases=releases,
        old_releases=old_releases,
    )


# --- files -> clusters ----------------------------------------------------------------------------------


class Unit:
    """One file of a run: its kOps documents, gathered into clusters."""

    __slots__ = ("clusters", "findings", "groups", "number", "path", "releases", "report", "roots", "source")

    def __init__(self, source: Source, report: FileReport, releases: Releases | None, number: int) -> None:
        self.number = number  # among the inputs
        self.source = source
        self.report = report
        self.releases = releases
        self.path = source.path
        self.findings: list[Finding] = []
        self.roots: list[Document] = []  # of kind Cluster
        self.groups: list[InstanceGroup] = []
        self.clusters: list[tuple[Cluster, Releases]] = []

    def gather(self) -> None:
        """Sort the documents by kind; what kOps could not take is a finding here."""
        for document in self.source.documents:
            for member in document.members():
                if not is_kops(member):
                    continue
                finding = rules.documents.check_kind(member, OTHER_KINDS, API_VERSIONS)
                self.report.documents += 1
                if finding is not None:
                    self.findings.append(finding)
                elif member.kind == "Cluster":
                    self.roots.append(member)
                elif member.kind == "InstanceGroup":
                    self.groups.append(InstanceGroup(member))

    def take_groups(self, label: str) -> list[InstanceGroup]:
        """Give away the groups of a cluster."""
        taken = [group for group in self.groups if group.cluster_label == label]
        self.groups = [group for group in self.groups if group.cluster_label != label]
        return taken

    def gather_clusters(self, given: Releases | None) -> None:
        """Put clusters and groups together, and infer the releases where none is given."""
        if len(self.roots) == 1:
            clusters = [Cluster(self.roots[0], self.groups)]
        else:
            clusters = [
                Cluster(root, [group for group in self.groups if group.cluster_label == root.name])
                for root in self.roots
            ]
        owned = {id(group.document) for cluster in clusters for group in cluster.groups}
        self.groups = [group for group in self.groups if id(group.document) not in owned]  # those without a Cluster
        for cluster in clusters:
            members = [cluster.document, *(group.document for group in cluster.groups)]
            cluster.releases = given or _infer(cluster, members)
            self.clusters.append((cluster, cluster.releases))
        if self.clusters:
            self.report.releases = self.clusters[0][1]
        elif self.groups:
            self.report.releases = given or _infer(None, [group.document for group in self.groups])

    def lint(self) -> None:
        """Run the rules on the clusters, and the schema on every document."""
        for cluster, releases in self.clusters:
            spoken = list(_cluster_findings(cluster, releases))
            self.findings.extend(spoken)
            places: dict[int, set[str | None]] = {}  # of each document, by its index
            for finding in spoken:
                if finding.document is not None:
                    places.setdefault(finding.document.index, set()).add(finding.field)
            for member in (cluster.document, *(group.document for group in cluster.groups)):
                self._fields(member, releases, places.get(member.index, ()))
        for group in self.groups:
            assert self.report.releases is not None
            self._fields(group.document, self.report.releases, ())

    def _fields(self, member: Document, releases: Releases, places: Container[str | None]) -> None:
        """Schema findings, but not at the places (fields) that a rule speaks of already."""
        for finding in rules.load("fields").check_fields(member, releases):
            if finding.field not in places:
                self.findings.append(finding)


def _units(inputs: Iterable[Input], result: LintResult) -> list[Unit]:
    units = []
    for number, item in enumerate(inputs):
        source = item.source
        report = FileReport(source.path)
        result.files.append(report)
        unit = Unit(source, report, item.releases, number)
        reason = None if item.named else skip_reason(source)
        if reason is not None:
            report.skipped = reason
            continue
        unit.gather()
        if unit.report.documents or not is_template(source):
            unit.findings.extend(rules.documents.yaml_findings(source))
            if not unit.report.documents and not unit.findings:
                unit.findings.append(rules.documents.not_kops_finding(source))
        else:
            unit.findings.append(rules.documents.template_finding(source))
        units.append(unit)
    return units


def skip_reason(source: Source) -> str | None:
    """Why a file found in a folder is not linted, or None."""
    if is_template(source):
        return "a template: lint the rendered file"
    if any(is_kops(member) for document in source.documents for member in document.members()):
        return None
    if source.problems and (re.search(_KOPS_TEXT, source.text) or source.problems[0].rule == "Y010"):
        return None
    return "no kOps apiVersion"


def is_template(source: Source) -> bool:
    """Whether the file is a Go, Helm or shell template of a spec.

    A `${...}` inside a block scalar (user data, a script) does not make one, as long as the YAML reads.
    """
    text = source.text
    if "{{" not in text and "${" not in text:
        return False
    if any(problem.rule in ("Y001", "Y009") for problem in source.problems):
        return True  # `{{ .x }}` is no YAML, or a mapping with a mapping as its key
    marks = [match.start() for match in re.finditer(r"\{\{|\$\{", text)]
    for document in source.documents:
        for start, end in document.scalar_spans():
            if text[start : start + 1] not in ("|", ">") and any(start <= mark < end for mark in marks):
                return True
    return False


def offers(units: Iterable[Unit]) -> Iterator[Offer]:
    """Of each file its number, the names of its clusters, and the labels of its groups if it has no cluster."""
    for unit in units:
        labels = [] if unit.roots else [group.cluster_label for group in unit.groups]
        yield unit.number, [root.name for root in unit.roots], labels


def joins(offered: Iterable[Offer]) -> list[tuple[int, int, str]]:
    """(file of the Cluster, file of groups, label): a file with InstanceGroups and no Cluster joins the one file of
    the run that holds its Cluster.
    """
    offered = list(offered)
    homes: dict[str, list[int]] = {}
    for number, names, _ in offered:
        for name in names:
            if name:
                homes.setdefault(name, []).append(number)
    return [
        (homes[label][0], number, label)
        for number, _, labels in offered
        for label in dict.fromkeys(labels)
        if label and len(homes.get(label, ())) == 1
    ]


def join_groups(units: Sequence[Unit]) -> None:
    """Move groups to their clusters."""
    by_number = {unit.number: unit for unit in units}
    for home, number, label in joins(offers(units)):
        by_number[home].groups += by_number[number].take_groups(label)


# --- releases -------------------------------------------------------------------------------------------


def _infer(cluster: Cluster | None, members: Iterable[Document]) -> Releases:
    """The releases that could apply these documents, from the Kubernetes version and from what is written."""
    field_bounds = rules.load("fields").field_bounds
    since: int | None = None
    until: int | None = None
    for member in members:
        first, last = field_bounds(member)
        since = first if since is None else max(since, first or since)
        until = last if until is None else min(until, last or until)
    releases = infer_releases(cluster.kubernetes if cluster else None, since, until)
    if cluster is not None:
        fitting = tuple(release.minor for release in releases.candidates if _runs_etcd(cluster, release))
        releases = inferred(fitting) if fitting else releases
    return releases


def _runs_etcd(cluster: Cluster, release: Version) -> bool:
    """Whether this release runs the etcd versions that are written: a value, like a field, tells its release."""
    supported = manager_supports(release)
    for etcd in cluster.etcd_clusters:
        version = cluster.etcd_version(etcd, release)
        if supported is None or not version.written or cluster.etcd_provider(etcd, release).value != MANAGER:
            continue
        if version.value not in supported:
            return False
    return True


# --- rules ----------------------------------------------------------------------------------------------


def _cluster_findings(cluster: Cluster, releases: Releases) -> Iterator[Finding]:
    for topic in rules.topics_of(cluster):
        for rule in topic.unconditional:
            yield from findings_of(rule, cluster, releases)
        for parent, by_key in topic.by_key.items():
            node = cluster.at(parent) if parent else cluster.spec
            if node is None or not isinstance(node.value, dict):
                continue
            for key in node.value:
                for rule in by_key.get(key, ()):
                    yield from _on_node(rule, cluster, node[key], releases)


def _on_node(rule: Rule, cluster: Cluster, node: Node, releases: Releases) -> Iterator[Finding]:
    # A null is as good as absent: Go leaves the zero value. An ill-typed value is the schema's business.
    if node.value is None:
        return iter(())
    return findings_of(rule, cluster, releases, node)


def _today(cluster: Cluster, named_alike: Sequence[Cluster]) -> Cluster | None:
    """The old cluster of the same name; of several, that of the same file at a revision of git (`FILE@REVISION`)."""
    if len(named_alike) > 1:
        file = f"{cluster.document.source.path}@"
        named_alike = [old for old in named_alike if old.document.source.path.startswith(file)]
    return named_alike[0] if len(named_alike) == 1 else None


def _pair_findings(
    result: LintResult, old_clusters: dict[str | None, list[Cluster]], old_releases: Releases | None
) -> Iterator[Finding]:
    old_kops = old_releases.first if old_releases is not None else None
    for cluster, releases in result.clusters:
        if cluster.old is None:
            yield _place(
                rules.PAIR_UNMATCHED,
                cluster,
                f"{_why_unmatched(cluster, old_clusters)}: the upgrade rules were not run",
                releases,
            )
            continue
        pair = Pair(cluster.old, cluster, old_kops)
        for topic in rules.PAIR_TOPICS:
            for rule in rules.load(topic).RULES:
                yield from findings_of(rule, pair, releases)


def _why_unmatched(cluster: Cluster, old_clusters: dict[str | None, list[Cluster]]) -> str:
    alike = old_clusters.get(cluster.name, ())
    if alike:
        places = ", ".join(dict.fromkeys(old.document.source.path for old in alike))
        return f"several clusters of the old specs have this name ({places})"
    names = ", ".join(sorted(name or "without a name" for name in old_clusters)) or "no cluster at all"
    return f"the old spec has no cluster of this name ({names})"


def _notes(result: LintResult) -> Iterator[Finding]:
    """One info for every release given that stands outside of the tables."""
    said = set()
    for cluster, releases in result.clusters:
        if releases.given and releases.note and releases.note not in said:
            said.add(releases.note)
            yield _place(rules.KOPS_OUTSIDE_TABLES, cluster, releases.note, releases)


def _place(rule: Rule, cluster: Cluster, message: str, releases: Releases) -> Finding:
    """A finding about the whole cluster, on its name."""
    node = cluster.root.get("metadata", "name") or cluster.root
    return finding_of(rule, Hit(node, message), releases.candidates, releases)
