"""Names, selectors, addresses, versions and the API's resources, each for itself."""

from __future__ import annotations

from typing import Any

import pytest

from calico_lint.v1data import InvalidResourceError, api_field, convert, from_api, is_clean
from calico_lint.v1data.addresses import ip_text, mac_text, net_text
from calico_lint.v1data.gates import version_fault
from calico_lint.v1data.keys import classify
from calico_lint.v1data.names import cidr_name, ip_name, node_name, policy_name, profile_name, resource_name
from calico_lint.v1data.selectors import parse


@pytest.mark.parametrize(
    ("v1", "node", "resource", "policy"),
    [
        ("abcdef", "abcdef", "abcdef", "abcdef"),
        ("Abcdef", "abcdef", "abcdef-78905ee1", "abcdef-78905ee1"),
        ("abc/def", "abc.def", "abc.def-0d06c5df", "abc-def-0d06c5df"),
        ("abc..def", "abc.def", "abc.def-4501887b", "abc-def-4501887b"),
        ("$ABC/DeF-123.-456!", "abc.def-123.456", "abc.def-123.456-3f42689c", "abc-def-123-456-3f42689c"),
        ("abc---def", "abc---def", "abc---def", "abc---def"),
        ("a.b", "a.b", "a.b", "a-b-69f6642c"),
        ("İx", "ix", "ix-e10882f1", "ix-e10882f1"),
        ("___", "", "-bf295750", "-bf295750"),
    ],
)
def test_names(v1: str, node: str, resource: str, policy: str) -> None:
    from hashlib import sha1

    qualifier = sha1(v1.encode()).hexdigest()[:8]
    assert node_name(v1) == node
    assert resource_name(v1) == (node if node == v1 else f"{node}-{qualifier}") == resource
    dashed = node.replace(".", "-")
    assert policy_name(v1) == (dashed if dashed == v1 else f"{dashed}-{qualifier}") == policy


def test_names_of_profiles_addresses_and_networks() -> None:
    assert profile_name("k8s_ns.kube-system") == "kns.kube-system"
    assert profile_name("k8s_ns.Kube") == resource_name("kns.Kube")
    assert ip_name("10.0.0.1") == "10-0-0-1"
    assert ip_name("aa:bb::") == "00aa-00bb-0000-0000-0000-0000-0000-0000"
    assert ip_name("<nil>") == ""
    assert cidr_name("10.1.0.0/16") == "10-1-0-0-16"
    assert cidr_name("2006::/64") == "2006---64"


BOTH, OLDER, NEWER, NONE = (True, True), (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("text", "parses"),
    [
        ("", BOTH),
        ("all()", BOTH),
        ("!!has( a.b/c-d_e )", BOTH),
        ("a == 'b' && (c != \"d\" || !e in {'f', 'g',})", BOTH),
        ("a not   in {}", BOTH),
        ("a notin{'b'}", BOTH),
        ("has(a)has(b)", NONE),
        ("a == 'b' c == 'd'", NONE),
        ("a", NONE),
        ("a ==", NONE),
        ("a = 'b'", NONE),
        ("a == b", NONE),
        ("a == 'b", NONE),
        ("(a == 'b'", NONE),
        ("a == 'b')", NONE),
        ("()", NONE),
        ("a in {'b' 'c'}", NONE),
        ("a in {,}", NONE),
        ("a & b", NONE),
        ("has (a)", NONE),
        ("a\n== 'b'", NONE),
        ("é == 'x'", NONE),
        ("a contains 'b'", NEWER),
        ("a starts with 'b' || a ends  with 'c'", NEWER),
        ("in == 'b'", NEWER),
        ("all() == 'b'", NONE),
        ("(" * 20_000 + "has(a)" + ")" * 20_000, BOTH),
        ("x" * 512 + " == ''", BOTH),
        ("x" * 513 + " == ''", NONE),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_selectors(text: str, parses: tuple[bool, bool]) -> None:
    assert (parse(text).fault is None, parse(text, "master").fault is None) == parses


def test_a_fault_has_its_place() -> None:
    assert parse("a == 'b' && c = 'd'").fault == (14, "= where == is meant")
    assert parse("has(a) &&").fault == (9, "no label, has() or all() where one must stand")
    assert parse("calico/k8s_ns == 'a' || has(b)").labels == ("calico/k8s_ns", "b")


@pytest.mark.parametrize(
    ("text", "ip", "net"),
    [
        ("10.0.0.1", "10.0.0.1", "10.0.0.1/32"),
        ("010.000.000.001", "10.0.0.1", "10.0.0.1/32"),
        ("10.0.0.256", None, None),
        ("10.0.0.1/24", None, "10.0.0.1/24"),
        ("192.168.000.000/32", None, "192.168.0.0/32"),
        ("10.0.0.1/33", None, None),
        ("10.0.0.1/+8", None, None),
        ("AA:BB::", "aa:bb::", "aa:bb::/128"),
        ("::ffff:1.2.3.4", "1.2.3.4", "1.2.3.4/32"),
        ("::ffff:1.2.3.4/120", None, "1.2.3.4/24"),
        ("::ffff:1.2.3.4/64", None, "1.2.3.4/0"),
        ("::1.2.3.4", "::102:304", "::102:304/128"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0/128"),
        ("1::2::3", None, None),
        ("fd00::1%eth0", None, None),
        ("", "<nil>", "<nil>"),
        ("²", None, None),
    ],
)
def test_addresses(text: str, ip: str | None, net: str | None) -> None:
    assert (ip_text(text), net_text(text)) == (ip, net)


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("CA:FE:1D:52:BB:E9", "ca:fe:1d:52:bb:e9"),
        ("ca-fe-1d-52-bb-e9", "ca:fe:1d:52:bb:e9"),
        ("cafe.1d52.bbe9", "ca:fe:1d:52:bb:e9"),
        ("ca:fe:1d:52:bb:e9:00:01", "ca:fe:1d:52:bb:e9:00:01"),
        ("ca:fe:1d-52:bb:e9", None),
        ("cafe1d52bbe9", None),
        ("", None),
    ],
)
def test_hardware_addresses(text: str, mac: str | None) -> None:
    assert mac_text(text) == mac


@pytest.mark.parametrize(
    ("version", "migrates"),
    [
        *((version, True) for version in ("v2.6.5", "v2.6.5-rc1", "v2.6.5-15-g0123abc", "v2.6.6", "v2.7.0", "2.6.12")),
        *((version, False) for version in ("v2.6.4", "v2.6.4-rc1", "v2.6.4-15-gabc", "v2.5.99", "v1.10.0")),
        *((version, False) for version in ("v2.6.x-deadbeef", "v3.0", "v3.0.0", "v3.0.0-alpha1", "v3.1.3", "v10.0.0")),
        *((version, False) for version in ("master", "", "garbage", "1.2.3.4.5", "v2.6", "2.6.٥", "v2.6.")),
    ],
)
def test_versions(version: str, migrates: bool) -> None:
    assert (version_fault(version) is None) is migrates


def test_the_v3_store_is_clean_without_keys_of_calico() -> None:
    assert not is_clean([])
    assert not is_clean(["/registry/pods/x", "/calicoctl"])
    (problem,) = is_clean(["/registry/x", "/calico/resources/v3/projectcalico.org/nodes/b", "/calico/ipam/v2/handle/a"])
    assert problem.rule == "D003"
    assert problem.message.startswith(
        "2 keys below /calico/ are left in the v3 store, such as /calico/ipam/v2/handle/a"
    )
    assert "calico-upgrade abort" in problem.fix


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/calico/v1/Ready", ("ready", ())),
        ("calico/v1/config/LogFilePath", ("config", ("LogFilePath",))),
        ("/calico/v1/host/n/config/a/b", ("host config", ("n", "a/b"))),
        ("/calico/v1/host/n/metadata", ("metadata", ("n",))),
        ("/calico/v1/host/n/bird_ip", ("host", ("n",))),
        ("/calico/v1/host/n", ("host", ("n",))),
        ("/calico/v1/host/n/endpoint/a%2fb%25", ("host endpoint", ("n", "a/b%"))),
        ("/calico/v1/host/a/b/workload/k8s/x.y/endpoint/e", ("workload endpoint", ("a/b", "k8s", "x.y", "e"))),
        ("/calico/v1/policy/tier/default/policy/p", ("policy", ("p",))),
        ("/calico/v1/policy/tier/other/policy/p", ("unread", ())),
        ("/calico/v1/policy/tier/default/metadata", ("none", ())),
        ("/calico/v1/policy/profile/p/rules", ("profile", ("p", "rules"))),
        ("/calico/v1/ipam/v6/pool/fd00::-64", ("pool", ("fd00::/64",))),
        ("/calico/bgp/v1/global/peer_v4/10.0.0.1", ("global peer", ("10.0.0.1",))),
        ("/calico/bgp/v1/global/peer_v4/x", ("unread", ("x",))),
        ("/calico/bgp/v1/global/as_num", ("bgp config", ("as_num",))),
        ("/calico/bgp/v1/global/custom", ("unread", ("custom",))),
        ("/calico/bgp/v1/host/n/peer_v6/fd00::1", ("node peer", ("n", "fd00::1"))),
        ("/calico/bgp/v1/host/n/as_num", ("node bgp", ("n", "as_num"))),
        ("/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26", ("block", ("10.0.0.0/26",))),
        ("/calico/ipam/v2/host/n/ipv4/block/10.0.0.0-26", ("affinity", ("n", "10.0.0.0/26"))),
        ("/calico/ipam/v2/handle/h", ("handle", ("h",))),
        ("/calico/ipam/v2/config", ("ipam config", ())),
        ("/calico/v1", ("none", ())),
        ("", ("none", ())),
        ("/calico//v1/Ready", ("none", ())),
    ],
)
def test_keys(path: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert classify(path) == expected


def document(kind: str, metadata: dict[str, Any], spec: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec or {}}


@pytest.mark.parametrize(
    ("resource", "field", "reason"),
    [
        ([], "", "a resource is a mapping"),
        ({"apiVersion": "projectcalico.org/v3", "kind": "Node"}, "apiVersion", "of v3 already"),
        (document("Pod", {}), "kind", "none that calicoctl v2 knows"),
        (document("node", {}), "metadata.name", "is missing"),
        (document("node", {"name": "n"}, {"bgp": {"asNumber": 1}}), "spec.bgp", "missing address"),
        (document("bgpPeer", {"scope": "global"}), "metadata.peerIP", "no PeerIP is set"),
        (document("bgpPeer", {"scope": "x", "peerIP": "10.0.0.1"}), "metadata.scope", "global or node"),
        (document("policy", {"name": "p"}, {"order": "1"}), "spec.order", "a text where a number is expected"),
        (
            document("policy", {"name": "p"}, {"ingress": [{}, {"source": {"nets": ["x"]}}]}),
            "spec.ingress[1].source.nets[0]",
            "'x' is no CIDR and no IP address",
        ),
        (document("ipPool", {"cidr": ""}), "metadata.cidr", "is missing"),
    ],
)
def test_resources_that_cannot_have_been_stored(resource: Any, field: str, reason: str) -> None:
    with pytest.raises(InvalidResourceError) as caught:
        from_api(resource)
    assert caught.value.field == field
    assert reason in caught.value.reason


def test_a_resource_is_found_again_by_its_field() -> None:
    """What is said of the stored keys can be shown in the resource that they come from."""
    rules = [{"action": "allow", "notProtocol": "x", "destination": {"notPorts": [0]}, "notICMP": {"code": 1}}]
    resources = [
        document("policy", {"name": "p"}, {"selector": "a =", "egress": rules, "preDNAT": True, "types": ["ingress"]}),
        document("profile", {"name": "p", "tags": ["a/b/c"], "labels": {"é": "x"}}, {"ingress": rules}),
        document("hostEndpoint", {"name": "e", "node": "n", "labels": {"-": ""}}, {"interfaceName": "x" * 16}),
        document("ipPool", {"cidr": "fe80::1/64"}, {"ipip": {"enabled": True}}),
        document(
            "workloadEndpoint",
            {"name": "e", "node": "n", "orchestrator": "k8s", "workload": "a.b", "activeInstanceID": "-"},
            {"interfaceName": "", "ipNetworks": ["10.0.0.0/8"], "ports": [{"name": "", "protocol": "tcp", "port": 0}]},
        ),
    ]
    fields = []
    for index, resource in enumerate(resources):
        conversion = convert(from_api(resource, index), whole_store=False)
        for problem in conversion.problems:
            assert problem.object is not None
            assert problem.object.place == index
            fields.append((index, api_field(problem.object.path, problem.field)))
    assert sorted(set(fields)) == [
        (0, "spec.egress"),
        (0, "spec.egress[0].destination.notPorts"),
        (0, "spec.egress[0].destination.notPorts[0]"),
        (0, "spec.egress[0].notICMP.code"),
        (0, "spec.egress[0].notProtocol"),
        (0, "spec.selector"),
        (1, "metadata.labels"),
        (1, "spec.ingress[0].destination.notPorts"),
        (1, "spec.ingress[0].destination.notPorts[0]"),
        (1, "spec.ingress[0].notICMP.code"),
        (1, "spec.ingress[0].notProtocol"),
        (2, "metadata.labels"),
        (2, "spec.interfaceName"),
        (3, "metadata.cidr"),
        (3, "spec.ipip.enabled"),
        (4, "metadata.activeInstanceID"),
        (4, "spec.interfaceName"),
        (4, "spec.ipNetworks"),
        (4, "spec.ports[0].name"),
        (4, "spec.ports[0].port"),
        (4, "spec.ports[0].protocol"),
    ]
