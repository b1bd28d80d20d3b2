"""What must hold for any bytes at all. Plain functions, so that the tests replay what a fuzzer has found."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from calico_lint import fix, report, rules
from calico_lint.finding import Finding, Fix
from calico_lint.fixing import apply, repair, splice, spliced, unified_diff
from calico_lint.kops.releases import Releases, parse_release
from calico_lint.linter import Input, LintResult, lint
from calico_lint.yaml_source import Node, Source
from tests.helpers import ROOT, spec_text
from tests.yaml_texts import yaml_text

MAX_BYTES = 20_000
RELEASES = [parse_release(text) for text in ("1.10.1", "1.12.3", "1.19.3", "1.24.5", "1.36.2")]
VALUES = ("v3", "1.10", "a: b # c", "größe\n", True, 3, None, {"enabled": False, "x y": ["a", {}]})


def parser(data: bytes) -> None:
    """Any bytes are read and reported on: no exception, and every place lies within the text."""
    source = Source("spec.yaml", data, MAX_BYTES)
    for document in source.documents:
        for start, end in document.scalar_spans():
            assert 0 <= start <= end <= len(source.text)
        for node in _nodes(document.root):
            start, end = node.span
            assert 0 <= start <= end <= len(source.text)
            assert node.range.key() == node.range.key()
    for at, comment in source.comments():
        assert source.text[at : at + len(comment)] == comment
    result = lint([Input(source)], releases=_release(data))
    report.render("json", result, {source.path: source})
    report.render("text", result, {source.path: source})
    _check_fixes(source, result)


def fixer(data: bytes) -> None:
    """Fixes of the rules, and of any kind at any node, change what they say or are refused, and come to an end."""
    source = Source("spec.yaml", data, MAX_BYTES)
    choose = random.Random(zlib.crc32(data))
    nodes = [node for document in source.documents for node in _nodes(document.root)]
    findings = []
    for node in choose.sample(nodes, min(len(nodes), 8)):
        value = choose.choice(VALUES)
        cure = choose.choice(
            (
                lambda node=node, value=value: fix.set_value(node, str(value), safe=True),
                lambda node=node, value=value: fix.add_key(node, "new", value, safe=True),
                lambda node=node: fix.remove_key(node, safe=True),
                lambda node=node: fix.rename_key(node, "new", safe=True),
            )
        )()
        if cure is not None:
            findings.append(_finding(cure))
    for finding in findings:
        _check_fix(source, finding)
    fixed, applied, _ = apply(source, findings)
    assert applied or fixed is source

    releases = _release(data)

    def check(inputs: Sequence[Input]) -> LintResult:
        return lint(inputs, releases=releases)

    outcome = repair([Input(source)], check, unsafe=True)
    after = outcome.inputs[0].source
    unified_diff("spec.yaml", source.text, after.text)
    if source.documents and not outcome.unsettled:  # of what is not UTF-8, `text` is only the beginning
        again = repair([Input(Source("spec.yaml", after.text.encode(), 2 * MAX_BYTES))], check, unsafe=True)
        assert again.inputs[0].source.text == after.text


def _check_fixes(source: Source, result: LintResult) -> None:
    for finding in result.findings:
        if finding.fix is not None:
            _check_fix(source, finding)


def _check_fix(source: Source, finding: Finding) -> None:
    """Offsets and lines of the edits agree, they do not overlap, and undone they give the text that was."""
    cure = finding.fix
    assert cure is not None
    at = 0
    for edit in cure.edits:
        assert at <= edit.start <= edit.end <= len(source.text)
        assert source.position(edit.start) == (edit.range.line, edit.range.column)
        assert source.position(edit.end) == (edit.range.end_line, edit.range.end_column)
        at = edit.end
    new = spliced(source, [finding])
    if new is not None:
        assert new.text == splice(source.text, cure.edits)
        assert len(new.text) - len(source.text) == sum(len(edit.text) - edit.end + edit.start for edit in cure.edits)


def _finding(cure: Fix) -> Finding:
    return Finding(
        rule="KC101", name="test", severity="error", origin="schema", message="test", path=cure.path,
        range=cure.edits[0].range, fix=cure,
    )  # fmt: skip


def _release(data: bytes) -> Releases | None:
    choice = zlib.crc32(data) % (len(RELEASES) + 1)
    return RELEASES[choice] if choice < len(RELEASES) else None


def _nodes(root: Node, most: int = 500) -> Iterator[Node]:
    stack = [root]
    while stack and most:
        most -= 1
        node = stack.pop()
        yield node
        stack.extend(node)


def seeds() -> Iterator[bytes]:
    """What to begin with: the specs of the fixtures, what was found, examples of the rules, YAML in many layouts."""
    for folder in (ROOT / "fixtures" / "specs", Path(__file__).parent / "found"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.stat().st_size <= MAX_BYTES:
                yield path.read_bytes()
    for rule in rules.all_rules():
        if not rule.pair:
            for example in rule.text.bad[:1]:
                yield spec_text(example.yaml, example.kops).encode()
    for seed in range(200):
        yield yaml_text(random.Random(seed).randrange).encode()


TARGETS = {"parser": parser, "fixer": fixer}
