"""Rules on `etcdClusters` (KE201-KE214).

V@1.N and L@1.N in sources = `validation.go` and `legacy.go` of `pkg/apis/kops/validation` at release-1.N of
kubernetes/kops, ETCD@1.N = `pkg/model/components/etcd.go`, EM@1.N and EMM@1.N = `options.go` and `model.go` of
`pkg/model/components/etcdmanager`.
"""

from __future__ import annotations

from calico_lint.kops.etcd import LEGACY, MANAGER, manager_supports
from calico_lint.kops.releases import Version, parse_semver
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import at_key, listed, not_allowed, quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.finding import Fix
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node


def _entries(clusters: Node) -> list[Node]:
    """The etcd clusters; a null among them is an empty one for kOps. Nothing if one is ill-typed."""
    entries = list(clusters) if isinstance(clusters.value, list) else []
    return entries if all(entry.value is None or isinstance(entry.value, dict) for entry in entries) else []


# --- the list and its members ---------------------------------------------------------------------------


@rule("KE201", "etcd-clusters-required", severity="error", origin="kops-written")
def etcd_clusters_required(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """There are no etcd clusters.

    Kubernetes keeps its state in etcd, and so does Calico on Kubernetes before 1.12. kOps needs the list in the spec;
    kOps 1.18 to 1.22 crash without it when the network is Calico.

    Bad (kOps 1.36.2):
        etcdClusters: []
    Good (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: write the clusters `main` and `events`, with one member per control-plane instance group.
    Source: L@1.11:579-581, V@1.18:95 against :110, V@1.36:201-202.
    """
    node = cluster.at("etcdClusters")
    message = "`etcdClusters` is empty: write the clusters `main` and `events` with their members"
    if node is not None:
        if node.value is None or node.value == []:
            yield Hit(node, message, on_key=True)
    elif cluster.spec is not None and (cluster.spec.value is None or isinstance(cluster.spec.value, dict)):
        yield Hit(cluster.spec, message.replace("empty", "missing"), missing="etcdClusters")


@rule("KE202", "etcd-member-count-odd", severity="error", origin="kops-written", on="etcdClusters")
def etcd_member_count_odd(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """An etcd cluster without members, or with an even number of them.

    etcd works while more than half of its members do. An even number stands no more failures than one member less.

    Bad (kOps 1.36.2):
        etcdClusters:
        - name: main
          etcdMembers: [{name: a, instanceGroup: cp-a}, {name: b, instanceGroup: cp-b}]
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: []}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: have one or three members (five at most), each in an instance group of its own.
    Source: L@1.8:491-495, L@1.11:652-658, V@1.36:1530-1535.
    """
    for etcd in _entries(node):
        members = etcd.get("etcdMembers")
        if members is None or members.value is None or members.value == []:
            yield at_key(etcd, "etcdMembers", f"{_named(etcd)} has no members: list one or three")
        elif isinstance(members.value, list) and len(members.value) % 2 == 0:
            yield Hit(
                members,
                f"{_named(etcd)} has {len(members.value)} members, and kOps takes an odd number: add or remove one",
                on_key=True,
            )


def _named(etcd: Node) -> str:
    name = text(etcd.get("name"))
    return f"etcd cluster {quoted(name)}" if name else f"`{etcd.field}`"


@rule("KE203", "etcd-member-fields", severity="error", origin="kops-written", on="etcdClusters")
def etcd_member_fields(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """An etcd member without `name` or `instanceGroup`.

    The name makes the volume of the member, the instance group is where it runs.

    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: write both keys on every member.
    Source: L@1.8:561-565, V@1.36:1672-1683.
    """
    for etcd in _entries(node):
        members = etcd.get("etcdMembers")
        for member in members if members is not None and isinstance(members.value, list) else ():
            if member.value is not None and not isinstance(member.value, dict):
                continue
            for key in ("name", "instanceGroup"):
                value = member.get(key)
                if value is None or value.value in (None, ""):
                    yield at_key(member, key, f"a member of {_named(etcd)} has no `{key}`: write it")


@rule("KE204", "etcd-cluster-name", severity="error", origin="kops-written", changes=("1.21", "1.36"),
      on="etcdClusters")  # fmt: skip
def etcd_cluster_name(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """An etcd cluster without a name, or with one that kOps has no use for.

    Up to kOps 1.20 any name passes, but only `main` and `events` (and `cilium`) are ever used. From 1.21 on others
    are refused; 1.36 adds `leases`.

    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: calico, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Bad (kOps 1.20.3):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: name the clusters `main` and `events`.
    Source: L@1.11:649, V@1.18:552, V@1.21:924, V@1.36:1525.
    """
    allowed = ("main", "events", "cilium", "leases") if release.minor >= 36 else ("main", "events", "cilium")
    for etcd in _entries(node):
        name = etcd.get("name")
        if name is None or name.value in (None, ""):
            yield at_key(etcd, "name", f"`{etcd.field}` has no `name`: write `main` or `events`")
        elif release.minor >= 21:
            for hit in not_allowed(name, allowed):
                hit.fix = None  # the volumes are found by the name: who renames has to look
                yield hit


@rule("KE214", "etcd-cluster-name-unique", severity="error", origin="kops-written", changes=("1.18",),
      on="etcdClusters")  # fmt: skip
def etcd_cluster_name_unique(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Two etcd clusters of the same name.

    The name makes the place of the backups and the volumes, which the two would share. kOps 1.18 and later refuse
    it, and speak of the `backupStore` of the first cluster, whichever two it is about.

    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: name one `main` and the other `events`.
    Source: V@1.18:579-591, V@1.36:1547-1558.
    """
    seen: dict[str, Node] = {}
    for etcd in _entries(node):
        name = etcd.get("name")
        value = text(name)
        if name is None or value is None:
            continue
        if value in seen:
            yield Hit(
                name,
                f"{quoted(value)} is the name of another etcd cluster too: rename one of them",
                related=[(seen[value], "the first of this name")],
                origin=None if release.minor >= 18 else "calico",
            )
        seen.setdefault(value, name)


# --- versions -------------------------------------------------------------------------------------------


@rule("KE205", "etcd-version-syntax-and-major", severity="error", origin="kops-written", changes=("1.20",),
      on="etcdClusters")  # fmt: skip
def etcd_version(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """An etcd `version` that is no version, or of a major that kOps does not run.

    kOps needs all three numbers. Up to 1.19 it runs etcd 2 and 3, from 1.20 on etcd 3 only.

    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, version: "3.6", etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: "3.6", etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Bad (kOps 1.20.3):
        etcdClusters:
        - {name: main, version: 2.3.8, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 2.3.8, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.36.2):
        etcdClusters:
        - {name: main, version: 3.6.12, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.6.12, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: write X.Y.Z with major 3, or remove `version` to run the version that kOps recommends.
    Source: L@1.8:547-555, L@1.11:716-727, V@1.18:625-651, V@1.20:932-959, V@1.36:1648-1669; ETCD@1.20:71-73.
    """
    for etcd in _entries(node):
        version = etcd.get("version")
        if version is None:
            continue
        if isinstance(version.value, int | float) and not isinstance(version.value, bool):
            shown = version.document.source.text[slice(*version.span)]
            message = f"YAML reads {quoted(shown)} as a number, and kOps wants text: write all three numbers, X.Y.Z"
            yield Hit(version, message, origin="schema")
            continue
        fault = _version_fault(text(version), release)
        if fault is not None:
            yield Hit(version, fault)


def _version_fault(version: str | None, release: Version) -> str | None:
    """What is wrong with a written version, by itself."""
    if version is None:
        return None
    parsed = parse_semver(version)
    if parsed is None:
        return f"{quoted(version)} is no etcd version: write all three numbers, X.Y.Z"
    if release.minor >= 20 and parsed.major != 3:
        return f"{quoted(version)} is not etcd 3, and kOps runs nothing else since 1.20: write a version 3.x"
    if parsed.major not in (2, 3):
        return f"{quoted(version)} is neither etcd 2 nor 3, and kOps runs nothing else: write a version 3.x"
    return None


@rule("KE206", "etcd-versions-equal", severity="error", origin="kops-written", changes="every", on="etcdClusters",
      fix="safe")  # fmt: skip
def etcd_versions_equal(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The etcd clusters have different versions.

    kOps holds every cluster against the first, letter by letter (`v3.2.24` is not `3.2.24`). It does so twice:
    as the spec is written, where a version beside a first cluster without one is refused even if it is the
    default; and with the defaults filled in, where a missing version counts as the default.

    Bad (kOps 1.16.4):
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.3.10, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.6.12, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, version: 3.5.31, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.16.4):
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: write the same `version` on every etcd cluster, or on none.
    Source: L@1.8:526-530, L@1.11:688-696, V@1.36:1635-1645; the second validation, POP@1.11:330, POP@1.36:352.
    """
    entries = _entries(node)
    if not entries or _ill_typed(entries[0]):
        return
    first = entries[0]
    written = text(first.get("version"))
    related = [(first.get("version") or first, "the version that kOps holds the others against")]
    for etcd in entries[1:]:
        if _ill_typed(etcd):
            continue
        version = text(etcd.get("version"))
        if version is None:
            if cluster.kubernetes is not None and _version_fault(written, release) is None:
                yield from _default_differs(cluster, release, first, etcd, related)
        elif version != written and _version_fault(version, release) is None:
            other = quoted(written) if written else "no version"
            message = f"{_named(etcd)} has version {quoted(version)} and {_named(first)} has {other}: write the same"
            yield at_key(etcd, "version", message, related=related, fix=_newest_version_fix(cluster, release))


def _newest_version_fix(cluster: Cluster, release: Version) -> Fix | None:
    """The newest version in force for all: an etcd never goes back."""
    versions = {}
    for etcd in cluster.etcd_clusters:
        version = cluster.etcd_version(etcd, release).value
        parsed = parse_semver(version)
        if parsed is None:
            return None
        versions[parsed] = version
    return common_version_fix(cluster, release, versions[max(versions)])


def common_version_fix(cluster: Cluster, release: Version, version: str) -> Fix | None:
    """Write one version on every etcd cluster: safe where each runs it already. None if one could not run it."""
    from calico_lint import fix

    supported = manager_supports(release)
    edits = []
    safe = True
    for etcd in cluster.etcd_clusters:
        provider = cluster.etcd_provider(etcd, release).value
        if supported is not None and provider == MANAGER and version not in supported:
            return None
        safe = safe and cluster.etcd_version(etcd, release).value == version
        written = etcd.get("version")
        if written is None:
            edits.append(fix.add_key(etcd, "version", version, safe=True))
        elif written.value != version:
            edits.append(fix.set_value(written, version, safe=True))
    combined = fix.combine(*edits)
    return combined if combined is None or safe else combined.as_unsafe()


def _default_differs(
    cluster: Cluster, release: Version, first: Node, etcd: Node, related: list[tuple[Node, str]]
) -> Iterator[Hit]:
    """The second look: the version of a cluster that names none is the default."""
    default = cluster.etcd_version(etcd, release).value
    in_force = text(first.get("version")) or cluster.etcd_version(first, release).value
    if default != in_force:
        yield at_key(
            etcd,
            "version",
            f"{_named(etcd)} has no `version` and gets {default}, but {_named(first)} has {quoted(in_force)}: "
            "write the same on both",
            related=related,
            origin="kops-completed",
            fix=_newest_version_fix(cluster, release),
        )


def _ill_typed(etcd: Node) -> bool:
    version = etcd.get("version")
    return version is not None and version.value is not None and not isinstance(version.value, str)


@rule("KE209", "etcd-manager-supported-version", severity="error", origin="kops-apply", since="1.12", changes="every",
      on="etcdClusters", fix="unsafe")  # fmt: skip
def etcd_manager_supported_version(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """An etcd version that etcd-manager of this kOps does not run.

    etcd-manager carries certain versions of etcd, others every few releases. With provider `Manager`, the default
    from Kubernetes 1.12 on, any other version stops `kops update cluster`, unless the feature flag
    `SkipEtcdVersionCheck` is set. Look here first when an upgrade of kOps refuses a spec that was fine before.

    Bad (kOps 1.16.4):
        etcdClusters:
        - {name: main, version: 3.2.20, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.2.20, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.4.13, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.16.4):
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: write a version that the message lists, going up one minor at a time, or remove `version`.
    Source: EM@1.12:68-92, EM@1.19:78, EM@1.36:67-117.
    """
    supported = manager_supports(release) or ()
    for etcd in _entries(node):
        version = text(etcd.get("version"))
        if version is None or _version_fault(version, release) is not None:
            continue
        if version.removeprefix("v") in supported or cluster.etcd_provider(etcd, release).value != MANAGER:
            continue
        newest = {supports.rpartition(".")[0]: supports for supports in supported}
        yield at_key(
            etcd,
            "version",
            f"etcd-manager of this kOps does not run etcd {quoted(version)}: "
            f"write a version that it has ({listed(list(newest.values()))}), or remove `version`",
            fix=_newer_patch_fix(etcd["version"], version, newest),
        )


def _newer_patch_fix(node: Node, version: str, newest: dict[str, str]) -> Fix | None:
    """The newest patch of the same minor: going further up, or back, is more than an edit."""
    from calico_lint.fix import set_value

    current = parse_semver(version)
    candidate = newest.get(version.removeprefix("v").rpartition(".")[0])
    parsed = parse_semver(candidate)
    if candidate is None or current is None or parsed is None or parsed < current:
        return None
    return set_value(node, candidate, safe=False)


# --- TLS and provider -----------------------------------------------------------------------------------


@rule("KE207", "etcd-tls-all-or-none", severity="error", origin="kops-written", until="1.22", changes=("1.12", "1.20"),
      on="etcdClusters", fix="unsafe")  # fmt: skip
def etcd_tls_all_or_none(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """TLS on some etcd clusters but not on all.

    The API server talks to all of them in one way, and so does Calico on etcd. kOps speaks of the first cluster,
    whichever lacks it. It looks again with its defaults, which switch TLS on for etcd-manager with etcd 3
    (from Kubernetes 1.12 on; in kOps 1.20 always): a cluster with provider `Legacy` beside it then lacks it. From 1.23
    on the key has no effect.

    Bad (kOps 1.16.4):
        kubernetesVersion: 1.11.10
        etcdClusters:
        - {name: main, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {kubenet: {}}
    Bad (kOps 1.16.4):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.16.4):
        etcdClusters:
        - {name: main, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: set `enableEtcdTLS` on every etcd cluster, or on none, and give all of them the same provider.
    Source: L@1.8:519, L@1.11:671-685, V@1.22:1028-1042; ETCD@1.12:79-100, ETCD@1.20:76-80.
    """
    entries = _entries(node)
    written = [etcd for etcd in entries if _writes_tls(etcd)]
    using = written or [etcd for etcd in entries if _tls_by_default(cluster, etcd, release)]
    if not using or len(using) == len(entries):
        return
    if not written and any(cluster.etcd_provider(etcd, release).value not in (MANAGER, LEGACY) for etcd in entries):
        return  # a provider that does not exist is refused before there are any defaults
    lacking = " and ".join(_named(etcd) for etcd in entries if etcd not in using)
    if written:
        message = f"{lacking} lacks the `enableEtcdTLS` that another etcd cluster has: set it on all, or on none"
        origin = "kops-written"
    else:
        message = f"{lacking} gets no TLS, the others do by default: give all the same `provider`, or set TLS on all"
        origin = "kops-completed"
    related = [(etcd.get("enableEtcdTLS") or etcd, "TLS is on here") for etcd in using if etcd is not entries[0]]
    cure = _tls_fix([etcd for etcd in entries if etcd not in written]) if written and release.minor >= 12 else None
    yield at_key(entries[0], "enableEtcdTLS", message, related=related, origin=origin, fix=cure)


def _tls_fix(lacking: list[Node]) -> Fix | None:
    """TLS on all. Not before kOps 1.12, whose etcd-manager has none."""
    from calico_lint import fix

    edits = []
    for etcd in lacking:
        written = etcd.get("enableEtcdTLS")
        if written is None:
            edits.append(fix.add_key(etcd, "enableEtcdTLS", True, safe=False))
        else:
            edits.append(fix.set_value(written, True, safe=False))
    return fix.combine(*edits)


def _writes_tls(etcd: Node) -> bool:
    node = etcd.get("enableEtcdTLS")
    return node is not None and node.value is True


def _tls_by_default(cluster: Cluster, etcd: Node, release: Version) -> bool:
    kubernetes = cluster.kubernetes
    if release.minor < 12 or kubernetes is None or cluster.etcd_provider(etcd, release).value != MANAGER:
        return False
    if release.minor >= 20:
        return True
    return kubernetes.minor >= 12 and cluster.etcd_version(etcd, release).value.startswith("3.")


@rule("KE208", "etcd-provider-value", severity="error", origin="kops-written", since="1.11", changes=("1.18", "1.23"),
      aliases=("P720",), on="etcdClusters", fix="safe")  # fmt: skip
def etcd_provider_value(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """An etcd `provider` that kOps does not take, or no longer.

    `Manager` is etcd-manager, `Legacy` the older way of running etcd. kOps 1.18 to 1.22 refuse `Legacy` from Kubernetes
    1.18 on, kOps 1.23 refuses it always. The spelling counts in a file, also where `kops set` takes lower case.

    Bad (kOps 1.16.4):
        etcdClusters:
        - {name: main, provider: manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, provider: manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Bad (kOps 1.22.6):
        etcdClusters:
        - {name: main, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.22.6):
        etcdClusters:
        - {name: main, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: write `Manager`, or remove the key; a cluster on `Legacy` has to move before Kubernetes 1.18.
    Source: V@1.11:332-349, V@1.18:558-564, V@1.22:992-998, V@1.23:1062-1064, V@1.36:1527-1529.
    """
    if cluster.api == "v1alpha3":
        return
    kubernetes = cluster.kubernetes
    refused = release.minor >= 23 or (release.minor >= 18 and kubernetes is not None and kubernetes.minor >= 18)
    for etcd in _entries(node):
        provider = etcd.get("provider")
        if provider is None:
            continue
        if provider.value == LEGACY and refused:
            from calico_lint.fix import remove_key

            yield Hit(
                provider,
                f"`provider: {LEGACY}` is gone with Kubernetes 1.18, and altogether in kOps 1.23: remove it",
                fix=remove_key(provider, safe=False),
            )
        else:
            yield from not_allowed(provider, (MANAGER,) if release.minor >= 23 else (MANAGER, LEGACY))


@rule("KE210", "etcd-manager-no-tls-1-11", severity="error", origin="kops-apply", since="1.10", until="1.11",
      changes=("1.11",), on="etcdClusters")  # fmt: skip
def etcd_manager_no_tls(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """TLS with the etcd-manager of kOps 1.10 and 1.11.

    That etcd-manager has no TLS yet, and `kops update cluster` stops. kOps 1.12 has it.

    Bad (kOps 1.11.1):
        etcdClusters:
        - {name: main, provider: Manager, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, provider: Manager, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {kubenet: {}}
    Good (kOps 1.11.1):
        etcdClusters:
        - {name: main, provider: Legacy, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, provider: Legacy, enableEtcdTLS: true, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {kubenet: {}}
    Fix: use kOps 1.12 or later, or provider `Legacy`.
    Source: EMM@1.10:225-226, EMM@1.11:346-348 and 429-431.
    """
    for etcd in _entries(node):
        if _writes_tls(etcd) and cluster.etcd_provider(etcd, release).value == MANAGER:
            yield at_key(
                etcd,
                "enableEtcdTLS",
                "`enableEtcdTLS` does not work with etcd-manager before kOps 1.12: use that, or `provider: Legacy`",
            )


@rule("KE211", "etcd-manager-no-timeouts", severity="error", origin="kops-apply", since="1.10",
      changes=("1.11", "1.20"), on="etcdClusters", fix="unsafe")  # fmt: skip
def etcd_manager_no_timeouts(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`leaderElectionTimeout` or `heartbeatInterval` with etcd-manager.

    etcd-manager has no such settings, and `kops update cluster` stops.

    Bad (kOps 1.36.2):
        etcdClusters:
        - {name: main, heartbeatInterval: 500ms, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.36.2):
        etcdClusters:
        - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: remove the key; with etcd-manager, `manager.env` can set variables of etcd.
    Source: EMM@1.10:216-222, EMM@1.11:336-344, EMM@1.36:521-527.
    """
    if cluster.api == "v1alpha3":
        return
    for etcd in _entries(node):
        if cluster.etcd_provider(etcd, release).value == MANAGER:
            for key in ("leaderElectionTimeout", "heartbeatInterval"):
                if text(etcd.get(key)) is not None:
                    from calico_lint.fix import remove_key

                    message = f"`{key}` does not exist in etcd-manager: remove it"
                    yield Hit(etcd[key], message, fix=remove_key(etcd[key], safe=False))


# kOps minor -> clouds that its etcd-manager joins or leaves there. EMM@1.10:231-253 to EMM@1.36:532-630.
_MANAGER_CLOUDS: tuple[tuple[int, frozenset[str]], ...] = (
    (10, frozenset(("aws", "gce"))),
    (14, frozenset(("digitalocean", "openstack"))),
    (17, frozenset(("alicloud",))),
    (20, frozenset(("azure",))),
    (24, frozenset(("alicloud", "hetzner"))),
    (26, frozenset(("scaleway",))),
    (31, frozenset(("metal",))),
)
_CLOUDS = frozenset(("baremetal", "vsphere", "linode")).union(*(clouds for _, clouds in _MANAGER_CLOUDS))


@rule("KE212", "etcd-manager-cloud", severity="error", origin="kops-apply", since="1.10",
      changes=("1.11", "1.14", "1.17", "1.20", "1.24", "1.26", "1.31"), on="etcdClusters")  # fmt: skip
def etcd_manager_cloud(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """etcd-manager on a cloud whose volumes it cannot find.

    etcd-manager looks for the volumes of its members in the cloud. Up to kOps 1.13 it knows AWS and GCE only, others
    came one by one; elsewhere `kops update cluster` stops.

    Bad (kOps 1.11.1):
        cloudProvider: openstack
        etcdClusters:
        - {name: main, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {kubenet: {}}
    Good (kOps 1.14.1):
        cloudProvider: openstack
        etcdClusters:
        - {name: main, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, provider: Manager, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: use a kOps that runs etcd-manager there, or provider `Legacy` where kOps still has it.
    Source: EMM@1.10:231-253, EMM@1.11:374, EMM@1.12:361-383, EMM@1.14, EMM@1.17, EMM@1.20, EMM@1.24, EMM@1.26,
        EMM@1.31, EMM@1.36:532-630.
    """
    cloud = "digitalocean" if cluster.cloud == "do" else cluster.cloud
    runs: frozenset[str] = frozenset()
    for minor, clouds in _MANAGER_CLOUDS:
        if minor <= release.minor:
            runs ^= clouds
    if cloud not in _CLOUDS or cloud in runs:
        return
    for etcd in _entries(node):
        if cluster.etcd_provider(etcd, release).value == MANAGER:
            yield at_key(
                etcd,
                "provider",
                f"etcd-manager of this kOps does not run on `{cloud}`: use another kOps, or `provider: Legacy`",
            )


@rule("KE213", "calico-etcd-tls-scheme", severity="error", origin="calico", until="1.17", changes=("1.9",),
      on="etcdClusters")  # fmt: skip
def calico_etcd_tls_scheme(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """TLS on etcd, and a Calico manifest that talks to it without.

    Up to kOps 1.8 every Calico manifest has `http://` written into the address of etcd; later only the one for
    Kubernetes before 1.6 has. kOps accepts `enableEtcdTLS` all the same, and no calico-node ever reaches its data.

    Bad (kOps 1.8.1):
        etcdClusters:
        - {name: main, enableEtcdTLS: true, version: 3.1.12, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, enableEtcdTLS: true, version: 3.1.12, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.9.2):
        etcdClusters:
        - {name: main, enableEtcdTLS: true, version: 3.1.12, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, enableEtcdTLS: true, version: 3.1.12, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Also: S13 P721
    Fix: use kOps 1.9 or later and Kubernetes 1.6 or later, or leave TLS off.
    Source: k8s-1.7.yaml.template@release-1.8:12 and @release-1.9:1,13, pre-k8s-1.6.yaml.template@release-1.11:12 of
        upup/models/cloudup/resources/addons/networking.projectcalico.org.
    """
    entries = _entries(node)
    kubernetes = cluster.kubernetes
    if not entries or cluster.cni != "calico" or kubernetes is None or not _writes_tls(entries[0]):
        return
    if release.minor <= 8 or kubernetes < Version(1, 6):
        yield at_key(
            entries[0],
            "enableEtcdTLS",
            "`enableEtcdTLS` cuts Calico off: the manifest of this kOps talks to etcd over `http://`; leave TLS off",
        )


@rule("KE215", "kubernetes-1.13-needs-etcd-3", severity="error", origin="calico", since="1.13", until="1.19",
      on="etcdClusters")  # fmt: skip
def kubernetes_needs_etcd_3(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Version 2 of etcd below Kubernetes 1.13 or later.

    kOps tells the API server to store as etcd 2 does where the first etcd cluster is version 2. Kubernetes 1.13 took
    that storage away: the API server does not start, and nothing of Calico is installed or updated.

    Bad (kOps 1.13.2):
        kubernetesVersion: 1.13.12
        etcdClusters:
        - {name: main, version: 2.2.1, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 2.2.1, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Good (kOps 1.13.2):
        kubernetesVersion: 1.12.10
        etcdClusters:
        - {name: main, version: 2.2.1, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 2.2.1, provider: Legacy, etcdMembers: [{name: a, instanceGroup: cp-a}]}
    Fix: move etcd to 3.x with etcd-manager while the cluster runs Kubernetes 1.12 or older (P705).
    Source: pkg/model/components/apiserver.go@release-1.13:55-62; CHANGELOG-1.13 of Kubernetes, "the deprecated etcd2
        storage backend has been removed".
    """
    first = cluster.first_etcd
    version = first.get("version") if first is not None else None
    if first is None or version is None or cluster.kubernetes is None or cluster.kubernetes < Version(1, 13):
        return
    backend = cluster.at("kubeAPIServer.storageBackend")
    if backend is not None and backend.value != "etcd2":
        return
    if isinstance(version.value, str) and version.value.removeprefix("v").startswith("2."):
        yield Hit(
            version,
            f"the API server of Kubernetes {cluster.kubernetes} stores nothing in etcd {version.value}: move etcd to "
            "3.x before Kubernetes to 1.13",
        )


RULES: list[Rule] = [
    etcd_clusters_required,
    etcd_member_count_odd,
    etcd_member_fields,
    etcd_cluster_name,
    etcd_version,
    etcd_versions_equal,
    etcd_tls_all_or_none,
    etcd_provider_value,
    etcd_manager_supported_version,
    etcd_manager_no_tls,
    etcd_manager_no_timeouts,
    etcd_manager_cloud,
    calico_etcd_tls_scheme,
    etcd_cluster_name_unique,
    kubernetes_needs_etcd_3,
]
