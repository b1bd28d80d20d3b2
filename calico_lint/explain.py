"""`--explain RULE` and `--list-rules`: a rule's own text, for people."""

from __future__ import annotations

from calico_lint import rules
from calico_lint.rules.core import url_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.rules.core import Example, Rule


_AUTOMATIC = {
    "safe": "Automatic: `--fix`; where something has to be decided, `--fix --unsafe-fixes`",
    "unsafe": "Automatic: `--fix --unsafe-fixes` (look at `--diff --unsafe-fixes` first)",
}


def explain(rule: Rule) -> str:
    """The rule's text as Markdown that reads well in a terminal."""
    text = rule.text
    severity = rule.severity
    if rule.severity_inferred != rule.severity:
        severity += f" ({rule.severity_inferred} where the kOps release is inferred)"
    parts = [
        f"# {rule.id} {rule.name}",
        text.title,
        f"Severity: {severity} · Origin: {rule.origin} · kOps: {rule.span}"
        + (f" · Also known as: {', '.join(rule.aliases)}" if rule.aliases else ""),
        text.body,
    ]
    parts += [_example("Bad", example) for example in text.bad]
    parts += [_example("Good", example) for example in text.good]
    if text.fix:
        parts.append(f"Fix: {text.fix}")
    if rule.fix is not None:
        parts.append(_AUTOMATIC[rule.fix])
    parts.append(f"Source: {text.source}")
    parts.append(url_of(rule.id))
    return "\n\n".join(part for part in parts if part) + "\n"


def _example(label: str, example: Example) -> str:
    releases = f"{example.from_kops} to {example.kops}" if example.from_kops else example.kops
    body = "\n".join(f"    {line}" if line else "" for line in example.yaml.rstrip("\n").split("\n"))
    return f"{label} (kOps {releases}):\n\n{body}"


def list_rules() -> str:
    """One line a rule: id, severity, name, the kOps releases it is about, its fix (safe or unsafe, if any), title."""
    rows = [
        (rule.id, rule.severity, rule.name, rule.span, f"{rule.fix} fix" if rule.fix else "", rule.text.title)
        for rule in rules.all_rules()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + f"  {row[5]}\n"
        for row in sorted(rows)
    )


if __name__ == "__main__":
    import sys

    from calico_lint.rule_pages import main

    sys.exit(main(sys.argv[1:]))
