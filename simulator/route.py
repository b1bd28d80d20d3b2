"""The way from today's cluster to a goal: the fewest and least disruptive steps that are safe, in order.

A cluster is a `State`: the kOps that last applied it, its Kubernetes, its etcd, and whether `majorVersion: v3` is
written. What may follow what is read from the tables of `calico_lint.kops`; each refusal names the rule that refuses
it (`calico-lint --explain RULE`). The states and steps are a networkx graph whose shortest path is the answer. Steps
that are not safe are in it too, at a price that no safe way reaches: where the shortest path holds one there is no
way, and that step says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import networkx as nx

from calico_lint import fix
from calico_lint.cluster import Cluster
from calico_lint.kops import calico as calico_table
from calico_lint.kops import etcd as etcd_table
from calico_lint.kops.calico import ETCD_V2, ETCD_V3, KUBERNETES, Manifest
from calico_lint.kops.etcd import LEGACY, MANAGER
from calico_lint.kops.other_networks import what_applies
from calico_lint.kops.releases import (
    NEWEST_MINOR,
    Releases,
    Version,
    newest_of_minor,
    parse_release,
    parse_semver,
    takes_kubernetes,
)
from calico_lint.linter import lint_sources
from calico_lint.yaml_source import Source
from simulator.planning import Options, Plan, PlanError, make_plan
from simulator.upgrade import MIGRATING_RELEASES, OLDEST_MIGRATABLE

if TYPE_CHECKING:
    from calico_lint.finding import Finding, Fix
    from calico_lint.yaml_source import Node

# What a step costs the cluster, for the choice between ways: only the order of the numbers matters. The unit is one
# `kops update` that restarts little. A new Kubernetes minor replaces every node, the migration blocks scheduling; from
# etcd 2 to 3 the API server is down; a change of datastore parts the network and carries nothing over.
_KOPS, _KUBERNETES, _ETCD, _PROVIDER, _MIGRATION, _ETCD_2_TO_3, _DATASTORE = 2, 4, 5, 6, 8, 40, 60
_UNSAFE = 100_000
# Of ways that cost the same, the one whose kOps is newest: by much less than the smallest difference.
_OLD_KOPS = 0.001

_ETCD_3_SINCE = 13  # "the etcd2 storage backend has been removed": CHANGELOG-1.13 of Kubernetes


class RouteError(ValueError):
    """A start or a goal that cannot be used; the message says what can."""


class State(NamedTuple):
    """A cluster as far as the order of steps goes. `kops` and `kubernetes` are minors, `etcd` is (major, minor).

    `v3`: `majorVersion: v3` is written; `tls`: `enableEtcdTLS` is.
    """

    kops: int
    kubernetes: int
    etcd: tuple[int, int]
    provider: str
    v3: bool
    tls: bool = False

    @property
    def manifest(self) -> Manifest | None:
        """The Calico that this kOps applies."""
        return _manifest(self.kops, self.kubernetes, self.v3)

    def __str__(self) -> str:
        manifest = self.manifest
        calico = f"Calico {manifest.calico} on {_STORES[manifest.datastore]}" if manifest else "no Calico"
        etcd = ".".join(map(str, self.etcd))
        return f"kOps 1.{self.kops}, Kubernetes 1.{self.kubernetes}, etcd {etcd} ({self.provider}), {calico}"


@cache  # asked for every step of the graph
def _manifest(kops: int, kubernetes: int, v3: bool) -> Manifest | None:
    return calico_table.manifest(newest_of_minor(kops), Version(1, kubernetes), major_version_v3=v3)


_STORES = {ETCD_V2: "the etcd v2 API", ETCD_V3: "the etcd v3 API", KUBERNETES: "the Kubernetes datastore"}


@dataclass(frozen=True, slots=True)
class Move:
    """One possible step. `refused` is why it is not safe, with its rule; None: it is safe.

    `warnings` are rules that speak of it without refusing it. `fields` are the values to write before
    `kops update cluster`, by path below `spec` (`etcdClusters` stands for every member of it).
    """

    kind: str
    before: State
    after: State
    title: str
    why: str
    cost: float
    fields: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    refused: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """What the route leads to: a name for people and a test."""

    text: str
    reached: Callable[[State], bool]
    newest_kops: int = NEWEST_MINOR
    kubernetes: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The answer: the moves in order; empty where the start is the goal already.

    `refused` holds the steps that are not safe of the best way there is, where no way is safe; then `moves` is empty.
    """

    start: State
    goal: Goal
    moves: tuple[Move, ...]
    refused: tuple[Move, ...] = ()
    assumptions: tuple[str, ...] = field(default=())


# --- goals ----------------------------------------------------------------------------------------------

_FORMS = "v3, crd, kops=1.24, kubernetes=1.24 or calico=3.23"


def parse_goal(text: str) -> Goal:
    """A goal as `--to` takes it. Raises RouteError.

    `v3` is Calico v3 whatever its datastore, `crd` Calico on the Kubernetes datastore; the others are a minor or a
    later one.
    """
    word = text.strip().lower()
    if word == "v3":
        return Goal("Calico v3", lambda state: state.manifest is not None and state.manifest.datastore != ETCD_V2)
    if word == "crd":
        return Goal("Calico on the Kubernetes datastore", _on_crd)
    name, _, version = word.partition("=")
    match = re.fullmatch(r"v?(\d{1,2})\.(\d{1,3})(?:\.\d{1,3})?", version.strip())
    if match is None or name not in ("kops", "kubernetes", "calico"):
        raise RouteError(f"{text!r} is no goal: write {_FORMS}")
    major, minor = int(match[1]), int(match[2])
    if name == "calico":
        return Goal(f"Calico {major}.{minor} or later", lambda state: _calico(state) >= (major, minor))
    if major != 1 or not 8 <= minor <= NEWEST_MINOR:
        raise RouteError(f"{text!r}: the known releases are 1.8 to 1.{NEWEST_MINOR}")
    if name == "kops":
        return Goal(f"kOps 1.{minor}", lambda state: state.kops == minor, newest_kops=minor)
    return Goal(f"Kubernetes 1.{minor}", lambda state: state.kubernetes == minor, kubernetes=minor)


def _on_crd(state: State) -> bool:
    return state.manifest is not None and state.manifest.datastore == KUBERNETES


def _calico(state: State) -> tuple[int, int]:
    manifest = state.manifest
    return (0, 0) if manifest is None else (manifest.calico.major, manifest.calico.minor)


# --- where the cluster stands ---------------------------------------------------------------------------


def start_of(cluster: Cluster, releases: Releases) -> tuple[State, list[str]]:
    """(where the cluster stands today, what was assumed for that).

    `releases` is the kOps that last applied the spec, or those that may have: then the oldest of them is taken,
    because what an older one has left to do is safe to do twice. Raises RouteError.
    """
    if cluster.cni != "calico":
        what = f"runs {cluster.cni}" if cluster.cni else "names no networking option"
        raise RouteError(f"the spec {what}, not Calico: there is no datastore to move; {what_applies(cluster.cni)}")
    if cluster.kubernetes is None:
        raise RouteError("spec.kubernetesVersion is missing or unreadable: it decides which Calico is run")
    etcd = cluster.first_etcd
    if etcd is None:
        raise RouteError("the spec has no etcdClusters: what Calico's datastore is cannot be told")
    release = releases.first
    setting = cluster.etcd_version(etcd, release)
    version = parse_semver(setting.value)
    if version is None:
        raise RouteError(f"etcd version {setting.value!r} cannot be read: write it as 3.2.24")
    v3 = cluster.major_version_v3
    assumptions = []
    if v3 and version < Version(3, 0) and cluster.kubernetes < Version(1, 12):
        # The spec of an upgrade that cannot be: who asks for a route has not applied it.
        v3 = False
        assumptions.append("`majorVersion: v3` is not in force yet: kOps refuses it with etcd 2 (KC102)")
    state = State(
        release.minor,
        cluster.kubernetes.minor,
        (version.major, version.minor),
        cluster.etcd_provider(etcd, release).value,
        v3,
        any((node := item.get("enableEtcdTLS")) is not None and node.value is True for item in cluster.etcd_clusters),
    )
    if state.manifest is None:
        raise RouteError(f"kOps {release} has no Calico manifest for Kubernetes {cluster.kubernetes}")
    if not releases.given:
        assumptions.append(
            f"the kOps that last applied this spec is not given (--kops-version); of {releases} the oldest is taken"
        )
    if not setting.written:
        assumptions.append(f"etcd {setting.value} is not written: it is the default ({setting.source})")
    return state, assumptions


# --- what may follow ------------------------------------------------------------------------------------


def moves_from(state: State, goal: Goal) -> Iterator[Move]:
    """Every step that changes one thing, safe or not."""
    for kops in range(state.kops + 1, goal.newest_kops + 1):
        yield _kops(state, kops)
    if state.kubernetes < min(state.kops, goal.kubernetes or NEWEST_MINOR):
        yield _kubernetes(state)
    if state.provider == LEGACY and state.kops >= 12:
        yield _manager(state)
    yield from _etcd(state)
    if not state.v3 and state.manifest is not None and state.manifest.datastore == ETCD_V2:
        yield _migration(state)


def _kops(state: State, kops: int) -> Move:
    after = state._replace(kops=kops)
    release = newest_of_minor(kops)
    refused = None
    if not takes_kubernetes(kops, state.kubernetes):
        refused = ("KV302", f"kOps 1.{kops} no longer takes Kubernetes 1.{state.kubernetes}")
    elif after.manifest is None:
        refused = ("KV304", f"kOps 1.{kops} has no Calico for Kubernetes 1.{state.kubernetes}")
    else:
        refused = _etcd_refused(after, release)
    before, manifest = state.manifest, after.manifest
    warnings = []
    if before is not None and manifest is not None:
        if before.ipam != manifest.ipam:
            warnings.append(("P707", f"IPAM changes from {before.ipam} to {manifest.ipam}; the init container does it"))
        if state.kops < 22 <= kops:
            warnings.append(("P715", "on AWS without modes written, encapsulation becomes CrossSubnet"))
    calico = ""
    if before is not None and manifest is not None and before.calico != manifest.calico:
        calico = f"; Calico {before.calico} becomes {manifest.calico}"
    return Move(
        "kops",
        state,
        after,
        f"apply the spec with kOps {release}",
        f"the next step needs it{calico}",
        _KOPS + _OLD_KOPS * (NEWEST_MINOR - kops),
        fields=_pins(state, after),
        warnings=tuple(warnings),
        refused=refused,
    )


def _etcd_refused(after: State, release: Version) -> tuple[str, str] | None:
    """Why this kOps does not run this etcd, or None."""
    series = ".".join(map(str, after.etcd))
    if after.provider == LEGACY:
        # P720: Legacy ends with Kubernetes 1.18 from kOps 1.18 on, and with kOps 1.23.
        if release.minor >= 23 or (release.minor >= 18 and after.kubernetes >= 18):
            return "P720", f"kOps {release} takes no etcd provider Legacy for Kubernetes 1.{after.kubernetes}"
        return None
    if release.minor < 12:
        return None
    if _patch(after.etcd, release) is None:
        return "KE204", f"etcd-manager of kOps {release} does not run etcd {series}"
    return None


@cache
def _patch(series: tuple[int, int], release: Version) -> str | None:
    """The newest version of an etcd series that this kOps' etcd-manager runs."""
    versions = [version for text in etcd_table.manager_supports(release) or () if (version := parse_semver(text))]
    return max((str(version) for version in versions if (version.major, version.minor) == series), default=None,
               key=lambda text: parse_semver(text) or Version(0, 0))  # fmt: skip


def _kubernetes(state: State) -> Move:
    after = state._replace(kubernetes=state.kubernetes + 1)
    release = newest_of_minor(state.kops)
    before, manifest = state.manifest, after.manifest
    refused = None
    if not takes_kubernetes(state.kops, after.kubernetes):
        refused = ("KV303", f"kOps 1.{state.kops} does not know Kubernetes 1.{after.kubernetes}")
    elif manifest is None:
        refused = ("KV304", f"kOps 1.{state.kops} has no Calico for Kubernetes 1.{after.kubernetes}")
    elif after.kubernetes >= _ETCD_3_SINCE and state.etcd < (3, 0):
        refused = ("KE215", f"the API server of Kubernetes 1.{after.kubernetes} stores nothing in etcd 2 any more")
    else:
        refused = _etcd_refused(after, release)
    cost: float = _KUBERNETES
    warnings = []
    why = "Kubernetes is raised one minor at a time"
    if before is not None and manifest is not None and before.datastore != manifest.datastore:
        cost += _DATASTORE
        why = "kOps keeps Calico's data in the Kubernetes datastore from Kubernetes 1.12 on"
        warnings.append(
            (
                "P706",
                "nodes of the old and the new datastore cannot reach each other until all are replaced, and nothing is "
                "migrated: policies and pools of Calico's own must be exported before and applied again after",
            )
        )
    if _forces_tls(after) and not _forces_tls(state):
        warnings.append(("P708", "etcd changes to TLS: the whole control plane is replaced at once"))
    return Move(
        "kubernetes",
        state,
        after,
        f"raise Kubernetes to the newest 1.{after.kubernetes}",
        why,
        cost,
        fields=(("kubernetesVersion", f"1.{after.kubernetes}.0"), *_pins(state, after)),
        warnings=tuple(warnings),
        refused=refused,
    )


def _manager(state: State) -> Move:
    release = newest_of_minor(state.kops)
    after = state._replace(provider=MANAGER)
    return Move(
        "provider",
        state,
        after,
        "let etcd-manager take over etcd, at the same version",
        "only etcd-manager can change etcd's version, and kOps 1.23 knows nothing else",
        _PROVIDER,
        fields=(("etcdClusters.provider", MANAGER), ("etcdClusters.version", _written(state, release))),
        warnings=(("P708", "etcd changes to TLS: the whole control plane is replaced at once"),)
        if _forces_tls(after)
        else (),
        refused=_no_certificate(after) or _etcd_refused(after, release),
    )


def _forces_tls(state: State) -> bool:
    """Whether kOps turns etcd's TLS on whatever is written: etcd.go:95-98 of pkg/model/components@release-1.12."""
    return state.provider == MANAGER and state.kubernetes >= 12 and state.etcd >= (3, 0) and not state.tls


def _no_certificate(after: State) -> tuple[str, str] | None:
    """Calico on etcd with TLS gets its certificate from nodeup only where etcd-manager is not used.

    nodeup/pkg/model/etcd_tls.go:35@release-1.12; kubernetes/kops#7333.
    """
    if not after.tls or after.provider != MANAGER or after.manifest is None or after.manifest.datastore == KUBERNETES:
        return None
    return "S14", "with etcd-manager and TLS no node gets the certificate that Calico needs to reach etcd"


def _etcd(state: State) -> Iterator[Move]:
    """The next etcd minor; from 2 the newest 3.x that this kOps runs is not nearer than 3.1."""
    release = newest_of_minor(state.kops)
    texts = etcd_table.manager_supports(release) or ("3.2.24",)
    series = sorted({(version.major, version.minor) for text in texts if (version := parse_semver(text))})
    later = [item for item in series if item > state.etcd]
    if not later:
        return
    # Out of 2.x any 3.x restores the same backup: the choice is free, and 3.2 is what kOps' documents test.
    target = (3, 2) if state.etcd[0] == 2 and (3, 2) in later else later[0]
    after = state._replace(etcd=target)
    major = state.etcd[0] != target[0]
    refused = None
    if state.provider == LEGACY and major:
        refused = ("P704", "with provider Legacy there is no way from etcd 2 to etcd 3: the data would be lost")
    elif state.provider == LEGACY:
        refused = ("P710", "with provider Legacy nothing upgrades etcd's data")
    elif state.kops < 12:
        refused = ("P705", "etcd-manager changes versions from kOps 1.12 on")
    warnings = (
        (("P705", "the API server is down meanwhile; every etcd cluster must move in the same step"),) if major else ()
    )
    written = _patch(target, release) or "3.2.24"
    yield Move(
        "etcd",
        state,
        after,
        f"move etcd to {written}, both clusters at once",
        "Calico v3 needs the etcd v3 API" if major else "a later kOps runs no older etcd",
        _ETCD_2_TO_3 if major else _ETCD,
        fields=(("etcdClusters.version", written),),
        warnings=warnings,
        refused=refused,
    )


def _migration(state: State) -> Move:
    after = state._replace(v3=True)
    before = state.manifest
    assert before is not None
    manifest = after.manifest
    refused = None
    if state.kubernetes < 7:
        refused = ("KV304", f"Calico v3 needs Kubernetes 1.7, this is 1.{state.kubernetes}")
    elif state.etcd < (3, 0):
        refused = ("KC102", "Calico v3 needs etcd 3")
    elif manifest is None or manifest.datastore != ETCD_V3:
        refused = ("S5", f"kOps 1.{state.kops} knows no `majorVersion: v3`; it takes kOps {MIGRATING_RELEASES}")
    elif not manifest.job_completes:
        refused = ("S9", f"with kOps 1.{state.kops} the migration never ends; it takes kOps {MIGRATING_RELEASES}")
    elif before.calico < OLDEST_MIGRATABLE:
        refused = ("S4", f"the migration needs Calico {OLDEST_MIGRATABLE}, kOps 1.{state.kops} ran {before.calico}")
    return Move(
        "migration",
        state,
        after,
        "migrate Calico from v2 to v3: `majorVersion: v3`",
        "Calico v3 keeps its data under the etcd v3 API; this is the step that blocks new pods",
        _MIGRATION,
        fields=(("networking.calico.majorVersion", "v3"), *_pins(state, after, always=True)),
        refused=refused,
    )


def _pins(before: State, after: State, *, always: bool = False) -> tuple[tuple[str, str], ...]:
    """What must be written so that a default of the new release changes nothing of etcd besides."""
    release, kubernetes = newest_of_minor(after.kops), Version(1, after.kubernetes)
    pins = []
    provider = etcd_table.default_provider(release, kubernetes, has_manager_block=False)
    if provider != after.provider and release.minor >= 11:
        pins.append(("etcdClusters.provider", after.provider))
    version = parse_semver(etcd_table.default_version(release, kubernetes, after.provider)[0])
    if always or version is None or (version.major, version.minor) != before.etcd:
        pins.append(("etcdClusters.version", _written(before, release)))
    return tuple(pins)


def _written(state: State, release: Version) -> str:
    """An etcd version of the state's series, as it would be written for this kOps."""
    usual = {(2, 2): "2.2.1", (3, 0): "3.0.17", (3, 1): "3.1.12", (3, 2): "3.2.24"}
    return usual.get(state.etcd) or _patch(state.etcd, release) or ".".join(map(str, (*state.etcd, 0)))


# --- the way --------------------------------------------------------------------------------------------


def find_route(start: State, assumptions: Sequence[str], goals: Sequence[Goal]) -> Route:
    """The cheapest way from a start (with what was assumed for it) to where every goal holds.

    Raises RouteError where no step, safe or not, leads there (an older release than today's, for instance).
    """
    goal = Goal(
        " and ".join(item.text for item in goals),
        lambda state: all(item.reached(state) for item in goals),
        newest_kops=min(item.newest_kops for item in goals),
        kubernetes=min((item.kubernetes for item in goals if item.kubernetes is not None), default=None),
    )
    graph = _graph(start, goal)
    ends = [state for state in graph if goal.reached(state)]
    if not ends:
        raise RouteError(f"no upgrade leads from {start} to {goal.text}: nothing here goes back to an older release")
    lengths, paths = nx.single_source_dijkstra(graph, start, weight="cost")
    end = min(ends, key=lambda state: (lengths[state], state))
    path = paths[end]
    moves = [graph.edges[before, after]["move"] for before, after in pairwise(path)]
    refused = tuple(move for move in moves if move.refused is not None)
    return Route(start, goal, () if refused else tuple(moves), refused, tuple(assumptions))


def _graph(start: State, goal: Goal) -> nx.DiGraph[Any]:
    """All states that steps reach from the start, goal states being ends."""
    graph: nx.DiGraph[Any] = nx.DiGraph()
    graph.add_node(start)
    open_states = [start]
    while open_states:
        state = open_states.pop()
        if goal.reached(state):
            continue
        for move in moves_from(state, goal):
            if move.after not in graph:
                open_states.append(move.after)
            cost = move.cost + (_UNSAFE if move.refused else 0)
            graph.add_edge(state, move.after, move=move, cost=cost)
    return graph


# --- what each step does --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a route on the user's own spec.

    `written` are the fields that differ from the spec before, with the path in the file. `plan` predicts what Calico
    does meanwhile; where it is None, `unpredicted` says why. `findings` are the linter's errors on the pair of specs.
    """

    move: Move
    written: tuple[tuple[str, str], ...]
    plan: Plan | None
    unpredicted: str
    findings: tuple[Finding, ...]


def stages(route: Route, spec: Source, options: Options) -> Iterator[Stage]:
    """Write each step into the spec, lint the pair and plan it.

    Stops predicting, and says so, where a field cannot be written by a splice (it stands behind an anchor).
    """
    source: Source | None = spec if route.start.v3 else _without_major_version(spec)
    for move in route.moves:
        if source is None:
            fields = tuple((f"spec.{path}", value) for path, value in move.fields)
            yield Stage(move, fields, None, "an earlier field could not be written into the spec", ())
            continue
        written, after = _write(source, move.fields)
        if after is None:
            yield Stage(move, written, None, f"{written[-1][0]} must be written by hand: it is behind an anchor", ())
        else:
            yield _stage(move, written, source, after, options)
        source = after


def _stage(move: Move, written: tuple[tuple[str, str], ...], old: Source, new: Source, options: Options) -> Stage:
    releases = parse_release(str(newest_of_minor(move.after.kops)))
    old_releases = parse_release(str(newest_of_minor(move.before.kops)))
    before, after = move.before.manifest, move.after.manifest
    plan, why = None, ""
    if before is not None and after is not None and before.datastore != after.datastore and move.kind != "migration":
        why = "a change of datastore is no rolling upgrade: the nodes part until all are replaced"
    elif before is not None and after is not None and (before.id, before.calico) == (after.id, after.calico):
        why = "Calico stays as it is"
    else:
        try:
            plan = make_plan(new, old, releases, old_releases, options)
        except PlanError as error:
            why = str(error).removeprefix(f"{new.path}: ")
    findings = plan.lint.findings if plan is not None else lint_sources(new, old, releases, old_releases).findings
    return Stage(move, written, plan, why, tuple(item for item in findings if item.severity == "error"))


def _write(source: Source, fields: Sequence[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], Source | None]:
    """(what was written where, the spec afterwards); None where a field cannot be spliced."""
    written: list[tuple[str, str]] = []
    for path, value in fields:
        parent, _, key = path.rpartition(".")
        count = len(_holders(source, parent))
        for index in range(count):
            # Spliced one by one, because each splice moves what stands behind it.
            holder = _holders(source, parent)[index]
            node = holder.get(key)
            if node is not None and str(node.value).removeprefix("v") == value.removeprefix("v"):
                continue
            named = node.field if node is not None else f"{holder.field}.{key}"
            written.append((named, value))
            found = (
                fix.add_key(holder, key, value, safe=False) if node is None else fix.set_value(node, value, safe=False)
            )
            if found is None:
                return tuple(written), None
            source = _spliced(source, found)
    return tuple(written), source


def _without_major_version(source: Source) -> Source:
    """The spec before `majorVersion` was written, where it is."""
    node = lint_sources(source).clusters[0][0].at("networking.calico.majorVersion")
    found = fix.remove_key(node, safe=False) if node is not None else None
    return source if found is None else _spliced(source, found)


def _spliced(source: Source, found: Fix) -> Source:
    text = source.text
    for edit in sorted(found.edits, key=lambda edit: -edit.start):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return Source(source.path, text.encode())


def _holders(source: Source, parent: str) -> list[Node]:
    """The mappings that hold a field: one, or every etcd cluster."""
    cluster = lint_sources(source).clusters[0][0]
    if parent == "etcdClusters":
        return list(cluster.etcd_clusters)
    node = cluster.at(parent) if parent else cluster.spec
    return [] if node is None else [node]


# --- what to run ----------------------------------------------------------------------------------------

_UPDATE = ("kops update cluster NAME   # a preview: read it", "kops update cluster NAME --yes")
_ROLL = "kops rolling-update cluster NAME --yes   # replaces nodes one after the other, for hours"
_AT_ONCE = "kops rolling-update cluster NAME --cloudonly --instance-group-roles=Master --master-interval=1s --yes"
_BACKUP = "etcdctl snapshot save FILE   # etcd 2: etcdctl backup; with etcd-manager look for its newest backup"
_CALICO_KINDS = "bgpConfigurations,bgpPeers,felixConfigurations,globalNetworkPolicies,hostEndpoints,ipPools"

_COMMANDS: dict[str, tuple[str, ...]] = {
    "kops": (*_UPDATE, _ROLL, "kops validate cluster --name NAME"),
    "kubernetes": ("kops replace -f SPEC", *_UPDATE, _ROLL, "kops validate cluster --name NAME"),
    "datastore": (
        f"calicoctl get {_CALICO_KINDS} -o yaml --export > calico-objects.yaml   # nothing carries them over",
        "kops replace -f SPEC",
        *_UPDATE,
        "kops rolling-update cluster NAME --cloudonly --master-interval=1s --node-interval=1s --yes   # all at once: "
        "the shorter, the less the two halves miss each other",
        "kops validate cluster --name NAME",
        "calicoctl apply -f calico-objects.yaml",
    ),
    "provider": (_BACKUP, "kops replace -f SPEC", *_UPDATE, _AT_ONCE, "kops validate cluster --name NAME"),
    "etcd": (_BACKUP, "kops replace -f SPEC", *_UPDATE, _AT_ONCE, "kops validate cluster --name NAME"),
    "migration": (
        _BACKUP,
        "calico-upgrade dry-run   # must be clean; offline: calico-lint --v1-data EXPORT",
        "calico-sim plan SPEC",
        "kops replace -f SPEC",
        *_UPDATE,
        "kubectl -n kube-system get pods -l k8s-app=calico-node -w   # one after the other",
        "kubectl -n kube-system get pods,jobs,daemonsets,nodes -o json | calico-sim recover -   # if it stands still",
    ),
}


def commands(move: Move, cluster: str, spec: str) -> list[str]:
    """What to run for a step, in order, with the names of the cluster and of its spec filled in."""
    before, after = move.before.manifest, move.after.manifest
    kind = move.kind
    if kind == "kubernetes" and before is not None and after is not None and before.datastore != after.datastore:
        kind = "datastore"
    release = newest_of_minor(move.after.kops)
    filled = [command.replace("NAME", cluster).replace("SPEC", spec) for command in _COMMANDS[kind]]
    return [f"kops version   # must print {release}", *filled] if kind == "kops" else filled
