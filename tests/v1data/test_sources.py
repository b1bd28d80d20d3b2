"""Every form of v1 data gives the same objects and the right places, and no bytes break the reading."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.files import File
from calico_lint.finding import Finding
from calico_lint.v1data import convert, sources
from calico_lint.v1data.etcd import leaves
from calico_lint.v1data.report import findings_of, v3_yaml
from calico_lint.v1data.sources import Reading, _FileReader, read
from calico_lint.yaml_source import Source
from simulator.v1_data import read_v1_data
from tests.helpers import ROOT

DATA = ROOT / "fixtures" / "v1data"
EXPORT = DATA / "export.yaml"
STORE = DATA / "store.json"


def read_bytes(data: bytes, *, named: bool = True) -> Reading:
    reading = Reading()
    _FileReader(reading, File("data", data, named=named, role="new")).read()
    return reading


def findings(reading: Reading) -> list[Finding]:
    return findings_of(reading, convert(reading.objects, whole_store=reading.whole_store))


def objects(reading: Reading) -> list[tuple[str, Any]]:
    """What was read, JSON texts decoded: a mapping has them either way."""
    found = []
    for each in reading.objects:
        value = each.value
        if isinstance(value, str):
            with suppress(ValueError):
                value = json.loads(value)
        found.append((each.path, json.dumps(value, sort_keys=True)))
    return sorted(found)


PAIRS = {key: value for key, value in leaves(json.loads(STORE.read_text())["node"]) if value is not None}
ANSWER = json.loads(STORE.read_text())
FORMS = {
    "the answer of the v2 API": json.dumps(ANSWER),
    "indented": STORE.read_text(),
    "etcdctl --output json": json.dumps({**ANSWER, "prevNode": None}),
    "an answer for each key": "\n".join(
        json.dumps({"action": "get", "node": {"key": key, "value": value}}) for key, value in PAIRS.items()
    ),
    "a list of answers": json.dumps([{"node": {"key": key, "value": value}} for key, value in PAIRS.items()]),
    "key and value on a line": "".join(f"{key} {value}\n" for key, value in PAIRS.items()),
    "with tabs and CRLF": "".join(f"{key}\t{value}\r\n" for key, value in PAIRS.items()),
    "key, then value": "".join(f"{key}\n{value}\n\n" for key, value in PAIRS.items()),
    "with directories and comments": "# dump\n/calico/v1/\n" + "".join(f"{k}\n{v}\n" for k, v in PAIRS.items()),
    "a YAML mapping": yaml.safe_dump(PAIRS),
    "a JSON mapping": json.dumps(PAIRS),
    "values as YAML": yaml.safe_dump(
        {key: json.loads(value) if value[:1] in ("{", "[") else value for key, value in PAIRS.items()}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_dump_gives_the_same(form: str) -> None:
    reading = read_bytes(FORMS[form].encode())
    assert not reading.findings
    assert objects(reading) == objects(read_bytes(STORE.read_bytes()))
    said, plain = (
        {(each.rule, (each.field or "").partition(".")[0]) for each in findings(one)}
        for one in (reading, read_bytes(STORE.read_bytes()))
    )
    assert said == plain


@pytest.mark.parametrize("form", [form for form in FORMS if form != "values as YAML"])
def test_a_finding_stands_on_its_key(form: str) -> None:
    text = FORMS[form]
    reading = read_bytes(text.encode())
    found = next(each for each in findings(reading) if each.rule == "D034")
    lines = text.split("\n")
    line = lines[found.range.line - 1]
    marked = line[found.range.column - 1 : found.range.end_column - 1]
    assert marked in ("/calico/v1/config/IpInIpEnabled", "'yes'", "yes")


RESOURCES = yaml.safe_load(EXPORT.read_text())
LISTED = {
    "a YAML list": EXPORT.read_text(),
    "YAML documents": yaml.safe_dump_all(RESOURCES),
    "several YAML lists": yaml.safe_dump_all([RESOURCES[:3], RESOURCES[3:]]),
    "a JSON list": json.dumps(RESOURCES, indent=2),
    "JSON on a line": json.dumps(RESOURCES),
    "several JSON lists": json.dumps(RESOURCES[:3]) + "\n" + json.dumps(RESOURCES[3:], indent=1),
    "JSON documents": "\n".join(json.dumps(each) for each in RESOURCES),
    "a kind: policyList": json.dumps({"apiVersion": "v1", "kind": "policyList", "items": RESOURCES}),
    "a YAML List": yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": RESOURCES}),
    "with a BOM and CRLF": "\ufeff" + EXPORT.read_text().replace("\n", "\r\n"),
}


@pytest.mark.parametrize("form", LISTED)
def test_every_form_of_resources_gives_the_same(form: str) -> None:
    text = LISTED[form]
    reading = read_bytes(text.encode())
    assert not reading.findings
    assert not reading.whole_store
    plain = read_bytes(EXPORT.read_bytes())
    assert [(each.path, each.value) for each in reading.objects] == [(each.path, each.value) for each in plain.objects]
    text = text.removeprefix("\ufeff")
    marked = {}
    for each in findings(reading):
        line = text.split("\n")[each.range.line - 1]
        marked[each.rule] = line[each.range.column - 1 : each.range.end_column - 1].strip("'\"")
    assert marked == {
        "D020": "knp.default.shop.web", "D032": "inbound", "D033": "role", "D040": "ip-10-0-32-12.example.net",
        "D057": "192.168.7.0/28", "D070": "calico/k8s_ns == 'shop",
    }  # fmt: skip


def test_the_field_is_the_way_in_the_file() -> None:
    fields = {form: [each.field for each in findings(read_bytes(LISTED[form].encode())) if each.rule == "D070"]
              for form in LISTED}  # fmt: skip
    field = "spec.ingress[0].source.selector"
    assert fields["a YAML list"] == fields["a JSON list"] == [f"[5].{field}"]
    assert fields["YAML documents"] == fields["JSON documents"] == [field]
    assert fields["a kind: policyList"] == fields["a YAML List"] == [f"items[5].{field}"]


# --- what is none of it ---------------------------------------------------------------------------------

NODE = "apiVersion: v1\nkind: node\nmetadata: {name: n1}\n"


@pytest.mark.parametrize(
    ("text", "rule", "said", "line"),
    [
        ("", "D036", "holds no Calico v1 data", 1),
        ("# nothing\n", "D036", "holds no Calico v1 data", 1),
        ("hello\n", "D036", "a resource is a mapping", 1),
        ("[1, 2]\n", "D036", "a resource is a mapping", 1),
        ("- a: 1\n- b: 2\n", "D036", "apiVersion", 1),
        ('{"errorCode":100,"message":"Key not found","cause":"/calico"}', "D036", "Key not found (/calico)", 1),
        ("apiVersion: kops/v1alpha2\nkind: Cluster\nmetadata: {name: c}\n", "D036", "this is a kOps spec", 1),
        ("apiVersion: projectcalico.org/v3\nkind: Node\n", "D036", "is of v3 already", 1),
        ("apiVersion: v1\nkind: pod\n", "D036", "none that calicoctl v2 knows", 2),
        (NODE + "status: {}\n", "D036", "this is a Kubernetes node", 4),
        (f"{NODE}---\n{NODE}spec: {{bgp: {{asNumber: 1}}}}\n", "D036", "without an address", 8),
        ("/calico/v1/Ready\n/calico/v1/config/X\n", "D036", "keys and none of their values", 1),
        ('{"node": {"key": "/", "nodes": [1, {"key": 2}, {"value": 3}]}}', "D036", "3 nodes of the dump", 1),
        ("a: [\n", "Y001", "", 2),
        ('{"node": {', "Y001", "", 1),
        ('[{"a": NaN}]', "D036", "", 1),
        ("kind: node\nkind: policy\n", "Y002", "calico-lint silently keeps the last", 2),
    ],
)
def test_what_is_none_is_said_where_it_stands(text: str, rule: str, said: str, line: int) -> None:
    found = findings(read_bytes(text.encode()))
    assert [each.range.line for each in found if each.rule == rule and said in each.message][:1] == [line], found


@pytest.mark.parametrize(
    ("data", "rule"),
    [(b"\xff\xfea\x00", "Y003"), (b"apiVersion: v1\xff", "Y003"), (b"[" * 100_000, "Y007"), (b"a: \x01", "Y001")],
)
def test_bytes_that_are_no_text(data: bytes, rule: str) -> None:
    assert rule in {each.rule for each in findings(read_bytes(data))}


def test_a_big_file_that_is_cut_off_is_not_read_as_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_MAX_YAML", 10)
    (found,) = findings(read_bytes(b'[{"kind": "node"},\n {"kind": '))
    assert (found.rule, found.range.line) == ("Y001", 2)
    assert "cut off" in found.message


def test_v3_keys_in_a_dump_are_left_overs() -> None:
    kvs = [{"key": b64encode(key.encode()).decode(), "value": b64encode(value).decode()} for key, value in (
        ("/calico/resources/v3/projectcalico.org/clusterinformations/default", b'{"spec":{"calicoVersion":"v3.7.4",'
         b'"datastoreReady":true}}'),
        ("/calico/ipam/v2/handle/h", b"{}"),
    )]  # fmt: skip
    text = json.dumps(ANSWER) + json.dumps({"header": {}, "kvs": kvs, "count": 2})
    reading = read_bytes(text.encode())
    (found,) = (each for each in findings(reading) if each.rule == "D003")
    assert "2 keys" in found.message
    assert "do not delete them" in found.message
    assert objects(reading) == objects(read_bytes(STORE.read_bytes()))
    (found,) = (each for each in findings(read_bytes(b"/calico/resources/v3/x {}\n")) if each.rule == "D003")
    assert "etcdctl del --prefix" in found.message


def test_folders_hold_other_things_too(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(NODE)
    (tmp_path / "b.json").write_text(json.dumps([RESOURCES[3]]))
    (tmp_path / "spec.yaml").write_text("apiVersion: kops/v1alpha2\nkind: Cluster\n")
    (tmp_path / "kubernetes.yaml").write_text("apiVersion: v1\nkind: Node\nmetadata: {name: n}\nstatus: {}\n")
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "notes.txt").write_text("x")
    unreadable: list[str] = []
    reading = read([str(tmp_path), str(tmp_path / "none")], unreadable)
    assert [message.rpartition("/")[2] for message in unreadable] == ["none: No such file or directory"]
    skipped = {Path(each.path).name for each in reading.inputs if each.report.skipped}
    assert skipped == {"spec.yaml", "kubernetes.yaml", "broken.yaml"}
    assert not reading.findings
    assert len(reading.objects) == 2


# --- any bytes ------------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
known = st.sampled_from(
    ["node", "nodes", "key", "value", "dir", "kvs", "kind", "apiVersion", "metadata", "spec", "items", "policy", "v1",
     "errorCode", "/calico/v1/Ready", "/calico/v1/host/n1", "/calico", "List", "bgpPeer", "name", "L2NhbGljby9h"]
)  # fmt: skip
trees = st.recursive(
    scalars | known,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(known | st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)
texts = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    trees.map(lambda tree: json.dumps(tree).encode("utf-8", "replace")),
    trees.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")),
    st.lists(known | st.text(max_size=5), max_size=8).map(lambda lines: "\n".join(lines).encode("utf-8", "replace")),
    st.builds(lambda at, cut: STORE.read_bytes()[at:cut], st.integers(0, 3000), st.integers(0, 21000)),
    st.builds(
        lambda at, more: EXPORT.read_bytes()[:at] + more + EXPORT.read_bytes()[at:],
        st.integers(0, 1600), st.binary(max_size=3),
    ),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(texts, st.booleans())
def test_any_bytes_are_findings_or_objects(data: bytes, named: bool) -> None:
    reading = read_bytes(data, named=named)
    found = findings(reading)
    file = reading.inputs[0]
    text = file.source.text
    lines = text.split("\n")
    for each in found:
        assert 1 <= each.range.line <= each.range.end_line
        assert each.message
        if text:
            assert each.range.line <= len(lines)
    if named:
        assert reading.objects or found or reading.v3_keys is not None or file.form


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(), scalars.filter(lambda value: value == value), max_size=4), max_size=4))
def test_what_is_written_is_read_back(specs: list[dict[str, Any]]) -> None:
    """As Go's YAML reads it, which takes more for numbers and booleans than others do."""
    conversion = convert([])
    conversion.resources[:] = [
        {"apiVersion": "projectcalico.org/v3", "kind": "X", "metadata": {"name": "x"}, "spec": _finite(spec)}
        for spec in specs
    ]
    text = v3_yaml(conversion, ["a\nb"])
    source = Source("v3", text.encode())
    assert not source.problems, source.problems[0].message
    assert [document.data for document in source.documents] == conversion.resources


def _finite(spec: dict[str, Any]) -> dict[str, Any]:
    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return "".join(letter for letter in value if letter.isprintable() or letter == "\n")
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            return 0
        return value % 2**53 if isinstance(value, int) and not isinstance(value, bool) else value

    return {str(clean(key)): clean(value) for key, value in spec.items()}


@pytest.mark.parametrize(
    "text", ["y", "on", "0x1f", "0o17", "1e3", "1_000", "null", "~", "", "2020-01-01", "a: b", "- x", "<<"]
)
def test_texts_stay_texts(text: str) -> None:
    conversion = convert([])
    conversion.resources.append({"kind": "X", "spec": {"label": text, text: 1}})
    (document,) = Source("v3", v3_yaml(conversion, []).encode()).documents
    assert document.data == {"kind": "X", "spec": {"label": text, text: 1}}


def test_a_plain_lint_loads_none_of_this() -> None:
    code = (
        "import sys; from calico_lint import cli;"
        "cli.main(['--no-cache', 'fixtures/specs/upgrade-new.yaml', '--quiet']);"
        "print([name for name in sys.modules if 'v1data' in name or name in ('ssl', 'http.client')])"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("indent", [None, 1])
def test_a_dump_on_one_line_is_no_excerpt_for_anybody(indent: int | None, tmp_path: Path) -> None:
    dump = tmp_path / "store.json"
    dump.write_text(json.dumps(json.loads(STORE.read_text()), indent=indent))
    (file,) = read([str(dump)], []).inputs
    assert file.source.text == dump.read_text()
    expected = file.source.text if indent else ""
    assert file.shown.text == expected
    assert read_v1_data([str(dump)]).sources[str(dump)].text == expected
