"""Rules on a pair: the spec as it is today (`--from`) and as it will be. Findings stand on the new spec.

"The upgrade" below is the migration from Calico v2 to v3 that kOps automates: `majorVersion: v3` is added, and
Kubernetes is older than 1.12, so that Calico keeps its data in etcd.
"""

from __future__ import annotations

from calico_lint.kops.calico import ETCD_V2, ETCD_V3, manifest
from calico_lint.kops.releases import Version, infer_releases, parse_semver
from calico_lint.rules.core import Hit, rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster, Pair
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node

TRANSITIONAL = Version(2, 6, 5)  # minUpgradeVersion, libcalico-go lib/upgrade/migrator/migrate.go:50


def adds_major_version(pair: Pair) -> Node | None:
    """The node of `majorVersion: v3` if the pair adds it, else None."""
    if pair.old.calico is None or pair.old.major_version_v3 or not pair.new.major_version_v3:
        return None
    return pair.new.at("networking.calico.majorVersion")


def is_migration(pair: Pair, release: Version) -> bool:
    """Whether applying the new spec with this kOps starts the migration of etcd data from Calico v2 to v3."""
    new = pair.new.manifest(release)
    return adds_major_version(pair) is not None and new is not None and new.datastore == ETCD_V3


def _old_place(pair: Pair, path: str) -> tuple[Node, str]:
    node = pair.old.at(path) or pair.old.calico or pair.old.root
    return node, "as it is today"


def _old_kops(pair: Pair) -> Version:
    """The kOps that last applied the old spec: as given, else the oldest that could have."""
    return pair.old_kops or infer_releases(pair.old.kubernetes).first


def _etcd_major(cluster: Cluster, kops: Version) -> int | None:
    """The major version of the etcd cluster that Calico uses, which is the first one."""
    if not cluster.etcd_clusters:
        return None
    version = parse_semver(cluster.etcd_version(cluster.etcd_clusters[0], kops).value)
    return version.major if version is not None else None


@rule("S4", "v2-at-least-2.6.5", severity="error", origin="calico", since="1.11", until="1.19", pair=True,
      changes="every")  # fmt: skip
def calico_at_least_2_6_5(pair: Pair, release: Version) -> Iterator[Hit]:
    """The running Calico is older than 2.6.5 when the upgrade starts.

    Calico v2.6.5 is the release that the data can be migrated from; the migration refuses an older one, and
    calico-node crash-loops on the first node. Which Calico runs is decided by the kOps that last updated the
    cluster: 1.9.0 or later deploys 2.6.7 or later on Kubernetes 1.6 and later. kOps 1.8.1 carries 2.6.6, but
    under the addon version of 1.8.0, so that a cluster made with 1.8.0 keeps Calico 2.6.2.

    Bad (kOps 1.8.0 to 1.11.1):
        old: {kubernetesVersion: 1.8.15, networking: {calico: {}}}
        new:
          kubernetesVersion: 1.8.15
          networking: {calico: {majorVersion: v3}}
          etcdClusters:
          - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Also: S6 S11 S12 P704
    Good (kOps 1.10.1 to 1.11.1):
        old:
          kubernetesVersion: 1.8.15
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {}}
        new:
          kubernetesVersion: 1.8.15
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Fix: run `kops update cluster --yes` with kOps 1.9 or later on the old spec, wait until every calico-node pod
        runs the new image, and start the upgrade then.
    Source: calico/upgrade v1.0.5 (minimum 2.6.5); T(k8s-1.7) at the tags 1.8.0 to 1.9.0.
    """
    node = adds_major_version(pair)
    if node is None or not is_migration(pair, release) or pair.old.kubernetes is None:
        return
    named = pair.old.releases.named if pair.old.releases is not None else None
    if named is not None and named < Version(1, 8):
        yield Hit(
            node,
            f"kOps {named} deploys a Calico older than 2.6: the migration needs 2.6.5 or later; update the old spec "
            "with kOps 1.9 or later first",
            related=[_old_place(pair, "networking.calico")],
        )
        return
    old_kops = _old_kops(pair)
    old = manifest(old_kops, pair.old.kubernetes, major_version_v3=False)
    if old is None or old.datastore != ETCD_V2:
        return
    related = [_old_place(pair, "networking.calico")]
    known = "" if pair.old_kops else f" if kOps {old_kops} last updated it; give --from-kops-version"
    if old.calico < TRANSITIONAL:
        yield Hit(
            node,
            f"the cluster runs Calico v{old.calico}{known}: the migration needs 2.6.5 or later; update the old spec "
            "with kOps 1.9 or later first",
            related=related,
            severity=None if pair.old_kops else "warning",
        )
    elif old_kops < Version(1, 9):
        yield Hit(
            node,
            f"kOps {old_kops} ships Calico v{old.calico} but does not roll it out over that of 1.8.0: make sure that "
            "every calico-node runs 2.6.5 or later",
            related=related,
            severity="warning",
        )


@rule("S6", "two-migrations-at-once", severity="error", origin="calico", since="1.11", until="1.19", pair=True,
      aliases=("P702",), changes="every")  # fmt: skip
def two_migrations_at_once(pair: Pair, release: Version) -> Iterator[Hit]:
    """Etcd 2 becomes etcd 3 and Calico v2 becomes v3 in one step.

    Calico v3 keeps its data behind the etcd v3 API. The old spec runs etcd 2: a cluster on etcd 2 stays on
    Calico v2, or moves etcd first. Doing both at once means that the migration of Calico's data begins while
    the servers that hold it are being replaced.

    Bad (kOps 1.10.1 to 1.12.3):
        old:
          kubernetesVersion: 1.10.13
          etcdClusters: [{name: main, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {}}
        new:
          kubernetesVersion: 1.10.13
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Also: S11 S12 P704
    Good (kOps 1.10.1 to 1.12.3):
        old:
          kubernetesVersion: 1.10.13
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {}}
        new:
          kubernetesVersion: 1.10.13
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Fix: leave `majorVersion` out, move etcd to 3.x with etcd-manager (kOps 1.12 or later), and set
        `majorVersion: v3` in a later step.
    Source: docs/calico-v3.md@release-1.13; docs/etcd/manager.md@release-1.16:9-56; kubernetes/kops#5101.
    """
    node = adds_major_version(pair)
    if node is None or not pair.old.etcd_clusters:
        return
    old_major, new_major = _etcd_major(pair.old, _old_kops(pair)), _etcd_major(pair.new, release)
    if old_major is None or new_major is None or not (old_major < 3 <= new_major):
        return
    old_etcd = pair.old.etcd_clusters[0]
    yield Hit(
        node,
        "etcd moves from 2.x to 3.x in the same step: move etcd first, and add `majorVersion: v3` when it is done",
        related=[(old_etcd.get("version") or old_etcd, "etcd 2 as it is today")],
    )


@rule("S8", "v3-and-kubernetes-1.12-at-once", severity="error", origin="calico", since="1.11", until="1.19",
      pair=True, aliases=("P703",), changes="every")  # fmt: skip
def one_step_at_a_time(pair: Pair, release: Version) -> Iterator[Hit]:
    """`majorVersion: v3` is added in one step with another upgrade.

    From Kubernetes 1.12 on kOps 1.12 and later install Calico on the Kubernetes datastore. The manifest that migrates
    the data in etcd is then never applied: Calico starts with an empty datastore, and policies and address assignments
    that live in etcd are left behind. A cluster before Kubernetes 1.7 upgrades Kubernetes first, on Calico v2. And
    changing etcd's version or members in the same step restarts servers while the data on them is migrated (a warning).

    Bad (kOps 1.11.1 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {}}
        new:
          kubernetesVersion: 1.12.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Also: S3 KI607 P706 P708
    Good (kOps 1.11.1 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {}}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Fix: choose one: upgrade Calico at the present Kubernetes version, or leave `majorVersion` out, export Calico's
        own policies and pools with calicoctl, and cross 1.12.
    Source: BCB@1.12:806-846; docs/releases/1.12-NOTES.md@release-1.12:9-20; docs/etcd3-migration.md@release-1.19:57-66.
    """
    node = adds_major_version(pair)
    old, new = pair.old.kubernetes, pair.new.kubernetes
    if node is None or old is None or new is None:
        return
    if old < Version(1, 12) <= new and release.minor >= 12:
        yield Hit(
            node,
            f"Kubernetes moves from {old} to {new} in the same step: Calico then starts on an empty Kubernetes "
            "datastore and the data in etcd is never migrated; do one at a time",
            related=[_old_place(pair, "kubernetesVersion")],
        )
    elif old < Version(1, 7) <= new:
        yield Hit(
            node,
            f"Kubernetes moves from {old} to {new} in the same step: Calico v3 needs 1.7, so upgrade Kubernetes on "
            "Calico v2 first",
            related=[_old_place(pair, "kubernetesVersion")],
        )
    elif is_migration(pair, release):
        yield from _etcd_restarts(pair, release)


def _etcd_restarts(pair: Pair, release: Version) -> Iterator[Hit]:
    """A warning where the etcd that holds Calico's data changes by itself, but for its major version (S6)."""
    old, new = pair.old.first_etcd, pair.new.first_etcd
    if old is None or new is None:
        return
    before, after = old.get("version"), new.get("version")
    if before is not None and after is not None and before.value != after.value:
        versions = parse_semver(before.value), parse_semver(after.value)
        if versions[0] is not None and versions[1] is not None and versions[0].major == versions[1].major:
            yield Hit(
                after,
                f"etcd moves from {before.value} to {after.value} in the step that migrates Calico's data: do one at a "
                "time",
                related=[(before, "as it is today")],
                severity="warning",
            )
    members = old.get("etcdMembers"), new.get("etcdMembers")
    if members[0] is None or members[1] is None or release.minor < 18:  # KP502 before
        return
    if len(list(members[0])) != len(list(members[1])):
        yield Hit(
            members[1],
            "etcd gets or loses members in the step that migrates Calico's data: do one at a time",
            related=[(members[0], "as it is today")],
            severity="warning",
        )


@rule("S10", "no-rollback-to-v2", severity="error", origin="calico", since="1.11", until="1.19", pair=True,
      changes="every")  # fmt: skip
def no_rollback(pair: Pair, release: Version) -> Iterator[Hit]:
    """`majorVersion: v3` is removed again.

    The spec then asks for Calico v2, whose data ended with the migration: every policy and endpoint since then is
    in the v3 store only. And the addon's version falls, so that kOps does not even apply the older manifest.

    Bad (kOps 1.11.1 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {}}
    Also: S3
    Good (kOps 1.11.1 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Fix: keep `majorVersion: v3`. A rollback is done by hand: `calico-upgrade abort`, `kubectl rollout undo` of
        calico-node and calico-kube-controllers, delete the v3 data, and only then revert the spec.
    Source: channels/pkg/channels/channel_version.go@release-1.12:100-134; Calico v3.1 downgrade guide.
    """
    if not pair.old.major_version_v3 or pair.new.major_version_v3 or pair.new.calico is None:
        return
    new = pair.new.manifest(release)
    if new is not None and new.datastore == ETCD_V2:
        yield Hit(
            pair.new.calico,
            "`majorVersion: v3` is removed: Calico v2 would start on data from before the migration; keep it",
            missing="majorVersion",
            related=[_old_place(pair, "networking.calico.majorVersion")],
        )


@rule("S11", "dry-run-first", severity="info", origin="calico", since="1.11", until="1.19", pair=True,
      changes="every")  # fmt: skip
def dry_run_first(pair: Pair, release: Version) -> Iterator[Hit]:
    """This step starts the upgrade to Calico v3: check the data before.

    Whether the data converts cannot be seen in a spec. `calico-upgrade dry-run` reads the etcd v2 data, converts
    it and reports what would stop the migration. The v3 store must be empty: an init container that was killed in
    the migration leaves partial data, and every later attempt stops at it until it is removed by hand.

    Bad (kOps 1.10.1 to 1.12.3):
        old:
          kubernetesVersion: 1.10.13
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {}}
        new:
          kubernetesVersion: 1.10.13
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Also: S12
    Good (kOps 1.11.1 to 1.12.3):
        old: {kubernetesVersion: 1.10.13, networking: {calico: {}}}
        new: {kubernetesVersion: 1.10.13, networking: {calico: {}}}
    Fix: run `calico-upgrade dry-run` and look for left-overs with
        `ETCDCTL_API=3 etcdctl get /calico/ --prefix --keys-only`; both must come back clean.
    Source: docs/calico-v3.md@release-1.13; projectcalico/calico#2216.
    """
    node = adds_major_version(pair)
    if node is not None and is_migration(pair, release):
        yield Hit(
            node,
            "this starts the migration of Calico's data: before it, `calico-upgrade dry-run` must be clean and the v3 "
            "store empty",
        )


@rule("S12", "no-scheduling-window", severity="info", origin="calico", since="1.11", until="1.19", pair=True,
      changes="every")  # fmt: skip
def scheduling_window(pair: Pair, release: Version) -> Iterator[Hit]:
    """During the upgrade no new pod starts and no policy takes effect.

    From the moment the first calico-node pod locks the datastore until a Job has seen the last one done, no pod
    anywhere gets or gives back an address, and no policy change reaches any node. With one pod at a time that is
    about half a minute a node. Autoscalers add nodes that wait too, and make the window longer.

    Bad (kOps 1.10.1 to 1.12.3):
        old:
          kubernetesVersion: 1.10.13
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {}}
        new:
          kubernetesVersion: 1.10.13
          etcdClusters: [{name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
          networking: {calico: {majorVersion: v3}}
    Also: S11
    Good (kOps 1.11.1 to 1.12.3):
        old: {kubernetesVersion: 1.10.13, networking: {calico: {}}}
        new: {kubernetesVersion: 1.10.13, networking: {calico: {}}}
    Fix: plan the window with `calico-sim plan`, stop autoscalers and deployments for its length.
    Source: docs/calico-v3.md@release-1.13; cni-plugin v1.11.8 calico.go:93-100.
    """
    if not is_migration(pair, release):
        return
    smallest, largest = pair.new.node_count()
    churn = ""
    if largest > smallest:
        churn = f"; groups may grow from {smallest} to {largest} nodes meanwhile: stop autoscalers"
    yield Hit(
        pair.new.calico or pair.new.root,
        f"while this rolls out no new pod starts and no policy takes effect: `calico-sim plan` says how long{churn}",
    )


RULES: list[Rule] = [
    calico_at_least_2_6_5, two_migrations_at_once, one_step_at_a_time, no_rollback, dry_run_first, scheduling_window,
]  # fmt: skip
