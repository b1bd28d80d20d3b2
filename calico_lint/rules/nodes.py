"""Rules on the machines that Calico runs on (O): image, kernel, architecture, sysctls; and what depends on the image of
the other families (E854, E855, E860, W862, W863, W866, N872, N874).

What an image name or a machine type tells stands in `kops/images.py` and `kops/machines.py`; a name that tells nothing
gives no finding.
"""

from __future__ import annotations

from calico_lint.kops.images import describe, supported
from calico_lint.kops.machines import architecture
from calico_lint.kops.releases import Version
from calico_lint.rules.core import Hit, rule
from calico_lint.rules.support import deployed_calico
from calico_lint.rules.values import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.kops.images import Image
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node


def images(cluster: Cluster) -> Iterator[tuple[Node, Image]]:
    """(node of `image`, what it tells) of every InstanceGroup but bastions whose image tells something."""
    for group in cluster.groups:
        node = group.spec.get("image") if group.spec is not None and group.role != "Bastion" else None
        name = text(node)
        image = describe(name) if name is not None else None
        if node is not None and image is not None:
            yield node, image


def runs_kube_proxy(cluster: Cluster) -> bool:
    """Whether kube-proxy is left on."""
    node = cluster.at("kubeProxy.enabled")
    return node is None or node.value is not False


def is_on(cluster: Cluster, key: str) -> bool:
    """Whether a key of `networking.calico` is true."""
    node = cluster.at(f"networking.calico.{key}")
    return node is not None and node.value is True


# --- eBPF -----------------------------------------------------------------------------------------------


def _kernel_for_ebpf(image: Image, calico: Version) -> str | None:
    """The kernel that eBPF of this Calico needs, if every kernel of the image is older."""
    recent = calico >= Version(3, 25)
    if image.distribution == "rhel" and image.version[0] == 8:
        if len(image.version) == 2 and image.version[1] < (4 if recent else 2):
            return "4.18.0-305, that of RHEL 8.4" if recent else "4.18.0-193, that of RHEL 8.2"
        return None
    if image.red_hat and image.version[0] == 8:
        return None  # as RHEL 8: of which minor, the name does not tell
    if image.distribution == "windows":
        return None
    return ("5.10" if recent else "5.3") if image.older_than(*((5, 10) if recent else (5, 3))) else None


@rule("E854", "ebpf-kernel-too-old", severity="warning", origin="calico", since="1.19", changes="every",
      on="networking.calico.bpfEnabled")  # fmt: skip
def ebpf_kernel_too_old(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The kernel of an image is too old for the eBPF data plane.

    Calico 3.25 and later needs kernel 5.10, up to 3.24 5.3; of RHEL 8 4.18.0-305 or 4.18.0-193. On an older one Felix
    switches eBPF off by itself and falls back to iptables. With kube-proxy switched off nobody then serves the
    Services on that node.

    Bad (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 137112412989/amzn2-ami-hvm-2.0.20240306.2-x86_64-gp2}
    Good (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301
    Also: F845
    Fix: use an image with a newer kernel, for example Ubuntu 22.04, or leave eBPF off.
    Source: tigera/docs calico/operations/ebpf/install.mdx:55-66; maintenance/ebpf/enabling-bpf.md@release-v3.17:51-53
        of projectcalico/calico.
    """
    calico = deployed_calico(cluster, release)
    if node.value is not True or calico is None:
        return
    for where, image in images(cluster):
        needed = _kernel_for_ebpf(image, calico)
        if needed is not None:
            services = "" if runs_kube_proxy(cluster) else ", and without kube-proxy it will have no Services"
            yield Hit(
                where,
                f"eBPF of Calico v{calico} needs kernel {needed}, and {image} has an older one: the node falls back to "
                f"iptables{services}; use a newer image",
                related=[(node, "eBPF is enabled here")],
            )


@rule("E855", "ebpf-on-arm", severity="error/warning", origin="calico", since="1.19", changes="every",
      on="networking.calico.bpfEnabled")  # fmt: skip
def ebpf_on_arm(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """The eBPF data plane on arm64 with a Calico that has it for x86-64 only.

    Up to Calico 3.22 (kOps 1.23) the eBPF data plane is built for x86-64. On arm64 the node cannot load it.

    Bad (kOps 1.23.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
        ---
        {role: Node, machineType: m6g.large, subnets: [z1]}
    Good (kOps 1.26.6):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
        ---
        {role: Node, machineType: m6g.large, subnets: [z1]}
    Also: F845
    Fix: use kOps 1.25 or later (Calico 3.24), x86-64 machines, or leave eBPF off.
    Source: maintenance/ebpf/enabling-bpf.md@release-v3.20:29, calico/maintenance/ebpf/enabling-bpf.md@release-v3.22:29
        of projectcalico/calico.
    """
    calico = deployed_calico(cluster, release)
    if node.value is True and calico is not None and calico < Version(3, 23):
        for where in _arm_machines(cluster):
            yield Hit(
                where,
                f"this machine is arm64, and eBPF of Calico v{calico} is for x86-64 only: use kOps 1.25 or later, or "
                "x86-64",
                related=[(node, "eBPF is enabled here")],
            )


def _arm_machines(cluster: Cluster) -> Iterator[Node]:
    for group in cluster.groups:
        node = group.spec.get("machineType") if group.spec is not None and group.role != "Bastion" else None
        if node is not None and architecture(text(node) or "", cluster.cloud) == "arm64":
            yield node


@rule("E860", "ebpf-mixed-nodes", severity="warning", origin="calico", since="1.19", changes="every",
      on="networking.calico.bpfEnabled")  # fmt: skip
def ebpf_mixed_nodes(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Some nodes can run the eBPF data plane and some cannot.

    Calico supports no cluster with both data planes: Services and policies behave differently from node to node. Nodes
    of Windows, and those with a kernel too old for eBPF, cannot.

    Bad (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
        ---
        role: ControlPlane
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 137112412989/amzn2-ami-hvm-2.0.20240306.2-x86_64-gp2}
    Good (kOps 1.30.4):
        kubeProxy: {enabled: false}
        networking: {calico: {bpfEnabled: true}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301
    Also: E854, F845
    Fix: give all InstanceGroups images that can run it, or leave eBPF off.
    Source: tigera/docs calico/operations/ebpf/install.mdx:100.
    """
    calico = deployed_calico(cluster, release)
    if node.value is not True or calico is None:
        return
    cannot, can = [], False
    for where, image in images(cluster):
        if image.distribution == "windows":
            cannot.append((where, "Windows nodes cannot"))
        elif _kernel_for_ebpf(image, calico) is not None:
            cannot.append((where, "this kernel cannot"))
        else:
            can = True
    if cannot and can:
        yield Hit(
            node,
            "not all nodes can run eBPF, and Calico supports no mixture: change their image, or leave it off",
            related=cannot,
        )


# --- WireGuard ------------------------------------------------------------------------------------------


def _lacks_wireguard(image: Image) -> bool:
    """Whether the kernel has no WireGuard and kOps installs none: not Ubuntu, and older than 5.6 or Red Hat's 8."""
    return image.distribution not in ("ubuntu", "windows") and image.older_than(5, 6)


@rule("W862", "wireguard-not-installed", severity="warning", origin="calico", since="1.18.2",
      on="networking.calico.wireguardEnabled")  # fmt: skip
def wireguard_not_installed(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """WireGuard is installed on Ubuntu only.

    On other distributions the image must have it: in its kernel, from 5.6 on, or built in by whoever made the image. A
    node without it sends its traffic in clear text, and nothing says so. Where the kernel of an image has WireGuard
    this is an info.

    Bad (kOps 1.30.4):
        networking: {calico: {wireguardEnabled: true}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 137112412989/amzn2-ami-hvm-2.0.20240306.2-x86_64-gp2}
    Good (kOps 1.30.4):
        networking: {calico: {wireguardEnabled: true}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301
    Also: W865
    Fix: use an Ubuntu image, or install WireGuard by a hook or in the image.
    Source: docs/networking/calico.md@release-1.36:159; nodeup/pkg/model/networking/calico.go@release-1.36:39;
        tigera/docs calico/network-policy/encrypt-cluster-pod-traffic.mdx:50-70.
    """
    if node.value is not True:
        return
    for where, image in images(cluster):
        if image.distribution in ("ubuntu", "windows"):
            continue
        lacking = _lacks_wireguard(image)
        yield Hit(
            where,
            f"kOps installs WireGuard on Ubuntu only, and {image} "
            + (
                "has none: its pod traffic is sent in clear text; use Ubuntu, or install it by a hook"
                if lacking
                else "must bring it in its kernel: make sure that it does"
            ),
            related=[(node, "WireGuard is enabled here")],
            severity=None if lacking else "info",
        )


@rule("W863", "wireguard-mixed-nodes", severity="warning", origin="calico", since="1.18.2",
      on="networking.calico.wireguardEnabled")  # fmt: skip
def wireguard_mixed_nodes(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """Some nodes have WireGuard and some do not.

    Calico encrypts between two nodes that both have it; to and from any other it sends clear text, without a word. A
    cluster is encrypted only if every node is.

    Bad (kOps 1.30.4):
        networking: {calico: {wireguardEnabled: true}}
        ---
        role: ControlPlane
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 137112412989/amzn2-ami-hvm-2.0.20240306.2-x86_64-gp2}
    Good (kOps 1.30.4):
        networking: {calico: {wireguardEnabled: true}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301
    Also: W862, W865
    Fix: give all InstanceGroups images with WireGuard.
    Source: tigera/docs calico/network-policy/encrypt-cluster-pod-traffic.mdx:50-56.
    """
    if node.value is not True:
        return
    without = []
    has = False
    for where, image in images(cluster):
        if _lacks_wireguard(image) or image.distribution == "windows":
            without.append((where, f"{image} has no WireGuard"))
        else:
            has = True
    if without and has:
        yield Hit(
            node,
            "traffic to and from the nodes without WireGuard is sent in clear text: give all groups an image "
            "that has it",
            related=without,
        )


@rule("W866", "wireguard-package-installed", severity="info", origin="calico", since="1.35", unanimous=True,
      fix="unsafe")  # fmt: skip
def wireguard_package_installed(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """WireGuard is installed although nobody asked for it.

    From 1.35 on an Ubuntu node of a Calico cluster gets the `wireguard` package unless `wireguardEnabled: false` is
    written: one more download, and a reason to fail, for every new node.

    Bad (kOps 1.36.2):
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260218
    Good (kOps 1.36.2):
        networking: {calico: {wireguardEnabled: false}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260218
    Fix: write `wireguardEnabled: false`.
    Source: nodeup/pkg/model/networking/calico.go@release-1.36:39; in 1.34 every Ubuntu node got it.
    """
    calico = cluster.calico
    if calico is None or not isinstance(calico.value, dict) or cluster.ipv6_only:
        return
    written = calico.get("wireguardEnabled")
    if (written is None or written.value is None) and any(
        image.distribution == "ubuntu" for _, image in images(cluster)
    ):
        from calico_lint import fix

        yield Hit(
            calico,
            "every Ubuntu node installs the WireGuard package unless `wireguardEnabled: false` is written",
            missing="wireguardEnabled",
            fix=fix.add_key(calico, "wireguardEnabled", False, safe=False) if written is None else None,
        )


# --- iptables and nftables ------------------------------------------------------------------------------


@rule("N872", "image-needs-nftables", severity="warning", origin="calico", since="1.35")
def image_needs_nftables(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """kube-proxy uses nftables on this image, and Calico iptables.

    On RHEL 10, its rebuilds and Fedora iptables does not work any more, so kOps 1.35 and later runs kube-proxy with
    nftables there. Calico goes on with iptables unless it is told: on Google Cloud BGP sessions went up and down.

    Bad (kOps 1.36.2):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 792107900819/Rocky-10-EC2-Base-10.0-20250609.1.x86_64}
    Good (kOps 1.36.2):
        kubeProxy: {proxyMode: nftables}
        networking: {calico: {nftablesMode: Enabled}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 792107900819/Rocky-10-EC2-Base-10.0-20250609.1.x86_64}
    Also: O883
    Fix: write `nftablesMode: Enabled` (kOps 1.35.2 or later, with `kubeProxy.proxyMode: nftables`), or use eBPF.
    Source: util/pkg/distributions/distributions.go@release-1.36:157-182 (from v1.35.0 on),
        nodeup/pkg/model/kube_proxy.go@release-1.36:110-118; commit 1c09677078 of kubernetes/kops.
    """
    if cluster.text("networking.calico.nftablesMode") == "Enabled" or is_on(cluster, "bpfEnabled"):
        return
    if not runs_kube_proxy(cluster) or cluster.text("kubeProxy.proxyMode") not in (None, "iptables", "nftables"):
        return
    for where, image in images(cluster):
        if image.needs_nftables:
            yield Hit(
                where,
                f"on {image} kOps runs kube-proxy with nftables, and Calico would use iptables: write "
                "`nftablesMode: Enabled` below `networking.calico`"
                + (" (kOps 1.35.2 or later)" if release.minor == 35 else ""),
            )


_BACKENDS = {"Legacy": "legacy", "NFT": "nft"}


@rule("N874", "iptables-backend-of-image", severity="warning", origin="calico", changes="every")
def iptables_backend_of_image(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Calico and the node write their rules into different iptables.

    A kernel keeps the rules of `iptables-legacy` and `iptables-nft` apart. From Debian 10, Ubuntu 22.04, RHEL 8 and
    Amazon Linux 2023 on `iptables` means nft, before legacy. If Felix writes into the other one than kube-proxy and the
    rest of the node, packets pass both sets of rules, in an order that nobody chose. `Auto`, the default from
    Kubernetes 1.16 on, looks what the node uses. The manifests for older Kubernetes have legacy as their default.

    Bad (kOps 1.30.4):
        networking: {calico: {iptablesBackend: Legacy}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 136693071363/debian-12-amd64-20240507-1740}
    Bad (kOps 1.18.3):
        kubernetesVersion: 1.15.12
        networking: {calico: {iptablesBackend: NFT}}
    Bad (kOps 1.17.2):
        kubernetesVersion: 1.15.12
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 136693071363/debian-10-amd64-20200511-260}
    Good (kOps 1.30.4):
        networking: {calico: {iptablesBackend: Auto}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 136693071363/debian-12-amd64-20240507-1740}
    Good (kOps 1.18.3):
        kubernetesVersion: 1.15.12
        networking: {calico: {}}
    Also: M804, Z912
    Fix: remove `iptablesBackend` for `Auto`; with an older Kubernetes switch the image to legacy, as the page on
        images of kOps shows for Debian 10.
    Source: T(k8s-1.12)@1.17:824 (default Legacy), T(k8s-1.16)@1.17 (Auto); docs/operations/images.md@release-1.36,
        "Debian 10".
    """
    if is_on(cluster, "bpfEnabled") or cluster.text("networking.calico.nftablesMode") == "Enabled":
        return
    node = cluster.at("networking.calico.iptablesBackend") if release.minor >= 17 else None
    written = text(node)
    if written is None and release.minor >= 22:  # Auto in every manifest
        return
    manifest = cluster.manifest(release)
    legacy_by_default = manifest is not None and manifest.calico < Version(3, 10)
    backend = _BACKENDS.get(written) if written is not None else "legacy" if legacy_by_default else None
    if backend is None:
        return
    others = [
        (where, f"{image} uses {image.iptables}")
        for where, image in images(cluster)
        if image.iptables is not None and image.iptables != backend and not _switches_iptables(where)
    ]
    if node is not None and written is not None:
        if others:
            yield Hit(
                node,
                f"`{written}` is not the iptables of {_count(len(others), 'InstanceGroup')}: remove it, and "
                "Calico finds the right one on each node",
                related=others,
            )
        elif backend == "nft" and legacy_by_default and not any(image.iptables for _, image in images(cluster)):
            yield Hit(
                node,
                "the manifest for this Kubernetes is made for legacy iptables: make sure that every image "
                "uses nft, or remove the key",
            )
        return
    for where, message in others:
        yield Hit(
            where,
            f"{message}, and this Calico writes legacy iptables: switch the image to legacy in "
            "`additionalUserData`, or use an older one",
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _switches_iptables(image: Node) -> bool:
    """Whether a script of the same InstanceGroup chooses the variant of iptables."""
    scripts = image.document.root.get("spec", "additionalUserData")
    if scripts is None or not isinstance(scripts.value, list):
        return False
    return any("iptables-" in str(script.get("content")) for script in scripts.value if isinstance(script, dict))


# --- the machine itself ---------------------------------------------------------------------------------


@rule("O881", "ipv6-image", severity="warning", origin="calico", since="1.23")
def ipv6_image(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """An IPv6-only cluster on a distribution that kOps does not support for it.

    With Calico it takes Ubuntu 22.04 or later, or Flatcar. Debian cannot start an instance that has IPv6 addresses
    only.

    Bad (kOps 1.30.4):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 136693071363/debian-11-amd64-20240507-1740}
    Good (kOps 1.30.4):
        nonMasqueradeCIDR: "::/0"
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301
    Fix: use an image of Ubuntu 22.04 or later, or of Flatcar.
    Source: docs/networking/ipv6.md@release-1.36:42-54.
    """
    if not cluster.ipv6_only:
        return
    for where, image in images(cluster):
        if image.distribution == "flatcar" or (image.distribution == "ubuntu" and image.version >= (22, 4)):
            continue
        if image.version or image.distribution != "ubuntu":
            yield Hit(where, f"an IPv6-only cluster with Calico needs Ubuntu 22.04 or later, or Flatcar, not {image}")


@rule("O882", "kernel-too-old", severity="warning", origin="calico", since="1.32", changes="every", unanimous=True)
def kernel_too_old(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """The kernel is older than Calico wants.

    Calico 3.29 and later (kOps 1.32) asks for kernel 5.10. Most of it works on older ones; nobody tests that. RHEL 8
    and its rebuilds have 4.18 with much of later kernels in it, and are left out.

    Bad (kOps 1.32.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 137112412989/amzn2-ami-hvm-2.0.20240306.2-x86_64-gp2}
    Good (kOps 1.32.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 137112412989/amzn2-ami-kernel-5.10-hvm-2.0.20240306.2}
    Fix: use an image with kernel 5.10 or later: Ubuntu 22.04, Debian 11, Amazon Linux 2023.
    Source: tigera/docs calico_versioned_docs/version-3.29/_includes/partials/_system-requirements.mdx:17.
    """
    calico = deployed_calico(cluster, release)
    if calico is None or calico < Version(3, 29):
        return
    for where, image in images(cluster):
        if image.older_than(5, 10) and not (image.red_hat and image.version[0] == 8):
            yield Hit(
                where, f"Calico v{calico} wants kernel 5.10 or later, and {image} has an older one: use a newer image"
            )


@rule("O883", "network-manager", severity="info", origin="calico", since="1.15")
def network_manager(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """NetworkManager or firewalld may interfere with Calico on this image.

    Images of the Red Hat family manage interfaces with NetworkManager, which must leave Calico's alone, and some run
    firewalld, whose rules drop pod traffic. kOps switches firewalld off on RHEL 10 and its rebuilds, from 1.35.2 on.

    Bad (kOps 1.30.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 309956199498/RHEL-9.3.0_HVM-20240117-x86_64-49}
    Good (kOps 1.30.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 136693071363/debian-12-amd64-20240507-1740}
    Fix: make sure that the image lets NetworkManager ignore `cali*`, `tunl*` and `vxlan.calico`, and runs no firewalld.
    Source: tigera/docs, _system-requirements.mdx:41-50 (version 3.29); nodeup/pkg/model/firewall.go at v1.35.2.
    """
    if cluster.calico is None or cluster.calico.value is None:
        return
    for where, image in images(cluster):
        if image.red_hat and image.version[0] >= 8:
            yield Hit(
                where,
                f"on {image} NetworkManager must ignore Calico's interfaces, and firewalld must be off: check "
                "the image",
            )


@rule("O884", "sysctl-against-calico", severity="warning", origin="calico", since="1.17")
def sysctl_against_calico(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """A sysctl that pod traffic does not survive.

    Pods reach each other only if the node forwards: `net.ipv4.ip_forward=0`, or `net.ipv6.conf.all.forwarding=0` on an
    IPv6-only cluster, cuts them off. And Felix relies on the strict reverse path filter to keep pods from faking their
    address: with `rp_filter=2` older ones refuse to start.

    Bad (kOps 1.30.4):
        sysctlParameters: [net.ipv4.ip_forward=0]
        networking: {calico: {}}
    Bad (kOps 1.30.4):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], sysctlParameters: [net.ipv4.conf.all.rp_filter = 2]}
    Good (kOps 1.30.4):
        sysctlParameters: [net.ipv4.ip_forward=1, net.ipv4.conf.all.rp_filter=1]
        networking: {calico: {}}
    Fix: remove the line, or write 1.
    Source: an inference from what Felix checks: IgnoreLooseRPF in felix/config/config_params.go of
        projectcalico/calico; kubernetes/kops#10442.
    """
    if cluster.calico is None or cluster.calico.value is None:
        return
    specs = [cluster.spec, *(group.spec for group in cluster.groups if group.role != "Bastion")]
    for spec in specs:
        parameters = spec.get("sysctlParameters") if spec is not None else None
        if parameters is None or not isinstance(parameters.value, list):
            continue
        for parameter in parameters:
            name, equals, value = (text(parameter) or "").partition("=")
            name, value = name.strip().replace("/", "."), value.strip()
            if not equals:
                continue
            if value == "0" and (
                name in ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding")
                or (cluster.ipv6_only and name == "net.ipv6.conf.all.forwarding")
            ):
                yield Hit(parameter, f"with `{name}` at 0 the node forwards no pod traffic: remove it, or write 1")
            elif name.startswith("net.ipv4.conf.") and name.endswith(".rp_filter") and value == "2":
                yield Hit(
                    parameter,
                    "the loose reverse path filter lets pods fake their address, and older Felix refuse "
                    "to start with it: remove it, or write 1",
                )


@rule("O885", "no-arm-image", severity="error/warning", origin="calico", changes="every")
def no_arm_image(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """calico-node does not start on arm64 with this release.

    Calico 3.20.5, which kOps 1.22.5 and 1.22.6 deploy, was published without a working image for arm64; and before 1.19
    kOps has no arm64 at all.

    Bad (kOps 1.22.5):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m6g.large, subnets: [z1]}
    Good (kOps 1.22.5):
        networking: {calico: {version: v3.20.6}}
        ---
        {role: Node, machineType: m6g.large, subnets: [z1]}
    Fix: use kOps 1.23 or later, or `version: v3.20.6`; before kOps 1.19 use x86-64 machines.
    Source: projectcalico/calico#5963, kubernetes/kops#13518; docs/releases/1.19-NOTES.md@release-1.36:20-22.
    """
    if cluster.calico is None or cluster.calico.value is None:
        return
    calico = deployed_calico(cluster, release) if 19 <= release.minor <= 23 else None
    if release.minor < 19:
        why = "kOps installs nodes on arm64 from 1.19 on: use x86-64 machines"
    elif calico == Version(3, 20, 5):
        why = (
            "calico-node v3.20.5 has no working image for arm64: use kOps 1.23, or `networking.calico.version: v3.20.6`"
        )
    else:
        return
    for where in _arm_machines(cluster):
        yield Hit(where, why)


@rule("O886", "read-only-usr", severity="error/warning", origin="calico", since="1.15", until="1.15.0")
def read_only_usr(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """calico-node cannot start on CoreOS and Flatcar.

    The manifest of kOps 1.15.0 for Kubernetes 1.12 and later mounts a folder below /usr/libexec, which these systems
    keep read-only: calico-node stays in Init. From 1.15.1 on the kubelet's own folder is used.

    Bad (kOps 1.15.0):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 595879546273/CoreOS-stable-2303.3.0-hvm}
    Good (kOps 1.15.1):
        networking: {calico: {}}
        ---
        {role: Node, machineType: m5.large, subnets: [z1], image: 595879546273/CoreOS-stable-2303.3.0-hvm}
    Also: M804, Z912
    Fix: use kOps 1.15.1 or later.
    Source: T(k8s-1.12) at 1.15.0:906 and 1.15.1:906; kubernetes/kops#7931.
    """
    manifest = cluster.manifest(release)
    if manifest is None or manifest.id != "k8s-1.12" or cluster.calico is None:
        return
    for where, image in images(cluster):
        if image.distribution in ("coreos", "flatcar"):
            yield Hit(
                where,
                f"calico-node of kOps {release} writes below /usr, which is read-only on {image}: use kOps "
                "1.15.1 or later",
            )


@rule("O887", "loose-reverse-path-filter", severity="error/warning", origin="calico", until="1.18.2", changes="every")
def loose_reverse_path_filter(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """Felix refuses to run on this image.

    systemd 240 and later, in Ubuntu 20.04, sets the reverse path filter of the kernel to loose. Felix of Calico 3.9 and
    older, which kOps deploys for Kubernetes before 1.16, stops with an error then. kOps 1.18.3 tells it not to.

    Bad (kOps 1.18.2):
        kubernetesVersion: 1.15.12
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64-server-20210415
    Good (kOps 1.18.3):
        kubernetesVersion: 1.15.12
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64-server-20210415
    Also: M804
    Fix: use kOps 1.18.3 or later, Kubernetes 1.16 or later, or Ubuntu 18.04.
    Source: FELIX_IGNORELOOSERPF in T(k8s-1.12) at v1.18.3:813, not at v1.18.2; kubernetes/kops#10442.
    """
    manifest = cluster.manifest(release)
    if manifest is None or manifest.calico >= Version(3, 10) or cluster.calico is None:
        return
    for where, image in images(cluster):
        if image.distribution == "ubuntu" and image.version >= (20, 4):
            yield Hit(
                where,
                f"Felix of Calico v{manifest.calico} refuses to run with the reverse path filter of {image}: "
                "use kOps 1.18.3 or later, or Ubuntu 18.04",
            )


@rule("O888", "image-unknown-to-kops", severity="error/warning", origin="calico", changes="every", unanimous=True)
def image_unknown_to_kops(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """This kOps does not run on the distribution any more, or not yet.

    nodeup stops on an instance whose distribution it does not know: the machine boots and never becomes a node. kOps
    says nothing before. An image that outlives an upgrade of kOps is the usual cause: the rolling update then replaces
    the first node and waits for it in vain.

    Bad (kOps 1.36.2):
        networking: {calico: {}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64-server-20240126
    Good (kOps 1.36.2):
        networking: {calico: {wireguardEnabled: false}}
        ---
        role: Node
        machineType: m5.large
        subnets: [z1]
        image: 099720109477/ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260218
    Also: W866, O882
    Fix: choose an image from the page on images of this kOps.
    Source: nodeup/pkg/distros/identify.go@release-1.8 to @release-1.17,
        util/pkg/distributions/identify.go@release-1.18 to @release-1.36 (:110, "unsupported distro");
        docs/operations/images.md@release-1.36, "Distros Support Matrix".
    """
    for where, image in images(cluster):
        span = supported(image)
        if span is None:
            continue
        first, gone = span
        if gone is not None and release.minor >= gone:
            yield Hit(
                where,
                f"kOps does not run on {image} from 1.{gone} on, and the node would never join: choose a newer image",
            )
        elif release.minor < first:
            yield Hit(
                where, f"kOps runs on {image} from 1.{first} on, and the node would never join: choose another image"
            )


RULES: list[Rule] = [
    ebpf_kernel_too_old,
    ebpf_on_arm,
    ebpf_mixed_nodes,
    wireguard_not_installed,
    wireguard_mixed_nodes,
    wireguard_package_installed,
    image_needs_nftables,
    iptables_backend_of_image,
    ipv6_image,
    kernel_too_old,
    network_manager,
    sysctl_against_calico,
    no_arm_image,
    read_only_usr,
    loose_reverse_path_filter,
    image_unknown_to_kops,
]
