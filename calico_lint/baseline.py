"""A baseline: the findings of one day, in a file, so that later runs report only what is new.

One line of JSON per finding, sorted, without line numbers: a finding keeps its entry when lines are added above it.
Paths are relative to the folder of the baseline.
"""

from __future__ import annotations

import json
import os

from calico_lint.finding import Finding, Range
from calico_lint.fingerprint import fingerprints
from calico_lint.options import UsageError
from calico_lint.rules.exceptions import STALE
from calico_lint.suppressions import Suppressed
from calico_lint.yaml_source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set
    from typing import Any

_HEADER = {"calico-lint": "baseline", "version": 1}
_KEYS = ("path", "rule", "document", "field", "fingerprint")


class _Entry:
    """One line of the file."""

    __slots__ = ("fingerprint", "line", "path", "rule")

    def __init__(self, line: int, path: str, rule: str, fingerprint: str) -> None:
        self.line = line
        self.path = path
        self.rule = rule
        self.fingerprint = fingerprint


class Baseline:
    """A baseline that has been read. Raises UsageError, with the place, for what is none."""

    __slots__ = ("_entries", "path", "source")

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error}: --write-baseline {path} makes it") from error
        self.source = Source(path, data, parse=False)
        lines = data.split(b"\n")
        if _object(lines[0]) != _HEADER:
            raise UsageError(f"{path}:1: no baseline of calico-lint: --write-baseline makes one")
        self._entries: dict[tuple[str, str], _Entry] = {}
        for number, line in enumerate(lines[1:], 2):
            if not line.strip():
                continue
            values = _object(line)
            if values is None or not all(isinstance(values.get(key), str) for key in ("path", "rule", "fingerprint")):
                raise UsageError(
                    f"{path}:{number}: no entry of a baseline (the rest of a merge?): "
                    "put the line right, or write the baseline anew with --write-baseline"
                )
            entry = _Entry(number, values["path"], values["rule"], values["fingerprint"])
            self._entries[entry.path, entry.fingerprint] = entry

    def split(
        self, findings: Sequence[Finding], prints: Sequence[str], checked: Set[str], asked: Set[str]
    ) -> tuple[list[Finding], list[Suppressed]]:
        """The findings that are new, with one for every stale entry, and those of the baseline.

        `prints` are the fingerprints of the findings, `checked` the paths of the files that were linted, `asked` the
        rules. An entry answers for one finding: of its file, or of any other once its file is gone (it was moved).
        """
        folder = os.path.dirname(os.path.abspath(self.path))
        left = dict(self._entries)
        matched: set[int] = set()
        for number, (finding, fingerprint) in enumerate(zip(findings, prints, strict=True)):
            if left.pop((relative(finding.path, folder), fingerprint), None) is not None:
                matched.add(number)
        checked = {relative(path, folder) for path in checked}
        gone = {
            path
            for path in {entry.path for entry in left.values()}
            if path not in checked and not os.path.exists(os.path.join(folder, path))
        }
        moved: dict[str, list[_Entry]] = {}
        for entry in left.values():
            if entry.path in gone:
                moved.setdefault(entry.fingerprint, []).append(entry)
        for number, fingerprint in enumerate(prints):
            if number not in matched and moved.get(fingerprint):
                entry = moved[fingerprint].pop()
                del left[entry.path, entry.fingerprint]
                matched.add(number)
        known = [
            Suppressed(finding, "external", f"in the baseline {self.path}")
            for number, finding in enumerate(findings)
            if number in matched
        ]
        new = [finding for number, finding in enumerate(findings) if number not in matched]
        stale = [entry for entry in left.values() if entry.path in checked | gone and entry.rule in asked]
        return new + [self._stale(entry) for entry in stale], known

    def _stale(self, entry: _Entry) -> Finding:
        text = self.source.line_text(entry.line)
        message = f"no finding of {entry.rule} in {entry.path} answers to this entry any more: delete the line"
        return STALE.finding(self.path, Range(entry.line, 1, entry.line, len(text) + 1), message)


def text_of(findings: Sequence[Finding], sources: Mapping[str, Source], path: str) -> str:
    """The baseline of these findings, to stand at `path`. The same findings give the same bytes."""
    folder = os.path.dirname(os.path.abspath(path))
    lines = []
    for finding, fingerprint in zip(findings, fingerprints(findings, sources), strict=True):
        document = finding.document
        about = " ".join(part for part in (document.kind, document.name) if part) if document is not None else ""
        values = (relative(finding.path, folder), finding.rule, about, finding.field or "", fingerprint)
        lines.append((values, json.dumps(dict(zip(_KEYS, values, strict=True)))))
    return "\n".join([json.dumps(_HEADER), *(line for _, line in sorted(lines))]) + "\n"


def relative(path: str, folder: str) -> str:
    """A path as entries name it: seen from the folder of the baseline, with slashes."""
    if path.startswith("<"):  # standard input
        return path
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
