from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.rules import calico
from calico_lint.rules.core import Rule
from tests.helpers import lint_spec
from tests.rules.judge import ANY_VALUE, MINORS, V1ALPHA3, assert_segments_agree, cluster_of, etcd, found, only

ERROR, WARNING, INFO = "error", "warning", "info"
IPV6 = 'nonMasqueradeCIDR: "::/0"\n'
AZURE = "cloudProvider: azure\n"
ETCD3 = etcd("version: 3.2.24", "version: 3.2.24")
ETCD2 = etcd("version: 2.2.1", "version: 2.2.1")


def field(keys: str, before: str = "") -> str:
    return f"{before}networking: {{calico: {{{keys}}}}}\n"


# A spec that is wrong, the field, the first and the last kOps minor that objects. The rule is silent outside.
SPANS = [
    ("KC101", field("majorVersion: v2"), "majorVersion", 11, 19),
    ("KC102", field("majorVersion: v3", ETCD2), "majorVersion", 11, 19),
    ("KC103", field("typhaReplicas: -1"), "typhaReplicas", 15, 36),
    ("KC104", field("iptablesBackend: nft"), "iptablesBackend", 18, 36),
    ("KC105", field("awsSrcDstCheck: disabled"), "awsSrcDstCheck", 19, 36),
    ("KC106", field("awsSrcDstCheck: Disable", IPV6), "awsSrcDstCheck", 26, 36),
    ("KC107", field("bpfExternalServiceMode: dsr"), "bpfExternalServiceMode", 19, 36),
    ("KC108", field("bpfLogLevel: debug"), "bpfLogLevel", 19, 36),
    ("KC109", field("chainInsertMode: Insert"), "chainInsertMode", 19, 36),
    ("KC110", field("encapsulationMode: geneve"), "encapsulationMode", 19, 36),
    ("KC110", field("encapsulationMode: none", IPV6), "encapsulationMode", 19, 22),
    ("KC111", field("encapsulationMode: none"), "encapsulationMode", 23, 36),
    ("KC111", field("encapsulationMode: ipip", IPV6), "encapsulationMode", 23, 36),
    ("KC112", field("encapsulationMode: ipip", AZURE), "encapsulationMode", 35, 36),
    ("KC113", field("ipipMode: cross-subnet"), "ipipMode", 19, 36),
    ("KC114", field("encapsulationMode: vxlan, ipipMode: Always"), "ipipMode", 19, 36),
    ("KC114", field("ipipMode: Always", IPV6), "ipipMode", 23, 36),
    ("KC114", field("ipipMode: CrossSubnet", AZURE), "ipipMode", 35, 36),
    ("KC115", field("encapsulationMode: vxlan, vxlanMode: always"), "vxlanMode", 22, 36),
    ("KC116", field("encapsulationMode: ipip, vxlanMode: Always"), "vxlanMode", 22, 36),
    ("KC116", field("vxlanMode: CrossSubnet"), "vxlanMode", 22, 36),
    ("KC116", field("vxlanMode: CrossSubnet", AZURE), "vxlanMode", 22, 34),
    ("KC117", field("ipv4AutoDetectionMethod: cidr=10.0.0.0/8"), "ipv4AutoDetectionMethod", 19, 36),
    ("KC118", field("crossSubnet: true"), "crossSubnet", 22, 36),
    ("KC119", field("wireguardEnabled: true", IPV6), "wireguardEnabled", 26, 36),
]


@pytest.mark.parametrize(("rule", "lines", "key", "first", "last"), SPANS)
def test_a_rule_holds_from_its_first_to_its_last_release(
    rule: str, lines: str, key: str, first: int, last: int
) -> None:
    for minor in MINORS:
        fields = {field for id, field, _ in found(lines, f"1.{minor}") if id == rule}
        assert fields == ({f"networking.calico.{key}"} if first <= minor <= last else set()), f"kOps 1.{minor}"


# Values of one key: (key, release, values that pass, {value that does not: rule}).
VALUES = [
    ("majorVersion", "1.14", ("v3", '""', "null"), {"v2": "KC101", '"3"': "KC101", "V3": "KC101"}),
    ("typhaReplicas", "1.20", ("0", "3", "null"), {"-1": "KC103", "-3": "KC103"}),
    ("iptablesBackend", "1.18", ("Auto", "Legacy", "NFT", '""', "null"), {"nft": "KC104", "auto": "KC104"}),
    ("awsSrcDstCheck", "1.22", ("Enable", "Disable", "DoNothing", '""'), {"disabled": "KC105", "enable": "KC105"}),
    ("bpfExternalServiceMode", "1.22", ("Tunnel", "DSR"), {"dsr": "KC107", "tunnel": "KC107"}),
    ("bpfLogLevel", "1.22", ('"Off"', "Info", "Debug"), {"debug": "KC108", "Trace": "KC108"}),
    ("chainInsertMode", "1.22", ("insert", "append"), {"Insert": "KC109", "prepend": "KC109"}),
    ("encapsulationMode", "1.22", ("ipip", "vxlan", '""'), {"none": "KC110", "IPIP": "KC110"}),
    ("encapsulationMode", "1.23", ("ipip", "vxlan"), {"none": "KC111", "geneve": "KC110"}),
    ("ipipMode", "1.22", ("Always", "CrossSubnet", "Never", '""'), {"always": "KC113", "cross-subnet": "KC113"}),
    ("vxlanMode", "1.22", ("Never", '""'), {"never": "KC115", "Always": "KC116", "CrossSubnet": "KC116"}),
    ("wireguardEnabled", "1.30", ("true", "false"), {}),
    ("crossSubnet", "1.21", ("true", "false"), {}),
]


@pytest.mark.parametrize(("key", "kops", "good", "bad"), VALUES)
def test_values(key: str, kops: str, good: tuple[str, ...], bad: dict[str, str]) -> None:
    before = ETCD3 if key == "majorVersion" else ""
    for value in good:
        assert found(field(f"{key}: {value}", before), kops) == set(), value
    for value, rule in bad.items():
        assert found(field(f"{key}: {value}", before), kops) == {(rule, f"networking.calico.{key}", ERROR)}, value


# (lines, release, {(rule, key, severity)}): relations, and what fires together.
CASES = [
    # KC102: which etcd counts, and what an omitted version is taken for
    (field("majorVersion: v3", ETCD3), "1.11.1", set()),
    (field("majorVersion: v3", etcd("version: v3.3.10", "version: v3.3.10")), "1.12", set()),
    (field("majorVersion: v3"), "1.11.1", {("KC102", "majorVersion", ERROR)}),
    (field("majorVersion: v3"), "1.17.2", {("KC102", "majorVersion", ERROR)}),
    (field("majorVersion: v3"), "1.18.0", {("KC102", "majorVersion", INFO)}),
    (field("majorVersion: v3"), "1.18.1", set()),
    (field("majorVersion: v3"), "1.19.3", set()),
    (field("majorVersion: v3", "kubernetesVersion: 1.12.10\n"), "1.18.3", set()),
    (field("majorVersion: v3", "kubernetesVersion: 1.11.10\n"), "1.18.3", {("KC102", "majorVersion", ERROR)}),
    (
        field("majorVersion: v3", "kubernetesVersion: 1.11.10\n" + etcd("provider: Manager", "provider: Manager")),
        "1.18.3",
        set(),
    ),
    (
        field("majorVersion: v3", "kubernetesVersion: 1.12.10\n" + etcd("provider: Legacy", "provider: Legacy")),
        "1.19.3",
        {("KC102", "majorVersion", ERROR)},
    ),
    (field("majorVersion: v3, iptablesBackend: NFT", ETCD2), "1.20.3", {("KE205", "0", ERROR), ("KE205", "1", ERROR)}),
    (field("majorVersion: v3", "etcdClusters: []\n"), "1.18.3", {("KE201", "", ERROR)}),
    (
        field("majorVersion: v3", etcd('version: "3.2"', 'version: "3.2"')),
        "1.12.3",
        {("KC102", "majorVersion", ERROR), ("KE205", "0", ERROR), ("KE205", "1", ERROR)},
    ),
    (
        field("majorVersion: v3", etcd("version: 3.2", "version: 3.2")),
        "1.12.3",
        {("KE205", "0", ERROR), ("KE205", "1", ERROR)},
    ),
    # KC105 and KC106 never speak of the same value
    (field("awsSrcDstCheck: DoNothing", IPV6), "1.26", set()),
    (field("awsSrcDstCheck: disabled", IPV6), "1.26", {("KC106", "awsSrcDstCheck", ERROR)}),
    (field("awsSrcDstCheck: disabled", IPV6), "1.25", {("KC105", "awsSrcDstCheck", ERROR)}),
    (field("awsSrcDstCheck: Enable", IPV6), "1.25", set()),
    # encapsulation: a value that does not exist is one finding, a wrong relation is one per field
    (field("encapsulationMode: geneve", IPV6), "1.36", {("KC110", "encapsulationMode", ERROR)}),
    (field("encapsulationMode: geneve", AZURE), "1.36", {("KC110", "encapsulationMode", ERROR)}),
    (field("encapsulationMode: none", IPV6), "1.36", set()),
    (
        field("encapsulationMode: none", AZURE),
        "1.36",
        {("KC111", "encapsulationMode", ERROR), ("KC112", "encapsulationMode", ERROR)},
    ),
    (
        field("encapsulationMode: geneve, ipipMode: Always, vxlanMode: Always"),
        "1.36",
        {("KC110", "encapsulationMode", ERROR), ("KC114", "ipipMode", ERROR), ("KC116", "vxlanMode", ERROR)},
    ),
    (field("encapsulationMode: vxlan, ipipMode: always"), "1.36", {("KC113", "ipipMode", ERROR)}),
    (field("encapsulationMode: vxlan, ipipMode: Never, vxlanMode: Always"), "1.36", set()),
    (field("encapsulationMode: vxlan, vxlanMode: CrossSubnet", AZURE), "1.36", set()),
    (field('encapsulationMode: "", vxlanMode: Always'), "1.36", {("KC116", "vxlanMode", ERROR)}),
    (field("encapsulationMode: null, vxlanMode: Always"), "1.36", {("KC116", "vxlanMode", ERROR)}),
    (field("encapsulationMode: [vxlan], vxlanMode: Always"), "1.36", set()),
    (field("ipipMode: Always", AZURE), "1.34", set()),
    (field("vxlanMode: Always", IPV6), "1.23", {("KC116", "vxlanMode", ERROR)}),
    (field("encapsulationMode: ipip", AZURE), "1.34", set()),
    # v1alpha3: fields that moved, and keys that do not exist there
    (
        V1ALPHA3
        + 'cloudProvider: {aws: {}}\nnetworking: {nonMasqueradeCIDR: "::/0", calico: {wireguardEnabled: true}}',
        "1.36",
        {("KC119", "wireguardEnabled", ERROR)},
    ),
    (
        V1ALPHA3 + "cloudProvider: {azure: {}}\nnetworking: {calico: {encapsulationMode: ipip}}",
        "1.36",
        {("KC112", "encapsulationMode", ERROR)},
    ),
    (V1ALPHA3 + "cloudProvider: {aws: {}}\n" + field("crossSubnet: true"), "1.36", set()),
    # KC118: any value that kOps can read
    (field("crossSubnet: false"), "1.22", {("KC118", "crossSubnet", WARNING)}),
    (field("crossSubnet: null"), "1.22", set()),
    (field('crossSubnet: "yes"'), "1.22", set()),
]


@pytest.mark.parametrize(("lines", "kops", "expected"), CASES)
def test_cases(lines: str, kops: str, expected: set[tuple[str, str, str]]) -> None:
    places = {"": "etcdClusters", "0": "etcdClusters[0].version", "1": "etcdClusters[1].version"}
    assert found(lines, kops) == {
        (rule, places.get(key, f"networking.calico.{key}"), severity) for rule, key, severity in expected
    }


@pytest.mark.parametrize(
    ("rule", "lines", "kops", "origin"),
    [
        ("KC102", field("majorVersion: v3"), "1.17.2", "kops-written"),
        ("KC102", field("majorVersion: v3", "kubernetesVersion: 1.11.10\n"), "1.18.3", "kops-completed"),
        ("KC114", field("encapsulationMode: vxlan, ipipMode: Always"), "1.36", "kops-written"),
        ("KC114", field("ipipMode: Always", AZURE), "1.36", "kops-completed"),
        ("KC116", field("encapsulationMode: ipip, vxlanMode: Always"), "1.36", "kops-written"),
        ("KC116", field("vxlanMode: Always"), "1.36", "kops-completed"),
        ("KC118", field("crossSubnet: true"), "1.36", "calico"),
        ("KC120", field("bpfEnabled: true"), "1.36", "kops-completed"),
        ("KC120", field("bpfEnabled: true", "kubeProxy: {}\n"), "1.36", "kops-written"),
        ("KC120", field("bpfEnabled: true", "kubeProxy: {}\n"), "1.35", "calico"),
    ],
)
def test_who_objects_and_when(rule: str, lines: str, kops: str, origin: str) -> None:
    assert only(rule, lines, kops).origin == origin


def test_calico_v3_advice_depends_on_kubernetes() -> None:
    old = only("KC102", field("majorVersion: v3", "kubernetesVersion: 1.10.13\n" + ETCD2), "1.11.1")
    assert "set a `version` 3.x" in old.message
    assert [related.message for related in old.related] == ["the etcd that Calico uses"]
    new = only("KC102", field("majorVersion: v3", "kubernetesVersion: 1.15.12\n" + ETCD2), "1.16.4")
    assert "remove `majorVersion`" in new.message


def test_calico_uses_the_first_etcd_cluster_whatever_its_name() -> None:
    events_first = (
        "etcdClusters:\n"
        "- {name: events, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: a}]}\n"
        "- {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: a}]}\n"
    )
    rules = {rule for rule, _, _ in found(field("majorVersion: v3", events_first), "1.11.1")}
    assert rules == {"KC102", "KE206"}


# --- KC117 ----------------------------------------------------------------------------------------------

IPV4_METHODS = {
    "first-found": True,
    "first-found=eth0": True,
    "can-reach=8.8.8.8": True,
    "can-reach=010.000.0.1": True,
    "can-reach=::ffff:10.0.0.1": True,
    "can-reach=gw.local": False,
    "can-reach=256.0.0.1": False,
    "can-reach=10.0.0": False,
    "can-reach=10.0.0.1.2": False,
    "can-reach=fd00::1": False,
    "can-reach=": False,
    "can-reach": False,
    "interface=eth0": True,
    "interface=ens.*,eth0": True,
    "interface=eth0 , eth1": True,
    "interface=eth0,": True,
    "interface=,eth0": False,
    "interface=": False,
    "interface": False,
    "skip-interface=docker.*,veth[0-9a-f]+": True,
    "skip-interface=": False,
    "skip-interface": False,
    "interface=eth0=eth1": False,
    "cidr=10.0.0.0/8": False,
    "kubernetes-internal-ip": False,
    "Interface=eth0": False,
    "=": False,
    "interface=eth[0": False,
    "interface=(eth0": False,
    "interface=*": False,
}
IPV6_METHODS = {
    "first-found": True,
    "can-reach=fd00::1": True,
    "can-reach=::": True,
    "can-reach=8.8.8.8": False,
    "can-reach=::ffff:10.0.0.1": False,
    "can-reach=fe80::1%eth0": False,
    "can-reach=fd00::g": False,
    "interface=eth.*": True,
}


@pytest.mark.parametrize(("key", "methods"), [("ipv4", IPV4_METHODS), ("ipv6", IPV6_METHODS)])
def test_autodetection_methods(key: str, methods: dict[str, bool]) -> None:
    for method, passes in methods.items():
        name = f"{key}AutoDetectionMethod"
        spec = {"networking": {"calico": {name: method}}}
        expected = set() if passes else {("KC117", f"networking.calico.{name}", ERROR)}
        assert found(spec, "1.36") == found(spec, "1.19") == expected, method


@pytest.mark.parametrize(
    ("expression", "compiles"),
    [
        ("eth0", True),
        ("eth[0-9]{1,2}", True),
        ("eth[9-0]", False),
        ("[[:alpha:]]+[^]x]", True),
        (r"\pL\p{Greek}\z", True),
        (r"\Qeth.*(\E0", True),
        (r"(?i)eth(?P<n>\d+)(?:a|b)?", True),
        (r"(?i-s:eth)", True),
        (r"\beth\d+$", True),
        ("^*", True),
        (r"eth\.", True),
        (r"(eth)\1", False),
        (r"\07", True),
        ("eth{1001}", False),
        ("eth{2,1}", False),
        ("eth{99999999999999999999}", False),
        ("eth{,2}", True),
        ("a**", False),
        ("a*+", False),
        ("a{2}+", False),
        ("(?!docker)", False),
        ("(?=eth)", False),
        ("(?<!a)b", False),
        (r"\Z", False),
        (r"\8", False),
        ("eth\\", False),
        ("(" * 3000, False),
        ("|eth0", True),
    ],
)
def test_expressions_are_judged_as_go_judges_them(expression: str, compiles: bool) -> None:
    assert (calico._go_regexp_fault(expression) is None) == compiles


# --- KC120 ----------------------------------------------------------------------------------------------

BPF = field("bpfEnabled: true")


@pytest.mark.parametrize(
    ("lines", "kops", "expected"),
    [
        (BPF, "1.18", None),
        (BPF, "1.19", WARNING),
        (BPF, "1.34", WARNING),
        (BPF, "1.35", ERROR),
        (BPF, "1.36", ERROR),
        (field("bpfEnabled: true, version: v3.30.3"), "1.35", WARNING),
        (field("bpfEnabled: true, version: v3.31.0"), "1.34", ERROR),
        (field("bpfEnabled: true, version: v3.30.3"), "1.36", ERROR),
        ("kubeProxy: {enabled: false}\n" + BPF, "1.36", None),
        ("kubeProxy: {enabled: false}\n" + BPF, "1.30", None),
        ("kubeProxy: {enabled: true}\n" + BPF, "1.36", ERROR),
        ("kubeProxy: {enabled: null}\n" + BPF, "1.36", ERROR),
        ("kubeProxy: {proxyMode: iptables}\n" + BPF, "1.36", ERROR),
        ("kubeProxy: null\n" + BPF, "1.36", ERROR),
        ('kubeProxy: {enabled: "false"}\n' + BPF, "1.36", None),
        ("kubeProxy: off\n" + BPF, "1.36", None),
        (field("bpfEnabled: false"), "1.36", None),
        (field('bpfEnabled: "true"'), "1.36", None),
    ],
)
def test_bpf_needs_kube_proxy_off(lines: str, kops: str, expected: str | None) -> None:
    assert found(lines, kops) == ({("KC120", "kubeProxy.enabled", expected)} if expected else set())


# --- inferred releases, texts, robustness ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "lines", "severity", "releases"),
    [
        ("KC101", field("majorVersion: v2", "kubernetesVersion: 1.11.10\n"), ERROR, None),
        ("KC102", field("majorVersion: v3", "kubernetesVersion: 1.16.0\n"), WARNING, "1.16-1.17"),
        ("KC112", field("encapsulationMode: ipip", AZURE + "kubernetesVersion: 1.33.0\n"), WARNING, "1.35-1.36"),
        ("KC116", field("vxlanMode: Always", "kubernetesVersion: 1.30.0\n"), ERROR, None),
        ("KC116", field("vxlanMode: Always", AZURE + "kubernetesVersion: 1.31.0\n"), WARNING, "1.31-1.34"),
        ("KC120", field("bpfEnabled: true", "kubernetesVersion: 1.35.0\n"), ERROR, None),
        ("KC120", field("bpfEnabled: true", "kubernetesVersion: 1.34.0\n"), WARNING, None),
    ],
)
def test_inferred_releases(rule: str, lines: str, severity: str, releases: str | None) -> None:
    finding = only(rule, lines, None, base="1.30")
    assert (finding.severity, finding.releases) == (severity, releases)
    assert releases is None or f"kOps {releases}" in finding.message


@pytest.mark.parametrize("rule", calico.RULES, ids=lambda rule: rule.id)
def test_one_release_stands_for_its_segment(rule: Rule) -> None:
    examples = [(example.yaml, example.kops) for example in rule.text.bad + rule.text.good]
    for lines, kops in [*examples, *((lines, kops) for lines, kops, _ in CASES)]:
        assert_segments_agree(rule, cluster_of(lines, kops))


@given(st.sampled_from(sorted({path.rpartition(".")[2] for rule in calico.RULES for path in rule.on})), ANY_VALUE,
       st.sampled_from(("encapsulationMode", "version", "calico", "kubeProxy", "etcdClusters", "nonMasqueradeCIDR")),
       ANY_VALUE, st.sampled_from((None, "1.8", "1.14", "1.18.0", "1.19", "1.23", "1.30", "1.36")))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_no_value_makes_a_rule_raise(key: str, value: object, other: str, beside: object, kops: str | None) -> None:
    options: dict[str, object] = {"bpfEnabled": True, "majorVersion": "v3", key: value}
    spec: dict[str, object] = {"networking": {"calico": options}}
    if other in ("encapsulationMode", "version"):
        options[other] = beside
    elif other == "calico":
        spec["networking"] = {"calico": beside}
    else:
        spec[other] = beside
    lint_spec(spec, kops)
