"""Calico v1 data (etcd v2) and what calico-upgrade makes of it: v3 resources, or a reason why not.

The parts, for what reads the input and what reports:

    from_api(document, place)      a resource as `calicoctl` v2 prints it -> [V1Object]
    convert(objects, upgrade)      [V1Object] -> Conversion
    is_clean(v3_keys)              what is left in the v3 store -> [Problem]
    api_field(path, field)         a Problem's field as it is called in the resource that calicoctl v2 prints

Nothing here raises on any JSON value, except `from_api`, which raises `InvalidResourceError`.
"""

from __future__ import annotations

# Loaded here and not when it is first asked for: that would put the module in the place of the function of its name.
import calico_lint.v1data.convert as _conversion
from calico_lint.v1data.objects import (
    STAGES,
    UPGRADES,
    Conversion,
    InvalidResourceError,
    Problem,
    Renamed,
    V1Object,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def from_api(document: Any, place: Any = None) -> list[V1Object]:
    """The keys below which calicoctl v2 stores a resource (`apiVersion: v1`, kind, metadata, spec).

    A node, a profile is several keys; all get the same `place`. Lists (`calicoctl get -o json` prints
    `[...]`) are the caller's to take apart.

    Raises InvalidResourceError for what is no v1 resource or could not be stored.
    """
    from calico_lint.v1data.api import from_api

    return from_api(document, place)


def api_field(path: str, field: str) -> str:
    """Where the value of a stored key's field stands in the resource that calicoctl v2 prints.

    `api_field("/calico/v1/policy/tier/default/policy/p", "inbound_rules[0].src_net")` is
    `spec.ingress[0].source.net`; "" for the resource as a whole.
    """
    from calico_lint.v1data.api import api_field

    return api_field(path, field)


def convert(
    objects: Iterable[V1Object], upgrade: str = "v1.0.5", *, whole_store: bool = True, keep: bool = True
) -> Conversion:
    """What calico-upgrade makes of the keys of a v1 store.

    `upgrade` is one of UPGRADES. `whole_store` says that the objects are all there is (a dump or a live store), so
    that a missing version, a missing Ready flag or an empty store are problems; what calicoctl prints has neither.
    Without `keep` the converted resources are only counted: `Conversion.resources` holds kind and name of each.
    """
    return _conversion.convert(objects, upgrade, whole_store=whole_store, keep=keep)


def is_clean(v3_keys: Iterable[str]) -> list[Problem]:
    """What keeps calico-upgrade from starting in the v3 store (etcd v3 keys): one problem, or none."""
    from calico_lint.v1data.gates import is_clean

    return is_clean(v3_keys)


__all__ = [
    "STAGES", "UPGRADES", "Conversion", "InvalidResourceError", "Problem", "Renamed", "V1Object", "api_field",
    "convert", "from_api", "is_clean",
]  # fmt: skip
