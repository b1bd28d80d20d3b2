"""The rules on data planes, nodes, support and operations (E, W, N, O, X, Z): when they speak, and when they do not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint import rules
from calico_lint.kops.releases import inferred, newest_of_minor
from calico_lint.rules.core import Rule
from calico_lint.rules.dataplane import RULES as DATAPLANE
from calico_lint.rules.nodes import RULES as NODES
from calico_lint.rules.operations import RULES as OPERATIONS
from calico_lint.rules.support import RULES as SUPPORT
from tests.helpers import lint_spec, lint_text, spec_text
from tests.rules.judge import ANY_VALUE, MINORS, V1ALPHA3

ERROR, WARNING, INFO = "error", "warning", "info"
PRACTICE = [*DATAPLANE, *NODES, *SUPPORT, *OPERATIONS]

OFF = "kubeProxy: {enabled: false}\n"
IPV6 = 'nonMasqueradeCIDR: "::/0"\n'
GCE = "cloudProvider: gce\nnetworkCIDR: <absent>\n"

AMZN2 = "137112412989/amzn2-ami-hvm-2.0.20240306.2-x86_64-gp2"
BIONIC = "099720109477/ubuntu/images/hvm-ssd/ubuntu-bionic-18.04-amd64-server-20200407"
BUSTER = "136693071363/debian-10-amd64-20200511-260"
BOOKWORM = "136693071363/debian-12-amd64-20240507-1740"
COREOS = "595879546273/CoreOS-stable-2303.3.0-hvm"
FLATCAR = "075585003325/Flatcar-stable-3815.2.0-hvm"
FOCAL = "099720109477/ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64-server-20240126"
FOCAL_OLD = "099720109477/ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64-server-20210415"
JAMMY = "099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301"
RHEL8_2 = "309956199498/RHEL-8.2.0_HVM-20200423-x86_64-0-Hourly2-GP2"
RHEL8_6 = "309956199498/RHEL-8.6.0_HVM-20220503-x86_64-2-Hourly2-GP2"
ROCKY10 = "792107900819/Rocky-10-EC2-Base-10.0-20250609.1.x86_64"
WINDOWS = "801119661308/Windows_Server-2019-English-Full-ECS_Optimized-2021"


def calico(keys: str = "") -> str:
    return f"networking: {{calico: {{{keys}}}}}\n"


def group(**keys: object) -> str:
    """A document below `---`: the spec of a group of two m5.large nodes, with keys replaced."""
    spec = {"role": "Node", "machineType": "m5.large", "minSize": 2, "maxSize": 2, "subnets": "[z1]", **keys}
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in spec.items())


def found(rule: str, lines: str | dict[str, Any], kops: str | None, **options: Any) -> list[tuple[str, str]]:
    return [
        (finding.field.removeprefix("spec.").removeprefix("networking.calico."), finding.severity)
        for finding in lint_spec(lines, kops, **options)
        if finding.rule == rule
    ]


BPF = OFF + calico("bpfEnabled: true")
WIREGUARD = calico("wireguardEnabled: true")
# rule, lines, kOps, what it finds: (field, severity); None: nothing.
CASES: list[tuple[str, str, str, tuple[str, str] | None]] = [
    # --- eBPF
    ("E852", calico("bpfEnabled: true, bpfKubeProxyIptablesCleanupEnabled: true"), "1.30",
     ("bpfKubeProxyIptablesCleanupEnabled", ERROR)),
    ("E852", calico("bpfKubeProxyIptablesCleanupEnabled: true"), "1.30",
     ("bpfKubeProxyIptablesCleanupEnabled", WARNING)),
    ("E852", OFF + calico("bpfEnabled: true, bpfKubeProxyIptablesCleanupEnabled: true"), "1.30", None),
    ("E852", calico("bpfEnabled: true, bpfKubeProxyIptablesCleanupEnabled: false"), "1.30", None),
    ("E853", "kubeProxy: {proxyMode: ipvs}\n" + calico("bpfEnabled: true"), "1.30", ("kubeProxy.proxyMode", WARNING)),
    ("E853", "kubeProxy: {proxyMode: iptables}\n" + calico("bpfEnabled: true"), "1.30", None),
    ("E853", "kubeProxy: {proxyMode: ipvs}\n" + calico("bpfEnabled: false"), "1.30", None),
    ("E854", BPF + group(image=AMZN2), "1.19", ("image", WARNING)),
    ("E854", BPF + group(image=BIONIC), "1.19", None),  # up to 5.4, and 3.17 wants 5.3
    ("E854", BPF + group(image=BIONIC), "1.30", ("image", WARNING)),
    ("E854", BPF + group(image=FOCAL), "1.30", None),
    ("E854", BPF + group(image=FOCAL_OLD), "1.30", ("image", WARNING)),
    ("E854", BPF + group(image=RHEL8_2), "1.22", None),
    ("E854", BPF + group(image=RHEL8_2), "1.30", ("image", WARNING)),
    ("E854", BPF + group(image=RHEL8_6), "1.30", None),
    ("E854", BPF + group(image="ami-0c94855ba95c71c99"), "1.30", None),
    ("E854", BPF + group(image="my-own-image"), "1.30", None),
    ("E854", BPF + group(image=AMZN2, role="Bastion"), "1.30", None),
    ("E854", calico("bpfEnabled: false") + group(image=AMZN2), "1.30", None),
    ("E855", BPF + group(machineType="t4g.large"), "1.23", ("machineType", ERROR)),
    ("E855", BPF + group(machineType="t4g.large"), "1.24", None),
    ("E855", BPF + group(machineType="g4dn.xlarge"), "1.23", None),
    ("E855", GCE + BPF + group(machineType="t2a-standard-1"), "1.23", ("machineType", ERROR)),
    ("E856", IPV6 + BPF, "1.26", ("bpfEnabled", ERROR)),
    ("E856", IPV6 + BPF, "1.30", ("bpfEnabled", WARNING)),
    ("E856", IPV6 + BPF, "1.32", ("bpfEnabled", INFO)),
    ("E856", BPF, "1.26", None),
    ("E857", OFF + calico("bpfEnabled: true, bpfExternalServiceMode: DSR, awsSrcDstCheck: DoNothing"), "1.30",
     ("bpfExternalServiceMode", ERROR)),
    ("E857", OFF + calico("bpfEnabled: true, bpfExternalServiceMode: DSR"), "1.19", ("bpfExternalServiceMode", ERROR)),
    ("E857", OFF + calico("bpfEnabled: true, bpfExternalServiceMode: DSR"), "1.30", None),
    ("E857", OFF + calico("bpfEnabled: true, bpfExternalServiceMode: DSR") + group() + group(subnets="[z2]"), "1.30",
     ("bpfExternalServiceMode", ERROR)),
    ("E857", GCE + OFF + calico("bpfEnabled: true, bpfExternalServiceMode: DSR"), "1.30",
     ("bpfExternalServiceMode", WARNING)),
    ("E857", calico("bpfExternalServiceMode: Tunnel"), "1.30", None),
    ("E858", "kubernetesVersion: 1.15.12\n" + BPF, "1.19", ("bpfEnabled", ERROR)),
    ("E858", "kubernetesVersion: 1.16.15\n" + BPF, "1.19", None),
    ("E859", calico("bpfLogLevel: Debug"), "1.30", ("bpfLogLevel", INFO)),
    ("E859", calico("bpfLogLevel: Info"), "1.30", None),
    ("E860", BPF + group(image=JAMMY) + group(image=WINDOWS), "1.30", ("bpfEnabled", WARNING)),
    ("E860", BPF + group(image=AMZN2) + group(image=AMZN2), "1.30", None),  # not mixed: E854 says it
    ("E861", OFF + calico("bpfEnabled: true, version: v3.22.2"), "1.23", ("bpfEnabled", ERROR)),
    ("E861", OFF + calico("bpfEnabled: true, version: v3.22.3"), "1.23", None),
    ("E861", BPF, "1.24.1", ("bpfEnabled", WARNING)),
    ("E861", BPF, "1.24.2", None),
    ("E861", BPF, "1.35.0", ("bpfEnabled", WARNING)),
    ("E861", BPF, "1.34", None),
    ("E861", calico("version: v3.22.2"), "1.23", None),
    ("E862", OFF + calico("bpfEnabled: true, wireguardEnabled: true"), "1.20", ("wireguardEnabled", WARNING)),
    ("E862", OFF + calico("bpfEnabled: true, wireguardEnabled: true"), "1.21", None),
    # --- WireGuard
    ("W861", WIREGUARD, "1.18.1", ("wireguardEnabled", ERROR)),
    ("W861", WIREGUARD, "1.18.2", None),
    ("W861", "kubernetesVersion: 1.15.12\n" + WIREGUARD, "1.20", ("wireguardEnabled", ERROR)),
    ("W861", IPV6 + WIREGUARD, "1.25", ("wireguardEnabled", ERROR)),
    ("W861", IPV6 + WIREGUARD, "1.26", None),  # KC119
    ("W862", WIREGUARD + group(image=AMZN2), "1.30", ("image", WARNING)),
    ("W862", WIREGUARD + group(image=BOOKWORM), "1.30", ("image", INFO)),
    ("W862", WIREGUARD + group(image=JAMMY), "1.30", None),
    ("W863", WIREGUARD + group(image=JAMMY) + group(image=AMZN2), "1.30", ("wireguardEnabled", WARNING)),
    ("W863", WIREGUARD + group(image=JAMMY) + group(image=BOOKWORM), "1.30", None),
    ("W865", WIREGUARD, "1.30", ("wireguardEnabled", INFO)),
    ("W865", calico("wireguardEnabled: false"), "1.30", None),
    ("W866", calico() + group(image=JAMMY), "1.35", ("wireguardEnabled", INFO)),
    ("W866", calico() + group(image=JAMMY), "1.34", None),
    ("W866", calico("wireguardEnabled: false") + group(image=JAMMY), "1.35", None),
    ("W866", calico() + group(image=BOOKWORM), "1.35", None),
    # --- nftables and iptables
    ("N871", "kubeProxy: {proxyMode: nftables}\n" + calico(), "1.33", ("kubeProxy.proxyMode", ERROR)),
    ("N871", "kubeProxy: {proxyMode: nftables}\n" + calico("nftablesMode: Disabled"), "1.36",
     ("kubeProxy.proxyMode", ERROR)),
    ("N871", "kubeProxy: {proxyMode: nftables}\n" + calico("nftablesMode: Enabled"), "1.36", None),
    ("N871", "kubeProxy: {proxyMode: nftables}\nkubernetesVersion: 1.30.2\n" + calico("nftablesMode: Enabled"), "1.35",
     ("kubeProxy.proxyMode", ERROR)),
    ("N871", "kubeProxy: {proxyMode: iptables}\n" + calico("nftablesMode: Enabled"), "1.36", ("nftablesMode", ERROR)),
    ("N871", OFF + calico("nftablesMode: Enabled"), "1.36", None),
    ("N871", calico("nftablesMode: Enabled") + group(image=ROCKY10), "1.36", None),  # kOps forces it there
    ("N871", calico("nftablesMode: Enabled") + group(image=ROCKY10) + group(image=JAMMY), "1.36",
     ("nftablesMode", ERROR)),
    ("N871", "kubeProxy: {proxyMode: nftables}\nnetworking: {cilium: {}}\n", "1.36", None),
    ("N872", calico() + group(image=ROCKY10), "1.35", ("image", WARNING)),
    ("N872", calico() + group(image=ROCKY10), "1.34", None),
    ("N872", BPF + group(image=ROCKY10), "1.36", None),
    ("N872", calico("nftablesMode: Enabled") + group(image=ROCKY10), "1.36", None),
    ("N872", calico() + group(image=RHEL8_6), "1.36", None),
    ("N874", calico("iptablesBackend: Legacy") + group(image=BOOKWORM), "1.30", ("iptablesBackend", WARNING)),
    ("N874", calico("iptablesBackend: Legacy") + group(image=FOCAL), "1.30", None),
    ("N874", calico("iptablesBackend: NFT") + group(image=FOCAL), "1.30", ("iptablesBackend", WARNING)),
    ("N874", calico("iptablesBackend: Auto") + group(image=BOOKWORM), "1.30", None),
    ("N874", calico() + group(image=BOOKWORM), "1.30", None),
    ("N874", calico() + group(image=BUSTER), "1.15", ("image", WARNING)),
    ("N874", calico() + group(image=BUSTER, additionalUserData="[{name: a.sh, type: text/x-shellscript, content: "
     '"update-alternatives --set iptables /usr/sbin/iptables-legacy"}]'), "1.15", None),
    ("N875", calico("chainInsertMode: append"), "1.30", ("chainInsertMode", WARNING)),
    ("N875", calico("chainInsertMode: insert"), "1.30", None),
    # --- nodes
    ("O881", IPV6 + calico() + group(image=BOOKWORM), "1.30", ("image", WARNING)),
    ("O881", IPV6 + calico() + group(image=FOCAL), "1.30", ("image", WARNING)),
    ("O881", IPV6 + calico() + group(image=FLATCAR), "1.30", None),
    ("O881", calico() + group(image=BOOKWORM), "1.30", None),
    ("O882", calico() + group(image=AMZN2), "1.32", ("image", WARNING)),
    ("O882", calico() + group(image=AMZN2), "1.31", None),
    ("O882", calico() + group(image=RHEL8_6), "1.32", None),
    ("O882", calico("version: v3.28.2") + group(image=AMZN2), "1.32", None),
    ("O883", calico() + group(image=RHEL8_6), "1.30", ("image", INFO)),
    ("O883", "networking: {cilium: {}}\n" + group(image=RHEL8_6), "1.30", None),
    ("O884", "sysctlParameters: [net.ipv4.ip_forward = 0]\n" + calico(), "1.30", ("sysctlParameters[0]", WARNING)),
    ("O884", calico() + group(sysctlParameters="[a=b, net.ipv4.conf.eth0.rp_filter=2]"), "1.30",
     ("sysctlParameters[1]", WARNING)),
    ("O884", "sysctlParameters: [net.ipv6.conf.all.forwarding=0]\n" + calico(), "1.30", None),
    ("O884", IPV6 + "sysctlParameters: [net.ipv6.conf.all.forwarding=0]\n" + calico(), "1.30",
     ("sysctlParameters[0]", WARNING)),
    ("O884", "sysctlParameters: [net.ipv4.ip_forward, 7, vm.max_map_count=0]\n" + calico(), "1.30", None),
    ("O885", calico() + group(machineType="m6g.large"), "1.22.6", ("machineType", ERROR)),
    ("O885", calico() + group(machineType="m6g.large"), "1.22.4", None),
    ("O885", calico() + group(machineType="m6g.large"), "1.18", ("machineType", ERROR)),
    ("O885", calico() + group(machineType="m5.large"), "1.22.6", None),
    ("O886", calico() + group(image=COREOS), "1.15.0", ("image", ERROR)),
    ("O886", calico() + group(image=BUSTER), "1.15.0", None),
    ("O887", "kubernetesVersion: 1.15.12\n" + calico() + group(image=FOCAL), "1.17", ("image", ERROR)),
    ("O887", calico() + group(image=FOCAL), "1.17", None),
    ("O887", "kubernetesVersion: 1.15.12\n" + calico() + group(image=BIONIC), "1.17", None),
    ("O888", calico() + group(image=FOCAL), "1.36", ("image", ERROR)),
    ("O888", calico() + group(image=FOCAL), "1.35", None),
    ("O888", calico() + group(image=JAMMY), "1.22", ("image", ERROR)),
    ("O888", calico() + group(image="cos-cloud/cos-stable-57-9202-64-0"), "1.36", None),
    # --- support
    ("X891", "kubernetesVersion: 1.36.0\n" + calico(), "1.36", ("kubernetesVersion", WARNING)),
    ("X891", "kubernetesVersion: 1.31.0\n" + calico(), "1.36", ("kubernetesVersion", INFO)),
    ("X891", "kubernetesVersion: 1.31.0\n" + calico("version: v3.31.4"), "1.36", ("kubernetesVersion", WARNING)),
    ("X891", "kubernetesVersion: 1.35.0\n" + calico(), "1.36", None),
    ("X891", "kubernetesVersion: latest\n" + calico(), "1.36", None),
    ("X891", calico(), "1.11", None),  # Calico v2 has no table
    ("X892", "kubernetesVersion: 1.31.0\n" + calico(), "1.33", ("kubernetesVersion", INFO)),
    ("X892", "kubernetesVersion: 1.31.0\n" + calico(), "1.34", None),
    ("X892", "kubernetesVersion: 1.30.0\n" + calico(), "1.34", ("kubernetesVersion", INFO)),
    ("X892", calico(), "1.14", None),
    ("X894", calico("registry: example.net"), "1.30", ("registry", INFO)),
    ("X894", calico("registry: example.net, version: v3.27.3"), "1.30", None),
    ("X895", "kubernetesVersion: 1.21.14\nnetworking: {canal: {}}\n", "1.22", ("networking.canal", INFO)),
    ("X895", "kubernetesVersion: 1.22.14\nnetworking: {canal: {}}\n", "1.22", None),
    ("X896", calico(), "1.12.2", ("networking.calico", ERROR)),
    ("X896", calico(), "1.12.3", None),
    ("X896", "kubernetesVersion: 1.11.10\n" + calico("majorVersion: v3"), "1.12.2", None),
    ("X896", calico("version: v3.21.0"), "1.23", ("version", ERROR)),
    ("X896", calico("version: v3.21.3"), "1.23", None),
    ("X897", calico(), "1.21", ("kubernetesVersion", WARNING)),
    ("X897", "kubernetesVersion: 1.19.16\n" + calico(), "1.21", None),
    ("X898", calico() + group(minSize=60, maxSize=60), "1.22", ("networking.calico", INFO)),
    ("X898", calico() + group(minSize=6, maxSize=60), "1.22", None),
    # --- operations
    ("Z902", calico("prometheusMetricsPort: 9100, typhaPrometheusMetricsPort: 9100"), "1.30",
     ("prometheusMetricsPort", INFO)),
    ("Z902", calico("typhaPrometheusMetricsPort: 9091"), "1.30", ("typhaPrometheusMetricsPort", INFO)),
    ("Z902", calico("typhaPrometheusMetricsPort: 9093, prometheusMetricsPort: 9091"), "1.30", None),
    ("Z903", calico("prometheusProcessMetricsEnabled: false"), "1.18", ("prometheusProcessMetricsEnabled", WARNING)),
    ("Z903", calico("prometheusProcessMetricsEnabled: true"), "1.18", None),
    ("Z904", "networking: {calico: null}\n", "1.30", ("networking.calico", ERROR)),
    ("Z904", "networking: {calico: null, cilium: {}}\n", "1.30", None),
    ("Z905", "etcdClusters: [{name: events}, {name: main}]\n" + calico(), "1.16", ("etcdClusters[0].name", WARNING)),
    ("Z905", "kubernetesVersion: 1.11.10\netcdClusters: [{name: events}, {name: main}]\n" + calico(), "1.16",
     ("etcdClusters[0].name", ERROR)),
    ("Z905", "etcdClusters: [{name: events}, {name: main}]\n" + calico(), "1.20", None),
    ("Z905", "etcdClusters: [{name: a}, {name: b}]\n" + calico(), "1.16", None),
    ("Z906", "podCIDR: 100.96.0.0/11\nkubeControllerManager: {clusterCIDR: 100.112.0.0/12}\n", "1.30",
     ("kubeControllerManager.clusterCIDR", WARNING)),
    ("Z906", "kubeControllerManager: {clusterCIDR: 100.112.0.0/12}\n", "1.30", None),
    ("Z907", calico() + group(subnets="[z1, z7]"), "1.30", ("subnets[1]", ERROR)),
    ("Z907", calico() + group(), "1.30", None),
    ("Z907", "subnets: <absent>\n" + calico() + group(), "1.30", None),
    ("Z908", calico(), "1.18", ("networking.calico", INFO)),
    ("Z908", calico(), "1.19", None),
    ("Z908", "kubernetesVersion: 1.11.10\n" + calico(), "1.19", ("networking.calico", INFO)),
    ("Z909", calico(), "1.8", ("networking.calico", INFO)),
    ("Z909", calico(), "1.9", None),
    ("Z910", calico("typhaReplicas: 1") + group(maxPrice='"0.1"'), "1.30", ("typhaReplicas", WARNING)),
    ("Z910", calico("typhaReplicas: 1") + group(mixedInstancesPolicy="{onDemandAboveBase: 0}"), "1.30",
     ("typhaReplicas", WARNING)),
    ("Z910", calico("typhaReplicas: 1") + group(), "1.30", None),
    ("Z911", calico() + group(minSize=40, maxSize=40), "1.30", ("minSize", INFO)),
    ("Z911", calico() + group(minSize=40, maxSize=40, rollingUpdate="{maxUnavailable: 10%}"), "1.30", None),
    ("Z911", "rollingUpdate: {maxSurge: 5}\n" + calico() + group(minSize=40, maxSize=40), "1.30", None),
    ("Z911", calico() + group(minSize=40, maxSize=40, rollingUpdate="{maxSurge: many}"), "1.30", None),
    ("Z911", calico() + group(minSize=20, maxSize=40), "1.30", None),
    ("Z912", calico() + group(), "1.17", ("minSize", WARNING)),
    ("Z912", calico() + group(), "1.18", None),  # AWS adds a node first
    ("Z912", GCE + calico() + group(), "1.18", ("minSize", WARNING)),
    ("Z912", calico() + group(rollingUpdate="{maxSurge: 0}"), "1.30", ("minSize", WARNING)),
    ("Z912", calico() + group() + group(), "1.17", None),  # one of four
    ("Z912", calico() + group(minSize=10, maxSize=10, rollingUpdate="{maxSurge: 0, maxUnavailable: 50%}"), "1.30",
     ("rollingUpdate.maxUnavailable", WARNING)),
    ("Z913", "clusterAutoscaler: {enabled: true}\n" + calico() + group(minSize=3, maxSize=100), "1.30",
     ("maxSize", WARNING)),
    ("Z913", calico() + group(minSize=3, maxSize=100), "1.30", None),
    ("Z913", "clusterAutoscaler: {enabled: true}\n" + calico() + group(minSize=50, maxSize=100), "1.30", None),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "lines", "kops", "expected"), CASES)
def test_cases(rule: str, lines: str, kops: str, expected: tuple[str, str] | None) -> None:
    assert found(rule, lines, kops) == ([expected] if expected else [])


def test_every_rule_has_cases_that_speak_and_cases_that_do_not() -> None:
    for rule in PRACTICE:
        answers = {expected is not None for name, _, _, expected in CASES if name == rule.id}
        assert answers == {True, False}, rule.id


@pytest.mark.parametrize("rule", PRACTICE, ids=lambda rule: rule.id)
def test_one_release_stands_for_its_segment(rule: Rule) -> None:
    """Each release answers as the one that is asked for it."""
    for name, lines, kops, _ in CASES:
        if name != rule.id:
            continue
        text = spec_text(lines, kops)
        spoken = {
            minor: [f for f in lint_text(text, f"1.{minor}").findings if f.rule == rule.id] for minor in MINORS[::3]
        }
        for _, members in rule.segments(inferred(MINORS)):
            answers = [
                [(f.field, f.severity) for f in spoken[release.minor]]
                for release in members
                if release.minor in spoken and release == newest_of_minor(release.minor)
            ]
            assert all(answer == answers[0] for answer in answers), f"{rule.id} needs `changes` within {members}"


def test_two_groups_of_one_place_in_two_files_are_two_findings() -> None:
    from calico_lint.kops.releases import parse_release
    from calico_lint.linter import Input, lint
    from calico_lint.yaml_source import Source

    cluster, node = spec_text(calico() + group(image=FOCAL), "1.36").split("---\n")
    sources = [Source(f"{name}.yaml", text.encode()) for name, text in (("c", cluster), ("a", node), ("b", node))]
    result = lint([Input(source) for source in sources], releases=parse_release("1.36"))
    assert [finding.path for finding in result.findings if finding.rule == "O888"] == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize(
    ("rule", "lines", "kops"),
    [
        ("X891", "kubernetesVersion: 1.30.4\n" + calico(), None),  # some of the possible kOps are tested with it
        ("X892", "kubernetesVersion: 1.32.4\n" + calico(), None),
        ("O888", "kubernetesVersion: 1.33.4\n" + calico() + group(image=FOCAL), None),
        ("W866", "kubernetesVersion: 1.33.4\n" + calico() + group(image=JAMMY), None),
    ],
)
def test_what_hangs_on_the_release_is_not_said_while_that_is_open(rule: str, lines: str, kops: str | None) -> None:
    assert found(rule, lines, kops, base="1.30") == []


def test_inferred_releases_soften_what_hangs_on_them() -> None:
    assert found("X891", "kubernetesVersion: 1.36.0\n" + calico(), None, base="1.36") == [("kubernetesVersion", INFO)]
    assert found("O888", "kubernetesVersion: 1.36.0\n" + calico() + group(image=FOCAL), None, base="1.36") == [
        ("image", WARNING)
    ]


def test_newer_api_spelling() -> None:
    spec = V1ALPHA3 + "cloudProvider: {aws: {}}\n"
    assert found("E855", spec + BPF + group(machineType="t4g.large"), "1.23") == [("machineType", ERROR)]
    assert found("N875", spec + calico("chainInsertMode: append"), "1.30") == [("chainInsertMode", WARNING)]


@pytest.mark.parametrize("alias", [("N873", "KI605"), ("X893", "KI606"), ("E851", "KC120"), ("W864", "M801")])
def test_one_condition_is_one_rule(alias: tuple[str, str]) -> None:
    assert rules.matching((alias[0],)) == {alias[1]}


KEYS = (
    "bpfEnabled", "bpfKubeProxyIptablesCleanupEnabled", "bpfExternalServiceMode", "bpfLogLevel", "wireguardEnabled",
    "nftablesMode", "iptablesBackend", "chainInsertMode", "version", "registry", "typhaReplicas",
    "prometheusMetricsPort", "typhaPrometheusMetricsPort", "prometheusGoMetricsEnabled", "awsSrcDstCheck",
)  # fmt: skip
SPEC_KEYS = (
    "subnets",
    "etcdClusters",
    "sysctlParameters",
    "kubeProxy",
    "rollingUpdate",
    "clusterAutoscaler",
    "podCIDR",
)
GROUP_KEYS = (
    "image", "machineType", "minSize", "maxSize", "subnets", "sysctlParameters", "rollingUpdate", "additionalUserData",
    "mixedInstancesPolicy", "maxPrice", "cloudLabels", "role",
)  # fmt: skip
VALUE = ANY_VALUE | st.sampled_from(
    (True, "Enabled", "DSR", "Debug", AMZN2, FOCAL, "m6g.large", ["a=1"], {"maxSurge": 0})
)


@given(
    st.dictionaries(st.sampled_from(KEYS), VALUE, max_size=4),
    st.dictionaries(st.sampled_from(SPEC_KEYS), VALUE, max_size=2),
    st.dictionaries(st.sampled_from(GROUP_KEYS), VALUE, max_size=4),
    st.sampled_from((None, "1.8", "1.15.0", "1.18", "1.22", "1.30", "1.36")),
)
@settings(max_examples=200, deadline=None)
def test_no_value_makes_a_rule_raise(
    keys: dict[str, Any], spec: dict[str, Any], member: dict[str, Any], kops: str | None
) -> None:
    import yaml

    lines = yaml.safe_dump_all([{"networking": {"calico": keys}, **spec}, member])
    lint_spec(lines, kops)
