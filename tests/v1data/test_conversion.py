"""The conversion as a whole: order, filters, clashes, configuration, IPAM, and what is said of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from calico_lint.rules.v1data import RULES
from calico_lint.v1data import STAGES, UPGRADES, Conversion, V1Object, convert
from calico_lint.v1data.settings import duration_text
from tests.v1data.helpers import said, store

POLICY = "/calico/v1/policy/tier/default/policy/"
PROFILE = "/calico/v1/policy/profile/"
WORKLOAD = "/calico/v1/host/n1/workload/k8s/shop.web-1/endpoint/eth0"
ENDPOINT: dict[str, Any] = {
    "state": "active",
    "name": "cali1",
    "active_instance_id": "c1",
    "mac": "EE:EE:EE:EE:EE:EE",
    "profile_ids": ["k8s_ns.shop"],
    "ipv4_nets": ["10.0.0.1/32"],
    "ipv6_nets": [],
    "labels": {"app": "web", "calico/k8s_ns": "shop"},
}


def of(keys: dict[str, Any], upgrade: str = "v1.0.5", **options: bool) -> Conversion:
    return convert(store(keys), upgrade, **options)


def test_a_small_cluster() -> None:
    conversion = of(
        {
            "/calico/v1/config/ClusterGUID": "0f0f",
            "/calico/v1/config/LogSeverityScreen": "info",
            "/calico/v1/host/n1/metadata": {},
            "/calico/v1/host/n1/config/IpInIpTunnelAddr": "10.0.0.64",
            "/calico/v1/host/n1/config/LogSeverityFile": "none",
            "/calico/bgp/v1/host/n1/ip_addr_v4": "192.168.0.1",
            "/calico/bgp/v1/host/n1/network_v4": "192.168.0.0/24",
            "/calico/bgp/v1/global/node_mesh": '{"enabled": true}',
            "/calico/bgp/v1/global/as_num": "64512",
            "/calico/v1/ipam/v4/pool/10.0.0.0-16": {"cidr": "10.0.0.0/16", "ipip": "tunl0", "masquerade": True},
            f"{POLICY}knp.default.shop.web": {"selector": "all()"},
            f"{POLICY}Allow_Web": {"order": 10, "selector": "calico/k8s_ns == 'shop'", "types": ["ingress"]},
            f"{PROFILE}k8s_ns.shop/tags": ["k8s_ns.shop"],
            WORKLOAD: json.dumps(ENDPOINT),
            "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26": {"cidr": "10.0.0.0/26", "affinity": "host:N1"},
            "/calico/ipam/v2/host/n1/ipv4/block/10.0.0.0-26": "",
            "/calico/ipam/v2/handle/k8s-pod-network.c1": {"block": {"10.0.0.0/26": 1}},
            "/calico/felix/v1/host/n1/status": "{}",
        }
    )
    assert conversion.ok
    assert [(resource["kind"], resource["metadata"]["name"]) for resource in conversion.resources] == [
        ("FelixConfiguration", "default"),
        ("ClusterInformation", "default"),
        ("FelixConfiguration", "node.n1"),
        ("BGPConfiguration", "default"),
        ("Node", "n1"),
        ("IPPool", "10-0-0-0-16"),
        ("GlobalNetworkPolicy", "allow-web-f5cb5d55"),
        ("WorkloadEndpoint", "n1-k8s-web--1-eth0"),
    ]
    by_kind = {resource["kind"]: resource for resource in conversion.resources}
    assert by_kind["ClusterInformation"]["spec"] == {
        "clusterGUID": "0f0f",
        "calicoVersion": "v2.6.12",
        "datastoreReady": False,
    }
    assert by_kind["BGPConfiguration"]["spec"] == {"asNumber": 64512, "nodeToNodeMeshEnabled": True}
    assert by_kind["Node"]["spec"] == {"bgp": {"ipv4Address": "192.168.0.1/24", "ipv4IPIPTunnelAddr": "10.0.0.64"}}
    assert by_kind["WorkloadEndpoint"] == {
        "apiVersion": "projectcalico.org/v3",
        "kind": "WorkloadEndpoint",
        "metadata": {
            "name": "n1-k8s-web--1-eth0",
            "namespace": "shop",
            "labels": {"app": "web", "projectcalico.org/namespace": "shop"},
        },
        "spec": {
            "orchestrator": "k8s",
            "node": "n1",
            "containerID": "c1",
            "pod": "web-1",
            "endpoint": "eth0",
            "ipNetworks": ["10.0.0.1/32"],
            "profiles": ["kns.shop"],
            "interfaceName": "cali1",
            "mac": "ee:ee:ee:ee:ee:ee",
        },
    }
    assert conversion.counts["WorkloadEndpoint"] == 1
    assert conversion.ipam_counts == {"blocks": 1, "affinities": 0, "handles": 1}
    assert [(row.v1_kind, row.v1_name, row.kind, row.namespace, row.name) for row in conversion.names] == [
        ("node", "n1", "Node", None, "n1"),
        ("ipPool", "10.0.0.0/16", "IPPool", None, "10-0-0-0-16"),
        ("policy", "Allow_Web", "GlobalNetworkPolicy", None, "allow-web-f5cb5d55"),
        ("workloadEndpoint", "n1/k8s/shop.web-1/eth0", "WorkloadEndpoint", "shop", "n1-k8s-web--1-eth0"),
    ]
    assert [(problem.rule, problem.stage) for problem in conversion.skipped] == [
        ("D020", "filter"),
        ("D020", "filter"),
        ("D017", "parse"),
    ]
    assert [problem.rule for problem in conversion.changes] == ["D072"]


def test_master_writes_what_newer_calico_has() -> None:
    keys = {
        "/calico/v1/ipam/v6/pool/fd00::-64": {"cidr": "fd00::/64"},
        f"{POLICY}p": {"selector": "all()", "inbound_rules": [{"src_selector": "has(calico/k8s_ns)", "src_tag": "t"}]},
        "/calico/ipam/v2/host/N1/ipv4/block/10.0.0.0-26": "",
    }
    older, newer = of(keys), of(keys, "master")
    assert older.resources[1]["spec"] == {"cidr": "fd00::/64", "ipipMode": "Never"}
    assert newer.resources[1]["spec"] == {
        "cidr": "fd00::/64",
        "vxlanMode": "Never",
        "ipipMode": "Never",
        "blockSize": 122,
        "nodeSelector": "all()",
    }
    selectors = [conversion.resources[2]["spec"]["ingress"][0]["source"]["selector"] for conversion in (older, newer)]
    assert selectors == ["(has(calico/k8s_ns)) && t == ''", "(has(projectcalico.org/namespace)) && t == ''"]
    assert [problem.rule for problem in older.remarks()] == ["D017", "D070"]
    assert not list(newer.remarks())
    assert newer.ipam == [("/calico/ipam/v2/host/n1/ipv4/block/10.0.0.0-26", {"state": "", "deleted": False})]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"cidr": "10.0.0.0/26", "affinity": "host:Node_A"}, "host:node-a"),
        ({"cidr": "10.0.0.0/26", "hostAffinity": "Node_A"}, "host:node-a"),
        ({"cidr": "10.0.0.0/26", "affinity": "virtual:x"}, "virtual:x"),
        ({"cidr": "10.0.0.0/26", "affinity": "host:"}, "host:"),
        ({"cidr": "10.0.0.0/26"}, None),
    ],
)
def test_blocks_name_their_node_as_v3_does(value: dict[str, Any], expected: str | None) -> None:
    ((path, converted),) = of({"/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26": value}).ipam
    assert path == "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26"
    assert converted["affinity"] == expected
    assert "hostAffinity" not in converted


def test_a_name_that_three_nodes_share() -> None:
    conversion = of({f"/calico/v1/host/{name}/metadata": {} for name in ("Node_A", "NODE-A", "node-a", "node-b")})
    clashes = [
        (problem.object and problem.object.path, [other.path for other in problem.others], problem.v3)
        for problem in conversion.problems
    ]
    first, second, third = (f"/calico/v1/host/{name}/metadata" for name in ("NODE-A", "Node_A", "node-a"))
    assert clashes == [(second, [first], "Node node-a"), (third, [second], "Node node-a")]
    assert conversion.counts["Node"] == 2  # calico-upgrade keeps the first


def test_names_clash_within_a_namespace_only() -> None:
    keys = {
        "/calico/v1/host/n1/workload/k8s/a.web/endpoint/eth0": ENDPOINT,
        "/calico/v1/host/n1/workload/k8s/b.web/endpoint/eth0": ENDPOINT,
    }
    assert of(keys).counts["WorkloadEndpoint"] == 2
    assert of(keys).ok


def test_the_configuration_of_two_hosts_is_merged() -> None:
    conversion = of(
        {
            "/calico/v1/host/Node_A/config/LogSeverityScreen": "debug",
            "/calico/v1/host/Node_A/config/LogFilePath": "/a",
            "/calico/v1/host/node-a/config/LogSeverityScreen": "error",
        }
    )
    (configuration,) = [resource for resource in conversion.resources if resource["kind"] == "FelixConfiguration"]
    assert configuration["metadata"]["name"] == "node.node-a"
    assert configuration["spec"] == {"logSeverityScreen": "Error", "logFilePath": "/a"}
    assert [problem.rule for problem in conversion.changes] == ["D074"]


def test_directories_are_nodes_of_a_whole_store_only() -> None:
    keys = {WORKLOAD: ENDPOINT, "/calico/v1/host/n2/bird_ip": "10.0.0.2"}
    assert of(keys).counts["Node"] == 2
    assert "Node" not in of(keys, whole_store=False).counts
    # What is missing is missing only where everything is there.
    assert [problem.rule for problem in convert([]).problems] == ["D001", "D002"]
    assert not convert([], whole_store=False).problems
    assert [problem.rule for problem in of({"/calico/v1/Ready": "false"}, whole_store=False).problems] == ["D002"]


def test_counting_needs_no_resources() -> None:
    keys = {WORKLOAD: ENDPOINT, "/calico/ipam/v2/handle/h": {"block": {}}}
    kept, counted = of(keys), of(keys, keep=False)
    assert counted.counts == kept.counts
    assert counted.ipam_counts == kept.ipam_counts
    assert {"kind": "WorkloadEndpoint", "metadata": {"name": "n1-k8s-web--1-eth0"}} in counted.resources


def test_a_profile_is_made_of_the_parts_that_can_be_read() -> None:
    conversion = of(
        {
            f"{PROFILE}web/tags": ["t"],
            f"{PROFILE}web/labels": {"a": 1},
            f"{PROFILE}web/rules": {"inbound_rules": [{"action": "deny"}]},
            f"{PROFILE}lost/rules": "no JSON",
        }
    )
    (profile,) = [resource for resource in conversion.resources if resource["kind"] == "Profile"]
    assert profile["spec"] == {
        "ingress": [{"action": "Deny", "source": {}, "destination": {}}],
        "labelsToApply": {"t": ""},
    }
    assert said(conversion) == [
        ("D010", "parse", f"{PROFILE}lost/rules", ""),
        ("D010", "parse", f"{PROFILE}web/labels", ""),
    ]


CASES: list[tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = [
    (
        "every fault of an object is said, with its field",
        {
            f"{POLICY}p": {
                "selector": "a = 'b'",
                "inbound_rules": [
                    {"action": "accept", "dst_ports": [80, 0]},
                    {"protocol": "icmp", "icmp_code": 1, "ip_version": 6},
                ],
            }
        },
        [
            ("D052", "validate", "selector"),
            ("D056", "validate", "inbound_rules[0].action"),
            ("D053", "validate", "inbound_rules[0].dst_ports"),
            ("D053", "validate", "inbound_rules[0].dst_ports[1]"),
            ("D053", "validate", "inbound_rules[1].icmp_code"),
            ("D053", "validate", "inbound_rules[1].ip_version"),
        ],
    ),
    (
        "a tag is part of the selector that is validated",
        {f"{POLICY}p": {"selector": "", "outbound_rules": [{"!dst_tag": "a b"}]}},
        [("D052", "validate", "outbound_rules[0].!dst_selector")],
    ),
    (
        "a network that is null crashes calico-upgrade",
        {f"{POLICY}p": {"selector": "", "inbound_rules": [{}, {"src_nets": ["10.0.0.0/8", None]}]}},
        [("D012", "convert", "inbound_rules[1].src_nets[1]")],
    ),
    (
        "the same with a policy whose JSON has another type",
        {f"{POLICY}p": {"selector": "", "inbound_rules": [{"src_nets": ["10.0.0.0/33"]}]}},
        [("D010", "parse", "inbound_rules[0].src_nets[0]")],
    ),
    (
        "the parts of a profile are objects of their own",
        {f"{PROFILE}p/labels": {"a/b/c": "x"}, f"{PROFILE}p/rules": {"outbound_rules": [{"action": "x"}]}},
        [("D051", "validate", ""), ("D056", "validate", "outbound_rules[0].action")],
    ),
    ("a tag is reported at the tags", {f"{PROFILE}p/tags": ["a", "a"]}, [("D033", "convert", "[1]")]),
    (
        "a node's value that cannot be read is the key's own",
        {"/calico/bgp/v1/host/n/network_v4": "10.0.0.1", "/calico/v1/host/n/metadata": ""},
        [("D011", "parse", "")],
    ),
    (
        "a pool of which nothing is right",
        {"/calico/v1/ipam/v6/pool/fe80::-127": {"cidr": "fe80::1/127", "ipip": "tunl0"}},
        [("D057", "validate", field) for field in ("cidr", "ipip", "cidr", "cidr")],
    ),
    (
        "an endpoint's NAT",
        {WORKLOAD: {**ENDPOINT, "ipv4_nat": [{"int_ip": "10.0.0.2", "ext_ip": "fd00::1"}]}},
        [("D059", "validate", "ipv4_nat"), ("D059", "validate", "ipv4_nat")],
    ),
    (
        "an endpoint's gateways",
        {WORKLOAD: {**ENDPOINT, "ipv4_gateway": "fd00::1", "ipv6_gateway": ""}},
        [("D059", "validate", "ipv4_gateway"), ("D059", "validate", "ipv6_gateway")],
    ),
    (
        "the protocol of a port in lower case: wrong in a workload endpoint, set right in a host endpoint",
        {
            WORKLOAD: {**ENDPOINT, "ports": [{"name": "http", "protocol": "tcp", "port": 80}]},
            "/calico/v1/host/n1/endpoint/eth0": {
                "name": "eth0",
                "ports": [{"name": "a", "protocol": "tcp", "port": 1}],
            },
        },
        [("D060", "validate", "ports[0].protocol")],
    ),
    ("what is filtered is not converted", {f"{POLICY}knp.default.x": {"types": ["?"]}}, [("D020", "filter", "")]),
    ("what cannot be read is not filtered", {f"{POLICY}knp.default.x": []}, [("D010", "parse", "")]),
    ("a key without a network", {"/calico/v1/ipam/v4/pool/x": {"cidr": "10.0.0.0/8"}}, [("D012", "parse", "")]),
    ("keys of others are passed over", {"/calico/felix/v1/x": "", "/registry/x": "", "/calico/v1/Ready/x": ""}, []),
]


@pytest.mark.parametrize(("keys", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_said(keys: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert [(rule, stage, field) for rule, stage, _, field in said(of(keys))] == expected


def test_a_pool_key_without_a_network_crashes_only_the_older_one() -> None:
    assert [problem.rule for problem in of({"/calico/v1/ipam/v4/pool/x": {}}, "master").remarks()] == ["D013"]


def test_everything_that_is_said_is_whole() -> None:
    ids = {rule.id for rule in RULES}
    for _, keys, _ in CASES:
        for upgrade in UPGRADES:
            for problem in of(keys, upgrade).remarks():
                assert problem.rule in ids
                assert problem.stage in STAGES
                assert problem.message
                assert problem.fix
                assert not problem.message.endswith(".")


def test_an_unknown_conversion_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown conversion 'v1\.0\.4': one of v1\.0\.5, master"):
        convert([], "v1.0.4")


def test_of_one_key_the_last_value_counts() -> None:
    twice = [V1Object(f"{POLICY}p", {"order": order, "selector": ""}) for order in (1, 2)]
    conversion = convert(twice, whole_store=False)
    assert conversion.ok
    assert [resource["spec"]["order"] for resource in conversion.resources] == [2]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5µs"),
        (250_000_000, "250ms"),
        (1_500_000_000, "1.5s"),
        (90_000_000_000, "1m30s"),
        (3600_000_000_000, "1h0m0s"),
        (-1_000_000, "-1ms"),
        (-(2**63), "-2562047h47m16.854775808s"),
    ],
)
def test_durations_are_written_as_go_does(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text
