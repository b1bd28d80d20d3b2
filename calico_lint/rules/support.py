"""Rules on what fits together and is still maintained (X): Kubernetes, Calico, kOps, images and their known defects."""

from __future__ import annotations

from calico_lint.kops.releases import NEWEST_MINOR, OLDEST_SUPPORTED_KUBERNETES, Version, parse_semver
from calico_lint.kops.support import OLDEST_RECOMMENDED_KUBERNETES, tested_kubernetes
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node


def deployed_calico(cluster: Cluster, release: Version) -> Version | None:
    """The Calico that this kOps deploys: `networking.calico.version` where kOps knows it, or that of the manifest."""
    override = parse_semver(cluster.text("networking.calico.version")) if release.minor >= 19 else None
    if override is not None:
        return override
    manifest = cluster.manifest(release)
    return manifest.calico if manifest is not None else None


def _is_behind(release: Version) -> bool:
    return release.minor < NEWEST_MINOR - 2


@rule("X891", "kubernetes-not-tested", severity="warning/info", origin="calico", changes="every", unanimous=True)
def kubernetes_not_tested(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """The Calico that is deployed was not tested with this Kubernetes.

    Each Calico minor is tested with a few Kubernetes minors. A newer Kubernetes may have dropped an API that this
    Calico calls, and nobody looked. An older one is a smaller risk, and an info, and so is what an old kOps brings by
    itself. kOps may well ship such a pair: its Calico is often older than its Kubernetes. A spec whose kOps is not
    known is judged only where every possible release deploys such a Calico.

    Bad (kOps 1.36.2):
        kubernetesVersion: 1.36.0
        networking: {calico: {}}
    Bad (kOps 1.30.4):
        kubernetesVersion: 1.30.4
        networking: {calico: {}}
    Good (kOps 1.36.2):
        kubernetesVersion: 1.35.2
        networking: {calico: {}}
    Fix: stay on the newest Kubernetes that this Calico was tested with, or take a kOps that ships a newer Calico;
        else try the pair on a cluster of your own first.
    Source: the requirements pages of each Calico release (kops/support.py).
    """
    node = cluster.at("kubernetesVersion")
    calico = deployed_calico(cluster, release)
    if node is None or calico is None or cluster.kubernetes is None or cluster.kubernetes.major != 1:
        return
    tested = tested_kubernetes(calico.major, calico.minor)
    minor = cluster.kubernetes.minor
    if tested is None or tested[0] <= minor <= tested[1]:
        return
    override = cluster.at("networking.calico.version")
    message = f"Calico v{calico} was tested with Kubernetes 1.{tested[0]} to 1.{tested[1]}, not with 1.{minor}: " + (
        f"stay on 1.{tested[1]}, or take a newer Calico" if minor > tested[1] else "upgrade Kubernetes soon"
    )
    yield Hit(
        node,
        message,
        related=[(override, "this Calico is asked for here")] if override is not None else [],
        severity=None if override is not None or (minor > tested[1] and not _is_behind(release)) else "info",
    )


@rule("X892", "kops-behind", severity="info", origin="calico", since="1.16", changes="every")
def kops_behind(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """kOps, or Kubernetes, is older than what is maintained.

    kOps maintains its newest minors only; an older one keeps an older Calico, whose defects and security holes stay.
    Below a second limit kOps itself recommends to upgrade Kubernetes before anything else. Before 1.16, the releases
    that migrate from Calico v2 to v3, it goes without saying; and it is said only of a kOps that the user named.

    Bad (kOps 1.31.0):
        kubernetesVersion: 1.30.2
        networking: {calico: {}}
    Bad (kOps 1.36.2):
        kubernetesVersion: 1.32.2
        networking: {calico: {}}
    Good (kOps 1.36.2):
        kubernetesVersion: 1.35.2
        networking: {calico: {}}
    Fix: upgrade kOps and Kubernetes minor by minor.
    Source: docs/welcome/releases.md@release-1.36; OldestRecommendedKubernetesVersion, APPLY@1.18 to APPLY@1.36
        (upup/pkg/fi/cloudup/apply_cluster.go).
    """
    node = cluster.at("kubernetesVersion")
    if node is None or cluster.kubernetes is None or (cluster.releases is not None and not cluster.releases.given):
        return
    if _is_behind(release):
        yield Hit(
            node,
            f"kOps {release} is more than two minors behind 1.{NEWEST_MINOR}, the newest known: plan its upgrade",
        )
        return
    recommended = OLDEST_RECOMMENDED_KUBERNETES.get(release.minor, 0)
    if OLDEST_SUPPORTED_KUBERNETES.get(release.minor, 0) <= cluster.kubernetes.minor < recommended:
        yield Hit(node, f"kOps {release} recommends Kubernetes 1.{recommended} or later: upgrade Kubernetes")


@rule("X894", "registry-without-version", severity="info", origin="calico", since="1.19",
      on="networking.calico.registry", changes="every")  # fmt: skip
def registry_without_version(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Calico's images come from a registry of your own, under the tags of kOps.

    The images are pulled under the tag of the manifest. Each upgrade of kOps changes that tag: the new images have to
    be in the registry before `kops update cluster`, or calico-node stays in ImagePullBackOff node after node.

    Bad (kOps 1.30.4):
        networking: {calico: {registry: registry.example.net}}
    Good (kOps 1.30.4):
        networking: {calico: {registry: registry.example.net, version: v3.27.4}}
    Fix: mirror the images of the Calico that this kOps deploys before each upgrade.
    Source: T(k8s-1.25)@1.36: every image is `registry/calico/...:version`.
    """
    calico = deployed_calico(cluster, release)
    if text(node) is not None and cluster.at("networking.calico.version") is None and calico is not None:
        yield Hit(
            node,
            f"{quoted(str(node.value))} must hold Calico's images with the tag v{calico} before this kOps is applied",
        )


@rule("X895", "canal-out-of-support", severity="info", origin="calico", since="1.22", until="1.27",
      on="networking.canal")  # fmt: skip
def canal_out_of_support(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Canal stands still.

    For Kubernetes before 1.22 it runs Calico v3.13.4, of 2020. kOps has been asking for maintainers, refuses it from
    Kubernetes 1.28 on, and dropped it in 1.34.

    Bad (kOps 1.24.5):
        kubernetesVersion: 1.21.14
        networking: {canal: {}}
    Good (kOps 1.24.5):
        kubernetesVersion: 1.21.14
        networking: {calico: {}}
    Fix: plan a new cluster with Calico; a running one cannot change its network safely.
    Source: TC(k8s-1.16)@1.22; docs/releases/1.26-NOTES.md@release-1.36:95.
    """
    if cluster.kubernetes is not None and cluster.kubernetes < Version(1, 22):
        yield Hit(
            node,
            "canal runs Calico v3.13.4 here, out of support since 2020, and goes with Kubernetes 1.28: "
            "plan a new cluster with Calico",
            on_key=True,
        )


# --- known defects --------------------------------------------------------------------------------------

# First and last Calico with the defect, severity, what happens, what to do. Defects of the eBPF data plane: E861; of
# images for one architecture: O885.
_DEFECTS: tuple[tuple[Version, Version, str, str, str], ...] = (
    (Version(3, 4, 0), Version(3, 4, 4), "error",
     "counts BGP peers that are gone as not ready: a rolling update stops at the first node that is replaced",
     "use kOps 1.12.3 or later"),
    (Version(3, 21, 0), Version(3, 21, 2), "error",
     "may serve stale data after etcd is compacted: policies and endpoints stop changing until a restart",
     "use v3.21.3 or later, which kOps 1.23.0 deploys"),
)  # fmt: skip


@rule("X896", "calico-known-defect", severity="error/warning", origin="calico", changes="every")
def calico_known_defect(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """The Calico that is deployed has a published defect that stops clusters.

    Calico 3.4 demands of every node that all BGP peers answer, also those that are just being replaced: with kOps
    1.12.0 to 1.12.2 (Kubernetes 1.12), where nothing removes dead nodes either, a rolling update stalls at once.
    Calico 3.21.0 to 3.21.2 loses track of changes after a compaction of etcd, in clusters of some hundred pods; it can
    only come from `version` or a pre-release of kOps.

    Bad (kOps 1.12.1):
        networking: {calico: {}}
    Bad (kOps 1.23.4):
        kubernetesVersion: 1.22.5
        networking: {calico: {version: v3.21.2}}
    Good (kOps 1.12.3):
        networking: {calico: {}}
    Good (kOps 1.23.4):
        kubernetesVersion: 1.22.5
        networking: {calico: {}}
    Also: KI607
    Fix: use the kOps release, or the `version`, that the message names.
    Source: kubernetes/kops#6784, projectcalico/calico#2211; projectcalico/calico#5173 and #5332.
    """
    calico = deployed_calico(cluster, release)
    if calico is None:
        return
    for first, last, severity, what, advice in _DEFECTS:
        if not first <= calico <= last:
            continue
        manifest = cluster.manifest(release)
        if calico.minor == 4 and (manifest is None or manifest.datastore != "kubernetes"):
            continue
        node = cluster.at("networking.calico.version") or cluster.calico
        if node is not None and node.value is not None:
            yield Hit(node, f"Calico v{calico} {what}: {advice}", on_key=node.key == "calico", severity=severity)


@rule("X897", "exec-probes-time-out", severity="warning/info", origin="calico", until="1.21")
def exec_probes_time_out(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """calico-node is restarted on busy nodes.

    Kubernetes enforces the timeout of exec probes from 1.20 on. The manifests before kOps 1.22 leave it at one second,
    which the probes of calico-node exceed under load: the pod counts as not ready, or is restarted, and policies and
    routes stand still meanwhile.

    Bad (kOps 1.20.3):
        kubernetesVersion: 1.20.10
        networking: {calico: {}}
    Good (kOps 1.22.6):
        kubernetesVersion: 1.20.10
        networking: {calico: {}}
    Fix: use kOps 1.22 or later, whose manifests give the probes ten seconds.
    Source: T(k8s-1.16) at v1.21.5 (no `timeoutSeconds`) and v1.22.0:3834-3844; kubernetes/kops#12713,
        projectcalico/calico#5122.
    """
    node = cluster.at("kubernetesVersion")
    if node is not None and cluster.kubernetes is not None and cluster.kubernetes >= Version(1, 20):
        yield Hit(
            node,
            "from Kubernetes 1.20 on calico-node's probes time out after one second with this kOps, which restarts it "
            "on busy nodes: use kOps 1.22 or later",
        )


_MANY_NODES = 50


@rule("X898", "pods-before-network", severity="info", origin="calico", until="1.22", unanimous=True)
def pods_before_network(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """While calico-node restarts, pods are still scheduled onto its node.

    From kOps 1.23 on (Calico 3.21) calico-node marks its node as without network when it stops. Before, the scheduler
    goes on sending pods there, which start without one. Every update of Calico visits each node so: it matters in
    large clusters, where that takes long.

    Bad (kOps 1.22.6):
        kubernetesVersion: 1.21.14
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, minSize: 150, maxSize: 150, subnets: [z1]}
    Good (kOps 1.23.4):
        kubernetesVersion: 1.21.14
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, minSize: 150, maxSize: 150, subnets: [z1]}
    Also: T821, B825, Z911
    Fix: use kOps 1.23 or later; until then deploy nothing while Calico rolls.
    Source: `calico-node -shutdown` in the templates from v1.23.0 on, not in v1.22.0; projectcalico/node#823.
    """
    calico = cluster.calico
    if calico is not None and calico.value is not None and cluster.node_count()[0] >= _MANY_NODES:
        yield Hit(
            calico,
            "while this Calico rolls, pods start without network on the node whose turn it is: deploy nothing then, "
            "or use kOps 1.23 or later",
            on_key=True,
        )


RULES: list[Rule] = [
    kubernetes_not_tested,
    kops_behind,
    registry_without_version,
    canal_out_of_support,
    calico_known_defect,
    exec_probes_time_out,
    pods_before_network,
]
