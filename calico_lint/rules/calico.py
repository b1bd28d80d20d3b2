"""Rules on the fields of `networking.calico` (KC101-KC120).

V@1.N in sources = `pkg/apis/kops/validation/validation.go@release-1.N` of kubernetes/kops.
"""

from __future__ import annotations

import re

from calico_lint.kops.calico import KUBERNETES
from calico_lint.kops.etcd import ETCD_3
from calico_lint.kops.releases import Version, parse_semver
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import at_key, listed, not_allowed, quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.finding import Fix
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node

_MODES = ("Always", "CrossSubnet", "Never")


# --- majorVersion ---------------------------------------------------------------------------------------


@rule("KC101", "calico-major-version-value", severity="error", origin="kops-written", since="1.11", until="1.19",
      changes=("1.12",), on="networking.calico.majorVersion", fix="safe")  # fmt: skip
def major_version_value(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`majorVersion` is something else than `v3`.

    The key asks for Calico v3 where kOps would install Calico v2. There is no other value: Calico v2 is what
    you get without the key. kOps reads it up to 1.19; later releases ignore whatever it holds.

    Bad (kOps 1.11.1):
        networking: {calico: {majorVersion: v2}}
    Bad (kOps 1.14.1):
        networking: {calico: {majorVersion: "3"}}
    Good (kOps 1.11.1):
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Also: S3
    Fix: write `majorVersion: v3` for Calico v3, or remove the key.
    Source: V@1.11:378-390, V@1.17:405-412, V@1.18:698-700, V@1.19:1072-1074.
    """
    for hit in not_allowed(node, ("v3",)):
        from calico_lint import fix

        if _on_kubernetes(cluster, release):
            hit.fix = fix.remove_key(node, safe=True)  # it decides nothing there
        elif str(node.value).lower() == "v2":
            hit.fix = fix.remove_key(node, safe=False)
        else:  # `V3` starts an upgrade where nothing happened before
            hit.fix = hit.fix.as_unsafe() if hit.fix is not None else None
        yield hit


def _on_kubernetes(cluster: Cluster, release: Version) -> bool:
    """Whether Calico keeps its data in Kubernetes, so that `majorVersion` decides nothing."""
    manifest = cluster.manifest(release)
    return manifest is not None and manifest.datastore == KUBERNETES


@rule("KC102", "calico-v3-needs-etcd3", severity="error", origin="kops-written", since="1.11", until="1.19",
      changes="every", on="networking.calico.majorVersion", aliases=("S1",), fix="safe")  # fmt: skip
def v3_needs_etcd3(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`majorVersion: v3` while etcd is not version 3.

    Calico v3 speaks only the etcd v3 API, which etcd 2 does not have. kOps looks at the first entry of
    `etcdClusters`, whatever its name, because that is the one that it points Calico at.

    Where that entry has no `version`, kOps 1.11 to 1.17 and 1.18.0 take it for 2.2.1, even where their own
    default is 3.x: write the version. From 1.18.1 on an omitted version passes, unless the default that is
    filled in afterwards is 2.2.1. kOps insists on etcd 3 also from Kubernetes 1.12 on, where Calico keeps nothing
    in etcd any more: there the key decides nothing and can go.

    Bad (kOps 1.11.1):
        kubernetesVersion: 1.10.13
        etcdClusters:
        - {name: main, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Bad (kOps 1.17.2):
        networking: {calico: {majorVersion: v3}}
    Bad (kOps 1.18.3):
        kubernetesVersion: 1.11.10
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.11.1):
        kubernetesVersion: 1.10.13
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.17.2):
        networking: {calico: {}}
    Also: S3, S9
    Fix: give every etcd cluster a `version` 3.x (a running etcd 2 has to be upgraded first); from Kubernetes 1.12 on
        remove `majorVersion` instead.
    Source: V@1.11:351-376, V@1.17:372-398, V@1.18:668-687, V@1.19:997-1016; the second validation, of the spec with
        its defaults, POP@1.11:330; kubernetes/kops#9803.
    """
    first = cluster.first_etcd
    if node.value != "v3" or first is None:
        return
    version = first.get("version")
    if version is not None and version.value not in (None, ""):
        if not isinstance(version.value, str):
            return
        parsed = parse_semver(version.value)
        if parsed is not None and parsed.major == 3:
            return
        problem = f"Calico v3 needs etcd 3, but `{first.field}` has version {quoted(version.value)}"
        related = [(version, "the etcd that Calico uses")]
        yield Hit(node, f"{problem}: {_etcd3_advice(cluster)}", related=related, fix=_etcd3_fix(cluster, release, node))
        return
    related = [(first, "no `version` here")]
    if release.minor <= 17:
        problem = f"`{first.field}` has no `version`, which kOps takes for etcd 2.2.1, and Calico v3 needs etcd 3"
        yield Hit(node, f"{problem}: {_etcd3_advice(cluster)}", related=related, fix=_etcd3_fix(cluster, release, node))
        return
    default = cluster.etcd_version(first, release)
    if default.value.startswith("2."):
        problem = f"`{first.field}` has no `version`, the default here is {default.value}, and Calico v3 needs etcd 3"
        advice, fix = _etcd3_advice(cluster), _etcd3_fix(cluster, release, node)
        yield Hit(node, f"{problem}: {advice}", related=related, origin="kops-completed", fix=fix)
    elif release < Version(1, 18, 1):
        yield Hit(
            node,
            f"kOps 1.18.0 takes the omitted `version` of `{first.field}` for etcd 2.2.1 and stops, although it would "
            f"install {default.value}: use kOps 1.18.1, or write the version",
            related=related,
            severity="info",
            fix=_etcd3_fix(cluster, release, node),
        )


def _etcd3_fix(cluster: Cluster, release: Version, major_version: Node) -> Fix | None:
    """Etcd 3 for all; without `majorVersion` where that decides nothing.

    Safe where every etcd cluster keeps the version it has: a running etcd 2 is upgraded in steps of its own.
    """
    from calico_lint import fix
    from calico_lint.rules.etcd import common_version_fix

    if _on_kubernetes(cluster, release):
        return fix.remove_key(major_version, safe=True)
    versions = {cluster.etcd_version(etcd, release).value for etcd in cluster.etcd_clusters}
    version = versions.pop() if len(versions) == 1 else ""
    return common_version_fix(cluster, release, version if version.startswith("3.") else ETCD_3)


def _etcd3_advice(cluster: Cluster) -> str:
    if cluster.kubernetes is not None and cluster.kubernetes.minor >= 12:
        return "remove `majorVersion`, which decides nothing from Kubernetes 1.12 on, or set etcd 3"
    return "set a `version` 3.x on every etcd cluster, or remove `majorVersion` to stay on Calico v2"


# --- single values --------------------------------------------------------------------------------------


@rule("KC103", "calico-typha-replicas-nonnegative", severity="error", origin="kops-written", since="1.15",
      on="networking.calico.typhaReplicas")  # fmt: skip
def typha_replicas_nonnegative(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`typhaReplicas` is negative.

    Typha stands between the Kubernetes API and the Felix of every node. 0 means no Typha, the default.

    Bad (kOps 1.36.2):
        networking: {calico: {typhaReplicas: -1}}
    Good (kOps 1.36.2):
        networking: {calico: {typhaReplicas: 0}}
    Fix: write 0 for no Typha, or 3 and more for a cluster of more than 50 nodes.
    Source: V@1.15:400-408, V@1.36:1776-1780.
    """
    value = node.value
    if isinstance(value, int | float) and value < 0 and float(value).is_integer():
        yield Hit(node, f"`typhaReplicas` is `{value:g}`, below zero: write 0 for no Typha, or a positive number")


@rule("KC104", "calico-iptables-backend", severity="error", origin="kops-written", since="1.18",
      on="networking.calico.iptablesBackend", fix="safe")  # fmt: skip
def iptables_backend(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`iptablesBackend` is no backend that Felix knows.

    It tells Felix which variant of iptables the nodes use. The spelling counts. kOps 1.17 has the key but does not
    check it.

    Bad (kOps 1.18.3):
        networking: {calico: {iptablesBackend: nft}}
    Good (kOps 1.18.3):
        networking: {calico: {iptablesBackend: NFT}}
    Fix: write `Auto`, `Legacy` or `NFT`, or remove the key for `Auto`.
    Source: V@1.18:706-709, V@1.36:1771-1774.
    """
    yield from not_allowed(node, ("Auto", "Legacy", "NFT"))


@rule("KC105", "calico-aws-src-dst-check-value", severity="error", origin="kops-written", since="1.19",
      changes=("1.26",), on="networking.calico.awsSrcDstCheck", fix="safe")  # fmt: skip
def aws_src_dst_check_value(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`awsSrcDstCheck` is none of the three settings.

    Felix sets the source/destination check of the AWS instances to it. While the check is on, AWS drops pod traffic
    that is not encapsulated.

    Bad (kOps 1.22.6):
        networking: {calico: {awsSrcDstCheck: disabled}}
    Good (kOps 1.22.6):
        networking: {calico: {awsSrcDstCheck: Disable}}
    Fix: write `Enable`, `Disable` or `DoNothing`.
    Source: V@1.19:1021-1024, V@1.36:1688-1695.
    """
    if not _ipv6_src_dst_check(cluster, release):
        yield from not_allowed(node, ("Enable", "Disable", "DoNothing"))


@rule("KC106", "calico-ipv6-src-dst-check", severity="error", origin="kops-written", since="1.26",
      on="networking.calico.awsSrcDstCheck", fix="safe")  # fmt: skip
def ipv6_src_dst_check(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`awsSrcDstCheck` on an IPv6-only cluster.

    A cluster whose `nonMasqueradeCIDR` is IPv6 takes its pod addresses from AWS itself, so there is no check to turn
    off, and Felix must leave the instances alone. Before 1.26 kOps does not look.

    Bad (kOps 1.26.6):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {awsSrcDstCheck: Disable}}
    Good (kOps 1.26.6):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {awsSrcDstCheck: DoNothing}}
    Fix: write `DoNothing`, or remove the key: it is the default here.
    Source: V@1.26:1253-1254, V@1.36:1689-1690.
    """
    value = text(node)
    if value is not None and value != "DoNothing" and _ipv6_src_dst_check(cluster, release):
        from calico_lint.fix import set_value

        yield Hit(
            node,
            f"`awsSrcDstCheck` is {quoted(value)}, but an IPv6-only cluster takes only `DoNothing`: "
            "write that or remove the key",
            related=_why_ipv6(cluster),
            fix=set_value(node, "DoNothing", safe=True),
        )


def _ipv6_src_dst_check(cluster: Cluster, release: Version) -> bool:
    return release.minor >= 26 and cluster.ipv6_only


def _why_ipv6(cluster: Cluster) -> list[tuple[Node, str]]:
    node = cluster.at("nonMasqueradeCIDR")
    return [(node, "this makes the cluster IPv6-only")] if node is not None else []


@rule("KC107", "calico-bpf-external-service-mode", severity="error", origin="kops-written", since="1.19",
      on="networking.calico.bpfExternalServiceMode", fix="safe")  # fmt: skip
def bpf_external_service_mode(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`bpfExternalServiceMode` is neither `Tunnel` nor `DSR`.

    It decides how the eBPF data plane answers clients from outside: back through the node that took the request,
    or directly from the node of the pod.

    Bad (kOps 1.30.4):
        networking: {calico: {bpfExternalServiceMode: dsr}}
    Good (kOps 1.30.4):
        networking: {calico: {bpfExternalServiceMode: Tunnel}}
    Fix: write `Tunnel` (the default) or `DSR`.
    Source: V@1.19:1026-1029, V@1.36:1707-1710.
    """
    yield from not_allowed(node, ("Tunnel", "DSR"))


@rule("KC108", "calico-bpf-log-level", severity="error", origin="kops-written", since="1.19",
      on="networking.calico.bpfLogLevel", fix="safe")  # fmt: skip
def bpf_log_level(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`bpfLogLevel` is no log level of the eBPF programs.

    Mind the quotes: an unquoted `Off` is a boolean in YAML, which kOps cannot read into this key.

    Bad (kOps 1.30.4):
        networking: {calico: {bpfLogLevel: debug}}
    Good (kOps 1.30.4):
        networking: {calico: {bpfLogLevel: "Off"}}
    Fix: write `"Off"` (the default), `Info` or `Debug`.
    Source: V@1.19:1031-1034, V@1.36:1712-1715.
    """
    yield from not_allowed(node, ("Off", "Info", "Debug"))


@rule("KC109", "calico-chain-insert-mode", severity="error", origin="kops-written", since="1.19",
      on="networking.calico.chainInsertMode", fix="safe")  # fmt: skip
def chain_insert_mode(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`chainInsertMode` is neither `insert` nor `append`.

    It decides whether Felix puts its rules before or after those that stand in the iptables chains already.

    Bad (kOps 1.30.4):
        networking: {calico: {chainInsertMode: Insert}}
    Good (kOps 1.30.4):
        networking: {calico: {chainInsertMode: append}}
    Fix: write `insert` (the default) or `append`.
    Source: V@1.19:1036-1039, V@1.36:1717-1720.
    """
    yield from not_allowed(node, ("insert", "append"))


# --- encapsulation --------------------------------------------------------------------------------------


@rule("KC110", "calico-encapsulation-mode-value", severity="error", origin="kops-written", since="1.19",
      changes=("1.23",), on="networking.calico.encapsulationMode", fix="safe")  # fmt: skip
def encapsulation_mode_value(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`encapsulationMode` is no encapsulation that kOps offers.

    Calico's pool carries pod traffic in IP-in-IP or VXLAN; `none` came with IPv6 in kOps 1.23.

    Bad (kOps 1.36.2):
        networking: {calico: {encapsulationMode: geneve}}
    Bad (kOps 1.36.2):
        networking: {calico: {encapsulationMode: VXLAN}}
    Bad (kOps 1.22.6):
        networking: {calico: {encapsulationMode: none}}
    Good (kOps 1.36.2):
        networking: {calico: {encapsulationMode: vxlan}}
    Fix: write `ipip` or `vxlan`; on an IPv6-only cluster `none`.
    Source: V@1.19:1041-1047, V@1.22:1131-1137, V@1.36:1722-1724.
    """
    yield from not_allowed(node, _encapsulations(release))


def _encapsulations(release: Version) -> tuple[str, ...]:
    return ("ipip", "vxlan", "none") if release.minor >= 23 else ("ipip", "vxlan")


@rule("KC111", "calico-encapsulation-none-iff-ipv6", severity="error", origin="kops-written", since="1.23",
      on="networking.calico.encapsulationMode", fix="safe")  # fmt: skip
def encapsulation_none_iff_ipv6(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`encapsulationMode: none` and IPv6 go together, and only together.

    Without encapsulation an IPv4 pool needs BGP to carry the routes, for which kOps has no setting. And kOps runs
    Calico without encapsulation on IPv6-only clusters. The default is right for both, so only a written value
    can be wrong.

    Bad (kOps 1.36.2):
        networking: {calico: {encapsulationMode: none}}
    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {encapsulationMode: vxlan}}
    Good (kOps 1.36.2):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {encapsulationMode: none}}
    Fix: remove the key, or write `ipip` or `vxlan` for IPv4 and `none` for IPv6.
    Source: V@1.23:1181-1194, V@1.36:1726-1735.
    """
    if node.value not in _encapsulations(release) or (node.value == "none") == cluster.ipv6_only:
        return
    from calico_lint import fix

    if cluster.ipv6_only:
        message = f"`encapsulationMode` is `{node.value}`, but an IPv6-only cluster runs Calico without: write `none`"
        yield Hit(node, message, related=_why_ipv6(cluster), fix=fix.set_value(node, "none", safe=True))
    else:
        message = "`encapsulationMode: none` is for IPv6-only clusters: write `ipip` or `vxlan`"
        yield Hit(node, message, fix=fix.remove_key(node, safe=False))


@rule("KC112", "calico-azure-needs-vxlan", severity="error", origin="kops-written", since="1.35",
      on="networking.calico.encapsulationMode", fix="safe")  # fmt: skip
def azure_needs_vxlan(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Another encapsulation than VXLAN on Azure.

    The network of Azure drops IP-in-IP packets, so pods on different nodes could not talk. From 1.35 on kOps
    defaults to `vxlan` there and refuses anything else; before, it says nothing and the cluster does not work.

    Bad (kOps 1.36.2):
        cloudProvider: azure
        networking: {calico: {encapsulationMode: ipip}}
    Good (kOps 1.36.2):
        cloudProvider: azure
        networking: {calico: {encapsulationMode: vxlan}}
    Fix: write `encapsulationMode: vxlan`, or remove the key.
    Source: V@1.36:1737-1740; commit 79672afcd5 of kubernetes/kops.
    """
    if cluster.cloud == "azure" and node.value != "vxlan" and node.value in _encapsulations(release):
        from calico_lint.fix import set_value

        yield Hit(
            node,
            f"`encapsulationMode` is `{node.value}`, but Azure drops all but VXLAN: write `vxlan` or remove the key",
            fix=set_value(node, "vxlan", safe=True),
        )


@rule("KC113", "calico-ipip-mode-value", severity="error", origin="kops-written", since="1.19",
      on="networking.calico.ipipMode", fix="safe")  # fmt: skip
def ipip_mode_value(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`ipipMode` is no mode of Calico's pool.

    kOps 1.15 to 1.18 pass any text on to Calico; from 1.19 on the three modes are checked, with this spelling.

    Bad (kOps 1.36.2):
        networking: {calico: {ipipMode: cross-subnet}}
    Good (kOps 1.36.2):
        networking: {calico: {ipipMode: CrossSubnet}}
    Fix: write `Always`, `CrossSubnet` or `Never`.
    Source: V@1.19:1049-1051 and 1148-1155, V@1.36:1742-1745.
    """
    yield from not_allowed(node, _MODES)


@rule("KC114", "calico-ipip-mode-needs-ipip", severity="error", origin="kops-written", since="1.19",
      changes=("1.23", "1.35"), on="networking.calico.ipipMode", fix="unsafe")  # fmt: skip
def ipip_mode_needs_ipip(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """IP-in-IP is switched on while the encapsulation is another.

    `ipipMode` says where the pool uses IP-in-IP; `encapsulationMode` decides whether Calico runs it at all. Where
    `encapsulationMode` is not written kOps fills it in and looks again: `ipip`, but `none` on an IPv6-only cluster
    (since 1.23) and `vxlan` on Azure (since 1.35).

    Bad (kOps 1.36.2):
        networking: {calico: {encapsulationMode: vxlan, ipipMode: CrossSubnet}}
    Bad (kOps 1.36.2):
        cloudProvider: azure
        networking: {calico: {ipipMode: Always}}
    Good (kOps 1.36.2):
        networking: {calico: {ipipMode: CrossSubnet}}
    Good (kOps 1.36.2):
        networking: {calico: {encapsulationMode: vxlan, ipipMode: Never}}
    Fix: for VXLAN use `vxlanMode` and remove `ipipMode`; for IP-in-IP write `encapsulationMode: ipip`.
    Source: V@1.19:1052-1056, V@1.36:1746-1750; defaults: pkg/model/components/calico.go@release-1.36:38-46.
    """
    yield from _needs_encapsulation(cluster, release, node, "ipip")


@rule("KC115", "calico-vxlan-mode-value", severity="error", origin="kops-written", since="1.22",
      on="networking.calico.vxlanMode", fix="safe")  # fmt: skip
def vxlan_mode_value(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`vxlanMode` is no mode of Calico's pool.

    It says between which nodes the pool uses VXLAN: all, those in different subnets, or none. The spelling counts.

    Bad (kOps 1.36.2):
        networking: {calico: {encapsulationMode: vxlan, vxlanMode: always}}
    Good (kOps 1.36.2):
        networking: {calico: {encapsulationMode: vxlan, vxlanMode: Always}}
    Fix: write `Always`, `CrossSubnet` or `Never`.
    Source: V@1.22:1149-1151, V@1.36:1752-1755.
    """
    yield from not_allowed(node, _MODES)


@rule("KC116", "calico-vxlan-mode-needs-vxlan", severity="error", origin="kops-written", since="1.22",
      changes=("1.23", "1.35"), on="networking.calico.vxlanMode", fix="unsafe")  # fmt: skip
def vxlan_mode_needs_vxlan(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """VXLAN is switched on while the encapsulation is another.

    `vxlanMode` says where the pool uses VXLAN; `encapsulationMode` decides whether Calico runs it at all. Without
    `encapsulationMode` the spec passes as it is written, and fails a moment later: kOps fills in `ipip` and looks
    again. So `encapsulationMode: vxlan` has to be written, but on Azure since 1.35, where it is the default.

    Bad (kOps 1.36.2):
        networking: {calico: {vxlanMode: CrossSubnet}}
    Bad (kOps 1.22.6):
        networking: {calico: {encapsulationMode: ipip, vxlanMode: Always}}
    Good (kOps 1.36.2):
        networking: {calico: {encapsulationMode: vxlan, vxlanMode: CrossSubnet}}
    Good (kOps 1.36.2):
        networking: {calico: {vxlanMode: Never}}
    Good (kOps 1.36.2):
        cloudProvider: azure
        networking: {calico: {vxlanMode: CrossSubnet}}
    Fix: write `encapsulationMode: vxlan` beside it, or remove `vxlanMode`.
    Source: V@1.22:1152-1156, V@1.36:1756-1760; defaults: pkg/model/components/calico.go@release-1.22:38,
        POP@1.36:352.
    """
    yield from _needs_encapsulation(cluster, release, node, "vxlan")


def _needs_encapsulation(cluster: Cluster, release: Version, node: Node, needed: str) -> Iterator[Hit]:
    """The mode of one encapsulation is on: is that encapsulation the one written, or else the default?"""
    if node.value not in _MODES or node.value == "Never":
        return
    encapsulation = cluster.at("networking.calico.encapsulationMode")
    problem = f"`{node.key}: {node.value}` needs `encapsulationMode: {needed}`"
    if encapsulation is None or encapsulation.value in (None, ""):
        default = _default_encapsulation(cluster, release)
        if default != needed:
            message = f"{problem}, and the default here is `{default}`: write it, or remove `{node.key}`"
            fix = _mode_fix(cluster, release, node, default)
            yield Hit(node, message, origin="kops-completed", fix=fix)
    elif isinstance(encapsulation.value, str) and encapsulation.value != needed:
        yield Hit(
            node,
            f"{problem}, but that is {quoted(encapsulation.value)}: change one of the two",
            related=[(encapsulation, "the encapsulation that is set")],
            fix=_mode_fix(cluster, release, node, encapsulation.value),
        )


def _mode_fix(cluster: Cluster, release: Version, mode: Node, encapsulation: str) -> Fix | None:
    """The mode moves to the encapsulation that is written; where none is, `vxlanMode` says which is meant."""
    from calico_lint import fix

    calico = cluster.calico
    assert calico is not None
    if mode.key == "vxlanMode" and encapsulation == "ipip" and not cluster.text("networking.calico.encapsulationMode"):
        written = calico.get("encapsulationMode")
        if written is not None:
            return fix.set_value(written, "vxlan", safe=False)
        return fix.add_key(calico, "encapsulationMode", "vxlan", safe=False)
    right = {"ipip": "ipipMode", "vxlan": "vxlanMode" if release.minor >= 22 else None}.get(encapsulation)
    if right is None or right in calico.value:
        return fix.remove_key(mode, safe=False)
    return fix.rename_key(mode, right, safe=False)


def _default_encapsulation(cluster: Cluster, release: Version) -> str:
    if release.minor >= 35 and cluster.cloud == "azure":
        return "vxlan"
    return "none" if release.minor >= 23 and cluster.ipv6_only else "ipip"


# --- address detection ----------------------------------------------------------------------------------


@rule("KC117", "calico-autodetection-method", severity="error", origin="kops-written", since="1.19",
      on=("networking.calico.ipv4AutoDetectionMethod", "networking.calico.ipv6AutoDetectionMethod"))  # fmt: skip
def autodetection_method(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """An auto-detection method that kOps does not take.

    It tells calico-node which address of the node to use for pod traffic. kOps takes fewer methods than Calico:
    `first-found`, `can-reach=ADDRESS` with a literal address of the right family, and `interface=` or
    `skip-interface=` with regular expressions (of Go) between commas. Calico's `cidr=` and `kubernetes-internal-ip`
    are refused. A method that lacks its `=` makes kOps itself crash.

    Bad (kOps 1.36.2):
        networking: {calico: {ipv4AutoDetectionMethod: "cidr=10.0.0.0/8"}}
    Bad (kOps 1.36.2):
        networking: {calico: {ipv4AutoDetectionMethod: "can-reach=gw.local"}}
    Bad (kOps 1.36.2):
        networking: {calico: {ipv4AutoDetectionMethod: interface}}
    Bad (kOps 1.36.2):
        networking: {calico: {ipv4AutoDetectionMethod: "interface=eth[0"}}
    Good (kOps 1.36.2):
        networking: {calico: {ipv4AutoDetectionMethod: "interface=ens.*,eth0"}}
    Good (kOps 1.36.2):
        networking: {calico: {ipv4AutoDetectionMethod: "can-reach=8.8.8.8"}}
    Fix: use one of the four methods, or remove the key for `first-found`.
    Source: V@1.19:1089-1146, V@1.36:1789-1856.
    """
    value = text(node)
    problem = _detection_problem(value, str(node.key)[:4]) if value is not None else None
    if problem is not None:
        yield Hit(node, problem)


_METHODS = ("first-found", "can-reach", "interface", "skip-interface")
_EXPECTED = {"can-reach": "an address", "interface": "a list of interfaces", "skip-interface": "a list of interfaces"}


def _detection_problem(value: str, family: str) -> str | None:
    method, *arguments = value.split("=")
    if len(arguments) > 1:
        return f"{quoted(value)} has more than one `=`: write `method=value`"
    if method not in _METHODS:
        return f"{quoted(method)} is not a method that kOps takes: write {listed(_METHODS)}"
    if method == "first-found":
        return None
    if not arguments:
        return f"`{method}` lacks its value, and kOps crashes on that: write `{method}=` and {_EXPECTED[method]}"
    if method == "can-reach":
        wanted = "IPv4" if family == "ipv4" else "IPv6"
        if _address_family(arguments[0]) != family:
            return f"{quoted(arguments[0])} is not a literal {wanted} address: write one after `can-reach=`"
        return None
    expressions = re.split(r"\s*,\s*", arguments[0])
    if not expressions[0]:
        return f"{quoted(value)} does not begin with an interface: write {_EXPECTED[method]} after `{method}=`"
    for expression in expressions:
        fault = _go_regexp_fault(expression)
        if fault is not None:
            return f"{quoted(expression)} is not a regular expression for Go, {fault}: correct it"
    return None


def _address_family(address: str) -> str | None:
    """`ipv4` or `ipv6` as Go's ParseIP sees it: leading zeros are fine, a mapped IPv4 address is IPv4."""
    parts = address.split(".")
    if len(parts) == 4 and all(re.match(r"[0-9]{1,9}\Z", part) and int(part) < 256 for part in parts):
        return "ipv4"
    if ":" not in address or "%" in address:
        return None
    from ipaddress import AddressValueError, IPv6Address

    try:
        return "ipv4" if IPv6Address(address).ipv4_mapped else "ipv6"
    except AddressValueError:
        return None


# What Go's syntax has and Python's has not, or the reverse. Everything else is judged by Python's `re`.
_REGEXP_TOKEN = r"""(?xs)
    (?P<atom> \\Q.*?(?:\\E|\Z) | \\[pP](?:\{\^?\w+\}|\w) | \\x\{[0-9a-fA-F]+\} | \\[1-7][0-7]{1,2} | [\^$] )
    | \\(?P<escaped>.)
    | \[ (?P<members> \^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])* ) \]
    | \(\?(?P<flags>[imsU]+(?:-[imsU]+)?)\)
    | (?P<group> \(\?(?:P?<\w+>|[imsU]*(?:-[imsU]+)?:) )
    | (?P<perl> \(\? | [*+?]\+ )
    | \{(?P<least>[0-9]+)(?:,(?P<most>[0-9]*))?\}(?P<possessive>\+?)
    """
_GO_ESCAPES = frozenset("AaBbDdfnrSstvWwxz0")


def _go_regexp_fault(expression: str) -> str | None:
    """Why Go's regexp.Compile refuses an expression, or None."""
    plain = []
    end = 0
    for token in re.finditer(_REGEXP_TOKEN, expression):
        plain.append(expression[end : token.start()])
        end = token.end()
        if token["perl"] or token["possessive"]:
            return f"{quoted(token[0])} is Perl's"
        if token["escaped"] and token["escaped"].isalnum() and token["escaped"] not in _GO_ESCAPES:
            return f"{quoted(token[0])} is no escape"
        if any(len(number) > 4 or int(number) > 1000 for number in (token["least"], token["most"]) if number):
            return "a repetition may not exceed 1000"
        if any(low > high for low, high in re.findall(r"([0-9A-Za-z])-([0-9A-Za-z])", token["members"] or "")):
            return "a range runs backwards"
        if token["least"]:
            plain.append(token[0])
        elif token["group"]:
            plain.append("(")
        elif not token["flags"]:
            plain.append("x")
    plain.append(expression[end:])
    try:
        re.compile("".join(plain))
    except (re.error, RecursionError) as error:
        return error.msg if isinstance(error, re.error) else "it is nested too deeply"
    return None


# --- crossSubnet, WireGuard, eBPF -----------------------------------------------------------------------


@rule("KC118", "calico-cross-subnet-deprecated", severity="warning", origin="calico", since="1.22",
      on="networking.calico.crossSubnet", aliases=("A814",), fix="safe")  # fmt: skip
def cross_subnet_deprecated(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`crossSubnet` has had no effect since kOps 1.22.

    It used to keep traffic inside one AWS subnet free of encapsulation. Since 1.22 that is the default, set by
    `ipipMode`, `vxlanMode` and `awsSrcDstCheck`. kOps means to refuse the old key, builds the error, and then drops
    it: nothing is said.

    Bad (kOps 1.22.6):
        networking: {calico: {crossSubnet: true}}
    Good (kOps 1.22.6):
        networking: {calico: {ipipMode: CrossSubnet}}
    Fix: remove the key; write `ipipMode: CrossSubnet` (or `vxlanMode`) if you want to say so.
    Source: V@1.22:1110-1114, V@1.36:1697-1701.
    """
    if isinstance(node.value, bool) and cluster.api != "v1alpha3":
        from calico_lint.fix import remove_key

        yield Hit(
            node,
            "`crossSubnet` has had no effect since kOps 1.22: remove it, and use `ipipMode`, `vxlanMode` and "
            "`awsSrcDstCheck`",
            on_key=True,
            fix=remove_key(node, safe=True),
        )


@rule("KC119", "calico-wireguard-ipv6", severity="error", origin="kops-written", since="1.26",
      on="networking.calico.wireguardEnabled", fix="unsafe")  # fmt: skip
def wireguard_ipv6(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """WireGuard on an IPv6-only cluster.

    Calico as kOps deploys it encrypts IPv4 only. Before 1.26 kOps does not look.

    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {wireguardEnabled: true}}
    Good (kOps 1.36.2):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {wireguardEnabled: false}}
    Fix: remove `wireguardEnabled`.
    Source: V@1.26:1337-1338, V@1.36:1782-1784.
    """
    if node.value is True and cluster.ipv6_only:
        from calico_lint.fix import remove_key

        yield Hit(
            node,
            "`wireguardEnabled` is on, but WireGuard does not work on an IPv6-only cluster: remove it",
            related=_why_ipv6(cluster),
            fix=remove_key(node, safe=False),
        )


@rule("KC120", "calico-bpf-needs-kube-proxy-off", severity="error", origin="kops-written", since="1.19",
      changes="every", on="networking.calico.bpfEnabled", aliases=("E851",), fix="safe")  # fmt: skip
def bpf_needs_kube_proxy_off(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The eBPF data plane and kube-proxy run at the same time.

    With `bpfEnabled` Calico serves the Services itself. A kube-proxy beside it handles the same packets once more,
    and from Calico 3.31 on (kOps 1.35) the two fight for the health port 10256. kOps 1.36 refuses the pair, and
    since it adds kube-proxy where the key is missing, `kubeProxy.enabled: false` must be written. `kops create
    cluster` writes it there; an edit of an existing cluster does not. Up to 1.35 kOps says nothing.

    Bad (kOps 1.36.2):
        networking: {calico: {bpfEnabled: true}}
    Bad (kOps 1.30.4):
        kubeProxy: {enabled: true}
        networking: {calico: {bpfEnabled: true}}
    Good (kOps 1.36.2):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Also: F845, E861
    Fix: write `kubeProxy: {enabled: false}` below `spec`.
    Source: V@1.36:1703-1705, commit 839786ab01 of kubernetes/kops; pkg/model/components/kubeproxy.go@release-1.36;
        docs/networking/calico.md@release-1.36:132-140; projectcalico/calico#10748.
    """
    if node.value is not True or cluster.spec is None:
        return
    kube_proxy = cluster.spec.get("kubeProxy")
    written = kube_proxy is not None and kube_proxy.value is not None
    if kube_proxy is not None and written:
        enabled = kube_proxy.get("enabled")
        if not isinstance(kube_proxy.value, dict) or (enabled is not None and enabled.value not in (None, True)):
            return
    origin, severity = "calico", "warning"
    if release.minor >= 36:
        origin, severity = "kops-written" if written else "kops-completed", "error"
    elif _health_port_clash(cluster, release):
        severity = "error"
    message = (
        "`bpfEnabled` needs kube-proxy switched off, or both handle every Service (kOps 1.36 refuses it): "
        "write `kubeProxy: {enabled: false}`"
    )
    from calico_lint import fix

    related = [(node, "eBPF is enabled here")]
    refused = release.minor >= 36  # before, a running kube-proxy goes away
    if kube_proxy is not None:
        enabled = kube_proxy.get("enabled")
        if enabled is not None:
            cure = fix.set_value(enabled, False, safe=refused)
        else:
            cure = fix.add_key(kube_proxy, "enabled", False, safe=refused)
        yield at_key(kube_proxy, "enabled", message, related=related, severity=severity, origin=origin, fix=cure)
    else:
        cure = fix.add_key(cluster.spec, "kubeProxy", {"enabled": False}, safe=refused)
        where = "kubeProxy.enabled"
        yield Hit(cluster.spec, message, missing=where, related=related, severity=severity, origin=origin, fix=cure)


def _health_port_clash(cluster: Cluster, release: Version) -> bool:
    """Whether the Calico that is deployed listens on kube-proxy's health port: v3.31 and later."""
    deployed = parse_semver(cluster.text("networking.calico.version"))
    if deployed is None:
        manifest = cluster.manifest(release)
        deployed = manifest.calico if manifest is not None else None
    return deployed is not None and deployed >= Version(3, 31)


RULES: list[Rule] = [
    major_version_value,
    v3_needs_etcd3,
    typha_replicas_nonnegative,
    iptables_backend,
    aws_src_dst_check_value,
    ipv6_src_dst_check,
    bpf_external_service_mode,
    bpf_log_level,
    chain_insert_mode,
    encapsulation_mode_value,
    encapsulation_none_iff_ipv6,
    azure_needs_vxlan,
    ipip_mode_value,
    ipip_mode_needs_ipip,
    vxlan_mode_value,
    vxlan_mode_needs_vxlan,
    autodetection_method,
    cross_subnet_deprecated,
    wireguard_ipv6,
    bpf_needs_kube_proxy_off,
]
