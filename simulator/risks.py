"""What can go wrong in an upgrade, how likely that is as far as anybody can know, and the way out.

A probability is 0 or 1 where the spec decides, a share of the simulated runs, or None with the reason why
there is no number. What each does and the way out of it stand in `simulator.catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from calico_lint.cluster import Cluster
from calico_lint.kops.calico import ETCD_V3
from calico_lint.kops.releases import Version, describe_minors
from simulator.catalogue import PODS, WARNINGS, Etcd
from simulator.observations import GRACEFUL_RESTART_S, Observations
from simulator.scenario import V2_TO_V3
from simulator.upgrade import Upgrade


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


def etcd(cluster: Cluster) -> Etcd:
    """How etcdctl reaches this cluster's main etcd (manifest:10-14, 29-31)."""
    main = next(iter(cluster.etcd_clusters), None)
    tls = main is not None and (node := main.get("enableEtcdTLS")) is not None and node.value is True
    members = main.get("etcdMembers") if main is not None else None
    names = [
        name.value
        for member in (members or ())
        if (name := member.get("name")) is not None and isinstance(name.value, str)
    ]
    return Etcd(str(cluster.name), tuple(names or ["MEMBER"]), tls)


def find(upgrade: Upgrade, cluster: Cluster, largest: int, nodes: int, runs: Observations | None) -> list[Risk]:
    """The risks of this upgrade, the certain ones first. `largest` is the number of nodes at maxSize.

    `runs` is None where nothing was simulated.
    """
    migration = upgrade.protocol == V2_TO_V3
    risk = _described(upgrade.protocol, etcd(cluster))
    risks = _migration(upgrade, runs, risk) if migration else _rolling(upgrade, runs, risk)
    if largest > nodes:
        risks.append(
            risk(
                "autoscaling",
                None,
                f"minSize and maxSize differ ({nodes} to {largest} nodes); when the autoscaler acts is not in the spec",
            )
        )
    return sorted(risks, key=_rank)


_Describe = Callable[[str, float | None, str], Risk]


def _described(protocol: str, to: Etcd) -> _Describe:
    """Risks from id, probability and the reason for that; the rest is the catalogue's."""

    def risk(id: str, probability: float | None, reason: str) -> Risk:
        warned = WARNINGS[protocol][id]
        return Risk(id, warned.name, probability, reason, warned.effect, tuple(map(to.fill, warned.recovery)))

    return risk


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


def _migration(upgrade: Upgrade, runs: Observations | None, risk: _Describe) -> list[Risk]:
    unknown = "not in the spec"
    if not upgrade.never_completes:
        share, why = 0.0, f"kOps {upgrade.release}: the Job waits for the image that the DaemonSet runs"
    elif not upgrade.completes:
        share, why = 1.0, f"kOps {upgrade.release}: the Job waits for v3.7.4, the DaemonSet runs v3.8.0"
    else:
        which = describe_minors([release.minor for release in upgrade.never_completes])
        share, why = None, f"decided by the kOps release, which is not given: certain with {which}, else impossible"
    risks = [
        risk("image-mismatch", share, why),
        risk("node-not-ready", None, f"the nodes' health is {unknown}"),
        risk("init-killed", None, f"evictions, reboots and kubelet restarts are {unknown}"),
        risk("conversion-error", None, f"the data is {unknown}"),
        risk("image-pull", None, f"the registry's health is {unknown}"),
        risk("job-cannot-run", None, f"taints, quotas and etcd's health are {unknown}"),
    ]
    if runs is not None:
        simulated = f"share of {runs.count} simulated runs"
        risks += [
            risk(
                "controllers-late",
                runs.share("hazard_closed"),
                f"{simulated}; a kube-controllers that cannot start is not among them",
            ),
            risk("two-migrations", runs.share("init_failures"), simulated),
        ]
    return risks


def _rolling(upgrade: Upgrade, runs: Observations | None, risk: _Describe) -> list[Risk]:
    risks = [
        risk("node-not-ready", None, "the nodes' health is not in the spec"),
        risk("image-pull", None, "the registry's health is not in the spec"),
    ]
    if runs is not None and runs.bird:
        risks.append(
            Risk(
                "routes-withdrawn",
                f"a node is without calico-node for more than {GRACEFUL_RESTART_S} s",
                runs.share("long_gap"),
                f"share of {runs.count} simulated runs; the limit is BIRD's graceful restart, an assumption",
                "its peers drop the routes to its pods until BIRD is back",
                (f"{PODS}   # find the pod that does not start",),
            )
        )
    if upgrade.manifest.datastore == ETCD_V3:
        risks.append(risk("job-immutable", None, "old Jobs are not in the spec"))
    return risks
