"""Nodes -> fixes: splices of the source that change one place and nothing else.

Every function returns a `Fix`, or None where no splice does exactly that: the place is reached through an alias
or a merge, stands below an anchor (it would change elsewhere too), or is written in a way that cannot be spliced.
Rules import this module where they have found something, so that a clean lint never loads it:

    from calico_lint import fix

    yield Hit(node, "...", fix=fix.set_value(node, "v3", safe=True))

`safe` says that kOps builds the same cluster after the fix, or that it could not have built any before; everything
else needs `--unsafe-fixes`. A fix that takes comments with it is never safe.
"""

from __future__ import annotations

import re

from calico_lint.finding import Edit, Fix
from calico_lint.yaml_source import AliasMark, CollectionMark, render_path, resolve_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.finding import Change
    from calico_lint.yaml_source import Document, Entry, Node, Source, Value

_INDENTATION = 2  # of a file whose nesting does not show one
_PLAIN = r"[A-Za-z0-9_./][A-Za-z0-9_./+:@%-]*(?<!:)\Z"  # a subset of what may stand without quotes anywhere


def set_value(node: Node, value: Value, *, safe: bool) -> Fix | None:
    """Write another scalar in the place of a scalar; quotes stay if there were some. Not for block scalars."""
    place = _Place.of(node)
    if place is None or (isinstance(place.entry[4], CollectionMark) and place.entry[4].children):
        return None
    start, end = place.at(place.entry[2]), place.at(place.entry[3])
    old = place.text[start:end]
    if old[:1] in ("&", "!", "|", ">"):
        return None
    new = _scalar(value, '"' if place.json and isinstance(value, str) else old[:1])
    if old == new:
        return None
    if not old:
        gap = place.gap(start)
        if gap is None:
            return None
        new = gap + new
    title = f"set {node.field} to {_scalar(value)}"
    return _fix(place, [(start, end, new)], ("set", place.path, value), title, safe=safe)


def add_key(node: Node, key: str, value: Value, *, safe: bool) -> Fix | None:
    """Add a key to a mapping (block, flow, `{}`, or null), as its last one; `value` may be nested."""
    place = _Place.of(node)
    mark = place.entry[4] if place is not None else None
    if place is None or isinstance(mark, AliasMark) or place.is_anchored(place.entry):
        return None
    if not (node.value is None or (isinstance(node.value, dict) and key not in node.value)):
        return None
    own = place.own(place.entry)
    edits: list[tuple[int, int, str]] | None
    if isinstance(mark, CollectionMark) and not mark.flow:
        indent = place.column(own[0][0] if own else place.entry[2])
        lines = _lines(key, value, indent, place.step)
        after = max((place.content_end(entry) for entry in own), default=place.at(place.entry[2]))
        if own and place.ends_in_block_scalar(own[-1]):  # which would take, or give, the lines around its end
            first = place.at(own[0][0])
            edits = [(first, first, place.newline(first).join([*lines, " " * indent]).lstrip(" "))]
        else:
            edits = [place.lines_after(after, lines)]
    elif own:
        edits = [_after_flow(place, own, _pair(key, value, json=place.json))]
    else:
        edits = _filled(place, key, value)
        if edits is None:
            return None
    path = (*place.path, key)
    title = f"add {_named(node.field, key)}: {_inline(value, json=False)}"
    return _fix(place, edits, ("set", path, value), title, safe=safe)


def remove_key(node: Node, *, safe: bool) -> Fix | None:
    """Remove an entry of a mapping with all its lines; the last one leaves `{}`, because null would mean unset."""
    place = _Place.of(node)
    if place is None or place.parent is None or place.entry[0] < 0:
        return None
    text = place.text
    mark = place.parent[4]
    assert isinstance(mark, CollectionMark)
    start, end = place.at(place.entry[0]), place.content_end(place.entry)
    siblings = [entry for entry in place.own(place.parent) if entry is not place.entry]
    above = [entry for entry in siblings if place.at(entry[0]) < start]
    if _has_anchor(text[start:end]):
        return None
    if mark.flow:
        edits = [_flow_removal(place, siblings, start, end)]
    elif above and place.ends_in_block_scalar(above[-1]):
        # It takes the blank lines that follow it if it keeps them (`+`), and lacks its line ending at the end.
        if "+" in text[place.at(above[-1][1]) : start] or end == place.content_end(place.trail[0]):
            return None
        edits = [_block_removal(text, start, end)]
    elif siblings or any(entry[0] < 0 for entry in mark.children.values()):
        edits = [_block_removal(text, start, end)]
    elif place.parent[0] >= 0:
        colon = place.colon(place.parent)
        if colon is None or place.is_anchored(place.parent):
            return None
        edits = [(colon, colon, " {}"), _block_removal(text, start, end)]
    else:
        edits = [(start, end, "{}")]
    lost = any(_has_comment(text[first:last]) for first, last, _ in edits)
    return _fix(place, edits, ("remove", place.path, None), f"remove {node.field}", safe=safe and not lost)


def rename_key(node: Node, new: str, *, safe: bool) -> Fix | None:
    """Give an entry of a mapping another key; None if that key is taken."""
    place = _Place.of(node)
    if place is None or place.parent is None or place.entry[0] < 0:
        return None
    start, end = place.at(place.entry[0]), place.at(place.entry[1])
    old = place.text[start:end]
    if old[:1] in ("&", "!", "*", "|", ">", "?") or new in place.keys(place.parent):
        return None
    title = f"rename {node.field} to {new}"
    return _fix(place, [(start, end, _scalar(new, old[:1]))], ("rename", place.path, new), title, safe=safe)


def combine(*fixes: Fix | None) -> Fix | None:
    """One fix of several that belong together; None if one of them is missing or two overlap."""
    parts = [part for part in fixes if part is not None]
    if not parts or len(parts) < len(fixes):
        return None
    edits = sorted((edit for part in parts for edit in part.edits), key=lambda edit: (edit.start, edit.end))
    if any(edits[index].start < edits[index - 1].end for index in range(1, len(edits))):
        return None
    if len({part.path for part in parts}) > 1:
        return None
    return Fix(
        path=parts[0].path,
        safe=all(part.safe for part in parts),
        edits=tuple(edits),
        changes=tuple(change for part in parts for change in part.changes),
        title="; ".join(part.title for part in parts),
    )


def splice(source: Source, edits: list[tuple[int, int, str]], title: str, *, safe: bool, added: int = 0) -> Fix:
    """A fix of the text itself that changes no value; it may make `added` more documents readable."""
    return Fix(
        path=source.path,
        safe=safe,
        edits=tuple(Edit(start, end, text, source.range(start, end)) for start, end, text in sorted(edits)),
        changes=(("documents", added, (), None),),
        title=title,
    )


def remove_duplicate(document: Document, entry: Entry, *, flow: bool) -> Fix | None:
    """Remove an entry of a mapping that says what an earlier one of the same key says: no value changes."""
    text = document.source.text
    start = document.offset + entry[0]
    end = max(document.offset + entry[1], document.span(entry)[1])
    if _has_anchor(text[start:end]):
        return None
    if flow:
        before = text[:start].rstrip()
        if not before.endswith(","):
            return None  # a comment stands between
        edit = (len(before) - 1, end, "")
    else:
        edit = _block_removal(text, start, end)
    removed = text[edit[0] : edit[1]]
    return splice(document.source, [edit], "remove the second of two equal entries", safe=not _has_comment(removed))


# --- places ---------------------------------------------------------------------------------------------


class _Place:
    """Where a node stands in its file: the entries from the root down to it, in offsets of `Source.text`."""

    __slots__ = ("document", "path", "text", "trail")

    def __init__(self, document: Document, path: tuple[str | int, ...], trail: list[Entry]) -> None:
        self.document = document
        self.text = document.source.text
        self.path = path
        self.trail = trail

    @classmethod
    def of(cls, node: Node) -> _Place | None:
        """The place, or None if a splice there would change another place too."""
        document = node.document.source.documents[node.document.index]
        path = node.document.prefix + node.path
        place = cls(document, path, [document.entry])
        for step in path:
            entry = place.trail[-1]
            mark = entry[4]
            if not isinstance(mark, CollectionMark) or place.is_anchored(entry):
                return None
            child = mark.children[step]
            if isinstance(step, str) and child[0] < 0:
                return None  # a merge brought it
            place.trail.append(child)
        return place

    @property
    def entry(self) -> Entry:
        """The entry of the node itself."""
        return self.trail[-1]

    @property
    def parent(self) -> Entry | None:
        """The entry of the collection that holds it; None at the root."""
        return self.trail[-2] if len(self.trail) > 1 else None

    @property
    def in_flow(self) -> bool:
        """Whether a flow collection holds the node."""
        return any(isinstance(entry[4], CollectionMark) and entry[4].flow for entry in self.trail[:-1])

    @property
    def json(self) -> bool:
        """Whether the node stands among flow mappings with quoted keys, as in a JSON file."""
        for entry in reversed(self.trail):
            own = self.own(entry)
            if own and isinstance(entry[4], CollectionMark):
                return entry[4].flow and self.text[self.at(own[0][0])] == '"'
        return False

    @property
    def step(self) -> int:
        """By how many blanks this file indents."""
        columns = [self.column(entry[0]) for entry in self.trail if entry[0] >= 0]
        if isinstance(self.entry[4], CollectionMark) and not self.entry[4].flow:
            columns += [self.column(entry[0]) for entry in self.own(self.entry)[:1]]
        for inner, outer in zip(columns[::-1], columns[-2::-1], strict=False):
            if inner > outer:
                return inner - outer
        return _INDENTATION

    def at(self, offset: int) -> int:
        """The offset in `Source.text` of an offset in the section."""
        return self.document.offset + offset

    def column(self, offset: int) -> int:
        """The 0-based column of an offset in the section."""
        at = self.at(offset)
        return at - self.text.rfind("\n", 0, at) - 1

    def is_anchored(self, entry: Entry) -> bool:
        """Whether a collection has an anchor or tag: what is changed in it would change where it is used."""
        return self.text[self.at(entry[2]) : self.at(entry[2]) + 1] in ("&", "!")

    def own(self, entry: Entry) -> list[Entry]:
        """The entries of a mapping that are written there, in the order of the file."""
        mark = entry[4]
        children = mark.children.values() if isinstance(mark, CollectionMark) else ()
        return sorted((child for child in children if child[0] >= 0), key=lambda child: child[0])

    def keys(self, entry: Entry) -> Iterator[object]:
        """The keys of a mapping, merged ones too."""
        mark = entry[4]
        assert isinstance(mark, CollectionMark)
        yield from mark.children

    def colon(self, entry: Entry) -> int | None:
        """Where the colon after an entry's key ends."""
        match = re.compile(r"[ \t]*:").match(self.text, self.at(entry[1]))
        return match.end() if match else None

    def gap(self, offset: int) -> str | None:
        """The blank that a value at an offset without one needs; None where its colon or dash is missing."""
        before = self.text[self.text.rfind("\n", 0, offset) + 1 : offset]
        holder = before.rstrip(" ")[-1:]
        if holder != ":" and (holder != "-" or self.in_flow or self.entry[0] >= 0):
            return None  # `{ key }`
        return "" if before[-1:] == " " else " "

    def content_end(self, entry: Entry) -> int:
        """Where the last thing that belongs to an entry ends."""
        return max(self.at(entry[1]), self.document.span(entry)[1])

    def ends_in_block_scalar(self, entry: Entry) -> bool:
        """Whether the last value of an entry is a block scalar."""
        while isinstance(mark := entry[4], CollectionMark) and not mark.flow and mark.children:
            entry = max(mark.children.values(), key=lambda child: child[3])
        value = self.text[self.at(entry[2]) : self.at(entry[3])]
        return entry[4] is None and re.match(r"(?:[&!]\S*\s+)*[|>]", value) is not None

    def line_end(self, offset: int) -> int:
        """Where the line of an offset ends, before its line ending."""
        end = self.text.find("\n", offset)
        end = len(self.text) if end < 0 else end
        return end - (end > offset and self.text[end - 1] == "\r")

    def newline(self, offset: int) -> str:
        """The line ending that this part of the file uses."""
        end = self.text.find("\n", offset)
        end = self.text.rfind("\n", 0, offset) if end < 0 else end
        return "\r\n" if end > 0 and self.text[end - 1] == "\r" else "\n"

    def lines_after(self, offset: int, lines: list[str]) -> tuple[int, int, str]:
        """The edit that puts lines below the line of an offset."""
        at = self.line_end(offset)
        newline = self.newline(offset)
        return at, at, "".join(newline + line for line in lines)


def _filled(place: _Place, key: str, value: Value) -> list[tuple[int, int, str]] | None:
    """The edits that put the first pair into a null or an empty flow mapping; None if something is in the way."""
    start, end = place.at(place.entry[2]), place.at(place.entry[3])
    old = place.text[start:end]
    if place.entry[4] is not None:
        if old.strip("{} \t\r\n"):
            return None  # `{ # a comment }`
    elif resolve_plain(old) is not None:
        return None  # a null with an anchor
    if place.in_flow or place.entry[0] < 0:
        pair = f"{{{_pair(key, value, json=place.json)}}}"
        gap = "" if old else place.gap(start)
        return [(start, end, gap + pair)] if gap is not None else None
    colon = place.colon(place.entry)
    if colon is None or "\n" in place.text[colon:end]:
        return None
    below = place.lines_after(end, _lines(key, value, place.column(place.entry[0]) + place.step, place.step))
    return [(colon, end, ""), below] if end > colon else [below]


def _after_flow(place: _Place, own: list[Entry], pair: str) -> tuple[int, int, str]:
    """The edit that puts a pair behind the last one of a flow mapping, on a line of its own if that has one."""
    last = own[-1]
    at = max(place.at(last[1]), place.at(last[3]))
    key_start = place.at(last[0])
    line_start = place.text.rfind("\n", 0, key_start) + 1
    before = place.text[line_start:key_start]
    if line_start > 0 and not before.strip():
        return at, at, f",{place.newline(line_start - 1)}{before}{pair}"
    return at, at, f", {pair}"


def _flow_removal(place: _Place, siblings: list[Entry], start: int, end: int) -> tuple[int, int, str]:
    """The edit that takes an entry and one comma out of a flow mapping."""
    following = [entry for entry in siblings if place.at(entry[0]) > start]
    if following:
        return start, place.at(following[0][0]), ""
    if siblings:
        last = siblings[-1]
        return max(place.at(last[1]), place.at(last[3])), end, ""
    comma = re.compile(r"\s*,").match(place.text, end)
    return start, comma.end() if comma else end, ""


def _has_anchor(text: str) -> bool:
    """Whether an alias elsewhere may point into the text."""
    return re.search(r"(?:^|[\s,\[{])&\S", text) is not None


def _has_comment(text: str) -> bool:
    return re.search(r"(?:^|\s)#", text) is not None


def _block_removal(text: str, start: int, end: int) -> tuple[int, int, str]:
    """The edit that takes an entry out of a block mapping: its lines, or its part of the line of a dash."""
    line_start = text.rfind("\n", 0, start) + 1
    if text[line_start:start].strip(" "):
        # `- name: x`: the next key takes its place, unless comments stand between the two.
        following = re.compile(r"[ \t]*\r?\n(?:[ \t]*\r?\n)* *").match(text, end)
        up_to = following.end() if following else end
        if up_to - text.rfind("\n", 0, up_to) - 1 == start - line_start and text[up_to : up_to + 1] not in ("#", ""):
            return start, up_to, ""
        blanks = re.compile(r"[ \t]*").match(text, end)
        return start, blanks.end() if blanks else end, ""
    after = text.find("\n", end)
    return line_start, after + 1 if after >= 0 else len(text), ""


def _fix(
    place: _Place,
    edits: list[tuple[int, int, str]],
    change: tuple[str, tuple[str | int, ...], Value],
    title: str,
    *,
    safe: bool,
) -> Fix:
    source = place.document.source
    kind, path, value = change
    changes: tuple[Change, ...] = ((kind, place.document.index, path, value),)
    return Fix(
        path=source.path,
        safe=safe,
        edits=tuple(Edit(start, end, text, source.range(start, end)) for start, end, text in edits),
        changes=changes,
        title=title,
    )


# --- text -----------------------------------------------------------------------------------------------


def _named(field: str, key: str) -> str:
    named = render_path((key,))
    return f"{field}{'' if named.startswith('[') or not field else '.'}{named}"


def _scalar(value: Value, quote: str = "") -> str:
    """A scalar as kOps reads it back; text in quotes if it had some or needs some."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if quote == "'" and value.isprintable():
        escaped = value.replace("'", "''")
        return f"'{escaped}'"
    if quote != '"' and re.match(_PLAIN, value) and resolve_plain(value) == value:
        return value
    return f'"{"".join(map(_escaped, value))}"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escaped(character: str) -> str:
    """A character between double quotes. Of YAML's escapes those that JSON has too, as far as they reach."""
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _inline(value: Value, *, json: bool) -> str:
    """A value on one line, in flow style."""
    quote = '"' if json else ""
    if isinstance(value, dict):
        return f"{{{', '.join(_pair(key, child, json=json) for key, child in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_inline(child, json=json) for child in value)}]"
    return _scalar(value, quote)


def _pair(key: str, value: Value, *, json: bool) -> str:
    quote = '"' if json else ""
    return f"{_scalar(key, quote)}: {_inline(value, json=json)}"


def _lines(key: str, value: Value, indent: int, step: int) -> list[str]:
    """A pair in block style."""
    margin = " " * indent
    head = f"{margin}{_scalar(key)}:"
    if isinstance(value, dict) and value:
        return [head, *(line for child, inner in value.items() for line in _lines(child, inner, indent + step, step))]
    if isinstance(value, list) and value:
        return [head, *(f"{margin}- {_inline(child, json=False)}" for child in value)]
    return [f"{head} {_inline(value, json=False)}"]
