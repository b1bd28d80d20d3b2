"""What makes a finding the same finding tomorrow: the rule, the document, the field and the text it stands on.

No path and no line number, so that a finding keeps its fingerprint when lines are added above it or the file moves.
Findings of one file that are alike in all of that are told apart by their order.
"""

from __future__ import annotations

from hashlib import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calico_lint.finding import Finding, Range
    from calico_lint.yaml_source import Source


def fingerprints(findings: Sequence[Finding], sources: Mapping[str, Source]) -> list[str]:
    """The fingerprint of each finding, in the order given. Unique within a file, alike across copies of it."""
    seen: dict[tuple[str, str], int] = {}
    prints = []
    for finding in findings:
        document = finding.document
        about = (document.kind or "", document.name or "") if document is not None else ("", "")
        identity = digest(finding.rule, *about, finding.field or "", _underlined(finding.range, sources[finding.path]))
        ordinal = seen[finding.path, identity] = seen.get((finding.path, identity), 0) + 1
        prints.append(identity if ordinal == 1 else digest(identity, str(ordinal)))
    return prints


def digest(*parts: str) -> str:
    """A hash of texts as 32 hexadecimal digits; where one text ends and the next begins counts."""
    state = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(data) + data)
    return state.hexdigest()


def _underlined(place: Range, source: Source) -> str:
    """The text of a range without the indentation of its lines: it may move to the right or left."""
    if not source.text:  # too big, or not UTF-8: nothing was read
        return ""
    lines = [source.line_text(number) for number in range(place.line, place.end_line + 1)]
    lines[-1] = lines[-1][: place.end_column - 1]
    lines[0] = lines[0][place.column - 1 :]
    return "\n".join(line.strip() for line in lines)
