"""`# calico-lint: ignore[RULE, ...] reason`: findings that are meant to be there.

Behind something on its line, a comment is about that line. Alone on its line, it is about the entry that begins on
the next one, with everything below it. `ignore-file` at the head of a file is about the file. Comments are what YAML
takes for comments: the text of a block scalar holds none.
"""

from __future__ import annotations

import re

from calico_lint import rules
from calico_lint.rules.exceptions import NO_REASON, UNKNOWN, UNUSED
from calico_lint.yaml_source import CollectionMark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

    from calico_lint.finding import Finding, Range
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Document, Source

MARKER = "calico-lint:"
_COMMENT = r"#\s*calico-lint:\s*(.*)"
_DIRECTIVE = r"(ignore|ignore-file)\s*\[([^\]]*)\](.*)"
_HEAD = r"\s*(?:#.*|---|%.*)?\r?"
# After these the rest of a document is unknown, and what stands in it may be what a comment is about.
_UNREAD = ("Y001", "Y003", "Y007", "Y008")
_NOT_SUPPRESSED = ("Y020", "Y021", "Y022", "Y023")
_LAST_LINE = 10**9


class Suppressed:
    """A finding that is not reported: `kind` is "inSource" (a comment) or "external" (a baseline), as SARIF says."""

    __slots__ = ("finding", "kind", "place", "reason")

    def __init__(self, finding: Finding, kind: str, reason: str, place: Range | None = None) -> None:
        self.finding = finding
        self.kind = kind
        self.reason = reason
        self.place = place  # of the comment


class _Name:
    """One name between the brackets: where it stands, the rules it names, and whether it was needed."""

    __slots__ = ("end", "ids", "start", "text", "used")

    def __init__(self, text: str, start: int, ids: Set[str]) -> None:
        self.text = text
        self.start = start
        self.end = start + len(text)
        self.ids = ids
        self.used = False


class _Ignore:
    """One comment: its names, the lines it is about, how to call them, and its place."""

    __slots__ = ("end", "first", "last", "names", "reason", "scope", "start")

    def __init__(self, names: list[_Name], reason: str, start: int, end: int) -> None:
        self.names = names
        self.reason = reason
        self.start = start
        self.end = end
        self.first = self.last = 0
        self.scope = ""

    def about(self, first: int, last: int, scope: str) -> None:
        """Set the lines, the last included."""
        self.first, self.last, self.scope = first, last, scope

    def covers(self, place: Range) -> bool:
        """Whether a finding at this place is meant: one that begins on the lines, or ends on a single one."""
        return self.first <= place.line <= self.last or (self.first == self.last == place.end_line)


def suppress(
    source: Source, findings: Iterable[Finding], asked: Set[str], *, require_reason: bool
) -> tuple[list[Finding], list[Suppressed]]:
    """What is left of the findings of one file, with those about its comments, and what its comments suppress.

    `asked` are the rules that were asked about this file: a comment for another one may well be needed.
    """
    ignores, about = _read(source)
    kept: list[Finding] = []
    suppressed: list[Suppressed] = []
    for finding in findings:
        by = None
        for ignore in ignores if finding.rule not in _NOT_SUPPRESSED else ():
            if not ignore.covers(finding.range):
                continue
            for name in ignore.names:
                if finding.rule in name.ids:
                    name.used = True
                    by = by or ignore
        if by is None:
            kept.append(finding)
        else:
            place = source.range(by.start, by.end)
            suppressed.append(Suppressed(finding, "inSource", by.reason, place))
    if not any(problem.rule in _UNREAD for problem in source.problems):
        about += _unused(source, ignores, asked)
    if require_reason:
        about += [
            _finding(
                NO_REASON, source, ignore.start, ignore.end, "this comment gives no reason: write it behind the `]`"
            )
            for ignore in ignores
            if not ignore.reason
        ]
    return kept + [finding for finding in about if finding.rule in asked], suppressed


def _unused(source: Source, ignores: list[_Ignore], asked: Set[str]) -> Iterator[Finding]:
    for ignore in ignores:
        for name in ignore.names:
            if not name.used and name.ids & asked:
                message = f"`{name.text}` has no finding {ignore.scope}: remove it here"
                yield _finding(UNUSED, source, name.start, name.end, message)


def _read(source: Source) -> tuple[list[_Ignore], list[Finding]]:
    """The comments of a file that count, and findings about those that cannot be understood."""
    ignores: list[_Ignore] = []
    about: list[Finding] = []
    last = source.position(len(source.text))[0]
    above: dict[int, list[_Ignore]] = {}  # line -> the comments that are about what begins there
    for offset, comment in source.comments():
        found = re.search(_COMMENT, comment)
        if found is None:
            continue
        start, end = offset + found.start(), offset + len(comment.rstrip())
        directive = re.match(_DIRECTIVE, found[1])
        if directive is None:
            message = (
                f"not understood: write `# {MARKER} ignore[RULE] reason`, or `ignore-file[RULE]` at the file's head"
            )
            about.append(_finding(UNKNOWN, source, start, end, message))
            continue
        names, unknown = _names(source, directive[2], offset + found.start(1) + directive.start(2))
        about += unknown
        ignore = _Ignore(names, directive[3].strip(" \t\r:–—-"), start, end)
        line, column = source.position(offset)
        if directive[1] == "ignore-file":
            if not all(re.fullmatch(_HEAD, source.line_text(number)) for number in range(1, line + 1)):
                message = "`ignore-file` counts at the head of the file, above everything else: here it does nothing"
                about.append(_finding(UNKNOWN, source, start, end, message))
                continue
            ignore.about(1, _LAST_LINE, "in this file")
        elif source.line_text(line)[: column - 1].strip():
            ignore.about(line, line, "on this line")
        else:
            line += 1
            while line <= last and source.line_text(line).lstrip().startswith("#"):
                line += 1
            ignore.about(line, line, f"on line {line}")
            above.setdefault(line, []).append(ignore)
        ignores.append(ignore)
    if above:
        for line, last in _blocks(source, set(above)).items():
            for ignore in above[line]:
                ignore.about(line, last, f"on line {line}" if last == line else f"on lines {line} to {last}")
    return ignores, about


def _names(source: Source, text: str, offset: int) -> tuple[list[_Name], list[Finding]]:
    """The names between brackets, and findings about those that name nothing."""
    names: list[_Name] = []
    about: list[Finding] = []
    for found in re.finditer(r"[^,\s][^,]*", text):
        word = found[0].rstrip()
        start = offset + found.start()
        try:
            names.append(_Name(word, start, rules.matching((word,))))
        except KeyError:
            message = f"no rule has the id or prefix `{word}`{meant(word)}"
            about.append(_finding(UNKNOWN, source, start, start + len(word), message))
    if not names and not about:
        about.append(_finding(UNKNOWN, source, offset - 1, offset + 1, "the brackets name no rule"))
    return names, about


def meant(word: str) -> str:
    """`; did you mean `KC102`?` for the name of a rule, or for what is close to an id; else where to look."""
    import difflib

    every = rules.all_rules()
    for rule in every:
        if rule.name == word.lower():
            return f"; did you mean its id, `{rule.id}`?"
    close = difflib.get_close_matches(word.upper(), [name for rule in every for name in (rule.id, *rule.aliases)], n=1)
    return f"; did you mean `{close[0]}`?" if close else ": see --list-rules"


def _blocks(source: Source, lines: Set[int]) -> dict[int, int]:
    """The last line of the outermost entry that begins on each of the lines, where one does."""
    found: dict[int, int] = {}
    for document in source.documents:
        for start, end in _entries(document):
            line = source.position(start)[0]
            if line in lines and line not in found:
                found[line] = source.position(max(start, end - 1))[0]
    return found


def _entries(document: Document) -> Iterator[tuple[int, int]]:
    """Where every entry of a document begins (its key, or the member of a list) and ends; outer ones first."""
    level = [document.entry]
    while level:
        below = []
        for entry in level:
            mark = entry[4]
            if not isinstance(mark, CollectionMark):
                continue
            for child in mark.children.values():
                start, end = document.span(child)
                yield (document.offset + child[0] if child[0] >= 0 else start), end
                below.append(child)
        level = below


def _finding(rule: Rule, source: Source, start: int, end: int, message: str) -> Finding:
    return rule.finding(source.path, source.range(start, end), message)
