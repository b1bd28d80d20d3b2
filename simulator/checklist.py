"""What to look at before the upgrade is started: one table of checks, and those of them that a plan calls for.

A spec says what kOps will do, not how the cluster is at this moment: that is what these commands show. They are filled
in with the cluster's own names; capitals that remain (`DIRECTORY`, `STORE`) are the reader's to fill in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from calico_lint.kops.calico import ETCD_V3, KUBERNETES
from calico_lint.kops.etcd import MANAGER
from calico_lint.kops.releases import Version
from simulator.catalogue import CONTROLLERS, JOB, KEYS_V3, NODES, PODS, READY_V1, VERSION_V1
from simulator.risks import etcd
from simulator.scenario import V2_TO_V3, V3_ROLLING

if TYPE_CHECKING:
    from simulator.planning import Plan


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. `shows` is what the last of `commands` must show, `why` what happens where it does not.

    `settled` is what the plan knows of it already; empty: nothing. `faults` are ids of the catalogue.
    """

    id: str
    name: str
    commands: tuple[str, ...]
    shows: str
    why: str
    protocols: tuple[str, ...] = (V2_TO_V3, V3_ROLLING)
    needed: Callable[[Plan], bool] = lambda _: True
    faults: tuple[str, ...] = ()
    settled: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "commands": list(self.commands),
            "shows": self.shows,
            "why": self.why,
            "faults": list(self.faults),
            "settled": self.settled or None,
        }


def checklist(plan: Plan) -> tuple[Check, ...]:
    """The checks of a plan's upgrade in the order in which to do them; none where it is blocked."""
    if plan.scenario is None:
        return ()
    words = _words(plan)
    to = etcd(plan.cluster)
    return tuple(
        replace(
            check,
            commands=tuple(to.fill(_filled(command, words)) for command in check.commands),
            shows=_filled(check.shows, words),
            why=_filled(check.why, words),
            settled=_settled(check.id, plan),
        )
        for check in CHECKS
        if plan.upgrade.protocol in check.protocols and check.needed(plan)
    )


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda match: words.get(match[1], match[0]), text)


def _settled(id: str, plan: Plan) -> str:
    data = plan.options.v1_data
    if id == "dry-run" and data is not None:
        return f"{', '.join(data.paths)}: it converts, as it was then"
    if id == "kops" and plan.kops.given:
        return f"the plan is for kOps {plan.kops}"
    return ""


def _words(plan: Plan) -> dict[str, str]:
    release, cluster = plan.upgrade.release, plan.cluster
    unavailable = plan.options.max_unavailable
    pull = "docker pull" if (cluster.kubernetes or release) < Version(1, 20) else "crictl pull"
    images = images_of(plan)
    return {
        "cluster": quote(cluster.name or "NAME"),
        "nodes": str(plan.nodes),
        "release": str(release),
        "unavailable": str(unavailable),
        "patched": "" if unavailable == 1 else " (kOps writes 1: patch it behind `kops update`)",
        "pulls": quote(" && ".join(f"sudo {pull} {quote(image)}" for image in images)),
        "backups": quote(_backups(plan)),
    }


def _backups(plan: Plan) -> str:
    """Where etcd-manager keeps its backups: written, else below configBase (etcdmanager/options.go@release-1.24:49)."""
    main, cluster = plan.cluster.first_etcd, plan.cluster
    store = main.get("backups", "backupStore") if main is not None else None
    if store is not None and isinstance(store.value, str) and store.value:
        return store.value
    base = cluster.text("configBase") or f"STORE/{cluster.name}"
    return f"{base.rstrip('/')}/backups/etcd/main"


def images_of(plan: Plan) -> list[str]:
    """The images that every node pulls, as kOps' manifests name them (image lines of the templates, 1.11 to 1.36)."""
    release, version = plan.upgrade.release, plan.upgrade.calico_to
    # A registry can be given since 1.19; the first manifests of v3 name quay.io, those of 1.15 to 1.18 none.
    prefix = "quay.io/" if release.minor < 15 else ""
    if release.minor >= 19 and plan.upgrade.manifest.datastore == KUBERNETES:
        prefix = f"{(plan.cluster.text('networking.calico.registry') or 'docker.io').rstrip('/')}/"
    images = [f"{prefix}calico/{name}:v{version}" for name in ("node", "cni")]
    return (["calico/upgrade:v1.0.5"] if plan.upgrade.protocol == V2_TO_V3 else []) + images


# --- when a check applies ---------------------------------------------------------------------------------


def _managed(plan: Plan) -> bool:
    main = plan.cluster.first_etcd
    return main is not None and plan.cluster.etcd_provider(main, plan.upgrade.release).value == MANAGER


def _on_etcd(plan: Plan) -> bool:
    return plan.upgrade.manifest.datastore == ETCD_V3


def _on_crds(plan: Plan) -> bool:
    return plan.upgrade.manifest.datastore == KUBERNETES


def _typha(plan: Plan) -> bool:
    node = plan.cluster.at("networking.calico.typhaReplicas")
    return plan.upgrade.protocol == V3_ROLLING and node is not None and isinstance(node.value, int) and node.value > 0


_MIGRATION: Final = (V2_TO_V3,)
_ROLLING: Final = (V3_ROLLING,)
_PRESSURE: Final = (
    "kubectl get nodes -o 'custom-columns=NODE:.metadata.name,"
    'DISK:.status.conditions[?(@.type=="DiskPressure")].status,'
    'MEMORY:.status.conditions[?(@.type=="MemoryPressure")].status\''
)
_BACKUP: Final = "There is a backup of etcd that is younger than the last change"

CHECKS: Final = (
    Check(
        "kops",
        "kOps is the release that was planned",
        ("kops version",),
        "<release>",
        "another release brings another Calico, and with kOps 1.15 to 1.19 the migration never ends",
        _MIGRATION,
        faults=("F18",),
    ),
    Check(
        "kops",
        "kOps is the release that was planned",
        ("kops version",),
        "<release>",
        "another release brings another Calico",
        _ROLLING,
    ),
    Check(
        "preview",
        "kOps changes nothing else",
        ("kops update cluster <cluster>", "kops rolling-update cluster <cluster>"),
        "no change but that of Calico's addon, and no instance group that needs an update",
        "what else is changed, or replaced node by node, comes on top of everything in this plan",
    ),
    Check(
        "etcd-backup",
        _BACKUP,
        (
            "ETCDCTL_API=3 etcdctl snapshot save v3.db   # the v3 store: no key of the v2 store is in it",
            "ETCDCTL_API=2 etcdctl backup --data-dir DIRECTORY --backup-dir v2-backup   # both on one etcd member",
        ),
        "no error, and member/snap and member/wal in v2-backup",
        "Calico v1 is in the v2 store, the copy goes to the v3 store, where Kubernetes is: a rollback needs the first, "
        "everything the second",
        _MIGRATION,
    ),
    Check(
        "etcd-backup",
        _BACKUP,
        ("etcd-manager-ctl --backup-store=<backups> list-backups | tail -3",),
        "a backup of the last 15 min, in which etcd-manager makes one",
        "all of Kubernetes is in this etcd, and with it Calico's data",
        _ROLLING,
        _managed,
    ),
    Check(
        "etcd-backup",
        _BACKUP,
        ("ETCDCTL_API=3 etcdctl snapshot save v3.db   # on one etcd member",),
        "no error",
        "all of Kubernetes is in this etcd, and with it Calico's data",
        _ROLLING,
        lambda plan: not _managed(plan),
    ),
    Check(
        "calico-backup",
        "Calico's own objects are kept somewhere else, too",
        (
            "for kind in $(kubectl api-resources --api-group=crd.projectcalico.org -o name); "
            "do echo ---; kubectl get $kind -o yaml; done > calico.yaml",
        ),
        "a file with every pool, peer and policy (grep -c '^  kind:' calico.yaml)",
        "it is what one compares with, and brings back, when a policy is missing",
        needed=_on_crds,
    ),
    Check(
        "calico-backup",
        "Calico's v1 objects are kept somewhere else, too",
        (
            "for kind in ipPool policy profile hostEndpoint bgpPeer node; "
            "do echo ---; calicoctl get $kind -o yaml; done > calico-v1.yaml   # v2's calicoctl",
        ),
        "a file with every pool, peer and policy",
        "it is what one compares with when a policy is missing, and what `calico-lint --v1-data` reads",
        _MIGRATION,
    ),
    Check(
        "version",
        "What runs today is Calico 2.6.5 or later, and is what the store says",
        (VERSION_V1,),
        "v2.6.5 or later",
        "the migration refuses anything older, and the first node stays without Felix until it is rolled back",
        _MIGRATION,
        faults=("F9",),
    ),
    Check(
        "unlocked",
        "No earlier attempt has left the datastore locked",
        (READY_V1,),
        "true",
        "every init container would wait for a migration that nobody does",
        _MIGRATION,
        faults=("F2", "F3"),
    ),
    Check(
        "v3-empty",
        "Calico's v3 store is empty",
        (KEYS_V3,),
        "nothing",
        "the migration starts on an empty store only, and fails again and again",
        _MIGRATION,
        faults=("F7",),
    ),
    Check(
        "dry-run",
        "Calico's v1 data converts",
        ("calico-lint --v1-data calico-v1.yaml", "calico-upgrade dry-run   # with calico-upgrade v1.0.5"),
        "no error; what is renamed or left out is what you expect",
        "one object that does not convert stops the first node, while policies are frozen",
        _MIGRATION,
        faults=("F6",),
    ),
    Check(
        "nodes",
        "Every node is Ready",
        (NODES,),
        "<nodes> nodes, none of them NotReady",
        "the roll counts a NotReady node as one that is being upgraded: with maxUnavailable <unavailable> it waits for "
        "that node",
        faults=("F13", "F14"),
    ),
    Check(
        "calico-node",
        "calico-node is healthy on every node",
        (PODS,),
        "<nodes> pods, all Running and Ready, RESTARTS not growing",
        "what fails today fails in the middle of the roll, and holds it up",
        faults=("F11",),
    ),
    Check(
        "strategy",
        "The DaemonSet rolls by itself, as many nodes at a time as was planned",
        (
            "kubectl -n kube-system get daemonset calico-node -o "
            "'jsonpath={.spec.updateStrategy.type} {.spec.updateStrategy.rollingUpdate.maxUnavailable}'",
        ),
        "RollingUpdate <unavailable><patched>",
        "with OnDelete, which kOps before 1.9 left behind, nothing is rolled, and the completion Job never ends",
    ),
    Check(
        "images",
        "Every node can pull the images, or better: has them",
        (
            'for node in $(kubectl get nodes -o \'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")]'
            ".address}'); do ssh $node <pulls>; done",
        ),
        "every pull succeeds, on every node (a registry of your own: with its name in front)",
        "one image that cannot be pulled on one node stops the roll there, with a back-off of up to 5 min",
        faults=("F12",),
    ),
    Check(
        "disk",
        "There is room for the images on every node",
        (
            _PRESSURE,
            "df -h / /var/lib; df -i / /var/lib   # on the nodes",
        ),
        "False everywhere; more than 15% of the disk and 5% of the inodes free",
        "below that kubelet, as it is set by default, removes images and evicts pods: an eviction of the first pod "
        "while it migrates leaves the datastore locked",
        _MIGRATION,
        faults=("F1", "F2", "F3"),
    ),
    Check(
        "disk",
        "There is room for the images on every node",
        (_PRESSURE,),
        "False everywhere",
        "under pressure kubelet removes images and evicts pods, and the roll stops at that node",
        _ROLLING,
    ),
    Check(
        "controllers",
        "kube-controllers runs and can be scheduled again",
        (
            CONTROLLERS,
            "kubectl get nodes -o 'custom-columns=NODE:.metadata.name,CORDONED:.spec.unschedulable,"
            "TAINTS:.spec.taints[*].key'",
        ),
        "1/1 Running; a node that it fits on is not cordoned",
        "the old one is stopped first: until the new one runs no policy is stored",
        faults=("F15",),
    ),
    Check(
        "job-runs",
        "A worker will take the completion Job",
        (
            "kubectl get nodes -o 'custom-columns=NODE:.metadata.name,CORDONED:.spec.unschedulable,"
            "TAINTS:.spec.taints[*].key'",
        ),
        "a line with <none> and <none>: neither cordoned nor tainted",
        "the Job tolerates no taint; without it the datastore stays closed after all nodes are done",
        _MIGRATION,
        faults=("F16",),
    ),
    Check(
        "old-job",
        "No completion Job of an earlier attempt is there",
        (f"kubectl -n kube-system get job {JOB}",),
        "NotFound",
        "a Job's template cannot be changed: the new one is refused, and nobody completes the upgrade",
        needed=_on_etcd,
        faults=("F19",),
    ),
    Check(
        "autoscaler",
        "The autoscaler stands still",
        (
            "kubectl -n kube-system scale deployment cluster-autoscaler --replicas=0   # or Karpenter's",
            "kubectl -n kube-system get deployment cluster-autoscaler",
        ),
        "0 replicas, or NotFound",
        "a node that joins makes the roll longer, runs no pod until the end, and one that joins before the first old "
        "pod is deleted can keep the roll from beginning (--node-rate)",
        _MIGRATION,
        faults=("F21",),
    ),
    Check(
        "cordons",
        "Nobody drains or replaces nodes",
        ("kubectl get nodes | grep SchedulingDisabled",),
        "nothing; a node that is cordoned all the same is rolled like the others",
        "a pod that is evicted in the block starts nowhere else until its end, and a node that is taken away in the "
        "middle holds the roll up",
        _MIGRATION,
    ),
    Check(
        "cordons",
        "Nobody drains or replaces nodes",
        ("kubectl get nodes | grep SchedulingDisabled",),
        "nothing; a node that is cordoned all the same is rolled like the others",
        "two things that make nodes unavailable add up, and the roll waits for a node that is away",
        _ROLLING,
    ),
    Check(
        "starts",
        "Nothing that needs new pods falls into the block",
        (
            "kubectl get cronjobs --all-namespaces",
            "kubectl get hpa --all-namespaces",
        ),
        "no schedule in that time; deployments and scaling are stopped, and those who are on call know",
        "every pod that is created in the block waits for its end",
        _MIGRATION,
    ),
    Check(
        "policies",
        "Nobody changes policies with calicoctl",
        ("calicoctl get policy -o wide   # v2's calicoctl",),
        "the same list as in the backup, at the start",
        "what is written to Calico v1 after the copy has begun is lost, and nobody says so",
        _MIGRATION,
    ),
    Check(
        "pools",
        "The IP pools have room for a block of 64 addresses on each node",
        ("calicoctl get ippool -o wide",),
        "room for <nodes> blocks of 64",
        "a node that gets no block gives its pods addresses of others' blocks, and then none",
        needed=lambda plan: plan.upgrade.manifest.ipam == "calico-ipam",
    ),
    Check(
        "typha",
        "Every Typha is Ready, and each has a node of its own",
        ("kubectl -n kube-system get deployment calico-typha",),
        "all replicas available",
        "Typha rolls at the same time; a Felix without one enforces nothing new",
        needed=_typha,
    ),
    Check(
        "watch",
        "Somebody watches, and knows the way out",
        (
            "kubectl -n kube-system get pods -w -o json | calico-sim watch --plan plan.json",
            "kubectl -n kube-system get pods,jobs,daemonsets,nodes -o json | calico-sim recover - --cluster <cluster>",
        ),
        "`not begun`, and NOT BEGUN (plan.json is this plan with --format json)",
        "most of what stops an upgrade needs a hand, and every minute counts",
    ),
)
"""Every check. Of those with one id a plan gets at most one."""
