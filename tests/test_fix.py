"""Splices: what each does to a text, and that it changes one place and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from calico_lint import fix
from calico_lint.finding import Finding, Fix
from calico_lint.fixing import apply, repair, splice, spliced, unified_diff
from calico_lint.linter import Input, LintResult
from calico_lint.yaml_source import Node, Source
from tests.yaml_texts import yaml_text, yaml_texts

Maker = Callable[[Node], Fix | None]


def source_of(text: str) -> Source:
    return Source("spec.yaml", text.encode())


def node_at(source: Source, path: str) -> Node:
    steps = [int(step) if step.isdigit() else step for step in path.split("/")] if path else []
    node = source.documents[0].root.get(*steps)
    assert node is not None, path
    return node


def finding_with(cure: Fix) -> Finding:
    return Finding(
        rule="KC101",
        name="test",
        severity="error",
        origin="schema",
        message="test",
        path=cure.path,
        range=cure.edits[0].range,
        fix=cure,
    )


def fixed(text: str, path: str, make: Maker) -> str | None:
    source = source_of(text)
    cure = make(node_at(source, path))
    if cure is None:
        return None
    result = spliced(source, [finding_with(cure)])
    assert result is not None, "the proof refuses what was offered"
    return result.text


# --- set ------------------------------------------------------------------------------------------------

SET = [
    ("a: 1\n", "a", 2, "a: 2\n"),
    ("a: v2 # why\n", "a", "v3", "a: v3 # why\n"),
    ("a: 'x'\n", "a", "it's", "a: 'it''s'\n"),
    ('a: "x"\n', "a", "y", 'a: "y"\n'),
    ("a: x\n", "a", "1.10", 'a: "1.10"\n'),  # a number, to whoever reads it
    ("a: x\n", "a", "off", 'a: "off"\n'),
    ("a: x\n", "a", "a: b # c", 'a: "a: b # c"\n'),
    ("a: x\n", "a", "10.0.0.0/8", "a: 10.0.0.0/8\n"),
    ("a: x\n", "a", "::/0", 'a: "::/0"\n'),
    ("a: x\n", "a", "zwei\nZeilen", 'a: "zwei\\nZeilen"\n'),
    ("a: 'x'\n", "a", True, "a: true\n"),
    ("a: x\n", "a", None, "a: null\n"),
    ("a:\n", "a", "v3", "a: v3\n"),
    ("a: # why\nb: 1\n", "a", "v3", "a: v3 # why\nb: 1\n"),
    ("a: {b: , c: 1}\n", "a/b", "v3", "a: {b: v3, c: 1}\n"),
    ("- x\n-\n", "1", "v3", "- x\n- v3\n"),
    ("- x\n- y\n", "1", "v3", "- x\n- v3\n"),
    ("[x, y]\n", "0", "v3", "[v3, y]\n"),
    ('{"a": {"b": "x"}}', "a/b", "v3", '{"a": {"b": "v3"}}'),
    ('{"a": {"b": 1}}', "a/b", "v3", '{"a": {"b": "v3"}}'),
    ("a: größe\r\nb: 1\r\n", "a", "v3", "a: v3\r\nb: 1\r\n"),
    ("\ufeffa: x\n", "a", "v3", "a: v3\n"),
    ("a: zwei\n  Zeilen\nb: 1\n", "a", "v3", "a: v3\nb: 1\n"),
]


@pytest.mark.parametrize(("text", "path", "value", "expected"), SET)
def test_set_value(text: str, path: str, value: Any, expected: str) -> None:
    assert fixed(text, path, lambda node: fix.set_value(node, value, safe=True)) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: |\n  text\n", "a"),
        ("a: >-\n  text\n", "a"),
        ("a: &x 1\nb: *x\n", "a"),
        ("a: !!str 1\n", "a"),
        ("a: {b: 1}\n", "a"),
        ("a: &x {b: 1}\nc: *x\n", "c/b"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "c/b"),
        ("a: &x\n  b: 1\nc: *x\n", "a/b"),
        ("a: {b}\n", "a/b"),
        ("a: v3\n", "a"),  # that is what it is
    ],
)
def test_what_cannot_be_set(text: str, path: str) -> None:
    assert fixed(text, path, lambda node: fix.set_value(node, "v3", safe=True)) is None


def test_an_alias_is_replaced_by_a_value_of_its_own() -> None:
    text = "a: &x 1\nb: *x\n"
    assert fixed(text, "b", lambda node: fix.set_value(node, 2, safe=True)) == "a: &x 1\nb: 2\n"


# --- add ------------------------------------------------------------------------------------------------

ADD = [
    ("a: {}\n", "a", "a:\n  k: v\n"),
    ("a: {} # why\nb: 1\n", "a", "a: # why\n  k: v\nb: 1\n"),
    ("a:\n    b: {}\n", "a/b", "a:\n    b:\n        k: v\n"),
    ("a:\n    b: { }\nc: 1\n", "a/b", "a:\n    b:\n        k: v\nc: 1\n"),
    ("a:\nb: 1\n", "a", "a:\n  k: v\nb: 1\n"),
    ("a: null\n", "a", "a:\n  k: v\n"),
    ("a: ~ # why\n", "a", "a: # why\n  k: v\n"),
    ("a:\n  b: 1 # why\n\n# next\nc: 1\n", "a", "a:\n  b: 1 # why\n  k: v\n\n# next\nc: 1\n"),
    ("a:\n  b:\n    c: 1\nd: 1\n", "a", "a:\n  b:\n    c: 1\n  k: v\nd: 1\n"),
    ("a:\n- b: 1\n", "a/0", "a:\n- b: 1\n  k: v\n"),
    ("a:\n  - b: [1,\n        2]\n  - c: 1\n", "a/0", "a:\n  - b: [1,\n        2]\n    k: v\n  - c: 1\n"),
    ("a: 1", "", "a: 1\nk: v"),
    ("a: 1\r\n", "", "a: 1\r\nk: v\r\n"),
    ("a: |\n  text\n\nb: |+\n  kept\n\n", "", "k: v\na: |\n  text\n\nb: |+\n  kept\n\n"),
    ("- a: |\n    text", "0", "- k: v\n  a: |\n    text"),
    ("a: 'one\n\n  two'\n", "", "a: 'one\n\n  two'\nk: v\n"),
    ("a: {b: 1}\n", "a", "a: {b: 1, k: v}\n"),
    ("a: {b: 1,}\n", "a", "a: {b: 1, k: v,}\n"),
    ("a: {b: {}}\n", "a/b", "a: {b: {k: v}}\n"),
    ("a: {b: }\n", "a/b", "a: {b: {k: v}}\n"),
    ("a: {b: null}\n", "a/b", "a: {b: {k: v}}\n"),
    ("- {}\n", "0", "- {k: v}\n"),
    ('{"a": {"b": 1}}', "a", '{"a": {"b": 1, "k": "v"}}'),
    ('{"a": {}}', "a", '{"a": {"k": "v"}}'),
    ('{\n  "a": {\n    "b": 1\n  }\n}\n', "a", '{\n  "a": {\n    "b": 1,\n    "k": "v"\n  }\n}\n'),
    ("x: &x {b: 1}\na:\n  <<: *x\n", "a", "x: &x {b: 1}\na:\n  <<: *x\n  k: v\n"),
    ("a: # only\n  # comments\n", "a", "a: # only\n  k: v\n  # comments\n"),
    ("größe: {}\n", "größe", "größe:\n  k: v\n"),
]


@pytest.mark.parametrize(("text", "path", "expected"), ADD)
def test_add_key(text: str, path: str, expected: str) -> None:
    assert fixed(text, path, lambda node: fix.add_key(node, "k", "v", safe=True)) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: {k: 1}\n", "a"),
        ("a: 1\n", "a"),
        ("a: [1]\n", "a"),
        ("a: &x {b: 1}\nc: *x\n", "a"),
        ("a: &x {b: 1}\nc: *x\n", "c"),
        ("a: &x\nc: *x\n", "a"),
        ("a: &x\n  b: {}\nc: *x\n", "a/b"),
        ("a: { # why\n  }\n", "a"),
        ("a: {b}\n", "a/b"),
    ],
)
def test_where_nothing_can_be_added(text: str, path: str) -> None:
    assert fixed(text, path, lambda node: fix.add_key(node, "k", "v", safe=True)) is None


def test_nested_values_take_the_indentation_of_the_file() -> None:
    value = {"enabled": False, "list": ["a", {"b": "1"}], "none": {}}
    text = "spec:\n    a:\n        b: 1\n"
    assert fixed(text, "spec", lambda node: fix.add_key(node, "kubeProxy", value, safe=True)) == (
        "spec:\n    a:\n        b: 1\n    kubeProxy:\n        enabled: false\n"
        '        list:\n        - a\n        - {b: "1"}\n        none: {}\n'
    )
    flow = '{"spec": {}}'
    out = fixed(flow, "spec", lambda node: fix.add_key(node, "kubeProxy", value, safe=True))
    assert out is not None
    assert json.loads(out) == {"spec": {"kubeProxy": value}}


# --- remove ---------------------------------------------------------------------------------------------

REMOVE = [
    ("a:\n  b: 1\n  c: 2\n", "a/b", "a:\n  c: 2\n"),
    ("a:\n  b: 1\n  c: 2\n", "a/c", "a:\n  b: 1\n"),
    ("a:\n  b: 1\nc: 2\n", "a/b", "a: {}\nc: 2\n"),  # null would say that there is no `a`
    ("a: # why\n  b: 1\n", "a/b", "a: {} # why\n"),
    ("a:\n  b:\n    c:\n    - 1\n  # keep\n  d: 1\n", "a/b", "a:\n  # keep\n  d: 1\n"),
    ("a: 1\n", "a", "{}\n"),
    ("a: 1\nb: 2", "b", "a: 1\n"),
    ("a: 1\r\nb: 2\r\nc: 3", "c", "a: 1\r\nb: 2\r\n"),
    ("a: |\n  text\nb: 1\n\nc: 2\n", "b", "a: |\n  text\n\nc: 2\n"),
    ("a: {b: 1, c: 2}\n", "a/b", "a: {c: 2}\n"),
    ("a: {b: 1, c: 2}\n", "a/c", "a: {b: 1}\n"),
    ("a: {b: 1}\n", "a/b", "a: {}\n"),
    ("a: { b: 1, }\n", "a/b", "a: {  }\n"),
    ("- b: 1\n  c: 2\n", "0/b", "- c: 2\n"),
    ("- b: 1 # why\n  c: 2\n", "0/b", "- # why\n  c: 2\n"),
    ("- b: 1\n\n  c: 2\n", "0/b", "- c: 2\n"),
    ("- b: 1\n  # why\n  c: 2\n", "0/b", "- \n  # why\n  c: 2\n"),
    ("- b: 1\n", "0/b", "- {}\n"),
    ("a: |\n  text\n  # text\nb: 1\n", "a", "b: 1\n"),
    ('{\n  "a": 1,\n  "b": 2\n}\n', "a", '{\n  "b": 2\n}\n'),
    ('{\n  "a": 1,\n  "b": 2\n}\n', "b", '{\n  "a": 1\n}\n'),
    ("x: &x {b: 1}\na:\n  <<: *x\n  c: 1\n", "a/c", "x: &x {b: 1}\na:\n  <<: *x\n"),
    ("x: &x {b: 1}\na: *x\nc: 1\n", "a", "x: &x {b: 1}\nc: 1\n"),
]


@pytest.mark.parametrize(("text", "path", "expected"), REMOVE)
def test_remove_key(text: str, path: str, expected: str) -> None:
    assert fixed(text, path, lambda node: fix.remove_key(node, safe=True)) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x 1\nb: *x\n", "a"),
        ("a:\n  c: &x 1\nb: *x\n", "a"),
        ("a: &x {b: 1}\nc: *x\n", "c/b"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "c/b"),
        ("- 1\n- 2\n", "0"),
        ("a: 1\n", ""),
        ("a: |\n  text\nb: 2", "b"),  # `a` would end without its line ending
        ("a: |+\n  text\nb: 2\n\nc: 1\n", "b"),  # `a` would take the blank line
    ],
)
def test_what_cannot_be_removed(text: str, path: str) -> None:
    assert fixed(text, path, lambda node: fix.remove_key(node, safe=True)) is None


@pytest.mark.parametrize(
    ("text", "path", "safe"),
    [
        ("a: 1\nb: 1 # why\n", "a", True),
        ("a: 1\nb: 1 # why\n", "b", False),
        ("a:\n  # why\n  c: 1\nb: 1\n", "a", False),
        ("a: x#y\nb: 1\n", "a", True),
    ],
)
def test_a_fix_that_takes_a_comment_with_it_is_not_safe(text: str, path: str, safe: bool) -> None:
    cure = fix.remove_key(node_at(source_of(text), path), safe=True)
    assert cure is not None
    assert cure.safe is safe


# --- rename, combine, duplicates ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("Mtu: 1 # why\n", "Mtu", "mtu: 1 # why\n"),
        ("- Mtu:\n    a: 1\n", "0/Mtu", "- mtu:\n    a: 1\n"),
        ("'Mtu': 1\n", "Mtu", "'mtu': 1\n"),
        ('{"Mtu": 1}', "Mtu", '{"mtu": 1}'),
        ("? Mtu\n: 1\n", "Mtu", "? mtu\n: 1\n"),
    ],
)
def test_rename_key(text: str, path: str, expected: str) -> None:
    assert fixed(text, path, lambda node: fix.rename_key(node, "mtu", safe=True)) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [("Mtu: 1\nmtu: 2\n", "Mtu"), ("&k Mtu: 1\n", "Mtu"), ("a: &x {Mtu: 1}\nb: *x\n", "a/Mtu"), ("- 1\n", "0")],
)
def test_what_cannot_be_renamed(text: str, path: str) -> None:
    assert fixed(text, path, lambda node: fix.rename_key(node, "mtu", safe=True)) is None


def test_combined_fixes_are_one() -> None:
    source = source_of("a: 1\nb: {}\n")
    root = source.documents[0].root
    both = fix.combine(fix.set_value(root["a"], 2, safe=True), fix.add_key(root["b"], "c", 1, safe=False))
    assert both is not None
    assert not both.safe
    result = spliced(source, [finding_with(both)])
    assert result is not None
    assert result.text == "a: 2\nb:\n  c: 1\n"
    assert fix.combine(both, None) is None
    assert fix.combine() is None
    assert fix.combine(both, both) is None


# --- proofs ---------------------------------------------------------------------------------------------


def test_the_proof_refuses_a_fix_that_does_something_else() -> None:
    source = source_of("a: 1\nb: 2 # why\n")
    good = fix.set_value(source.documents[0].root["a"], 3, safe=True)
    assert good is not None
    for edits in (
        [(3, 4, "4")],  # another value
        [(3, 4, "3\nb: 2")],  # another key
        [(3, 4, "3 # new")],  # a comment that nobody wrote
        [(3, 4, "3"), (8, 15, "2")],  # a comment gone for nothing
        [(3, 4, "[3")],  # no YAML any more
        [(3, 4, "3\n--- # x")],
    ):
        bad = fix.splice(source, edits, "bad", safe=True)
        bad.changes = good.changes
        applied = apply(source, [finding_with(bad)])
        if edits == [(3, 4, "3"), (8, 15, "2")]:
            # The edit covers the comment: that is what it says. It is never safe, which the makers see to.
            assert applied[0].text == "a: 3\nb: 2\n"
            continue
        assert applied[0] is source, edits
        assert not applied[1]
        assert len(applied[2]) == 1


def test_one_bad_fix_does_not_keep_the_good_ones_out() -> None:
    source = source_of("".join(f"k{number}: 1\n" for number in range(20)))
    root = source.documents[0].root
    findings = []
    for number in range(20):
        cure = fix.set_value(root[f"k{number}"], 2, safe=True)
        assert cure is not None
        if number == 7:
            cure.edits[0].text = "3"
        findings.append(finding_with(cure))
    result, applied, refused = apply(source, findings)
    assert refused == [findings[7]]
    assert len(applied) == 19
    assert result.text == "".join(f"k{number}: {1 if number == 7 else 2}\n" for number in range(20))


def nodes(node: Node) -> list[Node]:
    found = [node]
    for child in node:
        found += nodes(child)
    return found


VALUES = st.one_of(
    st.sampled_from(("v3", "1.10", "yes", "", "- x", "a: b", "#", "it's", '"', "größe", "a\nb", "~", "::/0", "0x1f")),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=10),
)
NESTED = st.one_of(VALUES, st.dictionaries(st.sampled_from(("enabled", "x y", "on", "1")), VALUES, max_size=3))


@st.composite
def fixes(draw: st.DrawFn) -> tuple[Source, Fix | None]:
    source = source_of(draw(yaml_texts()))
    assume(source.documents)
    document = draw(st.sampled_from(source.documents))
    node = draw(st.sampled_from(nodes(document.root)))
    kind = draw(st.sampled_from(("set", "add", "remove", "rename")))
    if kind == "set":
        return source, fix.set_value(node, draw(VALUES), safe=True)
    if kind == "add":
        return source, fix.add_key(node, draw(st.sampled_from(("new", "x y", "on"))), draw(NESTED), safe=True)
    if kind == "remove":
        return source, fix.remove_key(node, safe=True)
    return source, fix.rename_key(node, draw(st.sampled_from(("new", "mtu", "x y", "on"))), safe=True)


LARGE = [HealthCheck.large_base_example, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=80, deadline=None, suppress_health_check=LARGE)
@given(fixes())
def test_a_fix_changes_its_target_and_nothing_else(case: tuple[Source, Fix | None]) -> None:
    """What is offered stands the proof: same values but the target, same comments, no new problem."""
    source, cure = case
    assume(cure is not None)
    assert cure is not None
    result = spliced(source, [finding_with(cure)])
    assert result is not None, f"{cure.title}: {splice(source.text, cure.edits)!r}"
    comments = [text for _, text in source.comments()]
    if cure.safe:
        assert [text for _, text in result.comments()] == comments
    # Outside of the edits not a byte differs: undone, the text is what it was.
    at = 0
    shift = 0
    for edit in cure.edits:
        assert result.text[at + shift : edit.start + shift] == source.text[at : edit.start]
        at = edit.end
        shift += len(edit.text) - (edit.end - edit.start)
    assert result.text[at + shift :] == source.text[at:]


@settings(max_examples=30, deadline=None, suppress_health_check=LARGE)
@given(st.data())
def test_fixes_applied_together_change_what_they_say(data: st.DataObject) -> None:
    """Whatever is combined: what is applied stands the proof, what is refused would not have, alone."""
    source = source_of(data.draw(yaml_texts()))
    assume(source.documents)
    findings = []
    for node in nodes(source.documents[0].root)[:12]:
        make = data.draw(st.sampled_from((fix.set_value, fix.add_key, fix.remove_key, fix.rename_key)))
        if make is fix.set_value:
            cure = fix.set_value(node, data.draw(VALUES), safe=True)
        elif make is fix.add_key:
            cure = fix.add_key(node, "new", data.draw(NESTED), safe=True)
        elif make is fix.remove_key:
            cure = fix.remove_key(node, safe=True)
        else:
            cure = fix.rename_key(node, "new", safe=True)
        if cure is not None:
            findings.append(finding_with(cure))
    result, applied, refused = apply(source, findings)
    assert not refused
    assert bool(applied) == bool(findings)
    if applied:
        again = spliced(source, applied)
        assert again is not None
        assert again.text == result.text


def patched(text: str, diff: str) -> str:
    """What `patch` makes of a text; it insists that context and removed lines are there."""
    lines = text.split("\n")
    out: list[str] = []
    at = 0
    entries = diff.split("\n")[2:-1] if diff else []
    for number, entry in enumerate(entries):
        if entry.startswith("@@"):
            start, _, count = entry.split()[1][1:].partition(",")
            first = int(start) - (count != "0")
            out += lines[at:first]
            at = first
        elif entry.startswith("\\"):
            continue
        else:
            bare = number + 1 < len(entries) and entries[number + 1].startswith("\\")
            if entry[0] in " -":
                assert lines[at] == entry[1:]
                assert bare == (at == len(lines) - 1)
                at += 1
            if entry[0] in " +":
                out.append(entry[1:])
                if bare:
                    assert at in (len(lines), len(lines) - 1)
                    return "\n".join(out)
    if at == len(lines):  # the last line lost its line ending and got one again
        return "\n".join([*out, ""])
    return "\n".join([*out, *lines[at:]])


@settings(max_examples=60, deadline=None, suppress_health_check=LARGE)
@given(st.integers(0, 2**32))
def test_the_diff_of_several_rounds_is_a_patch(seed: int) -> None:
    choose = random.Random(seed)
    rounds = iter(range(3))

    def check(inputs: Sequence[Input]) -> LintResult:
        result = LintResult()
        if next(rounds, None) is not None:
            for document in inputs[0].source.documents:
                for node in nodes(document.root):
                    cure = choose.choice(
                        (
                            lambda node=node: fix.set_value(node, "v3", safe=True),
                            lambda node=node: fix.add_key(node, "new", {"a": 1, "b": "x"}, safe=True),
                            lambda node=node: fix.remove_key(node, safe=True),
                            lambda: None,
                        )
                    )()
                    if cure is not None:
                        result.findings.append(finding_with(cure))
        return result

    old = source_of(yaml_text(choose.randrange))
    outcome = repair([Input(old)], check, unsafe=True)
    new = outcome.inputs[0].source
    kept = outcome.kept.get("spec.yaml", [])
    before, after = old.text.split("\n"), new.text.split("\n")
    for first, second, count in kept:
        assert before[first : first + count] == after[second : second + count]
    assert patched(old.text, unified_diff("x", old.text, new.text, kept)) == new.text
    assert patched(old.text, unified_diff("x", old.text, new.text)) == new.text


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.one_of(VALUES), lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3)))
def test_added_values_read_back(value: Any) -> None:
    for text in ("spec: {}\n", '{"spec": {}}', "spec:\n  a: 1\n"):
        source = source_of(text)
        cure = fix.add_key(source.documents[0].root["spec"], "new", value, safe=True)
        assert cure is not None
        result = spliced(source, [finding_with(cure)])
        assert result is not None, splice(text, cure.edits)
