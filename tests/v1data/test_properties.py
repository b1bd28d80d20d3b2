"""What holds for every store: nothing raises, names are valid or reported, the order of the input does not matter."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.v1data import UPGRADES, Conversion, InvalidResourceError, V1Object, api_field, convert, from_api
from calico_lint.v1data.api import KINDS
from calico_lint.v1data.names import is_name, is_policy_name, node_name, resource_name
from calico_lint.v1data.selectors import parse

NAME = st.one_of(
    st.sampled_from(
        ["a", "Node_A", "node-a", "k8s_ns.x", "default.web", "-x", "%2f", "knp.default.x", "___", "x" * 260]
    ),
    st.text(min_size=1, max_size=8).map(lambda name: name.replace("/", "%2f")),
)
FIELDS = st.sampled_from(
    [
        "selector", "order", "types", "untracked", "pre_dnat", "annotations", "inbound_rules",
        "outbound_rules", "action", "protocol", "!protocol", "icmp_type", "icmp_code", "ip_version",
        "src_net", "!src_nets", "src_tag", "!dst_tag", "dst_selector", "!src_selector", "dst_ports", "name",
        "mac", "profile_ids", "ipv4_nets", "ipv6_nets", "ipv4_nat", "int_ip", "ext_ip", "labels",
        "ipv4_gateway", "ports", "port", "cidr", "ipip", "ipip_mode", "disabled", "ip", "as_num",
        "expected_ipv4_addrs", "affinity", "hostAffinity", "allocations", "attributes", "block", "enabled",
        "metadata", "spec", "ingress", "egress", "source", "destination", "nets", "notNet", "scope",
        "peerIP", "node", "bgp", "ipv4Address", "asNumber", "workload", "orchestrator", "ipNetworks",
    ]
)  # fmt: skip
LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["10.0.0.1/32", "10.0.0.0/8", "fd00::/64", "10.0.0.1", "tcp", "allow", "a == 'b'", "64512", "k8s"]),
)
JSON = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(FIELDS, inner, max_size=5),
        st.dictionaries(st.text(max_size=4), inner, max_size=2),
    ),
    max_leaves=12,
)


def path(template: str) -> st.SearchStrategy[str]:
    parts = template.split("?")
    return st.tuples(*[NAME] * (len(parts) - 1)).map(
        lambda names: "".join(part + name for part, name in zip(parts, (*names, ""), strict=True))
    )


PATH = st.one_of(
    path("/calico/v1/policy/tier/default/policy/?"),
    path("/calico/v1/policy/profile/?/tags"),
    path("/calico/v1/policy/profile/?/labels"),
    path("/calico/v1/policy/profile/?/rules"),
    path("/calico/v1/host/?/workload/?/?/endpoint/?"),
    path("/calico/v1/host/?/workload/k8s/?/endpoint/eth0"),
    path("/calico/v1/host/?/endpoint/?"),
    path("/calico/v1/host/?/config/?"),
    path("/calico/v1/host/?/config/IpInIpTunnelAddr"),
    path("/calico/v1/host/?/metadata"),
    path("/calico/v1/host/?/orchestrator_refs"),
    path("/calico/bgp/v1/host/?/ip_addr_v4"),
    path("/calico/bgp/v1/host/?/as_num"),
    path("/calico/bgp/v1/host/?/peer_v4/10.0.0.1"),
    path("/calico/ipam/v2/host/?/ipv4/block/10.0.0.0-26"),
    path("/calico/ipam/v2/handle/?"),
    path("/calico/v1/ipam/v4/pool/?"),
    path("/calico/?/?/?"),
    st.sampled_from(
        [
            "/calico/v1/config/CalicoVersion", "/calico/v1/config/FailsafeInboundHostPorts", "/calico/v1/Ready",
            "/calico/v1/config/IptablesRefreshInterval", "/calico/v1/config/MaxIpsetSize", "/calico/v1/config/X",
            "/calico/bgp/v1/global/as_num", "/calico/bgp/v1/global/node_mesh", "/calico/bgp/v1/global/loglevel",
            "/calico/bgp/v1/global/peer_v6/fd00::1", "/calico/v1/ipam/v4/pool/10.0.0.0-8",
            "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26", "/calico/ipam/v2/config", "",
        ]
    ),
)  # fmt: skip
STORE = st.dictionaries(PATH, st.one_of(JSON, st.text(max_size=8), JSON.map(json.dumps)), max_size=8)


def shown(conversion: Conversion) -> Any:
    """All of a conversion, to compare."""
    return (
        conversion.resources,
        conversion.ipam,
        [(row.object.path, row.kind, row.namespace, row.name) for row in conversion.names],
        [(problem.rule, problem.stage, problem.field, problem.message, problem.v3) for problem in conversion.remarks()],
    )


@given(STORE, st.sampled_from(UPGRADES), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=250, deadline=None)
def test_every_store_is_converted(keys: dict[str, Any], upgrade: str, whole: bool, random: Any) -> None:
    objects = [V1Object(path, value, index) for index, (path, value) in enumerate(keys.items())]
    conversion = convert(objects, upgrade, whole_store=whole)
    for resource in conversion.resources:
        json.dumps(resource)
        name = resource["metadata"]["name"]
        if resource["kind"] != "FelixConfiguration":
            assert is_name(name)
        assert len(name) <= 253 or resource["kind"] == "FelixConfiguration"
        assert resource["kind"] != "GlobalNetworkPolicy" or is_policy_name(name)
    named = [(row.kind, row.namespace, row.name) for row in conversion.names if row.kind != "BGPPeer"]
    assert len(named) == len(set(named))
    for problem in conversion.remarks():
        assert problem.message
        assert problem.fix
        if problem.object is not None:
            api_field(problem.object.path, problem.field)
    # The same input in another order, and as the text that is stored.
    random.shuffle(objects)
    again = convert(iter(objects), upgrade, whole_store=whole)
    assert shown(again) == shown(conversion)


@given(st.dictionaries(path("/calico/v1/policy/tier/default/policy/?"), JSON, max_size=3))
@settings(max_examples=100, deadline=None)
def test_text_and_decoded_values_are_the_same(keys: dict[str, Any]) -> None:
    # A number that JSON does not have is no value of a store; a text is the stored text itself.
    keys = {path: value for path, value in keys.items() if not isinstance(value, str)}
    texts = {path: json.dumps(value) for path, value in keys.items()}
    if any(word in text for text in texts.values() for word in ("NaN", "Infinity")):
        return
    conversions = [
        convert([V1Object(path, value) for path, value in some.items()], whole_store=False) for some in (keys, texts)
    ]
    assert shown(conversions[0]) == shown(conversions[1])


@given(st.sampled_from(KINDS), st.dictionaries(FIELDS, JSON, max_size=4), st.dictionaries(FIELDS, JSON, max_size=5))
@settings(max_examples=200, deadline=None)
def test_every_resource_is_read_or_refused(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> None:
    document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"} | metadata, "spec": spec}
    try:
        objects = from_api(document)
    except InvalidResourceError:
        return
    # What calicoctl stores, calico-upgrade can read.
    conversion = convert(objects, whole_store=False)
    assert not [problem for problem in conversion.skipped if problem.rule in ("D010", "D011")]


@given(st.text(min_size=1, max_size=20))
def test_names_are_stable(name: str) -> None:
    assert node_name(node_name(name)) == node_name(name)
    if is_name(name):
        assert resource_name(name) == name
    else:
        assert resource_name(name) != name


LABEL = st.text(st.sampled_from("abzAZ09_./-"), min_size=1, max_size=6).filter(
    lambda key: not key.startswith(("in", "not"))
)
QUOTED = st.text(st.characters(exclude_characters="'\"", exclude_categories=["Cs"]), max_size=4).map(
    lambda text: f"'{text}'"
)
SELECTOR = st.recursive(
    st.one_of(
        st.just("all()"),
        LABEL.map(lambda key: f"has({key})"),
        st.tuples(LABEL, st.sampled_from(["==", "!="]), QUOTED).map(" ".join),
        st.tuples(LABEL, st.sampled_from(["in", "not in"]), st.lists(QUOTED, max_size=3)).map(
            lambda test: f"{test[0]} {test[1]} {{{', '.join(test[2])}}}"
        ),
    ),
    lambda inner: st.one_of(
        inner.map(lambda selector: f"!{selector}"),
        inner.map(lambda selector: f"( {selector} )"),
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(" ".join),
    ),
    max_leaves=6,
)


@given(SELECTOR, st.sampled_from(UPGRADES))
def test_every_selector_of_the_grammar_parses(selector: str, upgrade: str) -> None:
    assert parse(selector, upgrade).fault is None
    assert parse(f"({selector}", upgrade).fault is not None
    assert parse(f"{selector} {selector}", upgrade).fault is not None


@given(st.text(max_size=12), st.sampled_from(UPGRADES))
def test_no_selector_raises(selector: str, upgrade: str) -> None:
    fault = parse(selector, upgrade).fault
    assert fault is None or 0 <= fault[0] <= len(selector)
