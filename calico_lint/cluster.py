"""Documents -> Cluster: as written, and with the defaults that kOps would fill in.

Paths below `spec` are named as in v1alpha2; `Cluster.at` finds them in v1alpha3 too.
"""

from __future__ import annotations

from functools import lru_cache

from calico_lint.kops import calico as calico_table
from calico_lint.kops import etcd as etcd_table
from calico_lint.kops.releases import Version, parse_kubernetes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from calico_lint.kops.releases import Releases
    from calico_lint.yaml_source import Document, Node, Path

API_GROUPS = ("kops.k8s.io", "kops")
CLUSTER_LABEL = "kops.k8s.io/cluster"

# The networking options of kOps, by their v1alpha2 key. v1alpha3 spells three of them differently.
CNI_KEYS = (
    "classic", "kubenet", "external", "cni", "kopeio", "weave", "flannel", "calico", "canal", "kuberouter",
    "romana", "amazonvpc", "cilium", "lyftvpc", "gce", "kindnet",
)  # fmt: skip
_V1ALPHA3_CNI = {"kubeRouter": "kuberouter", "amazonVPC": "amazonvpc", "gcp": "gce"}

# v1alpha2 path -> where v1alpha3 keeps it, newest place first (the structs moved in 1.24, 1.26 and 1.28).
_V1ALPHA3_PATHS: dict[str, tuple[tuple[str, ...], ...]] = {
    **{
        key: (("networking", key), (key,))
        for key in (
            "networkCIDR", "additionalNetworkCIDRs", "networkID", "subnets", "topology", "egressProxy",
            "nonMasqueradeCIDR", "podCIDR", "serviceClusterIPRange", "tagSubnets",
        )
    },
    "isolateMasters": (("networking", "isolateControlPlane"), ("isolateMasters",)),
    "kubernetesApiAccess": (("api", "access"), ("kubernetesAPIAccess",)),
    "masterPublicName": (("api", "publicName"), ("masterPublicName",)),
    "additionalSans": (("api", "additionalSANs"), ("additionalSANs",)),
    "masterKubelet": (("controlPlaneKubelet",), ("masterKubelet",)),
    "configBase": (("configStore", "base"), ("configBase",)),
    "secretStore": (("configStore", "secrets"), ("secretStore",)),
    "keyStore": (("configStore", "keypairs"), ("keyStore",)),
    "project": (("cloudProvider", "gce", "project"), ("project",)),
}  # fmt: skip


def is_kops(document: Document) -> bool:
    """Whether the document's apiVersion is of a kOps group."""
    api_version = document.api_version
    return api_version is not None and api_version.partition("/")[0] in API_GROUPS


@lru_cache(maxsize=4096)
def _places(path: str, api: str) -> tuple[Path, ...]:
    head, _, rest = path.partition(".")
    tail = tuple(rest.split(".")) if rest else ()
    if api == "v1alpha3" and head in _V1ALPHA3_PATHS:
        return tuple((*place, *tail) for place in _V1ALPHA3_PATHS[head])
    return ((head, *tail),)


class Setting:
    """A value in force: what is written (`node`), or a default with its source."""

    __slots__ = ("node", "source", "value")

    def __init__(self, value: str, node: Node | None, source: str) -> None:
        self.value = value
        self.node = node
        self.source = source

    @property
    def written(self) -> bool:
        """Whether the user wrote the value."""
        return self.node is not None


class InstanceGroup:
    """One InstanceGroup document.

    `role` is `ControlPlane` (also written Master), `Node`, `APIServer` or `Bastion`; Node where it is missing or odd.
    """

    __slots__ = ("document", "role", "root", "spec")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.root = document.root
        self.spec = self.root.get("spec")
        self.role = self._role()

    @property
    def name(self) -> str | None:
        """`metadata.name`."""
        return self.document.name

    @property
    def cluster_label(self) -> str | None:
        """The name of the cluster that the group belongs to, from its label."""
        node = self.root.get("metadata", "labels", CLUSTER_LABEL)
        return node.value if node is not None and isinstance(node.value, str) else None

    def _role(self) -> str:
        node = self.spec.get("role") if self.spec else None
        role = node.value if node is not None and isinstance(node.value, str) else "Node"
        lowered = role.lower()
        if lowered in ("master", "controlplane", "control-plane"):
            return "ControlPlane"
        return {"bastion": "Bastion", "apiserver": "APIServer"}.get(lowered, "Node")

    def _size(self, key: str) -> int | None:
        node = self.spec.get(key) if self.spec else None
        value = node.value if node is not None else None
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

    @property
    def min_size(self) -> int:
        """`minSize`; where it is missing kOps creates 1 control-plane node or 2 others."""
        size = self._size("minSize")
        if size is None:
            size = 1 if self.role == "ControlPlane" else 2
            largest = self._size("maxSize")
            size = size if largest is None else min(size, largest)
        return size

    @property
    def max_size(self) -> int:
        """`maxSize`, at least `min_size`."""
        size = self._size("maxSize")
        return self.min_size if size is None else max(size, self.min_size)

    @property
    def is_unbounded(self) -> bool:
        """Whether Karpenter makes the nodes, as many as pods ask for, whatever `maxSize` says."""
        node = self.spec.get("manager") if self.spec else None
        return node is not None and node.value == "Karpenter"


class Cluster:
    """One Cluster document and the InstanceGroups that belong to it. Everything here is as written.

    `old` is the same cluster as it is today, where that was given; `kubernetes` is `kubernetesVersion` where
    kOps can read it; `releases` are the kOps releases that it is linted for, once they are known. `networking` is
    `spec.networking`, `calico` its `calico`, also when that is empty or null; `etcd_clusters` are the members of
    `spec.etcdClusters` that are mappings. `cloud` is `aws`, `gce`, ...: the text of v1alpha2, the key of v1alpha3's
    object. What many rules ask for is looked up once.
    """

    __slots__ = (
        "_manifests", "_nodes", "api", "calico", "cloud", "document", "etcd_clusters", "groups", "kubernetes",
        "networking", "old", "releases", "root", "spec",
    )  # fmt: skip

    def __init__(self, document: Document, groups: Iterable[InstanceGroup] = ()) -> None:
        self.document = document
        self.groups = tuple(groups)
        self.old: Cluster | None = None
        self.releases: Releases | None = None
        self.root = document.root
        self.spec = self.root.get("spec")
        self.api = (document.api_version or "").partition("/")[2]
        self._nodes: dict[str, Node | None] = {}
        self._manifests: dict[Version, calico_table.Manifest | None] = {}
        self.kubernetes = parse_kubernetes(self.text("kubernetesVersion"))
        self.networking = self.spec.get("networking") if self.spec else None
        self.calico = self.networking.get("calico") if self.networking else None
        self.cloud = self._cloud()
        etcds = self.spec.get("etcdClusters") if self.spec else None
        self.etcd_clusters = tuple(each for each in etcds or () if isinstance(each.value, dict))

    @property
    def name(self) -> str | None:
        """`metadata.name`."""
        return self.document.name

    def paths(self, path: str) -> tuple[Path, ...]:
        """Where a v1alpha2 path below `spec` may stand in this document, the current place first."""
        return _places(path, self.api)

    def at(self, path: str) -> Node | None:
        """The node at a v1alpha2 path below `spec` (`networking.calico.mtu`), or None."""
        if path in self._nodes:
            return self._nodes[path]
        found = None
        if self.spec is not None:
            for place in self.paths(path):
                found = self.spec.get(*place)
                if found is not None:
                    break
        self._nodes[path] = found
        return found

    def text(self, path: str) -> str | None:
        """The value at a path if it is non-empty text."""
        node = self.at(path)
        return node.value if node is not None and isinstance(node.value, str) and node.value else None

    def cni_nodes(self) -> Iterator[tuple[str, Node]]:
        """(v1alpha2 key, node) of every networking option that is set; a null option is not set."""
        if self.networking is None or not isinstance(self.networking.value, dict):
            return
        for node in self.networking:
            key = _V1ALPHA3_CNI.get(str(node.key), str(node.key)) if self.api == "v1alpha3" else str(node.key)
            if key in CNI_KEYS and node.value is not None:
                yield key, node

    @property
    def cni(self) -> str | None:
        """The first networking option, by its v1alpha2 key."""
        return next((key for key, _ in self.cni_nodes()), None)

    def _cloud(self) -> str | None:
        node = self.spec.get("cloudProvider") if self.spec else None
        if node is None:
            return None
        if isinstance(node.value, dict):
            return next((str(key) for key in node.value), None)
        return node.value if isinstance(node.value, str) else None

    @property
    def major_version_v3(self) -> bool:
        """Whether `networking.calico.majorVersion: v3` is written."""
        return self.text("networking.calico.majorVersion") == "v3"

    @property
    def ipv6_only(self) -> bool:
        """An IPv6-only cluster: nonMasqueradeCIDR is IPv6. Source: pkg/apis/kops/cluster.go@release-1.36:1037."""
        return ":" in (self.text("nonMasqueradeCIDR") or "")

    @property
    def first_etcd(self) -> Node | None:
        """`etcdClusters[0]`, whatever its name: the etcd that kOps checks for Calico and points Calico at."""
        node = self.spec.get("etcdClusters") if self.spec else None
        first = node.get(0) if node is not None else None
        return first if first is not None and isinstance(first.value, dict) else None

    def etcd_provider(self, etcd: Node, kops: Version) -> Setting:
        """`Manager` or `Legacy` for one etcd cluster."""
        node = etcd.get("provider")
        if node is not None and isinstance(node.value, str) and node.value:
            return Setting(node.value, node, "written")
        kubernetes = self.kubernetes or Version(1, kops.minor)
        manager = etcd.get("manager")
        has_block = manager is not None and manager.value is not None
        return Setting(
            etcd_table.default_provider(kops, kubernetes, has_manager_block=has_block), None, "ETCD@1.11:49-57"
        )

    def etcd_version(self, etcd: Node, kops: Version) -> Setting:
        """The etcd version in force for one etcd cluster: written, or the default of this kOps."""
        node = etcd.get("version")
        if node is not None and isinstance(node.value, str) and node.value:
            return Setting(node.value.removeprefix("v"), node, "written")
        kubernetes = self.kubernetes or Version(1, kops.minor)
        version, source = etcd_table.default_version(kops, kubernetes, self.etcd_provider(etcd, kops).value)
        return Setting(version, None, source)

    def manifest(self, kops: Version) -> calico_table.Manifest | None:
        """The Calico manifest that this kOps applies; None without a readable kubernetesVersion or a manifest."""
        if self.kubernetes is None:
            return None
        if kops not in self._manifests:
            self._manifests[kops] = calico_table.manifest(kops, self.kubernetes, major_version_v3=self.major_version_v3)
        return self._manifests[kops]

    def encapsulation(self, kops: Version) -> calico_table.Encapsulation | None:
        """What carries pod traffic between nodes under this kOps; None where no manifest is known."""
        manifest = self.manifest(kops)
        if manifest is None or self.calico is None or self.calico.value is None:
            return None
        cross_subnet = self.at("networking.calico.crossSubnet")
        return calico_table.encapsulation(
            kops,
            manifest,
            self.cloud,
            ipv6_only=self.ipv6_only,
            cross_subnet=cross_subnet is not None and cross_subnet.value is True,
            encapsulation_mode=self.text("networking.calico.encapsulationMode"),
            ipip_mode=self.text("networking.calico.ipipMode"),
            vxlan_mode=self.text("networking.calico.vxlanMode"),
        )

    def node_count(self) -> tuple[int, int]:
        """(sum of minSize, sum of maxSize) over all groups but bastions."""
        groups = [group for group in self.groups if group.role != "Bastion"]
        return sum(group.min_size for group in groups), sum(group.max_size for group in groups)


class Pair:
    """An upgrade: the spec as it is today and as it will be."""

    __slots__ = ("new", "old", "old_kops")

    def __init__(self, old: Cluster, new: Cluster, old_kops: Version | None) -> None:
        self.old = old
        self.new = new
        self.old_kops = old_kops  # the kOps that last updated the old spec, if the user said so
