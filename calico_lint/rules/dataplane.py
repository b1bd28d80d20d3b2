"""Rules on the keys that choose a data plane: eBPF (E), WireGuard (W), nftables and iptables (N).

What hangs on the image of a node stands in `nodes.py`.
"""

from __future__ import annotations

from calico_lint.kops.calico import KUBERNETES
from calico_lint.kops.releases import Version
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.nodes import images, is_on, runs_kube_proxy
from calico_lint.rules.support import deployed_calico
from calico_lint.rules.values import quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node

_CALICO = "networking.calico."
_NEEDS = Version(1, 16)  # Kubernetes, for eBPF and WireGuard: docs/networking/calico.md@release-1.36:125, 156


def _related(cluster: Cluster, path: str, message: str) -> list[tuple[Node, str]]:
    node = cluster.at(path)
    return [(node, message)] if node is not None else []


# --- eBPF -----------------------------------------------------------------------------------------------


@rule("E852", "ebpf-cleanup-fights-kube-proxy", severity="error", origin="calico", since="1.19",
      on=_CALICO + "bpfKubeProxyIptablesCleanupEnabled", fix="unsafe")  # fmt: skip
def ebpf_cleanup(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Calico removes the rules of kube-proxy while kube-proxy writes them.

    `bpfKubeProxyIptablesCleanupEnabled` lets Felix remove kube-proxy's iptables rules once eBPF serves the Services. A
    kube-proxy that still runs writes them again: the rules flap, and nodes lose the API server. Without `bpfEnabled`
    the key does nothing yet, which is a warning.

    Bad (kOps 1.31.0):
        kubeProxy: {enabled: true}
        networking: {calico: {bpfEnabled: true, bpfKubeProxyIptablesCleanupEnabled: true}}
    Good (kOps 1.31.0):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, bpfKubeProxyIptablesCleanupEnabled: true}}
    Also: KC120, F845
    Fix: write `kubeProxy: {enabled: false}`, or remove the key.
    Source: N2@1.36:158-160 (pkg/apis/kops/v1alpha2/networking.go); tigera/docs
        calico/operations/ebpf/enabling-ebpf.mdx:327; projectcalico/calico#10538.
    """
    if node.value is not True or not runs_kube_proxy(cluster):
        return
    from calico_lint import fix

    message = "`bpfKubeProxyIptablesCleanupEnabled` and a running kube-proxy undo each other's rules"
    if is_on(cluster, "bpfEnabled"):
        yield Hit(
            node,
            f"{message}: write `kubeProxy: {{enabled: false}}`, or remove the key",
            on_key=True,
            related=_related(cluster, "kubeProxy.enabled", "kube-proxy runs"),
            fix=fix.remove_key(node, safe=False),
        )
    else:
        yield Hit(
            node,
            f"{message}, once eBPF is enabled; now the key does nothing: remove it",
            on_key=True,
            severity="warning",
            fix=fix.remove_key(node, safe=False),
        )


@rule("E853", "ebpf-with-ipvs", severity="warning", origin="calico", since="1.19", on=_CALICO + "bpfEnabled")
def ebpf_with_ipvs(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The eBPF data plane after kube-proxy in IPVS mode.

    Calico can take over from kube-proxy in iptables mode only. What IPVS leaves on a node, its dummy interface with all
    Service addresses above all, answers in the place of eBPF until the node is replaced.

    Bad (kOps 1.30.4):
        kubeProxy: {enabled: false, proxyMode: ipvs}
        networking: {calico: {bpfEnabled: true}}
    Good (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Also: F845
    Fix: go to `proxyMode: iptables` first and replace all nodes; enable eBPF then, and remove `proxyMode`.
    Source: tigera/docs calico/operations/ebpf/enabling-ebpf.mdx:276.
    """
    mode = cluster.at("kubeProxy.proxyMode")
    if node.value is True and mode is not None and mode.value == "ipvs":
        yield Hit(
            mode,
            "eBPF cannot take over from kube-proxy in IPVS mode: roll the nodes with `proxyMode: iptables` "
            "first, then remove it",
            related=[(node, "eBPF is enabled here")],
        )


@rule("E856", "ebpf-ipv6", severity="error/warning", origin="calico", since="1.23", changes="every",
      on=_CALICO + "bpfEnabled")  # fmt: skip
def ebpf_ipv6(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The eBPF data plane on an IPv6-only cluster.

    The eBPF data plane of Calico carries IPv4 only up to 3.26; in 3.27 IPv6 is a preview, from 3.28 on it is complete.
    kOps has no test for the combination, so that it stays an info then.

    Bad (kOps 1.26.6):
        nonMasqueradeCIDR: "::/0"
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Good (kOps 1.26.6):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Fix: leave eBPF off, or use kOps 1.32 or later (Calico 3.29).
    Source: maintenance/ebpf/enabling-bpf.md@release-v3.17:27 of projectcalico/calico; announcement of Calico 3.28
        (discussion 8836 of projectcalico), issue 4736.
    """
    calico = deployed_calico(cluster, release)
    if node.value is not True or not cluster.ipv6_only or calico is None:
        return
    related = _related(cluster, "nonMasqueradeCIDR", "this makes the cluster IPv6-only")
    if calico < Version(3, 27):
        yield Hit(
            node,
            f"eBPF of Calico v{calico} carries IPv4 only, and this cluster is IPv6-only: leave eBPF off",
            related=related,
        )
    elif calico < Version(3, 28):
        yield Hit(
            node,
            f"IPv6 is a preview in the eBPF of Calico v{calico}: leave eBPF off on an IPv6-only cluster",
            related=related,
            severity="warning",
        )
    else:
        yield Hit(
            node,
            "kOps does not test eBPF on IPv6-only clusters: try it on a cluster of your own first",
            related=related,
            severity="info",
        )


@rule("E857", "ebpf-direct-server-return", severity="error", origin="calico", since="1.19", changes=("1.22",),
      on=_CALICO + "bpfExternalServiceMode", fix="unsafe")  # fmt: skip
def direct_server_return(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`bpfExternalServiceMode: DSR` on a network that drops its answers.

    With direct server return the node of the pod answers the client with the address of another node. AWS lets that
    pass only between nodes of one subnet, and only with the source/destination check off; Google Cloud only with IP
    forwarding; other networks have to allow it too. Without `bpfEnabled` the key is not used.

    Bad (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, bpfExternalServiceMode: DSR}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1, z2]}
    Bad (kOps 1.30.4):
        networking: {calico: {bpfExternalServiceMode: DSR}}
    Good (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, bpfExternalServiceMode: DSR}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1]}
    Also: Z907, F845
    Fix: write `Tunnel`, the default.
    Source: tigera/docs calico/operations/ebpf/enabling-ebpf.mdx:403-409.
    """
    if node.value != "DSR":
        return
    from calico_lint import fix

    tunnel = fix.set_value(node, "Tunnel", safe=False)
    if not is_on(cluster, "bpfEnabled"):
        yield Hit(
            node,
            "`bpfExternalServiceMode` is not used without `bpfEnabled`: remove it",
            severity="warning",
            fix=fix.remove_key(node, safe=False),
        )
        return
    if cluster.cloud != "aws":
        yield Hit(
            node,
            "direct server return needs a network that lets a node answer with the address of another: make "
            "sure of that, or write `Tunnel`",
            severity="warning",
        )
        return
    subnets = _node_subnets(cluster)
    if len(subnets) > 1:
        yield Hit(
            node,
            f"direct server return on AWS needs all nodes in one subnet, these stand in {len(subnets)}: write `Tunnel`",
            fix=tunnel,
        )
        return
    check = cluster.at(_CALICO + "awsSrcDstCheck")
    cross_subnet = cluster.at(_CALICO + "crossSubnet")
    by_default = release.minor >= 22 or (cross_subnet is not None and cross_subnet.value is True)
    value = text(check) or ("Disable" if by_default else "DoNothing")
    if value != "Disable":
        yield Hit(
            node,
            "direct server return on AWS needs `awsSrcDstCheck: Disable`: write that, or `Tunnel`",
            related=[(check, "the check is left on here")] if check is not None else [],
            fix=tunnel,
        )


def _node_subnets(cluster: Cluster) -> set[str]:
    """The names of the subnets that nodes stand in; without InstanceGroups all but the utility subnets."""
    lists = [group.spec.get("subnets") for group in cluster.groups if group.spec and group.role != "Bastion"]
    names = {text(item) for node in lists if node is not None and isinstance(node.value, list) for item in node}
    if not cluster.groups:
        subnets = cluster.at("subnets")
        members = subnets if subnets is not None and isinstance(subnets.value, list) else ()
        names = {text(item.get("name")) for item in members if text(item.get("type")) != "Utility"}
    return {name for name in names if name is not None}


@rule("E858", "ebpf-kubernetes-too-old", severity="error", origin="calico", since="1.19",
      on=_CALICO + "bpfEnabled")  # fmt: skip
def ebpf_kubernetes_too_old(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The eBPF data plane with a Kubernetes before 1.16.

    kOps enables eBPF in its manifests for Kubernetes 1.16 and later only. Before, the key does nothing; and where
    kube-proxy is switched off for it nobody serves the Services.

    Bad (kOps 1.19.3):
        kubernetesVersion: 1.15.12
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Good (kOps 1.19.3):
        kubernetesVersion: 1.19.16
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Fix: upgrade Kubernetes to 1.16 or later first.
    Source: docs/networking/calico.md@release-1.36:125-126; T(k8s-1.12)@1.19 has no `BPFEnabled`.
    """
    if node.value is True and cluster.kubernetes is not None and cluster.kubernetes < _NEEDS:
        yield Hit(
            node,
            f"eBPF needs Kubernetes 1.16 or later, this is {cluster.kubernetes}: upgrade it first",
            related=_related(cluster, "kubernetesVersion", "the Kubernetes version"),
        )


@rule("E859", "ebpf-debug-log", severity="info", origin="calico", since="1.19", on=_CALICO + "bpfLogLevel",
      fix="unsafe")  # fmt: skip
def ebpf_debug_log(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`bpfLogLevel: Debug` on a cluster that works.

    The eBPF programs then write several lines for each packet into the kernel's trace buffer. That costs much of the
    speed that eBPF is chosen for, and is of use only while somebody reads it.

    Bad (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, bpfLogLevel: Debug}}
    Good (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, bpfLogLevel: "Off"}}
    Also: F845
    Fix: remove the key when you have seen enough.
    Source: tigera/docs calico/operations/ebpf/troubleshoot-ebpf.mdx, "eBPF program debug logs".
    """
    if node.value == "Debug":
        from calico_lint import fix

        yield Hit(
            node,
            "`bpfLogLevel: Debug` writes lines for every packet: remove it when you have seen enough",
            fix=fix.remove_key(node, safe=False),
        )


# First and last Calico, severity, what happens, what to do; with eBPF only.
_DEFECTS: tuple[tuple[Version, Version, str, str, str], ...] = (
    (Version(3, 22, 0), Version(3, 22, 2), "error",
     "misreads the Service tables that 3.21 left in the kernel: connections reach pods of other Services",
     "use v3.23 or later"),
    (Version(3, 31, 0), Version(3, 31, 5), "warning",
     "refuses NodePort connections for seconds on a node whose calico-node restarts, so on each in turn while it rolls",
     "use v3.31.6 by `networking.calico.version`, or take nodes out of their load balancers while Calico rolls"),
)  # fmt: skip


@rule("E861", "ebpf-known-defect", severity="error/warning", origin="calico", since="1.19", changes="every",
      on=_CALICO + "bpfEnabled")  # fmt: skip
def ebpf_known_defect(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The eBPF data plane of this Calico has a published defect.

    In 3.22.0 to 3.22.2 the format of the Service tables in the kernel changed under an unchanged name. In 3.31.0 to
    3.31.5, so in all of kOps 1.35 and 1.36.0 to 1.36.2, a starting calico-node wipes the tables for NodePorts and
    refuses connections for some seconds. And kOps 1.24.0 and 1.24.1 let eBPF bypass the connection tracking that the
    answers of `hostPort` pods need.

    Bad (kOps 1.36.2):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Bad (kOps 1.24.1):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Good (kOps 1.36.2):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, version: v3.31.6}}
    Good (kOps 1.24.5):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Also: F845
    Fix: use the version that the message names.
    Source: projectcalico/calico#5957 and #12192; kubernetes/kops#14205, FELIX_BPFHostConntrackBypass in T(k8s-1.22)
        from v1.24.2:4711 on.
    """
    calico = deployed_calico(cluster, release)
    if node.value is not True or calico is None:
        return
    for first, last, severity, what, advice in _DEFECTS:
        if first <= calico <= last:
            yield Hit(node, f"eBPF of Calico v{calico} {what}: {advice}", severity=severity)
    if Version(1, 24, 0) <= release < Version(1, 24, 2) and calico >= Version(3, 23):
        yield Hit(
            node,
            f"with eBPF of kOps {release} pods that use `hostPort` cannot answer: use kOps 1.24.2 or later",
            severity="warning",
        )


@rule("E862", "ebpf-with-wireguard", severity="warning", origin="calico", since="1.19", changes="every",
      on=_CALICO + "wireguardEnabled")  # fmt: skip
def ebpf_with_wireguard(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The eBPF data plane and WireGuard together, with a Calico before 3.19.

    Both were young then, and together they lose packets: drops on `wireguard.cali`, Services that are not found.

    Bad (kOps 1.19.3):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, wireguardEnabled: true}}
    Good (kOps 1.22.6):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, wireguardEnabled: true}}
    Also: W865, F845
    Fix: use kOps 1.21 or later (Calico 3.19), or one of the two only.
    Source: projectcalico/calico#4411.
    """
    calico = deployed_calico(cluster, release)
    if node.value is True and is_on(cluster, "bpfEnabled") and calico is not None and calico < Version(3, 19):
        yield Hit(
            node,
            f"eBPF and WireGuard together lose packets in Calico v{calico}: use kOps 1.21 or later, or one of the two",
            related=_related(cluster, _CALICO + "bpfEnabled", "eBPF is enabled here"),
        )


# --- WireGuard ------------------------------------------------------------------------------------------


@rule("W861", "wireguard-not-here", severity="error", origin="calico", changes="every",
      on=_CALICO + "wireguardEnabled")  # fmt: skip
def wireguard_not_here(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """WireGuard where this kOps, or this Kubernetes, has none.

    kOps has the key since 1.18.2, and uses it in its manifests for Kubernetes 1.16 and later. Elsewhere pod traffic
    goes on in clear text. On an IPv6-only cluster there is nothing to encrypt; from 1.26 on kOps refuses that itself
    (KC119).

    Bad (kOps 1.19.3):
        kubernetesVersion: 1.15.12
        networking: {calico: {wireguardEnabled: true}}
    Bad (kOps 1.18.0):
        networking: {calico: {wireguardEnabled: true}}
    Bad (kOps 1.24.5):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {wireguardEnabled: true}}
    Good (kOps 1.19.3):
        networking: {calico: {wireguardEnabled: true}}
    Fix: upgrade Kubernetes and kOps first, or remove the key.
    Source: docs/networking/calico.md@release-1.36:156-159; `wireguardEnabled` in tag v1.18.2.
    """
    if node.value is not True:
        return
    manifest = cluster.manifest(release)
    if release < Version(1, 18, 2):
        yield Hit(
            node, "kOps knows `wireguardEnabled` from 1.18.2 on, so nothing is encrypted: use a newer kOps", on_key=True
        )
    elif cluster.kubernetes is not None and cluster.kubernetes < _NEEDS:
        why = "" if manifest is None or manifest.datastore == KUBERNETES else ", and not with Calico on etcd"
        yield Hit(
            node,
            f"WireGuard works from Kubernetes 1.16 on{why}, this is {cluster.kubernetes}: upgrade it first",
            related=_related(cluster, "kubernetesVersion", "the Kubernetes version"),
        )
    elif cluster.ipv6_only and release.minor < 26:
        yield Hit(
            node,
            "Calico's WireGuard encrypts IPv4 only, and this cluster is IPv6-only: remove it",
            related=_related(cluster, "nonMasqueradeCIDR", "this makes the cluster IPv6-only"),
        )


@rule("W865", "wireguard-does-not-encrypt-all", severity="info", origin="calico", since="1.18.2",
      on=_CALICO + "wireguardEnabled")  # fmt: skip
def wireguard_does_not_encrypt_all(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """What WireGuard does not encrypt.

    Calico encrypts traffic between pods on different nodes. Pods on the host network, so the control plane, kube-proxy,
    node exporters and most ingress controllers, and traffic inside one node, stay as they are.

    Bad (kOps 1.30.4):
        networking: {calico: {wireguardEnabled: true}}
    Good (kOps 1.30.4):
        networking: {calico: {wireguardEnabled: false}}
    Fix: use TLS for what runs on the host network.
    Source: tigera/docs calico/network-policy/encrypt-cluster-pod-traffic.mdx:37-44.
    """
    kubernetes = cluster.kubernetes
    if node.value is True and not cluster.ipv6_only and (kubernetes is None or kubernetes >= _NEEDS):
        yield Hit(node, "WireGuard encrypts traffic between pods of different nodes only, not that of the host network")


# --- nftables and iptables ------------------------------------------------------------------------------

_NFTABLES_KUBERNETES = Version(1, 31)


@rule("N871", "nftables-of-kube-proxy-and-calico", severity="error", origin="calico", changes="every",
      on=("kubeProxy.proxyMode", _CALICO + "nftablesMode"), fix="unsafe")  # fmt: skip
def nftables_of_both(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Of kube-proxy and Calico one uses nftables and the other iptables.

    The two look at different tables: Calico does not see the Services that kube-proxy has resolved, so that policies
    decide on the wrong address and traffic is dropped or let through. Both need Kubernetes 1.31 or later.

    Bad (kOps 1.36.2):
        kubeProxy: {proxyMode: nftables}
        networking: {calico: {}}
    Bad (kOps 1.36.2):
        networking: {calico: {nftablesMode: Enabled}}
    Good (kOps 1.36.2):
        kubeProxy: {proxyMode: nftables}
        networking: {calico: {nftablesMode: Enabled}}
    Fix: write `kubeProxy: {proxyMode: nftables}` and `nftablesMode: Enabled`, or neither.
    Source: tigera/docs calico/getting-started/kubernetes/nftables.mdx:16-24, _system-requirements.mdx:213.
    """
    if cluster.calico is None or cluster.calico.value is None or not runs_kube_proxy(cluster):
        return
    mode = cluster.at(_CALICO + "nftablesMode")
    value = text(mode)
    on = value is not None and value.lower() == "enabled"
    calico = deployed_calico(cluster, release)
    if node.key == "proxyMode":
        if node.value != "nftables":
            return
        if value is not None and value.lower() == "auto" and calico is not None and calico >= Version(3, 32):
            on = True
        if not on and not is_on(cluster, "bpfEnabled"):
            from calico_lint import fix

            enable = None
            if release >= Version(1, 35, 2):
                calico_node = cluster.calico
                enable = (
                    fix.set_value(mode, "Enabled", safe=False)
                    if mode is not None
                    else fix.add_key(calico_node, "nftablesMode", "Enabled", safe=False)
                )
            yield Hit(
                node,
                "kube-proxy uses nftables and Calico does not: write `nftablesMode: Enabled` below "
                "`networking.calico` (kOps 1.35.2 or later), or remove this",
                related=[(mode, "Calico's mode")] if mode is not None else [],
                fix=enable,
            )
        elif cluster.kubernetes is not None and cluster.kubernetes < _NFTABLES_KUBERNETES:
            yield Hit(node, f"nftables needs Kubernetes 1.31 or later, this is {cluster.kubernetes}: remove it")
        return
    proxy = cluster.at("kubeProxy.proxyMode")
    if not on or text(proxy) == "nftables" or all_need_nftables(cluster):
        return
    yield Hit(
        node,
        "Calico uses nftables and kube-proxy does not: write `kubeProxy: {proxyMode: nftables}`, or remove this",
        related=[(proxy, f"kube-proxy uses {quoted(str(proxy.value))}")] if proxy is not None else [],
    )


def all_need_nftables(cluster: Cluster) -> bool:
    """Whether kOps runs kube-proxy with nftables on every node, because of its image."""
    seen = [image for _, image in images(cluster)]
    groups = [group for group in cluster.groups if group.role != "Bastion"]
    return bool(groups) and len(seen) == len(groups) and all(image.needs_nftables for image in seen)


@rule("N875", "chain-insert-append", severity="warning", origin="calico", since="1.19",
      on=_CALICO + "chainInsertMode", fix="unsafe")  # fmt: skip
def chain_insert_append(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`chainInsertMode: append` lets other rules decide first.

    Felix then puts its jump behind the rules that stand in a chain already. One of those that accepts a packet takes it
    past every policy.

    Bad (kOps 1.30.4):
        networking: {calico: {chainInsertMode: append}}
    Good (kOps 1.30.4):
        networking: {calico: {chainInsertMode: insert}}
    Fix: remove the key: `insert` is the default, and the safe one.
    Source: N2@1.36:165-168 (pkg/apis/kops/v1alpha2/networking.go).
    """
    if node.value == "append":
        from calico_lint import fix

        yield Hit(
            node,
            "with `append` rules that stand in a chain already can accept packets past every policy: remove it",
            fix=fix.remove_key(node, safe=False),
        )


RULES: list[Rule] = [
    ebpf_cleanup,
    ebpf_with_ipvs,
    ebpf_ipv6,
    direct_server_return,
    ebpf_kubernetes_too_old,
    ebpf_debug_log,
    ebpf_known_defect,
    ebpf_with_wireguard,
    wireguard_not_here,
    wireguard_does_not_encrypt_all,
    nftables_of_both,
    chain_insert_append,
]
