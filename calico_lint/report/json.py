"""Findings as the JSON object of the command line contract, version 1."""

from __future__ import annotations

import json

from calico_lint import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from calico_lint.finding import Finding, Fix
    from calico_lint.kops.releases import Releases
    from calico_lint.linter import LintResult


def render(result: LintResult, *, kops: str | None) -> str:
    """One JSON object, indented by a blank a level. `kops` is `--kops-version` as given, or None."""
    return json.dumps(to_dict(result, kops=kops), indent=1, ensure_ascii=False) + "\n"


def to_dict(result: LintResult, *, kops: str | None) -> dict[str, Any]:
    """The report as plain data. Lines and columns start at 1; columns count code points; ends are exclusive."""
    return {
        "version": 1,
        "tool": {"name": "calico-lint", "version": __version__},
        "kops": {"version": kops} if kops is not None else None,
        "summary": {
            "files": len(result.files),
            "documents": sum(report.documents for report in result.files),
            "errors": result.count("error"),
            "warnings": result.count("warning"),
            "infos": result.count("info"),
            "suppressed": len(result.suppressed),
            "skipped": [{"path": report.path, "reason": report.skipped} for report in result.files if report.skipped],
        },
        "files": [
            {"path": report.path, "documents": report.documents, "kops": _releases(report.releases)}
            for report in result.files
            if not report.skipped
        ],
        **({"v1_data": result.v1_data} if result.v1_data is not None else {}),
        "findings": [finding_to_dict(finding) for finding in result.findings],
    }


def _releases(releases: Releases | None) -> dict[str, str] | None:
    if releases is None:
        return None
    return {"version" if releases.given else "range": str(releases)}


def finding_to_dict(finding: Finding) -> dict[str, Any]:
    """One finding as plain data."""
    from calico_lint.rules.core import url_of

    place, document = finding.range, finding.document
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity,
        "origin": finding.origin,
        "message": finding.message,
        "path": finding.path,
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "document": (
            {"index": document.index, "kind": document.kind, "name": document.name} if document is not None else None
        ),
        "field": finding.field,
        "related": [
            {"path": other.path, "line": other.range.line, "column": other.range.column, "message": other.message}
            for other in finding.related
        ],
        "fix": _fix_to_dict(finding.fix) if finding.fix is not None else None,
        "url": url_of(finding.rule),
    }


def _fix_to_dict(fix: Fix) -> dict[str, Any]:
    return {
        "safe": fix.safe,
        "edits": [
            {
                "line": edit.range.line,
                "column": edit.range.column,
                "end_line": edit.range.end_line,
                "end_column": edit.range.end_column,
                "text": edit.text,
            }
            for edit in fix.edits
        ],
    }
