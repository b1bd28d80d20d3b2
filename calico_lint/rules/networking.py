"""Rules on which networking option a spec takes (KC130), and on Canal (KC131-KC133).

V@1.N and L@1.N in sources = `validation.go` and `legacy.go` of `pkg/apis/kops/validation` at release-1.N of
kubernetes/kops.
"""

from __future__ import annotations

from calico_lint.kops.releases import Version
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import listed, not_allowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node


@rule("KC130", "only-one-networking-option", severity="error", origin="kops-written",
      changes=("1.18", "1.19", "1.23", "1.28", "1.32", "1.34"), on="networking")  # fmt: skip
def only_one_networking_option(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """More than one networking option.

    A cluster runs one network. Of two, each configures the nodes and hands out addresses, and pods end up on
    either. kOps refuses this since 1.18, with gaps: `cni` beside `calico` passed from 1.19 to 1.31, and 1.17 and
    older install the manifests of both without a word.

    Bad (kOps 1.36.2):
        networking: {calico: {}, cilium: {}}
    Bad (kOps 1.24.5):
        networking: {cni: {}, calico: {}}
    Good (kOps 1.36.2):
        networking: {calico: {}}
    Good (kOps 1.36.2):
        networking: {calico: {}, cilium: null}
    Fix: keep the option that the cluster runs, and remove the others.
    Source: V@1.18:312-410, V@1.19:587-682 (`cni`: :599), V@1.28:1102 (`weave` no longer counts), V@1.32:1176-1180,
        V@1.36:1303-1308; BCB@1.17:824-922 (each manifest on its own condition).
    """
    options = [(key, option) for key, option in cluster.cni_nodes() if isinstance(option.value, dict)]
    if len(options) < 2:
        return
    origin = "kops-written" if _kops_counts({key for key, _ in options}, release.minor) else "calico"
    names = listed([str(option.key) for _, option in options], "and")
    for _, option in options:
        yield Hit(
            option,
            f"`networking` holds {names}, and a cluster runs one of them: keep one, remove the others",
            on_key=True,
            related=[(other, "another networking option") for _, other in options if other.key != option.key],
            origin=origin,
        )


def _kops_counts(keys: set[str], minor: int) -> bool:
    """Whether kOps 1.`minor` itself says that there is more than one."""
    if minor >= 32:
        return len(keys - {"canal"} if minor >= 34 else keys) > 1
    if minor <= 17:
        return False
    counted = keys - {"classic", "kindnet"}
    if minor == 18:
        return len(counted) > 1
    # `cni` is held against what stands before it in kOps' own order, and nothing after it is held against `cni`.
    counted -= {"romana", "cni"} | ({"lyftvpc"} if minor >= 23 else set()) | ({"weave"} if minor >= 28 else set())
    return len(counted) > 1 or ("cni" in keys and not counted.isdisjoint(("kubenet", "external", "kopeio")))


# --- Canal ----------------------------------------------------------------------------------------------


_CANAL_VALUES = {
    "defaultEndpointToHostAction": (8, ("ACCEPT", "DROP", "RETURN")),
    "chainInsertMode": (8, ("insert", "append")),
    "logSeveritySys": (10, ("INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL", "NONE")),
    "iptablesBackend": (18, ("Auto", "Legacy", "NFT")),
}


@rule("KC131", "canal-values", severity="error", origin="kops-written", until="1.33",
      changes=("1.10", "1.18", "1.28"), on=tuple(f"networking.canal.{key}" for key in _CANAL_VALUES),
      fix="safe")  # fmt: skip
def canal_values(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """A value that Canal does not have.

    `defaultEndpointToHostAction`, `chainInsertMode`, `logSeveritySys` (checked from kOps 1.10 on) and
    `iptablesBackend` (from 1.18 on) go to Calico's Felix, which is one half of Canal. The spelling counts.

    Bad (kOps 1.22.6):
        networking: {canal: {defaultEndpointToHostAction: REJECT}}
    Bad (kOps 1.22.6):
        networking: {canal: {logSeveritySys: info}}
    Good (kOps 1.22.6):
        networking: {canal: {chainInsertMode: append, logSeveritySys: INFO, iptablesBackend: Auto}}
    Fix: write one of the values that the message lists.
    Source: L@1.8:220-227, L@1.11:238-259, V@1.18:432-452, V@1.33:1204-1231.
    """
    since, allowed = _CANAL_VALUES[str(node.key)]
    if release.minor >= since and not _canal_refused(cluster, release):
        yield from not_allowed(node, allowed)


@rule("KC132", "canal-ipv6", severity="error", origin="kops-written", since="1.23", until="1.33", changes=("1.28",),
      on="networking.canal")  # fmt: skip
def canal_ipv6(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Canal on an IPv6-only cluster.

    Flannel, which carries the packets in Canal, has no IPv6 in kOps. Calico has.

    Bad (kOps 1.25.4):
        nonMasqueradeCIDR: "::/0"
        networking: {canal: {}}
    Good (kOps 1.25.4):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {}}
    Fix: for a new cluster take `calico`, `cilium` or `cni`; a running one keeps IPv4.
    Source: V@1.23:846-847, V@1.33:1207-1208.
    """
    if isinstance(node.value, dict) and cluster.ipv6_only and not _canal_refused(cluster, release):
        yield Hit(node, "`canal` does not work on an IPv6-only cluster: use `calico` for IPv6", on_key=True)


@rule("KC133", "canal-removed", severity="error", origin="kops-written", since="1.28", changes=("1.34",),
      on="networking.canal")  # fmt: skip
def canal_removed(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Canal is gone.

    kOps 1.28 refuses Canal with Kubernetes 1.28 and later, and kOps 1.34 refuses it altogether: its manifests are no
    longer there. Changing the network of a running cluster is a migration, not an edit.

    Bad (kOps 1.30.4):
        networking: {canal: {}}
    Bad (kOps 1.36.2):
        networking: {canal: {}}
    Good (kOps 1.28.7):
        kubernetesVersion: 1.27.16
        networking: {canal: {}}
    Good (kOps 1.36.2):
        networking: {calico: {}}
    Fix: move to another network (a new cluster is the safe way) before Kubernetes 1.28; a new cluster takes `calico`.
    Source: V@1.28:1134, V@1.33:1130-1131, V@1.34:1130, V@1.36:1258-1259; docs/releases/1.34-NOTES.md@release-1.36.
    """
    if isinstance(node.value, dict) and _canal_refused(cluster, release):
        yield Hit(
            node,
            "`canal` is gone (with Kubernetes 1.28, and altogether in kOps 1.34): use `calico` or another option",
            on_key=True,
        )


def _canal_refused(cluster: Cluster, release: Version) -> bool:
    if release.minor < 28 or release.minor >= 34:
        return release.minor >= 34
    kubernetes = cluster.kubernetes
    return kubernetes is not None and kubernetes.minor >= 28


RULES: list[Rule] = [only_one_networking_option, canal_values, canal_ipv6, canal_removed]
