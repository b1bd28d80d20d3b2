"""Rules on address ranges (KN401-KN415): the network, its subnets, and the ranges of pods and Services.

kOps looks as the spec is written, and again with its defaults filled in. The defaults here are those of each release.

V@1.N and L@1.N in sources = `validation.go` and `legacy.go` of `pkg/apis/kops/validation` at release-1.N of
kubernetes/kops, POP@1.N = `upup/pkg/fi/cloudup/populate_cluster_spec.go`, DEF@1.N = `defaults.go` beside it.
"""

from __future__ import annotations

import re

from calico_lint.cidr import IPV4_BITS, Cidr, is_address, parse_cidr
from calico_lint.kops.releases import Version
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from calico_lint.cluster import Cluster
    from calico_lint.finding import Fix
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node, Path, Value

_NON_MASQUERADE = "100.64.0.0/10"
_SERVICES = "100.64.0.0/13"  # from 1.28 on, whatever nonMasqueradeCIDR is (POP@1.28:397)
_SERVICES_IPV6 = "fd00:5e4f:ce::/108"
# cloud -> default networkCIDR, first and last kOps minor that has it (DEF@1.8:55 to DEF@1.36:36-38).
_NETWORKS = {"aws": ("172.20.0.0/16", 8, 99), "alicloud": ("192.168.0.0/16", 10, 23), "azure": ("10.0.0.0/16", 34, 99)}
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")

_CLUSTER_CIDR = "kubeControllerManager.clusterCIDR"
_CNI_OF_V1ALPHA3 = {"amazonVPC": "amazonvpc", "gcp": "gce"}


# --- what a spec says of addresses ----------------------------------------------------------------------


class _Range:
    """A range in force. `path` is where it is written, below `spec`; None for a default."""

    __slots__ = ("cidr", "path")

    def __init__(self, cidr: Cidr, path: Path | None) -> None:
        self.cidr = cidr
        self.path = path


class _Addresses:
    """The ranges of one cluster, read once as plain values; nodes are made when there is something to report.

    A range is None where it cannot be known: the text is no CIDR or no text (other rules say so), or the value
    comes from the cloud.
    """

    __slots__ = ("additional", "cloud", "cluster", "cni", "eni", "ipv6_subnets", "places", "subnets", "texts")

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.cloud = "digitalocean" if cluster.cloud == "do" else cluster.cloud
        self.texts: dict[str, tuple[Path, str | None]] = {}
        self.subnets: list[tuple[Path, str]] = []
        self.ipv6_subnets: list[tuple[Path, str]] = []
        self.places: set[Path] = set()
        for key in ("networkCIDR", "nonMasqueradeCIDR", "podCIDR", "serviceClusterIPRange", _CLUSTER_CIDR):
            path, value = self.read(key)
            self.places.add(path)
            if value not in (None, ""):
                self.texts[key] = path, value if isinstance(value, str) else None
        self.additional = list(self.members("additionalNetworkCIDRs"))
        path, subnets = self.read("subnets")
        self.places |= {path, self.read("additionalNetworkCIDRs")[0]}
        for index, subnet in enumerate(subnets if isinstance(subnets, list) else ()):
            if isinstance(subnet, dict):
                for key, found in (("cidr", self.subnets), ("ipv6CIDR", self.ipv6_subnets)):
                    value = subnet.get(key)
                    if isinstance(value, str) and value:
                        found.append(((*path, index, key), value))
        networking = self.read("networking")[1]
        options = networking if isinstance(networking, dict) else {}
        self.cni = {_CNI_OF_V1ALPHA3.get(key, key) for key, option in options.items() if option is not None}
        cilium = options.get("cilium")
        self.eni = isinstance(cilium, dict) and cilium.get("ipam") == "eni"

    def read(self, key: str) -> tuple[Path, Value]:
        """Where a v1alpha2 path below `spec` stands, and its value; None if it stands nowhere."""
        path: Path = ()
        for path in self.cluster.paths(key):
            value = self.cluster.spec.value if self.cluster.spec is not None else None
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                return path, value
        return path, None

    def members(self, key: str) -> Iterator[tuple[Path, str]]:
        """The members of a list of text; Go reads a null among them as an empty text."""
        path, value = self.read(key)
        for index, member in enumerate(value if isinstance(value, list) else ()):
            if member is None or isinstance(member, str):
                yield (*path, index), member or ""

    # --- ranges of a release ---

    def written(self, key: str, release: Version) -> _Range | None:
        """The range that is written under a key."""
        path, value = self.texts[key]
        cidr = _parse(value, release)
        return _Range(cidr, path) if cidr is not None else None

    def network(self, release: Version) -> _Range | None:
        """`networkCIDR`; its default depends on the cloud."""
        if "networkCIDR" in self.texts:
            # From 1.28 on kOps does not read it where it does not take it (KN414).
            return None if self.cloud == "gce" and release.minor >= 28 else self.written("networkCIDR", release)
        default, since, until = _NETWORKS.get(self.cloud or "", ("", 0, 0))
        if not since <= release.minor <= until or self.read("networkID")[1] is not None:
            return None  # with networkID it is that of the network, which the cloud knows
        return _default(default)

    def additional_networks(self, release: Version) -> list[_Range]:
        """`additionalNetworkCIDRs`, as far as kOps reads them."""
        if release.minor < 9 or (release.minor >= 27 and self.cloud != "aws"):
            return []
        parsed = [(path, _parse(value, release)) for path, value in self.additional]
        return [_Range(cidr, path) for path, cidr in parsed if cidr is not None]

    def non_masquerade(self, release: Version) -> _Range | None:
        """`nonMasqueradeCIDR`."""
        if "nonMasqueradeCIDR" in self.texts:
            return self.written("nonMasqueradeCIDR", release)
        if "gce" in self.cni:
            return None
        if "amazonvpc" in self.cni and "networkCIDR" not in self.texts:
            return self.network(release)
        return _default(_NON_MASQUERADE)

    def pods(self, release: Version) -> _Range | None:
        """`podCIDR`; by default the upper half of nonMasqueradeCIDR."""
        if "podCIDR" in self.texts:
            return self.written("podCIDR", release)
        whole = self.non_masquerade(release)
        half = whole.cidr.upper_half() if whole is not None and whole.cidr.bits == IPV4_BITS else None
        return _Range(half, None) if half is not None else None

    def pool(self, release: Version) -> _Range | None:
        """What Calico hands out: clusterCIDR. Its default is podCIDR since 1.22; before, podCIDR counts for nothing."""
        if _CLUSTER_CIDR in self.texts:
            return self.written(_CLUSTER_CIDR, release)
        if release.minor < 22 and "podCIDR" in self.texts:
            whole = self.non_masquerade(release)
            half = whole.cidr.upper_half() if whole is not None and whole.cidr.bits == IPV4_BITS else None
            return _Range(half, None) if half is not None else None
        return self.pods(release)

    def services(self, release: Version) -> _Range | None:
        """`serviceClusterIPRange`; by default an eighth of nonMasqueradeCIDR up to 1.27, a fixed range since."""
        if "serviceClusterIPRange" in self.texts:
            return self.written("serviceClusterIPRange", release)
        whole = self.non_masquerade(release)
        if whole is None:
            return None
        if whole.cidr.bits != IPV4_BITS:
            return _default(_SERVICES_IPV6) if release.minor >= 23 else None
        if release.minor >= 28:
            return _default(_SERVICES)
        eighth = whole.cidr.prefix + 3
        part = whole.cidr.first(max(eighth, 12) if release.minor >= 22 else eighth)
        return _Range(part, None) if part is not None else None

    # --- reporting ---

    def node(self, path: Path) -> Node:
        """The node at a path below `spec` that was read."""
        assert self.cluster.spec is not None
        node = self.cluster.spec.get(*path)
        assert node is not None
        return node

    def hit(
        self, key: str, message: str, *, related: Iterable[tuple[_Range, str]] = (), origin: str | None = None,
        severity: str | None = None,
    ) -> Hit:  # fmt: skip
        """A hit on the value of a key, or on the missing key. Of the related ranges the written ones are shown."""
        shown = self.shown(related)
        if key in self.texts:
            node = self.node(self.texts[key][0])
            return Hit(node, message, related=shown, origin=origin, severity=severity)
        spec = self.cluster.spec
        assert spec is not None
        place = self.cluster.paths(key)[0]
        steps = len(place) - 1
        while steps and spec.get(*place[:steps]) is None:
            steps -= 1
        parent = self.node(place[:steps])
        missing = ".".join(str(step) for step in place[steps:])
        return Hit(parent, message, missing=missing, related=shown, origin=origin, severity=severity)

    def shown(self, related: Iterable[tuple[_Range, str]]) -> list[tuple[Node, str]]:
        """Related places: ranges that are written."""
        return [(self.node(each.path), words) for each, words in related if each.path is not None]


def _parse(value: str | None, release: Version) -> Cidr | None:
    return parse_cidr(value, leading_zeros=release.minor < 23) if value is not None else None


def _default(value: str) -> _Range:
    cidr = parse_cidr(value)
    assert cidr is not None
    return _Range(cidr, None)


def _origin(*ranges: _Range) -> str:
    """Who objects to a relation of ranges: kOps sees it as written if all of them are."""
    return "kops-written" if all(each.path is not None for each in ranges) else "kops-completed"


_last: _Addresses | None = None


def addresses_of(cluster: Cluster) -> _Addresses:
    """The addresses of a cluster. All rules ask about one cluster before they ask about the next."""
    global _last
    if _last is None or _last.cluster is not cluster:
        _last = _Addresses(cluster)
    return _last


def _if_read(cluster: Cluster, node: Node) -> _Addresses | None:
    """The addresses of a cluster, if kOps reads this key where it stands and not at another place."""
    addresses = addresses_of(cluster)
    return addresses if node.path[1:] in addresses.places else None


def _anywhere(*keys: str) -> tuple[str, ...]:
    """Keys of `spec`, there and below `networking`, where v1alpha3 keeps them since kOps 1.26."""
    return tuple(place for key in keys for place in (key, f"networking.{key}"))


# --- nonMasqueradeCIDR and the network ------------------------------------------------------------------


@rule("KN401", "nonmasq-overlaps-network", severity="error", origin="kops-written",
      changes=("1.9", "1.10", "1.11", "1.18", "1.23", "1.24", "1.26", "1.28", "1.34"))  # fmt: skip
def nonmasq_overlaps_network(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """`nonMasqueradeCIDR` overlaps `networkCIDR`.

    `nonMasqueradeCIDR` is the range of all addresses inside the cluster, Calico's pool among them. Where it shares
    addresses with the network of the nodes, an address may be a pod or a machine, and packets go astray. kOps fills in
    what is missing (100.64.0.0/10; for the network 172.20.0.0/16 on AWS) and looks again. Networks that give pods
    addresses of the nodes' own network are exempt: `amazonvpc`, and `cilium` with ENI.

    Bad (kOps 1.36.2):
        networkCIDR: 100.96.0.0/16
        subnets: [{name: z1, zone: us-test-1a, cidr: 100.96.32.0/19, type: Public}]
    Bad (kOps 1.16.4):
        networkCIDR: <absent>
        nonMasqueradeCIDR: 172.16.0.0/12
        subnets: [{name: z1, zone: us-test-1a, cidr: 172.20.32.0/19, type: Public}]
    Good (kOps 1.36.2):
        networkCIDR: 10.30.0.0/16
        nonMasqueradeCIDR: 100.64.0.0/10
    Also: KN406
    Fix: give the cluster a `nonMasqueradeCIDR` of its own, or the network another `networkCIDR`; on a running cluster
        neither can be changed in place.
    Source: L@1.8:173, L@1.11:194-197, V@1.36:1165-1168; defaults: DEF@1.36:36-38.
    """
    addresses = addresses_of(cluster)
    whole, network = addresses.non_masquerade(release), addresses.network(release)
    if whole is None or network is None or not whole.cidr.overlaps(network.cidr) or _shares(addresses, release):
        return
    if 9 <= release.minor <= 25 and not isinstance(addresses.read("networking")[1], dict):
        return  # those releases look only where there is `networking`
    yield addresses.hit(
        "nonMasqueradeCIDR",
        f"`nonMasqueradeCIDR` {whole.cidr} overlaps `networkCIDR` {network.cidr}: choose ranges that share nothing",
        related=[(network, "the network of the nodes")],
        origin=_origin(whole, network),
    )


def _shares(addresses: _Addresses, release: Version) -> bool:
    """Whether pods have addresses of the nodes' network by design, so that ranges may overlap."""
    return (
        (release.minor >= 9 and "amazonvpc" in addresses.cni)
        or (11 <= release.minor <= 22 and "lyftvpc" in addresses.cni)
        or (release.minor >= 18 and addresses.eni)
    )


@rule("KN402", "nonmasq-overlaps-additional", severity="error", origin="kops-written", since="1.9",
      changes=("1.11", "1.18", "1.23", "1.27"), on=_anywhere("additionalNetworkCIDRs"))  # fmt: skip
def nonmasq_overlaps_additional(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`nonMasqueradeCIDR` overlaps one of `additionalNetworkCIDRs`.

    The additional ranges belong to the network of the nodes as much as `networkCIDR` does. kOps refuses the overlap
    since 1.27; before, it says nothing, and an address may be a pod or a machine.

    Bad (kOps 1.36.2):
        additionalNetworkCIDRs: [100.100.0.0/16]
    Bad (kOps 1.20.3):
        additionalNetworkCIDRs: [100.100.0.0/16]
    Good (kOps 1.36.2):
        additionalNetworkCIDRs: [10.40.0.0/16]
    Fix: choose an additional range outside of `nonMasqueradeCIDR`.
    Source: V@1.27:991, V@1.36:1169-1173.
    """
    addresses = _if_read(cluster, node)
    whole = addresses.non_masquerade(release) if addresses is not None else None
    if addresses is None or whole is None or _shares(addresses, release):
        return
    overlapping = [each for each in addresses.additional_networks(release) if whole.cidr.overlaps(each.cidr)]
    if not overlapping:
        return
    names = " and ".join(str(each.cidr) for each in overlapping)
    enforced = release.minor >= 27
    yield addresses.hit(
        "nonMasqueradeCIDR",
        f"`nonMasqueradeCIDR` {whole.cidr} overlaps {names} of `additionalNetworkCIDRs`: choose ranges that share "
        "nothing",
        related=[(each, "an additional range of the nodes' network") for each in overlapping],
        origin=_origin(whole, *overlapping) if enforced else "calico",
        severity=None if enforced else "warning",
    )


@rule("KN410", "ipv6-nonmasq", severity="error", origin="kops-written", changes=("1.22", "1.23"),
      on=_anywhere("nonMasqueradeCIDR"))  # fmt: skip
def ipv6_nonmasq(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """An IPv6 `nonMasqueradeCIDR` other than `::/0`.

    An IPv6 range here makes the cluster IPv6-only, and pods then have public addresses of the network, so all of IPv6
    is inside. Up to 1.21 kOps cannot compute IPv6 ranges at all: it stops while it fills in the range of the pods.

    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: "fd00:1::/64"
    Bad (kOps 1.21.5):
        nonMasqueradeCIDR: "::/0"
    Good (kOps 1.36.2):
        nonMasqueradeCIDR: "::/0"
    Also: KN405 KN407
    Fix: write `"::/0"` (with quotes), or an IPv4 range for an IPv4 cluster.
    Source: L@1.23:189, V@1.27:982, V@1.36:1161-1163; POP@1.21 (assignSubnets).
    """
    addresses, value = _if_read(cluster, node), text(node)
    if addresses is None or value is None or ":" not in value or _parse(value, release) is None:
        return
    if release.minor >= 23:
        if value != "::/0":
            yield Hit(node, f"{quoted(value)} is IPv6, and an IPv6-only cluster takes only `::/0`: write that")
    elif release.minor <= 21 and _CLUSTER_CIDR not in addresses.texts:
        yield Hit(
            node,
            f"{quoted(value)} is IPv6, and kOps cannot compute IPv6 ranges before 1.22: use an IPv4 range",
            origin="kops-completed",
        )


@rule("KN412", "kubelet-nonmasq-matches", severity="error", origin="kops-written",
      changes=("1.18", "1.23", "1.24", "1.30"),
      on=("kubelet.nonMasqueradeCIDR", "masterKubelet.nonMasqueradeCIDR"), fix="unsafe")  # fmt: skip
def kubelet_nonmasq_matches(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`nonMasqueradeCIDR` of the kubelet is not that of the cluster.

    kOps sets it to that of the cluster, letter by letter. With another value the nodes would hide the addresses of
    pods from each other. From kOps 1.24 on the key is read for kubenet on Docker only, and refused with Kubernetes 1.24
    and later, where the kubelet has no such setting.

    Bad (kOps 1.16.4):
        kubelet: {nonMasqueradeCIDR: 10.0.0.0/8}
    Bad (kOps 1.30.4):
        kubelet: {nonMasqueradeCIDR: 100.64.0.0/10}
    Good (kOps 1.16.4):
        kubelet: {nonMasqueradeCIDR: 100.64.0.0/10}
    Fix: remove `nonMasqueradeCIDR` below `kubelet` and `masterKubelet`.
    Source: L@1.11:199-209, L@1.18:229-243, L@1.24:212-222, V@1.24 and V@1.36:1067 (validateKubelet).
    """
    value = text(node)
    if value is None:
        return
    addresses = addresses_of(cluster)
    kubelet = node.path[-2]
    kubernetes = cluster.kubernetes
    if release.minor >= 30 or (release.minor >= 24 and kubernetes is not None and kubernetes.minor >= 24):
        yield Hit(node, f"`{kubelet}.nonMasqueradeCIDR` is gone since Kubernetes 1.24: remove it", fix=_removal(node))
        return
    if release.minor >= 24 and not _docker_with_kubenet(cluster):
        return
    if "nonMasqueradeCIDR" in addresses.texts:
        path, whole = addresses.texts["nonMasqueradeCIDR"]
        if whole is None or (release.minor >= 23 and _parse(whole, release) is None):
            return
        origin, other = "kops-written", [(addresses.node(path), "that of the cluster")]
    else:
        origin, whole, other = "kops-completed", _NON_MASQUERADE, []
    if value == whole:
        return
    message = (
        f"`{kubelet}.nonMasqueradeCIDR` is {quoted(value)}, that of the cluster {quoted(whole)}: "
        f"remove it below `{kubelet}`"
    )
    if release.minor >= 18:
        yield Hit(node, message, related=other, origin=origin, fix=_removal(node))
    else:
        hit = addresses.hit("nonMasqueradeCIDR", message, origin=origin)
        hit.related = [(node, "that of the kubelet")]
        hit.fix = _removal(node)
        yield hit


def _docker_with_kubenet(cluster: Cluster) -> bool:
    return cluster.text("containerRuntime") == "docker" and cluster.text("kubelet.networkPluginName") == "kubenet"


# --- pods and Services ----------------------------------------------------------------------------------


@rule("KN403", "service-range-in-nonmasq", severity="error", origin="kops-written", until="1.27",
      changes=("1.15", "1.23", "1.27"), on=_anywhere("serviceClusterIPRange"))  # fmt: skip
def service_range_in_nonmasq(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`serviceClusterIPRange` is not inside `nonMasqueradeCIDR`.

    Up to kOps 1.27 the addresses of Services have to lie in the range that counts as inside the cluster. From 1.28 on
    they may lie anywhere.

    Bad (kOps 1.24.5):
        serviceClusterIPRange: 10.99.0.0/16
    Good (kOps 1.24.5):
        serviceClusterIPRange: 100.64.0.0/13
    Good (kOps 1.36.2):
        serviceClusterIPRange: 10.99.0.0/16
    Fix: take a part of `nonMasqueradeCIDR` that the pods do not use, or use kOps 1.28 or later.
    Source: L@1.8:203, L@1.11:225-227, L@1.15 (not with `networking.gce`), V@1.27:1008 (not on GCE).
    """
    addresses = _if_read(cluster, node)
    if addresses is None or "serviceClusterIPRange" not in addresses.texts:
        return
    if addresses.cloud == "gce" if release.minor >= 27 else release.minor >= 15 and "gce" in addresses.cni:
        return
    services, whole = addresses.services(release), addresses.non_masquerade(release)
    if services is not None and whole is not None and not whole.cidr.contains(services.cidr):
        yield _outside(addresses, "serviceClusterIPRange", services, whole)


def _outside(addresses: _Addresses, key: str, part: _Range, whole: _Range, origin: str | None = None) -> Hit:
    return addresses.hit(
        key,
        f"`{key}` {part.cidr} is not inside `nonMasqueradeCIDR` {whole.cidr}: choose a part of that",
        related=[(whole, "the range that it has to lie in")],
        origin=origin or _origin(part, whole),
    )


@rule("KN404", "cluster-cidr-in-nonmasq", severity="error", origin="kops-written", changes=("1.22", "1.23", "1.28"),
      on=(_CLUSTER_CIDR, *_anywhere("podCIDR")))  # fmt: skip
def cluster_cidr_in_nonmasq(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`kubeControllerManager.clusterCIDR` is not inside `nonMasqueradeCIDR`.

    `clusterCIDR` is the pool that Calico hands addresses out of. From kOps 1.22 on it is `podCIDR` where it is not
    written, and kOps 1.22 to 1.27 find only then that `podCIDR` is outside.

    Bad (kOps 1.36.2):
        kubeControllerManager: {clusterCIDR: 10.1.0.0/16}
    Bad (kOps 1.24.5):
        podCIDR: 10.1.0.0/16
    Good (kOps 1.36.2):
        kubeControllerManager: {clusterCIDR: 100.96.0.0/11}
    Fix: remove `clusterCIDR` and write `podCIDR` (kOps 1.22 and later), a part of `nonMasqueradeCIDR`.
    Source: L@1.8:242, L@1.11:271-273, L@1.36:98; pkg/model/components/kubecontrollermanager.go@release-1.22:120.
    """
    addresses = _if_read(cluster, node)
    whole = addresses.non_masquerade(release) if addresses is not None else None
    if addresses is None or whole is None:
        return
    if node.key == "clusterCIDR":
        pool = addresses.pool(release)
        if pool is not None and not whole.cidr.contains(pool.cidr):
            yield _outside(addresses, _CLUSTER_CIDR, pool, whole)
    elif 22 <= release.minor <= 27 and _CLUSTER_CIDR not in addresses.texts:
        pods = addresses.pods(release)
        if pods is None or whole.cidr.contains(pods.cidr) or (release.minor >= 23 and whole.cidr.bits != IPV4_BITS):
            return
        yield addresses.hit(
            _CLUSTER_CIDR,
            f"`{_CLUSTER_CIDR}` becomes `podCIDR` {pods.cidr}, which is not inside `nonMasqueradeCIDR` {whole.cidr}: "
            "choose a `podCIDR` inside",
            related=[(pods, "the range of the pods"), (whole, "the range that it has to lie in")],
            origin="kops-completed",
        )


@rule("KN405", "pod-cidr-in-nonmasq", severity="error", origin="kops-written", since="1.28",
      on=_anywhere("podCIDR"))  # fmt: skip
def pod_cidr_in_nonmasq(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`podCIDR` is not inside `nonMasqueradeCIDR`.

    `podCIDR` becomes Calico's pool. Nodes hide the sender of packets that leave `nonMasqueradeCIDR`: pods outside of
    it would reach each other under the addresses of nodes, and policies would not know them.

    Bad (kOps 1.36.2):
        podCIDR: 10.1.0.0/16
    Good (kOps 1.36.2):
        podCIDR: 100.96.0.0/11
    Fix: choose a part of `nonMasqueradeCIDR`, or widen that when the cluster is made.
    Source: V@1.28:1030, V@1.36:1189-1192.
    """
    addresses = _if_read(cluster, node)
    if addresses is None or "podCIDR" not in addresses.texts:
        return
    pods, whole = addresses.pods(release), addresses.non_masquerade(release)
    if pods is not None and whole is not None and not whole.cidr.contains(pods.cidr):
        yield _outside(addresses, "podCIDR", pods, whole)


@rule("KN409", "pod-service-overlap", severity="warning", origin="calico",
      changes=("1.9", "1.10", "1.22", "1.23", "1.24", "1.28", "1.34"))  # fmt: skip
def pod_service_overlap(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Pods and Services draw their addresses from the same range.

    Calico gives a pod the address of a Service, or Kubernetes a Service that of a pod, and traffic to it goes to
    either. Calico's documentation forbids the overlap. kOps has the check in its source, switched off, because there
    are clusters like that. Since 1.28 the default range of Services is 100.64.0.0/13 whatever `nonMasqueradeCIDR` is:
    with a small `nonMasqueradeCIDR` in there the defaults overlap.

    Bad (kOps 1.36.2):
        podCIDR: 100.64.0.0/11
        serviceClusterIPRange: 100.64.0.0/13
    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: 100.64.0.0/14
    Good (kOps 1.36.2):
        podCIDR: 100.96.0.0/11
        serviceClusterIPRange: 100.64.0.0/13
    Fix: give a new cluster ranges that share nothing. On a running cluster the pool has to be migrated.
    Source: V@1.28:1050, V@1.36:1208-1212 (commented out, kubernetes/kops#16340); kubernetes/kops#1171.
    """
    addresses = addresses_of(cluster)
    if "amazonvpc" in addresses.cni:
        return
    pods, services = addresses.pool(release), addresses.services(release)
    if pods is None or services is None or not pods.cidr.overlaps(services.cidr):
        return
    message = f"pods ({pods.cidr}) and Services ({services.cidr}) share addresses: choose ranges that share nothing"
    if pods.path is not None:
        related = addresses.shown([(services, "the range of Services")])
        yield Hit(addresses.node(pods.path), message, related=related)
    else:
        key = "serviceClusterIPRange" if services.path is not None else "nonMasqueradeCIDR"
        yield addresses.hit(key, message)


@rule("KN411", "api-service-range-matches", severity="error", origin="kops-written",
      changes=("1.15", "1.18", "1.22", "1.23", "1.27"), on="kubeAPIServer.serviceClusterIPRange",
      fix="unsafe")  # fmt: skip
def api_service_range_matches(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`serviceClusterIPRange` of the API server is not that of the cluster.

    kOps sets it to that of the cluster, letter by letter: the API server hands out the addresses, everything else
    (DNS, the certificate) is made for the range of the cluster. From 1.27 on it has to be missing where the cluster
    has none, even if it is the default.

    Bad (kOps 1.36.2):
        serviceClusterIPRange: 100.64.0.0/13
        kubeAPIServer: {serviceClusterIPRange: 100.64.0.0/14}
    Good (kOps 1.36.2):
        serviceClusterIPRange: 100.64.0.0/13
        kubeAPIServer: {serviceClusterIPRange: 100.64.0.0/13}
    Fix: remove `serviceClusterIPRange` below `kubeAPIServer`.
    Source: L@1.11:229-233, L@1.18:263-267, V@1.27:808, V@1.36:944.
    """
    value = text(node)
    if value is None:
        return
    addresses = addresses_of(cluster)
    origin, wanted = "kops-written", "nothing"
    if "serviceClusterIPRange" in addresses.texts:
        services = addresses.texts["serviceClusterIPRange"][1]
        if services is None or services == value or (release.minor <= 26 and _parse(services, release) is None):
            return
        wanted = quoted(services)
    elif release.minor <= 26:
        default = addresses.services(release)
        if default is None or str(default.cidr) == value:
            return
        origin, wanted = "kops-completed", quoted(str(default.cidr))
    message = (
        f"`kubeAPIServer.serviceClusterIPRange` is {quoted(value)}, that of the cluster {wanted}: "
        "remove it below `kubeAPIServer`"
    )
    if release.minor >= 18:
        yield Hit(node, message, origin=origin, fix=_removal(node))
    else:
        hit = addresses.hit("serviceClusterIPRange", message, origin=origin)
        hit.related = [(node, "that of the API server")]
        hit.fix = _removal(node)
        yield hit


# --- subnets --------------------------------------------------------------------------------------------


@rule("KN406", "subnet-overlaps-pod", severity="error", origin="kops-written", since="1.28", changes=("1.34",),
      on=_anywhere("subnets"))  # fmt: skip
def subnet_overlaps_pod(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """A subnet overlaps the range of the pods.

    An address in there may be a machine or a pod of Calico's pool. Where `podCIDR` is not written it is the upper half
    of `nonMasqueradeCIDR`.

    Bad (kOps 1.36.2):
        networkCIDR: 100.96.0.0/16
        subnets: [{name: z1, zone: us-test-1a, cidr: 100.96.0.0/20, type: Public}]
    Good (kOps 1.36.2):
        podCIDR: 100.96.0.0/11
        subnets: [{name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Public}]
    Also: KN401
    Fix: choose ranges that share nothing.
    Source: V@1.28:615, V@1.36:713-715.
    """
    addresses = _if_read(cluster, node)
    if addresses is not None and "amazonvpc" not in addresses.cni:
        pods = addresses.pods(release)
        yield from _overlapping(addresses, release, addresses.subnets, pods, "podCIDR", "the range of the pods")


@rule("KN407", "subnet-overlaps-service", severity="error", origin="kops-written", since="1.28", changes=("1.34",),
      on=_anywhere("subnets"))  # fmt: skip
def subnet_overlaps_service(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """A subnet overlaps the range of Services.

    A machine in there cannot be reached from the cluster: its address is that of a Service. Where
    `serviceClusterIPRange` is not written it is 100.64.0.0/13.

    Bad (kOps 1.36.2):
        serviceClusterIPRange: 10.30.0.0/16
    Good (kOps 1.36.2):
        serviceClusterIPRange: 100.64.0.0/13
    Fix: choose ranges that share nothing.
    Source: V@1.28:618, V@1.36:716-718; of IPv6: validateIPv6CIDR in V@1.28 and V@1.36.
    """
    addresses = _if_read(cluster, node)
    if addresses is not None:
        subnets = [*addresses.subnets, *addresses.ipv6_subnets]
        services = addresses.services(release)
        yield from _overlapping(addresses, release, subnets, services, "serviceClusterIPRange", "the range of Services")


def _overlapping(
    addresses: _Addresses,
    release: Version,
    subnets: Sequence[tuple[Path, str]],
    other: _Range | None,
    key: str,
    words: str,
) -> Iterator[Hit]:
    for path, value in subnets if other is not None else ():
        cidr = _parse(value, release)
        if cidr is not None and other is not None and cidr.overlaps(other.cidr):
            yield Hit(
                addresses.node(path),
                f"subnet {cidr} overlaps {words}, `{key}` {other.cidr}: choose ranges that share nothing",
                related=addresses.shown([(other, words)]),
                origin=_origin(other),
            )


@rule("KN408", "subnet-in-network", severity="error", origin="kops-written",
      changes=("1.9", "1.10", "1.23", "1.24", "1.27", "1.28", "1.34"), on=_anywhere("subnets"))  # fmt: skip
def subnet_in_network(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """A subnet is not inside the network.

    The cloud makes subnets in the network: `networkCIDR`, or one of `additionalNetworkCIDRs`. Where `networkCIDR` is
    missing kOps fills it in: 172.20.0.0/16 on AWS (10.0.0.0/16 on Azure since 1.34).

    Bad (kOps 1.36.2):
        subnets: [{name: z1, zone: us-test-1a, cidr: 192.0.2.0/24, type: Public}]
    Bad (kOps 1.36.2):
        networkCIDR: <absent>
    Good (kOps 1.36.2):
        additionalNetworkCIDRs: [192.0.2.0/24]
        subnets: [{name: z1, zone: us-test-1a, cidr: 192.0.2.0/24, type: Public}]
    Fix: choose a part of the network, or add the range to `additionalNetworkCIDRs` (AWS).
    Source: L@1.8:333-340, L@1.11:362-370, V@1.36:698-712; defaults: DEF@1.36:36-38.
    """
    addresses = _if_read(cluster, node)
    network = addresses.network(release) if addresses is not None else None
    if addresses is None or network is None:
        return
    networks = [network, *addresses.additional_networks(release)]
    for path, value in addresses.subnets:
        cidr = _parse(value, release)
        if cidr is None or any(each.cidr.contains(cidr) for each in networks):
            continue
        names = " or ".join(str(each.cidr) for each in networks)
        yield Hit(
            addresses.node(path),
            f"subnet {cidr} is not inside the network, {names}: choose a part of that",
            related=addresses.shown((each, "the network") for each in networks),
            origin=_origin(*networks),
        )


# --- CIDRs by themselves, and what a cloud takes --------------------------------------------------------

_NEVER = 99
# key -> first minor that reads the text, first minor that minds address bits beyond the prefix.
_SINGLE = {
    "networkCIDR": (8, 27),
    "nonMasqueradeCIDR": (8, 27),
    "serviceClusterIPRange": (8, 27),
    "podCIDR": (22, 28),
    _CLUSTER_CIDR: (8, _NEVER),
}
_LISTS = {
    "additionalNetworkCIDRs": (9, 18),
    "kubernetesApiAccess": (8, 18),
    "nodePortAccess": (8, 18),
    "sshAccess": (8, 18),
    "kubeProxy.ipvsExcludeCidrs": (11, _NEVER),
    "kubeProxy.ipvsExcludeCIDRs": (23, _NEVER),  # of v1alpha3
}
_OPEN = {"kubernetesApiAccess", "nodePortAccess", "sshAccess"}  # also take prefix lists of AWS
_NETWORK_NUMBER = r"/([0-9]{1,3})#[a-f0-9]{1,15}\Z"  # `/64#1`: a part of the network, by its number


@rule("KN413", "cidr-syntax", severity="error", origin="kops-written",
      changes=("1.9", "1.11", "1.18", "1.22", "1.23", "1.27", "1.28"), fix="unsafe")  # fmt: skip
def cidr_syntax(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """A CIDR that kOps cannot read, or with address bits beyond its prefix.

    A range is written as an address and the length of its prefix, `10.30.0.0/16`. `10.30.1.0/16` has bits that the
    prefix does not cover: most likely one of the two is wrong. Up to kOps 1.26 that is refused for subnets and lists of
    ranges only (since 1.18), from 1.27 on for all but `kubeControllerManager.clusterCIDR`.

    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: not-a-cidr
    Bad (kOps 1.36.2):
        networkCIDR: 10.30.1.0/16
    Bad (kOps 1.24.5):
        subnets: [{name: z1, zone: us-test-1a, cidr: 10.30.32.5/19, type: Public}]
    Bad (kOps 1.36.2):
        sshAccess: [203.0.113.7]
    Good (kOps 1.36.2):
        networkCIDR: 10.30.0.0/16
        sshAccess: [203.0.113.7/32]
    Fix: write the first address of the range, as the message shows, or correct the prefix length.
    Source: L@1.8:156-262 and 333, V@1.18:137-206, L@1.19:221-290, V@1.27 and V@1.36 (parseCIDR, validateIPv6CIDR).
    """
    addresses = addresses_of(cluster)
    minor = release.minor
    for key, (path, value) in addresses.texts.items():
        since, bits_since = _SINGLE[key]
        if value is None or minor < since or (key == "networkCIDR" and addresses.cloud == "gce" and minor >= 28):
            continue
        problem = _problem(value, release, bits=minor >= bits_since)
        if problem is None:
            continue
        origin = None
        if key == "podCIDR" and minor <= 27:  # nobody reads it before it becomes clusterCIDR
            if _CLUSTER_CIDR in addresses.texts or (minor >= 23 and cluster.ipv6_only):
                continue
            origin = "kops-completed"
        yield _cidr_hit(addresses.node(path), problem, value, release, origin)
    for path, value in addresses.subnets:
        problem = _problem(value, release, bits=minor >= 18)
        if problem is not None:
            yield _cidr_hit(addresses.node(path), problem, value, release)
    if minor >= 22:
        for path, value in addresses.ipv6_subnets:
            problem = _ipv6_problem(value, release)
            if problem is not None:
                yield Hit(addresses.node(path), problem)
    for key, (since, bits_since) in _LISTS.items():
        if minor >= since:
            yield from _list_problems(addresses, release, key, bits=minor >= bits_since)


def _list_problems(addresses: _Addresses, release: Version, key: str, *, bits: bool) -> Iterator[Hit]:
    if key == "additionalNetworkCIDRs" and release.minor >= 27 and addresses.cloud != "aws":
        return  # not read: KN415
    for path, value in addresses.members(key):
        if key in _OPEN and value.startswith("pl-"):
            if addresses.cloud != "aws" or release.minor < 23:
                message = f"{quoted(value)} is a prefix list, which kOps takes on AWS only, since 1.23: write a CIDR"
                yield Hit(addresses.node(path), message)
            continue
        problem = _problem(value, release, bits=bits)
        if problem is None:
            continue
        unreadable = _parse(value, release) is None
        if key == "additionalNetworkCIDRs" and unreadable and release.minor <= 26:
            # Two places of kOps look at these: the older one speaks of the list, and up to 1.17 it alone is heard.
            yield Hit(addresses.node(path[:-1]), problem, on_key=True)
        if key != "additionalNetworkCIDRs" or release.minor >= 18:
            yield _cidr_hit(addresses.node(path), problem, value, release)


def _cidr_hit(node: Node, problem: str, value: str, release: Version, origin: str | None = None) -> Hit:
    """The first address of the range, or the range of one address, is what may be meant."""
    from calico_lint.fix import set_value

    cidr = _parse(value, release)
    meant = str(cidr) if cidr is not None else None
    if cidr is None and is_address(value):
        meant = f"{value}/{128 if ':' in value else 32}"
    fix = set_value(node, meant, safe=False) if meant is not None else None
    return Hit(node, problem, origin=origin, fix=fix)


def _problem(value: str, release: Version, *, bits: bool) -> str | None:
    """What is wrong with the text of a CIDR."""
    cidr = _parse(value, release)
    if cidr is None:
        advice = "write an address and a prefix length, like `10.30.0.0/16`"
        if is_address(value):
            advice = f"write `{value}/{128 if ':' in value else 32}` for this one address"
        return f"{quoted(value) if value else 'an empty entry'} is no CIDR: {advice}"
    if bits and cidr.has_host_bits:
        return f"{quoted(value)} has address bits beyond its prefix: write `{cidr}`, or correct the prefix length"
    return None


def _ipv6_problem(value: str, release: Version) -> str | None:
    if value.startswith("/"):
        number = re.match(_NETWORK_NUMBER, value)
        if number is not None and int(number[1]) <= 128:
            return None
        return f"{quoted(value)} is no part of a network: write a prefix length and a number in hex, like `/64#1`"
    problem = _problem(value, release, bits=True)
    if problem is None and ":" not in value:
        return f"{quoted(value)} is IPv4: write an IPv6 CIDR, or `/64#1` for a part of the network"
    return problem


@rule("KN414", "network-cidr-not-on-this-cloud", severity="error", origin="kops-written",
      changes=("1.19", "1.23", "1.36"), on=_anywhere("networkCIDR"), fix="unsafe")  # fmt: skip
def network_cidr_not_on_this_cloud(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """A `networkCIDR` that the cloud has no place for.

    A network of GCE has no range, only its subnets have, so kOps takes no `networkCIDR` there. DigitalOcean takes one
    since kOps 1.23: a private range, and not beside `networkID`. The same goes for Linode (1.36). Bare metal took none.

    Bad (kOps 1.36.2):
        cloudProvider: gce
    Good (kOps 1.36.2):
        cloudProvider: gce
        networkCIDR: <absent>
    Fix: remove `networkCIDR`; on GCE give each subnet its `cidr`.
    Source: L@1.8:85-101, L@1.23:160-169, V@1.28 (prohibitsNetworkCIDR), V@1.36:122-143.
    """
    addresses, value = _if_read(cluster, node), text(node)
    if addresses is None or value is None:
        return
    cloud, minor = addresses.cloud, release.minor
    if cloud == "gce" or (cloud == "digitalocean" and minor <= 22) or (cloud == "baremetal" and minor <= 18):
        yield Hit(node, f"kOps takes no `networkCIDR` on `{cloud}`: remove it", fix=_removal(node))
    elif cloud == "digitalocean" or (cloud == "linode" and minor >= 36):
        cidr = _parse(value, release)
        if cidr is not None and not any(_default(private).cidr.contains(cidr) for private in _PRIVATE):
            yield Hit(node, f"{quoted(value)} is not private, as `{cloud}` wants it: choose a part of `10.0.0.0/8`")
        elif addresses.read("networkID")[1] not in (None, ""):
            yield Hit(node, f"`networkCIDR` beside `networkID`, of which `{cloud}` takes one: remove `networkCIDR`")


@rule("KN415", "additional-cidrs-only-on-aws", severity="error", origin="kops-written", since="1.27",
      on=_anywhere("additionalNetworkCIDRs"), fix="unsafe")  # fmt: skip
def additional_cidrs_only_on_aws(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`additionalNetworkCIDRs` on another cloud than AWS.

    Only a VPC of AWS has more than one range. Up to 1.26 kOps says nothing, and elsewhere nothing comes of it.

    Bad (kOps 1.36.2):
        cloudProvider: gce
        networkCIDR: <absent>
        additionalNetworkCIDRs: [10.40.0.0/16]
    Good (kOps 1.36.2):
        additionalNetworkCIDRs: [10.40.0.0/16]
    Fix: remove the key.
    Source: V@1.27 and V@1.36 (prohibitsMultipleNetworkCIDRs).
    """
    addresses = _if_read(cluster, node)
    cloud = addresses.cloud if addresses is not None else "aws"
    if cloud != "aws" and isinstance(node.value, list) and node.value:
        where = f"`{cloud}`" if cloud else "a cloud that is not named"
        message = f"kOps takes `additionalNetworkCIDRs` on AWS only, not on {where}: remove it"
        yield Hit(node, message, on_key=True, fix=_removal(node))


def _removal(node: Node) -> Fix | None:
    """Never safe: the range may be right, and the place wrong."""
    from calico_lint.fix import remove_key

    return remove_key(node, safe=False)


RULES: list[Rule] = [
    nonmasq_overlaps_network,
    nonmasq_overlaps_additional,
    service_range_in_nonmasq,
    cluster_cidr_in_nonmasq,
    pod_cidr_in_nonmasq,
    subnet_overlaps_pod,
    subnet_overlaps_service,
    subnet_in_network,
    pod_service_overlap,
    ipv6_nonmasq,
    api_service_range_matches,
    kubelet_nonmasq_matches,
    cidr_syntax,
    network_cidr_not_on_this_cloud,
    additional_cidrs_only_on_aws,
]
