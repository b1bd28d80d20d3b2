"""GitLab's Code Quality report: what a merge request shows as new and as resolved."""

from __future__ import annotations

from calico_lint.fingerprint import digest, fingerprints
from calico_lint.report.machine import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from calico_lint.linter import LintResult
    from calico_lint.yaml_source import Source

_SEVERITY = {"error": "major", "warning": "minor", "info": "info"}


def render(result: LintResult, sources: Mapping[str, Source]) -> str:
    """An array, one object a finding."""
    issues = [
        {
            # The merge request shows nothing but this text, so the rule's id stands in it.
            "description": f"{finding.rule}: {finding.message}",
            "check_name": finding.rule,
            # GitLab takes two findings with one fingerprint for one, even in two files.
            "fingerprint": digest(finding.path, fingerprint),
            "severity": _SEVERITY[finding.severity],
            "location": {
                "path": finding.path,
                "lines": {"begin": finding.range.line, "end": finding.range.end_line},
            },
        }
        for finding, fingerprint in zip(result.findings, fingerprints(result.findings, sources), strict=True)
    ]
    return json_text(issues, indent=1) + "\n"
