"""An organisation's own JSON Schema (`--schema FILE`): what it asks for beyond kOps (U009).

jsonschema is imported here and nowhere else, and only when there is a schema.
"""

from __future__ import annotations

import json
import re

from calico_lint.cluster import is_kops
from calico_lint.kops.releases import parse_release
from calico_lint.rules.core import Hit, described, finding_of
from calico_lint.schema import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from jsonschema.exceptions import ValidationError

    from calico_lint.finding import Finding
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Document, Source

_LONGEST = 200

_ORGANISATION = described(
    "U009",
    "organisation-schema",
    severity="error",
    origin="schema",
    text="""The organisation's own JSON Schema objects.

    `--schema FILE` names a JSON Schema that every Cluster and InstanceGroup is checked with besides: a label that must
    be there, images that are allowed, a Calico version. kOps knows nothing of it.

    Fix: do what the message says; ask those who keep the schema.
    Source: the schema given with `--schema`.
    """,
)

RULES: list[Rule] = [_ORGANISATION]


class SchemaFileError(Exception):
    """The schema cannot be used; the message says why."""


class OrganisationSchema:
    """A JSON Schema from a file. References must stay inside it: nothing is ever fetched."""

    __slots__ = ("_path", "_validator")

    def __init__(self, path: str) -> None:
        """Raises SchemaFileError."""
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import Draft202012Validator, validator_for
        from referencing import Registry

        self._path = path
        try:
            with open(path, encoding="utf-8") as file:
                raw = json.load(file)
        except OSError as error:
            raise SchemaFileError(f"{path}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise SchemaFileError(f"{path} is not JSON: {error}") from error
        kind = validator_for(raw, default=Draft202012Validator)
        try:
            kind.check_schema(raw)
        except SchemaError as error:
            raise SchemaFileError(f"{path} is not a JSON Schema: {error.json_path}: {_short(error.message)}") from error
        registry: Registry[Any] = Registry()
        self._validator = kind(raw, registry=registry)

    def check(self, sources: Iterable[Source]) -> Iterator[Finding]:
        """U009 for every Cluster and InstanceGroup. Raises SchemaFileError where the schema turns out unusable."""
        for source in sources:
            for document in source.documents:
                for member in document.members():
                    if is_kops(member) and member.kind in KINDS:
                        for hit in self._hits(member):
                            yield finding_of(_ORGANISATION, hit, _ANY.candidates, _ANY)

    def _hits(self, document: Document) -> Iterator[Hit]:
        from jsonschema.exceptions import best_match
        from referencing.exceptions import Unresolvable

        try:
            # Of alternatives none of which fits, the nearest speaks.
            found = [best_match([each]) or each for each in self._validator.iter_errors(document.data)]
        except Unresolvable as error:
            raise SchemaFileError(
                f"{self._path} refers to {error.ref!r}, which is not in the file, and nothing is fetched"
            ) from error
        except (re.error, RecursionError) as error:
            raise SchemaFileError(f"{self._path} cannot be used: {error}") from error
        for each in found:
            yield from self._hits_of(document, each)

    def _hits_of(self, document: Document, error: ValidationError) -> Iterator[Hit]:
        node = document.root.get(*error.absolute_path)
        assert node is not None
        schema: Any = error.schema
        subject = f"`{node.field}`" if node.path else "the document"
        message = (
            error.message
            if not isinstance(node.value, dict | list)
            else error.message.replace(repr(error.instance), subject)
        )
        words = f"{_short(message)}: `{self._path}` wants it otherwise"
        if error.validator == "required":
            missing = next(name for name in schema["required"] if error.message.startswith(repr(name)))
            yield Hit(node, f"`{missing}` is missing: `{self._path}` wants it", missing=missing)
        elif error.validator == "additionalProperties" and error.validator_value is False:
            known = schema.get("properties", {})
            patterns = schema.get("patternProperties", {})
            for child in node:
                key = str(child.key)
                if key not in known and not any(re.search(pattern, key) for pattern in patterns):
                    yield Hit(child, f"`{key}` is not allowed here by `{self._path}`: remove it", on_key=True)
        else:
            yield Hit(node, words)


_ANY = parse_release("1.36")  # an organisation's schema knows no releases


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
