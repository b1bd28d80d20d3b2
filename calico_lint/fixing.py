"""Findings with fixes -> fixed sources: splice, read again, and keep only what changed what it said.

A fix says what it changes (`finding.Change`). After the splices the file is read again: the values must be the
old ones with exactly these changes, no new problem with the YAML may have come, and every comment outside of the
splices must still be one. Otherwise the fix is refused. What overlaps or gets in each other's way waits for the
next round: the fixed text is linted anew until nothing is left to fix.
"""

from __future__ import annotations

from bisect import bisect_left

from calico_lint.files import MAX_BYTES
from calico_lint.linter import Input, is_template
from calico_lint.yaml_source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from calico_lint.files import File
    from calico_lint.finding import Change, Edit, Finding
    from calico_lint.linter import LintResult
    from calico_lint.yaml_source import Path, Value

    Block: TypeAlias = tuple[int, int, int]  # lines that stay: the first before and after (from 0), how many
    _Change: TypeAlias = tuple[int, int, int, int]  # lines that differ: from and to before, from and to after

_CONTEXT = 3  # lines around a change in a diff
MAX_ROUNDS = 50  # a fix that makes room for the next takes one round each; specs need two or three


class Repair:
    """The outcome: the inputs as fixed, their findings, and what was done.

    `applied` are the findings whose fixes are in, by path; `refused` those whose fixes would have changed more than
    they say; `left` are the paths that are not to be fixed, with the reason; `unsettled` those that still changed
    after the last round, or came back to an earlier text. `kept` are the lines that every round left alone, by path.
    """

    __slots__ = ("applied", "inputs", "kept", "left", "refused", "result", "unsettled")

    def __init__(self, inputs: Sequence[Input], result: LintResult) -> None:
        self.inputs = list(inputs)
        self.result = result
        self.applied: dict[str, list[Finding]] = {}
        self.refused: list[Finding] = []
        self.unsettled: list[str] = []
        self.left: dict[str, str] = {}
        self.kept: dict[str, list[Block]] = {}


def repair(inputs: Sequence[Input], lint: Callable[[Sequence[Input]], LintResult], *, unsafe: bool) -> Repair:
    """Fix what can be fixed; writes nothing. `lint` gives the findings to fix: those selected and not suppressed.

    Without `unsafe` only safe fixes are applied.
    """
    outcome = Repair(inputs, lint(inputs))
    seen = {item.source.path: {item.source.text} for item in inputs}
    if len(seen) < len(inputs):
        names = [item.source.path for item in inputs]
        reason = "two of the inputs have this name, and a finding does not tell which it is about"
        outcome.left = {name: reason for name in names if names.count(name) > 1}
    for _ in range(MAX_ROUNDS):
        wanted: dict[str, list[Finding]] = {}
        for finding in outcome.result.findings:
            fix = finding.fix
            if fix is not None and (fix.safe or unsafe):
                wanted.setdefault(finding.path, []).append(finding)
        changed = set()
        outcome.refused = []
        for index, item in enumerate(outcome.inputs):
            path = item.source.path
            if path not in wanted or path in outcome.unsettled or path in outcome.left:
                continue
            if is_template(item.source):  # what it will be is decided elsewhere
                outcome.left[path] = "a template: fix what it is made from"
                continue
            source, applied, refused = apply(item.source, wanted[path])
            outcome.refused += refused
            if not applied:
                continue
            if source.text in seen[path]:
                outcome.unsettled.append(path)
                continue
            seen[path].add(source.text)
            edits = _edits(applied)
            before = outcome.kept.get(path)
            kept = _kept(item.source, edits)
            outcome.kept[path] = _compose(before, kept) if before is not None else kept
            outcome.inputs[index] = Input(source, named=item.named, releases=item.releases)
            outcome.applied.setdefault(path, []).extend(applied)
            changed.add(path)
        if not changed:
            break
        outcome.result = lint(outcome.inputs)
    else:
        outcome.unsettled += sorted(changed)
    return outcome


def apply(source: Source, findings: Iterable[Finding]) -> tuple[Source, list[Finding], list[Finding]]:
    """Apply the fixes of findings on one source: the fixed source, whose fixes are in, whose were refused.

    Of overlapping fixes the first in the file is taken; the others are neither applied nor refused. One that is
    refused does not keep the others out for good.
    """
    candidates = list(findings)
    refused: list[Finding] = []
    while True:
        best, taken, bad = _apply_some(source, _without_overlaps(candidates))
        refused += bad
        if taken or not bad:
            return best, taken, refused
        dropped = set(bad)
        candidates = [finding for finding in candidates if finding not in dropped]


def _apply_some(source: Source, findings: list[Finding]) -> tuple[Source, list[Finding], list[Finding]]:
    best = source
    taken: list[Finding] = []
    refused: list[Finding] = []
    groups = [findings]
    while groups:
        group = groups.pop()
        fixed = spliced(source, [*taken, *group]) if group else None
        if fixed is not None:
            best = fixed
            taken += group
        elif len(group) > 1:  # halves find the culprit in few steps
            groups += [group[len(group) // 2 :], group[: len(group) // 2]]
        elif group and (not taken or spliced(source, group) is None):
            refused += group
    return best, taken, refused


def _without_overlaps(findings: Iterable[Finding]) -> list[Finding]:
    chosen: list[Finding] = []
    taken: list[tuple[int, int]] = []
    fixes = [(finding.fix, finding) for finding in findings if finding.fix is not None and finding.fix.edits]
    fixes.sort(key=lambda pair: (pair[0].edits[0].start, pair[0].edits[0].end))
    for fix, finding in fixes:
        spans = [(edit.start, edit.end) for edit in fix.edits]
        if any(_overlaps(taken, span) for span in spans):
            continue
        for span in spans:
            taken.insert(bisect_left(taken, span), span)
        chosen.append(finding)
    return chosen


def _overlaps(taken: list[tuple[int, int]], span: tuple[int, int]) -> bool:
    """Whether a span shares a character, or the place of an insertion, with one of the sorted spans."""
    start, end = span
    index = bisect_left(taken, span)
    after = index < len(taken) and (taken[index][0] < end or taken[index][0] == start)
    before = index > 0 and (taken[index - 1][1] > start or taken[index - 1][0] == start)
    return after or before


# --- files ------------------------------------------------------------------------------------------------


class FixRun:
    """What `--fix` or `--diff` did: the inputs and findings as they are now, and what to print.

    `fixed` holds the bytes of every file that changed, or would change. `failures` say what could not be written,
    `messages` what was not fixed for other reasons.
    """

    __slots__ = ("diff", "failures", "fixed", "inputs", "messages", "result", "summary")

    def __init__(self, outcome: Repair) -> None:
        self.inputs = outcome.inputs
        self.result = outcome.result
        self.fixed: dict[str, bytes] = {}
        self.diff = ""
        self.failures: list[str] = []
        self.messages: list[str] = []
        self.summary = ""


def fix_files(
    files: Sequence[File],
    inputs: Sequence[Input],
    lint: Callable[[Sequence[Input]], LintResult],
    *,
    unsafe: bool,
    write: bool,
) -> FixRun:
    """Fix the files that the inputs were read from, in their order, and write them (but standard input) if `write`.

    A file that cannot be written keeps its findings.
    """
    outcome = repair(inputs, lint, unsafe=unsafe)
    run = FixRun(outcome)
    run.messages = [
        f"{finding.path}:{finding.range.line}: the fix of {finding.rule} was refused: it would change more than it says"
        for finding in outcome.refused
    ]
    run.messages += (f"{path}: not fixed: {reason}" for path, reason in outcome.left.items())
    run.messages += (f"{path}: the fixes do not come to an end; the rest is left" for path in outcome.unsettled)
    kept: list[int] = []
    for index, (file, before) in enumerate(zip(files, inputs, strict=True)):
        after = run.inputs[index]
        if file.real is None and any(problem.rule == "Y010" for problem in before.source.problems):
            run.fixed[file.path] = b""  # only its beginning was read: better nothing than half of it
            run.failures.append(f"{file.path}: too big to be read, so that its text is not printed")
        if after is before:
            continue
        mark = b"\xef\xbb\xbf" if file.data.startswith(b"\xef\xbb\xbf") else b""
        data = mark + after.source.text.encode()
        if write and file.real is not None:
            from calico_lint.rewrite import RewriteError, rewrite

            try:
                rewrite(file.real, file.data, data)
            except RewriteError as error:
                run.failures.append(f"{file.path}: not fixed: {error}")
                kept.append(index)
                continue
        run.fixed[file.path] = data
        if not write:
            kept_lines = outcome.kept[file.path]
            run.diff += unified_diff(file.path, before.source.text, after.source.text, kept_lines)
    if kept:
        for index in kept:
            outcome.applied.pop(inputs[index].source.path, None)
            run.inputs[index] = inputs[index]
        run.result = lint(run.inputs)
    run.summary = _summary(outcome)
    return run


def _summary(outcome: Repair) -> str:
    """`3 findings in 2 files (KC105, U001 × 2)`; empty if nothing was applied."""
    counts: dict[str, int] = {}
    for findings in outcome.applied.values():
        for finding in findings:
            counts[finding.rule] = counts.get(finding.rule, 0) + 1
    if not counts:
        return ""
    total, files = sum(counts.values()), len(outcome.applied)
    rules = ", ".join(f"{rule} × {count}" if count > 1 else rule for rule, count in sorted(counts.items()))
    return f"{total} finding{'' if total == 1 else 's'} in {files} file{'' if files == 1 else 's'} ({rules})"


# --- splices, and the proof -------------------------------------------------------------------------------


def spliced(source: Source, findings: Sequence[Finding]) -> Source | None:
    """The source with the fixes of some findings; None if more than their targets would differ."""
    fixes = [finding.fix for finding in findings if finding.fix is not None]
    edits = _edits(findings)
    text = splice(source.text, edits)
    data = text.encode()
    new = Source(source.path, data, max_bytes=max(MAX_BYTES, len(data)))
    changes = [change for fix in fixes for change in fix.changes]
    return new if text == new.text and _differs_only_by(source, new, changes, edits) else None


def _edits(findings: Iterable[Finding]) -> list[Edit]:
    """The edits of all fixes in the order of the file."""
    edits = (edit for finding in findings if finding.fix is not None for edit in finding.fix.edits)
    return sorted(edits, key=lambda edit: (edit.start, edit.end))


def splice(text: str, edits: Iterable[Edit]) -> str:
    """The text with edits that are sorted and do not overlap."""
    parts: list[str] = []
    at = 0
    for edit in edits:
        parts += (text[at : edit.start], edit.text)
        at = edit.end
    return "".join((*parts, text[at:]))


def _differs_only_by(old: Source, new: Source, changes: Iterable[Change], edits: Sequence[Edit]) -> bool:
    expected: list[Value] = [document.data for document in old.documents]
    added = 0
    for kind, document, path, value in changes:
        if kind == "documents":
            added += document
            continue
        try:
            expected[document] = _changed(expected[document], kind, path, value)
        except (LookupError, TypeError):  # another of the changes took its place away
            return False
    read = [document.data for document in new.documents]
    if added:
        # What was lost before may be wrong in itself: that is for the next round.
        found = iter(read)
        kept = all(any(_same(one, other) for other in found) for one in expected)
        return kept and 0 <= len(read) - len(expected) <= added
    return (
        _same(expected, read)
        and all(count <= _problems(old).get(rule, 0) for rule, count in _problems(new).items())
        and _comments(new, ()) == _comments(old, edits)
    )


def _problems(source: Source) -> dict[str, int]:
    counts: dict[str, int] = {}
    for problem in source.problems:
        counts[problem.rule] = counts.get(problem.rule, 0) + 1
    return counts


def _comments(source: Source, edits: Sequence[Edit]) -> list[str]:
    """The comments that do not begin within an edit."""
    if "#" not in source.text:
        return []
    spans = [(edit.start, edit.end) for edit in edits if edit.end > edit.start]
    return [text for at, text in source.comments() if not any(start <= at < end for start, end in spans)]


def _changed(data: Value, kind: str, path: Path, value: Value) -> Value:
    """The data with one change, the rest shared; raises LookupError or TypeError where the path leads nowhere."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    data = {} if data is None and kind == "set" else data.copy() if isinstance(data, dict | list) else None
    if data is None:
        raise TypeError
    if rest:
        data[head] = _changed(data[head], kind, rest, value)
    elif kind == "set":
        data[head] = value
    elif kind == "remove":
        del data[head]
    elif value in data:
        raise LookupError(value)
    else:
        data[value] = data.pop(head)
    return data


def _same(one: Value, other: Value) -> bool:
    """Equality that tells `1` from `1.0` and `true`, and takes NaN for itself. The order of keys does not count."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other or (one != one and other != other))


# --- showing ----------------------------------------------------------------------------------------------


def unified_diff(path: str, old: str, new: str, kept: Sequence[Block] = ()) -> str:
    """The difference as `patch -p0` and `git apply -p0` take it; lines end only at line feeds.

    `kept` are lines known to be equal. difflib would look for them, which takes minutes where thousands change.
    """
    before, after = _lines(old), _lines(new)
    hunks: list[list[_Change]] = []
    for change in _changes(before, after, kept):
        if hunks and change[0] - hunks[-1][-1][1] <= 2 * _CONTEXT:
            hunks[-1].append(change)
        else:
            hunks.append([change])
    if not hunks:
        return ""
    shown = path.replace("\\", "\\\\").replace("\n", "\\n")
    parts = [f"--- {shown}\n+++ {shown}\n"]
    for hunk in hunks:
        start = at = max(0, hunk[0][0] - _CONTEXT)
        end = min(len(before), hunk[-1][1] + _CONTEXT)
        new_start = hunk[0][2] - (hunk[0][0] - start)
        grown = sum((change[3] - change[2]) - (change[1] - change[0]) for change in hunk)
        parts.append(f"@@ -{_span(start, end - start)} +{_span(new_start, end - start + grown)} @@\n")
        for first, last, new_first, new_last in hunk:
            parts += (f" {line}" for line in before[at:first])
            parts += (f"-{line}" for line in before[first:last])
            parts += (f"+{line}" for line in after[new_first:new_last])
            at = last
        parts += (f" {line}" for line in before[at:end])
    return "".join(part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts)


def _changes(before: list[str], after: list[str], kept: Sequence[Block]) -> Iterator[_Change]:
    """First and last line of what differs, before and after: what the kept lines leave, without its equal ends."""
    at = new_at = 0
    for first, new_first, count in [*kept, (len(before), len(after), 0)]:
        end, new_end = min(first, len(before)), min(new_first, len(after))
        while at < end and new_at < new_end and before[at] == after[new_at]:
            at, new_at = at + 1, new_at + 1
        while at < end and new_at < new_end and before[end - 1] == after[new_end - 1]:
            end, new_end = end - 1, new_end - 1
        if at < end or new_at < new_end:
            yield at, end, new_at, new_end
        at, new_at = first + count, new_first + count


def _span(start: int, count: int) -> str:
    """Lines of a hunk as diff counts them: an empty stretch stands after the line that it names."""
    return f"{start + 1}" if count == 1 else f"{start + (count > 0)},{count}"


def _kept(old: Source, edits: Iterable[Edit]) -> list[Block]:
    """The lines that no edit touches."""
    blocks = []
    at = new_at = 0
    for edit in edits:
        first, last = edit.range.line - 1, edit.range.end_line - 1
        if first > at:
            blocks.append((at, new_at, first - at))
            at, new_at = first, new_at + first - at
        behind = max(at, last + 1)
        new_at += behind - at + edit.text.count("\n") - old.text.count("\n", edit.start, edit.end)
        at = behind
    rest = old.text.count("\n") + 1 - at
    return [*blocks, (at, new_at, rest)] if rest else blocks


def _compose(first: Sequence[Block], second: Sequence[Block]) -> list[Block]:
    """The lines kept by two rounds, one after the other."""
    blocks = []
    place = 0
    for old, middle, count in first:
        while place < len(second) and second[place][0] + second[place][2] <= middle:
            place += 1
        index = place
        while index < len(second) and second[index][0] < middle + count:
            start, new, length = second[index]
            low, high = max(middle, start), min(middle + count, start + length)
            blocks.append((old + low - middle, new + low - start, high - low))
            index += 1
    return blocks


def _lines(text: str) -> list[str]:
    """The lines with their line feeds: what follows the last one is a line only if there is something."""
    *lines, last = text.split("\n")
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]
