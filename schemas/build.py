"""Builds the JSON Schemas of kOps' Cluster and InstanceGroup from the field table `fields.csv`.

    python schemas/build.py            write the four schema files
    python -m schemas.build --check    exit 1 and name the files that differ from the table

The table has one row per field, or one row per meaning of a field that changed over the releases:

* `path`: `a[]` is a list, `a{}` a map with free keys; the row then describes the element.
* `api`: the API version whose struct has the field. `both` is v1alpha2 and v1alpha3; v1alpha3 begins with kOps 1.23.
* `type`: a name of `SCALARS`, or `object`, a struct whose fields are the rows below it.
* `since`, `until`: first and last kOps release with it; empty is 1.8 or before, and still there in the newest.
* `values`: what kOps' validation accepts in these releases, where it refuses everything else whatever the rest
  of the spec says. Go's zero value (missing, null, empty text) always passes here; rules judge it.
* `moved_to`: where v1alpha3 (since kOps 1.26) has it; `!` says that the value means the opposite there.

No column says "required": Go's decoder requires nothing. What kOps never accepts without stands in `ENVELOPE`.
Rows come from the Go structs in `pkg/apis/kops/v1alpha2`, `v1alpha3` of kubernetes/kops, branches release-1.8 to
release-1.36 and master (1.37); values from `pkg/apis/kops/validation` and `v1alpha2/conversion.go` there.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from typing import Any

from calico_lint.generated import settle

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("Cluster", "InstanceGroup")
APIS = {"v1alpha2": 0, "v1alpha3": 23}  # API version -> minor of the first kOps release that has it
NEVER = 99

Node = dict[str, Any]


def _integer(bits: int, *, signed: bool = True) -> Node:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    article = "whole number" if signed else "whole number, not negative,"
    return {"description": f"a {article} of {bits} bits", "maximum": high, "minimum": low, "type": ["integer", "null"]}


_NUMBER = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
# How Go decodes JSON into each type; null leaves the zero value everywhere. encoding/json writes YAML's 3.0 as 3.
SCALARS: dict[str, Node] = {
    "any": {},  # a type of Kubernetes, not of kOps
    "boolean": {"description": "true or false", "type": ["boolean", "null"]},
    "duration": {  # metav1.Duration: time.ParseDuration
        "description": "a duration with a unit, such as 90s or 1h30m",
        "pattern": rf"^[+-]?(0|({_NUMBER}(ns|us|µs|μs|ms|s|m|h))+)$",
        "type": ["string", "null"],
    },
    "int16": _integer(16),
    "int32": _integer(32),
    "int64": _integer(64),
    "intOrString": {
        "description": "a whole number or text such as 10%",
        "maximum": 2**31 - 1,
        "minimum": -(2**31),
        "type": ["integer", "string", "null"],
    },
    "number": {"description": "a number", "type": ["number", "null"]},
    "quantity": {  # resource.Quantity
        "description": "a quantity such as 100m or 2Gi",
        "pattern": rf"^\s*[+-]?{_NUMBER}([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?\s*$",
        "type": ["number", "string", "null"],
    },
    "string": {"description": "text", "type": ["string", "null"]},
    "uint8": _integer(8, signed=False),
    "uint32": _integer(32, signed=False),
}


def _ref(name: str) -> Node:
    return {"$ref": f"#/$defs/{name}"}


_LABELS = {"additionalProperties": _ref("string"), "description": "a map of text", "type": ["object", "null"]}
# metav1.ObjectMeta, over all versions of it that kOps has been built with.
_METADATA: Node = {
    "additionalProperties": False,
    "description": "a mapping",
    "properties": {
        "annotations": _LABELS,
        "labels": _LABELS,
        "name": {"description": "text", "type": "string"},
        **{
            name: _ref("string")
            for name in (
                "clusterName", "creationTimestamp", "deletionTimestamp", "generateName", "namespace",
                "resourceVersion", "selfLink", "uid",
            )
        },
        **{name: _ref("int64") for name in ("deletionGracePeriodSeconds", "generation")},
        **{name: _ref("any") for name in ("finalizers", "initializers", "managedFields", "ownerReferences")},
    },
    # kOps: "Cluster Name is required" (validation/legacy.go), and an object is stored under its name.
    "required": ["name"],
    "type": "object",
}  # fmt: skip


def _envelope(kind: str, api: str) -> Node:
    """The document around `spec`. kOps up to 1.14 knows only the group `kops`; 1.15 and later take both.

    `pkg/apis/kops/register.go`, and `rewriteAPIGroup` in `pkg/kopscodecs/codecs.go`, which knows v1alpha2 only.
    """
    old, new = f"kops/{api}", f"kops.k8s.io/{api}"
    spellings = {
        "v1alpha2": [{"enum": [old], "x-kops-until": 14}, {"enum": [old, new], "x-kops-since": 15}],
        "v1alpha3": [
            {"enum": ["kops/v1alpha2", "kops.k8s.io/v1alpha2"], "x-kops-until": 22},
            {"enum": [new], "x-kops-since": 23},
        ],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "additionalProperties": False,
        "description": "a mapping",
        "properties": {
            "apiVersion": {"anyOf": spellings[api]},
            "kind": {"enum": [kind]},
            "metadata": _ref("metadata"),
            "spec": _ref("spec"),
            "status": _ref("any"),
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "title": f"kOps {kind} {api}",
        "type": "object",
    }


class Field:
    """A field of the table and what stands below it. `meanings` are (since, until, type, values), oldest first."""

    def __init__(self) -> None:
        self.meanings: list[tuple[int, int, str, list[str]]] = []
        self.moved_to = ""
        self.children: dict[str, Field] = {}

    @property
    def bounds(self) -> tuple[int, int]:
        """First and last minor with the field; a list or map exists as long as its elements do."""
        if not self.meanings:
            (element,) = self.children.values()
            return element.bounds
        return min(meaning[0] for meaning in self.meanings), max(meaning[1] for meaning in self.meanings)


class TableError(ValueError):
    """The field table contradicts itself; says in which row."""


def read_table(kind: str, api: str) -> Field:
    """The fields of one kind in one API version, as a tree; raises TableError."""
    root = Field()
    with open(os.path.join(HERE, "fields.csv"), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] != kind or row["api"] not in (api, "both"):
                continue
            field = root
            for step in re.findall(r"\[\]|\{\}|[^.\[\]{}]+", row["path"]):
                field = field.children.setdefault(step, Field())
            since = max(_minor(row["since"]) or 0, APIS[api])
            until = _minor(row["until"]) or NEVER
            if row["type"] != "object" and row["type"] not in SCALARS:
                raise TableError(f"{kind} {row['path']}: there is no type {row['type']!r}")
            if until < APIS[api] and row["api"] == "both":
                continue  # what the field meant before this API version came
            if until < since:
                raise TableError(f"{kind} {row['path']} {api}: ends in 1.{until}, before it begins in 1.{since}")
            if field.meanings and since != field.meanings[-1][1] + 1:
                raise TableError(f"{kind} {row['path']} {api}: 1.{since} does not follow the row before it")
            field.meanings.append((since, until, row["type"], row["values"].split("|") if row["values"] else []))
            field.moved_to = row["moved_to"]
    return root


def _minor(text: str) -> int | None:
    return int(text.removeprefix("1.")) if text else None


class Builder:
    """Renders one schema. Every struct becomes a definition, named after its first path; equal ones are shared."""

    def __init__(self, kind: str, api: str) -> None:
        self.kind = kind
        self.api = api
        self.structs: dict[str, str] = {}  # rendered struct -> its name
        self.definitions: dict[str, Node] = {**SCALARS, "metadata": _METADATA}

    def build(self) -> Node:
        """The whole schema."""
        spec = read_table(self.kind, self.api).children["spec"]
        first = APIS[self.api]
        self._struct(spec, "spec", (first, NEVER))
        # What kOps never accepts empty may not be null either.
        self.definitions["spec"] = {**self.definitions["spec"], "type": "object"}
        schema = _envelope(self.kind, self.api)
        if first:
            schema["x-kops-since"] = first
        schema["$defs"] = self.definitions
        return schema

    def _struct(self, field: Field, path: str, bounds: tuple[int, int]) -> Node:
        struct: Node = {
            "additionalProperties": False,
            "description": "a mapping",
            "properties": {
                name: self._property(child, f"{path}.{name}", bounds) for name, child in field.children.items()
            },
            "type": ["object", "null"],
        }
        rendered = json.dumps(struct, sort_keys=True)
        name = self.structs.setdefault(rendered, path.removeprefix("spec."))
        self.definitions[name] = struct
        return _ref(name)

    def _property(self, field: Field, path: str, within: tuple[int, int]) -> Node:
        """The schema of a field, annotated with its releases where they are fewer than those of its parent."""
        bounds = field.bounds
        node = _annotate(self._meaning(field, path, bounds), bounds, within)
        while not field.meanings:  # the row of a list or map is that of its elements
            (field,) = field.children.values()
        if field.moved_to:
            node["x-kops-moved-to"] = re.sub(r"(\[\]|\{\})+$", "", field.moved_to)
        return node

    def _meaning(self, field: Field, path: str, bounds: tuple[int, int]) -> Node:
        if not field.meanings:
            ((step, element),) = field.children.items()
            inner = self._meaning(element, path, bounds)
            if step == "[]":
                return {"description": "a list", "items": inner, "type": ["array", "null"]}
            return {"additionalProperties": inner, "description": "a map", "type": ["object", "null"]}
        meanings = []
        for since, until, type_name, values in field.meanings:
            if type_name == "object":
                node = self._struct(field, path, (since, until))
            elif values:
                node = {"enum": [*values, "", None], **SCALARS[type_name]}
            else:
                node = _ref(type_name)
            meanings.append(_annotate(node, (since, until), bounds))
        return meanings[0] if len(meanings) == 1 else {"anyOf": meanings}


def _annotate(node: Node, bounds: tuple[int, int], within: tuple[int, int]) -> Node:
    if bounds[0] > within[0]:
        node["x-kops-since"] = bounds[0]
    if bounds[1] < within[1]:
        node["x-kops-until"] = bounds[1]
    return node


def render(kind: str, api: str) -> str:
    """The text of a schema file: short, sorted, one definition a line, so that a change reads as a change."""
    schema = Builder(kind, api).build()
    definitions = schema.pop("$defs")
    lines = (f"{json.dumps(name)}:{_compact(definitions[name])}" for name in sorted(definitions))
    return '{"$defs":{\n' + ",\n".join(lines) + "\n},\n" + _compact(schema)[1:] + "\n"


def _compact(node: Node) -> str:
    return json.dumps(node, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def file_name(kind: str, api: str) -> str:
    """`cluster-v1alpha2.json`."""
    return f"{kind.lower()}-{api}.json"


def main(arguments: list[str]) -> int:
    """Write the schemas, or with --check say which files differ from the table. Returns the exit code."""
    files = {os.path.join(HERE, file_name(kind, api)): render(kind, api) for kind in KINDS for api in APIS}
    return settle(files, arguments, "python -m schemas.build")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
