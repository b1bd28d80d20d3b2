"""Workflow commands: the lines that GitHub Actions turns into annotations of the changed files."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.finding import Finding
    from calico_lint.linter import LintResult

_COMMAND = {"error": "error", "warning": "warning", "info": "notice"}


def render(result: LintResult) -> str:
    """One command a finding; nothing where there is none."""
    return "".join(f"{_command(finding)}\n" for finding in result.findings)


def _command(finding: Finding) -> str:
    place = finding.range
    properties = {"file": finding.path, "line": str(place.line), "endLine": str(place.end_line)}
    if place.end_line == place.line:  # GitHub refuses columns on several lines
        properties |= {"col": str(place.column), "endColumn": str(place.end_column)}
    properties["title"] = f"{finding.rule} {finding.name}"
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{_COMMAND[finding.severity]} {written}::{_data(finding.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
