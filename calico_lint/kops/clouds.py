"""Clouds: how big their packets may be, and what kOps lets pass between nodes.

CALICO-MTU in sources = the table in `calico/networking/mtu.md@release-v3.24:50-84` of projectcalico/calico.
"""

from __future__ import annotations

from calico_lint.kops.calico import NONE, VXLAN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.kops.calico import Encapsulation

IPV6_MINIMUM, IPV4_MINIMUM = 1280, 576  # RFC 8200 section 5; RFC 791 section 3.2

# cloud -> the MTU of its networks, and the largest that its owner can give one. CALICO-MTU:50-79;
# cloud.google.com/vpc/docs/mtu; docs.hetzner.com/cloud/networks/technical-concepts/architecture.
_MTU: dict[str, tuple[int, int]] = {
    "aws": (9001, 9001), "gce": (1460, 8896), "openstack": (1450, 9000), "azure": (1500, 1500),
    "digitalocean": (1500, 1500), "hetzner": (1450, 1500), "scaleway": (1500, 1500), "linode": (1500, 1500),
    "alicloud": (1500, 1500),
}  # fmt: skip
_OTHER_MTU = (1500, 9000)  # machines of one's own: it depends on the switches
_AZURE_PATH = 1400  # packets that must not be split get no further there: CALICO-MTU:58

# What a tunnel takes of a packet over IPv4, in bytes. CALICO-MTU:50-57.
_OVERHEAD = {"ipip": 20, "vxlan": 50, "none": 0}
_WIREGUARD = 60


def name_of(cloud: str | None) -> str | None:
    """A cloud by its v1alpha2 name."""
    return "digitalocean" if cloud == "do" else cloud


def largest_mtu(cloud: str, encapsulation: Encapsulation, *, bpf: bool, wireguard: bool) -> tuple[int, int]:
    """The largest `mtu` of pods whose packets fit with their encapsulation: on a usual network, on the largest.

    Where traffic is carried in several ways, the one that takes most decides. The eBPF data plane uses VXLAN for node
    ports whatever the pool uses. Source: CALICO-MTU:50-84.
    """
    usual, possible = _MTU.get(cloud, _OTHER_MTU)
    overhead = _OVERHEAD[VXLAN if bpf else encapsulation.kind]
    if wireguard:
        overhead = max(overhead, _WIREGUARD)
        if cloud == "azure":
            usual = possible = _AZURE_PATH
    return usual - overhead, possible - overhead


def describe(encapsulation: Encapsulation, *, bpf: bool, wireguard: bool) -> str:
    """What carries the packets, for people."""
    if wireguard:
        return "WireGuard"
    if bpf or encapsulation.kind == VXLAN:
        return "VXLAN"
    return "no encapsulation" if encapsulation.kind == NONE else "IP-in-IP"
