"""Rules on a pair that kOps has itself (KP501-KP505), and on a Job that cannot change (KI608).

kOps compares a spec with the one that it has stored, once the volumes of etcd exist; with `--from` the cluster is taken
to be running. CU@1.N in sources = `pkg/apis/kops/validation/cluster.go@release-1.N` of kubernetes/kops, APPLY@1.N =
`upup/pkg/fi/cloudup/apply_cluster.go`.
"""

from __future__ import annotations

from calico_lint.kops.calico import ETCD_V3
from calico_lint.kops.releases import Version
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import at_key, quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster, Pair
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node


def _named(nodes: Node | None) -> dict[str, Node]:
    """The members of a list by their names; of two of one name the last counts, as in kOps."""
    members = list(nodes) if nodes is not None and isinstance(nodes.value, list) else []
    return {name: member for member in members if (name := text(member.get("name"))) is not None}


def _etcd(cluster: Cluster) -> dict[str, Node]:
    return _named(cluster.at("etcdClusters"))


def _common_etcd(pair: Pair) -> Iterator[tuple[str, Node, Node]]:
    """(name, old, new) of every etcd cluster that both sides have."""
    old = _etcd(pair.old)
    for name, etcd in _etcd(pair.new).items():
        if name in old:
            yield name, old[name], etcd


def _common_members(pair: Pair) -> Iterator[tuple[str, Node, Node]]:
    """(`main/a`, old, new) of every etcd member that both sides have."""
    for name, old_etcd, new_etcd in _common_etcd(pair):
        old = _named(old_etcd.get("etcdMembers"))
        for member, node in _named(new_etcd.get("etcdMembers")).items():
            if member in old:
                yield f"{name}/{member}", old[member], node


@rule("KP501", "etcd-cluster-removed", severity="error", origin="kops-written", pair=True)
def etcd_cluster_removed(pair: Pair, release: Version) -> Iterator[Hit]:
    """An etcd cluster is gone from the spec.

    kOps refuses to drop the data of an etcd cluster. A new name is a removal too.

    Bad (kOps 1.11.1 to 1.11.1):
        old:
          networking: {kubenet: {}}
        new:
          networking: {kubenet: {}}
          etcdClusters: [{name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
    Good (kOps 1.11.1 to 1.11.1):
        old:
          networking: {kubenet: {}}
        new:
          networking: {kubenet: {}}
    Fix: put the etcd cluster back, under its name.
    Source: CU@1.8:49-55, CU@1.12:50-56, CU@1.36:51-56.
    """
    clusters = pair.new.at("etcdClusters")
    if clusters is None or not isinstance(clusters.value, list):
        return
    remaining = _etcd(pair.new)
    gone = {name: etcd for name, etcd in _etcd(pair.old).items() if name not in remaining}
    if gone:
        names = " and ".join(quoted(name) for name in gone)
        yield Hit(
            clusters,
            f"etcd cluster {names} is gone, and kOps removes none: put it back",
            on_key=True,
            related=[(etcd, "as it is today") for etcd in gone.values()],
        )


@rule("KP502", "etcd-members-changed", severity="error", origin="kops-written", until="1.17", pair=True,
      aliases=("P719",))  # fmt: skip
def etcd_members_changed(pair: Pair, release: Version) -> Iterator[Hit]:
    """An etcd cluster gets or loses members.

    Up to 1.17 kOps cannot change the members of an etcd cluster that runs. From 1.18 on etcd-manager can; their number
    has to stay odd (KE202).

    Bad (kOps 1.11.1 to 1.11.1):
        old:
          networking: {kubenet: {}}
        new:
          networking: {kubenet: {}}
          etcdClusters:
          - name: main
            etcdMembers:
            - {name: a, instanceGroup: cp-a}
            - {name: b, instanceGroup: cp-b}
            - {name: c, instanceGroup: cp-c}
          - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.11.1 to 1.11.1):
        old:
          networking: {kubenet: {}}
        new:
          networking: {kubenet: {}}
    Fix: keep the members, or upgrade to kOps 1.18 with etcd-manager first.
    Source: CU@1.8:83-108, CU@1.12:93-108, gone from CU@1.18.
    """
    for name, old_etcd, new_etcd in _common_etcd(pair):
        old, new = _named(old_etcd.get("etcdMembers")), _named(new_etcd.get("etcdMembers"))
        for member, node in new.items():
            if member not in old:
                yield Hit(
                    node,
                    f"etcd cluster {quoted(name)} has no member {quoted(member)} today, and kOps adds none before "
                    "1.18: remove it",
                    related=[(old_etcd, "the cluster as it is today")],
                )
        gone = {member: node for member, node in old.items() if member not in new}
        if gone:
            names = " and ".join(quoted(member) for member in gone)
            yield at_key(
                new_etcd,
                "etcdMembers",
                f"member {names} of etcd cluster {quoted(name)} is gone, and kOps removes none before 1.18: "
                "put it back",
                related=[(node, "as it is today") for node in gone.values()],
            )


@rule("KP503", "etcd-member-immutable", severity="error", origin="kops-written", pair=True)
def etcd_member_immutable(pair: Pair, release: Version) -> Iterator[Hit]:
    """An etcd member moves to another instance group.

    The volume of a member stays in its zone, and kOps refuses to look for it elsewhere.

    Bad (kOps 1.11.1 to 1.11.1):
        old:
          networking: {kubenet: {}}
        new:
          networking: {kubenet: {}}
          etcdClusters:
          - {name: main, etcdMembers: [{name: a, instanceGroup: cp-z}]}
          - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.11.1 to 1.11.1):
        old:
          networking: {kubenet: {}}
        new:
          networking: {kubenet: {}}
    Fix: keep `instanceGroup`; from kOps 1.18 on add a member in the other group and remove this one later.
    Source: CU@1.8:120-122, CU@1.12:120, CU@1.36:110-112.
    """
    for name, old, new in _common_members(pair):
        before, after = text(old.get("instanceGroup")), text(new.get("instanceGroup"))
        if before != after:
            yield at_key(
                new,
                "instanceGroup",
                f"etcd member {quoted(name)} moves from {_shown(before)} to {_shown(after)}, which kOps refuses: "
                f"write {_shown(before)}",
                related=[(old.get("instanceGroup") or old, "as it is today")],
            )


def _shown(value: object) -> str:
    return quoted(str(value)) if value is not None else "nothing"


# Of the volume of an etcd member: key, what Go reads where it is missing.
_VOLUME: dict[str, object] = {
    "volumeType": "", "volumeIops": 0, "volumeSize": 0, "kmsKeyId": "", "encryptedVolume": False,
}  # fmt: skip


@rule("KP504", "etcd-volume-immutable", severity="error", origin="kops-written", until="1.19", pair=True,
      changes=("1.9",))  # fmt: skip
def etcd_volume_immutable(pair: Pair, release: Version) -> Iterator[Hit]:
    """The volume of an etcd member changes.

    Up to 1.19 kOps cannot change a volume that exists: type, size, IOPS, encryption, key. A default that is written
    down later counts as a change.

    Bad (kOps 1.11.1 to 1.11.1):
        old:
          networking: {kubenet: {}}
        new:
          networking: {kubenet: {}}
          etcdClusters:
          - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a, volumeSize: 40}]}
          - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.11.1 to 1.11.1):
        old:
          networking: {kubenet: {}}
        new:
          networking: {kubenet: {}}
    Fix: keep the value; change the volume in the cloud, or with kOps 1.20 and later.
    Source: CU@1.8:124-138, CU@1.9:128-130 (IOPS), CU@1.12:124-142, gone from CU@1.20.
    """
    for name, old, new in _common_members(pair):
        for key, nothing in _VOLUME.items():
            if key == "volumeIops" and release.minor < 9:
                continue
            before, after = _value(old, key, nothing), _value(new, key, nothing)
            if before is None or after is None or before == after:
                continue
            yield at_key(
                new,
                key,
                f"`{key}` of etcd member {quoted(name)} changes, which kOps refuses before 1.20: "
                + (f"write {quoted(str(before))}" if before != nothing else "remove it"),
                related=[(old.get(key) or old, "as it is today")],
            )


def _value(member: Node, key: str, nothing: object) -> object:
    """The value as Go reads it; None where it has another type."""
    node = member.get(key)
    if node is None or node.value is None:
        return nothing
    return node.value if type(node.value) is type(nothing) else None


@rule("KP505", "kops-downgrade", severity="error", origin="kops-apply", since="1.19", pair=True, changes="every")
def kops_downgrade(pair: Pair, release: Version) -> Iterator[Hit]:
    """The cluster was last updated by a newer kOps.

    kOps notes its version at every update, and since 1.19 an older one stops there: it may undo what the newer one
    set up, Calico's manifest among it. Give the kOps that last updated the cluster with `--from-kops-version`.

    Bad (kOps 1.36.2 to 1.34.3):
        old:
          apiVersion: kops.k8s.io/v1alpha2
          kubernetesVersion: 1.34.2
        new:
          apiVersion: kops.k8s.io/v1alpha2
          kubernetesVersion: 1.34.2
    Good (kOps 1.34.3 to 1.36.2):
        old:
          apiVersion: kops.k8s.io/v1alpha2
          kubernetesVersion: 1.34.2
        new:
          apiVersion: kops.k8s.io/v1alpha2
          kubernetesVersion: 1.34.2
    Fix: use the newer kOps; if the downgrade is meant, `kops update cluster --allow-kops-downgrade`.
    Source: APPLY@1.19:237-259, APPLY@1.36:277-299.
    """
    if pair.old_kops is not None and release < pair.old_kops:
        yield Hit(
            pair.new.root.get("metadata", "name") or pair.new.root,
            f"kOps {pair.old_kops} last updated this cluster, and an older one stops: use that or a newer one",
        )


@rule("KI608", "v3-upgrade-job-frozen-name", severity="warning", origin="calico", since="1.12", until="1.19", pair=True,
      changes="every")  # fmt: skip
def upgrade_job_frozen(pair: Pair, release: Version) -> Iterator[Hit]:
    """The Job of the Calico v3 upgrade changes under its name.

    A cluster that runs Calico v3 on etcd still has the completed Job `calico-complete-upgrade-v331`. Since kOps 1.12.0,
    and again since 1.12.3, the Job waits for another image, under the same name. Kubernetes does not let the pods of a
    Job change, so applying the manifest fails at that object until the Job is deleted.

    Bad (kOps 1.11.1 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Good (kOps 1.12.3 to 1.14.1):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Fix: once every calico-node runs, `kubectl -n kube-system delete job calico-complete-upgrade-v331`, and then update.
    Source: k8s-1.7-v3.yaml.template at every stable tag from 1.11.0 to 1.19.3 (`EXPECTED_NODE_IMAGE` changes in 1.12.0
        and 1.12.3, the name never); that the update fails is inferred from the API of Kubernetes.
    """
    if pair.old_kops is None or not pair.old.major_version_v3:
        return
    old, new = pair.old.manifest(pair.old_kops), pair.new.manifest(release)
    if old is None or new is None or (old.datastore, new.datastore) != (ETCD_V3, ETCD_V3):
        return
    before, after = _expected_image(pair.old_kops), _expected_image(release)
    node = pair.new.at("networking.calico.majorVersion")
    if before != after and node is not None:
        yield Hit(
            node,
            f"the Job `calico-complete-upgrade-v331` of kOps {pair.old_kops} expects calico/node:{before}, that of "
            f"this kOps {after}, and a Job cannot change: delete it before the update",
        )


def _expected_image(kops: Version) -> str:
    """The calico/node that the Job of the upgrade waits for."""
    if kops < Version(1, 12, 0):
        return "v3.3.1"
    return "v3.4.0" if kops < Version(1, 12, 3) else "v3.7.4"


RULES: list[Rule] = [
    etcd_cluster_removed,
    etcd_members_changed,
    etcd_member_immutable,
    etcd_volume_immutable,
    kops_downgrade,
    upgrade_job_frozen,
]
