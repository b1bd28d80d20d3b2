"""Checkstyle XML, which most review tools read."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from calico_lint.report.machine import by_file, legal, xml_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.linter import LintResult


def render(result: LintResult) -> str:
    """A `file` for each that was checked, an `error` for each finding: its severities are ours."""
    root = Element("checkstyle", version="4.3")
    for path, findings in by_file(result).items():
        file = SubElement(root, "file", name=legal(path))
        for finding in findings:
            SubElement(
                file,
                "error",
                line=str(finding.range.line),
                column=str(finding.range.column),
                severity=finding.severity,
                message=legal(finding.message),
                source=f"calico-lint.{finding.rule}",
            )
    return xml_text(root)
