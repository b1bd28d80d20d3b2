"""The IPAM objects: copied to the v3 store past the API, with nodes' names as v3 has them.

Source: libcalico-go lib/upgrade/migrator/migrate.go (migrateIPAMData), clients/v1/compat/compat.go
(ensureBlockAffinity), lib/backend/model/{block,block_affinity,ipam_handle}.go@9047dcb0 and @bd77a00a.
"""

from __future__ import annotations

from calico_lint.v1data.addresses import NIL, masked, net_text, parse_cidr, version_of
from calico_lint.v1data.names import node_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HOST = "host:"


def network_of(identifier: str) -> str | None:
    """The network in an IPAM object's or a pool's key; None where it is none, at which calico-upgrade crashes."""
    if parse_cidr(identifier) is None:
        return None
    network = net_text(identifier)
    return None if network is None else masked(network)


def block(network: str, value: dict[str, Any], upgrade: str) -> tuple[str, dict[str, Any]]:
    """(v3 key, value) of an allocation block."""
    affinity, old_affinity = value.get("affinity"), value.get("hostAffinity")
    if affinity is None and old_affinity is not None:
        affinity, old_affinity = _HOST + old_affinity, None
    host = ""
    if affinity is not None and affinity.startswith(_HOST):
        host = affinity.removeprefix(_HOST)
    elif old_affinity is not None:
        host = old_affinity
    if host:
        affinity = _HOST + node_name(host)
    attributes = value.get("attributes")
    if attributes is not None:
        attributes = [
            {"handle_id": attribute.get("handle_id"), "secondary": attribute.get("secondary")}
            for attribute in attributes
        ]
    converted: dict[str, Any] = {
        "cidr": value.get("cidr", NIL),
        "affinity": affinity,
        "strictAffinity": bool(value.get("strictAffinity")),
        "allocations": value.get("allocations"),
        "unallocated": value.get("unallocated"),
        "attributes": attributes,
    }
    if old_affinity is not None:
        converted["hostAffinity"] = old_affinity
    return f"/calico/ipam/v2/assignment/ipv{version_of(network)}/block/{_dashed(network)}", _marked(
        converted, value, upgrade
    )


def affinity(host: str, network: str, value: dict[str, Any], upgrade: str) -> tuple[str, dict[str, Any]]:
    """(v3 key, value) of a block's affinity to a host."""
    key = f"/calico/ipam/v2/host/{node_name(host)}/ipv{version_of(network)}/block/{_dashed(network)}"
    return key, _marked({"state": value.get("state") or ""}, value, upgrade)


def handle(identifier: str, value: dict[str, Any], upgrade: str) -> tuple[str, dict[str, Any]]:
    """(v3 key, value) of a handle."""
    return f"/calico/ipam/v2/handle/{identifier}", _marked({"block": value.get("block")}, value, upgrade)


def _marked(converted: dict[str, Any], value: dict[str, Any], upgrade: str) -> dict[str, Any]:
    if upgrade != "v1.0.5":
        converted["deleted"] = bool(value.get("deleted"))
    return converted


def _dashed(network: str) -> str:
    return network.replace("/", "-", 1)
