"""Rules on size: Typha (T821-T823), BGP (B825, B826), and addresses for nodes and pods (C831-C840). kOps checks none.

T(x)@1.N in sources = `upup/models/cloudup/resources/addons/networking.projectcalico.org/x.yaml.template@release-1.N`
and DOC@1.36 = `docs/networking/calico.md@release-1.36` of kubernetes/kops, docs: = `calico/` of tigera/docs.
"""

from __future__ import annotations

from calico_lint.cidr import IPV4_BITS, parse_cidr
from calico_lint.kops.calico import BIRD, KUBERNETES, typha_runs_on
from calico_lint.rules.addresses import addresses_of
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import at_key, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from calico_lint.cidr import Cidr
    from calico_lint.cluster import Cluster, InstanceGroup
    from calico_lint.kops.releases import Version
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node

_CALICO = "networking.calico"
_BLOCK = 26  # prefix of a block of addresses, which a node takes as a whole; kOps has no key for it
_BLOCK_SIZE = 64
_MAX_PODS = 110  # the kubelet's default
_NODE_CIDR = 24  # kube-controller-manager's default nodeCIDRMaskSize
_TYPHA_FROM, _TYPHA_NEEDED = 50, 100
_NODES_PER_TYPHA, _MOST_TYPHA, _LEAST_TYPHA = 200, 20, 3
_MESH = 100


# --- how many nodes -------------------------------------------------------------------------------------


class _Nodes:
    """How many nodes a cluster has, from its InstanceGroups; control-plane nodes also from its etcd members.

    `most` counts `maxSize` and `least` `minSize`, by role; `pods` is how many pods the nodes may run at most, `blocks`
    how many blocks of addresses these need. `unbounded` are groups without an upper bound. Without any group of worker
    nodes nothing is known.
    """

    __slots__ = ("blocks", "cluster", "known", "least_by_role", "most", "pods", "unbounded")

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.unbounded = [group for group in cluster.groups if group.role == "Node" and group.is_unbounded]
        self.most = self.blocks = self.pods = 0
        self.least_by_role = {"Node": 0, "ControlPlane": 0, "APIServer": 0}
        self.known = False
        for group in cluster.groups:
            if group.role == "Bastion":
                continue
            self.known |= group.role == "Node"
            self.least_by_role[group.role] += group.min_size
            self._add(group.max_size, _max_pods(cluster, group))
        if not any(group.role == "ControlPlane" for group in cluster.groups) and cluster.first_etcd is not None:
            members = cluster.first_etcd.get("etcdMembers")
            count = len(members.value) if members is not None and isinstance(members.value, list) else 0
            self.least_by_role["ControlPlane"] = count
            self._add(count, _max_pods(cluster, None))

    def _add(self, count: int, max_pods: int) -> None:
        self.most += count
        self.pods += count * max_pods
        self.blocks += count * -(-max_pods // _BLOCK_SIZE)

    def least(self, roles: Iterable[str]) -> int:
        """The smallest number of nodes of these roles."""
        return sum(self.least_by_role[role] for role in roles)


def _max_pods(cluster: Cluster, group: InstanceGroup | None) -> int:
    """How many pods a node of this group may run; of the control plane where there is no group."""
    control_plane = group is None or group.role == "ControlPlane"
    nodes = [
        group.spec.get("kubelet", "maxPods") if group is not None and group.spec is not None else None,
        cluster.at("masterKubelet.maxPods") if control_plane else None,
        cluster.at("kubelet.maxPods"),
    ]
    for node in nodes:
        if node is not None and isinstance(node.value, int) and node.value > 0:
            return node.value
    return _MAX_PODS


_last: _Nodes | None = None


def _nodes(cluster: Cluster) -> _Nodes:
    """The nodes of a cluster. All rules ask about one cluster before they ask about the next."""
    global _last
    if _last is None or _last.cluster is not cluster:
        _last = _Nodes(cluster)
    return _last


def _sizes(groups: Iterable[InstanceGroup], key: str, words: str) -> list[tuple[Node, str]]:
    """The sizes that are written, largest first; the first three are enough."""
    nodes = [node for group in groups if group.spec is not None and (node := group.spec.get(key)) is not None]
    sized = [node for node in nodes if isinstance(node.value, int)]
    return [(node, words) for node in sorted(sized, key=lambda node: -node.value)[:3]]


# --- Typha ----------------------------------------------------------------------------------------------


@rule("T821", "no-typha", severity="error", origin="calico", since="1.12", changes="every", on=_CALICO, fix="unsafe")
def no_typha(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """A large cluster without Typha.

    Where Calico keeps its data in Kubernetes, each calico-node watches the API server for everything. Typha takes these
    watches together: it is recommended above 50 nodes, and above 100 a cluster does not do without. kOps installs none
    unless `typhaReplicas` says so (kOps 1.15 and later). Nodes are counted by `maxSize`. Groups that Karpenter manages
    have no upper bound: there it is an info.

    Bad (kOps 1.36.2):
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 80
    Good (kOps 1.36.2):
        networking: {calico: {typhaReplicas: 3}}
        ---
        role: Node
        minSize: 5
        maxSize: 80
    Fix: write `typhaReplicas: 3`, and one more for each 200 nodes above 600.
    Source: DOC@1.36:116; T(k8s-1.25)@1.36:7609-7611; kubernetes/kops#7158.
    """
    nodes, typha = _nodes(cluster), node.get("typhaReplicas")
    if (typha is not None and typha.value not in (None, 0)) or (nodes.most <= _TYPHA_FROM and not nodes.unbounded):
        return
    manifest = cluster.manifest(release)
    if manifest is None or manifest.datastore != KUBERNETES:
        return
    problem, severity = f"up to {nodes.most} nodes without Typha are a burden for the API server", "warning"
    related = _sizes(cluster.groups, "maxSize", "so many nodes")
    if nodes.most > _TYPHA_NEEDED:
        severity = "error"
    elif nodes.most <= _TYPHA_FROM:
        problem, severity = f"Karpenter may make more than {_TYPHA_FROM} nodes, and there is no Typha", "info"
        related = [(group.spec["manager"], "no upper bound") for group in nodes.unbounded if group.spec is not None]
    wanted, cure, advice = _typha_for(nodes.most), None, "use kOps 1.15 or later"
    if release.minor >= 15:
        advice = f"write `typhaReplicas: {wanted}`"
        if nodes.known and wanted < nodes.least(typha_runs_on(release, manifest)):  # else T823
            from calico_lint import fix

            if typha is None:
                cure = fix.add_key(node, "typhaReplicas", wanted, safe=False)
            else:
                cure = fix.set_value(typha, wanted, safe=False)
    yield at_key(node, "typhaReplicas", f"{problem}: {advice}", related=related, severity=severity, fix=cure)


def _typha_for(nodes: int) -> int:
    return min(max(-(-nodes // _NODES_PER_TYPHA), _LEAST_TYPHA), _MOST_TYPHA)


@rule("T822", "typha-replicas-count", severity="warning", origin="calico", since="1.15", changes="every",
      on=f"{_CALICO}.typhaReplicas", fix="unsafe")  # fmt: skip
def typha_replicas_count(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Too few Typhas for the nodes, or too many.

    One Typha serves 100 to 200 nodes; beyond, it turns clients away. Three at least keep an update or the loss of one
    from disturbing the rest, as long as there are more than three nodes. More than 20 are no use.

    Bad (kOps 1.36.2):
        networking: {calico: {typhaReplicas: 3}}
        ---
        role: Node
        minSize: 700
        maxSize: 700
    Bad (kOps 1.36.2):
        networking: {calico: {typhaReplicas: 1}}
        ---
        role: Node
        minSize: 5
        maxSize: 9
    Good (kOps 1.36.2):
        networking: {calico: {typhaReplicas: 4}}
        ---
        role: Node
        minSize: 700
        maxSize: 700
    Also: B825, Z911
    Fix: write one for each 200 nodes, at least 3 and at most 20.
    Source: docs:getting-started/kubernetes/self-managed-onprem/onpremises.mdx:441-444; T(k8s-1.25)@1.36:7609-7611;
        projectcalico/calico#5629.
    """
    replicas, manifest, nodes = _replicas(node), cluster.manifest(release), _nodes(cluster)
    if replicas <= 0 or manifest is None or manifest.datastore != KUBERNETES:
        return
    places = nodes.least(typha_runs_on(release, manifest))
    wanted = _typha_for(nodes.most if nodes.known else 0)
    if nodes.known and replicas >= places:
        return  # T823
    from calico_lint import fix

    cure = fix.set_value(node, wanted, safe=False)
    if replicas > _MOST_TYPHA:
        yield Hit(node, f"`typhaReplicas: {replicas}` is more than Typha is good for: write {wanted}", fix=cure)
    elif replicas < wanted and not (nodes.known and places <= wanted):
        why = f"{nodes.most} nodes need one per {_NODES_PER_TYPHA}" if wanted > _LEAST_TYPHA else "an update needs 3"
        yield Hit(
            node,
            f"`typhaReplicas: {replicas}` is too few ({why}): write {wanted}",
            related=_sizes(cluster.groups, "maxSize", "so many nodes") if wanted > _LEAST_TYPHA else (),
            fix=cure,
        )


def _replicas(node: Node) -> int:
    return node.value if isinstance(node.value, int) and not isinstance(node.value, bool) else 0


@rule("T823", "typha-needs-more-nodes", severity="error", origin="calico", since="1.15", changes="every",
      on=f"{_CALICO}.typhaReplicas", fix="unsafe")  # fmt: skip
def typha_needs_more_nodes(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """As many Typhas as nodes that may run them, or more.

    Typha listens on port 5473 of its node, so that a node runs only one. What is too much stays pending, and an update
    of Typha, which starts a new one before it stops an old one, may never end. Nodes are counted by `minSize`; the
    manifest for Kubernetes before 1.16 keeps Typha off the control plane, and kOps 1.17 keeps it there otherwise.

    Bad (kOps 1.24.5):
        networking: {calico: {typhaReplicas: 3}}
        ---
        role: Master
        minSize: 1
        maxSize: 1
        ---
        role: Node
        minSize: 1
        maxSize: 1
    Good (kOps 1.24.5):
        networking: {calico: {typhaReplicas: 3}}
        ---
        role: Node
        minSize: 3
        maxSize: 5
    Fix: write fewer, or none (a cluster of up to 50 nodes does without), or raise `minSize`.
    Source: docs:getting-started/kubernetes/self-managed-onprem/onpremises.mdx:443-444; T(k8s-1.12)@1.15,
        T(k8s-1.16)@1.17, T(k8s-1.22)@1.24:4328-4365, T(k8s-1.25)@1.36:7594-7724; projectcalico/calico#6995.
    """
    replicas, manifest, nodes = _replicas(node), cluster.manifest(release), _nodes(cluster)
    if replicas <= 0 or manifest is None or manifest.datastore != KUBERNETES or not nodes.known:
        return
    roles = typha_runs_on(release, manifest)
    places = nodes.least(roles)
    if replicas >= places:
        from calico_lint import fix

        where = "" if len(roles) > 1 else " of the control plane" if roles[0] == "ControlPlane" else " that are workers"
        count = f"{places} node{'s' if places != 1 else ''}{where}"
        yield Hit(
            node,
            f"`typhaReplicas: {replicas}` for at least {count}: each needs a node of its own, and an update one more; "
            + (f"write {places - 1} at most" if places > 1 else "remove it"),
            related=_sizes((group for group in cluster.groups if group.role in roles), "minSize", "so many nodes"),
            fix=fix.set_value(node, places - 1, safe=False) if places > 1 else fix.remove_key(node, safe=False),
        )


# --- BGP ------------------------------------------------------------------------------------------------


@rule("B825", "bgp-full-mesh", severity="warning", origin="calico", changes="every", on=_CALICO)
def bgp_full_mesh(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """BGP between each two of more than 100 nodes.

    With IP-in-IP the nodes learn routes by BGP, every node from every other. That is fine up to about 100 nodes;
    beyond, Calico asks for route reflectors, which kOps does not set up. VXLAN does without BGP.

    Bad (kOps 1.36.2):
        networking: {calico: {typhaReplicas: 3}}
        ---
        role: Node
        minSize: 150
        maxSize: 150
    Good (kOps 1.36.2):
        networking: {calico: {typhaReplicas: 3, encapsulationMode: vxlan}}
        ---
        role: Node
        minSize: 150
        maxSize: 150
    Also: Z911
    Fix: for a new cluster write `encapsulationMode: vxlan` (kOps 1.19 and later); for a running one set up route
        reflectors and switch the mesh off, with calicoctl.
    Source: docs:networking/configuring/bgp.mdx:38; DOC@1.36:69-74; T(k8s-1.16)@1.19:31.
    """
    nodes = _nodes(cluster)
    if nodes.most <= _MESH:
        return
    encapsulation = cluster.encapsulation(release)
    if encapsulation is not None and encapsulation.backend == BIRD:
        yield Hit(
            node,
            f"up to {nodes.most} nodes, each with a BGP session to each other one: use route reflectors"
            + (", or for a new cluster `encapsulationMode: vxlan`" if release.minor >= 19 else ""),
            related=_sizes(cluster.groups, "maxSize", "so many nodes"),
            on_key=True,
        )


@rule("B826", "gce-firewall-blocks-bgp", severity="warning", origin="calico", until="1.35", changes="every", on=_CALICO,
      unanimous=True)  # fmt: skip
def gce_firewall_blocks_bgp(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """On GCE nodes cannot open BGP to the control plane.

    Up to kOps 1.35 the firewall lets TCP 179 through from the control plane to nodes, not the other way. A session then
    comes up only when the side of the control plane dials, and calico-node there is ready the later for it.

    Bad (kOps 1.34.2):
        cloudProvider: gce
        networkCIDR: <absent>
        networking: {calico: {}}
    Good (kOps 1.36.2):
        cloudProvider: gce
        networkCIDR: <absent>
        networking: {calico: {}}
    Fix: use kOps 1.36 or later, or add a firewall rule for TCP 179 from nodes to the control plane.
    Source: pkg/model/gcemodel/firewall.go@release-1.34 and @release-1.36 of kubernetes/kops; commit 55c487f6b6,
        first in v1.36.0; kubernetes/kops#18351.
    """
    if cluster.cloud != "gce":
        return
    encapsulation = cluster.encapsulation(release)
    if encapsulation is not None and encapsulation.backend == BIRD:
        yield Hit(
            node,
            "the firewall of this kOps on GCE blocks BGP (TCP 179) from nodes to the control plane: use kOps 1.36 or "
            "later, or add a rule",
            on_key=True,
        )


# --- addresses ------------------------------------------------------------------------------------------


def _cidr(value: str) -> Cidr:
    cidr = parse_cidr(value)
    assert cidr is not None
    return cidr


_LINK_LOCAL = "169.254.0.0/16"
_INSIDE = ("100.64.0.0/10", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
# The minors at which a default of the addresses changes, see `addresses`.
_CHANGES = ("1.9", "1.10", "1.22", "1.23", "1.24", "1.26", "1.27", "1.28", "1.34")


def _pool(cluster: Cluster, release: Version) -> tuple[Cidr, Node | None] | None:
    """Calico's IPv4 pool, and where it is written."""
    addresses = addresses_of(cluster)
    pool = addresses.pool(release)
    if pool is None or pool.cidr.bits != IPV4_BITS or cluster.ipv6_only:
        return None
    return pool.cidr, addresses.node(pool.path) if pool.path is not None else None


def _at_pool(
    cluster: Cluster,
    node: Node | None,
    message: str,
    *,
    related: Iterable[tuple[Node, str]] = (),
    severity: str | None = None,
) -> Hit:
    """A hit on the pool, or on the range that its default is a part of."""
    if node is not None:
        return Hit(node, message, related=tuple(related), severity=severity)
    hit = addresses_of(cluster).hit("nonMasqueradeCIDR", message, severity=severity)
    hit.related = tuple(related)
    return hit


@rule("C831", "pool-overlaps-network", severity="warning", origin="calico", changes=_CHANGES)
def pool_overlaps_network(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Calico's pool shares addresses with the network of the nodes.

    An address may then be a pod or a machine; what is sent to it gets to one of them. kOps looks at
    `nonMasqueradeCIDR` and `networkCIDR` (KN401), since 1.28 also at subnets (KN406). It misses a pool outside of
    `nonMasqueradeCIDR`, and before 1.28 the subnets of a network whose range is not written: on GCE, and with
    `networkID`.

    Bad (kOps 1.24.5):
        cloudProvider: gce
        networkCIDR: <absent>
        subnets: [{name: z1, region: us-test1, cidr: 100.100.0.0/20, type: Public}]
    Good (kOps 1.24.5):
        cloudProvider: gce
        networkCIDR: <absent>
        subnets: [{name: z1, region: us-test1, cidr: 10.0.16.0/20, type: Public}]
    Also: B826
    Fix: choose ranges that share nothing; on a running cluster the pool has to be migrated.
    Source: docs:_includes/partials/_system-requirements.mdx:215-221; V@1.28:615.
    """
    addresses = addresses_of(cluster)
    pool = addresses.pool(release)
    if pool is None:
        return
    network, whole = addresses.network(release), addresses.non_masquerade(release)
    if network is not None and whole is not None and whole.cidr.overlaps(network.cidr):
        return  # KN401
    others = [network] if network is not None else []
    others += [
        each for each in addresses.additional_networks(release) if whole is None or not whole.cidr.overlaps(each.cidr)
    ]  # KN402
    shared = [(str(each.cidr), each.path) for each in others if each.cidr.overlaps(pool.cidr)]
    pods = addresses.pods(release) if release.minor >= 28 else None
    if not shared:
        for path, value in addresses.subnets:
            cidr = parse_cidr(value)
            # KN406 speaks of subnets that overlap podCIDR.
            if cidr is not None and cidr.overlaps(pool.cidr) and (pods is None or not cidr.overlaps(pods.cidr)):
                shared.append((str(cidr), path))
    if shared:
        node = addresses.node(pool.path) if pool.path is not None else None
        names = " and ".join(f"`{name}`" for name, _ in shared[:3])
        yield _at_pool(
            cluster,
            node,
            f"Calico's pool `{pool.cidr}` shares addresses with the network of the nodes, {names}: choose ranges that "
            "share nothing",
            related=[(addresses.node(path), "the network of the nodes") for _, path in shared[:3] if path is not None],
        )


@rule("C832", "pool-smaller-than-a-block", severity="error", origin="calico", changes=_CHANGES)
def pool_smaller_than_a_block(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Calico's pool is smaller than a block.

    Calico gives addresses to nodes in blocks of 64, a /26. It refuses a pool that is smaller, and calico-node does not
    start. kube-controller-manager does not start either: it wants a /24 for each node.

    Bad (kOps 1.36.2):
        podCIDR: 100.96.0.0/27
    Good (kOps 1.36.2):
        podCIDR: 100.96.0.0/16
    Fix: choose a range of at least a block for each node; on a running cluster the pool has to be migrated.
    Source: docs:reference/resources/ippool.mdx:43-44.
    """
    pool = _pool(cluster, release)
    if pool is not None and pool[0].prefix > _BLOCK:
        yield _at_pool(cluster, pool[1], f"Calico's pool `{pool[0]}` is smaller than one block of 64 addresses, a /26: "
                       "choose a larger range")  # fmt: skip


@rule("C833", "fewer-blocks-than-nodes", severity="error", origin="calico", changes="every")
def fewer_blocks_than_nodes(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Calico's pool has fewer blocks than the cluster may have nodes.

    Each node takes blocks of 64 addresses. When none is left it borrows single addresses from the blocks of others,
    each with a route of its own on every node; when those are gone, pods get no address.

    Bad (kOps 1.36.2):
        podCIDR: 100.96.0.0/22
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 40
    Good (kOps 1.36.2):
        podCIDR: 100.96.0.0/16
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 40
    Also: C836
    Fix: choose a range of at least two blocks for each node; on a running cluster add a pool, with calicoctl.
    Source: docs:reference/resources/ippool.mdx:126-128.
    """
    yield from _capacity(cluster, release, "C833")


@rule("C834", "blocks-run-out", severity="warning", origin="calico", changes="every")
def blocks_run_out(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Calico's pool has not enough blocks for as many pods as the nodes may run.

    A node with 110 pods, the kubelet's default for `maxPods`, needs two blocks of 64 addresses. When all blocks are
    taken, nodes borrow addresses from the blocks of others. A node that held blocks before Calico v3 may take new ones
    besides.

    Bad (kOps 1.36.2):
        podCIDR: 100.96.0.0/20
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 40
    Good (kOps 1.36.2):
        podCIDR: 100.96.0.0/20
        kubelet: {maxPods: 30}
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 40
    Also: C836
    Fix: choose a larger range, or a smaller `kubelet.maxPods`; on a running cluster add a pool, with calicoctl.
    Source: docs:reference/resources/ippool.mdx:126-128; projectcalico/calico#1956.
    """
    yield from _capacity(cluster, release, "C834")


@rule("C835", "little-room-for-pods", severity="warning", origin="calico", changes="every")
def little_room_for_pods(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Calico's pool has not twice the addresses that the pods of all nodes need.

    While nodes are replaced, old and new ones hold blocks at the same time, and the blocks of a node that is gone come
    back only after a while.

    Bad (kOps 1.36.2):
        podCIDR: 100.96.0.0/19
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 60
    Good (kOps 1.36.2):
        podCIDR: 100.96.0.0/16
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 40
    Also: C836 T821
    Fix: choose a larger range, or a smaller `kubelet.maxPods`; on a running cluster add a pool, with calicoctl.
    Source: inferred from how nodes are replaced; docs:reference/resources/ippool.mdx:126-128.
    """
    yield from _capacity(cluster, release, "C835")


def _capacity(cluster: Cluster, release: Version, rule_id: str) -> Iterator[Hit]:
    """The one of C833, C834 and C835 that says most, if it is this one."""
    nodes = _nodes(cluster)
    pool, manifest = _pool(cluster, release), cluster.manifest(release)
    if not nodes.known or pool is None or manifest is None or manifest.ipam != "calico-ipam":
        return
    cidr, node = pool
    if cidr.prefix > _BLOCK:
        return  # C832
    blocks = 1 << _BLOCK - cidr.prefix
    held = f"Calico's pool `{cidr}` has {blocks} block{'s' if blocks > 1 else ''} of 64 addresses"
    if blocks < nodes.most:
        found, message = "C833", f"{held} for up to {nodes.most} nodes, which take at least one each"
    elif blocks < nodes.blocks:
        found, message = "C834", f"{held}, and up to {nodes.most} nodes with {nodes.pods} pods need {nodes.blocks}"
    elif blocks * _BLOCK_SIZE < 2 * nodes.pods:
        found = "C835"
        message = (
            f"{held}, less than twice the {nodes.pods} pods of up to {nodes.most} nodes, as a rolling update needs"
        )
    else:
        return
    if found == rule_id:
        related = _sizes(cluster.groups, "maxSize", "so many nodes")
        advice = "choose a larger range" + (", or a smaller `maxPods`" if found != "C833" else "")
        yield _at_pool(cluster, node, f"{message}: {advice}", related=related)


@rule("C836", "node-cidrs-run-out", severity="error", origin="calico", changes="every")
def node_cidrs_run_out(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Not every node gets a range of its own from kube-controller-manager.

    It gives each node a part of the pool, a /24 unless `nodeCIDRMaskSize` says otherwise. kOps 1.12 to 1.14 make Calico
    take the addresses of pods from there (Kubernetes 1.12 and later): a node without a range runs no pods. Elsewhere
    Calico does not look at it, and there are only warnings in the events. A pool smaller than one such part keeps
    kube-controller-manager from starting at all.

    Bad (kOps 1.13.2):
        kubeControllerManager: {clusterCIDR: 100.96.0.0/20}
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 40
    Bad (kOps 1.36.2):
        podCIDR: 100.96.0.0/25
    Good (kOps 1.13.2):
        kubeControllerManager: {clusterCIDR: 100.96.0.0/16}
        networking: {calico: {}}
        ---
        role: Node
        minSize: 3
        maxSize: 40
    Fix: choose a larger range, or write a larger `kubeControllerManager.nodeCIDRMaskSize` before the cluster is made.
    Source: pkg/model/components/kubecontrollermanager.go@release-1.8:145 and @release-1.36:93 (allocateNodeCIDRs);
        pkg/controller/nodeipam of kubernetes/kubernetes; T(k8s-1.12)@1.12 to 1.14 (host-local).
    """
    pool, manifest = _pool(cluster, release), cluster.manifest(release)
    if pool is None or manifest is None or cluster.cni != "calico":
        return
    allocate = cluster.at("kubeControllerManager.allocateNodeCIDRs")
    if allocate is not None and allocate.value is False:
        return
    size = cluster.at("kubeControllerManager.nodeCIDRMaskSize")
    mask = size.value if size is not None and isinstance(size.value, int) and size.value > 0 else _NODE_CIDR
    cidr, node = pool
    related = [(size, "the size of each part")] if size is not None else []
    nodes = _nodes(cluster)
    if cidr.prefix > mask:
        if cidr.prefix <= _BLOCK:  # else C832
            message = (
                f"kube-controller-manager does not start with `{cidr}`, which is smaller than a /{mask} for a node"
            )
            yield _at_pool(cluster, node, f"{message}: choose a larger range", related=related)
    elif nodes.known and nodes.most > 1 << mask - cidr.prefix:
        related += _sizes(cluster.groups, "maxSize", "so many nodes")
        host_local = manifest.ipam == "host-local"
        yield _at_pool(
            cluster,
            node,
            f"`{cidr}` has {1 << mask - cidr.prefix} parts of /{mask} for up to {nodes.most} nodes: "
            + ("nodes without one run no pods" if host_local else "Calico does without, but events will complain"),
            related=related,
            severity=None if host_local else "info",
        )


@rule("C837", "nonmasq-is-public", severity="warning", origin="calico", changes=_CHANGES)
def nonmasq_is_public(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """`nonMasqueradeCIDR` holds addresses of the Internet.

    Pods and Services get addresses from there. What has these addresses on the Internet cannot be reached from the
    cluster. Private ranges are 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, and the shared one 100.64.0.0/10.

    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: 11.0.0.0/9
        serviceClusterIPRange: 11.0.0.0/16
    Good (kOps 1.36.2):
        nonMasqueradeCIDR: 10.128.0.0/9
        serviceClusterIPRange: 10.128.0.0/16
    Fix: choose a part of a private range; a running cluster cannot change it.
    Source: RFC 1918, RFC 6598; upup/pkg/fi/cloudup/defaults.go@release-1.36:38 of kubernetes/kops.
    """
    addresses = addresses_of(cluster)
    if "nonMasqueradeCIDR" not in addresses.texts:
        return
    whole = addresses.non_masquerade(release)
    if whole is None or whole.cidr.bits != IPV4_BITS or whole.path is None:
        return
    if not any(_cidr(inside).contains(whole.cidr) for inside in _INSIDE):
        yield Hit(
            addresses.node(whole.path),
            f"`nonMasqueradeCIDR` {whole.cidr} is not private: pods cannot reach what has these addresses elsewhere; "
            "choose a part of `100.64.0.0/10` or `10.0.0.0/8`",
        )


@rule("C838", "pool-not-usable", severity="error", origin="calico", changes=_CHANGES, fix="unsafe")
def pool_not_usable(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Calico's pool lies among link-local addresses, or is not written as a range.

    Calico refuses a pool that overlaps 169.254.0.0/16, and calico-node does not start. Bits beyond the prefix are
    dropped, which makes a pool that is most likely not the one that was meant; kOps looks at them in other ranges
    (KN413), not in this one.

    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: 169.254.0.0/16
        serviceClusterIPRange: 169.254.0.0/20
    Bad (kOps 1.36.2):
        kubeControllerManager: {clusterCIDR: 100.96.1.0/11}
    Good (kOps 1.36.2):
        kubeControllerManager: {clusterCIDR: 100.96.0.0/11}
    Also: C837
    Fix: choose a private range, and write its first address.
    Source: docs:reference/resources/ippool.mdx:43; libcalico-go/lib/validator/v3/validator.go@release-v3.31:1195-1196
        and node/pkg/lifecycle/startup/startup.go (takes the network of CALICO_IPV4POOL_CIDR) of projectcalico/calico.
    """
    pool = _pool(cluster, release)
    if pool is None:
        return
    cidr, node = pool
    if cidr.overlaps(_cidr(_LINK_LOCAL)):
        yield _at_pool(cluster, node, f"Calico's pool `{cidr}` overlaps the link-local range {_LINK_LOCAL}, which "
                       "Calico refuses: choose a private range")  # fmt: skip
    elif cidr.has_host_bits and node is not None and node.key == "clusterCIDR":
        from calico_lint import fix

        yield Hit(
            node,
            f"`clusterCIDR` has address bits beyond its prefix: the pool will be `{cidr}`; write that, or correct the "
            "prefix length",
            severity="warning",
            fix=fix.set_value(node, str(cidr), safe=False),
        )


@rule(
    "C839",
    "service-range-not-derived",
    severity="warning",
    origin="calico",
    since="1.28",
    changes=("1.34",),
    fix="unsafe",
)
def service_range_not_derived(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """A `nonMasqueradeCIDR` of one's own, without `serviceClusterIPRange`.

    Up to kOps 1.27 the range of Services was the first eighth of `nonMasqueradeCIDR` where it was not written. From
    1.28 on it is 100.64.0.0/13, whatever `nonMasqueradeCIDR` is: an existing cluster would get another range than the
    one that its Services have, and a new one has Services outside of `nonMasqueradeCIDR`.

    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: 10.128.0.0/9
    Good (kOps 1.36.2):
        nonMasqueradeCIDR: 10.128.0.0/9
        serviceClusterIPRange: 10.128.0.0/12
    Fix: write `serviceClusterIPRange`; for an existing cluster the one in force.
    Source: upup/pkg/fi/cloudup/populate_cluster_spec.go@release-1.27 and @release-1.28:397-404 of kubernetes/kops.
    """
    addresses = addresses_of(cluster)
    if "nonMasqueradeCIDR" not in addresses.texts or "serviceClusterIPRange" in addresses.texts:
        return
    whole, services, pool = addresses.non_masquerade(release), addresses.services(release), addresses.pool(release)
    if whole is None or services is None or services.cidr.bits != IPV4_BITS or whole.cidr.contains(services.cidr):
        return
    if pool is None or not pool.cidr.overlaps(services.cidr):  # else KN409
        before = whole.cidr.first(max(whole.cidr.prefix + 3, 12))
        was = f", up to kOps 1.27 {before}" if before is not None else ""
        hit = addresses.hit(
            "serviceClusterIPRange",
            f"Services get {services.cidr}, outside of `nonMasqueradeCIDR` {whole.cidr}{was}: write the range that you "
            "want",
            related=[(whole, "the range that the cluster has otherwise")],
        )
        if before is not None and hit.missing == "serviceClusterIPRange":
            from calico_lint import fix

            hit.fix = fix.add_key(hit.node, hit.missing, str(before), safe=False)
        yield hit


@rule("C840", "kube-proxy-misses-pool", severity="error", origin="calico", changes=_CHANGES, on="kubeProxy.clusterCIDR",
      fix="unsafe")  # fmt: skip
def kube_proxy_misses_pool(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """kube-proxy takes pods for strangers, because its `clusterCIDR` does not hold Calico's pool.

    kube-proxy hides who asks a Service, unless the question comes from its `clusterCIDR`. Pods outside of it appear
    under the addresses of their nodes, and policies that select pods no longer match them. kOps sets it to the pool.

    Bad (kOps 1.20.3):
        kubeProxy: {clusterCIDR: 10.244.0.0/16}
        kubeControllerManager: {clusterCIDR: 100.96.0.0/11}
    Good (kOps 1.20.3):
        kubeControllerManager: {clusterCIDR: 100.96.0.0/11}
    Fix: remove `kubeProxy.clusterCIDR`.
    Source: pkg/model/components/kubeproxy.go@release-1.8:62-66 and @release-1.36:64-96 of kubernetes/kops;
        projectcalico/calico#683.
    """
    enabled = cluster.at("kubeProxy.enabled")
    value, pool = text(node), _pool(cluster, release)
    if value is None or pool is None or (enabled is not None and enabled.value is False):
        return
    ranges = [cidr for part in value.split(",") if (cidr := parse_cidr(part.strip())) is not None]
    if ranges and not any(cidr.contains(pool[0]) for cidr in ranges):
        from calico_lint import fix

        yield Hit(
            node,
            f"`kubeProxy.clusterCIDR` does not hold Calico's pool `{pool[0]}`: kube-proxy hides the sender of what "
            "pods send to Services, and policies miss it; remove it",
            related=[(pool[1], "Calico's pool")] if pool[1] is not None else (),
            fix=fix.remove_key(node, safe=False),
        )


RULES: list[Rule] = [
    no_typha,
    typha_replicas_count,
    typha_needs_more_nodes,
    bgp_full_mesh,
    gce_firewall_blocks_bgp,
    pool_overlaps_network,
    pool_smaller_than_a_block,
    fewer_blocks_than_nodes,
    blocks_run_out,
    little_room_for_pods,
    node_cidrs_run_out,
    nonmasq_is_public,
    pool_not_usable,
    service_range_not_derived,
    kube_proxy_misses_pool,
]
