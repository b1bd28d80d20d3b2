"""Rules on the Kubernetes version (KV)."""

from __future__ import annotations

from calico_lint.kops.releases import (
    OLDEST_SUPPORTED_KUBERNETES,
    Version,
    newest_of_minor,
    parse_kubernetes,
)
from calico_lint.rules.core import Hit, rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.rules.core import Rule


@rule("KV301", "kubernetes-version-present", severity="error", origin="kops-written", fix="safe")
def kubernetes_version_present(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """`kubernetesVersion` is missing or is no version.

    Every choice that concerns Calico hangs on it: which manifest, which datastore, which etcd version by
    default. Without it this linter can decide nothing of that either. kOps reads X.Y.Z, X.Y as X.Y.0, and the
    URL of a release; unquoted, YAML reads `1.30` as the number 1.3, which kOps cannot decode.

    Bad (kOps 1.30.4):
        kubernetesVersion: latest
    Good (kOps 1.30.4):
        kubernetesVersion: 1.30.2
    Fix: write the version with all three numbers, for example `kubernetesVersion: 1.30.2`.
    Source: L@1.11:46-55, L@1.36:46-58 (pkg/apis/kops/validation/legacy.go); ParseKubernetesVersion
        (pkg/apis/kops/util/versions.go).
    """
    node = cluster.at("kubernetesVersion")
    if node is None or node.value in (None, ""):
        if cluster.spec is not None:
            yield Hit(
                cluster.spec,
                "`kubernetesVersion` is missing: write it with all three numbers",
                missing="kubernetesVersion",
            )
        return
    if parse_kubernetes(node.value) is not None:
        return
    shown = node.document.source.text[slice(*node.span)]
    advice = "write all three numbers, X.Y.Z"
    fix = None
    if isinstance(node.value, float):
        from calico_lint.fix import set_value

        advice = f"YAML reads `{shown}` as the number {node.value:g}: write all three numbers, X.Y.Z"
        fix = set_value(node, shown, safe=True)
    yield Hit(node, f"`{shown}` is no Kubernetes version: {advice}", fix=fix)


@rule("KV302", "kubernetes-too-old", severity="error", origin="kops-apply", since="1.16", changes="every")
def kubernetes_too_old(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """The Kubernetes version is older than this kOps supports.

    `kops update cluster` stops. An old cluster with Calico moves up with the kOps releases that support it,
    one Kubernetes minor at a time.

    Bad (kOps 1.36.2):
        kubernetesVersion: 1.30.9
    Good (kOps 1.36.2):
        kubernetesVersion: 1.35.2
    Fix: use the kOps release that matches the Kubernetes version, and upgrade Kubernetes first.
    Source: OldestSupportedKubernetesVersion, APPLY@1.16:95 to APPLY@1.36:79 (upup/pkg/fi/cloudup/apply_cluster.go).
    """
    kubernetes = cluster.kubernetes
    node = cluster.at("kubernetesVersion")
    oldest = OLDEST_SUPPORTED_KUBERNETES.get(release.minor)
    if kubernetes is None or node is None or oldest is None:
        return
    if kubernetes < Version(1, oldest):
        yield Hit(node, f"Kubernetes {kubernetes} is older than 1.{oldest}.0, the oldest that kOps {release} supports")


@rule("KV303", "kubernetes-too-new", severity="error", origin="kops-apply", changes="every")
def kubernetes_too_new(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """The Kubernetes version is newer than this kOps.

    From 1.18 on `kops update cluster` stops unless KOPS_RUN_TOO_NEW_VERSION is set; before, the compatibility
    table of the README stops at the same minor. The Calico manifest of an older kOps is not made for a newer
    Kubernetes.

    Bad (kOps 1.36.2):
        kubernetesVersion: 1.37.0
    Good (kOps 1.36.2):
        kubernetesVersion: 1.36.0
    Fix: use a kOps of at least the minor of Kubernetes.
    Source: APPLY@1.18:1045-1059, APPLY@1.36:981-1006; README.md@release-1.16:94-97.
    """
    kubernetes = cluster.kubernetes
    node = cluster.at("kubernetesVersion")
    if kubernetes is None or node is None or (kubernetes.major, kubernetes.minor) <= (1, release.minor):
        return
    yield Hit(
        node,
        f"Kubernetes {kubernetes} is newer than kOps {release} takes: use kOps 1.{kubernetes.minor} or later",
        severity=None if release.minor >= 18 else "warning",
        origin=None if release.minor >= 18 else "calico",
    )


@rule(
    "KV304",
    "no-calico-manifest-for-kubernetes",
    severity="error",
    origin="calico",
    since="1.11",
    until="1.19",
    on="networking.calico.majorVersion",
    aliases=("S2",),
)
def no_calico_manifest(cluster: Cluster, release: Version, node: object) -> Iterator[Hit]:
    """Calico v3 with Kubernetes older than 1.7: kOps installs no network at all.

    kOps accepts the spec. But its only Calico v3 manifest for etcd is registered for Kubernetes 1.7 and later,
    so no Calico manifest is applied, and no pod of a new cluster ever gets an address.

    Bad (kOps 1.11.1):
        kubernetesVersion: 1.6.13
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.11.1):
        kubernetesVersion: 1.7.16
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Fix: upgrade Kubernetes to 1.7 or later first, and set `majorVersion: v3` then.
    Source: BCB@1.11:651-665 (bootstrapchannelbuilder.go); docs/calico-v3.md@release-1.13.
    """
    kubernetes = cluster.kubernetes
    where = cluster.at("kubernetesVersion")
    if kubernetes is None or where is None or not cluster.major_version_v3 or kubernetes >= Version(1, 7):
        return
    major_version = cluster.at("networking.calico.majorVersion")
    assert major_version is not None
    yield Hit(
        where,
        f"Calico v3 needs Kubernetes 1.7 or later, this is {kubernetes}: kOps {newest_of_minor(release.minor)} "
        "accepts the spec and then installs no network at all",
        related=[(major_version, "Calico v3 is asked for here")],
    )


RULES: list[Rule] = [kubernetes_version_present, kubernetes_too_old, kubernetes_too_new, no_calico_manifest]
