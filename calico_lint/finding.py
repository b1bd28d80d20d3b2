"""The one record that every report renders: a finding, and the place it stands on.

Plain slotted classes, not dataclasses: importing `dataclasses` costs 9 ms of every start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    # ("set", document, path, value), ("remove", document, path, None), ("rename", document, path, new key),
    # or ("documents", how many more, (), None): no value changes, and more documents may be readable.
    Change: TypeAlias = tuple[str, int, tuple[str | int, ...], Any]

SEVERITIES = ("error", "warning", "info")
ORIGINS = ("kops-written", "kops-completed", "kops-apply", "calico", "schema", "yaml")


class Range:
    """A stretch of a file. Lines and columns start at 1 and count code points; the end is exclusive."""

    __slots__ = ("column", "end_column", "end_line", "line")

    def __init__(self, line: int, column: int, end_line: int, end_column: int) -> None:
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column

    def key(self) -> tuple[int, int, int, int]:
        """Sort key, and equality: two ranges of one file are the same place iff their keys are equal."""
        return (self.line, self.column, self.end_line, self.end_column)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Range) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        return f"Range({self.line}:{self.column}-{self.end_line}:{self.end_column})"


class Edit:
    """One splice: the text that comes in the place of a stretch of the file (empty: insertion or deletion).

    `start` and `end` are character offsets in `Source.text`; `range` is the same place in lines and columns.
    """

    __slots__ = ("end", "range", "start", "text")

    def __init__(self, start: int, end: int, text: str, range: Range) -> None:
        self.start = start
        self.end = end
        self.text = text
        self.range = range

    def key(self) -> tuple[int, int, str]:
        """Two edits of one file are the same iff their keys are equal."""
        return (self.start, self.end, self.text)


class Fix:
    """What would cure a finding: splices of the file `path` that do not overlap, in the order of the file.

    `safe` fixes are applied by `--fix`, all by `--unsafe-fixes`. `changes` is what may differ when the file is
    read again, see `Change`; `title` says it for people. `calico_lint.fix` makes them from nodes.
    """

    __slots__ = ("changes", "edits", "path", "safe", "title")

    def __init__(
        self, *, path: str, safe: bool, edits: tuple[Edit, ...], changes: tuple[Change, ...], title: str
    ) -> None:
        self.path = path
        self.safe = safe
        self.edits = edits
        self.changes = changes
        self.title = title

    def as_unsafe(self) -> Fix:
        """The same fix, for `--unsafe-fixes` only."""
        return Fix(path=self.path, safe=False, edits=self.edits, changes=self.changes, title=self.title)


class Related:
    """A second place that a finding speaks of: the other half of a relation, or the anchor of an alias."""

    __slots__ = ("message", "path", "range")

    def __init__(self, path: str, range: Range, message: str) -> None:
        self.path = path
        self.range = range
        self.message = message


class DocumentRef:
    """Which document of a file a finding is about: 0-based index, kind and name as far as they are known."""

    __slots__ = ("index", "kind", "name")

    def __init__(self, index: int, kind: str | None, name: str | None) -> None:
        self.index = index
        self.kind = kind
        self.name = name


class Finding:
    """One thing that is wrong, where, for whom, and how sure we are.

    `field` is the path in the file's own API version and spelling, or None for findings about YAML
    itself. `releases` names the kOps releases that object where not all considered ones do. `fix` cures it,
    where a splice can.
    """

    __slots__ = (
        "document",
        "field",
        "fix",
        "message",
        "name",
        "origin",
        "path",
        "range",
        "related",
        "releases",
        "rule",
        "severity",
    )

    def __init__(
        self,
        *,
        rule: str,
        name: str,
        severity: str,
        origin: str,
        message: str,
        path: str,
        range: Range,
        document: DocumentRef | None = None,
        field: str | None = None,
        related: tuple[Related, ...] = (),
        releases: str | None = None,
        fix: Fix | None = None,
    ) -> None:
        self.rule = rule
        self.name = name
        self.severity = severity
        self.origin = origin
        self.message = message
        self.path = path
        self.range = range
        self.document = document
        self.field = field
        self.related = related
        self.releases = releases
        self.fix = fix

    def sort_key(self) -> tuple[str, tuple[int, int, int, int], str, str]:
        """Reports are ordered by file, place, rule."""
        return (self.path, self.range.key(), self.rule, self.field or "")

    def __repr__(self) -> str:
        return f"{self.path}:{self.range.line}:{self.range.column}: {self.severity} {self.rule} {self.message}"
