"""Fields that kOps does not know, or cannot decode (U001-U006): the whole spec, not only its networking.

The schemas say what exists in which release and what Go's decoder takes (`calico_lint.schema`); this module
says it to people. A clean document costs one walk, and imports nothing more.
"""

from __future__ import annotations

from calico_lint.kops.releases import NEWEST_MINOR
from calico_lint.rules.core import Hit, described, finding_of
from calico_lint.schema import ALWAYS, API_VERSIONS, KINDS, NEVER, load
from calico_lint.yaml_source import render_path, resolve_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.finding import Finding, Fix
    from calico_lint.kops.releases import Releases, Version
    from calico_lint.rules.core import Rule
    from calico_lint.schema import Raw, Schema, SchemaError
    from calico_lint.yaml_source import Document, Node, Path, Value

# Before kOps 1.11 its JSON decoder did not look at the case of keys (docs/releases/1.11-NOTES.md@release-1.12).
_CASE_SENSITIVE_SINCE = 11
# How much two names have in common (difflib's ratio) for one to be a misspelling of the other; and by how much the
# next name has to stand back for the first to be the only candidate.
_CLOSE, _MARGIN = 0.75, 0.08

_UNKNOWN = described(
    "U001",
    "unknown-field",
    severity="error",
    origin="schema",
    fix="safe",
    text="""kOps does not know this field, in no release considered.

    `kops create -f` and `kops replace -f` decode without a check for unknown fields: the line is dropped
    without a word, and the cluster comes up as if it had never been written. Only `kops edit` objects. A
    misspelt Calico option so looks as if it were in force, while the default is.

    The field may be misspelt (case counts since kOps 1.11), stand at the wrong place, belong to the other API
    version, or come with a newer kOps than this one.

    Bad (kOps 1.30.4):
        networking:
          calico:
            typhaReplica: 3
    Good (kOps 1.30.4):
        networking:
          calico:
            typhaReplicas: 3
    Bad (kOps 1.21.5):
        networking:
          calico:
            vxlanMode: Always
            encapsulationMode: vxlan
    Fix: correct the key as suggested, or delete it.
    Source: cmd/kops/create.go@release-1.36:127, replace.go:110 (kopscodecs.Decode is not strict);
        pkg/edit/edit.go (UnmarshalStrict); the structs in pkg/apis/kops/v1alpha2 and v1alpha3 of each release.
    """,
)

_UNKNOWN_IN_SOME = described(
    "U002",
    "field-not-in-every-release",
    severity="warning",
    origin="schema",
    text="""Only some of the kOps releases considered know this field.

    No kOps release was named, so all releases that could apply this spec were considered; or the field comes
    with a release that is still in the making. A kOps that does not know the field drops it without a word:
    whether it is in force depends on whose machine runs `kops replace -f`.

    For example `vxlanMode` exists from kOps 1.22: with Kubernetes 1.21, kOps 1.21 may be meant as well. And
    keys in the wrong case, such as `MTU`, were read up to kOps 1.10 and are dropped from 1.11 on.

    Fix: name the release with `--kops-version` or in the settings; use a release that has the field.
    Source: the structs in pkg/apis/kops/v1alpha2 and v1alpha3 of kOps 1.8 to 1.36.
    """,
)

_TYPE = described(
    "U003",
    "wrong-type",
    severity="error",
    origin="schema",
    fix="safe",
    text="""The value has a type that kOps cannot decode.

    kOps turns the YAML into JSON and decodes that into Go structs: a number where Go has text, text where it
    has a number, or a single value where it has a list stops `kops create -f` and `kops replace -f` with
    "cannot unmarshal". Quotes decide: `"1440"` is text, and a version like 1.20 without quotes is the number 1.2.

    Null is accepted everywhere and means "not set". A number without a fraction may be written as 3.0.

    Bad (kOps 1.30.4):
        networking:
          calico:
            typhaReplicas: "3"
    Good (kOps 1.30.4):
        networking:
          calico:
            typhaReplicas: 3
    Fix: write the value as the message says, usually with or without quotes.
    Source: k8s.io/apimachinery runtime/serializer/json (YAMLToJSON without a target type, so numbers stay
        numbers), as pkg/kopscodecs/codecs.go@release-1.36 calls it.
    """,
)

_FORMAT = described(
    "U004",
    "wrong-format",
    severity="error",
    origin="schema",
    text="""The value has the right type, but kOps cannot decode it.

    Durations need a unit (`90s`, `1h30m`), quantities are numbers with a suffix of Kubernetes (`100m`, `2Gi`),
    and a number must fit its Go type. kOps stops while it decodes the spec.

    Bad (kOps 1.30.4):
        networking:
          calico:
            cpuRequest: 100 millicores
    Good (kOps 1.30.4):
        networking:
          calico:
            cpuRequest: 100m
    Fix: write the value in the format that the message shows.
    Source: time.ParseDuration (metav1.Duration), resource.ParseQuantity, encoding/json (integer ranges).
    """,
)

_ENUM = described(
    "U005",
    "wrong-value",
    severity="error",
    origin="schema",
    fix="safe",
    text="""kOps accepts only certain words here, spelt exactly like this, and this is none of them.

    The spec decodes, but its validation refuses it, whatever else stands in it. Only fields that kOps checks
    in every situation are checked here, each in the releases that do.

    Bad (kOps 1.30.4):
        topology:
          dns:
            type: public
    Good (kOps 1.30.4):
        topology:
          dns:
            type: Public
    Fix: use one of the words that the message lists.
    Source: pkg/apis/kops/validation and pkg/apis/kops/v1alpha2/conversion.go of each release.
    """,
)

_MISSING = described(
    "U006",
    "missing-field",
    severity="error",
    origin="schema",
    text="""Something is missing without which kOps never accepts the document.

    kOps stores an object under `metadata.name` and refuses it without one; without `spec` there is nothing to
    apply.

    Fix: write the field.
    Source: pkg/apis/kops/validation/legacy.go ("Cluster Name is required").
    """,
)

RULES: list[Rule] = [_UNKNOWN, _UNKNOWN_IN_SOME, _TYPE, _FORMAT, _ENUM, _MISSING]

_RULE_OF = {
    "additionalProperties": _UNKNOWN, "x-kops-since": _UNKNOWN, "type": _TYPE, "pattern": _FORMAT,
    "minimum": _FORMAT, "maximum": _FORMAT, "enum": _ENUM, "required": _MISSING,
}  # fmt: skip


def field_bounds(document: Document) -> tuple[int | None, int | None]:
    """The minors (since, until) between which everything written in the document exists; None: no bound.

    Unknown fields do not count, values that only some releases accept do. (None, None) for what is no Cluster
    or InstanceGroup.
    """
    schema = _schema_of(document)
    if schema is None:
        return None, None
    since, until, _ = schema.validate(document.data, NEVER, ALWAYS)
    # What is still in the making counts as the newest release.
    return min(since, NEWEST_MINOR) if since > ALWAYS else None, until if until < NEVER else None


def check_fields(document: Document, releases: Releases) -> Iterator[Finding]:
    """U001 to U006 for a Cluster or InstanceGroup; nothing for other kinds and API versions."""
    schema = _schema_of(document)
    if schema is None:
        return
    candidates = releases.candidates
    errors = schema.validate(document.data, candidates[0].minor, candidates[-1].minor)[2]
    if not errors:
        return
    api_since = schema.raw.get("x-kops-since", ALWAYS)
    merged: dict[tuple[Path, str], tuple[SchemaError, list[Version]]] = {}
    for error in errors:
        objecting = _objecting(error, candidates)
        if error.path != ("apiVersion",):  # a release without the API version objects to that alone
            objecting = [release for release in objecting if release.minor >= api_since]
        if not objecting or (error.keyword == "enum" and not isinstance(_value(document.data, error.path), str)):
            continue  # a number is no word of a list, but that is a matter of its type
        # The newest meaning of a field speaks for the older ones.
        merged[error.path, _RULE_OF[error.keyword].id] = (
            error,
            [*merged.get((error.path, _RULE_OF[error.keyword].id), (error, []))[1], *objecting],
        )
    for error, objecting in merged.values():
        yield _finding(document, schema, error, sorted(set(objecting)), releases)


def _schema_of(document: Document) -> Schema | None:
    group, _, api = (document.api_version or "").partition("/")
    if group not in ("kops.k8s.io", "kops") or api not in API_VERSIONS or document.kind not in KINDS:
        return None
    return load(document.kind, api)


def _objecting(error: SchemaError, candidates: tuple[Version, ...]) -> list[Version]:
    releases = [release for release in candidates if error.holds(release.minor)]
    if releases and error.keyword == "additionalProperties" and releases[0].minor < _CASE_SENSITIVE_SINCE:
        key = error.path[-1]
        if _same_but_case(str(key), error.schema) is not None:
            return [release for release in releases if release.minor >= _CASE_SENSITIVE_SINCE]
    return releases


def _finding(
    document: Document, schema: Schema, error: SchemaError, objecting: list[Version], releases: Releases
) -> Finding:
    rule = _RULE_OF[error.keyword]
    node = document.root.get(*error.path)
    if node is None:
        parent = document.root.get(*error.path[:-1]) or document.root
        hit = Hit(parent, _missing(error.path), missing=str(error.path[-1]))
        finding = finding_of(rule, hit, objecting, releases)
        finding.field = render_path(document.prefix + error.path)
        return finding
    if rule is _TYPE and node.value is None:  # refused only where the field may not be missing either
        return finding_of(_MISSING, Hit(node, _missing(error.path), on_key=True), objecting, releases)
    if rule is _UNKNOWN:
        if len(objecting) < len(releases.candidates) or _is_to_come(error):
            rule = _UNKNOWN_IN_SOME
        message, fix = _unknown(node, schema, error), _unknown_fix(node, schema, error, releases)
        return finding_of(rule, Hit(node, message, on_key=True, fix=fix), objecting, releases)
    message = {_TYPE: _wrong_type, _FORMAT: _wrong_format, _ENUM: _wrong_value}[rule](node, error)
    return finding_of(rule, Hit(node, message, fix=_value_fix(node, error)), objecting, releases)


def _is_to_come(error: SchemaError) -> bool:
    """Whether the field comes with a kOps that is not released yet: it may well be the one that is used."""
    return error.exists is not None and error.exists[0] > NEWEST_MINOR


# --- what to say of an unknown field --------------------------------------------------------------------


def _unknown(node: Node, schema: Schema, error: SchemaError) -> str:
    key = str(error.path[-1])
    if error.exists is not None:
        text = f"`{key}` exists only {_lifetime(error.exists)}, other releases drop it without a word"
        moved = error.schema.get("x-kops-moved-to")
        return f"{text}: {_moved(moved)}" if moved else f"{text}: remove it, or use a kOps that has it"
    known = error.schema.get("properties", {})
    same = _same_but_case(key, error.schema)
    if same is not None:
        return (
            f"`{key}` is spelt `{same}`{_note(known[same])}: kOps keys are case-sensitive since 1.11, "
            "and what it does not know it drops without a word"
        )
    text = f"kOps knows no `{key}` here and drops it without a word"
    advice = _other_api(node, schema) or _other_kind(node) or _close(key, known) or _elsewhere(error.path, schema)
    if advice is None:
        names = ", ".join(f"`{name}`" for name in sorted(known))
        advice = f"remove it; known here: {names}" if len(known) <= 8 and names else "remove it"
    return f"{text}: {advice}"


def _lifetime(exists: tuple[int, int]) -> str:
    since, until = exists
    if since == until:
        return f"in kOps 1.{since}"
    if until == NEVER:
        return f"from kOps 1.{since}"
    return f"until kOps 1.{until}" if since == ALWAYS else f"from kOps 1.{since} to 1.{until}"


def _note(node: Raw) -> str:
    exists = node.get("x-kops-since", ALWAYS), node.get("x-kops-until", NEVER)
    return "" if exists == (ALWAYS, NEVER) else f" ({_lifetime(exists)})"


def _same_but_case(key: str, parent: Raw) -> str | None:
    lower = key.lower()
    return next((name for name in parent.get("properties", {}) if name.lower() == lower), None)


def _moved(target: str) -> str:
    return f"v1alpha3 has it as `{target.removeprefix('!')}`{_opposite(target)}"


def _opposite(target: str) -> str:
    return ", and means the opposite" if target.startswith("!") else ""


def _other_api(node: Node, schema: Schema) -> str | None:
    """The field in the other API version: where this one has it instead."""
    document = node.document
    api = str(document.api_version).partition("/")[2]
    other = next(version for version in API_VERSIONS if version != api)
    there = load(str(document.kind), other).find(node.path)
    if api == "v1alpha2":
        origins = schema.moved_from(_generic(node.path))
        if origins:
            names = ", ".join(f"`{_generic(path)}`" for path, _ in origins[:8])
            return f"this is v1alpha3; v1alpha2 has it as {names}{_opposite(origins[0][1]['x-kops-moved-to'])}"
    if there is None:
        return None
    moved = there.get("x-kops-moved-to")
    if moved and api == "v1alpha3":
        return f"this is v1alpha2; {_moved(moved)}"
    return f"this is {other}; {api} has no such field: remove it"


def _generic(path: Path) -> str:
    """`spec.subnets[].cidr`: a path without its indices."""
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _close(key: str, known: Raw) -> str | None:
    from difflib import get_close_matches

    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(key.lower(), by_lower, n=1, cutoff=_CLOSE)
    return f"did you mean `{by_lower[found[0]]}`{_note(known[by_lower[found[0]]])}?" if found else None


def _elsewhere(path: Path, schema: Schema) -> str | None:
    """A place of the spec that has a field of this name: the nearest one, if it is near or the only one."""
    written = tuple(0 if isinstance(step, int) else step for step in path)
    places = [(_shared(written, place), -len(place), place) for place in schema.named(str(path[-1]))]
    if not places:
        return None
    shared, _, place = max(places)
    if shared < 2 and len(places) > 1:
        return None
    target = render_path((*path[:shared], *place[shared:]))
    return f"it belongs at `{target}`" if shared > 1 else f"kOps has it at `{target}`"


def _shared(left: Path, right: Path) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _other_kind(node: Node) -> str | None:
    kind, api = str(node.document.kind), str(node.document.api_version).partition("/")[2]
    other = next(name for name in KINDS if name != kind)
    return f"it is a field of the {other}" if load(other, api).find(node.path) is not None else None


# --- fixes ----------------------------------------------------------------------------------------------


def _unknown_fix(node: Node, schema: Schema, error: SchemaError, releases: Releases) -> Fix | None:
    """Another name where only one is near, every release considered has it, and the value fits; never safe:
    what kOps has dropped so far would come into force. What no later release reads can go.
    """
    from calico_lint import fix

    first, last = releases.candidates[0].minor, releases.candidates[-1].minor
    if error.exists is not None:
        return fix.remove_key(node, safe=True) if error.exists[1] < first else None
    key, known = str(node.key), error.schema.get("properties", {})
    name = _same_but_case(key, error.schema) or _beside_in_other_api(node, schema) or _only_close(key, known)
    field = known.get(name)
    if name is None or field is None:
        return None
    exists = field.get("x-kops-since", ALWAYS) <= first and last <= field.get("x-kops-until", NEVER)
    fits = _fits(node.value, schema.types((*node.path[:-1], name)))
    return fix.rename_key(node, name, safe=False) if exists and fits else None


def _beside_in_other_api(node: Node, schema: Schema) -> str | None:
    """How this API version calls a field that the other one has at the same place under another name."""
    parent = _generic(node.path[:-1])
    if str(node.document.api_version).endswith("/v1alpha2"):
        origins = schema.moved_from(_generic(node.path))
        places = [_generic(path) for path, field in origins if not field["x-kops-moved-to"].startswith("!")]
    else:
        there = load(str(node.document.kind), "v1alpha2").find(node.path)
        places = [str(there["x-kops-moved-to"])] if there is not None and "x-kops-moved-to" in there else []
    names = [place.rpartition(".")[2] for place in places if place.rpartition(".")[0] == parent]
    return names[0] if len(names) == 1 else None


def _only_close(key: str, known: Raw) -> str | None:
    """The one name that is near to a misspelt key, if the next one is far."""
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(b=key.lower())
    ratios = []
    for name in known:
        matcher.set_seq1(name.lower())
        if matcher.real_quick_ratio() >= _CLOSE and matcher.quick_ratio() >= _CLOSE:
            ratios.append((matcher.ratio(), name))
    ratios.sort(reverse=True)
    if not ratios or ratios[0][0] < _CLOSE or (len(ratios) > 1 and ratios[1][0] > ratios[0][0] - _MARGIN):
        return None
    return ratios[0][1]


def _fits(value: Value, types: set[str]) -> bool:
    """Whether Go could decode the value, as far as its type tells."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return value is None or not types or names[type(value)] in types or (type(value) is int and "number" in types)


def _value_fix(node: Node, error: SchemaError) -> Fix | None:
    """The same in the way that kOps can read: text in quotes, numbers and booleans without, words in their case."""
    from calico_lint import fix

    value = node.value
    if error.keyword == "enum":
        words = [word for word in error.schema["enum"] if word]
        if node.path == ("apiVersion",):  # another name of the group, the same version of it
            same = [word for word in words if word.rpartition("/")[2] == str(value).rpartition("/")[2]]
        else:
            same = [word for word in words if word.lower() == str(value).lower()]
        return fix.set_value(node, same[0], safe=True) if len(same) == 1 else None
    types = error.schema.get("type", ()) if error.keyword == "type" else ()
    if isinstance(value, bool | int | float) and "string" in types:
        return fix.set_value(node, node.document.source.text[slice(*node.span)], safe=True)
    if isinstance(value, str):
        plain = resolve_plain(value)
        if ("boolean" in types and value in ("true", "false")) or ("integer" in types and str(plain) == value != plain):
            return fix.set_value(node, plain, safe=True)
    return None


# --- what to say of a value -----------------------------------------------------------------------------


def _value(data: Value, path: Path) -> Value:
    for step in path:
        data = data[step]
    return data


def _shown(node: Node) -> str:
    """The value as it is written, short enough for a message."""
    text = node.document.source.text[slice(*node.span)].partition("\n")[0]
    return text if len(text) <= 60 else f"{text[:57]}..."


_TYPE_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}


def _wrong_type(node: Node, error: SchemaError) -> str:
    key, value = node.field.rpartition(".")[2], node.value
    subject = key if isinstance(value, dict | list) or value == "" else _shown(node)
    actual = _TYPE_NAMES.get(type(value), "null")
    expected = error.schema["description"]
    return f"`{subject}` is {actual}, but kOps takes {expected} for `{key}`{_type_advice(node, error)}"


def _type_advice(node: Node, error: SchemaError) -> str:
    value, types = node.value, error.schema["type"]
    if isinstance(value, bool | int | float) and "string" in types:
        return f': write it in quotes, "{_shown(node)}"'
    if isinstance(value, str):
        if "boolean" in types:
            return ": write true or false, without quotes"
        if "integer" in types or "number" in types:
            return ": remove the quotes" if value.strip("+-").replace(".", "", 1).isdigit() else ""
    if "array" in types and value is not None:
        return ": write a list, with `- ` before each item"
    if "object" in types and isinstance(value, list):
        return ": remove the `- `"
    api = str(node.document.api_version).partition("/")[2]
    other = next(version for version in API_VERSIONS if version != api)
    there = load(str(node.document.kind), other).types(node.path)
    if ("object" if isinstance(value, dict) else "string") in there:
        return f": {other} takes {_TYPE_NAMES[type(value)]} here, but this is {api}"
    return ""


def _wrong_format(node: Node, error: SchemaError) -> str:
    key = node.field.rpartition(".")[2]
    return f"`{_shown(node)}` is not {error.schema['description']}: kOps cannot decode `{key}`"


def _wrong_value(node: Node, error: SchemaError) -> str:
    words = [word for word in error.schema["enum"] if word]
    if node.path == ("apiVersion",):
        return f"this kOps does not read `{node.value}`: write {' or '.join(f'`{word}`' for word in words)}"
    advice = _close_word(str(node.value), words) or f"use {', '.join(f'`{word}`' for word in words)}"
    return f"kOps does not accept `{_shown(node)}` for `{node.field.rpartition('.')[2]}`: {advice}"


def _close_word(value: str, words: list[str]) -> str | None:
    same = [word for word in words if word.lower() == value.lower()]
    return f"it is spelt `{same[0]}`" if same else None


def _missing(path: Path) -> str:
    field = render_path(path)
    if path[-1] == "name":
        return f"`{field}` is missing: kOps stores the object under its name"
    return f"`{field}` is missing: kOps never accepts the document without it"
