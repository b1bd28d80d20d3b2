"""The JSON Schemas of `schemas/`, compiled to closures: plain data in, errors with paths out.

A schema describes a kind over all kOps releases: `x-kops-since` and `x-kops-until` (minors) say in which ones
a field, or one of the `anyOf` meanings of a field, exists. One walk of a document answers two questions: what
is wrong with it, and for which releases; and between which releases everything written in it exists.

Compiling is lazy: a document pays for the keys that it has. Everything outside the subset of JSON Schema used
here is refused when it is met. jsonschema is the oracle in the tests, never imported here.
"""

from __future__ import annotations

import os.path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from calico_lint.yaml_source import Path, Value

    Raw: TypeAlias = dict[str, Any]  # a schema as JSON has it
    Bounds: TypeAlias = tuple[int, int]  # first and last minor
    # What is known while walking: [since, until] of everything met so far, [first, last] release asked for.
    Seen: TypeAlias = list[int]
    Check: TypeAlias = Callable[[Value, Seen], list["SchemaError"] | None]
    # A value of exactly this class is right; any other is for the check to decide.
    Compiled: TypeAlias = tuple[type | None, Check]

ALWAYS, NEVER = 0, 99
KINDS = ("Cluster", "InstanceGroup")
API_VERSIONS = ("v1alpha2", "v1alpha3")

_NOTES = {"$schema", "$defs", "title", "description", "x-kops-since", "x-kops-until", "x-kops-moved-to"}
_SCALAR = {"type", "enum", "pattern", "minimum", "maximum"}
KEYWORDS = _NOTES | _SCALAR | {"$ref", "anyOf", "properties", "additionalProperties", "required", "items"}
_NONE = type(None)
_CLASSES: dict[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float), "null": (_NONE,),
    "array": (list,), "object": (dict,),
}  # fmt: skip


class SchemaError:
    """One thing that the schema objects to.

    `keyword` is the JSON Schema keyword, or `x-kops-since` for a field that exists, but not in every release
    asked for; `schema` the part that objects. `path` ends with the key in question, also for an unknown
    (`additionalProperties`) or missing (`required`) one.
    """

    __slots__ = ("exists", "keyword", "path", "schema", "within")

    def __init__(self, path: Path, keyword: str, schema: Raw, exists: Bounds | None = None) -> None:
        self.path = path
        self.keyword = keyword
        self.schema = schema
        self.exists = exists
        self.within: Bounds = (ALWAYS, NEVER)

    def holds(self, minor: int) -> bool:
        """Whether kOps 1.`minor` has this error: its parent exists there, and it does not itself."""
        if not self.within[0] <= minor <= self.within[1]:
            return False
        return self.exists is None or not self.exists[0] <= minor <= self.exists[1]

    def below(self, step: str | int | None, bounds: Bounds | None) -> None:
        """Put the error one level down: below a key, below what exists only within bounds."""
        if step is not None:
            self.path = (step, *self.path)
        if bounds is not None:
            self.within = (max(self.within[0], bounds[0]), min(self.within[1], bounds[1]))

    def __repr__(self) -> str:
        return f"SchemaError({self.path}, {self.keyword})"


class Schema:
    """A compiled schema. `raw` is the JSON it was made from. Raises ValueError where that uses other keywords."""

    __slots__ = ("_by_name", "_compiled", "_root", "raw")

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self._by_name: dict[str, list[tuple[Path, Raw]]] | None = None
        self._compiled: dict[str, Compiled] = {}
        self._root = self._compile(raw)[1]

    def validate(self, data: Value, first: int, last: int) -> tuple[int, int, list[SchemaError]]:
        """Since, until of everything written in `data`, and the errors of the minors `first` to `last`.

        Errors tell for which of these they hold. Without releases (first > last) only the bounds count.
        """
        seen = [*_bounds(self.raw), first, last]
        errors = self._root(data, seen)
        return seen[0], seen[1], errors or []

    # --- compiling --------------------------------------------------------------------------------------

    def _compile(self, node: Raw) -> Compiled:
        unknown = node.keys() - KEYWORDS
        if unknown:
            raise ValueError(f"keywords that this validator does not know: {', '.join(sorted(unknown))}")
        if "$ref" in node:
            return self._reference(node)
        if "anyOf" in node:
            return None, self._meanings(node)
        types = _types(node)
        if "object" in types:
            return _NONE if "null" in types else None, self._object(node)
        if "array" in types:
            return _NONE if "null" in types else None, self._array(node)
        return _scalar(node, types)

    def _reference(self, node: Raw) -> Compiled:
        if node.keys() - _NOTES != {"$ref"}:
            raise ValueError(f"keywords beside a $ref: {', '.join(sorted(node))}")
        name = node["$ref"]
        if name not in self._compiled:
            self._compiled[name] = self._compile(self.resolve(node))
        return self._compiled[name]

    def _object(self, node: Raw) -> Check:
        properties = node.get("properties", {})
        extra = node.get("additionalProperties", True)
        required = node.get("required", ())
        known: dict[str, tuple[type | None, Check, Bounds | None]] = {}
        nullable = "null" in _types(node)
        compile_property = self._property
        others: tuple[type | None, Check, Bounds | None] | None = None

        def check(value: Value, seen: Seen) -> list[SchemaError] | None:
            nonlocal others
            if value.__class__ is not dict:
                return None if value is None and nullable else [SchemaError((), "type", node)]
            errors: list[SchemaError] | None = None
            for key, item in value.items():
                field = known.get(key)
                if field is None:
                    if key in properties:
                        field = known[key] = compile_property(properties[key])
                    else:
                        field = others = others or compile_property(extra, node)
                expected, inner, bounds = field
                found = None
                if bounds is not None:
                    since, until = bounds
                    if since > seen[0]:
                        seen[0] = since
                    if until < seen[1]:
                        seen[1] = until
                    if (since > seen[2] or until < seen[3]) and seen[2] <= seen[3]:
                        found = [SchemaError((), "x-kops-since", properties.get(key, node), bounds)]
                if item.__class__ is not expected:
                    wrong = inner(item, seen)
                    if wrong:
                        for error in wrong:
                            error.below(None, bounds)
                        found = found + wrong if found else wrong
                if found:
                    for error in found:
                        error.below(key, None)
                    if errors is None:
                        errors = found
                    else:
                        errors += found
            for key in required:
                if key not in value:
                    errors = errors or []
                    errors.append(SchemaError((key,), "required", node))
            return errors

        return check

    def _property(self, node: Raw | bool, parent: Raw | None = None) -> tuple[type | None, Check, Bounds | None]:
        if node is True:
            return None, _accept, None
        if isinstance(node, bool):
            assert parent is not None
            return None, _refuse(parent), None
        bounds = _bounds(node)
        return *self._compile(node), None if bounds == (ALWAYS, NEVER) else bounds

    def _array(self, node: Raw) -> Check:
        nullable = "null" in _types(node)
        compiled: Compiled | None = None

        def check(value: Value, seen: Seen) -> list[SchemaError] | None:
            nonlocal compiled
            if value.__class__ is not list:
                return None if value is None and nullable else [SchemaError((), "type", node)]
            if compiled is None:
                compiled = self._compile(node.get("items", {}))
            expected, inner = compiled
            errors: list[SchemaError] | None = None
            for index, item in enumerate(value):
                if item.__class__ is expected:
                    continue
                found = inner(item, seen)
                if found:
                    for error in found:
                        error.below(index, None)
                    if errors is None:
                        errors = found
                    else:
                        errors += found
            return errors

        return check

    def _meanings(self, node: Raw) -> Check:
        """`anyOf`: what a field meant in some releases, and in others. Each judges for its own releases."""
        meanings = [(self._compile(meaning)[1], _bounds(meaning)) for meaning in node["anyOf"]]
        right: set[str] = set()  # text that is right in every release

        def check(value: Value, seen: Seen) -> list[SchemaError] | None:
            if value.__class__ is str and value in right:
                return None
            errors: list[SchemaError] = []
            # Where the value was right, wrong, and right again, the newest unbroken run counts.
            since, until, unbroken, refused = NEVER, ALWAYS, False, False
            for inner, bounds in meanings:
                wrong = inner(value, seen)
                if not wrong:
                    since, until, unbroken = since if unbroken else bounds[0], bounds[1], True
                    continue
                refused, unbroken = True, False
                if bounds[0] <= seen[3] and bounds[1] >= seen[2]:
                    for error in wrong:
                        error.below(None, bounds)
                    errors += wrong
            if since <= until:
                seen[0], seen[1] = max(seen[0], since), min(seen[1], until)
            if value.__class__ is str and not refused:
                right.add(value)
            return errors

        return check

    # --- looking things up, for messages ----------------------------------------------------------------

    def resolve(self, node: Raw) -> Raw:
        """The node that a `$ref` stands for; the node itself if it is none."""
        reference = node.get("$ref")
        if reference is None:
            return node
        found: Raw = self.raw["$defs"][reference.removeprefix("#/$defs/")]
        return found

    def find(self, path: Path) -> Raw | None:
        """The schema of a path, as written (a reference is not followed); None if there is no such field."""
        node: Any = self.raw
        for step in path:
            found = None
            for meaning in reversed(node.get("anyOf", (node,))):
                below = self.resolve(meaning)
                if isinstance(step, int):
                    found = below.get("items")
                else:
                    found = below.get("properties", {}).get(step, below.get("additionalProperties") or None)
                if found is not None:
                    break
            if found is None:
                return None
            node = found
        return dict(node)

    def types(self, path: Path) -> set[str]:
        """The JSON types that a path takes in its newest release; none if there is no such field."""
        node = self.find(path)
        return set(_types(self.resolve(node.get("anyOf", (node,))[-1]))) if node is not None else set()

    def named(self, key: str) -> list[Path]:
        """The paths of all fields with this name; the step into a list is 0, that into a map `*`."""
        return [path for path, _ in self._fields().get(key, ())]

    def moved_from(self, target: str) -> list[tuple[Path, Raw]]:
        """The fields that moved to `target` (`spec.networking.subnets`), or below it, in the next API version."""
        moved = [
            (node.get("x-kops-moved-to", "").removeprefix("!"), path, node)
            for fields in self._fields().values()
            for path, node in fields
        ]
        exact = [(path, node) for there, path, node in moved if there == target]
        return exact or [(path, node) for there, path, node in moved if there.startswith(f"{target}.")]

    def _fields(self) -> dict[str, list[tuple[Path, Raw]]]:
        if self._by_name is None:
            self._by_name = {}
            for path, node in self._walk(self.raw, ()):
                self._by_name.setdefault(str(path[-1]), []).append((path, node))
        return self._by_name

    def _walk(self, node: Raw, path: Path) -> Iterator[tuple[Path, Raw]]:
        for meaning in node.get("anyOf", (node,)):
            below = self.resolve(meaning)
            for key, child in below.get("properties", {}).items():
                yield (*path, key), child
                yield from self._walk(child, (*path, key))
            for step, keyword in ((0, "items"), ("*", "additionalProperties")):
                if below.get(keyword):
                    yield from self._walk(below[keyword], (*path, step))


def _types(node: Raw) -> tuple[str, ...]:
    types = node.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


def _bounds(node: Raw) -> Bounds:
    return node.get("x-kops-since", ALWAYS), node.get("x-kops-until", NEVER)


def _accept(value: Value, seen: Seen) -> None:
    return None


def _refuse(parent: Raw) -> Check:
    return lambda value, seen: [SchemaError((), "additionalProperties", parent)]


def _scalar(node: Raw, types: tuple[str, ...]) -> Compiled:
    rules = node.keys() & _SCALAR
    if not rules:
        return None, _accept
    classes = tuple(kind for name in types for kind in _CLASSES[name])
    if rules == {"type"} and len(types) <= 2:
        # Nothing to ask of a string or a boolean but that it is one; null comes second, and is rare.
        return classes[0], _type_check(node, classes)
    return None, _full_check(node, classes)


def _type_check(node: Raw, classes: tuple[type, ...]) -> Check:
    integral = int in classes and float not in classes

    def check(value: Value, seen: Seen) -> list[SchemaError] | None:
        if value.__class__ in classes or (integral and value.__class__ is float and value.is_integer()):
            return None
        return [SchemaError((), "type", node)]

    return check


def _full_check(node: Raw, classes: tuple[type, ...]) -> Check:
    is_typed = _type_check(node, classes) if classes else _accept
    values = frozenset(node["enum"]) if "enum" in node else None
    if values is not None and not all(value is None or isinstance(value, str) for value in values):
        raise ValueError("an enum of this validator has text and null only")
    low, high = node.get("minimum"), node.get("maximum")
    pattern = node.get("pattern")
    matches: Any = None
    right: set[str] = set()  # text that has passed: a few words recur in every spec

    def check(value: Value, seen: Seen) -> list[SchemaError] | None:
        nonlocal matches
        if value.__class__ is str and value in right:
            return None
        errors = is_typed(value, seen) or []
        if values is not None and (value.__class__ not in (str, _NONE) or value not in values):
            errors.append(SchemaError((), "enum", node))
        if value.__class__ is int or value.__class__ is float:
            if low is not None and value < low:
                errors.append(SchemaError((), "minimum", node))
            if high is not None and value > high:
                errors.append(SchemaError((), "maximum", node))
        elif pattern is not None and value.__class__ is str:
            if matches is None:
                import re

                matches = re.compile(pattern).search
            if matches(value) is None:
                errors.append(SchemaError((), "pattern", node))
        if value.__class__ is str and not errors:
            right.add(value)
        return errors

    return check


# --- the schemas of the project -------------------------------------------------------------------------

_loaded: dict[tuple[str, str], Schema] = {}


def schema_path(name: str) -> str:
    """Where a schema file is: inside the package (a wheel), or beside it (a checkout, an editable install)."""
    package = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(package, "schemas", name)
    return inside if os.path.exists(inside) else os.path.join(os.path.dirname(package), "schemas", name)


def load(kind: str, api: str) -> Schema:
    """The compiled schema of a kind (`Cluster`, `InstanceGroup`) in an API version; each is loaded once."""
    schema = _loaded.get((kind, api))
    if schema is None:
        with open(schema_path(f"{kind.lower()}-{api}.json"), encoding="utf-8") as file:
            schema = _loaded[kind, api] = Schema(_read(file.read()))
    return schema


def _parse(text: str) -> Any:
    """`json.loads` of text without blanks around it, as `schemas/build.py` writes it.

    By the parser that `json` uses: `json` itself compiles nine patterns when it is loaded, for 1.5 ms of every lint.
    """
    try:
        from _json import make_scanner
    except ImportError:  # pragma: no cover - an interpreter that hides it
        from json import loads

        return loads(text)
    return make_scanner(_JsonDefaults)(text, 0)[0]  # type: ignore[arg-type] # anything with these attributes does


class _JsonDefaults:
    """What `json.loads` sets its parser to."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, None


def _read(text: str) -> Raw:
    """A built file as JSON, its definitions still as text."""
    definitions, _, rest = text.removeprefix('{"$defs":{\n').partition("\n},\n")
    raw: Raw = _parse("{" + rest)
    raw["$defs"] = _Definitions(definitions)
    return raw


class _Definitions(dict):  # type: ignore[type-arg]
    """The `$defs` of a built file: each stands on a line of its own, and is parsed when it is first asked for.

    A spec needs a tenth of them, and parsing all of them takes longer than linting it.
    """

    __slots__ = ("_lines",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self._lines = dict(line[1:].removesuffix(",").split('":', 1) for line in text.split("\n"))

    def __missing__(self, name: str) -> Raw:
        found: Raw = _parse(self._lines[name])
        self[name] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def items(self) -> Any:
        """All of them, parsed."""
        return [(name, self[name]) for name in self._lines]

    def values(self) -> Any:
        """All of them, parsed."""
        return [self[name] for name in self._lines]


def plain_schema(kind: str, api: str, minor: int) -> Raw:
    """The JSON Schema of one kOps release, for editors: its fields and values only, no `x-` keywords.

    Raises ValueError if kOps 1.`minor` does not have this API version.
    """
    raw = load(kind, api).raw
    since, until = _bounds(raw)
    if not since <= minor <= until:
        raise ValueError(f"kOps 1.{minor} does not have {api}: it begins with kOps 1.{since}")
    plain: Raw = _plain(raw, minor)
    plain["title"] = f"{raw['title']}, kOps 1.{minor}"
    definitions = plain.pop("$defs")
    used: set[str] = set()
    pending = list(_references(plain))
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            pending += _references(definitions[name])
    plain["$defs"] = {name: definitions[name] for name in sorted(used)}
    return plain


def _plain(node: Raw, minor: int) -> Raw:
    if "anyOf" in node:
        node = next(meaning for meaning in node["anyOf"] if _in(meaning, minor))
    plain: Raw = {}
    for keyword, value in node.items():
        if keyword in ("properties", "$defs"):
            plain[keyword] = {name: _plain(child, minor) for name, child in value.items() if _in(child, minor)}
        elif keyword in ("items", "additionalProperties") and isinstance(value, dict):
            plain[keyword] = _plain(value, minor)
        elif not keyword.startswith("x-kops-"):
            plain[keyword] = value
    return plain


def _in(node: Raw, minor: int) -> bool:
    since, until = _bounds(node)
    return since <= minor <= until


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix("#/$defs/")
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
