"""The faults of the migration, F1-F23: one table for plans, stalls, recoveries and the page `docs/faults.md`.

A `Fault` says what the protocol does, whether it heals, which window it costs, how to see it and which steps end it.
Its proofs are scenarios: the tests play each of them with and without the recovery and hold the table to the result.
`STEPS` are the recovery steps by name, `STALLS` the reasons of a stall with their steps (section 7 of the scenario
format), `WARNINGS` what a plan warns of before anything has happened.

Sources are abbreviated: *cu* is calico-upgrade v1.0.5 (`integration-snippets/`, `pkg/commands/`), *migrate.go* is
`lib/upgrade/migrator/migrate.go` of libcalico-go as pinned there, *manifest* is
`networking.projectcalico.org/k8s-1.7-v3.yaml.template@release-1.12` of kOps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any, Final

from simulator.scenario import V2_TO_V3, V3_ROLLING

Json = dict[str, Any]

COMPLETE: Final = "calico-upgrade complete --no-prompts"
ABORT: Final = "calico-upgrade abort --no-prompts"
PODS: Final = "kubectl -n kube-system get pods -l k8s-app=calico-node -o wide"
NODES: Final = "kubectl get nodes"
JOB: Final = "calico-complete-upgrade-v331"

_FOLDER = "/srv/kubernetes/calico"


@dataclass(frozen=True, slots=True)
class Etcd:
    """How etcdctl reaches a kOps cluster's main etcd (manifest:10-14, 29-31); capitals stay to be filled in."""

    cluster: str = "CLUSTER"
    members: tuple[str, ...] = ("MEMBER",)
    tls: bool = False

    def fill(self, command: str) -> str:
        """A command of this table with ``ETCDCTL2`` and ``ETCDCTL3`` written out: etcdctl for either API."""
        scheme = "https" if self.tls else "http"
        addresses = [f"{scheme}://etcd-{name}.internal.{self.cluster}:4001" for name in self.members]
        to = f"etcdctl --endpoints={quote(','.join(addresses))}"
        keys = {"2": ("ca-file", "cert-file", "key-file"), "3": ("cacert", "cert", "key")}
        files = ("ca.pem", "calico-client.pem", "calico-client-key.pem")

        def written(match: re.Match[str]) -> str:
            names = zip(keys[match[1]], files, strict=True) if self.tls else ()
            return f"ETCDCTL_API={match[1]} {to}" + "".join(f" --{key}={_FOLDER}/{file}" for key, file in names)

        return re.sub(r"ETCDCTL([23])", written, command)


# --- steps ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a recovery. Capitals in commands (`POD`, `NODE`, `IMAGE`) are to be filled in.

    `before` must hold before it is done, and `see` shows whether it does; `commands` do it, the first being the usual
    way, others alternatives or what it takes to find out; `check` is what `look` shows when it has worked; `never` is
    what not to do. `plays` is the operator action of the scenario format that it is, None for what ends a cause outside
    Calico.
    """

    name: str
    do: str
    commands: tuple[str, ...]
    check: str
    look: str
    before: str = ""
    see: str = ""
    never: str = ""
    plays: str | None = None


VERSION_V3: Final = "ETCDCTL3 get /calico/resources/v3/projectcalico.org/clusterinformations/default"
VERSION_V1: Final = "ETCDCTL2 get /calico/v1/config/CalicoVersion"
READY_V1: Final = "ETCDCTL2 get /calico/v1/Ready"
KEYS_V3: Final = "ETCDCTL3 get /calico/ --prefix --keys-only --limit=5"
CONTROLLERS: Final = "kubectl -n kube-system get pods -l k8s-app=calico-kube-controllers -o wide"
JOBS: Final = "kubectl -n kube-system get jobs,pods -o wide | grep calico-complete"
INIT_LOG: Final = "kubectl -n kube-system logs POD -c migrate --tail=20"
_LAST_LOG = "kubectl -n kube-system logs POD -c migrate --previous --tail=40"
_DESCRIBE = "kubectl -n kube-system describe pod POD"
_HEALTH = "ETCDCTL3 endpoint health"
_IMAGES = (
    "kubectl -n kube-system get pods -l k8s-app=calico-node "
    "-o 'custom-columns=NODE:.spec.nodeName,IMAGE:.spec.containers[0].image,"
    "READY:.status.containerStatuses[*].ready'"
)
JOB_LOG: Final = f"kubectl -n kube-system logs job/{JOB} --tail=20"
_DELETE_POD = "kubectl -n kube-system delete pod POD"

_ALL_STEPS = (
    Step(
        "delete_node",
        "Take the node that does not return out of the cluster: the roll waits for every Node object.",
        ("kubectl delete node NODE",),
        "its calico-node pod is gone and the roll goes on with the next node",
        PODS,
        before="It really does not return: its machine is gone, or you stop it first. A node that comes back goes on "
        "by itself, and then needs nothing.",
        see=NODES,
        never="Do not complete the upgrade by hand to get past it: nodes still on v2 would stay closed.",
        plays="delete_node",
    ),
    Step(
        "restore_node",
        "Bring a node back: all are NotReady, and the last Node object cannot be deleted.",
        (NODES, "kubectl describe node NODE"),
        "a node is Ready again",
        NODES,
        never="Do not delete every Node object.",
    ),
    Step(
        "fix_version",
        "Make `calico-upgrade needed` answer: etcd must be reachable, and the stored CalicoVersion 2.6.5 or later.",
        (
            f"{_HEALTH}   # etcd does not answer: bring it back",
            "kubectl -n kube-system rollout undo ds/calico-node   # older than 2.6.5: update v2, then begin again",
        ),
        "CalicoVersion reads v2.6.5 or later; the init containers run again within 5 min",
        VERSION_V1,
        before="Find out which of the two it is: the log names it. kOps 1.9 or later has a Calico that will do.",
        see=_LAST_LOG,
        never="Do not write CalicoVersion by hand: data older than 2.6.5 does not convert. Do not delete the key "
        "either: without it `needed` answers no, and v3 starts on an empty store.",
    ),
    Step(
        "fix_v1_data",
        "Repair the Calico v1 objects that do not convert.",
        ("calicoctl get ippool -o yaml   # v2's calicoctl, and so on for the objects that the log names",),
        "`calico-upgrade dry-run` is clean; the init container runs again within 5 min",
        "calico-upgrade dry-run",
        before="The log of the failed init container prints the reports: every object with its reason.",
        see=_LAST_LOG,
        never="Do not `start --ignore-v3-data`: it does not skip conversion errors. No lock is held, pods start: there "
        "is time.",
    ),
    Step(
        "fix_image",
        "Make the image pullable: registry, credentials, name, or load it onto the node by hand.",
        (f"{_DESCRIBE} | tail", "docker pull IMAGE   # on the node"),
        "the pod leaves ImagePullBackOff; the next attempt is at most 5 min away",
        PODS,
        never=f"Do not restart other nodes' pods. To skip the back-off of this one: {_DELETE_POD} - but never while "
        "its init container migrates.",
    ),
    Step(
        "fix_node",
        "Find out why calico-node crashes on this node (port taken, address conflict, bad setting) and end it.",
        ("kubectl -n kube-system logs POD -c calico-node --previous --tail=40",),
        "the pod is Ready; the next start is at most 5 min away",
        PODS,
        never="Do not delete v3 data or abort if a node has been Ready with v3: the v3 store is the live one then.",
    ),
    Step(
        "fix_datastore",
        "Make etcd take writes again: health, disk space, quota alarm, certificates.",
        (_HEALTH, "ETCDCTL3 alarm list"),
        "every endpoint is healthy and no alarm is set",
        _HEALTH,
        never="Do not go on before: the next attempt would fail in the same place and dirty the store again.",
    ),
    Step(
        "delete_v3_data",
        "Empty Calico's v3 store of the partial copy. v1 data is untouched: the copy is made anew from it.",
        ("ETCDCTL3 del /calico/ --prefix",),
        "no key is left (it prints how many it deleted; 0 is fine)",
        KEYS_V3,
        before="No node runs v3 and no init container is migrating at this moment: the log of one that runs ends with "
        "`Migration is in Progress.`, the log of one that crashes says `The v3 datastore is not clean`.",
        see=INIT_LOG,
        never="Never once CalicoVersion reads v3: from then on this prefix is the live data of every node. And not "
        "after the abort but before: the waiting init container would start at once, find the store not clean and "
        "go into back-off.",
        plays="delete_v3_data",
    ),
    Step(
        "abort",
        "Unlock: set the v1 Ready flag to true. The waiting init container starts the migration again by itself.",
        (ABORT, "ETCDCTL2 set /calico/v1/Ready true   # the same by hand"),
        "Ready reads true, and false again within seconds, when the init container has begun anew; then v3 pods "
        "become Ready one after the other",
        READY_V1,
        before="The v3 store is empty, and no init container is migrating at this moment: the log of each that runs "
        "ends with `Migration is in Progress.`",
        see=INIT_LOG,
        never="Never while an init container migrates: v2 would write again and its changes be lost. Not after a "
        "node has been Ready with v3: it does not reopen that node.",
        plays="abort",
    ),
    Step(
        "delete_pod",
        "Roll the next node by hand: delete the old calico-node pod of a node still on v2, and it gets the new one.",
        (_DELETE_POD,),
        "the new pod of that node is Ready",
        PODS,
        before="No init container is migrating at this moment. With OnDelete: the pod of the node before is Ready.",
        never="Do not delete the pod of a node that migrates.",
        plays="delete_pod",
    ),
    Step(
        "fix_controllers",
        "Let kube-controllers run: it must fit on a control-plane node, and the old pod must be gone.",
        (
            "kubectl -n kube-system describe pod -l k8s-app=calico-kube-controllers | tail -20",
            "kubectl -n kube-system delete pod POD --force --grace-period=0   # an old one, Terminating on a dead node",
        ),
        "kube-controllers is 1/1 Running",
        CONTROLLERS,
        never="Do not complete the upgrade before it runs, if you can choose: open nodes without its profiles drop "
        "the traffic of their pods. Deleting the Job holds the completion back.",
    ),
    Step(
        "complete",
        "Open the datastore by hand: what the Job would do.",
        (COMPLETE,),
        "pods start on every node within 15 s, and datastoreReady reads true",
        VERSION_V3,
        before="Every calico-node pod runs the v3 image and is Ready.",
        see=_IMAGES,
        never="Not before: nodes still on v2 stay closed until they are upgraded. Do not abort instead: that does not "
        "reopen a node that runs v3.",
        plays="complete",
    ),
    Step(
        "recreate_job",
        "Delete the old completion Job; kOps applies the new one within a minute.",
        (f"kubectl -n kube-system delete job {JOB}",),
        "the Job is there again and its pod runs",
        JOBS,
        never="Do not edit the Job: its template is immutable.",
        plays="recreate_job",
    ),
    Step(
        "undo_daemonset",
        "Roll calico-node back to v2.",
        ("kubectl -n kube-system rollout undo ds/calico-node", "kubectl -n kube-system rollout status ds/calico-node"),
        "every calico-node pod runs the v2 image again",
        PODS,
        before="v1 Ready is true (the abort): v2 waits for it.",
    ),
    Step(
        "undo_controllers",
        "Roll kube-controllers back to v2.",
        ("kubectl -n kube-system rollout undo deployment/calico-kube-controllers",),
        "the v3 pod is gone",
        CONTROLLERS,
        never="Do not empty the v3 store while v3's kube-controllers runs: it writes into it every 10 s.",
    ),
    Step(
        "delete_job",
        "Delete the completion Job, so that a second attempt gets a new one.",
        (f"kubectl -n kube-system delete job {JOB}",),
        "no Job and no pod of it is left",
        JOBS,
    ),
    Step(
        "revert_spec",
        "Take `majorVersion: v3` out of the spec, so that the stored manifest matches what runs.",
        ("kops edit cluster", "kops update cluster --yes"),
        "`kops update cluster` shows no change to Calico",
        "kops update cluster",
        never="Do not count on kOps to go back: it never applies an older version of an addon.",
    ),
)

STEPS: Final[Mapping[str, Step]] = {step.name: step for step in _ALL_STEPS}
"""The recovery steps by name; the names are those of the stalls' `recovery`, and a few more."""


# --- stalls ---------------------------------------------------------------------------------------------

STALLS: Final[Mapping[str, tuple[str, ...]]] = {
    "node_not_ready": ("delete_node",),
    "needed_error": ("fix_version",),
    "conversion_error": ("fix_v1_data",),
    "image_unpullable": ("fix_image",),
    "main_crash": ("fix_node",),
    "store_fails": ("fix_datastore",),
    "migration_interrupted": ("delete_v3_data", "abort"),
    "v3_not_empty": ("delete_v3_data",),
    "controllers_unschedulable": ("fix_controllers",),
    "on_delete": ("delete_pod",),
    "no_v3_peer": ("delete_pod",),
    "job_failed": ("complete",),
    "expected_image_mismatch": ("complete",),
    "rollout_status_refused": ("complete",),
    "complete_fails": ("complete",),
    "job_unschedulable": ("complete",),
}
"""The reasons of a stall in the order of the table in section 7 of the scenario format, with their steps.

`on_delete`, `no_v3_peer` and `rollout_status_refused` belong to extensions (docs/scenario-extensions.md).
"""


def recovery(reasons: Iterable[str], *, v3_empty: bool, all_nodes_down: bool) -> list[str]:
    """The names of the steps that end a stall, in order, without repetition.

    Args:
        reasons: keys of `STALLS`, all that hold, in its order.
        v3_empty: the v3 prefix is known to be empty, so that there is nothing to delete.
        all_nodes_down: no node is Ready; the last one cannot be deleted.

    """
    steps = dict.fromkeys(step for reason in reasons for step in STALLS[reason])
    if v3_empty:
        steps.pop("delete_v3_data", None)
    return ["restore_node" if step == "delete_node" and all_nodes_down else step for step in steps]


# --- faults ---------------------------------------------------------------------------------------------

YES: Final = "yes"
AFTER: Final = "after"
NO: Final = "no"


@dataclass(frozen=True, slots=True)
class Proof:
    """A scenario that shows a fault, and what ends it. Times are seconds after t_apply.

    `scenario` is in the scenario format. Alone it completes if there is neither `repaired_at` nor `operator`; else it
    stalls with `reason` and the `steps`. `repaired_at` ends every window of its faults that has no end: the cause is
    gone. `operator` are the actions that end the stall; given both, neither is enough. `window` (a flat name of
    `simulator.windows`, or ``hazard_closed``) is `costs` seconds longer than in `baseline`, by default the same cluster
    without faults and actions.
    """

    scenario: Json
    window: str
    costs: float
    repaired_at: float | None = None
    operator: tuple[Json, ...] = ()
    reason: str = ""
    steps: tuple[str, ...] = ()
    baseline: Json | None = None
    note: str = ""

    def repaired(self) -> Json:
        """The scenario whose causes end at `repaired_at`; nobody does anything else about it."""
        if self.repaired_at is None:
            return self.scenario
        faults = [
            fault if "until" in fault else fault | {"until": self.repaired_at} for fault in self.scenario["faults"]
        ]
        return self.scenario | {"faults": faults}

    def ended(self) -> Json:
        """The scenario with all that ends it."""
        actions = [*self.scenario.get("operator", ()), *self.operator]
        return self.repaired() | ({"operator": actions} if actions else {})

    def undisturbed(self) -> Json:
        """What `costs` compares with."""
        return self.baseline or {"cluster": self.scenario["cluster"]}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the migration goes wrong.

    `heals` is `YES` (by itself), `AFTER` (once its cause is gone, without anybody touching Calico) or `NO`; `healing`
    says so in words. `see` are (command, what it shows). `steps` are names of `STEPS`, in order; `also` is what else
    there is to say about the way out. `unproven` says why there is no proof, or in what the proofs differ from it.
    """

    id: str
    name: str
    happens: str
    heals: str
    healing: str
    costs: str
    see: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]
    source: str
    proofs: tuple[Proof, ...] = ()
    also: str = ""
    unproven: str = ""


def _one(*faults: Json, **cluster: Any) -> Json:
    """A scenario with one node, unless told otherwise."""
    return {"cluster": {"nodes": 1} | cluster} | ({"faults": list(faults)} if faults else {})


def _do(action: str, at: float, **rest: Any) -> Json:
    return {"action": action, "at": at} | rest


_BLOCK, _STORED, _ENFORCED = "scheduling_block", "policy_freeze_conversion", "policy_freeze_enforcement"
_WAITS = "its last lines are `Migration is in Progress.`, one every 5 s"

_ALL_FAULTS = (
    Fault(
        "F1",
        "the init container is killed before the lock",
        "An eviction, a reboot, a lack of memory or a restart of kubelet ends the migrating init container while it "
        "still checks. Ready is true and the v3 store empty: kubelet starts it again and it begins anew.",
        YES,
        "yes: the first restart is immediate, later ones are 10, 20, 40 … 300 s apart",
        "Everything that follows is later by the time lost.",
        ((PODS, "RESTARTS of the first v3 pod has grown"), (READY_V1, "true")),
        (),
        "node-init-container.sh:9-63 (cu), migrate.go:223-236",
        (Proof(_one({"kind": "init_killed", "node": "n1", "at": 5.5}), _ENFORCED, 0.5),),
    ),
    Fault(
        "F2",
        "the init container is killed in the pause after the lock",
        "Ready is false and nothing is copied yet. The restarted init container takes the lock for somebody else's and "
        "waits for that migration to end: for ever, without failing.",
        NO,
        "no: nothing of Calico v2.6 sets an existing Ready flag again",
        "The scheduling block lasts until the abort, and begins anew a few seconds later.",
        (
            (PODS, "the first v3 pod stays Init:0/1"),
            (INIT_LOG, _WAITS),
            (READY_V1, "false"),
            (KEYS_V3, "nothing"),
        ),
        ("abort",),
        "migrate.go:301-317, node-init-container.sh:19-30 (cu), libcalico-go v2.6 lib/backend/etcd/etcd.go:98-114",
        (
            Proof(
                _one({"kind": "init_killed", "node": "n1", "at": 10}),
                _BLOCK,
                96,
                operator=(_do("abort", 98),),
                reason="migration_interrupted",
                note="killed at 10 s, unlocked at 98 s",
            ),
        ),
        also="Deleting the pod instead does not help: its replacement waits in the same way.",
    ),
    Fault(
        "F3",
        "the init container is killed while it copies",
        "As F2, and the v3 store holds a part of the data. kOps' page says to delete it; that alone is not enough, "
        "the lock stays.",
        NO,
        "no",
        "The scheduling block lasts until the abort, and begins anew a few seconds later.",
        (
            (PODS, "the first v3 pod stays Init:0/1"),
            (INIT_LOG, _WAITS),
            (READY_V1, "false"),
            (KEYS_V3, "keys"),
            (VERSION_V3, "nothing, or calicoVersion v2.6"),
        ),
        ("delete_v3_data", "abort"),
        "migrate.go:301-317, 408-512; kops docs/calico-v3.md@release-1.12:90-96",
        (
            Proof(
                _one({"kind": "init_killed", "node": "n1", "at": 24}),
                _BLOCK,
                97,
                operator=(_do("delete_v3_data", 90), _do("abort", 98)),
                reason="migration_interrupted",
                note="killed at 24 s, cleaned at 90 s, unlocked at 98 s",
            ),
        ),
        also="In the other order the waiting init container starts at once, finds the store not clean and goes into "
        "back-off of up to 5 min, until the data is deleted too (F7).",
    ),
    Fault(
        "F4",
        "the first node is lost after the copy, before it runs v3",
        "All is copied, but no calico-node has written its version yet. To the next init container this looks like F3, "
        "although the data is complete.",
        NO,
        "no",
        "As F3.",
        ((INIT_LOG, _WAITS), (READY_V1, "false"), (KEYS_V3, "keys"), (VERSION_V3, "calicoVersion v2.6")),
        ("delete_v3_data", "abort"),
        "migrate.go:700-756; kubelet restarts all containers of a pod after a reboot",
        (
            Proof(
                _one({"kind": "node_not_ready", "node": "n1", "from": 30, "until": 60}),
                _BLOCK,
                95,
                operator=(_do("delete_v3_data", 90), _do("abort", 98)),
                reason="migration_interrupted",
                note="the node is off from 30 to 60 s; cleaned at 90 s, unlocked at 98 s",
            ),
        ),
    ),
    Fault(
        "F5",
        "another node's init container waits for a migration that died",
        "The lock belongs to nobody. Every new v3 pod, on whatever node, waits for the migration that was interrupted "
        "elsewhere, also when that node is gone.",
        NO,
        "no",
        "As F2 and F3.",
        ((PODS, "several v3 pods stay Init:0/1"), (INIT_LOG, _WAITS), (READY_V1, "false")),
        ("delete_node", "abort"),
        "migrate.go:301-317; the DaemonSet replaces pods per node only",
        (
            Proof(
                _one({"kind": "node_not_ready", "node": "n1", "from": 10}, nodes=2),
                _BLOCK,
                78,
                operator=(_do("delete_node", 100, node="n1"), _do("abort", 120)),
                reason="node_not_ready",
                note="the migrating node is lost at 10 s, deleted at 100 s, unlocked at 120 s",
            ),
            Proof(
                _one({"kind": "init_killed", "node": "n1", "at": 10}, nodes=2, max_unavailable=2),
                _BLOCK,
                86,
                operator=(_do("abort", 98),),
                reason="migration_interrupted",
                steps=("abort",),
                note="two pods at once, the migrating one killed at 10 s, unlocked at 98 s",
            ),
        ),
        also="With keys in the v3 store: delete_v3_data before the abort. delete_node only if the node is lost.",
    ),
    Fault(
        "F6",
        "the v1 data does not convert",
        "`start` checks before it locks, prints every object that does not convert, and fails: crash loop. Pods start; "
        "but the first node has no Felix, and kube-controllers waits.",
        AFTER,
        "once the data is repaired: at the next retry, at most 5 min later",
        "No policy is stored until then: the policy freeze grows, the scheduling block does not.",
        (
            (PODS, "the first v3 pod is Init:CrashLoopBackOff"),
            (_LAST_LOG, "`Failed to validate v1 to v3 conversion`, `errors converting data`, and the reports"),
            (READY_V1, "true"),
        ),
        ("fix_v1_data",),
        "pkg/commands/dryrun.go:114-162, start.go:100-211 (cu)",
        (
            Proof(
                _one({"kind": "conversion_error"}),
                _STORED,
                160,
                repaired_at=100,
                reason="conversion_error",
                note="repaired at 100 s; the retry comes at 165 s",
            ),
        ),
        also=f"To skip the back-off once the data is repaired: {_DELETE_POD}. Or roll back (F22).",
    ),
    Fault(
        "F7",
        "the copy fails and calico-upgrade unlocks",
        "A write into etcd fails. calico-upgrade sets Ready to true again and exits; what it has written stays, and "
        "every retry finds the store not clean.",
        NO,
        "no, even when etcd is well again",
        "The scheduling block has ended; policies are frozen until the store is cleaned, plus a back-off of up to 5 "
        "min.",
        (
            (PODS, "the first v3 pod is Init:CrashLoopBackOff"),
            (_LAST_LOG, "`The v3 datastore is not clean`; the first failure said `Failed to migrate`"),
            (READY_V1, "true"),
            (KEYS_V3, "keys"),
        ),
        ("fix_datastore", "delete_v3_data"),
        "migrate.go:223-294, pkg/commands/dryrun.go:136-160 (cu)",
        (
            Proof(
                _one({"kind": "store_fails", "object": 100}),
                _STORED,
                95,
                repaired_at=60,
                operator=(_do("delete_v3_data", 70),),
                reason="store_fails",
                note="the 100th write fails; etcd is well at 60 s, the store cleaned at 70 s, the retry comes at 100 s",
            ),
        ),
        also=f"No abort: Ready is true already. To skip the back-off: {_DELETE_POD}.",
    ),
    Fault(
        "F8",
        "the copy fails and the unlock fails too",
        "etcd is away for more than the 30 tries. The init container says that an abort is needed, fails, and its "
        "restart waits for the dead migration as in F3.",
        NO,
        "no, even when etcd is well again",
        "As F3.",
        (
            (_LAST_LOG, "`The command was unable to abort the migration`"),
            (INIT_LOG, _WAITS),
            (READY_V1, "false"),
            (KEYS_V3, "keys"),
        ),
        ("fix_datastore", "delete_v3_data", "abort"),
        "migrate.go:321-341; start.go:195-207 (cu)",
        (
            Proof(
                _one({"kind": "store_fails", "object": 100, "abort_fails": True}),
                _BLOCK,
                84,
                repaired_at=60,
                operator=(_do("delete_v3_data", 80), _do("abort", 85)),
                reason="store_fails",
                note="etcd is well at 60 s, cleaned at 80 s, unlocked at 85 s",
            ),
        ),
    ),
    Fault(
        "F9",
        "Calico is older than 2.6.5, or its version unreadable",
        "`needed` answers neither yes nor no: every init container fails, kube-controllers' too. Nothing is locked. If "
        "the version is missing in both stores `needed` says no instead: v3 starts on an empty store, and the "
        "addresses and endpoints of all running pods are unknown to it.",
        AFTER,
        "no; once somebody has put the version right the next retry goes on, at most 5 min later",
        "No policy is stored until then.",
        (
            (PODS, "the first v3 pod is Init:CrashLoopBackOff"),
            (CONTROLLERS, "Init:CrashLoopBackOff too"),
            (_LAST_LOG, "`Error checking if migration is needed`"),
            (VERSION_V1, "older than v2.6.5, or no version"),
        ),
        ("fix_version",),
        "migrate.go:700-756, 806-838; pkg/commands/needed.go:86-106 (cu)",
        (
            Proof(
                _one({"kind": "needed_error"}),
                _STORED,
                150,
                repaired_at=100,
                reason="needed_error",
                note="right at 100 s; the retry comes at 155 s",
            ),
        ),
        unproven="The format knows no versions: `needed_error` is what a wrong one does. v3 on an empty store is not "
        "modelled.",
    ),
    Fault(
        "F10",
        "etcd does not answer",
        "`needed` fails after 10 to 30 s a call: the init containers crash. On upgraded nodes Felix loses its "
        "readiness, the pods may turn NotReady and the roll pauses.",
        AFTER,
        "once etcd answers: at the next retry, at most 5 min later. Not if it hit the copy: then F7 or F8",
        "The outage and the back-off, in whatever window it falls.",
        (
            (PODS, "Init:CrashLoopBackOff, or NotReady on upgraded nodes"),
            (_HEALTH, "an endpoint that is not healthy"),
        ),
        ("fix_version",),
        "needed.go:86-106 (cu); felix daemon.go@v3.7.4:165-173, 229-232",
        (
            Proof(
                _one({"kind": "needed_error"}),
                _STORED,
                70,
                repaired_at=50,
                reason="needed_error",
                note="etcd is away from the beginning, back at 50 s",
            ),
        ),
        unproven="The nearest form is `needed_error`: a call fails at once instead of after its time-out, and what an "
        "outage does to Felix and kube-controllers of v3 is not modelled. During the copy it is `store_fails`.",
    ),
    Fault(
        "F11",
        "calico-node crashes on a node",
        "A bad setting, a taken port or an address conflict ends the container again and again. Its pod uses up the "
        "budget and the roll stands still. On the first node v3 is never written, so everybody else waits as well.",
        AFTER,
        "no; once somebody has ended the cause the next start goes on, at most 5 min later",
        "The scheduling block, which has begun, lasts until then.",
        (
            (PODS, "the pod is CrashLoopBackOff"),
            ("kubectl -n kube-system logs POD -c calico-node --previous --tail=40", "why it ends"),
        ),
        ("fix_node",),
        "startup.go@v3.7.4-node:80-182, 894-900; daemon controller's update.go@release-1.10:399-433",
        (
            Proof(
                _one({"kind": "main_crash", "node": "n1"}),
                _BLOCK,
                80,
                repaired_at=100,
                reason="main_crash",
                note="on the first node, until 100 s",
            ),
            Proof(
                _one({"kind": "main_crash", "node": "n2"}, nodes=2),
                _BLOCK,
                70,
                repaired_at=100,
                reason="main_crash",
                note="on the second node, until 100 s",
            ),
        ),
        also="On the first node, if it cannot be ended: roll back (F22).",
    ),
    Fault(
        "F12",
        "an image cannot be pulled",
        "kubelet tries again after 10, 20, 40 … 300 s. The upgrade image on the first node: nothing is locked yet. "
        "calico-node's on the first node: all is locked, and stays so. The CNI plugin's: that node is not Ready.",
        AFTER,
        "once the registry answers: at the next attempt, at most 5 min later",
        "After the lock the scheduling block grows by the outage and the back-off; before it only the policy freeze.",
        ((PODS, "ImagePullBackOff or Init:ImagePullBackOff"), (f"{_DESCRIBE} | tail", "the registry's answer")),
        ("fix_image",),
        "kubelet: image back-off 10 s doubling to 300 s",
        (
            Proof(
                _one({"kind": "image_unpullable", "image": "node", "node": "n1"}),
                _BLOCK,
                310,
                repaired_at=200,
                reason="image_unpullable",
                note="calico-node's image on the first node, until 200 s",
            ),
            Proof(
                _one({"kind": "image_unpullable", "image": "upgrade", "node": "n1"}),
                _STORED,
                150,
                repaired_at=100,
                reason="image_unpullable",
                note="the upgrade image on the first node, until 100 s",
            ),
        ),
        also="Pull the new images on every node before the upgrade.",
    ),
    Fault(
        "F13",
        "a node is NotReady before the upgrade",
        "Its old pod counts as unavailable: the controller deletes it at once and the budget is used up. With "
        "maxUnavailable 1 no other node is touched: nothing is locked, but kube-controllers waits already.",
        AFTER,
        "when the node returns: it is then the first to migrate",
        "No policy is stored until then; pods start.",
        ((NODES, "NotReady"), (PODS, "that node's pod is Pending, all others run v2")),
        ("delete_node",),
        "daemon controller's update.go@release-1.10:43-79, 399-433",
        (
            Proof(
                _one({"kind": "node_not_ready", "node": "n3"}, nodes=3),
                _STORED,
                100,
                repaired_at=100,
                reason="node_not_ready",
                note="the third of three nodes, back at 100 s",
            ),
            Proof(
                _one({"kind": "node_not_ready", "node": "n3"}, nodes=3),
                _STORED,
                100,
                operator=(_do("delete_node", 100, node="n3"),),
                reason="node_not_ready",
                note="deleted at 100 s instead",
            ),
        ),
    ),
    Fault(
        "F14",
        "a node becomes NotReady during the roll",
        "As F13, and the datastore is locked: the Job waits for every Node object, so no pod starts anywhere.",
        AFTER,
        "when the node returns",
        "The scheduling block lasts until the node is back or deleted.",
        ((NODES, "NotReady"), (PODS, "that node's pod is Pending or not Ready, the roll stands still")),
        ("delete_node",),
        "update.go@release-1.10:399-433; completion-job.sh:31-56 (cu)",
        (
            Proof(
                _one({"kind": "node_not_ready", "node": "n2", "from": 60}, nodes=3),
                _BLOCK,
                120,
                repaired_at=180,
                reason="node_not_ready",
                note="the second of three nodes is away from 60 to 180 s",
            ),
            Proof(
                _one({"kind": "node_not_ready", "node": "n2", "from": 60}, nodes=3),
                _BLOCK,
                100,
                operator=(_do("delete_node", 180, node="n2"),),
                reason="node_not_ready",
                note="deleted at 180 s instead",
            ),
        ),
    ),
    Fault(
        "F15",
        "kube-controllers does not start",
        "It is not scheduled, its image fails, or the old pod stays Terminating on a dead node. Nodes and Job do not "
        "wait for it: the datastore opens, and on open nodes endpoints without their namespace's profile drop "
        "all traffic, others lack their policies.",
        AFTER,
        "once it can run",
        "No policy is stored until it runs; from the opening on pods are closed, or open, without their policies.",
        ((CONTROLLERS, "Pending, ImagePullBackOff or Terminating"),),
        ("fix_controllers",),
        "completion-job.sh:43-75 (cu); active_rules_calculator.go@v3.7.4-felix:305-337; manifest:417-438",
        (
            Proof(
                _one({"kind": "controllers_unschedulable"}),
                "hazard_closed",
                266,
                repaired_at=300,
                reason="controllers_unschedulable",
                note="room at 300 s",
            ),
            Proof(
                _one({"kind": "image_unpullable", "image": "controllers"}),
                _STORED,
                310,
                repaired_at=300,
                reason="image_unpullable",
                steps=("fix_image",),
                note="its image fails until 300 s",
            ),
        ),
    ),
    Fault(
        "F16",
        "the completion Job does not start",
        "It tolerates no taint, so it needs a worker that is not cordoned; or its image or its rights are missing. All "
        "nodes run v3 and the datastore stays closed.",
        AFTER,
        "once the Job's pod can run",
        "The scheduling block lasts until then.",
        ((JOBS, "the Job's pod is Pending, or there is none"), (PODS, "every pod is v3 and Ready")),
        ("complete",),
        "manifest:578-600 (no tolerations)",
        (
            Proof(
                _one({"kind": "job_unschedulable"}),
                _BLOCK,
                165,
                repaired_at=200,
                reason="job_unschedulable",
                note="room at 200 s",
            ),
            Proof(
                _one({"kind": "job_unschedulable"}),
                _BLOCK,
                159,
                operator=(_do("complete", 200),),
                reason="job_unschedulable",
                note="completed by hand at 200 s",
            ),
        ),
    ),
    Fault(
        "F17",
        "`complete` fails",
        "A run is 30 tries of a second, then the container restarts after 0, 10, 20, 40, 80, 160 s. From Kubernetes "
        "1.10.5 on the sixth restart makes the Job Failed, before it tries for ever.",
        AFTER,
        "if the cause ends before the Job is Failed, some 8 min after its first try; then never",
        "The scheduling block lasts until then.",
        ((JOBS, "restarts, or a Failed Job"), (JOB_LOG, "`Completing the upgrade failed`")),
        ("complete",),
        "completion-job.sh:68-75 (cu); migrate.go:345-365; kubernetes PR 58972, 64813",
        (
            Proof(
                _one({"kind": "complete_fails"}),
                _BLOCK,
                190,
                repaired_at=200,
                reason="complete_fails",
                note="until 200 s",
            ),
            Proof(
                _one({"kind": "complete_fails"}, kubernetes="1.11.0"),
                _BLOCK,
                959,
                repaired_at=900,
                operator=(_do("complete", 1000),),
                reason="job_failed",
                note="until 900 s: the Job is Failed by then; completed by hand at 1000 s",
            ),
        ),
        also="Or delete the Job and let kOps apply it again: `recreate_job`.",
    ),
    Fault(
        "F18",
        "the Job waits for an image that never comes",
        "kOps 1.15 to 1.19 (and 1.11.0-beta.1) run another calico/node than the Job expects, and a rollback of the "
        "DaemonSet does the same: the Job looks every 5 s, for ever.",
        NO,
        "no",
        "The scheduling block never ends.",
        (
            (PODS, "every pod is v3 and Ready"),
            (JOB_LOG, "`Waiting for the image … to be in the Daemonset`"),
        ),
        ("complete",),
        "k8s-1.7-v3.yaml.template@{1.11.0-beta.1, release-1.15 to 1.19}; completion-job.sh:43-47 (cu); kops issue 6261",
        (
            Proof(
                _one({"kind": "expected_image_mismatch"}),
                _BLOCK,
                260,
                operator=(_do("complete", 301),),
                reason="expected_image_mismatch",
                note="completed by hand at 301 s",
            ),
        ),
    ),
    Fault(
        "F19",
        "a Job of an earlier attempt is still there",
        "A Job's template cannot be changed: the API refuses the new one, kOps tries the whole manifest again every "
        "minute. Everything else is applied, so the nodes roll, and no Job completes them.",
        NO,
        "no",
        "If this is a migration: the scheduling block lasts until the datastore is opened by hand.",
        ((JOBS, "a Job older than this upgrade"), ("journalctl -u protokube | tail", "`field is immutable`")),
        ("recreate_job",),
        "channels/pkg/channels/addon.go@release-1.12:109-144 (kops)",
        also="Delete it before the upgrade. Once all nodes run v3 and are Ready, `complete` does as well.",
        unproven="The scenario begins when the manifests are applied, all of them: a refused one is outside.",
    ),
    Fault(
        "F20",
        "two init containers check at once",
        "With maxUnavailable above 1, or several pods unavailable, two `start` before either has locked. The second "
        "finds the lock, fails once, is restarted and waits. In the same millisecond both migrate: the same values "
        "twice.",
        YES,
        "yes",
        "The second node is without calico-node as long as the first migrates.",
        ((PODS, "several v3 pods are Init:0/1, one with a restart"),),
        (),
        "migrate.go:890-910; etcdv2.go:95-107",
        (
            Proof(
                _one(nodes=2, max_unavailable=2),
                "node_felix_gap_max",
                12,
                baseline=_one(nodes=2),
            ),
        ),
    ),
    Fault(
        "F21",
        "a node joins during the migration",
        "The DaemonSet wants one pod more. The new node's v3 pod waits for the migration, or passes when that is done, "
        "and the Job waits for it. No other pod starts there until the end.",
        YES,
        "yes",
        "The roll, and with it the block, is longer by one node.",
        ((NODES, "a node younger than the upgrade"),),
        (),
        "completion-job.sh:31-56 (cu); kubectl rollout_status.go@release-1.10:110-117",
        (
            Proof(
                {"cluster": {"nodes": 2}, "joins": [{"node": "n3", "at": 45}]},
                _BLOCK,
                45,
                baseline=_one(nodes=2),
                note="a third node joins at 45 s (`joins` is an extension of the format)",
            ),
        ),
        also="Stop the autoscaler before the upgrade. A node whose pod comes before the first deletion of an old one "
        "uses up maxUnavailable 1, and nodes on v2 never peer with it: the roll does not begin until you delete an old "
        "pod by hand.",
    ),
    Fault(
        "F22",
        "back to v2 after the migration",
        "Possible by hand only, and pods that were created after the opening lose their network. kOps neither goes "
        "back nor applies v3 again.",
        NO,
        "no",
        "From the abort until v2 runs everywhere; pods created since the opening have to be created again.",
        ((VERSION_V3, "calicoVersion v3"), (READY_V1, "false")),
        ("abort", "undo_daemonset", "undo_controllers", "delete_job", "delete_v3_data", "revert_spec"),
        "docs v3.1 getting-started/kubernetes/upgrade/downgrade.md:12-60; channel_version.go@release-1.12:100-134 "
        "(kops)",
        (
            Proof(
                _one({"kind": "main_crash", "node": "n1"}),
                _BLOCK,
                59,
                operator=(_do("roll_back", 100),),
                reason="main_crash",
                steps=("fix_node",),
                note="calico-node of v3 does not run, rolled back at 100 s; `roll_back`, an extension of the format, "
                "is the whole recipe",
            ),
        ),
        also="Only here the abort comes first, with v3 nodes running, and the v3 data is deleted last, when no v3 pod "
        "is left: v3's kube-controllers would write into it again within 10 s.",
    ),
    Fault(
        "F23",
        "completed by hand before all nodes run v3",
        "v3 nodes open at once. Nodes on v2 look at v1's Ready, which `complete` does not touch, and stay closed until "
        "they are upgraded. Felix may be open before kube-controllers has written the profiles.",
        YES,
        "yes, as the roll goes on",
        "Pods on open nodes are without their policies until kube-controllers has written them.",
        ((VERSION_V3, "datastoreReady true"), (PODS, "pods of v2 are left")),
        (),
        "migrate.go:345-365; cni-plugin calico.go@v1.11.8:93-100",
        (
            Proof(
                {
                    "cluster": {"nodes": 2},
                    "faults": [{"kind": "controllers_unschedulable", "until": 100}],
                    "operator": [_do("complete", 40)],
                },
                "hazard_closed",
                41,
                baseline={"cluster": {"nodes": 2}, "faults": [{"kind": "controllers_unschedulable", "until": 100}]},
                note="completed at 40 s, kube-controllers late",
            ),
        ),
        also="Do not abort: that would not reopen the nodes on v3. Let the roll go on.",
    ),
)

FAULTS: Final[Mapping[str, Fault]] = {fault.id: fault for fault in _ALL_FAULTS}
"""The faults by id."""


# --- what a plan warns of ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Warned:
    """What a plan says of faults that have not happened yet. `recovery` are command lines as in `Step.commands`."""

    name: str
    effect: str
    recovery: tuple[str, ...]
    faults: tuple[str, ...]


def _command(step: str, comment: str = "") -> str:
    """The usual command of a step, with a remark behind it."""
    return STEPS[step].commands[0] + (f"   # {comment}" if comment else "")


_BEFORE = "before you start"
_MIGRATION = {
    "image-mismatch": Warned(
        "the completion Job waits for an image that never comes",
        "the scheduling block never ends by itself",
        (f"{PODS}   # every pod must run the v3 image", COMPLETE),
        ("F18",),
    ),
    "node-not-ready": Warned(
        "a node is NotReady, or becomes so",
        "the roll counts it as unavailable and stops: before the migration no node is upgraded but policies are "
        "frozen, after it no pod starts until the node is back or deleted",
        (f"{NODES}   # {_BEFORE}: all Ready", "kubectl delete node NAME   # if it does not return"),
        ("F13", "F14"),
    ),
    "init-killed": Warned(
        "the first calico-node pod is killed while it migrates",
        "the datastore stays locked and every retry waits for ever: the block lasts until it is unlocked by hand",
        (
            _command("delete_v3_data"),
            _command("abort"),
            f"{PODS}   # within 5 s the waiting init container starts again",
        ),
        ("F2", "F3", "F4", "F5"),
    ),
    "conversion-error": Warned(
        "Calico's v1 data does not convert, or the v3 store is not empty",
        "the first node's init container fails before the lock and is retried: pods start, but policies are "
        "frozen and that node has no Felix until the data is repaired",
        (
            f"calico-upgrade dry-run   # {_BEFORE}: must be clean",
            _command("delete_v3_data", "only if it is not empty"),
        ),
        ("F6", "F7"),
    ),
    "image-pull": Warned(
        "an image cannot be pulled on some node",
        "the roll stops at that node; after the lock that lengthens the scheduling block by the outage and up "
        "to 5 min of back-off",
        (f"docker pull IMAGE   # on every node, {_BEFORE}",),
        ("F12",),
    ),
    "job-cannot-run": Warned(
        "the completion Job cannot be scheduled, or fails six times",
        "all nodes are upgraded but the scheduling block stays",
        ("kubectl -n kube-system get jobs,pods | grep calico-complete", COMPLETE),
        ("F16", "F17"),
    ),
    "controllers-late": Warned(
        "pods start before kube-controllers has written the policies",
        "on nodes that are already open, endpoints whose namespace profile is missing drop all traffic",
        ("kubectl -n kube-system rollout status deployment/calico-kube-controllers",),
        ("F15",),
    ),
    "two-migrations": Warned(
        "a second init container tries to migrate too and fails",
        "it is restarted and waits for the first; harmless but for the wait",
        (),
        ("F20",),
    ),
    "autoscaling": Warned(
        "a node joins meanwhile",
        "the new node's calico-node joins the roll, which gets longer by one node; until it ends no pod starts there",
        (f"kubectl -n kube-system scale deployment cluster-autoscaler --replicas=0   # {_BEFORE}",),
        ("F21",),
    ),
}
_ROLLING = {
    "node-not-ready": Warned(
        "a node is NotReady, or becomes so",
        "the roll stops until it is back or deleted: some nodes run the old Calico, some the new; pods start",
        _MIGRATION["node-not-ready"].recovery,
        ("F13", "F14"),
    ),
    "image-pull": Warned(
        "an image cannot be pulled on some node",
        "that node has no calico-node meanwhile, and the roll stops there",
        (f"crictl pull IMAGE   # on every node, {_BEFORE}",),
        ("F12",),
    ),
    "job-immutable": Warned(
        "the completion Job of the first migration still exists",
        "the changed Job is refused, and kOps tries to apply the manifest again every minute",
        (_command("recreate_job"),),
        ("F19",),
    ),
    "autoscaling": Warned(
        "a node joins meanwhile",
        "the new node starts with the new Calico and is not rolled",
        _MIGRATION["autoscaling"].recovery,
        ("F21",),
    ),
}

WARNINGS: Final[Mapping[str, Mapping[str, Warned]]] = {V2_TO_V3: _MIGRATION, V3_ROLLING: _ROLLING}
"""What a plan warns of, by protocol and by the id of the plan's risk."""
