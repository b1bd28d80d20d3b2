"""What can go wrong in an upgrade, how likely that is as far as anybody can know, and the way out.

A probability is 0 or 1 where the spec decides, a share of the simulated runs, or None with the reason why
there is no number. Failure modes and recoveries: calico-upgrade v1.0.5 (`node-init-container.sh`,
`completion-job.sh`), `lib/upgrade/migrator/migrate.go` of libcalico-go, kOps' `docs/calico-v3.md@release-1.12`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from calico_lint.cluster import Cluster
from calico_lint.kops.calico import ETCD_V3
from calico_lint.kops.releases import Version, describe_minors
from simulator.observations import GRACEFUL_RESTART_S, Observations
from simulator.scenario import V2_TO_V3
from simulator.upgrade import Upgrade

COMPLETE = "calico-upgrade complete --no-prompts"
ABORT = "calico-upgrade abort --no-prompts"
_PODS = "kubectl -n kube-system get pods -l k8s-app=calico-node -o wide"
_NODES = "kubectl get nodes"


@dataclass(frozen=True, slots=True)
class Risk:
    """One thing that can go wrong. `reason` says where the probability comes from, or why there is none."""

    id: str
    name: str
    probability: float | None
    reason: str
    effect: str
    recovery: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "probability": self.probability,
            "reason": self.reason,
            "effect": self.effect,
            "recovery": list(self.recovery),
        }


def delete_v3_data(cluster: Cluster) -> str:
    """The command that empties Calico's v3 store, with this cluster's endpoints (manifest:10-14, 29-31)."""
    main = next(iter(cluster.etcd_clusters), None)
    tls = main is not None and (node := main.get("enableEtcdTLS")) is not None and node.value is True
    members = main.get("etcdMembers") if main is not None else None
    names = [
        name.value
        for member in (members or ())
        if (name := member.get("name")) is not None and isinstance(name.value, str)
    ]
    scheme = "https" if tls else "http"
    endpoints = quote(",".join(f"{scheme}://etcd-{name}.internal.{cluster.name}:4001" for name in names or ["MEMBER"]))
    folder = "/srv/kubernetes/calico"
    keys = f" --cacert={folder}/ca.pem --cert={folder}/calico-client.pem --key={folder}/calico-client-key.pem"
    return f"ETCDCTL_API=3 etcdctl --endpoints={endpoints}{keys if tls else ''} del /calico/ --prefix"


def find(upgrade: Upgrade, cluster: Cluster, largest: int, nodes: int, runs: Observations | None) -> list[Risk]:
    """The risks of this upgrade, the certain ones first. `largest` is the number of nodes at maxSize.

    `runs` is None where nothing was simulated.
    """
    if upgrade.protocol == V2_TO_V3:
        risks = _migration(upgrade, cluster, runs)
    else:
        risks = _rolling(upgrade, runs)
    if largest > nodes:
        risks.append(
            Risk(
                "autoscaling",
                "a node joins meanwhile",
                None,
                f"minSize and maxSize differ ({nodes} to {largest} nodes); when the autoscaler acts is not in the spec",
                "the new node's calico-node joins the roll, which gets longer by one node; until it ends no pod "
                "starts there"
                if upgrade.protocol == V2_TO_V3
                else "the new node starts with the new Calico and is not rolled",
                ("kubectl -n kube-system scale deployment cluster-autoscaler --replicas=0   # before you start",),
            )
        )
    return sorted(risks, key=_rank)


def _rank(risk: Risk) -> float:
    """Certain first, then likely ones, then those without a number; what cannot happen last."""
    if risk.probability is None:
        return 1.0
    return 2.0 if risk.probability == 0.0 else -risk.probability


def mismatch(never: Sequence[Version], completes: Sequence[Version]) -> str:
    """Why the migration never ends with these releases."""
    which = describe_minors([release.minor for release in never])
    text = (
        f"kOps {which} runs calico/node v3.8.0 while its Job calico-complete-upgrade waits for v3.7.4: the Job waits "
        "for ever, and until somebody completes the upgrade by hand no pod starts and no policy takes effect"
    )
    if completes:
        text += f"; it ends with kOps {describe_minors([release.minor for release in completes])}"
    return text


def _migration(upgrade: Upgrade, cluster: Cluster, runs: Observations | None) -> list[Risk]:
    clean = delete_v3_data(cluster)
    unknown = "not in the spec"
    if not upgrade.never_completes:
        share, why = 0.0, f"kOps {upgrade.release}: the Job waits for the image that the DaemonSet runs"
    elif not upgrade.completes:
        share, why = 1.0, f"kOps {upgrade.release}: the Job waits for v3.7.4, the DaemonSet runs v3.8.0"
    else:
        which = describe_minors([release.minor for release in upgrade.never_completes])
        share, why = None, f"decided by the kOps release, which is not given: certain with {which}, else impossible"
    risks = [
        Risk(
            "image-mismatch",
            "the completion Job waits for an image that never comes",
            share,
            why,
            "the scheduling block never ends by itself",
            (f"{_PODS}   # every pod must run the v3 image", COMPLETE),
        ),
        Risk(
            "node-not-ready",
            "a node is NotReady, or becomes so",
            None,
            f"the nodes' health is {unknown}",
            "the roll counts it as unavailable and stops: before the migration no node is upgraded but policies are "
            "frozen, after it no pod starts until the node is back or deleted",
            (f"{_NODES}   # before you start: all Ready", "kubectl delete node NAME   # if it does not return"),
        ),
        Risk(
            "init-killed",
            "the first calico-node pod is killed while it migrates",
            None,
            f"evictions, reboots and kubelet restarts are {unknown}",
            "the datastore stays locked and every retry waits for ever: the block lasts until it is unlocked by hand",
            (clean, ABORT, f"{_PODS}   # within 5 s the waiting init container starts again"),
        ),
        Risk(
            "conversion-error",
            "Calico's v1 data does not convert, or the v3 store is not empty",
            None,
            f"the data is {unknown}",
            "the first node's init container fails before the lock and is retried: pods start, but policies are "
            "frozen and that node has no Felix until the data is repaired",
            ("calico-upgrade dry-run   # before you start: must be clean", f"{clean}   # only if it is not empty"),
        ),
        Risk(
            "image-pull",
            "an image cannot be pulled on some node",
            None,
            f"the registry's health is {unknown}",
            "the roll stops at that node; after the lock that lengthens the scheduling block by the outage and up "
            "to 5 min of back-off",
            ("docker pull IMAGE   # on every node, before you start",),
        ),
        Risk(
            "job-cannot-run",
            "the completion Job cannot be scheduled, or fails six times",
            None,
            f"taints, quotas and etcd's health are {unknown}",
            "all nodes are upgraded but the scheduling block stays",
            ("kubectl -n kube-system get jobs,pods | grep calico-complete", COMPLETE),
        ),
    ]
    if runs is not None:
        risks.append(
            Risk(
                "controllers-late",
                "pods start before kube-controllers has written the policies",
                runs.share("hazard_closed"),
                f"share of {runs.count} simulated runs; a kube-controllers that cannot start is not among them",
                "on nodes that are already open, endpoints whose namespace profile is missing drop all traffic",
                ("kubectl -n kube-system rollout status deployment/calico-kube-controllers",),
            )
        )
        risks.append(
            Risk(
                "two-migrations",
                "a second init container tries to migrate too and fails",
                runs.share("init_failures"),
                f"share of {runs.count} simulated runs",
                "it is restarted and waits for the first; harmless but for the wait",
                (),
            )
        )
    return risks


def _rolling(upgrade: Upgrade, runs: Observations | None) -> list[Risk]:
    risks = [
        Risk(
            "node-not-ready",
            "a node is NotReady, or becomes so",
            None,
            "the nodes' health is not in the spec",
            "the roll stops until it is back or deleted: some nodes run the old Calico, some the new; pods start",
            (f"{_NODES}   # before you start: all Ready", "kubectl delete node NAME   # if it does not return"),
        ),
        Risk(
            "image-pull",
            "an image cannot be pulled on some node",
            None,
            "the registry's health is not in the spec",
            "that node has no calico-node meanwhile, and the roll stops there",
            ("crictl pull IMAGE   # on every node, before you start",),
        ),
    ]
    if runs is not None and runs.bird:
        risks.append(
            Risk(
                "routes-withdrawn",
                f"a node is without calico-node for more than {GRACEFUL_RESTART_S} s",
                runs.share("long_gap"),
                f"share of {runs.count} simulated runs; the limit is BIRD's graceful restart, an assumption",
                "its peers drop the routes to its pods until BIRD is back",
                (f"{_PODS}   # find the pod that does not start",),
            )
        )
    if upgrade.manifest.datastore == ETCD_V3:
        risks.append(
            Risk(
                "job-immutable",
                "the completion Job of the first migration still exists",
                None,
                "old Jobs are not in the spec",
                "the changed Job is refused, and kOps tries to apply the manifest again every minute",
                ("kubectl -n kube-system delete job calico-complete-upgrade-v331",),
            )
        )
    return risks
