"""A plan as JUnit XML and as SARIF, so that a pull request shows it: red exactly where the exit code is not 0."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import copy
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement

from calico_lint import __version__
from calico_lint.report import sarif as lint_sarif
from calico_lint.report.machine import json_text, legal, xml_text
from calico_lint.rules import all_rules
from simulator.planning import BLOCKED, GO, NEVER_COMPLETES, OVER_BUDGET, UNDECIDED, duration
from simulator.report.text import WINDOWS, fitting

if TYPE_CHECKING:
    from calico_lint.finding import Finding, Range
    from calico_lint.yaml_source import Source
    from simulator.planning import BudgetAnswer, Plan
    from simulator.statistics import Summary

FORMATS = ("junit", "sarif", "json")

_DOCS = "https://calico-lint.readthedocs.io/plan/"

_RULES = {
    BLOCKED: (
        "SIM001",
        "requirement-not-met",
        "error",
        "A requirement of the upgrade is not met; nothing was simulated.",
    ),
    NEVER_COMPLETES: ("SIM002", "never-completes", "error", "The upgrade that this spec starts never ends by itself."),
    OVER_BUDGET: (
        "SIM003",
        "over-budget",
        "error",
        "A budget or a maintenance window is exceeded too often.",
    ),
    UNDECIDED: ("SIM004", "undecided", "warning", "The simulation does not settle a budget, or the kOps release does."),
}
"""By verdict: the rule's id, name, level and text."""


class Gate(NamedTuple):
    """One thing that a plan decides. `name` is the same in every run, so that pipelines can compare."""

    name: str
    verdict: str
    message: str


def gates(plan: Plan) -> Iterator[Gate]:
    """Everything that a plan decides: the requirements, whether it ends, each budget and maintenance window."""
    if plan.verdict == BLOCKED:
        yield Gate("requirements", BLOCKED, plan.reason)
        return
    yield Gate("requirements", GO, "the spec meets the requirements of the upgrade")
    ends = GO
    if plan.upgrade.never_completes:
        ends = UNDECIDED if plan.upgrade.completes else NEVER_COMPLETES
    why = "it ends with every kOps that could apply the spec" if ends == GO else _reason_of_end(plan)
    if plan.verdict == NEVER_COMPLETES:
        ends, why = NEVER_COMPLETES, plan.reason
    yield Gate("the upgrade completes", ends, why)
    for budget in plan.budgets:
        limit = duration(budget.budget.limit)
        yield Gate(f"{budget.budget.window} within {limit}", budget.verdict, _sentence(budget, plan.options.risk))
    for window in plan.maintenance:
        yield Gate(f"finished within {window.window.text}", window.verdict, fitting(window))


def _reason_of_end(plan: Plan) -> str:
    from simulator.risks import mismatch

    return mismatch(plan.upgrade.never_completes, plan.upgrade.completes)


def _sentence(answer: BudgetAnswer, risk: float) -> str:
    low, high = answer.interval
    return (
        f"P({answer.budget.window} > {duration(answer.budget.limit)}) is {answer.share:.1%} ({low:.1%} to {high:.1%}), "
        f"accepted is {risk:.1%}"
    )


def render(format: str, plan: Plan, sources: Mapping[str, Source], path: str) -> str:
    """The plan of the spec at `path` in one of FORMATS."""
    if format == "json":
        from simulator.report import json as json_report

        return json_report.render(plan)
    return junit(plan, path) if format == "junit" else sarif(plan, sources, path)


# --- JUnit ------------------------------------------------------------------------------------------------


def junit(plan: Plan, path: str) -> str:
    """A test suite: a case for each error of the linter and each gate, which may fail, and one for each window."""
    root = Element("testsuites", name="calico-sim")
    suite = SubElement(root, "testsuite", name=legal(path))
    if plan.verdict == BLOCKED:
        for number, finding in enumerate(finding for finding in plan.lint.findings if finding.severity == "error"):
            name = f"{finding.rule} {finding.field or finding.name}"
            _case(suite, path, f"{name} ({number + 1})", _at(finding), finding.severity, line=finding.range.line)
    for gate in gates(plan):
        _case(suite, path, gate.name, gate.message, None if gate.verdict == GO else gate.verdict)
    for name, window in plan.windows.items():
        _case(suite, path, f"window {name}", f"{WINDOWS[name].strip()}: {_quantiles(window.summary)}", None)
    for element in (suite, root):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure")):
            element.set(attribute, str(sum(1 for _ in element.iter(tag))))
        element.set("errors", "0")
        element.set("skipped", "0")
    return xml_text(root)


def _case(suite: Element, path: str, name: str, text: str, failure: str | None, line: int | None = None) -> None:
    case = SubElement(suite, "testcase", name=legal(name), classname=legal(path), file=legal(path))
    if line is not None:
        case.set("line", str(line))
    if failure is None:
        SubElement(case, "system-out").text = legal(text)
    else:
        SubElement(case, "failure", message=legal(text), type=failure).text = legal(text)


def _at(finding: Finding) -> str:
    return f"{finding.path}:{finding.range.line}:{finding.range.column}: [{finding.rule}] {finding.message}"


def _quantiles(summary: Summary) -> str:
    parts = []
    for name in ("p50", "p90", "p99"):
        value, ends = getattr(summary, name), summary.intervals[name]
        if value is None and ends is None:
            continue
        text = "never" if value is None else duration(value)
        if ends is not None:
            low, high = ("never" if end is None else duration(end) for end in ends)
            text += f" ({low} to {high})"
        parts.append(f"{name.upper()} {text}")
    return ", ".join(parts)


# --- SARIF ------------------------------------------------------------------------------------------------


def sarif(plan: Plan, sources: Mapping[str, Source], path: str) -> str:
    """SARIF 2.1.0 with two runs: calico-lint's findings, and what calico-sim says against the upgrade."""
    known = {rule.id for rule in all_rules()}
    lint = copy(plan.lint)
    lint.findings = [finding for finding in plan.lint.findings if finding.rule in known]
    log = json.loads(lint_sarif.render(lint, sources))
    failing = [gate for gate in gates(plan) if gate.verdict != GO]
    verdicts = list(dict.fromkeys(gate.verdict for gate in failing))
    first = log["runs"][0]
    place = _place(plan)
    log["runs"].append(
        {
            "tool": {
                "driver": {
                    "name": "calico-sim",
                    "version": __version__,
                    "informationUri": _DOCS,
                    "rules": [_descriptor(verdict) for verdict in verdicts],
                }
            },
            "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": []}],
            "originalUriBaseIds": first["originalUriBaseIds"],
            "columnKind": first["columnKind"],
            "results": [_result(gate, verdicts.index(gate.verdict), path, place) for gate in failing],
        }
    )
    return json_text(log, indent=1) + "\n"


def _place(plan: Plan) -> Range:
    """Where the spec speaks of Calico; else of anything."""
    node = plan.cluster.at("networking.calico") or plan.cluster.at("networking") or plan.cluster.at("kubernetesVersion")
    assert node is not None  # a spec without networking.calico has no plan
    return node.key_range


def _descriptor(verdict: str) -> dict[str, Any]:
    id, name, level, text = _RULES[verdict]
    return {
        "id": id,
        "name": name,
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": f"{text} See {_DOCS}", "markdown": f"{text} See [the plan]({_DOCS})."},
        "helpUri": _DOCS,
        "defaultConfiguration": {"level": level},
        "properties": {"origin": "calico"},
    }


def _result(gate: Gate, index: int, path: str, place: Range) -> dict[str, Any]:
    id, _, level, _ = _RULES[gate.verdict]
    return {
        "ruleId": id,
        "ruleIndex": index,
        "level": level,
        "message": {"text": lint_sarif._plain(f"{gate.name}: {gate.message}")},
        "locations": [{"physicalLocation": lint_sarif._physical(path, place)}],
        "relatedLocations": [],
        # Lines move and percentages change; what is asked stays.
        "partialFingerprints": {"calicoSimResult/v1": sha256(f"{id}\0{path}\0{gate.name}".encode()).hexdigest()[:32]},
        "properties": {"origin": "calico"},
    }
