"""Changes of a running cluster (P704 to P724): what kOps lets pass, and what it does to Calico.

P701 is the upgrade that is right and gives no finding. The other conditions of this family stand where they belong
besides: P702 is S6 and P703 S8 (`upgrade`), P717 and P721 need no old spec (`requirements`), P719 is KP502 (`pairs`),
P720 is KE208 (`etcd`). Abbreviations in sources are those of the other rule modules; BCB@1.N is
`bootstrapchannelbuilder.go` at release-1.N of kubernetes/kops, T(x)@1.N the Calico template x.
"""

from __future__ import annotations

from calico_lint.cidr import parse_cidr
from calico_lint.kops.calico import ALWAYS, CROSS_SUBNET, ETCD_V2, ETCD_V3, KUBERNETES, NEVER, uses_mtu
from calico_lint.kops.etcd import LEGACY, MANAGER
from calico_lint.kops.releases import Version, infer_releases, parse_semver
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.support import deployed_calico
from calico_lint.rules.values import at_key, listed, quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeVar

    from calico_lint.cluster import Cluster, Pair
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node

    T = TypeVar("T")

TODAY = "as it is today"


# --- both sides of a pair -------------------------------------------------------------------------------


def old_releases(pair: Pair, release: Version) -> tuple[Version, ...]:
    """The kOps releases that may have applied the old spec: as given, else those that could, none newer than `release`.

    Where all that could are newer, they are kept: KP505 speaks of that.
    """
    if pair.old_kops is not None:
        return (pair.old_kops,)
    releases = pair.old.releases or infer_releases(pair.old.kubernetes)
    # A candidate stands for its minor, at the newest patch.
    possible = tuple(min(each, release) for each in releases.candidates if each.minor <= release.minor)
    return possible or releases.candidates


def _is_given(pair: Pair) -> bool:
    """Whether the user named the kOps that will apply the new spec."""
    return pair.new.releases is not None and pair.new.releases.given


def agreed(answers: Iterable[T]) -> T | None:
    """The answer if there is only one, else None."""
    found = list(answers)
    return found[0] if found and all(each == found[0] for each in found) else None


def old_place(pair: Pair, *paths: str) -> list[tuple[Node, str]]:
    """The first of these paths that the old spec has, as a related place; else what is nearest to the last."""
    node = next((node for path in paths if (node := pair.old.at(path)) is not None), None)
    return [(node or pair.old.networking or pair.old.spec or pair.old.root, TODAY)]


def at_path(
    cluster: Cluster, path: str, message: str, *, related: Sequence[tuple[Node, str]] = (), severity: str | None = None
) -> Hit:
    """A hit on the value at a v1alpha2 path below `spec`, or on the missing key there."""
    node = cluster.at(path)
    if node is not None:
        return Hit(node, message, related=related, severity=severity)
    node, place = cluster.spec or cluster.root, cluster.paths(path)[0]
    depth = 0
    while (child := node.get(place[depth])) is not None:
        node, depth = child, depth + 1
    return Hit(node, message, missing=".".join(map(str, place[depth:])), related=related, severity=severity)


def _uses_calico(cluster: Cluster) -> bool:
    return cluster.cni == "calico"


def _both_calico(pair: Pair) -> bool:
    return _uses_calico(pair.old) and _uses_calico(pair.new)


def _etcd_pairs(pair: Pair) -> Iterator[tuple[str, Node, Node]]:
    """(name, old, new) of the etcd clusters that both sides have, in the order of the new spec."""
    old = {text(etcd.get("name")): etcd for etcd in pair.old.etcd_clusters}
    for etcd in pair.new.etcd_clusters:
        name = text(etcd.get("name"))
        if name is not None and name in old:
            yield name, old[name], etcd


def _old_etcd_version(pair: Pair, etcd: Node, release: Version) -> Version | None:
    """The etcd version in force before, if every kOps that may have applied the old spec agrees."""
    return agreed(parse_semver(pair.old.etcd_version(etcd, kops).value) for kops in old_releases(pair, release))


class _EtcdMove:
    """etcd clusters that move alike: the first of them, before and after, and the names of all."""

    __slots__ = ("after", "before", "names", "new", "old")

    def __init__(self, old: Node, new: Node, before: Version, after: Version, name: str) -> None:
        self.old = old
        self.new = new
        self.before = before
        self.after = after
        self.names = [name]

    def hit(self, message: str, severity: str | None = None) -> Hit:
        """A hit on `version` of the first of them."""
        subject = (
            f"etcd clusters {listed(self.names, 'and')} move"
            if self.names[1:]
            else f"etcd cluster {quoted(self.names[0])} moves"
        )
        return at_key(
            self.new,
            "version",
            f"{subject} from {self.before} to {self.after}{message}",
            related=[(self.old.get("version") or self.old, TODAY)],
            severity=severity,
        )


def _etcd_moves(pair: Pair, release: Version) -> list[_EtcdMove]:
    """The moves of the etcd clusters whose versions are known and differ. One step of all of them is one move."""
    moves: dict[tuple[Version, Version], _EtcdMove] = {}
    for name, old, new in _etcd_pairs(pair):
        before = _old_etcd_version(pair, old, release)
        after = parse_semver(pair.new.etcd_version(new, release).value)
        if before is None or after is None or before == after:
            continue
        if (before, after) in moves:
            moves[before, after].names.append(name)
        else:
            moves[before, after] = _EtcdMove(old, new, before, after, name)
    return list(moves.values())


# --- etcd -----------------------------------------------------------------------------------------------


@rule("P704", "etcd-2-to-3-legacy", severity="error", origin="calico", until="1.22", pair=True, changes="every")
def etcd_2_to_3_legacy(pair: Pair, release: Version) -> Iterator[Hit]:
    """Etcd moves from 2.x to 3.x without etcd-manager.

    The servers of etcd 3 do not find the data of etcd 2. Only etcd-manager copies it; with `provider: Legacy` the new
    servers start empty, and every object of the cluster is gone, with all that Calico keeps in etcd.

    Bad (kOps 1.12.3 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 3.2.24, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.2.24, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Also: S3
    Good (kOps 1.12.3 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 2.2.1, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 2.2.1, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: keep the version, write `provider: Manager` on both etcd clusters and update; change the version in a second
        step, with kOps 1.12 or later and a backup.
    Source: docs/cluster_spec.md@release-1.11:60; docs/etcd/manager.md@release-1.16:9-56.
    """
    for move in _etcd_moves(pair, release):
        if move.before.major < 3 <= move.after.major and _provider(pair, move, release) == LEGACY:
            yield move.hit(
                " without etcd-manager, which loses the data: adopt `provider: Manager` first, and move then",
            )


def _provider(pair: Pair, move: _EtcdMove, release: Version) -> str:
    return pair.new.etcd_provider(move.new, release).value


@rule("P705", "etcd-2-to-3-manager", severity="warning", origin="calico", since="1.10", pair=True, changes="every")
def etcd_2_to_3_manager(pair: Pair, release: Version) -> Iterator[Hit]:
    """Etcd moves from 2.x to 3.x with etcd-manager.

    etcd-manager stops the old servers, copies the data and starts new ones. No step of an upgrade risks more: the
    Kubernetes API is down meanwhile, and if the control-plane nodes are replaced one by one, new and old servers can
    end up as two clusters, the new one empty. kOps supports the move from 1.12 on; before it is an error.

    Bad (kOps 1.12.3 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 3.2.24, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.2.24, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Also: S3
    Good (kOps 1.12.3 to 1.12.3):
        old:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 3.2.18, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.2.18, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        new:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 3.2.24, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.2.24, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: with kOps 1.12 or later; take a backup of etcd, move both etcd clusters together, and replace all control-plane
        nodes at once (`kops rolling-update cluster --cloudonly --instance-group-roles master --master-interval=1s`).
    Source: docs/etcd/manager.md@release-1.16:9-56; docs/etcd3-migration.md@release-1.19:3-57; kubernetes/kops#6764.
    """
    for move in _etcd_moves(pair, release):
        if move.before.major >= 3 or move.after.major < 3 or _provider(pair, move, release) != MANAGER:
            continue
        if release.minor < 12:
            yield move.hit(
                ", and rolling the control plane under this kOps can end with an empty cluster: keep the version until "
                "kOps 1.12",
                severity="error" if _is_given(pair) else None,
            )
        else:
            yield move.hit(
                ", which takes the API down and can lose data: take a backup, and replace all control-plane nodes at "
                "once"
            )


@rule("P708", "etcd-tls-changes", severity="warning", origin="calico", pair=True, changes="every")
def tls_changes(pair: Pair, release: Version) -> Iterator[Hit]:
    """TLS of etcd is switched on or off.

    Servers with and without TLS do not talk to each other, and neither do their clients: calico-node on etcd, and the
    API servers. From the first replaced control-plane node to the last, part of them is cut off. kOps 1.12 to 1.19
    switch TLS on by themselves where etcd-manager runs etcd 3 and Kubernetes is 1.12 or later, kOps 1.20 always.

    Bad (kOps 1.11.1 to 1.11.1):
        old:
          kubernetesVersion: 1.11.10
        new:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, enableEtcdTLS: true, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, enableEtcdTLS: true, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Also: S3 P704
    Good (kOps 1.24.5 to 1.24.5):
        old: {kubernetesVersion: 1.24.3}
        new:
          kubernetesVersion: 1.24.3
          etcdClusters:
          - {name: main, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: do it in a maintenance window, and replace all control-plane nodes at once; with Calico on etcd all nodes.
    Source: docs/etcd3-migration.md@release-1.19:19-28; pkg/model/components/etcd.go@release-1.12:79-100.
    """
    if not _both_calico(pair) or release.minor < 8:
        return
    for name, old, new in _etcd_pairs(pair):
        before = agreed(_has_tls(pair.old, old, kops) for kops in old_releases(pair, release))
        after = _has_tls(pair.new, new, release)
        if before is None or after is None or before == after:
            continue
        forced = "" if new.get("enableEtcdTLS") is not None or not after else " by this kOps"
        yield at_key(
            new,
            "enableEtcdTLS",
            f"TLS of etcd (cluster {quoted(name)}) is switched {'on' if after else 'off'}{forced}: servers and clients "
            "before and after the change do not reach each other; replace the control plane at once",
            related=[(old.get("enableEtcdTLS") or old, TODAY)],
        )
        return  # it is switched for all of them (KE207)


def _has_tls(cluster: Cluster, etcd: Node, kops: Version) -> bool | None:
    """Whether etcd serves its clients over TLS; None where that cannot be told."""
    if kops.minor >= 20:
        return True
    written = etcd.get("enableEtcdTLS")
    if written is not None and written.value is True:
        return True
    if kops.minor < 12:
        return False
    version = parse_semver(cluster.etcd_version(etcd, kops).value)
    if cluster.kubernetes is None or version is None:
        return None
    manager = cluster.etcd_provider(etcd, kops).value == MANAGER
    return manager and version.major >= 3 and cluster.kubernetes >= Version(1, 12)


@rule("P709", "etcd-downgrade", severity="error", origin="calico", pair=True, changes="every")
def etcd_downgrade(pair: Pair, release: Version) -> Iterator[Hit]:
    """An etcd cluster gets an older version.

    etcd does not read the data of a newer minor, and kOps does not notice: etcd stops at its start, and with it the
    Kubernetes API and, where Calico keeps its data in etcd, the network. A removed `version` counts too: the default
    of this kOps may be older than what runs.

    Bad (kOps 1.19.3 to 1.19.3):
        old:
          kubernetesVersion: 1.19.7
          etcdClusters:
          - {name: main, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        new:
          kubernetesVersion: 1.19.7
          etcdClusters:
          - {name: main, version: 3.3.17, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.3.17, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.19.3 to 1.19.3):
        old:
          kubernetesVersion: 1.19.7
          etcdClusters:
          - {name: main, version: 3.3.17, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.3.17, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        new:
          kubernetesVersion: 1.19.7
          etcdClusters:
          - {name: main, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: keep the version that runs; back to an older one leads only through a backup from before.
    Source: inferred: etcd supports no downgrade before 3.5; kOps has no check (CU@1.36).
    """
    for move in _etcd_moves(pair, release):
        before, after = move.before, move.after
        written = move.new.get("version") is not None
        # The patch of a default differs between the patches of a kOps minor.
        if after < before and (written or (after.major, after.minor) != (before.major, before.minor)):
            default = "" if written else ", the default of this kOps"
            yield move.hit(f"{default}, and etcd does not go back: write `{before}` or newer")


@rule("P710", "etcd-skips-minor", severity="warning", origin="calico", pair=True, changes="every")
def etcd_skips_minor(pair: Pair, release: Version) -> Iterator[Hit]:
    """An etcd cluster skips a minor version.

    etcd supports an upgrade of its running servers from one minor to the next. Beyond that, etcd-manager stops the
    whole cluster and restores a backup into the new version; without etcd-manager the servers may refuse to start.

    Bad (kOps 1.19.3 to 1.19.3):
        old:
          kubernetesVersion: 1.19.7
          etcdClusters:
          - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        new:
          kubernetesVersion: 1.19.7
          etcdClusters:
          - {name: main, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.19.3 to 1.19.3):
        old:
          kubernetesVersion: 1.19.7
          etcdClusters:
          - {name: main, version: 3.3.17, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.3.17, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        new:
          kubernetesVersion: 1.19.7
          etcdClusters:
          - {name: main, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: go by one minor at a time, and let every member become healthy before the next step.
    Source: inferred from etcd's upgrade guides, which describe one minor at a time.
    """
    for move in _etcd_moves(pair, release):
        before, after = move.before, move.after
        if before.major == after.major and after.minor > before.minor + 1:
            yield move.hit(f": go by {before.major}.{before.minor + 1} first, etcd supports one minor at a time")


# --- where Calico keeps its data ------------------------------------------------------------------------


@rule("P706", "etcd-to-crd", severity="warning", origin="calico", since="1.12", pair=True, changes="every")
def etcd_to_crd(pair: Pair, release: Version) -> Iterator[Hit]:
    """Calico moves from etcd to the Kubernetes datastore.

    From Kubernetes 1.12 on (kOps 1.12 and later) Calico keeps its data in custom resources. Nodes that are replaced
    already read their peers there, nodes that are not read them in etcd: while the cluster rolls, the two halves learn
    no routes and no policy from each other. Nothing copies what was in etcd either: Calico's own policies and pools
    that kOps did not make are gone unless they are exported before.

    Bad (kOps 1.11.1 to 1.13.2):
        old:
          kubernetesVersion: 1.11.10
        new:
          kubernetesVersion: 1.12.10
    Also: P705 P708
    Good (kOps 1.11.1 to 1.13.2):
        old:
          kubernetesVersion: 1.10.13
        new:
          kubernetesVersion: 1.11.10
          etcdClusters:
          - {name: main, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
          - {name: events, version: 2.2.1, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: export Calico's own policies and pools with calicoctl; then update in a maintenance window and replace all
        nodes as fast as the workload bears
        (`kops rolling-update cluster --cloudonly --master-interval=1s --node-interval=1s --yes`). Delete a left-over
        Job `calico-complete-upgrade-v331` before: its pod can no longer start and keeps the cluster from validating.
    Source: docs/etcd3-migration.md@release-1.19:57-66; docs/releases/1.12-NOTES.md@release-1.12:9-20; BCB@1.12:806-846;
        kubernetes/kops#7140; that the data is not carried over is inferred from T(k8s-1.12)@1.12 (no migration in it).
    """
    if not _both_calico(pair) or pair.old.kubernetes is None:
        return
    before = agreed(_datastore(pair.old, kops) for kops in old_releases(pair, release))
    if before not in (ETCD_V2, ETCD_V3) or _datastore(pair.new, release) != KUBERNETES:
        return
    job = ""
    if before == ETCD_V3:
        job = "; delete the Job `calico-complete-upgrade-v331` first if it is still there"
    count = pair.new.node_count()[0]
    nodes = f"all {count} nodes" if count else "all nodes"
    yield at_path(
        pair.new,
        "kubernetesVersion",
        f"Calico moves from etcd to custom resources with this step: until {nodes} are replaced the network is split "
        f"in two, and what etcd holds is left behind; export it, roll everything fast{job}",
        related=old_place(pair, "kubernetesVersion"),
    )


def _datastore(cluster: Cluster, kops: Version) -> str | None:
    found = cluster.manifest(kops)
    return found.datastore if found is not None else None


@rule("P724", "back-to-etcd", severity="error", origin="calico", until="1.19", pair=True, changes="every")
def back_to_etcd(pair: Pair, release: Version) -> Iterator[Hit]:
    """Calico would go back from the Kubernetes datastore to etcd.

    Before Kubernetes 1.12, and with kOps before 1.12, Calico reads etcd. A cluster that has moved to custom resources
    has nothing there, or what was left behind long ago: pools, addresses in use and policies of today are not read, and
    addresses are given out twice.

    Bad (kOps 1.12.3 to 1.12.3):
        old:
          kubernetesVersion: 1.12.10
          etcdClusters: [{name: main, version: 3.2.24, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
        new:
          kubernetesVersion: 1.11.10
          etcdClusters: [{name: main, version: 3.2.24, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}]
    Also: S3
    Good (kOps 1.12.3 to 1.12.3):
        old:
          kubernetesVersion: 1.12.8
        new:
          kubernetesVersion: 1.12.10
    Fix: stay on Kubernetes 1.12 and kOps 1.12 or later; Kubernetes supports no downgrade either.
    Source: BCB@1.12:806-846; T(k8s-1.12)@1.12:562 against T(k8s-1.7)@1.12.
    """
    if not _both_calico(pair):
        return
    before = agreed(_datastore(pair.old, kops) for kops in old_releases(pair, release))
    if before == KUBERNETES and _datastore(pair.new, release) in (ETCD_V2, ETCD_V3):
        yield at_path(
            pair.new,
            "kubernetesVersion",
            f"Calico would read etcd again with Kubernetes {pair.new.kubernetes} and this kOps, where nothing of today "
            "is: keep Kubernetes 1.12 or later, and kOps 1.12 or later",
            related=old_place(pair, "kubernetesVersion"),
        )


@rule("P707", "ipam-host-local-to-calico", severity="info", origin="calico", since="1.15", pair=True, changes="every")
def ipam_changes(pair: Pair, release: Version) -> Iterator[Hit]:
    """The addresses of pods move from host-local IPAM to Calico's.

    Calico of kOps 1.12 to 1.14 on Kubernetes 1.12 and later, and canal always, take the addresses of pods from each
    node's own range (host-local). From kOps 1.15 on Calico assigns them itself. An init container of every calico-node
    (`upgrade-ipam`) imports the addresses in use, and closes the datastore meanwhile: no pod starts anywhere. It takes
    the longer the more pods a node has; and where several nodes run it together, one may leave the datastore closed.

    Bad (kOps 1.14.1 to 1.15.3):
        old:
          kubernetesVersion: 1.14.10
        new:
          kubernetesVersion: 1.14.10
    Good (kOps 1.15.3 to 1.16.4):
        old:
          kubernetesVersion: 1.15.12
        new:
          kubernetesVersion: 1.15.12
    Fix: roll one node at a time. If calico-node waits for a datastore "to be initialized (or migrated)", look at
        `datastoreReady` of the ClusterInformation.
    Source: T(k8s-1.12)@1.15:693-710, T(k8s-1.12)@1.14 (host-local); rancher/rancher#23788;
        projectcalico/cni-plugin#821.
    """
    new = pair.new.manifest(release)
    if new is None or new.ipam != "calico-ipam" or not _uses_calico(pair.new):
        return
    if pair.old.cni == "calico":
        manifests = [pair.old.manifest(kops) for kops in old_releases(pair, release)]
        if agreed(each.ipam if each is not None else None for each in manifests) != "host-local":
            return
    elif pair.old.cni != "canal":
        return
    several = _rolls_several(pair.new)
    related = old_place(pair, "networking.calico", "networking.canal")
    if several is not None:
        related.append((several, "several nodes at once"))
    yield Hit(
        pair.new.calico or pair.new.root,
        "pods get their addresses from Calico instead of from each node's own range: `upgrade-ipam` imports those in "
        "use, node by node"
        + (
            ", and no pod starts meanwhile"
            if several is None
            else "; where several nodes do it together it can leave the datastore closed: roll one node at a time"
        ),
        on_key=True,
        related=related,
        severity=None if several is None else "warning",
    )


def _rolls_several(cluster: Cluster) -> Node | None:
    """Where the spec says that more than one node is replaced at a time."""
    specs = [cluster.spec, *(group.spec for group in cluster.groups)]
    for holder in [spec.get("rollingUpdate") for spec in specs if spec is not None]:
        for key in ("maxSurge", "maxUnavailable"):
            node = holder.get(key) if holder is not None else None
            if node is not None and node.value not in (None, 0, 1, "0", "1", "0%", "1%"):
                return node
    return None


@rule("P711", "cni-changes", severity="error", origin="calico", pair=True, aliases=("Z901",))
def cni_changes(pair: Pair, release: Version) -> Iterator[Hit]:
    """A running cluster gets another network, from or to Calico.

    Calico does not take over the pods and addresses of another network, nor the other way round, and kOps removes
    nothing of the one before: its DaemonSet, interfaces and routes stay. Until every node is replaced, pods of the two
    do not reach each other, and both may write to the same interfaces.

    Bad (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.30.4, networking: {cilium: {}}}
        new: {kubernetesVersion: 1.30.4, networking: {calico: {}}}
    Good (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.30.4, networking: {calico: {}}}
        new: {kubernetesVersion: 1.30.4, networking: {calico: {mtu: 8981}}}
    Fix: build a new cluster and move the workload. If it must be this one: plan an outage, replace all nodes at once
        (`kops rolling-update cluster --cloudonly --force --yes`), delete what the network before has left.
    Source: tigera/docs calico/_includes/.../_system-requirements.mdx:196-205; docs/networking.md@release-1.36:115-119
        (which calls the step from kubenet safe once all nodes are replaced); projectcalico/canal#120.
    """
    old, new = dict(pair.old.cni_nodes()), dict(pair.new.cni_nodes())
    if not old or not new or set(old) & set(new) or not {"calico", "canal"} & {*old, *new}:
        return
    before, after = next(iter(old)), next(iter(new))
    # `cni` and `external` are somebody's own network, which may well be the same Calico.
    unknown = {"cni", "external"} & {*old, *new}
    yield Hit(
        new[after],
        f"the network changes from `{before}` to `{after}`: "
        + (
            "is it the same Calico? If not, every pod and node has to be made anew"
            if unknown
            else "there is no migration in place, and pods lose each other until every node is replaced; build a new "
            "cluster, or plan an outage"
        ),
        on_key=True,
        related=[(old[before], TODAY)],
        severity="warning" if unknown else None,
    )


# --- what is set up once, and stays ---------------------------------------------------------------------

_CLUSTER_CIDR = "kubeControllerManager.clusterCIDR"
_POOL_KEYS = (_CLUSTER_CIDR, "podCIDR", "nonMasqueradeCIDR")


@rule("P712", "pod-cidr-changes", severity="error", origin="calico", pair=True)
def pod_cidr_changes(pair: Pair, release: Version) -> Iterator[Hit]:
    """The range of the pods changes.

    Calico makes its pool when it starts for the first time, from the range of that day. Changing the range later
    changes what kube-proxy and the controllers believe, but not the pool: pods keep getting addresses outside of the
    new range, and traffic from them is masqueraded, or not, against what policies expect.

    Bad (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.30.4, podCIDR: 100.96.0.0/12}
        new: {kubernetesVersion: 1.30.4, podCIDR: 100.112.0.0/12}
    Good (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.30.4}
        new: {kubernetesVersion: 1.30.4, podCIDR: 100.96.0.0/11}
    Fix: keep the range. To move, add a pool with calicoctl, disable the old one, replace the pods, and change the spec
        together with that.
    Source: T(k8s-1.25)@1.36:7309-7311 (the comment on CALICO_IPV4POOL_CIDR).
    """
    if not _both_calico(pair):
        return
    if _pool(pair.old) == _pool(pair.new):
        return
    for key in _POOL_KEYS:
        before, after = _cidr_text(pair.old, key), _cidr_text(pair.new, key)
        if before != after:
            yield at_path(
                pair.new,
                key,
                f"the range of pods changes from {_pool(pair.old)} to {_pool(pair.new)}, but Calico keeps the pool "
                f"that it has: {f'write {quoted(before)}' if before else 'remove it'}, or move the pool by hand",
                related=old_place(pair, key, "nonMasqueradeCIDR"),
            )
            return


def _cidr_text(cluster: Cluster, key: str) -> str | None:
    """A range as text; one and the same for one and the same network."""
    written = cluster.text(key)
    parsed = parse_cidr(written) if written is not None else None
    return str(parsed) if parsed is not None else written


def _pool(cluster: Cluster) -> str:
    """What Calico makes its pool of: the written range, else the upper half of nonMasqueradeCIDR."""
    for key in _POOL_KEYS[:2]:
        written = _cidr_text(cluster, key)
        if written is not None:
            return written
    whole = cluster.text("nonMasqueradeCIDR") or "100.64.0.0/10"
    parsed = parse_cidr(whole)
    half = parsed.upper_half() if parsed is not None and ":" not in whole else None
    return str(half or whole)


@rule("P713", "encapsulation-changes", severity="warning", origin="calico", since="1.15", pair=True, changes="every")
def encapsulation_changes(pair: Pair, release: Version) -> Iterator[Hit]:
    """The encapsulation of a running cluster changes.

    How packets travel is written in the pool, which Calico makes once. The spec decides only which routing calico-node
    runs (BIRD for `ipip`, none for `vxlan`) and what a new pool would get. After a change from `ipip` to `vxlan` the
    pool still says IPIP while nobody announces its routes any more: pods on different nodes do not reach each other.
    A change of `ipipMode` or `vxlanMode` alone does nothing to the pool that is there.

    Bad (kOps 1.24.5 to 1.24.5):
        old: {kubernetesVersion: 1.24.3, networking: {calico: {encapsulationMode: ipip}}}
        new: {kubernetesVersion: 1.24.3, networking: {calico: {encapsulationMode: vxlan}}}
    Good (kOps 1.24.5 to 1.24.5):
        old: {kubernetesVersion: 1.24.3, networking: {calico: {}}}
        new: {kubernetesVersion: 1.24.3, networking: {calico: {encapsulationMode: ipip, ipipMode: CrossSubnet}}}
    Fix: change `ipipMode` and `vxlanMode` of the IPPool with calicoctl and restart calico-node on all nodes, in one
        maintenance window with the update.
    Source: T(k8s-1.25)@1.36:7309-7311; tigera/docs calico/networking/configuring/vxlan-ipip.mdx:63;
        kubernetes-sigs/kubespray#8691; projectcalico/calico#4022.
    """
    if not _both_calico(pair):
        return
    after = _tunnel(pair.new, release)
    possible = [_tunnel(pair.old, kops) for kops in old_releases(pair, release)]
    before = possible[-1]
    if before is None or after is None or after in possible:
        return
    changed = (key for key in _ENCAPSULATION_KEYS if _written(pair.old, key) != _written(pair.new, key))
    key = next(changed, None)
    if key is None:
        return  # another default, because kOps or Kubernetes changes: P715 speaks of the one that matters
    if before[0] != after[0]:
        message = (
            f"the encapsulation changes from {before[0]} to {after[0]}, but the pool keeps its own: pods on "
            "different nodes lose each other until the IPPool is changed and every calico-node restarted, in one window"
        )
    else:
        message = (
            f"{after[0]} was used {_USED[before[1]]} and is now to be used {_USED[after[1]]}, but the pool that is "
            "there keeps its mode: change the IPPool with calicoctl too"
        )
    path = f"networking.calico.{key}"
    yield at_path(pair.new, path, message, related=old_place(pair, path, "networking.calico"))


_ENCAPSULATION_KEYS = ("encapsulationMode", "ipipMode", "vxlanMode", "crossSubnet")
_USED = {ALWAYS: "between all nodes", CROSS_SUBNET: "between subnets", NEVER: "nowhere"}


def _written(cluster: Cluster, key: str) -> object:
    node = cluster.at(f"networking.calico.{key}")
    return node.value if node is not None else None


@rule("P714", "bpf-toggles", severity="warning", origin="calico", since="1.19", pair=True)
def bpf_toggles(pair: Pair, release: Version) -> Iterator[Hit]:
    """The eBPF dataplane is switched on or off.

    The change reaches the nodes one by one, and kOps cannot put kube-proxy and Calico in the order that it needs:
    Services are handled by both or by neither meanwhile, and open connections break.

    Bad (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.30.4, networking: {calico: {}}}
        new: {kubernetesVersion: 1.30.4, networking: {calico: {bpfEnabled: true}}, kubeProxy: {enabled: false}}
    Good (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.30.4, networking: {calico: {}}}
        new: {kubernetesVersion: 1.30.4, networking: {calico: {bpfEnabled: false}}}
    Also: F845
    Fix: in a maintenance window, following Calico's own steps: kube-proxy away first, then `bpfEnabled`.
    Source: docs/networking/calico.md@release-1.36:154.
    """
    if not _both_calico(pair):
        return
    before, after = (_written(cluster, "bpfEnabled") is True for cluster in (pair.old, pair.new))
    if before != after:
        yield at_path(
            pair.new,
            "networking.calico.bpfEnabled",
            f"eBPF is switched {'on' if after else 'off'} in a running cluster: connections break and kOps puts "
            "nothing in order; use a maintenance window",
            related=old_place(pair, "networking.calico.bpfEnabled", "networking.calico"),
        )


@rule("P715", "cross-subnet-becomes-default", severity="warning", origin="calico", since="1.22", pair=True,
      changes="every")  # fmt: skip
def cross_subnet_default(pair: Pair, release: Version) -> Iterator[Hit]:
    """With this kOps the default encapsulation on AWS becomes CrossSubnet.

    kOps 1.22 changed two defaults: `ipipMode` (or `vxlanMode`) from Always to CrossSubnet, and `awsSrcDstCheck` from
    DoNothing to Disable. The pool that is there keeps its mode; calico-node now switches off the source/destination
    check of every instance, for which the nodes get another IAM permission.

    Bad (kOps 1.21.5 to 1.22.6):
        old: {kubernetesVersion: 1.21.14}
        new: {kubernetesVersion: 1.21.14}
    Good (kOps 1.21.5 to 1.22.6):
        old: {kubernetesVersion: 1.21.14, networking: {calico: {ipipMode: Always}}}
        new: {kubernetesVersion: 1.21.14, networking: {calico: {ipipMode: Always, awsSrcDstCheck: DoNothing}}}
    Fix: write what you want: `ipipMode: Always` and `awsSrcDstCheck: DoNothing` for things as they were, or
        `ipipMode: CrossSubnet` in the spec and in the IPPool.
    Source: commit a12b3145ee of kubernetes/kops (2021-06-25); T(k8s-1.16)@1.22:4096.
    """
    if not _both_calico(pair) or pair.new.cloud != "aws" or pair.new.ipv6_only:
        return
    old = old_releases(pair, release)
    if not all(kops.minor < 22 for kops in old):
        return
    before = agreed(_tunnel(pair.old, kops) for kops in old)
    after = _tunnel(pair.new, release)
    if before is None or after is None or before[0] != after[0] or (before[1], after[1]) != (ALWAYS, CROSS_SUBNET):
        return
    key = f"{after[0]}Mode"
    if _written(pair.new, key) is not None:
        return  # a choice of the new spec: P713 speaks of that
    check = ""
    if _written(pair.new, "awsSrcDstCheck") is None:
        check = ", and Calico switches off the source/destination check"
    yield at_path(
        pair.new,
        f"networking.calico.{key}",
        f"the default of `{key}` changes from Always to CrossSubnet with kOps 1.22{check}: write what you want",
        related=old_place(pair, "networking.calico"),
    )


def _tunnel(cluster: Cluster, kops: Version) -> tuple[str, str] | None:
    """(kind, mode) of the encapsulation in force."""
    found = cluster.encapsulation(kops)
    return (found.kind, found.mode) if found is not None else None


@rule("P723", "mtu-changes", severity="info", origin="calico", since="1.10", pair=True, changes="every")
def mtu_changes(pair: Pair, release: Version) -> Iterator[Hit]:
    """The MTU of pods changes.

    Only pods that start after it get the new MTU, and calico-node takes it when it is restarted, which the change alone
    does not bring about. Until every pod is made anew the two sizes live side by side; where the larger one does not
    fit, packets are split or dropped.

    Bad (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.30.4, networking: {calico: {}}}
        new: {kubernetesVersion: 1.30.4, networking: {calico: {mtu: 8981}}}
    Also: M802
    Good (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.30.4, networking: {calico: {mtu: 8981}}}
        new: {kubernetesVersion: 1.30.4, networking: {calico: {mtu: 8981}}}
    Fix: replace the nodes with `kops rolling-update cluster --force --yes`; or restart calico-node and then the pods.
    Source: projectcalico/calico calico/networking/mtu.md@release-v3.24 ("Configure MTU").
    """
    manifest = pair.new.manifest(release)
    if not _both_calico(pair) or manifest is None or not uses_mtu(release, manifest):
        return
    before, after = (_written(cluster, "mtu") or 0 for cluster in (pair.old, pair.new))
    if type(before) is int and type(after) is int and before != after:
        yield at_path(
            pair.new,
            "networking.calico.mtu",
            f"the MTU changes from {before or 'the default'} to {after or 'the default'} for pods that start from now "
            "on: replace all nodes, or restart calico-node and the pods",
            related=old_place(pair, "networking.calico.mtu", "networking.calico"),
        )


# --- steps that are too wide ----------------------------------------------------------------------------


@rule("P716", "kubernetes-skips-minor", severity="warning", origin="calico", pair=True)
def kubernetes_skips_minor(pair: Pair, release: Version) -> Iterator[Hit]:
    """Kubernetes skips a minor version.

    Kubernetes supports an upgrade from one minor to the next only; API versions that disappear in between are not
    converted, Calico's among them.

    Bad (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.28.9}
        new: {kubernetesVersion: 1.30.4}
    Good (kOps 1.30.4 to 1.30.4):
        old: {kubernetesVersion: 1.29.9}
        new: {kubernetesVersion: 1.30.4}
    Fix: go by one minor at a time, and roll the whole cluster before the next step.
    Source: docs/operations/updates_and_upgrades.md@release-1.36:87.
    """
    old, new = pair.old.kubernetes, pair.new.kubernetes
    if old is not None and new is not None and old.major == new.major and new.minor > old.minor + 1:
        yield at_path(
            pair.new,
            "kubernetesVersion",
            f"Kubernetes moves from {old} to {new}: go by {old.major}.{old.minor + 1} first, one minor at a time",
            related=old_place(pair, "kubernetesVersion"),
        )


_MANY = 3  # minors of Calico in one step


@rule("P718", "calico-skips-minors", severity="info", origin="calico", since="1.13", pair=True, changes="every")
def calico_skips_minors(pair: Pair, release: Version) -> Iterator[Hit]:
    """Calico jumps over minor versions, because kOps releases are skipped.

    A jump over several kOps releases is one of Calico too, wider than any that is tested. Calico's own upgrade notes
    of all versions in between apply: changed defaults, removed settings, changed policy semantics.

    Bad (kOps 1.20.3 to 1.25.4):
        old: {kubernetesVersion: 1.20.15}
        new: {kubernetesVersion: 1.20.15}
    Also: P715 P710
    Good (kOps 1.24.5 to 1.25.4):
        old: {kubernetesVersion: 1.24.17}
        new: {kubernetesVersion: 1.24.17}
    Fix: read the release notes of the versions in between, or go through the kOps releases in between.
    Source: the images of the Calico manifests at every stable tag of kOps (`kops/calico.py`).
    """
    old = old_releases(pair, release)
    if not _both_calico(pair) or not all(kops.minor + 1 < release.minor for kops in old):
        return
    before = agreed(deployed_calico(pair.old, kops) for kops in old)
    after = deployed_calico(pair.new, release)
    if before is not None and after is not None and before.major == after.major and after.minor >= before.minor + _MANY:
        yield Hit(
            pair.new.calico or pair.new.root,
            f"Calico moves from {before} to {after} in one step: read the notes of the minor versions in between",
            on_key=True,
            related=old_place(pair, "networking.calico"),
        )


@rule("P722", "node-names-change", severity="warning", origin="calico", since="1.23", pair=True, changes="every")
def node_names_change(pair: Pair, release: Version) -> Iterator[Hit]:
    """On AWS nodes are called by their instance ID from now on.

    With the external cloud controller manager, which Kubernetes 1.24 brings by itself, a node is named after its
    instance ID instead of its host name. To Calico that is another node. Its resources for single nodes (BGPPeer,
    FelixConfiguration `node.*`, host endpoints) keep the old names and apply to nobody; and a new node whose address
    still belongs to an entry of an old name does not start until that entry is gone.

    Bad (kOps 1.24.5 to 1.25.4):
        old: {kubernetesVersion: 1.23.17}
        new: {kubernetesVersion: 1.24.17}
    Good (kOps 1.24.5 to 1.25.4):
        old: {kubernetesVersion: 1.24.17}
        new: {kubernetesVersion: 1.25.16}
    Fix: make Calico's per-node resources anew for the new names, or select nodes by labels; after the roll look for
        Calico nodes that Kubernetes no longer has.
    Source: docs/releases/1.23-NOTES.md@release-1.36:5-7; pkg/apis/nodeup/config.go@release-1.23:211-213;
        pkg/model/components/awscloudcontrollermanager.go@release-1.23:42-44; kubernetes/kops#15205.
    """
    if not _both_calico(pair) or pair.new.cloud != "aws":
        return
    before = agreed(_names_by_instance_id(pair.old, kops) for kops in old_releases(pair, release))
    if before is False and _names_by_instance_id(pair.new, release):
        yield at_path(
            pair.new,
            "kubernetesVersion",
            "nodes get other names with this step (the instance ID): Calico's resources for single nodes keep the old "
            "ones; make them anew",
            related=old_place(pair, "kubernetesVersion"),
        )


def _names_by_instance_id(cluster: Cluster, kops: Version) -> bool | None:
    if kops.minor < 23:
        return False
    if cluster.kubernetes is None:
        return None
    external = cluster.at("cloudControllerManager") is not None
    lowest = 24 if not external else 22 if kops.minor == 23 else 23
    return cluster.kubernetes >= Version(1, lowest)


RULES: list[Rule] = [
    etcd_2_to_3_legacy,
    etcd_2_to_3_manager,
    etcd_to_crd,
    ipam_changes,
    tls_changes,
    etcd_downgrade,
    etcd_skips_minor,
    cni_changes,
    pod_cidr_changes,
    encapsulation_changes,
    bpf_toggles,
    cross_subnet_default,
    kubernetes_skips_minor,
    calico_skips_minors,
    node_names_change,
    mtu_changes,
    back_to_etcd,
]
