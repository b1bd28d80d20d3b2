"""The v3 resource that a v1 object becomes, before anything looks whether v3 takes it.

Source: libcalico-go lib/upgrade/converters@9047dcb0 (calico/upgrade v1.0.5) and @bd77a00a (calico-upgrade's master).
Fields are present where Go writes them: nothing empty, except what its types always write.
"""

from __future__ import annotations

from calico_lint.v1data.addresses import NIL, masked, version_of, with_mask
from calico_lint.v1data.names import (
    cidr_name,
    ip_name,
    node_name,
    policy_name,
    profile_name,
    resource_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Resource = dict[str, Any]

API_VERSION = "projectcalico.org/v3"
V1_NAMESPACE, V3_NAMESPACE = "calico/k8s_ns", "projectcalico.org/namespace"
SIDES = (("source", "src"), ("destination", "dst"))

_PROTOCOLS = {name.lower(): name for name in ("TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite")}
_ACTIONS = {name.lower(): name for name in ("Allow", "Deny", "Log", "Pass")} | {"": "Allow"}
_TYPES = {"ingress": "Ingress", "egress": "Egress"}


class ConversionError(Exception):
    """calico-upgrade cannot convert an object: the rule, the v1 field, the reason, and the change that helps."""

    def __init__(self, rule: str, field: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.field = field
        self.message = message
        self.fix = fix


def resource(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> Resource:
    """A v3 resource. Go leaves out a name of which nothing is left."""
    if not metadata["name"]:
        del metadata["name"]
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def bgp_peer(node: str | None, value: dict[str, Any]) -> Resource:
    """A BGPPeer: of one node, or of all (None)."""
    address = value.get("ip") or NIL
    spec: dict[str, Any] = {}
    name = ip_name(address)
    if node is not None:
        node = node_name(node)
        if node:
            spec["node"] = node
        name = f"{node}.{name}"
    spec["peerIP"] = address
    spec["asNumber"] = value.get("as_num") or 0
    return resource("BGPPeer", {"name": name}, spec)


def host_endpoint(node: str, endpoint: str, value: dict[str, Any]) -> Resource:
    """A HostEndpoint. Its labels stay as they are, `calico/k8s_ns` too."""
    node = node_name(node)
    spec: dict[str, Any] = {"node": node} if node else {}
    if value.get("name"):
        spec["interfaceName"] = value["name"]
    addresses = [*(value.get("expected_ipv4_addrs") or ()), *(value.get("expected_ipv6_addrs") or ())]
    if addresses:
        spec["expectedIPs"] = addresses
    if value.get("profile_ids"):
        spec["profiles"] = [profile_name(profile) for profile in value["profile_ids"]]
    if value.get("ports"):
        spec["ports"] = [{**port, "protocol": _protocol(port["protocol"])} for port in map(_port, value["ports"])]
    metadata: dict[str, Any] = {"name": resource_name(f"{node}.{endpoint}")}
    if value.get("labels"):
        metadata["labels"] = value["labels"]
    return resource("HostEndpoint", metadata, spec)


def ip_pool(value: dict[str, Any], upgrade: str) -> Resource:
    """An IPPool."""
    cidr = value.get("cidr") or NIL
    if not value.get("ipip"):
        mode = "Never"
    else:
        mode = "CrossSubnet" if (value.get("ipip_mode") or "").lower() == "cross-subnet" else "Always"
    spec: dict[str, Any] = {"cidr": cidr}
    if upgrade != "v1.0.5":
        spec["vxlanMode"] = "Never"
    spec["ipipMode"] = mode
    if value.get("masquerade"):
        spec["natOutgoing"] = True
    if value.get("disabled"):
        spec["disabled"] = True
    if upgrade != "v1.0.5":
        spec["blockSize"] = 26 if cidr != NIL and version_of(cidr) == 4 else 122
        spec["nodeSelector"] = "all()"
    return resource("IPPool", {"name": cidr_name(cidr)}, spec)


def policy(name: str, value: dict[str, Any], upgrade: str) -> Resource:
    """A GlobalNetworkPolicy."""
    spec: dict[str, Any] = {}
    if value.get("order") is not None:
        spec["order"] = value["order"]
    _rules_into(spec, value, upgrade)
    spec["selector"] = (value.get("selector") or "").replace(V1_NAMESPACE, V3_NAMESPACE)
    types = value.get("types")
    if types:
        spec["types"] = []
        for index, text in enumerate(types):
            if text.lower() not in _TYPES:
                raise ConversionError(
                    "D032", f"types[{index}]", f"{text!r} is no type of policy", "set it to ingress or egress"
                )  # fmt: skip
            spec["types"].append(_TYPES[text.lower()])
    else:
        spec["types"] = ["Ingress"] if value.get("pre_dnat") else ["Ingress", "Egress"]
    flags = {"doNotTrack": value.get("untracked"), "preDNAT": value.get("pre_dnat")}
    flags["applyOnForward"] = value.get("apply_on_forward") or any(flags.values())
    spec |= {flag: True for flag, is_set in flags.items() if is_set}
    metadata: dict[str, Any] = {"name": policy_name(name)}
    if value.get("annotations"):
        metadata["annotations"] = value["annotations"]
    return resource("GlobalNetworkPolicy", metadata, spec)


def profile(name: str, value: dict[str, Any], upgrade: str) -> Resource:
    """A Profile, of its three parts: `tags` (a list), `labels` (a map), `rules`."""
    v3_name = profile_name(name)
    labels = dict(value.get("labels") or {})
    for index, tag in enumerate(value.get("tags") or ()):
        if tag in labels:
            message = f"the tag {tag!r} is also the key of a label of the profile"
            if labels[tag] == "" and tag not in (value.get("labels") or {}):
                message = f"the tag {tag!r} stands there twice"
            raise ConversionError("D033", f"[{index}]", message, "rename the label's key or remove the tag")
        labels[tag] = ""
    spec: dict[str, Any] = {}
    _rules_into(spec, value.get("rules") or {}, upgrade)
    if labels:
        spec["labelsToApply"] = labels
    return resource("Profile", {"name": v3_name}, spec)


def node(name: str, value: dict[str, Any]) -> Resource:
    """A Node. `value`: `ipv4`/`ipv6` (number, bits), `net4`/`net6` (as parse_cidr gives them), `as_number`, `refs`,
    each None or absent where there is none.
    """
    spec: dict[str, Any] = {}
    if value.get("ipv4") or value.get("ipv6"):
        bgp: dict[str, Any] = {}
        if value.get("as_number") is not None:
            bgp["asNumber"] = value["as_number"]
        for version in ("4", "6"):
            address, network = value.get(f"ipv{version}"), value.get(f"net{version}")
            if address:
                number, bits = address
                prefix, mask_bits = network[2:] if network else (bits, bits)
                bgp[f"ipv{version}Address"] = with_mask(number, bits, prefix, mask_bits)
        spec["bgp"] = bgp
    if value.get("refs"):
        spec["orchRefs"] = [
            ({"nodeName": ref["nodeName"]} if ref.get("nodeName") else {})
            | {"orchestrator": ref.get("orchestrator") or ""}
            for ref in value["refs"]
        ]
    return resource("Node", {"name": node_name(name)}, spec)


def workload_endpoint(host: str, orchestrator: str, workload: str, endpoint: str, value: dict[str, Any]) -> Resource:
    """A WorkloadEndpoint."""
    namespace = "default"
    pod = container = v3_workload = ""
    if orchestrator == "k8s":
        namespace, dot, pod = workload.partition(".")
        if not dot:
            raise ConversionError(
                "D030",
                "",
                f"the malformed k8s workload ID {workload!r} has no dot between the namespace and the pod: "
                "the Calico CNI plugin has not added it",
                "delete this workload endpoint if its pod is gone, else re-create the pod with Calico v2.6",
            )
        container = value.get("active_instance_id") or ""
    elif orchestrator == "cni":
        container = workload
    elif orchestrator == "libnetwork":
        v3_workload = "libnetwork"
    else:
        v3_workload = resource_name(workload)

    v3_node, v3_orchestrator, v3_endpoint = node_name(host), resource_name(orchestrator), resource_name(endpoint)
    spec: dict[str, Any] = {"orchestrator": v3_orchestrator}
    if v3_workload:
        spec["workload"] = v3_workload
    if v3_node:
        spec["node"] = v3_node
    if container:
        spec["containerID"] = container
    if pod:
        spec["pod"] = pod
    spec["endpoint"] = v3_endpoint
    networks = [*(value.get("ipv4_nets") or ()), *(value.get("ipv6_nets") or ())]
    if networks:
        spec["ipNetworks"] = networks
    nats = [*(value.get("ipv4_nat") or ()), *(value.get("ipv6_nat") or ())]
    if nats:
        spec["ipNATs"] = [
            {"internalIP": nat.get("int_ip") or NIL, "externalIP": nat.get("ext_ip") or NIL} for nat in nats
        ]
    if value.get("ipv4_gateway"):
        spec["ipv4Gateway"] = value["ipv4_gateway"]
    if value.get("ipv6_gateway"):
        spec["ipv6Gateway"] = value["ipv6_gateway"]
    if value.get("profile_ids"):
        spec["profiles"] = [profile_name(profile) for profile in value["profile_ids"]]
    if value.get("name"):
        spec["interfaceName"] = value["name"]
    if value.get("mac"):
        spec["mac"] = value["mac"]
    if value.get("ports"):
        # In the spelling that is stored: here a protocol's case is not set right.
        spec["ports"] = [_port(port) for port in value["ports"]]

    middle = {"k8s": ("pod", pod), "cni": ("containerID", container), "libnetwork": ("orchestrator", v3_orchestrator)}
    name = _endpoint_name(
        ("node", v3_node),
        ("orchestrator", v3_orchestrator),
        middle.get(v3_orchestrator, ("workload", v3_workload)),
        ("endpoint", v3_endpoint),
    )
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    labels = value.get("labels")
    if labels:
        if V1_NAMESPACE in labels:
            labels = {key: text for key, text in labels.items() if key != V1_NAMESPACE} | {
                V3_NAMESPACE: labels[V1_NAMESPACE]
            }
        metadata["labels"] = labels
    return resource("WorkloadEndpoint", metadata, spec)


def _endpoint_name(*segments: tuple[str, str]) -> str:
    for field, segment in segments:
        if not segment:
            raise ConversionError(
                "D031",
                "",
                f"its {field} is empty, and v3 builds an endpoint's name of it",
                "delete this workload endpoint: its key does not say what it belongs to",
            )
        if segment[0] == "-" or segment[-1] == "-":
            raise ConversionError(
                "D031",
                "",
                f"its {field} {segment!r} {'begins' if segment[0] == '-' else 'ends'} with a -, which v3 does not "
                "allow in the parts of an endpoint's name",
                f"re-create the workload with a {field} that begins and ends with a letter or digit",
            )
    return "-".join(segment.replace("-", "--") for _, segment in segments)


def _port(port: dict[str, Any]) -> dict[str, Any]:
    return {"name": port.get("name") or "", "protocol": port.get("protocol", 0), "port": port.get("port") or 0}


def _protocol(value: int | str) -> int | str:
    return _PROTOCOLS.get(value.lower(), value) if isinstance(value, str) else value


def _rules_into(spec: dict[str, Any], value: dict[str, Any], upgrade: str) -> None:
    for v3, v1 in (("ingress", "inbound_rules"), ("egress", "outbound_rules")):
        rules = value.get(v1)
        if rules:
            spec[v3] = [_rule(rule, upgrade, f"{v1}[{index}]") for index, rule in enumerate(rules)]


def _rule(rule: dict[str, Any], upgrade: str, place: str) -> dict[str, Any]:
    action = rule.get("action") or ""
    converted: dict[str, Any] = {
        "action": "Pass" if action == "next-tier" else _ACTIONS.get(action.lower(), action),
    }
    if rule.get("ip_version") is not None:
        converted["ipVersion"] = rule["ip_version"]
    for v3, v3_icmp, sign in (("protocol", "icmp", ""), ("notProtocol", "notICMP", "!")):
        protocol = rule.get(f"{sign}protocol")
        if protocol is not None:
            converted[v3] = _protocol(protocol)
        icmp = {"type": rule.get(f"{sign}icmp_type"), "code": rule.get(f"{sign}icmp_code")}
        icmp = {field: number for field, number in icmp.items() if number is not None}
        if icmp:
            converted[v3_icmp] = icmp
    for v3, side in SIDES:
        entity: dict[str, Any] = {}
        for sign, nets, selector, ports in (
            ("", "nets", "selector", "ports"),
            ("!", "notNets", "notSelector", "notPorts"),
        ):
            networks = _networks(rule, f"{sign}{side}", place)
            if networks:
                entity[nets] = networks
            text = merged_selector(
                rule.get(f"{sign}{side}_selector") or "", rule.get(f"{sign}{side}_tag") or "", upgrade
            )
            if text:
                entity[selector] = text
            if rule.get(f"{sign}{side}_ports"):
                entity[ports] = rule[f"{sign}{side}_ports"]
        converted[v3] = entity
    return converted


def _networks(rule: dict[str, Any], field: str, place: str) -> list[str]:
    networks: list[str] = []
    for index, network in enumerate(rule.get(f"{field}_nets") or ()):
        if network is None or network == NIL:
            raise ConversionError(
                "D012",
                f"{place}.{field}_nets[{index}]",
                "calico-upgrade crashes at a network that is null or empty",
                "remove the entry from the list",
            )
        networks.append(masked(network))
    single = rule.get(f"{field}_net")
    if single is not None and single != NIL:
        networks.append(masked(single))
    return networks


def merged_selector(selector: str, tag: str, upgrade: str) -> str:
    """A rule's selector with its tag, which v3 has only as a label. Only newer conversions rename the namespace."""
    if upgrade != "v1.0.5":
        selector = selector.replace(V1_NAMESPACE, V3_NAMESPACE)
    if not tag:
        return selector
    return f"({selector}) && {tag} == ''" if selector else f"{tag} == ''"
