"""Findings for people: place, message, the line with the spot underlined."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from calico_lint.finding import Finding
    from calico_lint.linter import LintResult
    from calico_lint.yaml_source import Source

_COLOURS = {"error": "1;31", "warning": "1;33", "info": "1;36", "dim": "2", "bold": "1", "blue": "1;34"}
_MAX_WIDTH = 160  # of an excerpt: longer lines are cut around the spot


class Style:
    """ANSI colours, or nothing at all."""

    __slots__ = ("on",)

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, name: str, text: str) -> str:
        """The text in the named colour."""
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if self.on and text else text


def render(result: LintResult, sources: Mapping[str, Source], *, color: bool = False) -> str:
    """All findings with excerpts, and the summary line. `sources` maps the paths of the findings to their text."""
    style = Style(color)
    blocks = ["\n".join(_finding(finding, sources, style)) for finding in result.findings]
    return "\n\n".join([*blocks, summary(result, style)]) + "\n"


def _finding(finding: Finding, sources: Mapping[str, Source], style: Style) -> Iterator[str]:
    place = finding.range
    yield (
        f"{style('bold', f'{finding.path}:{place.line}:{place.column}')}: "
        f"{style(finding.severity, f'{finding.severity}[{finding.rule}]')} {finding.message}"
    )
    source = sources.get(finding.path)
    width = len(str(place.line))
    if source is not None and source.text:
        yield from _excerpt(source, finding, width, style)
    about = [finding.name]
    if finding.field:
        about.append(finding.field)
    if finding.document is not None and finding.document.kind:
        about.append(f"{finding.document.kind} {finding.document.name or '(no name)'}")
    about.append(_ORIGIN[finding.origin])
    yield f"{' ' * width} {style('blue', '=')} {style('dim', ' · '.join(about))}"
    for related in finding.related:
        where = f"{related.path}:{related.range.line}:{related.range.column}"
        yield f"{' ' * width} {style('blue', '=')} see {where}: {related.message}"
    if finding.fix is not None:
        option = "--fix" if finding.fix.safe else "--fix --unsafe-fixes"
        yield f"{' ' * width} {style('blue', '=')} {option}: {_printable(finding.fix.title)}"


_ORIGIN = {
    "kops-written": "kOps refuses it as written",
    "kops-completed": "kOps refuses it with its defaults filled in",
    "kops-apply": "kOps refuses to apply it",
    "calico": "kOps is silent",
    "schema": "the schema",
    "yaml": "YAML as kOps reads it",
}


def _excerpt(source: Source, finding: Finding, width: int, style: Style) -> Iterator[str]:
    place = finding.range
    line = source.line_text(place.line)
    end = place.end_column if place.end_line == place.line else len(line) + 1
    start = min(place.column, len(line) + 1) - 1
    end = max(min(end - 1, len(line)), start)
    if len(line) > _MAX_WIDTH:
        cut = max(0, start - _MAX_WIDTH // 2)
        line = ("…" if cut else "") + line[cut : cut + _MAX_WIDTH] + "…"
        start, end = start - cut + bool(cut), min(end - cut + bool(cut), len(line))
    # A tab is one column and one character of the underline's indent, so that both lines stay aligned.
    indent = "".join("\t" if character == "\t" else " " for character in line[:start])
    shown = _printable(line)
    bar = style("blue", "|")
    yield f"{' ' * width} {bar}"
    yield f"{style('blue', str(place.line))} {bar} {shown}"
    yield f"{' ' * width} {bar} {indent}{style(finding.severity, '^' * max(1, end - start))}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in text)


def summary(result: LintResult, style: Style | None = None) -> str:
    """`2 errors, 1 warning in 3 files (7 documents)`, and what was skipped, with the reasons."""
    style = style or Style(False)
    counts = [
        style(severity, _plural(result.count(severity), severity))
        for severity in ("error", "warning", "info")
        if result.count(severity)
    ]
    documents = sum(report.documents for report in result.files)
    found = ", ".join(counts) if counts else "no findings"
    text = f"{found} in {_plural(len(result.files), 'file')} ({_plural(documents, 'document')} checked)"
    for kind, where in (("inSource", "suppressed by comments"), ("external", "in the baseline")):
        if hidden := sum(each.kind == kind for each in result.suppressed):
            text += f", {hidden} {where}"
    reasons: dict[str, int] = {}
    for report in result.files:
        if report.skipped:
            reasons[report.skipped] = reasons.get(report.skipped, 0) + 1
    if reasons:
        skipped = "; ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items()))
        text += f"\nskipped {_plural(sum(reasons.values()), 'file')}: {skipped}"
    return text + _fixable(result)


def _fixable(result: LintResult) -> str:
    fixes = [finding.fix for finding in result.findings if finding.fix is not None]
    safe = sum(fix.safe for fix in fixes)
    if safe and safe < len(fixes):
        return f"\n{safe} fixable with --fix, {len(fixes) - safe} more with --fix --unsafe-fixes"
    return f"\n{len(fixes)} fixable with --fix{'' if safe else ' --unsafe-fixes'}" if fixes else ""


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
