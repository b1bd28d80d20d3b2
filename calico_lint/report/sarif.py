"""SARIF 2.1.0, for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

from calico_lint import __version__
from calico_lint.explain import explain
from calico_lint.fingerprint import fingerprints
from calico_lint.report.machine import json_text
from calico_lint.rules import all_rules
from calico_lint.rules.core import url_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from calico_lint.finding import Finding, Fix, Range
    from calico_lint.linter import LintResult
    from calico_lint.rules.core import Rule
    from calico_lint.suppressions import Suppressed
    from calico_lint.yaml_source import Source

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVEL = {"error": "error", "warning": "warning", "info": "note"}


def render(result: LintResult, sources: Mapping[str, Source], *, unreadable: Sequence[str] = ()) -> str:
    """One log of one run, indented by a blank a level."""
    hidden = {id(each.finding): each for each in result.suppressed}
    findings = result.findings
    if hidden:
        findings = sorted([*findings, *(each.finding for each in result.suppressed)], key=lambda each: each.sort_key())
    occurring = {finding.rule for finding in findings}
    rules = [rule for rule in all_rules() if rule.id in occurring]
    index = {rule.id: place for place, rule in enumerate(rules)}
    prints = fingerprints(findings, sources)
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "calico-lint",
                "version": __version__,
                "informationUri": "https://calico-lint.readthedocs.io/",
                "rules": [_descriptor(rule) for rule in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not unreadable,
                "toolExecutionNotifications": [
                    *({"level": "error", "message": {"text": _plain(problem)}} for problem in unreadable),
                    *(
                        {
                            "level": "note",
                            "message": {"text": _plain(f"skipped: {report.skipped}")},
                            "locations": [{"physicalLocation": {"artifactLocation": _artifact(report.path)}}],
                        }
                        for report in result.files
                        if report.skipped
                    ),
                ],
            }
        ],
        # Without a URI: only the reader knows where its copy of the repository is.
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The folder that calico-lint was run in."}}},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(finding, index[finding.rule], fingerprint)
            for finding, fingerprint in zip(findings, prints, strict=True)
        ],
    }
    # Marked, not left out: what is missing from a log counts as put right.
    for finding, record in zip(findings, run["results"], strict=True):
        suppressed = hidden.get(id(finding))
        if suppressed is not None:
            record["suppressions"] = [_suppression(suppressed, finding.path)]
        elif hidden:
            record["suppressions"] = []
        if result.baseline:
            known = suppressed is not None and suppressed.kind == "external"
            record["baselineState"] = "unchanged" if known else "new"
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _descriptor(rule: Rule) -> dict[str, Any]:
    help_text = explain(rule)
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.text.title},
        "fullDescription": {"text": rule.text.body},
        "help": {"text": help_text, "markdown": help_text},
        "helpUri": url_of(rule.id),
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
        "properties": {"origin": rule.origin},
    }


def _result(finding: Finding, rule_index: int, fingerprint: str) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": _physical(finding.path, finding.range)}
    if finding.field is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.field, "kind": "property"}]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": _LEVEL[finding.severity],
        "message": {"text": _plain(finding.message)},
        "locations": [location],
        "relatedLocations": [
            {
                "id": number,
                "physicalLocation": _physical(other.path, other.range),
                "message": {"text": _plain(other.message)},
            }
            for number, other in enumerate(finding.related, 1)
        ],
        "partialFingerprints": {"calicoLintFinding/v1": fingerprint},
        "properties": {"origin": finding.origin},
    }
    if finding.fix is not None:
        result["fixes"] = [_fix(finding.fix)]
    return result


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "description": {"text": _plain(fix.title)},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(fix.path),
                "replacements": [
                    {"deletedRegion": _region(edit.range), "insertedContent": {"text": edit.text}} for edit in fix.edits
                ],
            }
        ],
        "properties": {"safe": fix.safe},
    }


def _suppression(suppressed: Suppressed, path: str) -> dict[str, Any]:
    record: dict[str, Any] = {"kind": suppressed.kind, "status": "accepted"}
    if suppressed.reason:
        record["justification"] = suppressed.reason
    if suppressed.place is not None:
        record["location"] = {"physicalLocation": _physical(path, suppressed.place)}
    return record


def _physical(path: str, place: Range) -> dict[str, Any]:
    return {
        "artifactLocation": _artifact(path),
        "region": _region(place),
    }


def _region(place: Range) -> dict[str, int]:
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }


def _artifact(path: str) -> dict[str, str]:
    """The URI of a file: relative to the working directory below it, absolute elsewhere."""
    if not os.path.isabs(path) and ".." not in path.split("/"):
        return {"uri": quote(os.fsencode(path)), "uriBaseId": "%SRCROOT%"}
    absolute = quote(os.fsencode(os.path.realpath(path).replace(os.sep, "/")))
    return {"uri": f"file://{absolute if absolute.startswith('/') else f'/{absolute}'}"}


def _plain(text: str) -> str:
    r"""The text as a plain message: `](` would make a link of what a spec says, so its bracket is escaped.

    Braces stay single: without `arguments` there is nothing to fill in, and viewers show doubled ones doubled.
    """
    return re.sub(r"(\\*)\]\(", r"\1\1\\](", text)
