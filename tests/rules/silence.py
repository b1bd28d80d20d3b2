"""How much the rules say of real specs: `python -m tests.rules.silence`.

Lints the real Calico specs of ../shared/corpus as a user would, without options, and prints for each rule how many of
100 specs get an error, a warning or an info of it. A warning that nearly every spec gets says nothing.
"""

from __future__ import annotations

import csv
import sys

from calico_lint import rules
from calico_lint.finding import SEVERITIES
from tests.helpers import SHARED, lint_text

CORPUS = SHARED / "corpus"


def real_calico_specs() -> list[str]:
    """The files that hold a Cluster with Calico and were written for a cluster: no tests and documentation of kOps."""
    with (CORPUS / "specs.csv").open(newline="") as table:
        return [
            row["file"]
            for row in csv.DictReader(table)
            if row["category"].startswith("github")
            and row["clusters"] != "0"
            and "calico" in row["networking"].split(";")
        ]


def count(files: list[str]) -> dict[str, dict[str, int]]:
    """Rule -> severity -> how many of the files have a finding of it."""
    counts: dict[str, dict[str, int]] = {}
    for file in files:
        findings = lint_text((CORPUS / "specs" / file).read_text()).findings
        for rule, severity in {(finding.rule, finding.severity) for finding in findings}:
            counts.setdefault(rule, dict.fromkeys(SEVERITIES, 0))[severity] += 1
    return counts


def table(files: list[str]) -> str:
    """A line for each rule that says something, the loudest first."""
    counts = count(files)
    names = {rule.id: rule.name for rule in rules.all_rules()}
    lines = [f"{len(files)} real Calico specs; findings of 100 specs", f"{'rule':6}{'error':>8}{'warn':>8}{'info':>8}"]
    for rule, by_severity in sorted(counts.items(), key=lambda item: [-item[1][severity] for severity in SEVERITIES]):
        shares = "".join(
            f"{100 * number / len(files):8.1f}" if number else f"{'-':>8}" for number in by_severity.values()
        )
        lines.append(f"{rule:6}{shares}  {names[rule]}")
    silent = [rule for rule in names if rule not in counts]
    return "\n".join([*lines, f"silent: {' '.join(silent)}"])


if __name__ == "__main__":
    if not CORPUS.is_dir():
        sys.exit(f"{CORPUS} is not on this machine")
    print(table(real_calico_specs()))
