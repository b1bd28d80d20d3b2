"""Rules on what kOps accepts and then ignores, or gets wrong (KI601-KI607, KI609). None is in kOps' own validation.

They are read from the templates at each stable tag: T(x)@1.N in sources =
`upup/models/cloudup/resources/addons/networking.projectcalico.org/x.yaml.template@release-1.N` of kubernetes/kops.
"""

from __future__ import annotations

from calico_lint.kops.calico import KUBERNETES, uses_mtu
from calico_lint.kops.releases import Version, parse_semver
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import not_allowed, quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.finding import Fix
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node


@rule("KI601", "mtu-ignored", severity="warning", origin="calico", since="1.10", until="1.19", changes="every",
      on="networking.calico.mtu", fix="unsafe")  # fmt: skip
def mtu_ignored(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`mtu` is ignored.

    The Calico manifest that this kOps applies for this Kubernetes has no place for it: those for Kubernetes before
    1.7, that for Calico v3 on etcd in every release, and in kOps 1.12 to 1.14 that for Kubernetes 1.12 and later, which
    sets 1440. With another MTU than that of the network packets are dropped or split.

    Bad (kOps 1.12.3):
        networking: {calico: {mtu: 8981}}
    Bad (kOps 1.11.1):
        kubernetesVersion: 1.10.13
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3, mtu: 8981}}
    Good (kOps 1.15.3):
        networking: {calico: {mtu: 8981}}
    Also: KI607 S3
    Fix: remove the key, or use kOps 1.15 or later with Kubernetes 1.12 or later.
    Source: T(k8s-1.6)@1.17, T(k8s-1.7-v3)@1.19 and T(k8s-1.12)@1.14 have no `.Calico.MTU`; T(k8s-1.7)@1.10 and
        T(k8s-1.12)@1.15:21 have; T(k8s-1.12)@1.12:245.
    """
    manifest = cluster.manifest(release)
    if manifest is None:
        return
    if not uses_mtu(release, manifest):
        instead = "uses 1440" if manifest.id == "k8s-1.12" else "uses Calico's default"
        yield Hit(
            node,
            f"`mtu` is ignored: the manifest that this kOps applies for Kubernetes {cluster.kubernetes} {instead}; "
            "remove it",
            on_key=True,
            fix=_removal(node),
        )


def _removal(node: Node) -> Fix | None:
    """What is ignored now may be meant for the next kOps, which reads it: never a safe fix."""
    from calico_lint.fix import remove_key

    return remove_key(node, safe=False)


@rule("KI602", "ipip-mode-ignored", severity="warning", origin="calico", until="1.19", changes="every",
      on="networking.calico.ipipMode", fix="unsafe")  # fmt: skip
def ipip_mode_ignored(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`ipipMode` is ignored.

    kOps knows the key since 1.15, and uses it only where Calico keeps its data in Kubernetes. The manifests for Calico
    on etcd, those for Kubernetes before 1.12, look at `crossSubnet` alone: without that IP-in-IP is on everywhere.

    Bad (kOps 1.16.4):
        kubernetesVersion: 1.11.10
        networking: {calico: {ipipMode: Never}}
    Bad (kOps 1.14.1):
        networking: {calico: {ipipMode: Never}}
    Good (kOps 1.16.4):
        networking: {calico: {ipipMode: Never}}
    Also: S3
    Fix: remove the key; on AWS `crossSubnet: true` keeps traffic inside a subnet free of IP-in-IP.
    Source: T(k8s-1.7-v3)@1.17:238, T(k8s-1.12)@1.15:794.
    """
    if text(node) is not None:
        yield from _for_kubernetes_only(cluster, release, node)


@rule("KI603", "typha-ignored", severity="warning", origin="calico", until="1.19", changes="every",
      on="networking.calico.typhaReplicas", aliases=("T824",), fix="unsafe")  # fmt: skip
def typha_ignored(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`typhaReplicas` is ignored: there will be no Typha.

    Typha spares the Kubernetes API the watches of every calico-node. kOps installs it since 1.15, and only where Calico
    keeps its data in Kubernetes, with Kubernetes 1.12 and later. On etcd it is not needed.

    Bad (kOps 1.16.4):
        kubernetesVersion: 1.11.10
        networking: {calico: {typhaReplicas: 3}}
    Bad (kOps 1.14.1):
        networking: {calico: {typhaReplicas: 3}}
    Good (kOps 1.16.4):
        networking: {calico: {typhaReplicas: 3}}
    Also: S3
    Fix: remove the key, or use kOps 1.15 or later with Kubernetes 1.12 or later.
    Source: T(k8s-1.12)@1.12:241, T(k8s-1.12)@1.15, T(k8s-1.7-v3)@1.19.
    """
    if isinstance(node.value, int) and node.value > 0:
        yield from _for_kubernetes_only(cluster, release, node)


def _for_kubernetes_only(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """A hit on a key that only the manifests for Calico on the Kubernetes datastore use, and only since kOps 1.15."""
    manifest = cluster.manifest(release)
    if release.minor < 15:
        message = f"`{node.key}` is ignored: kOps knows it from 1.15 on; use that, or remove it"
        yield Hit(node, message, on_key=True, fix=_removal(node))
    elif manifest is not None and manifest.datastore != KUBERNETES:
        yield Hit(
            node,
            f"`{node.key}` is ignored: before Kubernetes 1.12 Calico runs on etcd, and its manifest has no place for "
            "it; remove it",
            on_key=True,
            fix=_removal(node),
        )


@rule("KI604", "cross-subnet-not-aws", severity="warning", origin="calico", until="1.18",
      on="networking.calico.crossSubnet", fix="unsafe")  # fmt: skip
def cross_subnet_not_aws(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`crossSubnet` is ignored on another cloud than AWS.

    Up to kOps 1.18 the manifests look at it on AWS only; elsewhere IP-in-IP is on everywhere. In 1.19 to 1.21 it sets
    the mode on every cloud, and from 1.22 on it does nothing at all (KC118).

    Bad (kOps 1.15.3):
        cloudProvider: gce
        networkCIDR: <absent>
        networking: {calico: {crossSubnet: true}}
    Good (kOps 1.15.3):
        networking: {calico: {crossSubnet: false}}
    Also: B826 F847
    Fix: remove the key; from kOps 1.15 on (Kubernetes 1.12 and later) write `ipipMode` instead.
    Source: T(k8s-1.7)@1.8, T(k8s-1.12)@1.15:794, T(k8s-1.16)@1.18:3741; pkg/model/components/calico.go@release-1.19:46.
    """
    if node.value is True and cluster.cloud not in (None, "aws"):
        yield Hit(node, f"`crossSubnet` is ignored on `{cluster.cloud}`: remove it", on_key=True, fix=_removal(node))


@rule("KI605", "nftables-mode-value", severity="error", origin="calico", since="1.35",
      on="networking.calico.nftablesMode", aliases=("N873",))  # fmt: skip
def nftables_mode_value(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`nftablesMode` is no mode of the Calico that is deployed.

    kOps passes any text on to Felix. That of Calico v3.31, which kOps 1.35 and 1.36 deploy, knows `Enabled` and
    `Disabled`; `Auto`, which kOps' own documentation lists, comes with v3.32. Felix complains in its log and goes on
    with iptables.

    Bad (kOps 1.36.2):
        networking: {calico: {nftablesMode: Auto}}
    Good (kOps 1.36.2):
        networking: {calico: {nftablesMode: Enabled}}
    Fix: write `Enabled` or `Disabled`.
    Source: pkg/apis/kops/v1alpha2/networking.go@v1.35.2 (no check in `validation.go`); projectcalico/calico
        felix/config/config_params.go@v3.31.3:183 and @release-v3.32:190, param_types.go@v3.31.3:706-711.
    """
    allowed: tuple[str, ...] = ("Enabled", "Disabled")
    override = parse_semver(cluster.text("networking.calico.version"))
    if override is not None and override >= Version(3, 32):
        allowed = (*allowed, "Auto")
    value = text(node)
    if value is None or value.lower() in (word.lower() for word in allowed):  # Felix does not mind the case
        return
    for hit in not_allowed(node, allowed):
        hit.message = hit.message.replace("kOps takes", "this Calico knows")
        yield hit


@rule("KI606", "version-override", severity="warning", origin="calico", since="1.19", changes="every",
      on="networking.calico.version", aliases=("X893",), fix="unsafe")  # fmt: skip
def version_override(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`version` puts the images of one Calico into the manifest of another.

    The key changes the tags of the images and nothing else. Custom resources, permissions and settings stay those of
    the Calico that this kOps release was made with: what another minor needs may be missing, and nobody has tested it.

    Bad (kOps 1.36.2):
        networking: {calico: {version: v3.27.3}}
    Good (kOps 1.36.2):
        networking: {calico: {version: v3.31.4}}
    Fix: remove the key and use the kOps release that ships the Calico you want; another patch of its minor is fine.
    Source: T(k8s-1.25)@1.36:7126, 7199, 7225, 7568, 7662 (images only).
    """
    manifest = cluster.manifest(release)
    override = parse_semver(text(node))
    if manifest is None or override is None:
        return
    if (override.major, override.minor) != (manifest.calico.major, manifest.calico.minor):
        yield Hit(
            node,
            f"{quoted(str(node.value))} changes only the images: the manifest is for Calico v{manifest.calico}; "
            "remove it, or take a kOps that ships this Calico",
            fix=_removal(node),
        )


@rule("KI607", "kube-controllers-datastore-1-12", severity="warning/info", origin="calico", since="1.12",
      until="1.13.0", on="networking.calico")  # fmt: skip
def kube_controllers_idle(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """calico-kube-controllers does not run.

    The manifest for Kubernetes 1.12 and later in kOps 1.12 and 1.13.0 has the Deployment with 0 replicas and without
    `DATASTORE_TYPE`; scaled up by hand, it would look for an etcd. Nothing then removes what Calico keeps of nodes that
    are gone. kOps 1.13.1 runs it.

    Bad (kOps 1.12.3):
        networking: {calico: {}}
    Good (kOps 1.13.2):
        networking: {calico: {}}
    Fix: update with kOps 1.13.1 or later.
    Source: T(k8s-1.12) at the tags 1.12.0:354 to 1.13.0 against 1.13.1; kubernetes/kops#7093 and #7517.
    """
    manifest = cluster.manifest(release)
    if manifest is not None and manifest.datastore == KUBERNETES:
        yield Hit(
            node,
            "this kOps installs calico-kube-controllers with 0 replicas and without its datastore: use kOps 1.13.1 or "
            "later",
            on_key=True,
        )


@rule("KI609", "calico-node-image-on-arm", severity="info", origin="calico", until="1.21", changes="every",
      on="networking.calico.crossSubnet")  # fmt: skip
def third_party_image(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`crossSubnet` on AWS installs a third-party image.

    To switch off the source/destination check of instances kOps deploys `ottoyiu/k8s-ec2-srcdst`, which does only that,
    has not been developed further, and exists for amd64 only. Calico can do it by itself since kOps 1.19.

    Bad (kOps 1.16.4):
        networking: {calico: {crossSubnet: true}}
    Good (kOps 1.22.6):
        networking: {calico: {awsSrcDstCheck: Disable}}
    Also: A816
    Fix: from kOps 1.19 on (Kubernetes 1.16 and later) write `awsSrcDstCheck: Disable` and `ipipMode: CrossSubnet`.
    Source: T(k8s-1.7)@1.19:530, T(k8s-1.12)@1.21:1016, T(k8s-1.16)@1.19:4188, gone from T(k8s-1.16)@1.20;
        docs/networking/calico.md@release-1.36:99-101.
    """
    manifest = cluster.manifest(release)
    if node.value is not True or cluster.cloud != "aws" or manifest is None:
        return
    if release.minor <= 19 or manifest.id == "k8s-1.12":
        advice = "write `awsSrcDstCheck: Disable` instead" if manifest.id == "k8s-1.16" and release.minor >= 19 else ""
        yield Hit(
            node,
            "`crossSubnet` installs the third-party image ottoyiu/k8s-ec2-srcdst"
            + (f": {advice}" if advice else "; from kOps 1.19 on `awsSrcDstCheck` does without it"),
            on_key=True,
        )


RULES: list[Rule] = [
    mtu_ignored,
    ipip_mode_ignored,
    typha_ignored,
    cross_subnet_not_aws,
    nftables_mode_value,
    version_override,
    kube_controllers_idle,
    third_party_image,
]
