"""Reading: scalars as kOps reads them, documents as kOps splits them, places, and hostile input."""

from __future__ import annotations

import json
import math
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.yaml_source import MAX_DEPTH, MAX_PROBLEMS, Node, Source, render_path, resolve_plain


def read(text: str | bytes, path: str = "spec.yaml") -> Source:
    return Source(path, text.encode() if isinstance(text, str) else text)


def rules(source: Source) -> list[str]:
    return [problem.rule for problem in source.problems]


# The resolution table of go-yaml v2 (resolve.go), which sigs.k8s.io/yaml uses, and its step to JSON.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        # booleans of YAML 1.1, the one-letter ones included
        *((word, True) for word in ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")),
        *((word, False) for word in ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")),
        *((word, word) for word in ("yEs", "tRUE", "oN", "t", "f", "T", "F")),
        # null
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        ("nULL", "nULL"),
        # integers as Go writes them
        ("0", 0),
        ("12", 12),
        ("-12", -12),
        ("+12", 12),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o14", 12),
        ("014", 12),
        ("-014", -12),
        ("0b101", 5),
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        # floats
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("08", 8.0),
        ("1.10", 1.1),
        ("18446744073709551616", 18446744073709551616.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        # what looks like something else stays text
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2001-12-14", "2001-12-14"),
        ("2001-12-14T21:59:43Z", "2001-12-14T21:59:43Z"),
        ("2001-12-14 21:59:43", "2001-12-14 21:59:43"),
        ("1.2.3", "1.2.3"),
        ("10.0.0.0/16", "10.0.0.0/16"),
        ("v3", "v3"),
        ("=", "="),
        ("<<", "<<"),
        ("0x", "0x"),
        ("0b2", "0b2"),
        ("1e", "1e"),
        ("-", "-"),
        (".", "."),
        ("+.5e1", 5.0),
        ("us-test-1a", "us-test-1a"),
        ("1e400", "1e400"),  # out of range for Go
        ("9" * 5000, "9" * 5000),
        ("_1", "_1"),
        ("1__0", 10),
    ],
)
def test_plain_scalars_are_read_as_go_yaml_reads_them(text: str, value: object) -> None:
    result = resolve_plain(text)
    assert result == value
    assert type(result) is type(value)


def test_nan_is_a_float() -> None:
    assert math.isnan(resolve_plain(".nan"))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('a: "12"', "12"),
        ("a: '012'", "012"),
        ("a: !!str 12", "12"),
        ("a: ! 12", "12"),
        ("a: !!int '12'", 12),
        ("a: !!float 3", 3.0),
        ("a: !!bool 'on'", True),
        ("a: !!binary aGVsbG8=", "hello"),
        ("a: !custom x", "x"),
        ("a: |\n  x\n  y\n", "x\ny\n"),
        ("a: >-\n  x\n  y\n", "x y"),
    ],
)
def test_quoted_and_tagged_scalars(line: str, value: object) -> None:
    assert read(line).documents[0].data == {"a": value}


def test_a_tag_that_does_not_fit_is_a_finding() -> None:
    source = read("a: !!int abc\n")
    assert rules(source) == ["Y001"]
    assert source.position(source.problems[0].start) == (1, 4)


def test_keys_become_text_as_in_json() -> None:
    assert read("true: 1\n2: 2\n1.5: 3\n'y': 4\ny: 5\n").documents[0].data == {"true": 5, "2": 2, "1.5": 3, "y": 4}


def test_ranges_count_code_points_from_one() -> None:
    source = read('metadata:\n  näme: "blaü ☃"  # note\n  list: [a, {b: c}]\n')
    root = source.documents[0].root
    place = root["metadata"]["näme"].range
    assert (place.line, place.column, place.end_line, place.end_column) == (2, 9, 2, 17)
    key = root["metadata"]["näme"].key_range
    assert (key.line, key.column, key.end_column) == (2, 3, 7)
    inner = root["metadata"]["list"][1]["b"]
    assert (inner.range.line, inner.range.column, inner.field) == (3, 17, "metadata.list[1].b")
    assert root["metadata"].range.key() == (1, 1, 1, 9)  # a mapping is underlined at its key


def test_ranges_hold_over_crlf_byte_order_mark_and_sections() -> None:
    text = "\ufeffa: 1\r\n---\r\n\r\nb:\r\n  c: 2\r\n"
    source = read(text)
    assert [document.data for document in source.documents] == [{"a": 1}, {"b": {"c": 2}}]
    assert source.documents[1].root["b"]["c"].range.key() == (5, 6, 5, 7)
    assert source.line_text(5) == "  c: 2"
    assert not source.problems


def test_comments_are_found_outside_scalars_only() -> None:
    source = read("# top\na: 'no # comment' # yes\nb: |\n  # text\nc: x#y # end\n")
    assert [text for _, text in source.comments()] == ["# top", "# yes", "# end"]


def test_a_value_through_an_alias_stands_where_the_alias_is_used() -> None:
    source = read("base: &b\n  mtu: 1440\na: *b\n")
    node = source.documents[0].root["a"]["mtu"]
    assert node.value == 1440
    assert node.range.key() == (3, 4, 3, 6)
    assert [(other.range.line, other.range.column) for other in node.related] == [(2, 8)]
    assert source.anchors()["b"].line == 1


def test_merge_keys_follow_go_yaml() -> None:
    data = read("base: &b {x: 1, z: 2}\nafter: {<<: *b, x: 3}\nbefore: {x: 3, <<: *b}\n").documents[0].data
    assert data["after"] == {"x": 3, "z": 2}
    assert data["before"] == {"x": 1, "z": 2}  # go-yaml v2 merges in the order of the file
    several = read("- &a {x: 1}\n- &b {x: 2, z: 2}\n- <<: [*a, *b]\n").documents[0].data
    assert several[2] == {"x": 1, "z": 2}


@pytest.mark.parametrize("value", ["3", "[1]", "text"])
def test_a_merge_of_something_else_is_a_finding(value: str) -> None:
    assert rules(read(f"a: {{<<: {value}}}\n")) == ["Y009"]


def test_duplicate_keys_name_both_places() -> None:
    source = read("a:\n  x: 1\n  z: 2\n  x: 3\n")
    (problem,) = source.problems
    assert problem.rule == "Y002"
    assert source.position(problem.start) == (4, 3)
    assert source.position(problem.related[0][0]) == (2, 3)
    assert source.documents[0].data == {"a": {"x": 3, "z": 2}}  # kOps keeps the last


@pytest.mark.parametrize(
    ("separator", "documents", "lost"),
    [
        ("---", 2, 0),
        ("--- ", 1, 1),
        ("--- # nodes", 1, 1),
        ("---\t", 1, 1),
        ("...\n---", 2, 0),
    ],
)
def test_documents_are_split_as_kops_splits_them(separator: str, documents: int, lost: int) -> None:
    source = read(f"kind: Cluster\n{separator}\nkind: InstanceGroup\n")
    assert len(source.documents) == documents
    assert rules(source).count("Y005") == lost
    if lost:
        assert source.position(source.problems[0].start)[0] == 2


def test_leading_separator_and_comments_lose_nothing() -> None:
    assert not read("---\na: 1\n---\nb: 2\n").problems
    assert not read("# only a comment\na: 1\n").problems


@pytest.mark.parametrize("text", ["# head\n---\na: 1\n", "a: 1\n---\n", "a: 1\n---\n\n---\nb: 2\n"])
def test_an_empty_piece_is_where_kops_stops(text: str) -> None:
    assert rules(read(text)) == ["Y004"]


def test_deep_nesting_stops_at_the_limit() -> None:
    for text in ("[" * 100_000, "".join(" " * depth + "a:\n" for depth in range(400))):
        source = read(text)
        assert rules(source) == ["Y007"]
    fine = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert not read(fine).problems


def test_an_alias_bomb_costs_nothing() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    tracemalloc.start()
    source = read("\n".join(lines))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rules(source) == ["Y008"]
    assert peak < 20_000_000


@pytest.mark.parametrize("text", ["a: *nowhere\n", "a: &a [*a]\n", "a: &a {b: *a}\n"])
def test_aliases_that_lead_nowhere(text: str) -> None:
    assert rules(read(text)) == ["Y008"]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"a: b\n\x00\n", "Y001"),
        (b"a: \x07\n", "Y001"),
        (b"a: b\nc: \xff\n", "Y003"),
        ("a: b\n".encode("utf-16"), "Y003"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "Y001"),
        (b"a:\n\tb: 1\n", "Y001"),
        (b"a: [1, 2\n", "Y001"),
        (b'a: "x\n', "Y001"),
        (b"a: b: c\n", "Y001"),
        (b"? [a]\n: b\n", "Y009"),
        (b"~: b\n", "Y009"),
    ],
)
def test_what_is_no_yaml_is_a_finding_with_its_place(data: bytes, rule: str) -> None:
    source = read(data)
    assert rules(source) == [rule]
    line, column = source.position(source.problems[0].start)
    assert 1 <= line <= data.count(b"\n") + 1
    assert column >= 1


def test_a_file_above_the_limit_is_not_read() -> None:
    source = Source("big.yaml", b"a: b\n" * 100, max_bytes=100)
    assert rules(source) == ["Y010"]
    assert not source.documents


@pytest.mark.parametrize("text", ["a: 1\n" * 5000, "a: 1\n---\n---\n" * 5000, "a: [\n---\n" * 5000])
def test_a_file_that_is_nothing_but_problems_is_not_read_to_its_end(text: str) -> None:
    source = read(text)
    assert len(source.problems) <= MAX_PROBLEMS + 2
    assert "the rest of the file is not read" in source.problems[-1].message


def test_an_empty_file_has_no_documents_and_no_problems() -> None:
    for text in ("", "\n\n", "# nothing\n"):
        source = read(text)
        assert (source.documents, source.problems) == ([], [])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "etcdClusters", 0, "version"), "spec.etcdClusters[0].version"),
        (("metadata", "labels", "kops.k8s.io/cluster"), 'metadata.labels["kops.k8s.io/cluster"]'),
        ((0, "a b"), '[0]["a b"]'),
        (('x"y',), '["x\\"y"]'),
        ((), ""),
    ],
)
def test_paths_are_rendered_as_findings_name_them(path: tuple[str | int, ...], text: str) -> None:
    assert render_path(path) == text


# --- properties -----------------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
plain_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | names,
    lambda child: st.lists(child, max_size=4) | st.dictionaries(names, child, max_size=4),
    max_leaves=20,
)


@given(plain_data)
def test_json_is_read_as_json(data: object) -> None:
    source = read(json.dumps({"spec": data}, ensure_ascii=False))
    assert not source.problems
    assert source.documents[0].data == {"spec": data}


@given(plain_data)
def test_every_node_stands_on_its_own_text(data: object) -> None:
    """The range of every scalar, parsed again on its own, gives the scalar."""
    source = read(yaml.safe_dump({"spec": data}, allow_unicode=True))

    def walk(node: Node) -> None:
        children = list(node)
        for child in children:
            walk(child)
        if not children and not isinstance(node.value, dict | list):
            start, end = node.span
            text = source.text[start:end]
            if "\n" not in text and "---" not in text:
                again = read(f"- {text}\n")
                assert again.documents[0].data[0] == node.value

    for document in source.documents:
        walk(document.root)


@settings(max_examples=300)
@given(st.binary(max_size=60) | names.map(str.encode))
def test_reading_never_raises(data: bytes) -> None:
    source = read(data)
    for problem in source.problems:
        place = source.range(problem.start, problem.end)
        assert place.line >= 1
        assert place.column >= 1
    source.comments()


@given(
    st.lists(
        st.sampled_from(
            [
                "a: 1",
                "b: *x",
                "c: &x {d: 1}",
                "---",
                "--- ",
                "...",
                "- x",
                "  e: [",
                "]",
                "}",
                "'",
                "#",
                "<<: *x",
                "%Y",
                "\t",
                "? ",
            ]
        ),
        max_size=12,
    )
)
def test_yaml_fragments_never_raise(lines: list[str]) -> None:
    source = read("\n".join(lines))
    for document in source.documents:
        list(document.scalar_spans())
        assert document.root.range.line >= 1
