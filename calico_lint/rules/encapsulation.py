"""Rules on how packets of pods travel: their size (M801-M806), subnets and the source/destination check of AWS
(A811-A818), and what clouds and their firewalls let pass (F841-F847). kOps itself checks none of it.

T(x)@1.N in sources = `upup/models/cloudup/resources/addons/networking.projectcalico.org/x.yaml.template@release-1.N`
and DOC@1.36 = `docs/networking/calico.md@release-1.36` of kubernetes/kops, docs: = `calico/` of tigera/docs,
CALICO-MTU = `calico/networking/mtu.md@release-v3.24` of projectcalico/calico.
"""

from __future__ import annotations

from calico_lint.kops import clouds
from calico_lint.kops.calico import (
    ALWAYS,
    BIRD,
    CROSS_SUBNET,
    IPIP,
    KUBERNETES,
    NEVER,
    VXLAN,
    default_mtu,
    typha_runs_on,
    uses_mtu,
)
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.values import at_key, quoted, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.finding import Fix
    from calico_lint.kops.calico import Encapsulation
    from calico_lint.kops.releases import Version
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node

_CALICO = "networking.calico"


def _is_on(cluster: Cluster, key: str) -> bool:
    node = cluster.at(f"{_CALICO}.{key}")
    return node is not None and node.value is True


def _carried(cluster: Cluster, release: Version) -> tuple[Encapsulation, bool, bool] | None:
    """(encapsulation of the pool, eBPF, WireGuard) in force; None where it is not known."""
    encapsulation = cluster.encapsulation(release)
    manifest = cluster.manifest(release)
    if encapsulation is None or manifest is None:
        return None
    modern = manifest.datastore == KUBERNETES and manifest.id != "k8s-1.12"
    bpf = modern and release.minor >= 19 and _is_on(cluster, "bpfEnabled")
    return encapsulation, bpf, modern and release.minor >= 18 and _is_on(cluster, "wireguardEnabled")


# --- MTU ------------------------------------------------------------------------------------------------


def _mtu(node: Node) -> int | None:
    return node.value if isinstance(node.value, int) and not isinstance(node.value, bool) else None


def _mtu_of(cluster: Cluster, release: Version, node: Node) -> int | None:
    """The value of `mtu` if the manifest uses it (else KI601 speaks)."""
    manifest = cluster.manifest(release)
    return _mtu(node) if manifest is not None and uses_mtu(release, manifest) else None


def _largest(cluster: Cluster, release: Version) -> tuple[int, int, str] | None:
    """(largest MTU on a usual network of the cloud, on its largest, what takes the rest)."""
    cloud, carried = clouds.name_of(cluster.cloud), _carried(cluster, release)
    if cloud is None or carried is None:
        return None
    encapsulation, bpf, wireguard = carried
    usual, possible = clouds.largest_mtu(cloud, encapsulation, bpf=bpf, wireguard=wireguard)
    return usual, possible, clouds.describe(encapsulation, bpf=bpf, wireguard=wireguard)


def _smallest(cluster: Cluster) -> int:
    return clouds.IPV6_MINIMUM if cluster.ipv6_only else clouds.IPV4_MINIMUM


@rule("M801", "mtu-too-large", severity="error", origin="calico", since="1.10", changes="every",
      on=f"{_CALICO}.mtu", aliases=("M805", "W864"), fix="unsafe")  # fmt: skip
def mtu_too_large(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Packets of pods do not fit through the network of the nodes.

    `mtu` is the size of a pod's packets before they are wrapped: IP-in-IP adds 20 bytes, VXLAN 50, WireGuard 60. The
    eBPF data plane uses VXLAN for node ports whatever the pool uses. What is then larger than the network takes is
    split or dropped: small packets pass, large ones hang.

    The networks of AWS take 9001 bytes, those of GCE 1460 (a VPC of one's own up to 8896), of OpenStack mostly 1450, of
    Hetzner 1450, others 1500. Where the network may be larger than usual this is a warning.

    Bad (kOps 1.36.2):
        networking: {calico: {mtu: 9001}}
    Bad (kOps 1.36.2):
        networking: {calico: {mtu: 8981, wireguardEnabled: true}}
    Bad (kOps 1.16.4):
        cloudProvider: gce
        networkCIDR: <absent>
        networking: {calico: {mtu: 1460}}
    Good (kOps 1.16.4):
        networking: {calico: {mtu: 8981}}
    Good (kOps 1.36.2):
        networking: {calico: {mtu: 8941, wireguardEnabled: true}}
    Also: F847, B826, W865
    Fix: from kOps 1.19 on remove the key, Calico then measures it; else take the largest value that the message names.
    Source: CALICO-MTU:50-84; DOC@1.36:105; kubernetes/kops#4042, projectcalico/calicoctl#415.
    """
    value, largest = _mtu_of(cluster, release, node), _largest(cluster, release)
    if value is None or largest is None or value <= largest[0]:
        return
    from calico_lint import fix

    usual, possible, carried = largest
    cloud = clouds.name_of(cluster.cloud)
    yield Hit(
        node,
        f"`mtu: {value}` does not fit on `{cloud}` with {carried}: write {usual} at most"
        + (", unless the network of this cluster is larger than usual" if value <= possible else ""),
        severity="warning" if value <= possible else None,
        fix=_measured(cluster, release, node) or fix.set_value(node, usual, safe=False),
    )


def _measured(cluster: Cluster, release: Version, node: Node) -> Fix | None:
    """The fix that leaves the MTU to Calico, where it measures."""
    manifest = cluster.manifest(release)
    if manifest is None or default_mtu(release, manifest, cluster.cloud) is not None:
        return None
    from calico_lint import fix

    return fix.remove_key(node, safe=False)


@rule("M802", "mtu-needs-no-value", severity="info", origin="calico", since="1.19", changes="every",
      on=f"{_CALICO}.mtu", fix="unsafe")  # fmt: skip
def mtu_needs_no_value(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`mtu` is written where Calico would find the right value by itself.

    From kOps 1.19 on (Kubernetes 1.16 and later) Calico takes the MTU from the interfaces of each node and subtracts
    what the encapsulation needs. A value that is written has to be kept right by hand, when the encapsulation changes
    or WireGuard is switched on.

    Bad (kOps 1.36.2):
        networking: {calico: {mtu: 8951}}
    Good (kOps 1.36.2):
        networking: {calico: {}}
    Fix: remove the key, unless pods have to use smaller packets than the network takes.
    Source: DOC@1.36:105; T(k8s-1.16)@1.19:36-39.
    """
    value, manifest = _mtu_of(cluster, release, node), cluster.manifest(release)
    if value is None or manifest is None or default_mtu(release, manifest, cluster.cloud) is not None:
        return
    largest = _largest(cluster, release)
    if value == 0 or (value >= _smallest(cluster) and (largest is None or value <= largest[0])):
        yield Hit(
            node,
            "`mtu` needs no value: Calico measures it, and follows when the encapsulation changes",
            on_key=True,
            fix=_measured(cluster, release, node),
        )


@rule("M803", "mtu-too-small", severity="warning", origin="calico", since="1.10", changes="every",
      on=f"{_CALICO}.mtu", fix="unsafe")  # fmt: skip
def mtu_too_small(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`mtu` is smaller than IP allows.

    Every link has to take packets of 576 bytes, with IPv6 of 1280; a smaller value, zero or a negative one make no
    interface that works. Zero stands for "measure it" where Calico does that: kOps 1.19 and later, Kubernetes 1.16 and
    later.

    Bad (kOps 1.36.2):
        networking: {calico: {mtu: -1}}
    Bad (kOps 1.36.2):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {mtu: 1200}}
    Good (kOps 1.36.2):
        networking: {calico: {mtu: 1400}}
    Fix: remove the key, or write the MTU of the network less what the encapsulation takes.
    Source: RFC 791 section 3.2, RFC 8200 section 5; T(k8s-1.16)@1.19:36-39.
    """
    value, manifest = _mtu_of(cluster, release, node), cluster.manifest(release)
    if value is None or manifest is None or value >= _smallest(cluster):
        return
    if value != 0 or default_mtu(release, manifest, cluster.cloud) is not None:
        from calico_lint import fix

        yield Hit(
            node,
            f"`mtu: {value}` is below {_smallest(cluster)}, the least that IP works with: remove the key",
            fix=fix.remove_key(node, safe=False),
        )


@rule("M804", "mtu-default-on-aws", severity="info", origin="calico", since="1.12", until="1.21", changes="every",
      on=_CALICO, unanimous=True, fix="unsafe")  # fmt: skip
def mtu_default_on_aws(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Pods use packets of 1440 bytes on a network of AWS that takes 9001.

    The manifests of kOps 1.12 to 1.18, and that for Kubernetes before 1.16 up to 1.21, set 1440 where `mtu` is not
    written. It works everywhere and costs throughput. The key is used from kOps 1.15 on. It is said only where the
    machine types are known and all of them have jumbo frames.

    Bad (kOps 1.18.3):
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
    Good (kOps 1.18.3):
        networking: {calico: {mtu: 8981}}
        ---
        role: Node
        machineType: m5.large
    Fix: write `mtu: 8981` (kOps 1.15 and later); all nodes have to change.
    Source: T(k8s-1.12)@1.12:245, T(k8s-1.12)@1.15:23, T(k8s-1.16)@1.18:27; kubernetes/kops#4042.
    """
    manifest = cluster.manifest(release)
    if cluster.cloud != "aws" or manifest is None or manifest.datastore != KUBERNETES or node.get("mtu") is not None:
        return
    default = default_mtu(release, manifest, "aws")
    if default is not None and set(_jumbo_frames(cluster).values()) == {True}:
        from calico_lint import fix

        used = uses_mtu(release, manifest)
        advice = "`mtu: 8981` would use it" if used else "from kOps 1.15 on `mtu` can be set"
        yield Hit(
            node,
            f"pods use packets of {default} bytes where AWS takes 9001: {advice}",
            missing="mtu",
            fix=fix.add_key(node, "mtu", 8981, safe=False) if used else None,
        )


def _jumbo_frames(cluster: Cluster) -> dict[Node, bool | None]:
    """The machine types of all nodes on AWS: do they have jumbo frames? None where the name does not tell."""
    from calico_lint.kops.machines import takes_jumbo_frames

    machines: list[Node | None] = []
    for group in cluster.groups:
        if group.role != "Bastion" and group.spec is not None:
            mixed = group.spec.get("mixedInstancesPolicy", "instances")
            machines += [group.spec.get("machineType"), *(mixed or ())]
    return {
        machine: takes_jumbo_frames(kind, "aws")
        for machine in machines
        if machine is not None and (kind := text(machine)) is not None
    }


@rule("M806", "machine-without-jumbo-frames", severity="warning", origin="calico", since="1.10", changes="every",
      on=f"{_CALICO}.mtu")  # fmt: skip
def machine_without_jumbo_frames(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """A machine type without jumbo frames in a cluster whose `mtu` counts on them.

    The first generations of EC2 have networks of 1500 bytes: T1, M1, M2, C1, CR1, G2, HI1, HS1. Large packets of pods
    on other nodes never reach pods there.

    Bad (kOps 1.15.3):
        networking: {calico: {mtu: 8981}}
        ---
        role: Node
        machineType: m1.large
    Good (kOps 1.15.3):
        networking: {calico: {mtu: 8981}}
        ---
        role: Node
        machineType: m5.large
    Also: Z912
    Fix: choose a current machine type, or an `mtu` of 1480 (IP-in-IP) or 1450 (VXLAN).
    Source: docs.aws.amazon.com/AWSEC2/latest/UserGuide/network_mtu.html; heptio/aws-quickstart#205.
    """
    value = _mtu_of(cluster, release, node)
    if value is None or value <= 1500 or cluster.cloud != "aws":
        return
    for machine, jumbo in _jumbo_frames(cluster).items():
        if jumbo is False:
            message = f"{quoted(machine.value)} has no jumbo frames, and `mtu: {value}` needs them: choose another type"
            yield Hit(machine, message, related=[(node, "the MTU of pods")])


# --- cross-subnet, and the source/destination check of AWS ----------------------------------------------


@rule("A811", "src-dst-check-drops-pods", severity="error", origin="calico", since="1.22", changes=("1.23", "1.26"),
      on=f"{_CALICO}.awsSrcDstCheck", fix="unsafe")  # fmt: skip
def src_dst_check_drops_pods(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """AWS drops the packets of pods, because the source/destination check of the instances stays on.

    From kOps 1.22 on nodes of one subnet talk without encapsulation, the mode `CrossSubnet`, and Felix switches the
    check of each instance off. With `Enable` or `DoNothing` it stays on, and AWS drops every packet that comes from the
    address of a pod. Only if something else switches it off, `DoNothing` works.

    Bad (kOps 1.36.2):
        networking: {calico: {awsSrcDstCheck: DoNothing}}
    Bad (kOps 1.36.2):
        networking: {calico: {encapsulationMode: vxlan, awsSrcDstCheck: Enable}}
    Good (kOps 1.36.2):
        networking: {calico: {awsSrcDstCheck: Disable}}
    Good (kOps 1.36.2):
        networking: {calico: {awsSrcDstCheck: DoNothing, ipipMode: Always}}
    Fix: remove `awsSrcDstCheck` (the default is `Disable`), or write `ipipMode: Always` or `vxlanMode: Always`.
    Source: docs:reference/public-cloud/aws.mdx:13-28; T(k8s-1.16)@1.22 and T(k8s-1.25)@1.36:7336; the check of kOps
        for it is built and dropped (KC118).
    """
    if cluster.cloud != "aws" or cluster.ipv6_only or node.value not in ("Enable", "DoNothing"):
        return
    encapsulation = cluster.encapsulation(release)
    if encapsulation is not None and encapsulation.mode != ALWAYS:
        from calico_lint import fix

        key = "vxlanMode" if cluster.text(f"{_CALICO}.encapsulationMode") == VXLAN else "ipipMode"
        yield Hit(
            node,
            f"`awsSrcDstCheck: {node.value}` leaves a check on that drops the packets of pods, which are not "
            f"encapsulated inside a subnet (`{key}: {encapsulation.mode}`): write `Disable`, or `{key}: Always`",
            related=_shown(cluster, key, "where packets are encapsulated"),
            fix=fix.set_value(node, "Disable", safe=False),
        )


def _shown(cluster: Cluster, key: str, words: str) -> list[tuple[Node, str]]:
    node = cluster.at(f"{_CALICO}.{key}")
    return [(node, words)] if node is not None else []


@rule("A812", "cross-subnet-without-src-dst-check", severity="error", origin="calico", since="1.15", until="1.21",
      changes="every", on=f"{_CALICO}.ipipMode", fix="unsafe")  # fmt: skip
def cross_subnet_without_src_dst_check(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Packets of pods go without encapsulation, and nothing switches off the check of AWS that drops them.

    Up to kOps 1.21 `ipipMode` says only where packets are encapsulated. AWS drops the others, which come from the
    address of a pod, until the source/destination check of the instances is off: `crossSubnet: true` installs a
    controller for that, and from kOps 1.19 on (Kubernetes 1.16 and later) `awsSrcDstCheck: Disable` lets Felix do it.

    Bad (kOps 1.20.3):
        networking: {calico: {ipipMode: CrossSubnet}}
    Bad (kOps 1.16.4):
        networking: {calico: {ipipMode: Never, mtu: 8981}}
    Good (kOps 1.20.3):
        networking: {calico: {ipipMode: CrossSubnet, awsSrcDstCheck: Disable}}
    Good (kOps 1.16.4):
        networking: {calico: {crossSubnet: true}}
    Fix: write `awsSrcDstCheck: Disable` beside it (kOps 1.19 and later), or `crossSubnet: true` instead.
    Source: T(k8s-1.16)@1.19:3885, T(k8s-1.12)@1.15:794; docs:reference/public-cloud/aws.mdx:13-28.
    """
    manifest, encapsulation = cluster.manifest(release), cluster.encapsulation(release)
    if cluster.cloud != "aws" or manifest is None or encapsulation is None or encapsulation.mode == ALWAYS:
        return
    if manifest.datastore != KUBERNETES or encapsulation.kind == VXLAN or _is_on(cluster, "crossSubnet"):
        return
    felix = manifest.id == "k8s-1.16" and release.minor >= 19
    if felix and cluster.text(f"{_CALICO}.awsSrcDstCheck") == "Disable":
        return
    yield Hit(
        node,
        f"with `ipipMode: {node.value}` AWS drops packets of pods, because the source/destination check stays on: "
        + ("add `awsSrcDstCheck: Disable`" if felix else "write `crossSubnet: true` instead"),
        related=_shown(cluster, "awsSrcDstCheck", "this leaves it on") if felix else (),
        fix=_put(cluster, "awsSrcDstCheck", "Disable") if felix else None,
    )


def _put(cluster: Cluster, key: str, value: str) -> Fix | None:
    """The fix that gives a key of `networking.calico` a value, whether it is there or not."""
    from calico_lint import fix

    assert cluster.calico is not None
    node = cluster.calico.get(key)
    if node is None:
        return fix.add_key(cluster.calico, key, value, safe=False)
    return fix.set_value(node, value, safe=False)


@rule("A813", "src-dst-check-not-on-aws", severity="warning", origin="calico", since="1.19", changes=("1.22",),
      on=f"{_CALICO}.awsSrcDstCheck", fix="safe")  # fmt: skip
def src_dst_check_not_on_aws(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`awsSrcDstCheck` on another cloud.

    Only AWS has the check. From kOps 1.22 on the key is ignored elsewhere; before, Felix asks the metadata service of
    AWS in vain and complains in its log. `DoNothing` is what happens anyhow.

    Bad (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {awsSrcDstCheck: Disable}}
    Good (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {}}
    Fix: remove the key.
    Source: T(k8s-1.16)@1.19:3885, T(k8s-1.16)@1.22.
    """
    cloud = cluster.cloud
    if cloud is not None and cloud != "aws" and node.value in ("Enable", "Disable"):
        from calico_lint import fix

        yield Hit(
            node,
            f"`awsSrcDstCheck` is for AWS, not for `{cloud}`: remove it",
            on_key=True,
            fix=fix.remove_key(node, safe=release.minor >= 22),
        )


@rule("A815", "encapsulated-inside-a-subnet", severity="info", origin="calico", since="1.15", changes="every",
      on=(f"{_CALICO}.ipipMode", f"{_CALICO}.vxlanMode"), fix="unsafe")  # fmt: skip
def encapsulated_inside_a_subnet(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`Always` encapsulates also what needs no encapsulation, inside a zone of AWS.

    In a cluster of several zones `CrossSubnet` encapsulates only what leaves its subnet, and is the mode that Calico
    recommends there. It needs the source/destination check off, which kOps does by default from 1.22 on. `Always` is
    right where that must not be.

    Bad (kOps 1.36.2):
        subnets:
        - {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Public}
        - {name: z2, zone: us-test-1b, cidr: 10.30.64.0/19, type: Public}
        networking: {calico: {ipipMode: Always}}
    Good (kOps 1.36.2):
        subnets:
        - {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Public}
        - {name: z2, zone: us-test-1b, cidr: 10.30.64.0/19, type: Public}
        networking: {calico: {ipipMode: CrossSubnet}}
    Fix: write `CrossSubnet`; up to kOps 1.21 with `awsSrcDstCheck: Disable`, or `crossSubnet: true`.
    Source: docs:networking/configuring/vxlan-ipip.mdx:59-63; DOC@1.36:60-101.
    """
    encapsulation = cluster.encapsulation(release)
    if cluster.cloud != "aws" or cluster.ipv6_only or encapsulation is None or encapsulation.mode != ALWAYS:
        return
    in_force = "ipipMode" if encapsulation.kind == IPIP else "vxlanMode"
    if (
        node.key != in_force
        or text(node) is None
        or cluster.text(f"{_CALICO}.awsSrcDstCheck") in ("Enable", "DoNothing")
    ):
        return
    manifest = cluster.manifest(release)
    if manifest is not None and manifest.datastore == KUBERNETES and len(_node_subnets(cluster)) > 1:
        from calico_lint import fix

        yield Hit(
            node,
            f"`{node.key}: {node.value}` encapsulates also inside a subnet: `CrossSubnet` would not",
            fix=fix.set_value(node, CROSS_SUBNET, safe=False) if release.minor >= 22 else None,
        )


def _node_subnets(cluster: Cluster) -> list[Node]:
    """The subnets that can hold nodes: those of the type Utility hold load balancers and bastions."""
    node = cluster.at("subnets")
    subnets = [subnet for subnet in node or () if isinstance(subnet.value, dict)]
    return [subnet for subnet in subnets if subnet.value.get("type") != "Utility"]


@rule("A816", "cross-subnet-in-one-subnet", severity="warning", origin="calico", until="1.18",
      on=f"{_CALICO}.crossSubnet")  # fmt: skip
def cross_subnet_in_one_subnet(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """`crossSubnet` in a cluster of one subnet: nothing is encapsulated at all.

    Then all traffic between pods depends on the controller that switches off the source/destination check of the
    instances: a node that it has not seen yet, or that it fails on, drops everything.

    Bad (kOps 1.16.4):
        networking: {calico: {crossSubnet: true, mtu: 8981}}
    Good (kOps 1.16.4):
        subnets:
        - {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Public}
        - {name: z2, zone: us-test-1b, cidr: 10.30.64.0/19, type: Public}
        networking: {calico: {crossSubnet: true, mtu: 8981}}
    Also: KI609
    Fix: remove the key, unless the throughput is worth it.
    Source: T(k8s-1.12)@1.15:794 and 982-1083; kubernetes/kops#2066.
    """
    if node.value is True and cluster.cloud == "aws" and len(_node_subnets(cluster)) == 1:
        yield Hit(
            node,
            "`crossSubnet` in a single subnet means no encapsulation at all: pods depend on a controller that switches "
            "off the source/destination check of each instance",
            related=[(subnet, "the only subnet of nodes") for subnet in _node_subnets(cluster)],
            on_key=True,
        )


@rule("A817", "openstack-port-security", severity="warning", origin="calico", since="1.15", changes="every",
      fix="unsafe")  # fmt: skip
def openstack_port_security(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Packets of pods without encapsulation on OpenStack.

    The port security of OpenStack drops what does not come from the address of the port, and the address of a pod is
    another. kOps encapsulates everything there by default (IP-in-IP, since 1.22); VXLAN does so with
    `vxlanMode: Always` only.

    Bad (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {ipipMode: CrossSubnet}}
    Good (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {ipipMode: Always}}
    Fix: write `Always`, or allow the addresses of pods on the ports (allowed address pairs).
    Source: upup/pkg/fi/cloudup/template_functions.go@release-1.22:176-179; kubernetes/kops#12286.
    """
    if cluster.cloud != "openstack" or cluster.calico is None or cluster.ipv6_only:
        return
    encapsulation = cluster.encapsulation(release)
    if encapsulation is None or encapsulation.mode == ALWAYS:
        return
    vxlan = cluster.text(f"{_CALICO}.encapsulationMode") == VXLAN and release.minor >= 19
    key = "vxlanMode" if vxlan and release.minor >= 22 else "ipipMode"
    if encapsulation.mode == CROSS_SUBNET and 19 <= release.minor <= 21 and cluster.calico.get(key) is None:
        key = "crossSubnet"
    yield at_key(
        cluster.calico,
        key,
        "the port security of OpenStack drops packets of pods that are not encapsulated: "
        + ("remove `crossSubnet`" if key == "crossSubnet" else f"write `{key}: Always`"),
        fix=_put(cluster, key, ALWAYS) if key != "crossSubnet" else None,
    )


@rule("A818", "no-encapsulation-across-subnets", severity="error", origin="calico", since="1.22",
      changes=("1.23",), on=(f"{_CALICO}.ipipMode", f"{_CALICO}.vxlanMode"), fix="unsafe")  # fmt: skip
def no_encapsulation_across_subnets(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Nothing is encapsulated, and the nodes are in several subnets.

    With the mode `Never` packets of pods leave a node as they are. Inside a subnet of AWS they arrive; between subnets
    they pass the router of the VPC, which has no route to pods and drops them. On GCE every packet passes a router.
    kOps makes no such routes for Calico.

    Bad (kOps 1.36.2):
        subnets:
        - {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Public}
        - {name: z2, zone: us-test-1b, cidr: 10.30.64.0/19, type: Public}
        networking: {calico: {ipipMode: Never}}
    Good (kOps 1.36.2):
        networking: {calico: {ipipMode: Never}}
    Good (kOps 1.36.2):
        networking: {calico: {encapsulationMode: vxlan, ipipMode: Never}}
    Fix: remove the key for `CrossSubnet`, the default.
    Source: docs:reference/public-cloud/aws.mdx:13-40, docs:reference/public-cloud/gce.mdx; T(k8s-1.25)@1.36:7284-7290.
    """
    encapsulation = cluster.encapsulation(release)
    in_force = "vxlanMode" if encapsulation is not None and encapsulation.backend == VXLAN else "ipipMode"
    if encapsulation is None or encapsulation.mode != NEVER or cluster.ipv6_only or node.key != in_force:
        return
    if cluster.cloud == "gce" or (cluster.cloud == "aws" and len(_node_subnets(cluster)) > 1):
        from calico_lint import fix

        where = "between nodes on GCE" if cluster.cloud == "gce" else "between subnets on AWS"
        yield Hit(
            node,
            f"with `{node.key}: {node.value}` packets of pods get lost {where}, where nothing routes them: write "
            "`CrossSubnet`",
            fix=fix.set_value(node, CROSS_SUBNET, safe=False),
        )


# --- clouds and their firewalls -------------------------------------------------------------------------


@rule("F841", "azure-needs-vxlan", severity="error", origin="calico", changes="every", on=_CALICO, fix="unsafe")
def azure_needs_vxlan(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Calico on Azure without VXLAN: pods on different nodes cannot talk.

    The network of Azure drops IP-in-IP, which is the default of kOps up to 1.34. From 1.35 on kOps takes VXLAN by
    itself and refuses anything else (KC112). Azure delivers to addresses of machines only, so that packets of pods have
    to be encapsulated inside a subnet too: `vxlanMode: Always`, which kOps 1.35 sets and earlier ones do not.

    Bad (kOps 1.34.2):
        cloudProvider: azure
        networking: {calico: {}}
    Bad (kOps 1.30.4):
        cloudProvider: azure
        networking: {calico: {encapsulationMode: ipip}}
    Bad (kOps 1.30.4):
        cloudProvider: azure
        networking: {calico: {encapsulationMode: vxlan}}
    Good (kOps 1.34.2):
        cloudProvider: azure
        networking: {calico: {encapsulationMode: vxlan, vxlanMode: Always}}
    Good (kOps 1.36.2):
        cloudProvider: azure
        networking: {calico: {}}
    Fix: write `encapsulationMode: vxlan` and `vxlanMode: Always`, as kOps 1.35 does; a running cluster needs its pool
        changed too.
    Source: docs:reference/public-cloud/azure.mdx:45, docs:networking/configuring/bgp.mdx:34;
        pkg/model/components/calico.go@release-1.35:43-46 and commit 79672afcd5 of kubernetes/kops.
    """
    encapsulation = cluster.encapsulation(release) if cluster.cloud == "azure" else None
    if encapsulation is None:
        return
    if encapsulation.backend == VXLAN:
        if encapsulation.mode != ALWAYS and release.minor >= 22:
            yield at_key(
                node,
                "vxlanMode",
                f"`vxlanMode: {encapsulation.mode}` leaves packets of pods bare, and Azure delivers to machines only: "
                "write `vxlanMode: Always`",
                fix=_put(cluster, "vxlanMode", ALWAYS),
                severity="warning",
            )
    elif release.minor <= 34:
        message = "Azure drops IP-in-IP, which is what this kOps uses by default"
        written = cluster.text(f"{_CALICO}.encapsulationMode")
        if written:
            message = f"Azure drops all but VXLAN, and `encapsulationMode` is {quoted(written)}"
        yield at_key(
            node,
            "encapsulationMode",
            f"{message}: " + ("write `encapsulationMode: vxlan`" if release.minor >= 19 else "use kOps 1.19 or later"),
            fix=_put(cluster, "encapsulationMode", VXLAN) if release.minor >= 19 else None,
        )


def _opens_more(cluster: Cluster) -> bool:
    """Whether every InstanceGroup brings security groups of its own, which may open what kOps does not."""
    groups = [group for group in cluster.groups if group.role != "Bastion"]
    return bool(groups) and all(
        group.spec is not None and (own := group.spec.get("additionalSecurityGroups")) is not None and own.value
        for group in groups
    )


def _uses_vxlan(cluster: Cluster, release: Version, node: Node) -> bool:
    """Whether this key makes Calico use VXLAN, UDP port 4789: the encapsulation, else the eBPF data plane."""
    carried = _carried(cluster, release)
    if carried is None:
        return False
    encapsulation, bpf, _ = carried
    key = "encapsulationMode" if encapsulation.backend == VXLAN else "bpfEnabled" if bpf else None
    return node.key == key


_UDP_KEYS = (f"{_CALICO}.encapsulationMode", f"{_CALICO}.bpfEnabled")


@rule("F842", "openstack-drops-vxlan", severity="error", origin="calico", since="1.19", changes="every", on=_UDP_KEYS,
      fix="unsafe")  # fmt: skip
def openstack_drops_vxlan(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """VXLAN on OpenStack, where kOps does not let it through.

    In the security groups of OpenStack kOps opens BGP (TCP 179) and IP-in-IP for Calico, and not UDP 4789. VXLAN needs
    it, as the encapsulation of the pool or for the node ports of the eBPF data plane.

    Bad (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {encapsulationMode: vxlan, vxlanMode: Always}}
    Bad (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {encapsulationMode: vxlan}}
    Good (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {encapsulationMode: ipip}}
    Good (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {encapsulationMode: vxlan, vxlanMode: Always}}
        ---
        role: Node
        additionalSecurityGroups: [vxlan]
    Also: A817
    Fix: stay with IP-in-IP, or give every InstanceGroup `additionalSecurityGroups` that open UDP 4789 between nodes.
    Source: pkg/model/openstackmodel/firewall.go@release-1.16:367-391 and @release-1.36:497-580 of kubernetes/kops.
    """
    if cluster.cloud == "openstack" and _uses_vxlan(cluster, release, node) and not _opens_more(cluster):
        yield Hit(
            node,
            f"`{node.key}: {_written(node)}` needs UDP 4789 between nodes, which kOps does not open on OpenStack: "
            "stay with IP-in-IP, or add security groups that do",
            fix=_back_to_ipip(cluster, node),
        )


def _back_to_ipip(cluster: Cluster, node: Node) -> Fix | None:
    """The fix that makes the pool use IP-in-IP; none where other keys would contradict."""
    if node.key != "encapsulationMode" or cluster.at(f"{_CALICO}.vxlanMode") is not None:
        return None
    from calico_lint import fix

    return fix.set_value(node, IPIP, safe=False)


def _written(node: Node) -> str:
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


@rule("F843", "firewall-blocks-wireguard-or-typha", severity="warning", origin="calico", since="1.15", changes="every",
      on=(f"{_CALICO}.wireguardEnabled", f"{_CALICO}.typhaReplicas"))  # fmt: skip
def firewall_blocks(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """WireGuard or Typha on a cloud where kOps does not open their ports.

    On OpenStack kOps opens neither UDP 51820 (WireGuard) nor TCP 5473 (Typha) between nodes. On GCE they are closed
    from nodes to the control plane, where Typha may run too.

    Bad (kOps 1.36.2):
        cloudProvider: openstack
        networking: {calico: {wireguardEnabled: true}}
    Bad (kOps 1.36.2):
        cloudProvider: gce
        networkCIDR: <absent>
        networking: {calico: {typhaReplicas: 3}}
    Good (kOps 1.36.2):
        networking: {calico: {wireguardEnabled: true, typhaReplicas: 3}}
    Also: W865
    Fix: open the port between all nodes: on OpenStack with `additionalSecurityGroups`, on GCE with a firewall rule.
    Source: pkg/model/openstackmodel/firewall.go@release-1.36:497-580 and gcemodel/firewall.go@release-1.36:125-156 of
        kubernetes/kops; docs:_includes/partials/_system-requirements.mdx:80-120.
    """
    cloud, carried, manifest = cluster.cloud, _carried(cluster, release), cluster.manifest(release)
    if cloud not in ("openstack", "gce") or carried is None or manifest is None:
        return
    if cloud == "openstack" and _opens_more(cluster):
        return
    if node.key == "wireguardEnabled":
        port = "UDP 51820" if carried[2] else None
    else:
        typha = isinstance(node.value, int) and node.value > 0 and manifest.datastore == KUBERNETES
        blocked = cloud == "openstack" or "ControlPlane" in typha_runs_on(release, manifest)
        port = "TCP 5473" if typha and blocked else None
    if port is not None:
        where = "between nodes on OpenStack" if cloud == "openstack" else "from nodes to the control plane on GCE"
        yield Hit(node, f"`{node.key}` needs {port}, which kOps does not open {where}: open it yourself", on_key=True)


_UNMANAGED = ("digitalocean", "hetzner", "scaleway", "linode")


@rule("F844", "cloud-without-calico-rules", severity="info", origin="calico", on=_CALICO)
def cloud_without_calico_rules(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Nothing is opened for Calico by kOps on this cloud.

    On AWS, GCE, Azure and OpenStack kOps keeps rules for the traffic between nodes. On DigitalOcean, Hetzner, Scaleway
    and Linode it does not: where a firewall of the project filters the network of the nodes, IP-in-IP (protocol 4) and
    BGP (TCP 179), or VXLAN (UDP 4789), have to be let through.

    Bad (kOps 1.36.2):
        cloudProvider: hetzner
        networking: {calico: {}}
    Good (kOps 1.36.2):
        networking: {calico: {}}
    Fix: nothing, where nothing filters between nodes; else let the message's protocols through.
    Source: pkg/model/hetznermodel/firewall.go@release-1.36, domodel, scalewaymodel and linodemodel beside it;
        docs:_includes/partials/_system-requirements.mdx:80-120.
    """
    cloud = clouds.name_of(cluster.cloud)
    if cloud not in _UNMANAGED:
        return
    encapsulation = cluster.encapsulation(release)
    needs = "VXLAN (UDP 4789)"
    if encapsulation is not None and encapsulation.backend == BIRD:
        needs = "IP-in-IP (protocol 4) and BGP (TCP 179)"
    yield Hit(node, f"kOps opens nothing for Calico on `{cloud}`: see that {needs} passes between nodes", on_key=True)


@rule("F845", "bpf-over-ipip", severity="info", origin="calico", since="1.19", changes="every",
      on=f"{_CALICO}.bpfEnabled")  # fmt: skip
def bpf_over_ipip(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The eBPF data plane over IP-in-IP.

    eBPF programs cannot hand a packet from an Ethernet device to one of IP-in-IP, so that such packets take the slow
    way through the kernel. VXLAN is what Calico recommends with eBPF.

    Bad (kOps 1.36.2):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
    Good (kOps 1.36.2):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true, encapsulationMode: vxlan}}
    Also: E861
    Fix: for a new cluster write `encapsulationMode: vxlan`; on a running one the pool has to be changed with it.
    Source: DOC@1.36:37; docs:operations/ebpf/enabling-ebpf.mdx:132.
    """
    carried = _carried(cluster, release)
    if carried is not None and carried[1] and carried[0].backend == BIRD and cluster.cloud not in ("openstack", "gce"):
        yield Hit(node, "eBPF is slower over IP-in-IP: `encapsulationMode: vxlan` goes better with `bpfEnabled`")


@rule("F846", "security-group-override", severity="warning", origin="calico", since="1.11", changes="every", on=_CALICO)
def security_group_override(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Nodes in a security group of one's own.

    With `securityGroupOverride` the nodes of an InstanceGroup are not in the group that kOps makes. kOps removes no
    rules of such a group and does not see that it is right; with security groups under lifecycle overrides, which its
    documentation recommends for it, kOps adds no rule either. Calico's packets between nodes have to pass there.
    `additionalSecurityGroups` only add to the group of kOps.

    Bad (kOps 1.36.2):
        networking: {calico: {}}
        ---
        role: Node
        securityGroupOverride: sg-0123456789abcdef0
    Good (kOps 1.36.2):
        networking: {calico: {}}
        ---
        role: Node
        additionalSecurityGroups: [sg-0123456789abcdef0]
    Fix: see that the group lets IP-in-IP (protocol 4) and BGP (TCP 179), or VXLAN (UDP 4789), pass between all nodes.
    Source: pkg/model/awsmodel/autoscalinggroup.go@release-1.36:379-412 and firewall.go:382-417 of kubernetes/kops;
        docs/security_groups.md@release-1.11.
    """
    if cluster.cloud != "aws":
        return
    for group in cluster.groups:
        override = group.spec.get("securityGroupOverride") if group.spec is not None else None
        encapsulation = cluster.encapsulation(release) if override is not None else None
        if override is None or encapsulation is None or text(override) is None or group.role == "Bastion":
            continue
        bird = encapsulation.backend == BIRD
        needs = "IP-in-IP (protocol 4) and BGP (TCP 179)" if bird else "VXLAN (UDP 4789)"
        yield Hit(
            override,
            f"kOps does not look after this security group: see that {needs} passes between all nodes",
            on_key=True,
        )


@rule("F847", "gce-firewall-drops-pods", severity="error", origin="calico", changes="every", on=(_CALICO, *_UDP_KEYS),
      fix="unsafe")  # fmt: skip
def gce_firewall_drops_pods(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The firewall that kOps makes on GCE drops packets of pods.

    Up to kOps 1.22 it does not let IP-in-IP through, the default: pods on different nodes cannot talk. From 1.23 on it
    does. VXLAN (UDP 4789) is never let through from nodes to the control plane: pods there are cut off, as are node
    ports of the eBPF data plane.

    Bad (kOps 1.16.4):
        cloudProvider: gce
        networkCIDR: <absent>
        networking: {calico: {}}
    Bad (kOps 1.36.2):
        cloudProvider: gce
        networkCIDR: <absent>
        networking: {calico: {encapsulationMode: vxlan}}
    Good (kOps 1.36.2):
        cloudProvider: gce
        networkCIDR: <absent>
        networking: {calico: {}}
    Also: B826
    Fix: use kOps 1.23 or later and IP-in-IP; or add a firewall rule of your own.
    Source: pkg/model/gcemodel/firewall.go@release-1.22 (no `ipip`) and @release-1.36:125-156 of kubernetes/kops;
        kubernetes/kops#8249, #12384.
    """
    if cluster.cloud != "gce":
        return
    if node.key != "calico":
        if release.minor >= 19 and _uses_vxlan(cluster, release, node):
            yield Hit(
                node,
                f"`{node.key}: {_written(node)}` needs UDP 4789 from nodes to the control plane, which kOps does not "
                "open on GCE: stay with IP-in-IP, or add a firewall rule",
                fix=_back_to_ipip(cluster, node) if release.minor >= 23 else None,
            )
    elif release.minor <= 22:
        encapsulation = cluster.encapsulation(release)
        if encapsulation is not None and encapsulation.kind == IPIP:
            yield Hit(node, "the firewall of this kOps on GCE drops IP-in-IP between nodes: use kOps 1.23 or later",
                      on_key=True)  # fmt: skip


RULES: list[Rule] = [
    mtu_too_large,
    mtu_needs_no_value,
    mtu_too_small,
    mtu_default_on_aws,
    machine_without_jumbo_frames,
    src_dst_check_drops_pods,
    cross_subnet_without_src_dst_check,
    src_dst_check_not_on_aws,
    encapsulated_inside_a_subnet,
    cross_subnet_in_one_subnet,
    openstack_port_security,
    no_encapsulation_across_subnets,
    azure_needs_vxlan,
    openstack_drops_vxlan,
    firewall_blocks,
    cloud_without_calico_rules,
    bpf_over_ipip,
    security_group_override,
    gce_firewall_drops_pods,
]
