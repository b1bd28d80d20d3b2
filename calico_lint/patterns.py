"""Which paths a list of patterns names: the pattern language of .gitignore, for .gitignore files and for settings.

As gitignore(5) says, and as `git check-ignore` does it (the tests ask git): the last pattern that matches decides,
`!` takes back, a slash at the start or in the middle ties a pattern to its folder, a slash at the end means folders.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"!-/:-@\[-`{-~", "space": r"\s",
    "upper": "A-Z", "xdigit": "a-fA-F0-9",
}  # fmt: skip


class Pattern:
    """One pattern: as it was written, and what it matches."""

    __slots__ = ("_match", "folders_only", "negated", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.negated = text.startswith("!")
        text = text[self.negated :]
        self.folders_only = text.endswith("/")
        text = text.removesuffix("/")
        tied = "/" in text
        expression = _translate(text.removeprefix("/"), paths=tied)
        if not tied:
            expression = f"(?:.*/)?{expression}"
        try:
            self._match = re.compile(f"(?s:{expression})\\Z").match
        except re.error:  # `[z-a]`: git takes it for a pattern that matches nothing
            self._match = re.compile(r"(?!)").match

    def matches(self, path: str, *, folder: bool) -> bool:
        """Whether it names this path, relative to the folder of the patterns and with slashes."""
        return (folder or not self.folders_only) and self._match(path) is not None


class Patterns:
    """The patterns of one file or setting, and the folder that their paths are relative to."""

    __slots__ = ("folder", "origin", "patterns")

    def __init__(self, lines: Iterable[str], folder: str, origin: str) -> None:
        self.patterns = [Pattern(text) for line in lines if (text := _trimmed(line))]
        self.patterns.reverse()  # the last that matches decides
        self.folder = os.path.abspath(folder).replace(os.sep, "/").rstrip("/") + "/"
        self.origin = origin

    def decides(self, path: str, *, folder: bool = False) -> Pattern | None:
        """The pattern that decides about an absolute path with slashes; None if none does."""
        if not path.startswith(self.folder):
            return None
        relative = path[len(self.folder) :]
        for pattern in self.patterns:
            if pattern.matches(relative, folder=folder):
                return pattern
        return None

    def covers(self, path: str) -> Pattern | None:
        """The pattern that names this file or a folder above it; None if it is not named, or taken back."""
        absolute = os.path.abspath(path).replace(os.sep, "/")
        if not absolute.startswith(self.folder):
            return None
        steps = absolute[len(self.folder) :].split("/")
        above = self.folder
        for number, step in enumerate(steps, 1):
            above += step
            found = self.decides(above, folder=number < len(steps))
            if found is not None and not found.negated:
                return found
            above += "/"
        return None


def ignored(path: str, levels: Iterable[Patterns], *, folder: bool) -> str | None:
    """Why a path is left out: `.gitignore: *.tmp`; None if it is not. The last of the levels that decides wins."""
    for patterns in reversed([*levels]):
        found = patterns.decides(path, folder=folder)
        if found is not None:
            return None if found.negated else f"{patterns.origin}: {found.text}"
    return None


def _trimmed(line: str) -> str:
    """A line of a .gitignore without its ending; empty for a comment."""
    line = line.rstrip("\n").removesuffix("\r")
    if line.startswith("#"):
        return ""
    while line.endswith(" "):
        before = line.rstrip(" ")
        slashes = len(before) - len(before.rstrip("\\"))
        if slashes % 2:  # `\ `: that blank is meant
            return before + " "
        line = before
    return line if line not in ("", "/", "!", "!/") else ""


def _translate(text: str, *, paths: bool) -> str:
    """The regular expression of a pattern; where it is not tied to its folder (`paths`), `**` is as good as `*`."""
    result = ""
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == "*":
            stars = at - 1
            while text.startswith("*", at):
                at += 1
            alone = (stars == 0 or text[stars - 1] == "/") and (at == len(text) or text[at] == "/")
            if not (paths and at - stars >= 2 and alone):
                result += "[^/]*"
            elif at == len(text):
                result += ".+" if stars else ".*"
            else:
                at += 1
                result += "(?:.*/)?"
        elif character == "?":
            result += "[^/]"
        elif character == "[":
            members, at = _class(text, at)
            if members is None:
                return "(?!)"
            result += members
        elif character == "\\":
            if at == len(text):
                return "(?!)"
            result += re.escape(text[at])
            at += 1
        else:
            result += re.escape(character)
    return result


def _class(text: str, at: int) -> tuple[str | None, int]:
    """A `[...]` from behind its bracket, and where the text goes on; None if it is not closed.

    The corners are git's: in `[z-a]` the range is empty but its first character counts, and what ends a range begins
    no other.
    """
    negated = text.startswith(("!", "^"), at)
    at += negated
    begin = at
    members = ""
    before = ""  # the character that a `-` would make a range of
    while at < len(text):
        character = text[at]
        at += 1
        if character == "]" and at - 1 > begin:
            return f"(?!/)[{'^' if negated else ''}{members}]", at
        if character == "-" and before and text[at : at + 1] not in ("]", ""):
            last = text[at]
            at += 1
            if last == "\\" and at < len(text):
                last = text[at]
                at += 1
            if before <= last:
                members += f"{re.escape(before)}-{re.escape(last)}"
            before = ""
            continue
        if character == "[" and text.startswith(":", at):
            end = text.find("]", at + 1)
            if end < 0:
                return None, at
            if text[end - 1] == ":" and end - 1 > at:
                name = text[at + 1 : end - 1]
                if name not in _CLASSES:
                    return None, at
                members += _CLASSES[name]
                at = end + 1
                before = ""
                continue
        if character == "\\" and at < len(text):
            character = text[at]
            at += 1
        members += re.escape(character)
        before = character
    return None, at
