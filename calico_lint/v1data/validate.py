"""What v3 has against a converted resource: the validation that calico-upgrade runs after the conversion.

Source: libcalico-go lib/validator/v3/validator.go and the tags of lib/apis/v3@9047dcb0 (v1.0.5) and @bd77a00a
(master). A fault names the v1 field that it comes from. Felix, cluster and BGP configuration are not validated.
"""

from __future__ import annotations

import re

from calico_lint.v1data.addresses import NIL, net_text, overlaps, parse_ip, split_net, version_of
from calico_lint.v1data.names import (
    MAX_NAME,
    is_container_id,
    is_name,
    is_policy_name,
    is_port_name,
    label_key_fault,
    label_value_fault,
)
from calico_lint.v1data.resources import SIDES
from calico_lint.v1data.selectors import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Resource = dict[str, Any]
    # (rule, v1 field, reason, the change that makes it pass)
    Fault = tuple[str, str, str, str]

MAX_ANNOTATIONS = 256 * 1024
_PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite")
_interface = re.compile(r"[a-zA-Z0-9_.-]{1,15}")
_RENAME = "create it again under a name of lower-case letters, digits and -, and delete this one"


def faults(resource: Resource, upgrade: str) -> list[Fault]:
    """Everything that v3 objects to, in the order of its fields; empty if it takes the resource."""
    return list(_OF_KIND[resource["kind"]](resource, upgrade))


def _bgp_peer(resource: Resource, _: str) -> Iterator[Fault]:
    yield from _name(resource)
    spec = resource["spec"]
    if "node" in spec and not is_name(spec["node"]):
        yield "D050", "", f"the node's name becomes {spec['node']!r}, which is no name in v3", _RENAME
    if parse_ip(spec["peerIP"]) is None:
        yield "D061", "ip", "the peer has no IP address", "set ip to the peer's address"


def _node(resource: Resource, _: str) -> Iterator[Fault]:
    yield from _name(resource)
    bgp = resource["spec"].get("bgp") or {}
    for version in (4, 6):
        address = bgp.get(f"ipv{version}Address")
        if address is not None and (address == NIL or version_of(address) != version):
            yield (
                "D061",
                f"ip_addr_v{version}",
                f"the node's IPv{version} address is of the other family than its field or its network",
                f"set ip_addr_v{version} and network_v{version} to the node's own IPv{version} address and network",
            )


def _host_endpoint(resource: Resource, upgrade: str) -> Iterator[Fault]:
    yield from _name(resource)
    yield from _labels(resource["metadata"].get("labels"), "labels")
    spec = resource["spec"]
    interface = spec.get("interfaceName")
    if interface and not _is_interface(interface, upgrade):
        yield (
            "D058",
            "name",
            f"{interface!r} is no name of an interface: at most 15 letters, digits, _, . and -",
            "correct the interface's name, or remove it where expectedIPs says which interface is meant",
        )
    addresses = spec.get("expectedIPs") or ()
    for address in addresses:
        if address == NIL:
            yield "D058", "expected_ipv4_addrs", "an expected address is empty", "remove the empty address"
    if not interface and not addresses:
        yield (
            "D058",
            "name",
            "it has neither an interface nor expected addresses",
            "set the interface's name or the expected addresses",
        )
    if not spec.get("node"):
        yield (
            "D058",
            "",
            "its node's name is empty in v3",
            "create it again on a node with letters or digits in its name",
        )
    elif not is_name(spec["node"]):
        yield "D050", "", f"the node's name becomes {spec['node']!r}, which is no name in v3", _RENAME
    yield from _profiles(spec)
    yield from _ports(spec)


def _ip_pool(resource: Resource, upgrade: str) -> Iterator[Fault]:
    spec = resource["spec"]
    cidr = spec["cidr"]
    if cidr == NIL:
        yield "D057", "cidr", "the pool has no CIDR", "delete the pool, or store it again with its CIDR"
        return
    yield from _name(resource)
    number, bits, prefix = split_net(cidr)
    if number & ((1 << (bits - prefix)) - 1):
        yield (
            "D057",
            "cidr",
            f"{cidr} has bits set beyond its prefix, and v3 wants pools strictly masked",
            "create the pool again with the masked CIDR and delete this one",
        )
    if bits == 128 and spec["ipipMode"] != "Never":
        yield "D057", "ipip", "an IPv6 pool cannot have IPIP", "disable IPIP for the pool"
    smallest = 26 if bits == 32 else 122
    if not spec.get("disabled") and prefix > smallest:
        yield (
            "D057",
            "cidr",
            f"{cidr} is smaller than a block of Calico's IPAM (/{smallest})",
            "disable the pool, or replace it by a bigger one",
        )
    for link_local in ("169.254.0.0/16", "fe80::/10"):
        if overlaps(cidr, link_local):
            yield (
                "D057",
                "cidr",
                f"{cidr} overlaps the link-local range {link_local}",
                "replace the pool by one outside of the link-local range",
            )


def _policy(resource: Resource, upgrade: str) -> Iterator[Fault]:
    metadata, spec = resource["metadata"], resource["spec"]
    name = metadata.get("name", "")
    yield from _name(resource)
    if is_name(name) and not is_policy_name(name):
        yield "D050", "", f"the name becomes {name!r}, and a policy's name has no dots in v3", _RENAME
    total = 0
    for key, text in sorted((metadata.get("annotations") or {}).items()):
        # The validator reads the key in lower case, so that capitals in its DNS prefix pass.
        fault = label_key_fault(key.lower())
        if fault:
            yield (
                "D051",
                "annotations",
                f"the annotation's key {_short(key)} {fault}",
                "rename or remove the annotation",
            )
        total += len(key.encode("utf-8", "replace")) + len(text.encode("utf-8", "replace"))
    if total > MAX_ANNOTATIONS:
        yield (
            "D051",
            "annotations",
            f"the annotations are {total - MAX_ANNOTATIONS} bytes longer than the 256 kB that v3 takes",
            "shorten or remove annotations",
        )
    yield from _selector(spec["selector"], "selector", upgrade)
    yield from _rules(spec, upgrade)
    untracked, pre_dnat, types = spec.get("doNotTrack"), spec.get("preDNAT"), spec["types"]
    if untracked and pre_dnat:
        yield (
            "D055",
            "pre_dnat",
            "a policy cannot be both preDNAT and doNotTrack",
            "make two policies of it, or drop one of the two flags",
        )
    if pre_dnat and spec.get("egress"):
        yield (
            "D055",
            "outbound_rules",
            "a preDNAT policy has no egress rules",
            "move the egress rules to another policy",
        )
    if pre_dnat and "Egress" in types:
        yield (
            "D055",
            "types",
            "a preDNAT policy cannot have the type egress",
            "set its types to ingress alone",
        )
    if len(set(types)) < len(types):
        yield "D055", "types", "the same type stands there twice", "remove the second one"


def _profile(resource: Resource, upgrade: str) -> Iterator[Fault]:
    yield from _name(resource)
    spec = resource["spec"]
    yield from _labels(spec.get("labelsToApply"), "labels")
    yield from _rules(spec, upgrade)


def _workload_endpoint(resource: Resource, upgrade: str) -> Iterator[Fault]:
    yield from _name(resource)
    metadata, spec = resource["metadata"], resource["spec"]
    labels = metadata.get("labels")
    if labels:
        yield from _labels(labels, "labels")
    for field in ("orchestrator", "workload", "node", "pod", "endpoint"):
        if field in spec and not is_name(spec[field]):
            yield (
                "D059",
                "",
                f"its {field} becomes {_short(spec[field])}, which is no name in v3",
                f"re-create the workload with a {field} of lower-case letters, digits, - and .",
            )
    if "containerID" in spec and not is_container_id(spec["containerID"]):
        yield (
            "D059",
            "active_instance_id",
            f"{_short(spec['containerID'])} is no container ID: letters, digits and -, not at the ends",
            "re-create the workload",
        )
    networks: list[str] = spec.get("ipNetworks") or []
    for network in networks:
        if network == NIL or not network.endswith("/128" if ":" in network else "/32"):
            which = "ipv6_nets" if ":" in network else "ipv4_nets"
            yield (
                "D059",
                which,
                f"{network} is not a single address: an endpoint has /32 and /128 networks only",
                "give the endpoint the addresses one by one",
            )
    for nat in spec.get("ipNATs") or ():
        yield from _nat(nat, networks)
    for version in (4, 6):
        gateway = spec.get(f"ipv{version}Gateway")
        if gateway is not None and (gateway == NIL or version_of(gateway) != version):
            yield (
                "D059",
                f"ipv{version}_gateway",
                f"{gateway} is no IPv{version} address" if gateway != NIL else "the gateway is empty",
                f"set ipv{version}_gateway to an IPv{version} address, or remove it",
            )
    if not _is_interface(spec.get("interfaceName") or "", upgrade):
        yield (
            "D059",
            "name",
            f"{spec.get('interfaceName') or ''!r} is no name of an interface: 1 to 15 letters, digits, _, . and -",
            "re-create the workload",
        )
    yield from _profiles(spec)
    if "ports" in spec:
        yield from _ports(spec)


def _nat(nat: dict[str, str], networks: list[str]) -> Iterator[Fault]:
    inside, outside = nat["internalIP"], nat["externalIP"]
    field = "ipv6_nat" if ":" in inside else "ipv4_nat"
    if NIL in (inside, outside):
        yield "D059", field, "a NAT has an empty address", "set both addresses of the NAT, or remove it"
        return
    if version_of(inside) != version_of(outside):
        yield (
            "D059",
            field,
            f"the NAT from {outside} to {inside} is between IPv4 and IPv6",
            "give the NAT two addresses of one family",
        )
    address = net_text(inside)
    if not any(network != NIL and address and overlaps(network, address) for network in networks):
        yield (
            "D059",
            field,
            f"the NAT's internal address {inside} is none of the endpoint's addresses",
            "set the NAT's internal address to one of the endpoint's, or remove the NAT",
        )


def _name(resource: Resource) -> Iterator[Fault]:
    name = resource["metadata"].get("name", "")
    size = len(name) if name.isascii() else len(name.encode("utf-8", "replace"))
    if size > MAX_NAME:
        yield (
            "D050",
            "",
            f"the name becomes {_short(name)}, {size - MAX_NAME} characters longer than the {MAX_NAME} that v3 takes",
            "create it again under a shorter name and delete this one",
        )
    if not is_name(name):
        yield "D050", "", f"the name becomes {_short(name)}, which is no name in v3", _RENAME


def _labels(labels: dict[str, str] | None, field: str) -> Iterator[Fault]:
    for key, text in sorted((labels or {}).items()):
        fault = label_key_fault(key)
        if fault:
            yield "D051", field, f"the label's key {_short(key)} {fault}", "rename or remove the label"
        fault = label_value_fault(text)
        if fault:
            yield (
                "D051",
                field,
                f"the value {_short(text)} of the label {_short(key)} {fault}",
                "change the label's value",
            )


def _profiles(spec: dict[str, Any]) -> Iterator[Fault]:
    for index, name in enumerate(spec.get("profiles") or ()):
        if not is_name(name):
            yield (
                "D050",
                f"profile_ids[{index}]",
                f"the profile's name becomes {_short(name)}, which is no name in v3",
                "create the profile again under a name of letters and digits",
            )


def _ports(spec: dict[str, Any]) -> Iterator[Fault]:
    for index, port in enumerate(spec.get("ports") or ()):
        field = f"ports[{index}]"
        if not is_port_name(port["name"]):
            yield (
                "D060",
                f"{field}.name",
                f"{_short(port['name'])} is no name of a port: at most 15 lower-case letters, digits and single -",
                "rename the port",
            )
        if port["protocol"] not in ("TCP", "UDP"):
            yield (
                "D060",
                f"{field}.protocol",
                f"the protocol {port['protocol']} of a port must be TCP or UDP, and calico-upgrade does not "
                "change its spelling in a workload endpoint",
                "set the protocol to TCP or UDP, in capitals",
            )
        if not port["port"]:
            yield "D060", f"{field}.port", "the port's number is 0", "set the port to 1 to 65535"


def _selector(text: str, field: str, upgrade: str) -> Iterator[Fault]:
    fault = parse(text, upgrade).fault
    if fault:
        yield (
            "D052",
            field,
            f"the selector {_short(text)} does not parse: at character {fault[0] + 1} stands {fault[1]}",
            "correct the selector, or rename the tag in it",
        )


def _rules(spec: dict[str, Any], upgrade: str) -> Iterator[Fault]:
    for v3, v1 in (("ingress", "inbound_rules"), ("egress", "outbound_rules")):
        for index, rule in enumerate(spec.get(v3) or ()):
            yield from _rule(rule, f"{v1}[{index}]", upgrade)


def _rule(rule: dict[str, Any], place: str, upgrade: str) -> Iterator[Fault]:
    if rule["action"] not in ("Allow", "Deny", "Log", "Pass"):
        yield (
            "D056",
            f"{place}.action",
            f"{_short(rule['action'])} is no action",
            "set the action to allow, deny, log or pass",
        )
    version = rule.get("ipVersion")
    if version is not None and version not in (4, 6):
        yield "D054", f"{place}.ip_version", f"{version} is no IP version", "set ip_version to 4 or 6, or remove it"
    for v3, v1 in (("protocol", "protocol"), ("notProtocol", "!protocol")):
        protocol = rule.get(v3)
        if protocol is not None and (protocol == 0 if isinstance(protocol, int) else protocol not in _PROTOCOLS):
            yield (
                "D053",
                f"{place}.{v1}",
                f"{_short(str(protocol))} is no protocol",
                f"set it to {', '.join(name.lower() for name in _PROTOCOLS)} or a number from 1 to 255",
            )
    yield from _icmp(rule, place)
    protocol = rule.get("protocol")
    with_ports = protocol in ("TCP", "UDP", "tcp", "udp", 6, 17)
    for v3, side in SIDES:
        for sign, field in (("", "ports"), ("!", "notPorts")):
            ports = rule[v3].get(field)
            v1_field = f"{place}.{sign}{side}_ports"
            if ports and not with_ports:
                yield (
                    "D053",
                    v1_field,
                    "a rule with ports must have the protocol TCP or UDP",
                    "set the rule's protocol to tcp or udp (two rules for both), or remove the ports",
                )
            for index, port in enumerate(ports or ()):
                yield from _port(port, f"{v1_field}[{index}]")
        for sign, field in (("", "selector"), ("!", "notSelector")):
            if rule[v3].get(field):
                v1_field = f"{place}.{sign}{side}_selector"
                yield from _selector(rule[v3][field], v1_field, upgrade)
    yield from _rule_networks(rule, place)


def _icmp(rule: dict[str, Any], place: str) -> Iterator[Fault]:
    for v3, sign in (("icmp", ""), ("notICMP", "!")):
        icmp = rule.get(v3)
        if not icmp:
            continue
        for field, highest in (("type", 254), ("code", 255)):
            if not 0 <= icmp.get(field, 0) <= highest:
                yield (
                    "D053",
                    f"{place}.{sign}icmp_{field}",
                    f"{icmp[field]} is no ICMP {field}: 0 to {highest}",
                    f"set the ICMP {field} to 0 to {highest}",
                )
        if "code" in icmp and "type" not in icmp:
            yield "D053", f"{place}.{sign}icmp_code", "an ICMP code must have an ICMP type", "set the ICMP type too"
    protocol = rule.get("protocol")
    if "icmp" in rule and protocol not in ("ICMP", "ICMPv6"):
        yield (
            "D053",
            f"{place}.protocol",
            "a rule with ICMP fields must have the protocol ICMP or ICMPv6, by name",
            "set the rule's protocol to icmp or icmpv6, or remove the ICMP fields",
        )
    for name, wanted in (("ICMP", 4), ("ICMPv6", 6)):
        if name in (protocol, rule.get("notProtocol")) and rule.get("ipVersion") not in (None, wanted):
            yield (
                "D053",
                f"{place}.ip_version",
                f"the protocol {name} is of IP version {wanted}",
                f"set ip_version to {wanted}, or remove it",
            )


def _port(port: int | str, field: str) -> Iterator[Fault]:
    if isinstance(port, int):
        if port < 1:
            yield "D053", field, "0 is no port", "set the port to 1 to 65535"
    elif port.partition(":")[1]:
        if port.startswith("0:"):
            yield "D053", field, "a range of ports begins at 1 or above", "begin the range at 1"
    elif not is_port_name(port):
        yield (
            "D053",
            field,
            f"{_short(port)} is no name of a port: at most 15 lower-case letters, digits and single -",
            "rename the port, here and in the endpoints",
        )


def _rule_networks(rule: dict[str, Any], place: str) -> Iterator[Fault]:
    version = rule.get("ipVersion")
    seen: set[int] = set()
    for v3, side in SIDES:
        for sign, field in (("", "nets"), ("!", "notNets")):
            networks = rule[v3].get(field) or ()
            versions = {version_of(network) for network in networks}
            v1_field = f"{place}.{sign}{side}_nets"
            if version is not None and versions - {version}:
                yield (
                    "D054",
                    v1_field,
                    f"the rule is for IP version {version}, and has networks of the other",
                    "remove ip_version or the networks of the other version",
                )
            if versions and len(versions | seen) > 1:
                yield (
                    "D054",
                    v1_field,
                    "the rule has both IPv4 and IPv6 networks",
                    "make two rules of it, one for each IP version",
                )
            seen |= versions


def _is_interface(name: str, upgrade: str) -> bool:
    return _interface.fullmatch(name) is not None or (name == "*" and upgrade != "v1.0.5")


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:60]}…{text[-12:]}")


_OF_KIND: dict[str, Callable[[Resource, str], Iterator[Fault]]] = {
    "BGPPeer": _bgp_peer,
    "Node": _node,
    "HostEndpoint": _host_endpoint,
    "IPPool": _ip_pool,
    "GlobalNetworkPolicy": _policy,
    "Profile": _profile,
    "WorkloadEndpoint": _workload_endpoint,
}
