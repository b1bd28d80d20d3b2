"""Which upgrade a spec would start: the protocol, the versions, and whether it can ever complete.

What kOps does is read from `calico_lint.kops`; this module only compares the Calico of today with the
Calico to come. Where the release is inferred, every candidate is asked and the answers are kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from calico_lint.cluster import Cluster
from calico_lint.kops import calico as calico_table
from calico_lint.kops.calico import ETCD_V2, ETCD_V3, KUBERNETES, Manifest
from calico_lint.kops.other_networks import what_applies
from calico_lint.kops.releases import Releases, Version, describe_minors
from simulator.scenario import V2_TO_V3, V3_ROLLING

OLDEST_MIGRATABLE = Version(2, 6, 5)
"""`minUpgradeVersion` of the migrator: lib/upgrade/migrator/migrate.go:50 of libcalico-go."""

MIGRATING_RELEASES = "1.11.0 to 1.14.1"
"""The kOps releases whose migration ends: majorVersion exists from 1.11, the Job is wrong from 1.15 on."""


class NothingToSimulateError(Exception):
    """The spec starts no Calico upgrade that could be simulated; the message says why."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What would happen. `blocked` is the reason why it may not, else None.

    `release` is the kOps whose behaviour is simulated. `never_completes` are the releases, among those that could
    apply the spec, with which the migration never ends; `completes` those with which it does.
    """

    protocol: str
    release: Version
    manifest: Manifest
    calico_from: str | None
    calico_to: str
    blocked: str | None
    completes: tuple[Version, ...]
    never_completes: tuple[Version, ...]
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """The answer for one release: `kind` is a protocol, "blocked" or "nothing"."""

    kind: str
    reason: str
    manifest: Manifest | None = None
    calico_from: str | None = None


def decide(new: Cluster, releases: Releases, old: Cluster | None, old_releases: Releases | None) -> Upgrade:
    """The upgrade from `old` (None: assumed) to `new`, over all releases that may apply it.

    `old_releases` is the kOps that last applied the old side, or None. Raises NothingToSimulateError.
    """
    for side, cluster in (("", new), ("old ", old)):
        if cluster is not None and cluster.cni != "calico":
            raise NothingToSimulateError(
                f"the {side}spec {f'runs {cluster.cni}' if cluster.cni else 'names no networking option'}, not Calico: "
                f"there is no Calico upgrade to simulate; {what_applies(cluster.cni)}"
            )
    if new.kubernetes is None:
        raise NothingToSimulateError("spec.kubernetesVersion is missing or unreadable: it decides which Calico is run")
    cases = {release: _case(new, release, old, old_releases) for release in releases.candidates}
    simulated = {release: case for release, case in cases.items() if case.kind in (V2_TO_V3, V3_ROLLING)}
    assumptions = list(_assumptions(new, old, old_releases))
    if not simulated:
        stopped = {release: case for release, case in cases.items() if case.kind == "blocked"}
        if not stopped:
            raise NothingToSimulateError(cases[releases.last].reason)
        release = max(stopped)
        return _upgrade(new, release, stopped[release], (), (), assumptions)
    completes = tuple(release for release, case in simulated.items() if case.kind == V3_ROLLING or _ends(case.manifest))
    never = tuple(release for release in simulated if release not in completes)
    release = max(completes or never)
    if not releases.given:
        assumptions.append(
            f"kOps is not given: {_minors(releases.candidates)} could apply this spec; simulated as {release}"
        )
    for kind in ("blocked", "nothing"):
        others = tuple(other for other, case in cases.items() if case.kind == kind)
        if others:
            assumptions.append(f"not with kOps {_minors(others)}: {cases[others[-1]].reason}")
    return _upgrade(new, release, simulated[release], completes, never, assumptions)


def _upgrade(
    new: Cluster,
    release: Version,
    case: _Case,
    completes: tuple[Version, ...],
    never: tuple[Version, ...],
    assumptions: list[str],
) -> Upgrade:
    blocked = case.kind == "blocked"
    manifest = case.manifest
    assert manifest is not None  # only "nothing" comes without one
    return Upgrade(
        protocol=V3_ROLLING if manifest.datastore == KUBERNETES or case.kind == V3_ROLLING else V2_TO_V3,
        release=release,
        manifest=manifest,
        calico_from=case.calico_from,
        # An override of the version exists from kOps 1.20 on (spec.networking.calico.version).
        calico_to=(new.text("networking.calico.version") or "").removeprefix("v") or str(manifest.calico),
        blocked=case.reason if blocked else None,
        completes=completes,
        never_completes=never,
        assumptions=tuple(assumptions),
    )


def _ends(manifest: Manifest | None) -> bool:
    return manifest is not None and manifest.job_completes


def _minors(releases: tuple[Version, ...]) -> str:
    return describe_minors([release.minor for release in releases])


def _assumptions(new: Cluster, old: Cluster | None, old_releases: Releases | None) -> list[str]:
    """What is taken for granted about the two sides, in words."""
    found = []
    kubernetes = new.kubernetes
    if old is not None:
        if old_releases is None or not old_releases.given:
            found.append("the kOps that last applied the old spec is not given (--from-kops-version)")
    elif kubernetes is not None and kubernetes < Version(1, 12):
        if new.major_version_v3:
            found.append("without --from: the cluster is taken to run Calico v2 today")
        else:
            found.append("without --from: planned as if `majorVersion: v3` were set now")
    else:
        found.append("without --from: today's Calico is taken to use the Kubernetes datastore already")
    if old_releases is not None and old_releases.given and old_releases.first < Version(1, 9):
        # No updateStrategy, so OnDelete: a pod keeps the Calico it was made with (kops commit e9ef618b14).
        found.append(
            f"kOps {old_releases} does not roll calico-node: every pod is taken to run what that kOps ships; look at "
            "their images first"
        )
    return found


def _case(new: Cluster, kops: Version, old: Cluster | None, old_releases: Releases | None) -> _Case:
    """The answer for one kOps release."""
    kubernetes = new.kubernetes
    assert kubernetes is not None
    after = new.manifest(kops)
    if old is None and after is not None and after.datastore == ETCD_V2:
        # A v2 spec is planned as if `majorVersion: v3` were set now.
        hypothetical = calico_table.manifest(kops, kubernetes, major_version_v3=True)
        if hypothetical is None or hypothetical.datastore != ETCD_V3:
            reason = (
                f"Calico v3 needs Kubernetes 1.7, this is {kubernetes}"
                if kubernetes < Version(1, 7)
                else f"kOps {kops} knows no `majorVersion: v3`; the upgrade needs kOps {MIGRATING_RELEASES}"
            )
            return _Case("blocked", reason, after, str(after.calico))
        after = hypothetical
    if after is None:
        return _Case("nothing", f"kOps {kops} has no Calico manifest for Kubernetes {kubernetes}")
    befores = _befores(new, kops, after, old, old_releases)
    stores = {before.datastore for before in befores}
    versions = {before.calico for before in befores}
    calico_from = str(versions.pop()) if len(versions) == 1 else None
    before_store = stores.pop() if len(stores) == 1 else after.datastore
    if after.datastore == ETCD_V2:
        if before_store == ETCD_V2:
            return _Case("nothing", "this is Calico v2 before and after: no migration, and no readiness to roll by")
        return _Case("blocked", "this would go back to Calico v2: its data was not kept up to date", after, calico_from)
    if before_store == after.datastore:
        return _Case(V3_ROLLING, "", after, calico_from)
    if after.datastore == KUBERNETES:
        reason = (
            "this crosses Kubernetes 1.12, where kOps moves Calico from etcd to the Kubernetes datastore: nothing is "
            "migrated, and nodes of both kinds cannot reach each other until all are replaced"
        )
        return _Case("blocked", reason, after, calico_from)
    if before_store == KUBERNETES:
        return _Case("blocked", "Calico would go back from the Kubernetes datastore to etcd", after, calico_from)
    reason = _unmet(new, kops, old, befores)
    return _Case("blocked" if reason else V2_TO_V3, reason, after, calico_from)


def _befores(
    new: Cluster, kops: Version, after: Manifest, old: Cluster | None, old_releases: Releases | None
) -> list[Manifest]:
    """The manifests that may be deployed today; empty where nothing is known but the datastore is taken to be equal."""
    candidates = old_releases.candidates if old_releases is not None else (kops,)
    if old is not None:
        found = [old.manifest(release) for release in candidates]
    elif after.datastore == ETCD_V3 and new.kubernetes is not None:
        found = [calico_table.manifest(release, new.kubernetes, major_version_v3=False) for release in candidates]
    else:
        found = [new.manifest(release) for release in candidates] if old_releases is not None else []
    return [manifest for manifest in found if manifest is not None]


def _unmet(new: Cluster, kops: Version, old: Cluster | None, befores: list[Manifest]) -> str:
    """Why the migration from v2 to v3 may not start, or empty."""
    kubernetes = new.kubernetes
    if kubernetes is not None and kubernetes < Version(1, 7):
        return f"Calico v3 needs Kubernetes 1.7, this is {kubernetes}"
    for side, cluster in (("", new), ("old ", old)):
        if cluster is None:
            continue
        named = {node.get("name"): node for node in cluster.etcd_clusters}
        main = next((node for name, node in named.items() if name is not None and name.value == "main"), None)
        main = main or next(iter(cluster.etcd_clusters), None)
        if main is None:
            return f"the {side}spec has no etcdClusters: whether etcd is 3.x cannot be told"
        setting = cluster.etcd_version(main, kops)
        if setting.value.partition(".")[0].isdigit() and int(setting.value.partition(".")[0]) < 3:
            how = "is written" if setting.written else f"is the default of kOps {kops}, nothing is written"
            return f"Calico v3 needs etcd 3.x; the {side}spec's etcd {setting.value} {how}"
    if befores and all(before.calico < OLDEST_MIGRATABLE for before in befores):
        running = max(before.calico for before in befores)
        return (
            f"the migration needs Calico {OLDEST_MIGRATABLE} or later, today's is {running}: "
            "update with kOps 1.9 or later first"
        )
    return ""
