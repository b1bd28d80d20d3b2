"""What the upgrade to Calico v3 asks of a spec (S): read from one spec, with or without the release.

The requirements are those of kOps' own page (`docs/calico-v3.md@release-1.13`, in 1.11 to 1.17). S1, S2 and S6 are
conditions of KC102, KV304 and S6 in `upgrade.py`; S7 asks for nothing that S1 and S3 do not. S14 to S16 are further
conditions of Calico on etcd; P717 and P721 are about what an old kOps has left in a cluster, which its version tells.
"""

from __future__ import annotations

from calico_lint.kops.calico import ETCD_V2, ETCD_V3, KUBERNETES
from calico_lint.kops.etcd import ETCD_3, LEGACY, MANAGER
from calico_lint.kops.releases import Version, parse_semver
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import at_key, quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.finding import Fix
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node


@rule("S3", "v3-major-version-set", severity="info", origin="calico", since="1.11", changes=("1.12", "1.15", "1.20"),
      fix="safe")  # fmt: skip
def major_version_set(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """What `networking.calico.majorVersion` decides in this release.

    With kOps 1.11 to 1.19 and Kubernetes before 1.12, `majorVersion: v3` decides between Calico v2 and v3.
    Leaving it out is no error, a cluster on etcd v2 has to stay on Calico v2; but it should be a choice. Writing it
    starts the migration of the data if the cluster runs Calico v2: no pod starts from the first node to the last. From
    Kubernetes 1.12 on (with kOps 1.12 or later) Calico v3 on the Kubernetes datastore is installed either way,
    and since kOps 1.20 nothing reads the key any more.

    Bad (kOps 1.11.1):
        kubernetesVersion: 1.10.13
        networking: {calico: {}}
    Bad (kOps 1.24.5):
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.12.3):
        kubernetesVersion: 1.12.10
        networking: {calico: {}}
    Good (kOps 1.24.5):
        networking: {calico: {}}
    Fix: for a new cluster before Kubernetes 1.12 set `majorVersion: v3` and an etcd version 3.x; from kOps 1.20
        on remove the key.
    Source: BCB@1.11:642-712, BCB@1.12:806-892; commit a999ac2d94 of kubernetes/kops (1.20);
        docs/calico-v3.md@release-1.13.
    """
    node = cluster.at("networking.calico.majorVersion")
    if node is None:
        manifest = cluster.manifest(release)
        if manifest is not None and manifest.datastore == ETCD_V2 and cluster.calico is not None:
            yield Hit(
                cluster.calico,
                f"without `majorVersion: v3` this kOps installs Calico v{manifest.calico} on the etcd v2 API",
                missing="majorVersion",
                fix=_new_v3_fix(cluster, release),
            )
        return
    from calico_lint.fix import remove_key

    if release.minor >= 20:
        message = "`majorVersion` has had no effect since kOps 1.20: remove it"
        yield Hit(node, message, on_key=True, severity="warning", fix=remove_key(node, safe=True))
    elif release.minor >= 12 and cluster.kubernetes is not None and cluster.kubernetes >= Version(1, 12):
        crossing = ""
        if cluster.old is None and cluster.kubernetes.minor == 12:
            crossing = "; a cluster that comes from before 1.12 leaves its data in etcd behind: give it with --from"
        yield Hit(
            node,
            "`majorVersion` is ignored from Kubernetes 1.12 on: Calico v3 on the Kubernetes datastore is "
            f"installed either way{crossing}",
            on_key=True,
            fix=remove_key(node, safe=not crossing),
        )
    elif _starts_migration(cluster, release):
        yield Hit(
            node,
            "if this cluster runs Calico v2 today, this starts the migration of its data, and no pod starts until "
            "every node has rolled; give its present spec with --from",
            on_key=True,
        )


def _new_v3_fix(cluster: Cluster, release: Version) -> Fix | None:
    """Calico v3 and etcd 3 for a cluster that does not exist yet, with a kOps that completes what it begins (S9).

    Never safe: on a running cluster this would start two migrations.
    """
    from calico_lint import fix
    from calico_lint.kops.calico import manifest
    from calico_lint.rules.etcd import common_version_fix

    if cluster.old is not None or cluster.kubernetes is None or cluster.calico is None:
        return None
    chosen = manifest(release, cluster.kubernetes, major_version_v3=True)
    if chosen is None or chosen.datastore != ETCD_V3 or not chosen.job_completes:
        return None
    parts = [fix.add_key(cluster.calico, "majorVersion", "v3", safe=False)]
    written = [etcd.get("version") for etcd in cluster.etcd_clusters]
    if any(version is None or not str(version.value).startswith("3.") for version in written):
        parts.append(common_version_fix(cluster, release, ETCD_3))
    return fix.combine(*parts)


def _starts_migration(cluster: Cluster, release: Version) -> bool:
    """Whether this may be a migration and nothing else stands in its way: a Job that ends (S9), etcd 3 (KC102).

    Where the release is inferred S9 has spoken already.
    """
    if cluster.old is not None or cluster.releases is None or not cluster.releases.given:
        return False
    manifest = cluster.manifest(release)
    if manifest is None or manifest.datastore != ETCD_V3 or not manifest.job_completes or cluster.first_etcd is None:
        return False
    version = parse_semver(cluster.etcd_version(cluster.first_etcd, release).value)
    return version is not None and version.major >= 3


@rule("S5", "kops-new-enough-for-v3", severity="error", origin="calico", until="1.10",
      on="networking.calico.majorVersion")  # fmt: skip
def kops_new_enough(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """This kOps is too old for Calico v3.

    `majorVersion` came with kOps 1.11.0. An older kOps drops the key without a word and installs Calico v2.

    Bad (kOps 1.10.1):
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.11.1):
        kubernetesVersion: 1.10.13
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Fix: upgrade kOps to 1.11.0 or later. To migrate a running cluster use 1.11.0 to 1.14.1 (S9).
    Source: N2@1.11:92, first in tag 1.11.0-beta.1.
    """
    yield Hit(
        node,
        f"kOps {release} does not know `majorVersion` and would silently install Calico v2: "
        "use kOps 1.11.0 to 1.14.1 for Calico v3",
        on_key=True,
    )


@rule("S9", "completion-job-never-ends", severity="error/warning", origin="calico", since="1.11", until="1.19",
      on="networking.calico.majorVersion", changes="every")  # fmt: skip
def completion_job_never_ends(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """With this kOps a migration from Calico v2 never ends.

    In kOps 1.15 to 1.19 the Job that ends the migration waits for `calico/node:v3.7.4`, while the DaemonSet
    runs `calico/node:v3.8.0` (1.11.0-beta.1: v3.1.1 and v3.3.1). It waits for ever; until somebody completes the
    upgrade by hand, no pod gets a network and no policy changes. A cluster that runs Calico v3 already is not
    concerned: give its present spec with `--from`, and this rule is silent.

    Bad (kOps 1.16.4):
        kubernetesVersion: 1.11.10
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.14.1):
        kubernetesVersion: 1.11.10
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Fix: migrate with kOps 1.11.0 to 1.14.1. If it has already begun: when every calico-node pod runs the v3
        image, run `calico-upgrade complete --no-prompts`.
    Source: k8s-1.7-v3.yaml.template:195 against :600 at every stable tag from 1.15.0 to 1.19.3;
        completion-job.sh:28,44-47 of calico-upgrade v1.0.5; kubernetes/kops#6261.
    """
    manifest = cluster.manifest(release)
    if manifest is None or manifest.datastore != ETCD_V3 or manifest.job_completes:
        return
    if cluster.old is not None and cluster.old.major_version_v3:
        return
    yield Hit(
        node,
        "the migration from Calico v2 never ends with this kOps: its completion Job waits for another image than "
        f"the calico/node v{manifest.calico} that it deploys; migrate with kOps 1.11.0 to 1.14.1",
    )


@rule("S13", "one-pod-at-a-time", severity="warning", origin="calico", until="1.8", unanimous=True)
def one_pod_at_a_time(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """The calico-node DaemonSet of this kOps does not roll by itself.

    Up to kOps 1.8 the manifest has no update strategy. An update then reaches a node only when somebody
    deletes its calico-node pod: a cluster that was updated may still run the Calico of before.

    Bad (kOps 1.8.1):
        networking: {calico: {}}
    Also: P721
    Good (kOps 1.9.2):
        networking: {calico: {}}
    Fix: update with kOps 1.9 or later, which rolls one pod at a time; or delete the pods one by one.
    Source: commit e9ef618b14 of kubernetes/kops, T(k8s-1.7)@1.9:126-129.
    """
    calico = cluster.calico
    if calico is not None and calico.value is not None:
        yield Hit(calico, f"kOps {release} does not roll calico-node: pods keep the old Calico until deleted by hand")


@rule("S14", "etcd-tls-without-client-certificate", severity="error", origin="calico", since="1.12", until="1.19",
      on="etcdClusters", changes="every")  # fmt: skip
def no_client_certificate(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Nodes get no certificate for the etcd that Calico uses.

    Before Kubernetes 1.12 calico-node reads etcd itself, over TLS where `enableEtcdTLS` is on. From kOps 1.12 on the
    nodes get the client certificate for that only where etcd runs without etcd-manager. With both, calico-node does not
    start on any node that is made from then on: `/certs/calico-client.pem` is not there.

    Bad (kOps 1.12.3):
        kubernetesVersion: 1.11.10
        etcdClusters:
        - {name: main, provider: Manager, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: m}]}
        - {name: events, provider: Manager, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: m}]}
    Also: S3
    Good (kOps 1.12.3):
        kubernetesVersion: 1.11.10
        etcdClusters:
        - {name: main, version: 3.2.24, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: m}]}
        - {name: events, version: 3.2.24, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: m}]}
    Fix: stay on `provider: Legacy` until Kubernetes 1.12, where Calico leaves etcd; adopt etcd-manager with that step.
    Source: nodeup/pkg/model/etcd_tls.go@release-1.12:35 to @release-1.18:35, against @release-1.11:35;
        nodeup/pkg/model/networking/calico.go@release-1.19:47; kubernetes/kops#7333.
    """
    manifest = cluster.manifest(release)
    if cluster.calico is None or cluster.calico.value is None or manifest is None or manifest.datastore == KUBERNETES:
        return
    etcds = cluster.etcd_clusters
    with_tls = [etcd for etcd in etcds if (tls := etcd.get("enableEtcdTLS")) is not None and tls.value is True]
    managed = [etcd for etcd in etcds if cluster.etcd_provider(etcd, release).value == MANAGER]
    if with_tls and managed:
        yield at_key(
            with_tls[0],
            "enableEtcdTLS",
            "with etcd-manager and TLS no node gets the certificate that Calico needs for etcd before Kubernetes 1.12: "
            "keep `provider: Legacy` until then",
            related=[(managed[0].get("provider") or managed[0], "etcd-manager")],
        )


@rule("S15", "calico-2.6.2-loses-new-nodes", severity="warning", origin="calico", until="1.8", changes="every")
def new_nodes_without_peers(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """This Calico does not tell its nodes of new ones.

    In Calico 2.6.2, which kOps 1.8.0 deploys, confd stops to refresh the list of BGP peers: a node that is added or
    replaced gets no routes from the nodes that were there before, and pods on the two do not reach each other.

    Bad (kOps 1.8.0):
        networking: {calico: {}}
    Also: S13 P721
    Good (kOps 1.9.2):
        networking: {calico: {}}
    Fix: update with kOps 1.9 or later (1.8.1 carries a better Calico, but does not roll it out over that of 1.8.0).
        Until then delete all calico-node pods, one by one, after nodes were added.
    Source: T(k8s-1.7) at tag 1.8.0; kubernetes/kops#4139; projectcalico/confd#32, fixed in Calico 2.6.3.
    """
    manifest = cluster.manifest(release)
    calico = cluster.calico
    if calico is None or calico.value is None or manifest is None or manifest.calico != Version(2, 6, 2):
        return
    smallest, largest = cluster.node_count()
    growth = f" (groups grow from {smallest} to {largest})" if largest > smallest else ""
    yield Hit(
        calico,
        f"Calico v2.6.2 of this kOps loses nodes that are added or replaced{growth}: update with kOps 1.9 or later",
    )


@rule("S16", "etcd-image-version-mismatch", severity="error", origin="calico", until="1.22", on="etcdClusters",
      changes="every")  # fmt: skip
def etcd_image_mismatch(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The image of etcd is of another major version than `version` says.

    Without etcd-manager `image` is what runs, while kOps checks `version` only. Calico v3 on etcd 2 is refused, but not
    if it is the image that is etcd 2.

    Bad (kOps 1.11.1):
        etcdClusters:
        - {name: main, version: 3.2.24, image: "k8s.gcr.io/etcd:2.2.1", etcdMembers: [{name: a, instanceGroup: m}]}
        - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: m}]}
    Also: S3
    Good (kOps 1.11.1):
        etcdClusters:
        - {name: main, version: 3.2.24, image: "k8s.gcr.io/etcd:3.2.24", etcdMembers: [{name: a, instanceGroup: m}]}
        - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: m}]}
    Fix: remove `image`, or write the version of its tag.
    Source: ETCD@1.12:109-122 (the image is what protokube starts); V@1.11:347-371 (the version is what is checked).
    """
    for etcd in cluster.etcd_clusters:
        image = etcd.get("image")
        written = text(image)
        if image is None or written is None or cluster.etcd_provider(etcd, release).value != LEGACY:
            continue
        tag = written.partition("@")[0].rpartition("/")[2].partition(":")[2]
        runs = parse_semver(tag.partition("-")[0])
        version = cluster.etcd_version(etcd, release)
        said = parse_semver(version.value)
        if runs is not None and said is not None and runs.major != said.major:
            yield Hit(
                image,
                f"the image is etcd {runs}, but `version` is {quoted(version.value)}"
                f"{'' if version.written else ' by default'}: make them the same",
                related=[(version.node, "the version")] if version.node is not None else (),
            )


@rule("P717", "pool-of-kops-1.6", severity="warning", origin="calico", on="networking.calico")
def pool_of_kops_1_6(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The cluster was made by a kOps before 1.7: its pods take addresses from the range of Services.

    kOps before 1.7 gave Calico the whole `nonMasqueradeCIDR` for its pool, Services included, so that a Service can get
    the address of a pod. Later releases take the range of the pods, but for new clusters only: the pool that is there
    stays until it is moved by hand. The Job for that in 1.7.0-beta.1 makes a pool in cross-subnet mode whatever the
    spec says, and AWS drops its packets. Who made a cluster is in no spec, so this rule speaks only where the kOps is
    given: `--kops-version`, or `--from-kops-version` for the old spec of a pair.

    Bad (kOps 1.6.2):
        kubernetesVersion: 1.6.13
        networking: {calico: {}}
    Bad (kOps 1.7.0-beta.1):
        kubernetesVersion: 1.6.13
        networking: {calico: {}}
    Also: KV300 S13
    Good (kOps 1.9.2):
        networking: {calico: {}}
    Fix: update with kOps 1.7.0 or later, then follow its
        `docs/upgrade_from_kops_1.6_to_1.7_calico_cidr_migration.md`: a new pool, the old one removed, all nodes
        replaced.
    Source: docs/upgrade_from_kops_1.6_to_1.7_calico_cidr_migration.md@release-1.7:1-25; commit 8674309565 of
        kubernetes/kops (first in 1.7.0-alpha.1); docs/calico_cidr_migration/jobs.yaml.template at tag 1.7.0-beta.1:18;
        kubernetes/kops#1171, #2768 and #3018.
    """
    made_by = _named(cluster.old) or _named(cluster)
    if made_by is None or made_by >= Version(1, 7, 0) or cluster.spec is None:
        return
    if made_by < Version(1, 7, 0, "alpha.1"):
        old = cluster.old
        yield at_key(
            cluster.spec,
            "nonMasqueradeCIDR",
            f"kOps {made_by} makes Calico's pool of the whole `nonMasqueradeCIDR`, Services included, and no later "
            "kOps changes it: move the pool by hand",
            related=[(old.at("nonMasqueradeCIDR") or old.spec or old.root, "as it is today")]
            if old is not None
            else (),
        )
    elif cluster.cloud == "aws" and node.get("crossSubnet") is None:
        yield at_key(
            node,
            "crossSubnet",
            f"the Job of kOps {made_by} for moving Calico's pool makes one in cross-subnet mode, and without "
            "`crossSubnet` AWS drops its packets: use that of 1.7.0",
        )


def _named(cluster: Cluster | None) -> Version | None:
    """The kOps that the user named for this side."""
    return cluster.releases.named if cluster is not None and cluster.releases is not None else None


@rule("P721", "network-policy-semantics", severity="warning", origin="calico", until="1.19", on="networking.calico")
def network_policy_semantics(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Existing NetworkPolicies mean something else after the step to kOps 1.8.

    Calico before 2.4 (kOps up to 1.7) isolates a namespace by an annotation. From then on the annotation is ignored,
    and a pod that any policy selects is closed to everything else. Traffic that passed is dropped, or the other way
    round. A spec without its kOps of before gets an info with kOps 1.8.

    Bad (kOps 1.8.1):
        networking: {calico: {}}
    Also: S13
    Good (kOps 1.9.2):
        networking: {calico: {}}
    Fix: before the update write policies in the `networking.k8s.io/v1` sense, a default-deny policy for each namespace
        that had the annotation, and allow what is needed.
    Source: docs/releases/1.8-NOTES.md@release-1.36 (Required Actions); kubernetes/kops#3161; release notes of Calico
        2.4.0.
    """
    before, after = _named(cluster.old), _named(cluster)
    crossed = before is not None and before < Version(1, 8)
    if after is None or after < Version(1, 8, 0) or not (crossed or (cluster.old is None and after.minor == 8)):
        return
    yield Hit(
        node,
        f"policies isolate differently from kOps 1.8 on{'' if crossed else ', should this cluster come from before'}: "
        "a pod that a policy selects is closed to all else, and no annotation counts any more; review them first",
        on_key=True,
        severity=None if crossed else "info",
    )


RULES: list[Rule] = [
    major_version_set,
    kops_new_enough,
    completion_job_never_ends,
    one_pod_at_a_time,
    no_client_certificate,
    new_nodes_without_peers,
    etcd_image_mismatch,
    pool_of_kops_1_6,
    network_policy_semantics,
]
