"""The closures agree with jsonschema, release by release, on random documents and on the real ones."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from calico_lint.kops.releases import NEWEST_MINOR, OLDEST_MINOR
from calico_lint.schema import (
    ALWAYS,
    API_VERSIONS,
    KEYWORDS,
    KINDS,
    NEVER,
    Schema,
    load,
    plain_schema,
    schema_path,
)
from calico_lint.yaml_source import Source
from tests.helpers import ROOT, SHARED, needs_shared

SCHEMAS = [(kind, api) for kind in KINDS for api in API_VERSIONS]
OLDEST = {"v1alpha2": OLDEST_MINOR, "v1alpha3": 23}


@functools.cache
def oracle(kind: str, api: str, minor: int) -> Draft202012Validator:
    return Draft202012Validator(plain_schema(kind, api, minor))


def expected(kind: str, api: str, minor: int, data: Any) -> set[tuple[Any, ...]]:
    """What jsonschema says, in our terms: an unknown or missing key is named by its own path."""
    found: set[tuple[Any, ...]] = set()
    for error in oracle(kind, api, minor).iter_errors(data):
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            found |= {(*path, key, error.validator) for key in error.instance if key not in error.schema["properties"]}
        elif error.validator == "required":
            found |= {(*path, key, error.validator) for key in error.validator_value if key not in error.instance}
        else:
            found.add((*path, error.validator))
    return found


def actual(kind: str, api: str, minor: int, data: Any, first: int, last: int) -> set[tuple[Any, ...]]:
    """What the closures say of one release, asked for a whole range."""
    errors = load(kind, api).validate(data, first, last)[2]
    unknown = {"x-kops-since": "additionalProperties"}
    return {(*error.path, unknown.get(error.keyword, error.keyword)) for error in errors if error.holds(minor)}


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**33), 2**65),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from([3.0, 0, 256, -1, 1e21, 2.5]),
        st.sampled_from(
            ["", "0", "1h30m", "90s", "90", "100m", "2Gi", " 1 ", "1e3", "Public", "v3", "none", "10%", "é"]
        ),
    ),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "spec", "x"]), inner, max_size=2)
    ),
    max_leaves=3,
)


@st.composite
def instances(draw: st.DrawFn, schema: Schema, node: dict[str, Any]) -> Any:
    """A value that mostly follows a schema, and now and then does not."""
    if draw(st.integers(0, 19)) == 0:
        return draw(JUNK)
    if "anyOf" in node:
        node = draw(st.sampled_from(node["anyOf"]))
    node = schema.resolve(node)
    if "properties" in node:
        names = st.lists(st.sampled_from(sorted(node["properties"]) or ["x"]), max_size=4, unique=True)
        keys = [*node.get("required", ()), *draw(names)]
        if draw(st.integers(0, 9)) == 0:
            keys = [*keys[1:], draw(st.sampled_from(["IPIPMode", "mtuu", "name"]))]
        return {
            key: draw(instances(schema, node["properties"][key]) if key in node["properties"] else JUNK) for key in keys
        }
    if "items" in node:
        return draw(st.lists(instances(schema, node["items"]), max_size=2))
    if isinstance(node.get("additionalProperties"), dict):
        return draw(st.dictionaries(st.text(max_size=3), instances(schema, node["additionalProperties"]), max_size=2))
    if "enum" in node:
        return draw(st.sampled_from(node["enum"]))
    simple = {"string": "text", "boolean": True, "integer": 7, "number": 0.5}
    return simple.get((node.get("type") or ["null"])[0]) if draw(st.booleans()) else draw(JUNK)


@given(data=st.data(), which=st.sampled_from(SCHEMAS))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_random_documents_are_judged_as_by_jsonschema(data: st.DataObject, which: tuple[str, str]) -> None:
    kind, api = which
    schema = load(kind, api)
    document = data.draw(instances(schema, schema.raw))
    minor = data.draw(st.integers(OLDEST[api], NEWEST_MINOR))
    wanted = expected(kind, api, minor, document)
    assert actual(kind, api, minor, document, minor, minor) == wanted
    assert actual(kind, api, minor, document, OLDEST[api], NEWEST_MINOR) == wanted


@given(data=st.data(), which=st.sampled_from(SCHEMAS))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_between_its_bounds_nothing_written_is_of_another_release(data: st.DataObject, which: tuple[str, str]) -> None:
    schema = load(*which)
    document = data.draw(instances(schema, schema.raw))
    since, until, _ = schema.validate(document, NEVER, ALWAYS)
    for minor in range(max(since, OLDEST[which[1]]), min(until, NEWEST_MINOR) + 1):
        errors = schema.validate(document, minor, minor)[2]
        assert not [error for error in errors if error.keyword == "x-kops-since" and error.holds(minor)]


@needs_shared
def test_real_specs_are_judged_as_by_jsonschema() -> None:
    compared = 0
    for path in sorted((SHARED / "corpus" / "specs").iterdir())[::20]:
        for document in Source(path.name, path.read_bytes()).documents:
            kind, api = document.kind, (document.api_version or "").partition("/")[2]
            if kind not in KINDS or api not in API_VERSIONS:
                continue
            for minor in (OLDEST[api], 26, NEWEST_MINOR):
                found = actual(kind, api, minor, document.data, minor, minor)
                assert found == expected(kind, api, minor, document.data), path.name
                compared += 1
    assert compared > 300


# --- the pieces -----------------------------------------------------------------------------------------


def verdict(node: dict[str, Any], data: Any, first: int = 30, last: int = 30) -> tuple[int, int, list[tuple[Any, ...]]]:
    since, until, errors = Schema(node).validate(data, first, last)
    return since, until, [(*error.path, error.keyword) for error in errors]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("string", ["x", "", None], [1, 1.5, True, [], {}]),
        ("boolean", [True, False, None], ["true", 0, 1, []]),
        ("int32", [0, -(2**31), 2**31 - 1, 3.0, None], ["3", 3.5, 2**31, True, 1e21]),
        ("int64", [2**63 - 1, None], [2**63, "1"]),
        ("uint8", [0, 255, None], [-1, 256]),
        ("uint32", [0, 2**32 - 1], [-1, 2**32]),
        ("int16", [-32768, 32767], [32768]),
        ("number", [1, 0.5, None], ["0.5", True]),
        ("duration", ["0", "90s", "1h30m", "-1.5h", "1µs", None], ["", "90", "1 h", "1d", 90, True]),
        ("quantity", ["100m", "2Gi", "1.5", "1e3", "-1", " 1 ", 2, 0.5, None], ["", "1 Gi", "100mm", "abc", True]),
        ("intOrString", [1, 3.0, "10%", "", None], [0.5, True, [], 2**31]),
        ("any", [1, "x", [], {"a": 1}, None], []),
    ],
)
def test_scalars_are_taken_as_go_takes_them(name: str, good: list[Any], bad: list[Any]) -> None:
    node = {"$defs": load("Cluster", "v1alpha2").raw["$defs"], "properties": {"x": {"$ref": f"#/$defs/{name}"}}}
    node["type"] = "object"
    schema = Schema(node)
    for _ in range(2):  # the second time what is right is known
        for value in good:
            assert not schema.validate({"x": value}, 30, 30)[2], value
        for value in bad:
            assert schema.validate({"x": value}, 30, 30)[2], value


def test_a_field_of_other_releases_says_so_and_narrows_the_bounds() -> None:
    node = {"type": "object", "properties": {"x": {"type": "string", "x-kops-since": 19, "x-kops-until": 25}}}
    assert verdict(node, {"x": "a"}, 20, 24) == (19, 25, [])
    assert verdict(node, {"x": "a"}, 18, 30) == (19, 25, [("x", "x-kops-since")])
    assert verdict(node, {"x": "a"}, NEVER, ALWAYS) == (19, 25, [])
    (error,) = Schema(node).validate({"x": "a"}, 18, 30)[2]
    assert [minor for minor in range(16, 30) if error.holds(minor)] == [16, 17, 18, 26, 27, 28, 29]


def test_what_is_wrong_below_a_field_holds_only_where_the_field_exists() -> None:
    inner = {"type": "object", "properties": {"y": {"type": "string"}}, "x-kops-since": 19}
    (release, error) = Schema({"type": "object", "properties": {"x": inner}}).validate({"x": {"y": 1}}, 17, 30)[2]
    assert (release.path, release.holds(18), release.holds(19)) == (("x",), True, False)
    assert (error.path, error.holds(18), error.holds(19)) == (("x", "y"), False, True)


def test_each_meaning_judges_for_its_own_releases() -> None:
    node = {
        "anyOf": [
            {"type": ["string", "null"], "x-kops-until": 18},
            {"enum": ["a", "b", None], "x-kops-since": 19, "x-kops-until": 25},
            {"enum": ["a", "c", None], "x-kops-since": 26},
        ]
    }
    schema = Schema({"type": "object", "properties": {"x": node}})

    def objecting(value: Any) -> list[int]:
        errors = schema.validate({"x": value}, 8, 36)[2]
        return [minor for minor in (18, 19, 25, 26) if any(error.holds(minor) for error in errors)]

    for _ in range(2):
        assert objecting("a") == []
        assert objecting("b") == [26]
        assert objecting("c") == [19, 25]
        assert objecting("d") == [19, 25, 26]
        assert objecting(1) == [18, 19, 25, 26]
    bounds = {value: schema.validate({"x": value}, NEVER, ALWAYS)[:2] for value in ("a", "b", "c", "d")}
    # Right, wrong, and right again: the newest run of releases counts.
    assert bounds == {"a": (ALWAYS, NEVER), "b": (ALWAYS, 25), "c": (26, NEVER), "d": (ALWAYS, 18)}


@pytest.mark.parametrize(
    "node",
    [
        {"type": "string", "format": "uri"},
        {"$ref": "#/$defs/x", "minimum": 1, "$defs": {"x": {}}},
        {"enum": [1]},
        {"oneOf": []},
    ],
)
def test_a_keyword_that_is_not_understood_is_refused(node: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"keywords|enum"):
        Schema(node)


def test_it_is_refused_when_it_is_met_not_before() -> None:
    schema = Schema({"type": "object", "properties": {"x": {"format": "uri"}, "y": {"type": "string"}}})
    assert schema.validate({"y": "a"}, 30, 30)[2] == []
    with pytest.raises(ValueError, match="format"):
        schema.validate({"x": "a"}, 30, 30)


def test_unknown_keys_are_refused_only_where_the_schema_is_closed() -> None:
    assert verdict({"type": "object"}, {"x": 1})[2] == []
    assert verdict({"type": "object", "additionalProperties": True}, {"x": 1})[2] == []
    assert verdict({"type": "object", "additionalProperties": False}, {"x": 1})[2] == [("x", "additionalProperties")]
    of_text = {"type": "object", "additionalProperties": {"type": "string"}}
    assert verdict(of_text, {"x": 1, "y": "a"})[2] == [("x", "type")]


def test_many_errors_take_no_more_than_linear_time() -> None:
    node = {"type": "array", "items": {"type": "string"}}
    started = time.process_time()
    assert len(verdict(node, [1] * 100_000)[2]) == 100_000
    assert time.process_time() - started < 5


@pytest.mark.parametrize(("kind", "api"), SCHEMAS)
def test_lookups(kind: str, api: str) -> None:
    schema = load(kind, api)
    paths = [path for path in schema.named("name") if path[0] == "metadata"]
    assert paths == [("metadata", "name")]
    for path in schema.named("kubelet"):
        assert schema.find(path) is not None
    assert schema.find(("spec", "nosuch")) is None
    assert schema.find(("spec", "kubelet", "nodeLabels" if api == "v1alpha2" else "maxPods")) is not None
    assert schema.types(("spec",)) == {"object"}
    assert schema.types(("spec", "nosuch")) == set()


# --- the files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "api"), SCHEMAS)
def test_the_schemas_are_valid_and_compile_as_a_whole(kind: str, api: str) -> None:
    schema = load(kind, api)
    Draft202012Validator.check_schema(schema.raw)

    def visit(node: dict[str, Any]) -> None:
        assert node.keys() <= KEYWORDS
        for child in (*node.get("properties", {}).values(), *node.get("anyOf", ()), node.get("items")):
            if child is not None:
                visit(child)
        if isinstance(node.get("additionalProperties"), dict):
            visit(node["additionalProperties"])

    for definition in schema.raw["$defs"].values():
        visit(definition)
    visit(schema.raw)


@pytest.mark.parametrize("minor", range(OLDEST_MINOR, NEWEST_MINOR + 1))
@pytest.mark.parametrize(("kind", "api"), SCHEMAS)
def test_plain_schema_is_one_release_without_annotations(kind: str, api: str, minor: int) -> None:
    if minor < OLDEST[api]:
        with pytest.raises(ValueError, match=r"begins with kOps 1\.23"):
            plain_schema(kind, api, minor)
        return
    plain = plain_schema(kind, api, minor)
    text = json.dumps(plain)
    assert "x-kops" not in text
    assert "anyOf" not in text
    assert set(plain["$defs"]) >= {"metadata", "spec", "string"}
    if minor in (OLDEST[api], NEWEST_MINOR):
        Draft202012Validator.check_schema(plain)


def test_plain_schema_has_the_fields_and_values_of_its_release() -> None:
    def calico(minor: int) -> dict[str, Any]:
        found: dict[str, Any] = plain_schema("Cluster", "v1alpha2", minor)["$defs"]["networking.calico"]["properties"]
        return found

    assert "vxlanMode" not in calico(21)
    assert "vxlanMode" in calico(22)
    assert "none" not in calico(22)["encapsulationMode"]["enum"]
    assert "none" in calico(23)["encapsulationMode"]["enum"]


def test_the_schema_files_stand_where_they_are_looked_for() -> None:
    assert schema_path("cluster-v1alpha2.json") == str(ROOT / "schemas" / "cluster-v1alpha2.json")


def test_a_clean_document_imports_nothing_slow() -> None:
    code = (
        "import sys\n"
        "from calico_lint.rules.fields import check_fields, field_bounds\n"
        "from calico_lint.kops.releases import parse_release\n"
        "from calico_lint.yaml_source import Source\n"
        "text = b'apiVersion: kops.k8s.io/v1alpha2\\nkind: Cluster\\nmetadata: {name: a}\\nspec: {channel: x}'\n"
        "document = Source('x', text).documents[0]\n"
        "assert field_bounds(document) == (15, None)\n"
        "assert not list(check_fields(document, parse_release('1.30')))\n"
        "print(sorted({'jsonschema', 'dataclasses', 'typing', 'importlib.metadata', 'difflib'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-S", "-c", _SITE + code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


# Without `site`, so that nothing but our own imports counts; the path is handed over instead.
_SITE = f"import sys; sys.path[:0] = {sys.path!r}\n"


@pytest.mark.parametrize("kind", ["Cluster", "InstanceGroup"])
@pytest.mark.parametrize("api", ["v1alpha2", "v1alpha3"])
def test_definitions_read_one_by_one_are_those_of_the_file(kind: str, api: str) -> None:
    whole = json.loads(Path(schema_path(f"{kind.lower()}-{api}.json")).read_text())
    raw = load(kind, api).raw
    assert set(raw["$defs"]) == set(whole["$defs"])
    assert {**raw, "$defs": dict(raw["$defs"].items())} == whole
