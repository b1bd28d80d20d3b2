"""How often each rule speaks: the most frequent first."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.linter import LintResult


def render(result: LintResult, format: str) -> str:
    """A table, or for `json` an array; one row a rule, with what is suppressed beside what is reported."""
    rows: dict[str, dict[str, str | int]] = {}
    for finding, column in (
        *((finding, "findings") for finding in result.findings),
        *((each.finding, "suppressed") for each in result.suppressed),
    ):
        row = rows.setdefault(
            finding.rule, {"findings": 0, "suppressed": 0, "rule": finding.rule, "severity": finding.severity,
                           "name": finding.name}
        )  # fmt: skip
        row[column] = int(row[column]) + 1
    ordered = sorted(rows.values(), key=lambda row: (-int(row["findings"]), -int(row["suppressed"]), str(row["rule"])))
    if format == "json":
        import json

        return json.dumps(ordered, indent=1) + "\n"
    from calico_lint.report.text import summary

    lines = [
        f"{row['findings']:>5}  {row['rule']:<6} {row['severity']:<8} {row['name']}"
        + (f" ({row['suppressed']} suppressed)" if row["suppressed"] else "")
        for row in ordered
    ]
    return "\n".join([*lines, summary(result)]) + "\n"
