"""One JSON object a line: a `finding` each, and a `summary` at the end, so that a cut report is told from a whole one.

The objects hold what the JSON report holds, and `type`.
"""

from __future__ import annotations

from calico_lint.report.json import to_dict
from calico_lint.report.machine import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.linter import LintResult


def render(result: LintResult, *, kops: str | None) -> str:
    """The lines, the summary last. `kops` is `--kops-version` as given, or None."""
    report = to_dict(result, kops=kops)
    findings = report.pop("findings")
    lines = [*({"type": "finding", **finding} for finding in findings), {"type": "summary", **report}]
    return "".join(f"{json_text(line)}\n" for line in lines)
