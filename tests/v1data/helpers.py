"""Stores written as mappings of keys to values, as the examples of the rules on v1 data have them."""

from __future__ import annotations

from typing import Any

import yaml

from calico_lint.v1data import (
    Conversion,
    InvalidResourceError,
    Problem,
    V1Object,
    convert,
    from_api,
    is_clean,
)

# What every store of a cluster with Calico v2.6 has.
USUAL = {"/calico/v1/config/CalicoVersion": "v2.6.12", "/calico/v1/Ready": "true"}
V3 = "/calico/resources/"


def store(keys: dict[str, Any]) -> list[V1Object]:
    """The objects of a store: the usual ones and these; null stands for a key that is absent."""
    return [V1Object(path, value) for path, value in (USUAL | keys).items() if value is not None]


def problems_of(example: str) -> list[Problem]:
    """Everything that is said about an example."""
    document = yaml.safe_load(example)
    if "kind" in document:
        try:
            document = {object.path: object.value for object in from_api(document)}
        except InvalidResourceError as error:
            return [Problem("D036", "api", None, error.reason, "", field=error.field)]
    left = is_clean(path for path in document if path.startswith(V3))
    v1 = {path: value for path, value in document.items() if not path.startswith(V3)}
    return [*left, *convert(store(v1)).remarks()]


def said(conversion: Conversion) -> list[tuple[str, str, str, str]]:
    """(rule, stage, key, field) of everything that a conversion says."""
    return [
        (problem.rule, problem.stage, problem.object.path if problem.object else "", problem.field)
        for problem in conversion.remarks()
    ]
