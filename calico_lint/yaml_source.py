"""Bytes -> documents: values read as kOps reads them, each with the place it stands on.

kOps splits a file at the literal line `---` before any YAML parser sees it
(`util/pkg/text/text.go@release-1.36:29-33`, since 1.12) and decodes the first document of each piece
with sigs.k8s.io/yaml, which is go-yaml v2. This module does the same on libyaml's events, in one pass:
plain Python data for the rules, and beside it a tree of marks (events) for the places. Offsets become
lines and columns only when somebody asks.
"""

from __future__ import annotations

import gc
import re
from bisect import bisect_right

from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from calico_lint.files import MAX_BYTES
from calico_lint.finding import DocumentRef, Range, Related

try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]
except ImportError:  # a PyYAML built without libyaml: the same events, eight times slower
    from yaml import SafeLoader as _Parser  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    Value: TypeAlias = Any  # None, bool, int, float, str, list[Value], dict[str, Value]
    Path: TypeAlias = tuple[str | int, ...]
    Entry: TypeAlias = tuple[int, int, int, int, "CollectionMark | AliasMark | None"]

MAX_DEPTH = 200
# go-yaml v2 gives up on a document whose aliases expand to too much; a cluster spec never comes near.
MAX_ALIASED_NODES = 400_000
MAX_PROBLEMS = 1_000


# --- scalars -------------------------------------------------------------------------------------------

_WORDS: dict[str, Value] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
# Patterns are compiled when the first number needs one: most specs need none, and compiling costs 0.3 ms each.
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"
_INT = r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|(0|[1-9][0-9]*))\Z"
_TIMESTAMP = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:\Z|[Tt ][0-9])"
_FIRST_OF_NUMBER = frozenset("+-.0123456789")
_LONGEST_NUMBER = 1000  # digits; Python refuses to convert more than 4300, and no spec has more than 20
_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1


def resolve_plain(text: str) -> Value:
    """The value of an unquoted scalar as go-yaml v2 `resolve` gives it, after sigs.k8s.io/yaml's JSON step.

    YAML 1.1 booleans (`y`, `on`, ...), Go integer literals (`0x1f`, `0o17`, `017`, `0b11`, `1_000`),
    no sexagesimals, and timestamps stay text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_OF_NUMBER:
        return text
    if text.isascii() and text.isdigit() and len(text) < 19 and (text[0] != "0" or text == "0"):
        return int(text)
    if text.count(".") > 1 or "/" in text or ":" in text or len(text) > _LONGEST_NUMBER:
        return text  # versions, addresses, times: no number has these
    if text[0] == ".":
        return _float(text)
    if re.match(_TIMESTAMP, text):
        return text
    plain = text.replace("_", "")
    match = re.match(_INT, plain)
    if match:
        sign, hexadecimal, octal, binary, decimal = match.groups()
        if hexadecimal:
            number = int(hexadecimal, 16)
        elif octal:
            number = int(octal, 8)
        elif binary:
            number = int(binary, 2)
        else:
            number = int(decimal)
        number = -number if sign == "-" else number
        # A signed literal goes through ParseInt alone; ParseUint takes no sign.
        if _INT64_MIN <= number <= (_UINT64_MAX if not sign else 2**63 - 1):
            return number
    value = _float(plain)
    return text if value is plain else value


def _float(text: str) -> float | str:
    """The number, or the text itself where Go's ParseFloat refuses it: no number, or out of range."""
    if not re.match(_FLOAT, text) or float(text) in (float("inf"), float("-inf")):
        return text
    return float(text)


def resolve_tagged(tag: str, text: str) -> Value:
    """The value of a scalar with an explicit tag; raises ValueError where go-yaml refuses it."""
    short = tag.removeprefix("tag:yaml.org,2002:")
    if short == "binary":
        import base64

        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    if short not in ("bool", "int", "float", "null", "timestamp"):
        return text
    value = resolve_plain(text)
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "null": value is None,
        "timestamp": isinstance(value, str),
    }
    if not fits[short]:
        raise ValueError(f"cannot decode `{text}` as !!{short}")
    return float(value) if short == "float" else value


def _key_text(value: Value) -> str:
    """A mapping key as sigs.k8s.io/yaml writes it into JSON: `true:` and `1:` become text."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(value)


# --- marks: the tree of places beside the tree of values ------------------------------------------------
#
# Offsets count characters from the start of the section. An entry is where one child of a collection stands:
# (start and end of its key, start and end of its value, mark). Key offsets are -1 in a sequence and for what
# a merge brought; the mark is None for a scalar. Plain tuples of integers, so that no event outlives the
# reading: that is a quarter of the time and a fifth of the memory of keeping the events.


class CollectionMark:
    """A mapping or sequence: `children` maps a key (or index) to its entry."""

    __slots__ = ("children", "end", "flow", "start")

    def __init__(self, start: int, flow: bool) -> None:
        self.start = start
        self.end = start
        self.flow = flow
        self.children: dict[Any, Entry] = {}


class AliasMark:
    """A `*name`: the place of use, and the entry of what it stands for."""

    __slots__ = ("end", "start", "target")

    def __init__(self, start: int, end: int, target: Entry) -> None:
        self.start = start
        self.end = end
        self.target = target


class Problem:
    """Something wrong with the YAML itself; `calico_lint.rules.yaml_rules` turns it into a finding."""

    __slots__ = ("document", "end", "message", "related", "repeated", "rule", "start")

    def __init__(
        self,
        rule: str,
        message: str,
        start: int,
        end: int,
        related: tuple[tuple[int, int, str], ...] = (),
        document: int | None = None,
    ) -> None:
        self.rule = rule
        self.message = message
        self.start = start  # character offsets in Source.text
        self.end = end
        self.related = related
        self.document = document
        self.repeated: tuple[Entry, bool] | None = None  # of an equal duplicate: its entry, whether in flow style


class _StopReading(Exception):  # noqa: N818 - it is no error
    """This document cannot be read further; the problem has been recorded."""


# --- source and documents -------------------------------------------------------------------------------


class Source:
    """One file: its text, the documents that kOps would read, and what is wrong with the YAML.

    `path` is how the file is named in reports. Never raises on content: whatever the bytes are, the
    result is documents, problems, or both. `parse` False keeps the text only, for excerpts.
    """

    __slots__ = ("_lines", "documents", "path", "problems", "text")

    def __init__(self, path: str, data: bytes, max_bytes: int = MAX_BYTES, *, parse: bool = True) -> None:
        self.path = path
        self.text = ""
        self._lines: list[int] | None = None
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        if len(data) > max_bytes:
            self.problems.append(
                Problem("Y010", f"the file has {len(data):,} bytes, more than the limit of {max_bytes:,}", 0, 0)
            )
            return
        if self._decode(data) and parse:
            enabled = gc.isenabled()
            gc.disable()  # the collector would walk the growing tree again and again: a factor of two
            try:
                _read_sections(self)
            finally:
                if enabled:
                    gc.enable()

    def _decode(self, data: bytes) -> bool:
        head = data[:4]
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head == b"\x00\x00\xfe\xff":
            self.problems.append(
                Problem(
                    "Y003",
                    "the file is UTF-16 or UTF-32; kOps specs are read as UTF-8: save it as UTF-8",
                    0,
                    0,
                )
            )
            return False
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            good = data[: error.start].decode("utf-8")
            self.text = good.removeprefix("\ufeff")
            byte = data[error.start]
            self.problems.append(
                Problem(
                    "Y003",
                    f"byte 0x{byte:02x} is not UTF-8: save the file as UTF-8, or remove what is not text",
                    len(self.text),
                    len(self.text),
                )
            )
            return False
        self.text = text.removeprefix("\ufeff")
        return True

    def position(self, offset: int) -> tuple[int, int]:
        """1-based line and column of a character offset. A line ends at LF, as in every editor."""
        if self._lines is None:
            self._lines = [0, *(match.end() for match in re.finditer("\n", self.text))]
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def range(self, start: int, end: int) -> Range:
        """The range between two character offsets, the end exclusive."""
        return Range(*self.position(start), *self.position(max(start, end)))

    def line_text(self, line: int) -> str:
        """A line of the file without its line ending, for excerpts."""
        self.position(0)
        assert self._lines is not None
        start = self._lines[line - 1]
        end = self._lines[line] if line < len(self._lines) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def comments(self) -> list[tuple[int, str]]:
        """(offset, text from `#` on) of every comment, in order; found only when asked for."""
        covered = sorted(span for document in self.documents for span in document.scalar_spans())
        starts = [start for start, _ in covered]
        found: list[tuple[int, str]] = []
        after = 0
        for match in re.finditer(r"(?:^|(?<=\s))#", self.text, re.MULTILINE):
            at = match.start()
            index = bisect_right(starts, at) - 1
            if at >= after and (index < 0 or covered[index][1] <= at):
                comment = self.text[at : _line_end(self.text, at)].rstrip("\r")
                found.append((at, comment))
                after = at + len(comment)
        return found

    def anchors(self) -> dict[str, Range]:
        """Name -> place of every anchor of the documents; the last of a name wins, as in YAML."""
        return {
            name: self.range(start, end)
            for document in self.documents
            for name, (start, end) in document.anchor_spans.items()
        }


class Document:
    """One document that kOps would decode. `data` is plain Python; `root` is the cursor on it."""

    __slots__ = ("anchor_spans", "data", "entry", "index", "offset", "prefix", "source")

    def __init__(self, source: Source, index: int, data: Value, entry: Entry, offset: int, prefix: Path = ()) -> None:
        self.source = source
        self.index = index
        self.data = data
        self.entry = entry
        self.offset = offset  # of the section in Source.text
        self.prefix = prefix  # ("items", 3) for a member of a kind: List
        self.anchor_spans: dict[str, tuple[int, int]] = {}

    @property
    def root(self) -> Node:
        """The cursor on the whole document."""
        return Node(self, (), self.data, self.entry, None)

    def members(self) -> Iterator[Document]:
        """The items of a `kind: List` as documents of their own; the document itself if it is none."""
        items = self.data.get("items") if isinstance(self.data, dict) and self.kind == "List" else None
        if not isinstance(items, list):
            yield self
            return
        for node in self.root["items"]:
            yield Document(self.source, self.index, node.value, node.entry, self.offset, ("items", node.key))

    def get(self, key: str) -> Value:
        """The plain value of a top-level key; None if it is missing or the document is no mapping."""
        return self.data.get(key) if isinstance(self.data, dict) else None

    @property
    def api_version(self) -> str | None:
        """`apiVersion` if it is text."""
        value = self.get("apiVersion")
        return value if isinstance(value, str) else None

    @property
    def kind(self) -> str | None:
        """`kind` if it is text."""
        value = self.get("kind")
        return value if isinstance(value, str) else None

    @property
    def name(self) -> str | None:
        """`metadata.name` if it is text."""
        metadata = self.get("metadata")
        value = metadata.get("name") if isinstance(metadata, dict) else None
        return value if isinstance(value, str) else None

    @property
    def ref(self) -> DocumentRef:
        """The identity that findings carry."""
        return DocumentRef(self.index, self.kind, self.name)

    def scalar_spans(self) -> Iterator[tuple[int, int]]:
        """Start and end offset of every scalar and key, in no particular order."""
        stack = [self.entry]
        while stack:
            key_start, key_end, start, end, mark = stack.pop()
            if key_start >= 0:
                yield self.offset + key_start, self.offset + key_end
            if isinstance(mark, CollectionMark):
                stack.extend(mark.children.values())
            elif mark is None:
                yield self.offset + start, self.offset + end

    def span(self, entry: Entry) -> tuple[int, int]:
        """Start and end offset of an entry's value in `Source.text`."""
        start = self.offset + entry[2]
        end = self.offset + self._end(entry)
        return start, start + len(self.source.text[start:end].rstrip(" \t\r\n"))

    def _end(self, entry: Entry) -> int:
        # The parser ends a block collection where the next token begins; it really ends with its last child.
        mark = entry[4]
        if isinstance(mark, CollectionMark) and not mark.flow and mark.children:
            last = next(reversed(mark.children.values()))
            return max(last[1], self._end(last))
        return entry[3]


class Node:
    """A cursor: a value, its path, and the place it stands on. Rules receive these and report on them.

    `node["key"]` and `node.get("key")` go down; a missing key is None from `get`. A value reached through
    an alias stands where the alias is used; `related` then names the anchor's place.
    """

    __slots__ = ("_alias", "document", "entry", "path", "value")

    def __init__(self, document: Document, path: Path, value: Value, entry: Entry, alias: Entry | None) -> None:
        self.document = document
        self.path = path
        self.value = value
        mark = entry[4]
        while isinstance(mark, AliasMark):
            # The place is that of the first alias on the way; the children are the anchor's.
            alias = alias or entry
            entry = mark.target
            mark = entry[4]
        self.entry = entry
        self._alias = alias

    def get(self, *keys: str | int) -> Node | None:
        """The node below, or None if a key or index is missing on the way."""
        node: Node = self
        for key in keys:
            mark = node.entry[4]
            entry = mark.children.get(key) if isinstance(mark, CollectionMark) else None
            if entry is None:
                return None
            node = Node(node.document, (*node.path, key), node.value[key], entry, node._alias)
        return node

    def __getitem__(self, key: str | int) -> Node:
        node = self.get(key)
        if node is None:
            raise KeyError(key)
        return node

    def __iter__(self) -> Iterator[Node]:
        """The children, in the order of the file; nothing for a scalar."""
        mark = self.entry[4]
        if isinstance(mark, CollectionMark):
            for key in mark.children:
                yield self[key]

    @property
    def key(self) -> str | int:
        """The last step of the path."""
        return self.path[-1]

    @property
    def field(self) -> str:
        """The path as findings name it: `spec.etcdClusters[0].version`."""
        return render_path(self.document.prefix + self.path)

    @property
    def span(self) -> tuple[int, int]:
        """Start and end offset of the value in `Source.text` (of the alias, where it came through one)."""
        return self.document.span(self._alias or self.entry)

    @property
    def value_range(self) -> Range:
        """The range of the value (of the alias, where it came through one)."""
        return self.document.source.range(*self.span)

    @property
    def key_range(self) -> Range:
        """The range of the key; of the value where there is no key (members of lists, the root)."""
        key_start, key_end = (self._alias or self.entry)[:2]
        if key_start < 0:
            return self.value_range
        return self.document.source.range(self.document.offset + key_start, self.document.offset + key_end)

    @property
    def range(self) -> Range:
        """What a report underlines: a written scalar itself, otherwise the key that holds the value."""
        start, end = self.span
        collection = self._alias is None and isinstance(self.entry[4], CollectionMark)
        if (start == end or collection) and self.entry[0] >= 0:
            return self.key_range
        if collection:
            # A list member or the root: its first line is enough.
            end = min(end, _line_end(self.document.source.text, start))
        return self.document.source.range(start, end)

    @property
    def related(self) -> tuple[Related, ...]:
        """The anchor's place, if the value came through an alias."""
        if self._alias is None:
            return ()
        source = self.document.source
        return (
            Related(source.path, source.range(*self.document.span(self.entry)), "the value comes from this anchor"),
        )


def render_path(path: Path) -> str:
    """`("spec", "etcdClusters", 0)` -> `spec.etcdClusters[0]`; keys with dots or blanks as `["a.b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r'[^.\[\]"\s]+', step):
            text += f".{step}" if text else step
        else:
            quoted = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text


# --- reading --------------------------------------------------------------------------------------------


def _line_end(text: str, offset: int) -> int:
    """The offset of the line feed that ends the line, or the end of the text."""
    end = text.find("\n", offset)
    return end if end >= 0 else len(text)


def _sections(text: str) -> Iterator[tuple[int, int]]:
    """Start and end offset of what kOps decodes: the pieces between lines that are exactly `---`."""
    start = search = 0
    while (at := text.find("\n---", search)) >= 0:
        end = at + 4
        if text.startswith("\r\n", end):
            end += 1
        if text.startswith("\n", end):
            yield start, at - (at > start and text[at - 1] == "\r")
            start = end + 1
        search = end
    yield start, len(text)


def _read_sections(source: Source) -> None:
    sections = list(_sections(source.text))
    for start, end in sections:
        _read_section(source, start, source.text[start:end], only=len(sections) == 1)
        if len(source.problems) >= MAX_PROBLEMS:
            last = source.problems[-1]
            message = f"more than {MAX_PROBLEMS} problems with the YAML: the rest of the file is not read"
            source.problems.append(Problem("Y001", message, last.start, last.end))
            return


def _read_section(source: Source, offset: int, section: str, *, only: bool) -> None:
    reader = _SectionReader(source, offset)
    try:
        parser = _Parser(section)
    except ReaderError as error:  # the pure-Python reader checks characters up front
        reader.unreadable(error, section)
        return
    try:
        reader.read(parser)
    except _StopReading:
        pass
    except ReaderError as error:
        reader.unreadable(error, section)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = offset + (min(mark.index, len(section)) if mark is not None else 0)
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        hint = _syntax_hint(source.text, at, reason)
        related: tuple[tuple[int, int, str], ...] = ()
        context_mark = error.context_mark
        if context_mark is not None and mark is not context_mark:
            context = offset + context_mark.index
            related = ((context, context, error.context or "context"),)
        # libyaml scans ahead of its events and has a limit of its own, of 1,000.
        rule = "Y007" if "maximum nesting depth" in reason else "Y001"
        source.problems.append(Problem(rule, f"{reason}{hint}", at, at, related))
    except YAMLError as error:
        source.problems.append(Problem("Y001", str(error), offset, offset))
    else:
        if not reader.count and not only:
            source.problems.append(
                Problem(
                    "Y004",
                    "empty document: `kops create -f` and `kops replace -f` stop here with "
                    "\"Object 'Kind' is missing\"; remove one of the separators",
                    max(0, offset - 1),
                    offset,
                )
            )


def _syntax_hint(text: str, at: int, reason: str) -> str:
    line_start = text.rfind("\n", 0, at) + 1
    line = text[line_start : _line_end(text, at)]
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in reason:
        return " (indent with blanks: YAML allows no tabs there)"
    return ""


class _SectionReader:
    """Builds data and marks from the events of one section. Iterative: depth is bounded by a check, not the stack."""

    __slots__ = ("aliased", "anchors", "count", "offset", "source")

    def __init__(self, source: Source, offset: int) -> None:
        self.source = source
        self.offset = offset
        self.count = 0  # documents seen in this section
        self.aliased = 0
        # name -> (value, entry, number of nodes); the number is -1 while the collection is still open
        self.anchors: dict[str, tuple[Value, Entry, int]] = {}

    def problem(self, rule: str, message: str, start: int, end: int, *related: tuple[int, int, str]) -> None:
        """Record a problem between two offsets of the section, with other places as related."""
        offset = self.offset
        self.source.problems.append(
            Problem(
                rule,
                message,
                offset + start,
                offset + end,
                tuple((offset + other_start, offset + other_end, text) for other_start, other_end, text in related),
                len(self.source.documents),
            )
        )
        if len(self.source.problems) >= MAX_PROBLEMS:
            raise _StopReading

    def unreadable(self, error: ReaderError, section: str) -> None:
        """A character that YAML forbids. libyaml counts bytes, the pure-Python reader characters."""
        match = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]", section)
        at = self.offset + (match.start() if match else 0)
        character = f"U+{ord(match.group()):04X}" if match else str(error.character)
        self.source.problems.append(
            Problem("Y001", f"the control character {character} is not allowed in YAML: remove it", at, at + 1)
        )

    def read(self, parser: Any) -> None:
        """Read the first document of the section; report the others, which kOps drops."""
        get_event = parser.get_event
        while True:
            event = get_event()
            if event is None:
                return
            if type(event) is not DocumentStartEvent:
                continue
            self.count += 1
            if self.count > 1:
                self._lost(event)
                self._skip_document(get_event)
                continue
            value, entry = self._read_document(get_event)
            document = Document(self.source, len(self.source.documents), value, entry, self.offset)
            document.anchor_spans = {name: document.span(found[1]) for name, found in self.anchors.items()}
            if value is None and entry[2] == entry[3]:
                self.count = 0  # `---` followed by nothing: as empty as no document
            else:
                self.source.documents.append(document)

    def _lost(self, event: Any) -> None:
        line_start = self.source.text.rfind("\n", 0, self.offset + event.start_mark.index) + 1
        line = self.source.text[line_start : _line_end(self.source.text, line_start)].rstrip("\r")
        why = (
            "kOps splits a file only at a line that is exactly `---`; "
            f"this one is `{line}`, so the document after it is dropped without a word: "
            "leave nothing else on the line"
        )
        if line == "---":
            why = "kOps drops this document: it reads one document between two `---` lines"
        self.problem("Y005", why, event.start_mark.index, event.end_mark.index)

    def _skip_document(self, get_event: Any) -> None:
        depth = 0
        while True:
            event = get_event()
            kind = type(event)
            if event is None or kind is DocumentEndEvent:
                return
            if kind is MappingStartEvent or kind is SequenceStartEvent:
                depth += 1
                if depth > MAX_DEPTH:
                    self._too_deep(event)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                depth -= 1

    def _too_deep(self, event: Any) -> None:
        message = f"nested deeper than {MAX_DEPTH} levels: no cluster spec is; not read further"
        self.problem("Y007", message, event.start_mark.index, event.end_mark.index)
        raise _StopReading

    def _read_document(self, get_event: Any) -> tuple[Value, Entry]:
        stack: list[_Open] = []
        top: _Open | None = None
        resolved = _RESOLVED
        nodes = 0
        while True:
            event = get_event()
            kind = type(event)
            mark: CollectionMark | AliasMark | None = None
            if kind is ScalarEvent:
                nodes += 1
                start = event.start_mark.index
                end = event.end_mark.index
                value = event.value
                plain = not event.style
                if event.tag is not None:
                    value = self._tagged(event, start, end)
                elif plain:
                    try:
                        value = resolved[value]
                    except KeyError:
                        text, value = value, resolve_plain(value)
                        if len(resolved) < 50_000:
                            resolved[text] = value
                if event.anchor:
                    self.anchors[event.anchor] = (value, (-1, -1, start, end, None), 1)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                nodes += 1
                if len(stack) >= MAX_DEPTH - 1:
                    self._too_deep(event)
                if top is not None:
                    stack.append(top)
                top = _Open(event, kind is MappingStartEvent, nodes)
                if event.anchor:
                    self.anchors[event.anchor] = (top.value, (-1, -1, top.mark.start, top.mark.start, top.mark), -1)
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                assert top is not None
                value, mark = top.value, top.mark
                start, end = mark.start, event.end_mark.index
                mark.end = end
                plain = False
                if top.anchor:
                    self.anchors[top.anchor] = (value, (-1, -1, start, end, mark), nodes - top.nodes + 1)
                top = stack.pop() if stack else None
            elif kind is AliasEvent:
                start, end = event.start_mark.index, event.end_mark.index
                value, target, size = self._follow(event.anchor, start, end)
                mark = AliasMark(start, end, target)
                plain = False
                nodes += size
            else:  # the end of the document before its root: libyaml never says that
                raise _StopReading

            # The node is complete: put it into the collection that holds it.
            if top is None:
                return value, (-1, -1, start, end, mark)
            if not top.is_mapping:
                top.mark.children[len(top.value)] = (-1, -1, start, end, mark)
                top.value.append(value)
            elif top.key_start < 0:
                top.key, top.key_start, top.key_end = value, start, end
                top.merges = plain and value == "<<"
            else:
                entry = (top.key_start, top.key_end, start, end, mark)
                key = top.key
                if key.__class__ is str and key not in top.value and not top.merges:
                    top.value[key] = value
                    top.mark.children[key] = entry
                else:
                    self._put(top, key, value, entry)
                top.key_start = -1

    def _tagged(self, event: Any, start: int, end: int) -> Value:
        if event.tag == "!":
            return event.value
        try:
            return resolve_tagged(event.tag, event.value)
        except ValueError as error:
            self.problem("Y001", str(error), start, end)
            return event.value

    def _follow(self, name: str, start: int, end: int) -> tuple[Value, Entry, int]:
        nothing: Entry = (-1, -1, start, end, None)
        found = self.anchors.get(name)
        if found is None:
            self.problem("Y008", f"there is no anchor `&{name}` before this alias", start, end)
            return None, nothing, 1
        if found[2] < 0:
            self.problem("Y008", f"the anchor `&{name}` contains itself", start, end)
            return None, nothing, 1
        self.aliased += found[2]
        if self.aliased > MAX_ALIASED_NODES:
            self.problem("Y008", "the aliases of this document expand to too much: not read further", start, end)
            raise _StopReading
        return found

    def _put(self, top: _Open, key: Value, value: Value, entry: Entry) -> None:
        """Put a child under a key that is no plain new text: a merge, a number, a duplicate."""
        key_start, key_end = entry[:2]
        if top.merges:
            self._merge(top, value, entry)
            return
        if key is None or isinstance(key, dict | list):
            message = "a key must be text, a number or a boolean: kOps cannot decode this"
            self.problem("Y009", message, key_start, key_end)
            return
        key = key if isinstance(key, str) else _key_text(key)
        earlier = top.mark.children.pop(key, None)
        if earlier is not None and earlier[0] >= 0:
            equal = top.value[key] == value
            self.problem(
                "Y002",
                f"duplicate key `{key}`: kOps silently keeps the last one"
                + (" (here both are equal)" if equal else " and drops what stands under the first"),
                key_start,
                key_end,
                (earlier[0], earlier[1], "first written here"),
            )
            if equal:
                self.source.problems[-1].repeated = entry, top.mark.flow
        top.value.pop(key, None)
        top.value[key] = value
        top.mark.children[key] = entry

    def _merge(self, top: _Open, value: Value, entry: Entry) -> None:
        """`<<: *base`. As go-yaml v2 does it: in the order of the file, so an earlier own key is overwritten."""
        mark = entry[4]
        if isinstance(value, list):
            while isinstance(mark, AliasMark):
                mark = mark.target[4]
            assert isinstance(mark, CollectionMark)
            # The first of a list wins: go-yaml walks it backwards.
            parts = [(value[index], mark.children[index]) for index in range(len(value) - 1, -1, -1)]
        else:
            parts = [(value, entry)]
        for content, (_, _, start, end, part_mark) in parts:
            target = part_mark
            while isinstance(target, AliasMark):
                target = target.target[4]
            if not isinstance(content, dict) or not isinstance(target, CollectionMark):
                message = "`<<` merges a mapping or a list of mappings: kOps cannot decode this"
                self.problem("Y009", message, entry[0], entry[1])
                return
            for key, child_value in content.items():
                child = target.children[key]
                if isinstance(part_mark, AliasMark):
                    child = (-1, -1, start, end, AliasMark(start, end, child))
                top.mark.children[key] = (-1, -1, *child[2:])
                top.value[key] = child_value


class _Open:
    """An open collection while it is read. `key_start` is -1 while no key is pending."""

    __slots__ = ("anchor", "is_mapping", "key", "key_end", "key_start", "mark", "merges", "nodes", "value")

    def __init__(self, event: Any, is_mapping: bool, nodes: int) -> None:
        self.anchor = event.anchor
        self.is_mapping = is_mapping
        self.value: Any = {} if is_mapping else []
        self.mark = CollectionMark(event.start_mark.index, bool(event.flow_style))
        self.key: Value = None
        self.key_start = -1
        self.key_end = -1
        self.merges = False
        self.nodes = nodes


_RESOLVED: dict[str, Value] = {}
