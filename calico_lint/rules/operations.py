"""Rules on running a cluster (Z): metrics, etcd, InstanceGroups, and how a rolling update goes through it."""

from __future__ import annotations

from calico_lint.kops.calico import ETCD_V2, ETCD_V3
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster, InstanceGroup
    from calico_lint.kops.releases import Version
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node

_CALICO = "networking.calico."


def _uses_calico(cluster: Cluster) -> bool:
    return cluster.calico is not None and cluster.calico.value is not None


def _on_etcd(cluster: Cluster, release: Version) -> bool:
    manifest = cluster.manifest(release)
    return manifest is not None and manifest.datastore in (ETCD_V2, ETCD_V3)


# --- keys -----------------------------------------------------------------------------------------------

# Ports of every node of a kOps cluster with Calico. Source: docs/networking.md and the manifests of kOps; _system-
# requirements.mdx of tigera/docs.
_PORTS = {
    179: "BGP", 2379: "etcd", 2380: "etcd", 4001: "etcd", 4789: "VXLAN", 5473: "Typha", 9098: "Typha's health",
    9099: "Felix's health", 10248: "kubelet", 10249: "kube-proxy", 10250: "kubelet", 10256: "kube-proxy",
    10257: "kube-controller-manager", 10259: "kube-scheduler",
}  # fmt: skip


@rule("Z902", "metrics-ports", severity="info", origin="calico", since="1.9",
      on=(_CALICO + "prometheusMetricsPort", _CALICO + "typhaPrometheusMetricsPort"))  # fmt: skip
def metrics_ports(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Two programs want the same port of a node.

    Felix and Typha serve their metrics on ports of the node itself, 9091 and 9093 by default. Of two that want one port
    the second has no metrics, or does not start.

    Bad (kOps 1.30.4):
        networking: {calico: {prometheusMetricsEnabled: true, prometheusMetricsPort: 9093, typhaReplicas: 3}}
    Bad (kOps 1.30.4):
        networking: {calico: {prometheusMetricsEnabled: true, prometheusMetricsPort: 10250}}
    Good (kOps 1.30.4):
        networking: {calico: {prometheusMetricsEnabled: true, prometheusMetricsPort: 9191}}
    Also: T822, T823
    Fix: remove the key for the default, or choose a port that nothing else on the node uses.
    Source: T(k8s-1.12)@1.15:606-609, 822-827; tigera/docs _system-requirements.mdx:80-120.
    """
    port = node.value
    if not isinstance(port, int) or isinstance(port, bool):
        return
    if port in _PORTS:
        yield Hit(node, f"port {port} of the node is that of {_PORTS[port]}: choose another")
        return
    felix = node.key == "prometheusMetricsPort"
    other = cluster.at(_CALICO + ("typhaPrometheusMetricsPort" if felix else "prometheusMetricsPort"))
    if other is None or other.value is None:
        if port == (9093 if felix else 9091):
            yield Hit(node, f"port {port} is the default of {'Typha' if felix else 'Felix'}: choose another")
    elif felix and other.value == port:
        yield Hit(
            node, f"Felix and Typha cannot both have port {port}: choose another", related=[(other, "Typha's port")]
        )


@rule("Z903", "metrics-cannot-be-off", severity="warning", origin="calico", since="1.9", until="1.18",
      on=(_CALICO + "prometheusGoMetricsEnabled", _CALICO + "prometheusProcessMetricsEnabled"), fix="safe")  # fmt: skip
def metrics_cannot_be_off(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`false` has no effect here.

    Up to kOps 1.18 the manifests take false for "not set" and write true: Felix collects the metrics of Go and of the
    process whatever stands here.

    Bad (kOps 1.18.3):
        networking: {calico: {prometheusGoMetricsEnabled: false}}
    Good (kOps 1.19.3):
        networking: {calico: {prometheusGoMetricsEnabled: false}}
    Fix: remove the key, or use kOps 1.19 or later.
    Source: T(k8s-1.16)@1.17:844 against T(k8s-1.16)@1.19:3912.
    """
    if node.value is False:
        from calico_lint import fix

        yield Hit(
            node,
            f"`{node.key}: false` has no effect before kOps 1.19: remove it",
            on_key=True,
            fix=fix.remove_key(node, safe=True),
        )


@rule("Z904", "calico-null", severity="error", origin="calico")
def calico_null(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """`calico` without a value is no Calico.

    kOps reads `calico:` with nothing behind it as if the key were not there: the cluster has no network, or the one
    that an older kOps takes where none is chosen. The other mistakes of this kind, a `version` below `etcdMembers` or
    another spelling of a key, are unknown fields (U001).

    Bad (kOps 1.30.4):
        networking: {calico: null}
    Good (kOps 1.30.4):
        networking: {calico: {}}
    Fix: write `calico: {}`.
    Source: Go leaves the pointer at nil for null; a network is chosen by a pointer that is set (C2@1.36,
        NetworkingSpec).
    """
    node = cluster.calico
    if node is not None and node.value is None and cluster.cni is None:
        yield Hit(node, "`calico` has no value, and kOps takes it for absent: write `calico: {}`", on_key=True)


@rule("Z905", "main-etcd-first", severity="error/warning", origin="calico", until="1.19", changes="every",
      on="etcdClusters")  # fmt: skip
def main_etcd_first(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The first etcd cluster is not `main`.

    kOps points Calico on etcd at the first entry of `etcdClusters`, whatever its name, and checks that one's version.
    With `events` first Calico keeps its data in the events etcd. Where Calico runs on the Kubernetes datastore only the
    check looks at the wrong one, a warning.

    Bad (kOps 1.11.1):
        etcdClusters:
        - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.11.1):
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        - {name: events, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Also: S3
    Fix: write `main` first, before the cluster exists; moving it later moves Calico to an empty etcd.
    Source: V@1.11:101; `index .EtcdClusters 0` in T(k8s-1.7-v3)@1.11:10.
    """
    first = cluster.first_etcd
    name = text(first.get("name")) if first is not None else None
    if not _uses_calico(cluster) or first is None or name is None or name == "main":
        return
    if not any(text(etcd.get("name")) == "main" for etcd in cluster.etcd_clusters):
        return
    where = first.get("name") or first
    if _on_etcd(cluster, release):
        yield Hit(
            where, f"kOps points Calico at the first etcd cluster, and that is {quoted(name)}: write `main` first"
        )
    else:
        yield Hit(
            where,
            f"kOps takes the first etcd cluster for that of Calico, and that is {quoted(name)}: write `main` first",
            severity="warning",
        )


@rule("Z906", "two-pod-ranges", severity="warning", origin="calico", since="1.15",
      on="kubeControllerManager.clusterCIDR", fix="unsafe")  # fmt: skip
def two_pod_ranges(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`podCIDR` and `kubeControllerManager.clusterCIDR` differ.

    Calico's pool is made from `clusterCIDR`; what reads `podCIDR`, firewall rules and checks of kOps among it, thinks
    of other addresses.

    Bad (kOps 1.30.4):
        podCIDR: 100.96.0.0/11
        kubeControllerManager: {clusterCIDR: 100.112.0.0/12}
    Good (kOps 1.30.4):
        podCIDR: 100.96.0.0/11
        kubeControllerManager: {clusterCIDR: 100.96.0.0/11}
    Fix: remove `kubeControllerManager.clusterCIDR`: kOps derives it from `podCIDR`.
    Source: pkg/model/components/kubecontrollermanager.go@release-1.36; `.KubeControllerManager.ClusterCIDR` in
        T(k8s-1.25)@1.36.
    """
    pods = cluster.at("podCIDR")
    if text(pods) is not None and text(node) is not None and text(pods) != text(node) and pods is not None:
        from calico_lint import fix

        yield Hit(
            node,
            f"Calico's pool is this range, but `podCIDR` is {quoted(str(pods.value))}: remove this one",
            related=[(pods, "the range that the rest of kOps reads")],
            fix=fix.remove_key(node, safe=False),
        )


@rule("Z907", "group-in-unknown-subnet", severity="error", origin="kops-written")
def group_in_unknown_subnet(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """An InstanceGroup names a subnet that the cluster does not have.

    kOps finds the network, the zone and the address range of a node through the name of its subnet.

    Bad (kOps 1.30.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z9]}
    Good (kOps 1.30.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1]}
    Fix: write the name of one of the cluster's `subnets`, or add that subnet.
    Source: CrossValidateInstanceGroup, pkg/apis/kops/validation/instancegroup.go@release-1.11 and @release-1.36.
    """
    subnets = cluster.at("subnets")
    if subnets is None or not isinstance(subnets.value, list) or not cluster.groups:
        return
    names = [text(item.get("name")) for item in subnets if isinstance(item.value, dict)]
    if not names or None in names:
        return
    for group in cluster.groups:
        listed = group.spec.get("subnets") if group.spec is not None else None
        for item in listed if listed is not None and isinstance(listed.value, list) else ():
            name = text(item)
            if name is not None and name not in names:
                yield Hit(
                    item,
                    f"the cluster has no subnet {quoted(name)}: it has {', '.join(map(str, names))}",
                    related=[(subnets, "the subnets of the cluster")],
                )


# --- etcd -----------------------------------------------------------------------------------------------


@rule("Z908", "etcd-open-to-nodes", severity="info", origin="calico", until="1.19", changes="every", unanimous=True)
def etcd_open_to_nodes(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Because of Calico every node can reach etcd.

    Calico on etcd needs it. So kOps opens port 4001 of the control plane to all nodes, and with it all that Kubernetes
    stores, Secrets included, to whoever gets onto a node; it says itself that this is unsafe. Up to 1.18 it does so for
    every cluster with Calico, also where Calico's data is in Kubernetes.

    Bad (kOps 1.18.3):
        networking: {calico: {}}
    Bad (kOps 1.11.1):
        networking: {calico: {}}
    Good (kOps 1.19.3):
        networking: {calico: {}}
    Also: S3
    Fix: use kOps 1.19 or later with Kubernetes 1.12 or later; until then switch on TLS for etcd.
    Source: pkg/model/firewall.go@release-1.11:152-156 and 247-250, @release-1.18:252, @release-1.19:252-256;
        kubernetes/kops#10032.
    """
    calico = cluster.calico
    if calico is None or calico.value is None or not (release.minor < 19 or _on_etcd(cluster, release)):
        return
    needed = "Calico needs it" if _on_etcd(cluster, release) else "Calico does not even use it; kOps 1.19 closes it"
    yield Hit(calico, f"because of Calico kOps opens etcd of the control plane to every node ({needed})", on_key=True)


@rule("Z909", "dead-nodes-stay", severity="info", origin="calico", until="1.8", unanimous=True)
def dead_nodes_stay(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Nodes that are gone stay in Calico's etcd.

    Before kOps 1.9 nothing removes them. A new node waits for each of them as a BGP peer, minutes without routes after
    it is Ready, and more with every node that is replaced. They remain after an upgrade: remove them by hand then.

    Bad (kOps 1.8.1):
        networking: {calico: {}}
    Good (kOps 1.9.2):
        networking: {calico: {}}
    Also: S13, P721
    Fix: update with kOps 1.9 or later, then decommission the nodes that are gone (`calicoctl delete node`).
    Source: docs/networking/calico.md@release-1.36:185-193; kubernetes/kops#3224.
    """
    if _uses_calico(cluster) and cluster.calico is not None:
        yield Hit(
            cluster.calico,
            "with this kOps dead nodes stay in Calico's etcd, and new ones wait minutes for them: use "
            "kOps 1.9 or later, and remove the dead ones",
            on_key=True,
        )


# --- InstanceGroups and rolling updates -----------------------------------------------------------------


def _worker_groups(cluster: Cluster) -> list[InstanceGroup]:
    return [group for group in cluster.groups if group.role == "Node" and group.spec is not None]


@rule("Z910", "single-typha-on-spot", severity="warning", origin="calico", since="1.15", on=_CALICO + "typhaReplicas")
def single_typha_on_spot(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """One Typha, and nodes that may vanish.

    Every Felix gets its data through Typha. When the spot instance of the only one is taken away, no node learns of
    new pods and policies until the next Typha runs.

    Bad (kOps 1.30.4):
        networking: {calico: {typhaReplicas: 1}}
        ---
        {role: Node, machineType: m5.large, minSize: 4, maxSize: 4, subnets: [z1], maxPrice: "0.05"}
    Good (kOps 1.30.4):
        networking: {calico: {typhaReplicas: 3}}
        ---
        {role: Node, machineType: m5.large, minSize: 4, maxSize: 4, subnets: [z1], maxPrice: "0.05"}
    Also: T822
    Fix: write `typhaReplicas: 3`.
    Source: tigera/docs onpremises.mdx:441-444 (at least three replicas in production).
    """
    if node.value != 1 or isinstance(node.value, bool):
        return
    spot = [where for group in _worker_groups(cluster) if (where := _spot(group)) is not None]
    if spot:
        yield Hit(
            node,
            "the only Typha may stand on a spot instance, and all nodes hang on it: write 3",
            related=[(where, "spot instances") for where in spot],
        )


def _spot(group: InstanceGroup) -> Node | None:
    assert group.spec is not None
    price = group.spec.get("maxPrice")
    if price is not None and price.value not in (None, ""):
        return price
    policy = group.spec.get("mixedInstancesPolicy")
    if policy is None or not isinstance(policy.value, dict):
        return None
    above = policy.get("onDemandAboveBase")
    return above if above is not None and isinstance(above.value, int) and above.value < 100 else None


def _setting(cluster: Cluster, group: InstanceGroup, key: str) -> Node | None:
    """`rollingUpdate.KEY` of the group, or that of the cluster."""
    assert group.spec is not None
    node = group.spec.get("rollingUpdate", key)
    return node if node is not None and node.value is not None else cluster.at(f"rollingUpdate.{key}")


def _amount(node: Node | None, size: int, default: int, *, up: bool) -> int | None:
    """A number or a percentage of `size`; None where it cannot be read."""
    if node is None or node.value is None:
        return default
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit():
        share = int(value[:-1]) * size
        return -(-share // 100) if up else max(1, share // 100)
    return None


def _surge(cluster: Cluster, group: InstanceGroup, release: Version) -> int | None:
    """How many nodes a rolling update adds first. Source: resolveSettings, instancegroups.go@release-1.18."""
    if release.minor < 18:
        return 0
    return _amount(_setting(cluster, group, "maxSurge"), group.min_size, int(cluster.cloud == "aws"), up=True)


_SLOW = 30  # nodes of one group: two hours at the four minutes that a node takes


@rule("Z911", "serial-rolling-update", severity="info", origin="calico", changes=("1.15", "1.18"), unanimous=True)
def serial_rolling_update(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """A large InstanceGroup is replaced one node at a time.

    One node takes about four minutes to boot and to be validated, five and a half with the intervals of kOps before
    1.15: a hundred nodes take a working day. For all that time two versions of Calico run side by side.

    Bad (kOps 1.30.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, minSize: 100, maxSize: 100, subnets: [z1]}
    Good (kOps 1.30.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, minSize: 100, maxSize: 100, subnets: [z1], rollingUpdate: {maxSurge: 10%}}
    Also: T821, B825, C834
    Fix: write `rollingUpdate: {maxSurge: 10%}` into the InstanceGroup (kOps 1.18 or later); before, split the group and
        update the parts side by side.
    Source: MasterInterval and NodeInterval in cmd/kops/rollingupdatecluster.go@release-1.14 and @release-1.15;
        docs/operations/rolling-update.md@release-1.18; kubernetes/kops#5989.
    """
    if not _uses_calico(cluster):
        return
    for group in _worker_groups(cluster):
        size = group.min_size
        surge = _surge(cluster, group, release)
        if size < _SLOW or surge is None or group.spec is None:
            continue
        lost = _amount(_setting(cluster, group, "maxUnavailable"), size, int(surge == 0), up=False)
        if lost is None or (surge + lost > 1 and release.minor >= 18):
            continue
        hours = size * (4.0 if release.minor >= 15 else 5.5) / 60
        advice = (
            "write `rollingUpdate: {maxSurge: 10%}`" if release.minor >= 18 else "kOps 1.18 can replace several at once"
        )
        where = group.spec.get("minSize") or group.spec
        yield Hit(
            where, f"a rolling update replaces these {size} nodes one by one, in about {hours:.0f} hours: {advice}"
        )


@rule("Z912", "rolling-update-takes-half", severity="warning/info", origin="calico", changes=("1.18",), unanimous=True)
def rolling_update_takes_half(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """A rolling update takes away half of the nodes at a time.

    Without a surge a node is gone before its replacement is there. With two nodes that is half of the cluster, and
    Calico starts on the new node while all pods of the old one are looking for a place. kOps 1.18 and later adds a node
    first, on AWS and unless told otherwise.

    Bad (kOps 1.17.2):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, minSize: 2, maxSize: 2, subnets: [z1]}
    Bad (kOps 1.30.4):
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
        minSize: 10
        maxSize: 10
        subnets: [z1]
        rollingUpdate: {maxUnavailable: 5, maxSurge: 0}
    Good (kOps 1.30.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, minSize: 2, maxSize: 2, subnets: [z1]}
    Also: M804
    Fix: write `rollingUpdate: {maxSurge: 1}` (kOps 1.18 or later), or a third node before the update.
    Source: docs/operations/rolling-update.md@release-1.18; kubernetes/kops#2471.
    """
    groups = _worker_groups(cluster)
    total = sum(group.min_size for group in groups)
    if not _uses_calico(cluster) or not total:
        return
    for group in groups:
        assert group.spec is not None
        surge = _surge(cluster, group, release)
        if surge is None or surge > 0:
            continue
        unavailable = _setting(cluster, group, "maxUnavailable") if release.minor >= 18 else None
        lost = _amount(unavailable, group.min_size, 1, up=False)
        lost = None if lost is None else min(lost, group.min_size)
        if lost is not None and lost * 2 >= total and (total > 1 or lost):
            where = unavailable or group.spec.get("minSize") or group.spec
            yield Hit(
                where,
                f"a rolling update takes {lost} of {total} nodes away before a replacement is there: "
                + ("write `rollingUpdate: {maxSurge: 1}`" if release.minor >= 18 else "add a node before the update"),
            )


_AUTOSCALER_LABEL = "k8s.io/cluster-autoscaler/"


@rule("Z913", "autoscaler-during-update", severity="warning", origin="calico", unanimous=True)
def autoscaler_during_update(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """The autoscaler changes a group that may grow far while kOps waits for it to be still.

    A rolling update goes on when the cluster validates, twice in a row, with every node Ready. Where an autoscaler adds
    and removes nodes all the time there is always one that is not, and the update runs into its time limit.

    Bad (kOps 1.30.4):
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
        minSize: 10
        maxSize: 200
        subnets: [z1]
        cloudLabels: {k8s.io/cluster-autoscaler/enabled: "true"}
    Good (kOps 1.30.4):
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
        minSize: 10
        maxSize: 20
        subnets: [z1]
        cloudLabels: {k8s.io/cluster-autoscaler/enabled: "true"}
    Also: T821, B825, C834
    Fix: pause the autoscaler for the update, or give `kops rolling-update cluster` a longer `--validation-timeout`.
    Source: pkg/instancegroups/instancegroups.go@release-1.30 (validate-count 2); kubernetes/kops#16848.
    """
    if not _uses_calico(cluster):
        return
    enabled = cluster.at("clusterAutoscaler.enabled")
    for group in _worker_groups(cluster):
        assert group.spec is not None
        labels = group.spec.get("cloudLabels")
        names = labels.value if labels is not None and isinstance(labels.value, dict) else {}
        scaled = any(str(name).startswith(_AUTOSCALER_LABEL) for name in names)
        if not scaled and not (enabled is not None and enabled.value is True):
            continue
        low, high = group.min_size, group.max_size
        if high - low >= 50 and high >= 5 * max(low, 1):
            where = group.spec.get("maxSize") or group.spec
            yield Hit(
                where,
                f"the autoscaler may take this group from {low} to {high} nodes, and a rolling update waits "
                "until none comes or goes: pause it meanwhile, or raise --validation-timeout",
            )


RULES: list[Rule] = [
    metrics_ports,
    metrics_cannot_be_off,
    calico_null,
    main_etcd_first,
    two_pod_ranges,
    group_in_unknown_subnet,
    etcd_open_to_nodes,
    dead_nodes_stay,
    single_typha_on_spot,
    serial_rolling_update,
    rolling_update_takes_half,
    autoscaler_during_update,
]
