"""JUnit XML: a test suite a file, a test case a finding; a clean file is one passed test case."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from calico_lint.finding import SEVERITIES
from calico_lint.report.machine import by_file, legal, xml_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.finding import Finding
    from calico_lint.linter import LintResult


def render(result: LintResult, *, fail_on: str) -> str:
    """What is below `fail_on` passes, with its text as output: a test report is as red as the exit code says."""
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    root = Element("testsuites", name="calico-lint")
    for path, findings in by_file(result).items():
        suite = _suite(root, path)
        names: dict[str, int] = {}
        for finding in findings:
            name = _name(finding)
            count = names[name] = names.get(name, 0) + 1
            case = _case(suite, path, name if count == 1 else f"{name} ({count})")
            case.set("line", str(finding.range.line))
            if finding.severity in failing:
                SubElement(case, "failure", message=legal(finding.message), type=finding.severity).text = _text(finding)
            else:
                SubElement(case, "system-out").text = _text(finding)
        if not findings:
            _case(suite, path, "no findings")
    for report in result.files:
        if report.skipped:
            case = _case(_suite(root, report.path), report.path, "skipped")
            SubElement(case, "skipped", message=legal(report.skipped))
    for element in [*root, root]:
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
            element.set(attribute, str(sum(1 for _ in element.iter(tag))))
        element.set("errors", "0")
    return xml_text(root)


def _suite(root: Element, path: str) -> Element:
    return SubElement(root, "testsuite", name=legal(path))


def _case(suite: Element, path: str, name: str) -> Element:
    return SubElement(suite, "testcase", name=legal(name), classname=legal(path), file=legal(path))


def _name(finding: Finding) -> str:
    """No line number: pipelines compare the test cases of two branches by name."""
    name = f"{finding.rule} {finding.field or finding.name}"
    if finding.document is not None and finding.document.kind:
        name += f" of {finding.document.kind} {finding.document.name or '(no name)'}"
    return name


def _text(finding: Finding) -> str:
    place = finding.range
    where = f"{finding.path}:{place.line}:{place.column}"
    return legal(f"{where}: {finding.severity}[{finding.rule}] {finding.message}")
