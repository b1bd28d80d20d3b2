"""v1 resources as `calicoctl` v2 prints them, and the keys below which it stores them.

Source: libcalico-go lib/apis/v1 and the APIV1ToBackendV1 of lib/upgrade/converters@9047dcb0.
"""

from __future__ import annotations

import re

from calico_lint.v1data import decode
from calico_lint.v1data.addresses import NIL, masked, version_of
from calico_lint.v1data.decode import UnparsableError, listed, structure, structure_pointer
from calico_lint.v1data.keys import classify, escape
from calico_lint.v1data.objects import InvalidResourceError, V1Object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Value = dict[str, Any]

_entity = structure(
    {
        "tag": decode.string,
        "net": decode.net_pointer,
        "nets": listed(decode.net_pointer),
        "selector": decode.string,
        "ports": listed(decode.port),
        "notTag": decode.string,
        "notNet": decode.net_pointer,
        "notNets": listed(decode.net_pointer),
        "notSelector": decode.string,
        "notPorts": listed(decode.port),
    }
)
_icmp = structure_pointer({"type": decode.integer_pointer, "code": decode.integer_pointer})
_rules = listed(
    structure(
        {
            "action": decode.string,
            "ipVersion": decode.integer_pointer,
            "protocol": decode.protocol_pointer,
            "notProtocol": decode.protocol_pointer,
            "icmp": _icmp,
            "notICMP": _icmp,
            "source": _entity,
            "destination": _entity,
        }
    )
)
_port = structure({"name": decode.string, "protocol": decode.protocol, "port": decode.uint16})


def _document(metadata: decode.Fields, spec: decode.Fields) -> decode.Decoder:
    return structure({"metadata": structure(metadata), "spec": structure(spec)})


_DOCUMENTS = {
    "bgpPeer": _document(
        {"scope": decode.string, "node": decode.string, "peerIP": decode.ip}, {"asNumber": decode.as_number_value}
    ),
    "hostEndpoint": _document(
        {"name": decode.string, "node": decode.string, "labels": decode.string_map},
        {
            "interfaceName": decode.string,
            "expectedIPs": listed(decode.ip),
            "profiles": decode.strings,
            "ports": listed(_port),
        },
    ),
    "ipPool": _document(
        {"cidr": decode.net},
        {
            "ipip": structure_pointer({"enabled": decode.boolean, "mode": decode.string}),
            "nat-outgoing": decode.boolean,
            "disabled": decode.boolean,
        },
    ),
    "node": _document(
        {"name": decode.string},
        {
            "bgp": structure_pointer(
                {
                    "asNumber": decode.as_number_pointer,
                    "ipv4Address": decode.net_pointer,
                    "ipv6Address": decode.net_pointer,
                }
            ),
            "orchRefs": listed(structure({"nodeName": decode.string, "orchestrator": decode.string})),
        },
    ),
    "policy": _document(
        {"name": decode.string, "annotations": decode.string_map},
        {
            "order": decode.number_pointer,
            "ingress": _rules,
            "egress": _rules,
            "selector": decode.string,
            "doNotTrack": decode.boolean,
            "preDNAT": decode.boolean,
            "types": decode.strings,
        },
    ),
    "profile": _document(
        {"name": decode.string, "tags": decode.strings, "labels": decode.string_map},
        {"ingress": _rules, "egress": _rules},
    ),
    "workloadEndpoint": _document(
        {
            "name": decode.string,
            "workload": decode.string,
            "orchestrator": decode.string,
            "node": decode.string,
            "activeInstanceID": decode.string,
            "labels": decode.string_map,
        },
        {
            "ipNetworks": listed(decode.net),
            "ipNATs": listed(structure({"internalIP": decode.ip, "externalIP": decode.ip})),
            "ipv4Gateway": decode.ip_pointer,
            "ipv6Gateway": decode.ip_pointer,
            "profiles": decode.strings,
            "interfaceName": decode.string,
            "mac": decode.mac_pointer,
            "ports": listed(_port),
        },
    ),
}
KINDS = tuple(_DOCUMENTS)


def from_api(document: Any, place: Any = None) -> list[V1Object]:
    """See `calico_lint.v1data.from_api`."""
    if not isinstance(document, dict):
        raise InvalidResourceError("", "a resource is a mapping with apiVersion, kind, metadata and spec")
    version, kind = document.get("apiVersion"), document.get("kind")
    if version != "v1":
        hint = " (the resource is of v3 already)" if version == "projectcalico.org/v3" else ""
        raise InvalidResourceError("apiVersion", f"is {version!r} where v1 is expected{hint}")
    known = next((name for name in KINDS if isinstance(kind, str) and name.lower() == kind.lower()), None)
    if known is None:
        raise InvalidResourceError("kind", f"{kind!r} is none that calicoctl v2 knows: {', '.join(KINDS)}")
    try:
        value = _DOCUMENTS[known]({key: document[key] for key in ("metadata", "spec") if key in document})
    except UnparsableError as error:
        raise InvalidResourceError(error.field, error.reason) from None
    keys = _STORED[known](value.get("metadata") or {}, value.get("spec") or {})
    return [V1Object(path, stored, place) for path, stored in keys]


def _bgp_peer(metadata: Value, spec: Value) -> list[tuple[str, Any]]:
    address = metadata.get("peerIP") or NIL
    if address == NIL:
        raise InvalidResourceError("metadata.peerIP", "is missing: no PeerIP is set")
    scope, node = metadata.get("scope"), metadata.get("node")
    if scope == "global":
        if node:
            raise InvalidResourceError("metadata.node", "a peer with the scope global has no node")
        where = "global"
    elif scope == "node":
        where = f"host/{_needed(metadata, 'node')}"
    else:
        raise InvalidResourceError("metadata.scope", "must be global or node")
    value = {"ip": address, "as_num": str(spec.get("asNumber") or 0)}
    return [(f"/calico/bgp/v1/{where}/peer_v{version_of(address)}/{address}", value)]


def _host_endpoint(metadata: Value, spec: Value) -> list[tuple[str, Any]]:
    addresses = _by_version(spec.get("expectedIPs"), "spec.expectedIPs")
    value: Value = {
        "name": spec.get("interfaceName"),
        "expected_ipv4_addrs": addresses[4],
        "expected_ipv6_addrs": addresses[6],
        "labels": metadata.get("labels"),
        "profile_ids": spec.get("profiles"),
        "ports": spec.get("ports"),
    }
    path = f"/calico/v1/host/{_needed(metadata, 'node')}/endpoint/{escape(_needed(metadata, 'name'))}"
    return [(path, _filled(value))]


def _ip_pool(metadata: Value, spec: Value) -> list[tuple[str, Any]]:
    cidr = metadata.get("cidr") or NIL
    if cidr == NIL:
        raise InvalidResourceError("metadata.cidr", "is missing")
    ipip = spec.get("ipip") or {}
    value = {
        "cidr": cidr,
        "ipip": "tunl0" if ipip.get("enabled") else "",
        "ipip_mode": ipip.get("mode") or "",
        "masquerade": bool(spec.get("nat-outgoing")),
        "ipam": not spec.get("disabled"),
        "disabled": bool(spec.get("disabled")),
    }
    return [(f"/calico/v1/ipam/v{version_of(cidr)}/pool/{cidr.replace('/', '-', 1)}", value)]


def _node(metadata: Value, spec: Value) -> list[tuple[str, Any]]:
    name = _needed(metadata, "name")
    keys: list[tuple[str, Any]] = [(f"/calico/v1/host/{name}/metadata", {})]
    bgp = spec.get("bgp")
    if bgp is not None:
        addresses = {version: bgp.get(f"ipv{version}Address") for version in (4, 6)}
        if addresses[4] is None and addresses[6] is None:
            raise InvalidResourceError("spec.bgp", "is invalid without an address: missing address")
        below = f"/calico/bgp/v1/host/{name}"
        for version, address in addresses.items():
            if address is None:
                continue
            if address == NIL:
                raise InvalidResourceError(f"spec.bgp.ipv{version}Address", "is empty")
            keys.append((f"{below}/ip_addr_v{version}", address.partition("/")[0]))
            keys.append((f"{below}/network_v{version}", masked(address)))
        if bgp.get("asNumber") is not None:
            keys.append((f"{below}/as_num", str(bgp["asNumber"])))
    if spec.get("orchRefs"):
        keys.append((f"/calico/v1/host/{name}/orchestrator_refs", [_filled(ref) for ref in spec["orchRefs"]]))
    return keys


def _policy(metadata: Value, spec: Value) -> list[tuple[str, Any]]:
    ingress, egress = spec.get("ingress"), spec.get("egress")
    types = spec.get("types")
    if not types:
        types = ["ingress"] if not egress else ["egress"] if not ingress else ["ingress", "egress"]
    value: Value = {
        "inbound_rules": _backend_rules(ingress, "spec.ingress"),
        "outbound_rules": _backend_rules(egress, "spec.egress"),
        "untracked": spec.get("doNotTrack"),
        "annotations": metadata.get("annotations"),
        "pre_dnat": spec.get("preDNAT"),
        "apply_on_forward": spec.get("doNotTrack") or spec.get("preDNAT"),
        "types": types,
    }
    value = _filled(value) | {"selector": spec.get("selector") or ""}
    if spec.get("order") is not None:
        value["order"] = spec["order"]
    return [(f"/calico/v1/policy/tier/default/policy/{escape(_needed(metadata, 'name'))}", value)]


def _profile(metadata: Value, spec: Value) -> list[tuple[str, Any]]:
    below = f"/calico/v1/policy/profile/{escape(_needed(metadata, 'name'))}"
    rules = {
        "inbound_rules": _backend_rules(spec.get("ingress"), "spec.ingress"),
        "outbound_rules": _backend_rules(spec.get("egress"), "spec.egress"),
    }
    return [
        (f"{below}/tags", metadata.get("tags") or []),
        (f"{below}/labels", metadata.get("labels") or {}),
        (f"{below}/rules", _filled(rules)),
    ]


def _workload_endpoint(metadata: Value, spec: Value) -> list[tuple[str, Any]]:
    networks = _by_version(spec.get("ipNetworks"), "spec.ipNetworks")
    nats: dict[int, list[Value]] = {4: [], 6: []}
    for index, nat in enumerate(spec.get("ipNATs") or ()):
        inside, outside = nat.get("internalIP") or NIL, nat.get("externalIP") or NIL
        if NIL in (inside, outside):
            raise InvalidResourceError(f"spec.ipNATs[{index}]", "has no internalIP or no externalIP")
        nats[version_of(inside)].append({"int_ip": inside, "ext_ip": outside})
    value: Value = {
        "ipv4_nat": nats[4],
        "ipv6_nat": nats[6],
        "labels": metadata.get("labels"),
        "ports": spec.get("ports"),
    }
    for field, v1_field in (("ipv4Gateway", "ipv4_gateway"), ("ipv6Gateway", "ipv6_gateway")):
        if spec.get(field) is not None:
            if spec[field] == NIL:
                raise InvalidResourceError(f"spec.{field}", "is empty")
            value[v1_field] = spec[field]
    value = _filled(value) | {
        "state": "active",
        "name": spec.get("interfaceName") or "",
        "active_instance_id": metadata.get("activeInstanceID") or "",
        "mac": spec.get("mac"),
        "profile_ids": spec.get("profiles"),
        "ipv4_nets": [masked(network) for network in networks[4]],
        "ipv6_nets": [masked(network) for network in networks[6]],
    }
    node, orchestrator = _needed(metadata, "node"), escape(_needed(metadata, "orchestrator"))
    workload, name = escape(_needed(metadata, "workload")), escape(_needed(metadata, "name"))
    return [(f"/calico/v1/host/{node}/workload/{orchestrator}/{workload}/endpoint/{name}", value)]


_STORED: dict[str, Callable[[Value, Value], list[tuple[str, Any]]]] = {
    "bgpPeer": _bgp_peer,
    "hostEndpoint": _host_endpoint,
    "ipPool": _ip_pool,
    "node": _node,
    "policy": _policy,
    "profile": _profile,
    "workloadEndpoint": _workload_endpoint,
}


def _needed(metadata: Value, field: str) -> str:
    text = metadata.get(field)
    if not isinstance(text, str) or not text:
        raise InvalidResourceError(f"metadata.{field}", "is missing")
    return text


def _filled(value: Value) -> Value:
    return {field: item for field, item in value.items() if item or (item == 0 and item is not False)}


def _by_version(addresses: list[str] | None, field: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {4: [], 6: []}
    for index, address in enumerate(addresses or ()):
        if address == NIL:
            raise InvalidResourceError(f"{field}[{index}]", "is empty")
        found[version_of(address)].append(address)
    return found


def _backend_rules(rules: list[Value] | None, field: str) -> list[Value]:
    return [_backend_rule(rule, f"{field}[{index}]") for index, rule in enumerate(rules or ())]


def _backend_rule(rule: Value, field: str) -> Value:
    action = rule.get("action") or ""
    stored: Value = {"action": "next-tier" if action.lower() == "pass" else action}
    for api, v1 in (("ipVersion", "ip_version"), ("protocol", "protocol"), ("notProtocol", "!protocol")):
        stored[v1] = rule.get(api)
    for api, sign in (("icmp", ""), ("notICMP", "!")):
        icmp = rule.get(api) or {}
        stored |= {f"{sign}icmp_type": icmp.get("type"), f"{sign}icmp_code": icmp.get("code")}
    for api, side in (("source", "src"), ("destination", "dst")):
        entity = rule.get(api) or {}
        for sign, prefix in (("", ""), ("!", "not")):
            for name in ("tag", "selector", "ports"):
                api_name = prefix + name.capitalize() if prefix else name
                stored[f"{sign}{side}_{name}"] = entity.get(api_name) or None
            net, nets = (f"{prefix}Net", f"{prefix}Nets") if prefix else ("net", "nets")
            for index, network in enumerate([entity.get(net), *(entity.get(nets) or ())]):
                if network == NIL or (network is None and index):
                    raise InvalidResourceError(f"{field}.{api}.{nets if index else net}", "has an empty network")
            if entity.get(net):
                stored[f"{sign}{side}_net"] = masked(entity[net])
            if entity.get(nets):
                stored[f"{sign}{side}_nets"] = [masked(network) for network in entity[nets]]
    return {name: item for name, item in stored.items() if item is not None and item != ""}


_FIELDS = {
    "global peer": {"ip": "metadata.peerIP", "as_num": "spec.asNumber"},
    "host endpoint": {
        "name": "spec.interfaceName",
        "expected_ipv4_addrs": "spec.expectedIPs",
        "expected_ipv6_addrs": "spec.expectedIPs",
        "labels": "metadata.labels",
        "profile_ids": "spec.profiles",
        "ports": "spec.ports",
    },
    "pool": {
        "cidr": "metadata.cidr",
        "ipip": "spec.ipip.enabled",
        "ipip_mode": "spec.ipip.mode",
        "masquerade": "spec.nat-outgoing",
        "disabled": "spec.disabled",
    },
    "policy": {
        "order": "spec.order",
        "selector": "spec.selector",
        "untracked": "spec.doNotTrack",
        "annotations": "metadata.annotations",
        "pre_dnat": "spec.preDNAT",
        "types": "spec.types",
        "inbound_rules": "spec.ingress",
        "outbound_rules": "spec.egress",
    },
    "workload endpoint": {
        "name": "spec.interfaceName",
        "active_instance_id": "metadata.activeInstanceID",
        "mac": "spec.mac",
        "profile_ids": "spec.profiles",
        "ipv4_nets": "spec.ipNetworks",
        "ipv6_nets": "spec.ipNetworks",
        "ipv4_nat": "spec.ipNATs",
        "ipv6_nat": "spec.ipNATs",
        "labels": "metadata.labels",
        "ipv4_gateway": "spec.ipv4Gateway",
        "ipv6_gateway": "spec.ipv6Gateway",
        "ports": "spec.ports",
    },
}
_FIELDS["node peer"] = _FIELDS["global peer"]
# Two stored lists that are one in the API: the index means nothing there.
_MERGED = ("expected_ipv4_addrs", "expected_ipv6_addrs", "ipv4_nets", "ipv6_nets", "ipv4_nat", "ipv6_nat")
_rule_field = re.compile(
    r"(inbound|outbound)_rules(\[\d+\])(?:\.(!?)(?:(src|dst)_([a-z]+)(\[\d+\])?|icmp_(type|code)|([a-z_]+)))?"
)


def api_field(path: str, field: str) -> str:
    """See `calico_lint.v1data.api_field`."""
    kind, identifiers = classify(path)
    if kind == "node bgp":
        name = identifiers[-1]
        return "spec.bgp.asNumber" if name == "as_num" else f"spec.bgp.ipv{name[-1]}Address"
    if kind == "orchestrators":
        return f"spec.orchRefs{field}"
    match = _rule_field.fullmatch(field)
    if match and (kind == "policy" or (kind == "profile" and identifiers[1] == "rules")):
        return _api_rule_field(match)
    if kind == "profile":
        return f"metadata.{identifiers[1]}{field}" if identifiers[1] != "rules" else ""
    name, bracket, rest = field.partition("[")
    known = _FIELDS.get(kind, {}).get(name.partition(".")[0], "")
    return f"{known}{bracket}{rest}" if known and name not in _MERGED else known


def _api_rule_field(match: re.Match[str]) -> str:
    direction, index, sign, side, name, item, icmp, other = match.groups()
    rule = f"spec.{'ingress' if direction == 'inbound' else 'egress'}{index}"
    if side:
        name = f"not{name.capitalize()}" if sign else name
        return f"{rule}.{'source' if side == 'src' else 'destination'}.{name}{item or ''}"
    if icmp:
        return f"{rule}.{'notICMP' if sign else 'icmp'}.{icmp}"
    if other:
        known = {"ip_version": "ipVersion", "protocol": "notProtocol" if sign else "protocol", "action": "action"}
        return f"{rule}.{known[other]}" if other in known else rule
    return rule
