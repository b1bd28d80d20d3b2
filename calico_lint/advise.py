"""`--advise`: of what the rules find, the few changes that an expert would make first, with the reason.

An advice is a warning or an info of a rule, at all its places in one file. What it is worth, and what the change
protects from, stands in one table; errors are no matter of advice, and are said first.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from calico_lint.finding import Finding
    from calico_lint.linter import LintResult
    from calico_lint.rules.core import Rule

MOST = 5  # of one file

# Id or prefix -> worth, and what the change protects from. The longest that fits a rule counts. Worth is what an outage
# would take: 90 the cluster, 80 traffic between nodes, 70 what users can see, 60 new nodes and upgrades, 50 security,
# 30 speed, 10 tidiness; 0 is a fact that asks for no change.
_WORTH: dict[str, tuple[int, str]] = {
    "A": (80, "pods that cannot reach those of other nodes"),
    "A815": (30, "packets that are wrapped where they need not be"),
    "B": (60, "routes that come late, or not at all, as the cluster grows"),
    "C": (75, "nodes and pods that get no address"),
    "C836": (10, "a setting that does nothing"),
    "D": (65, "objects that a migration to Calico v3 changes or loses"),
    "E": (70, "Services that do not answer"),
    "E859": (30, "a data plane that is slower than it could be"),
    "F": (80, "packets that the cloud drops between nodes"),
    "F845": (30, "a data plane that is slower than it could be"),
    "KC": (40, "a setting that does not mean what it seems to"),
    "KC118": (10, "a setting that does nothing"),
    "KC120": (70, "Services that are handled twice"),
    "KE": (60, "an etcd that kOps builds otherwise than it seems"),
    "KI": (10, "a setting that does nothing"),
    "KI606": (65, "images that do not fit their manifest"),
    "KI607": (60, "what is left of nodes that are gone"),
    "KI609": (40, "an image that nobody maintains"),
    "KN": (75, "addresses that mean two things"),
    "KP": (60, "an update that kOps refuses"),
    "KV": (60, "a Kubernetes that this kOps does not run"),
    "M": (65, "packets that are dropped or split"),
    "M802": (10, "a value that ages while Calico finds the right one by itself"),
    "M804": (30, "a network that is slower than it could be"),
    "N": (70, "traffic that passes by policies and Services"),
    "O": (60, "nodes on which Calico does not run as it should"),
    "O888": (85, "new nodes that never join"),
    "P": (60, "an upgrade that takes traffic with it"),
    "S": (60, "a migration to Calico v3 that does not end"),
    "S3": (10, "a choice that nobody made"),
    "S11": (0, ""),
    "S12": (0, ""),
    "S13": (60, "nodes that keep an old Calico after an update"),
    "T": (72, "an API server that all nodes watch at once"),
    "T824": (10, "a setting that does nothing"),
    "U": (40, "a key that is dropped without a word"),
    "W": (50, "pod traffic in clear text where encryption was asked for"),
    "W865": (0, ""),
    "W866": (20, "a download, and a way to fail, of every new node"),
    "X": (60, "what nobody tests and maintains together"),
    "X892": (25, "defects and holes that newer releases have closed"),
    "X894": (35, "a node that cannot pull its images in an upgrade"),
    "X896": (90, "a defect of Calico that stops clusters"),
    "X897": (65, "nodes whose policies and routes stand still under load"),
    "X898": (45, "pods that start without network"),
    "Y": (30, "a file that two programs read differently"),
    "Z": (40, "an upgrade that goes otherwise than planned"),
    "Z902": (20, "metrics that nobody gets"),
    "Z903": (10, "a setting that does nothing"),
    "Z908": (50, "an etcd that every node can read"),
    "Z910": (70, "nodes that learn nothing new when one machine is taken away"),
    "Z911": (30, "an upgrade that takes a working day"),
    "Z912": (62, "half of the pods looking for a place at once"),
}
_WARNING = 20  # what a warning is worth more than an info of the same kind


class Advice:
    """One change: the rule that asks for it, its findings in one file, and what it protects from."""

    __slots__ = ("findings", "protects", "rule", "worth")

    def __init__(self, rule: Rule, findings: list[Finding], worth: int, protects: str) -> None:
        self.rule = rule
        self.findings = findings
        self.worth = worth
        self.protects = protects

    @property
    def severity(self) -> str:
        """The gravest of its findings."""
        return "warning" if any(finding.severity == "warning" for finding in self.findings) else "info"


def advice_of(findings: Sequence[Finding]) -> list[Advice]:
    """The advice for one file, most valuable first; what asks for no change is left out."""
    from calico_lint import rules

    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.severity != "error":
            by_rule.setdefault(finding.rule, []).append(finding)
    known = {rule.id: rule for rule in rules.all_rules()} if by_rule else {}
    advice = []
    for id, found in by_rule.items():
        worth, protects = _worth(id)
        if worth and id in known:
            worth += _WARNING if any(finding.severity == "warning" for finding in found) else 0
            advice.append(Advice(known[id], found, worth, protects))
    return sorted(advice, key=lambda item: (-item.worth, item.findings[0].sort_key()))


def _worth(rule: str) -> tuple[int, str]:
    for length in range(len(rule), 0, -1):
        if rule[:length] in _WORTH:
            return _WORTH[rule[:length]]
    return (10, "a surprise")


def render(result: LintResult, format: str, *, most: int = MOST) -> str:
    """The advice on every file that was checked, as text or as one JSON object; of each file at most `most`."""
    files = []
    for report in result.files:
        if report.skipped is not None:
            continue
        findings = [finding for finding in result.findings if finding.path == report.path]
        files.append((report.path, [each for each in findings if each.severity == "error"], advice_of(findings)))
    if format == "json":
        return _json(files, most)
    return "\n".join(_text(path, errors, advice, most) for path, errors, advice in files)


def _text(path: str, errors: list[Finding], advice: list[Advice], most: int) -> str:
    from textwrap import fill

    def paragraph(label: str, text: str) -> str:
        indent = " " * 13
        return fill(text, 100, initial_indent=f"   {label:10}", subsequent_indent=indent, break_on_hyphens=False)

    lines = []
    if errors:
        count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        lines.append(f"{path}: {count} first: this spec does not work as it stands.")
        lines += [f"   {error.path}:{error.range.line}: error[{error.rule}] {error.message}" for error in errors]
    shown = advice[:most]
    if not shown:
        lines.append(f"{path}: nothing to {'advise beyond that' if errors else 'change'}.")
        return "\n".join(lines) + "\n"
    more = f" (of {len(advice)})" if len(advice) > len(shown) else ""
    lines.append(f"{path}: {len(shown)} change{'s' if len(shown) > 1 else ''}{more}, most valuable first")
    for number, item in enumerate(shown, 1):
        first, *others = item.findings
        where = f"{first.path}:{first.range.line}:{first.range.column}" + (f" {first.field}" if first.field else "")
        if others:
            where += ", and " + ", ".join(f"line {other.range.line}" for other in others)
        lines.append(f"\n{number}. {item.rule.text.title} [{item.rule.id}]")
        lines.append(f"   {'where':10}{where}")
        lines.append(paragraph("change", item.rule.text.fix))
        lines.append(paragraph("because", first.message))
        lines.append(paragraph("protects", f"from {item.protects}"))
    return "\n".join(lines) + "\n"


def _json(files: list[tuple[str, list[Finding], list[Advice]]], most: int) -> str:
    import json

    from calico_lint import __version__
    from calico_lint.report.json import finding_to_dict
    from calico_lint.rules.core import url_of

    def plain(item: Advice, rank: int) -> dict[str, Any]:
        first = item.findings[0]
        return {
            "rank": rank,
            "rule": item.rule.id,
            "name": item.rule.name,
            "severity": item.severity,
            "title": item.rule.text.title,
            "path": first.path,
            "line": first.range.line,
            "column": first.range.column,
            "field": first.field,
            "change": item.rule.text.fix,
            "reason": first.message,
            "protects": item.protects,
            "places": [finding_to_dict(finding) for finding in item.findings],
            "url": url_of(item.rule.id),
        }

    report = {
        "version": 1,
        "tool": {"name": "calico-lint", "version": __version__},
        "files": [
            {
                "path": path,
                "errors": [finding_to_dict(error) for error in errors],
                "advice": [plain(item, rank) for rank, item in enumerate(advice[:most], 1)],
                "more": max(0, len(advice) - len(advice[:most])),
            }
            for path, errors, advice in files
        ],
    }
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"
