"""What Calico each kOps release deploys: manifest, image, datastore, IPAM, DaemonSet strategy.

Read from the templates `upup/models/cloudup/resources/addons/networking.projectcalico.org/*` at every stable
tag, and from the Kubernetes ranges that `bootstrapchannelbuilder.go` registers for them (BCB@1.8:475-527 to
BCB@1.36:991-1006 of kubernetes/kops).
"""

from __future__ import annotations

from calico_lint.kops.releases import Version

ETCD_V2, ETCD_V3, KUBERNETES = "etcd-v2", "etcd-v3", "kubernetes"


class Manifest:
    """One Calico manifest of one kOps release.

    `datastore` is "etcd-v2", "etcd-v3" (the API Calico uses) or "kubernetes" (CRDs). `rolling_update` is
    False where the DaemonSet has no update strategy: Kubernetes then replaces a pod only when somebody
    deletes it. `job_completes` is False where the completion Job waits for another image than the
    DaemonSet runs, so that a migration from Calico v2 never ends.
    """

    __slots__ = ("calico", "datastore", "id", "ipam", "job_completes", "rolling_update")

    def __init__(
        self, id: str, calico: Version, datastore: str, ipam: str, rolling_update: bool, job_completes: bool
    ) -> None:
        self.id = id
        self.calico = calico
        self.datastore = datastore
        self.ipam = ipam
        self.rolling_update = rolling_update
        self.job_completes = job_completes


# (kOps minors first, last) (Kubernetes minors from, below) majorVersion, manifest, {from patch: calico/node},
# datastore, IPAM, rolling update. majorVersion: True = only with `v3`, False = only without, None = whatever.
_NONE = 10_000
_ROWS: tuple[
    tuple[tuple[int, int], tuple[int, int], bool | None, str, dict[int, str], str, str, bool], ...
] = (
    ((8, 8), (0, 6), None, "pre-k8s-1.6", {0: "2.4.0"}, ETCD_V2, "calico-ipam", False),
    ((8, 8), (6, 7), None, "k8s-1.6", {0: "2.6.2", 1: "2.6.6"}, ETCD_V2, "calico-ipam", False),
    ((8, 8), (7, _NONE), None, "k8s-1.7", {0: "2.6.2", 1: "2.6.6"}, ETCD_V2, "calico-ipam", False),
    ((9, 10), (0, 6), None, "pre-k8s-1.6", {0: "2.4.0"}, ETCD_V2, "calico-ipam", False),
    ((9, 10), (6, 7), None, "k8s-1.6", {0: "2.6.7"}, ETCD_V2, "calico-ipam", True),
    ((9, 10), (7, _NONE), None, "k8s-1.7", {0: "2.6.7"}, ETCD_V2, "calico-ipam", True),
    ((11, 17), (0, 6), False, "pre-k8s-1.6", {0: "2.4.0"}, ETCD_V2, "calico-ipam", False),
    ((11, 17), (6, 7), False, "k8s-1.6", {0: "2.6.9"}, ETCD_V2, "calico-ipam", True),
    ((11, 11), (7, _NONE), False, "k8s-1.7", {0: "2.6.9"}, ETCD_V2, "calico-ipam", True),
    ((11, 11), (7, _NONE), True, "k8s-1.7-v3", {0: "3.3.1"}, ETCD_V3, "calico-ipam", True),
    ((12, 19), (7, 12), False, "k8s-1.7", {0: "2.6.12"}, ETCD_V2, "calico-ipam", True),
    ((12, 12), (7, 12), True, "k8s-1.7-v3", {0: "3.4.0", 3: "3.7.4"}, ETCD_V3, "calico-ipam", True),
    ((13, 14), (7, 12), True, "k8s-1.7-v3", {0: "3.7.4"}, ETCD_V3, "calico-ipam", True),
    ((15, 19), (7, 12), True, "k8s-1.7-v3", {0: "3.8.0"}, ETCD_V3, "calico-ipam", True),
    ((12, 12), (12, _NONE), None, "k8s-1.12", {0: "3.4.0", 3: "3.7.4"}, KUBERNETES, "host-local", True),
    ((13, 14), (12, _NONE), None, "k8s-1.12", {0: "3.7.4"}, KUBERNETES, "host-local", True),
    ((15, 15), (12, _NONE), None, "k8s-1.12", {0: "3.9.1", 1: "3.9.3"}, KUBERNETES, "calico-ipam", True),
    ((16, 16), (12, _NONE), None, "k8s-1.12", {0: "3.9.3", 1: "3.9.5", 4: "3.9.6"}, KUBERNETES, "calico-ipam", True),
    ((17, 17), (12, 16), None, "k8s-1.12", {0: "3.9.5", 1: "3.9.6"}, KUBERNETES, "calico-ipam", True),
    ((18, 21), (12, 16), None, "k8s-1.12", {0: "3.9.6"}, KUBERNETES, "calico-ipam", True),
    ((17, 17), (16, _NONE), None, "k8s-1.16", {0: "3.13.3", 1: "3.13.4"}, KUBERNETES, "calico-ipam", True),
    ((18, 18), (16, _NONE), None, "k8s-1.16", {0: "3.15.1", 1: "3.15.3"}, KUBERNETES, "calico-ipam", True),
    ((19, 19), (16, _NONE), None, "k8s-1.16",
     {0: "3.17.1", 1: "3.17.2", 2: "3.17.3", 3: "3.17.4"}, KUBERNETES, "calico-ipam", True),
    ((20, 20), (16, _NONE), None, "k8s-1.16", {0: "3.18.1", 1: "3.18.3"}, KUBERNETES, "calico-ipam", True),
    ((21, 21), (16, _NONE), None, "k8s-1.16",
     {0: "3.19.1", 1: "3.19.2", 2: "3.19.3"}, KUBERNETES, "calico-ipam", True),
    ((22, 22), (0, _NONE), None, "k8s-1.16",
     {0: "3.20.2", 3: "3.20.3", 5: "3.20.5"}, KUBERNETES, "calico-ipam", True),
    ((23, 23), (0, _NONE), None, "k8s-1.16", {0: "3.21.4", 1: "3.21.5"}, KUBERNETES, "calico-ipam", True),
    ((24, 24), (0, 22), None, "k8s-1.16", {0: "3.21.5", 5: "3.21.6"}, KUBERNETES, "calico-ipam", True),
    ((24, 24), (22, _NONE), None, "k8s-1.22",
     {0: "3.23.1", 1: "3.23.3", 5: "3.23.5"}, KUBERNETES, "calico-ipam", True),
    ((25, 25), (0, 22), None, "k8s-1.16", {0: "3.21.5", 3: "3.21.6"}, KUBERNETES, "calico-ipam", True),
    ((26, 26), (0, 22), None, "k8s-1.16", {0: "3.21.6"}, KUBERNETES, "calico-ipam", True),
    ((25, 25), (22, 25), None, "k8s-1.22", {0: "3.23.3", 3: "3.23.5"}, KUBERNETES, "calico-ipam", True),
    ((26, 26), (22, 25), None, "k8s-1.22", {0: "3.23.5"}, KUBERNETES, "calico-ipam", True),
    ((27, 31), (0, 25), None, "k8s-1.22", {0: "3.23.5"}, KUBERNETES, "calico-ipam", True),
    ((25, 25), (25, _NONE), None, "k8s-1.25", {0: "3.24.1", 3: "3.24.5"}, KUBERNETES, "calico-ipam", True),
    ((26, 26), (25, _NONE), None, "k8s-1.25", {0: "3.24.5"}, KUBERNETES, "calico-ipam", True),
    ((27, 27), (25, _NONE), None, "k8s-1.25", {0: "3.25.1"}, KUBERNETES, "calico-ipam", True),
    ((28, 28), (25, _NONE), None, "k8s-1.25", {0: "3.25.2", 6: "3.27.3"}, KUBERNETES, "calico-ipam", True),
    ((29, 31), (25, _NONE), None, "k8s-1.25", {0: "3.27.3"}, KUBERNETES, "calico-ipam", True),
    ((32, 32), (0, _NONE), None, "k8s-1.25", {0: "3.29.2", 1: "3.29.4"}, KUBERNETES, "calico-ipam", True),
    ((33, 33), (0, _NONE), None, "k8s-1.25", {0: "3.29.4"}, KUBERNETES, "calico-ipam", True),
    ((34, 34), (0, _NONE), None, "k8s-1.25", {0: "3.30.3"}, KUBERNETES, "calico-ipam", True),
    ((35, 36), (0, _NONE), None, "k8s-1.25", {0: "3.31.3"}, KUBERNETES, "calico-ipam", True),
)  # fmt: skip

# k8s-1.7-v3 of 1.15-1.19 runs calico/node:v3.8.0 while its completion Job expects v3.7.4; every stable tag
# from 1.15.0 to 1.19.3 read (k8s-1.7-v3.yaml.template:195 against :600).
_JOB_NEVER_COMPLETES = range(15, 20)
_BETA = Version(1, 11, 0, "beta.1")  # v3.3.1 against v3.1.1: kubernetes/kops#6261


def manifest(kops: Version, kubernetes: Version, *, major_version_v3: bool) -> Manifest | None:
    """The Calico manifest that this kOps applies for this Kubernetes, or None if no manifest covers it.

    `major_version_v3` is whether `networking.calico.majorVersion: v3` is written; from Kubernetes 1.12 and
    from kOps 1.20 it decides nothing. A `networking.calico.version` override is not considered.
    """
    minor = kubernetes.minor if kubernetes.major == 1 else _NONE - 1
    for (first, last), (lowest, below), major, name, images, datastore, ipam, rolling in _ROWS:
        if first <= kops.minor <= last and lowest <= minor < below and major in (None, major_version_v3):
            image = next(images[patch] for patch in sorted(images, reverse=True) if patch <= kops.patch or patch == 0)
            numbers = [int(part) for part in image.split(".")]
            return Manifest(
                name,
                Version(numbers[0], numbers[1], numbers[2]),
                datastore,
                ipam,
                rolling,
                not (name == "k8s-1.7-v3" and (kops.minor in _JOB_NEVER_COMPLETES or kops == _BETA)),
            )
    return None


# --- encapsulation --------------------------------------------------------------------------------------

IPIP, VXLAN, NONE = "ipip", "vxlan", "none"
ALWAYS, CROSS_SUBNET, NEVER = "Always", "CrossSubnet", "Never"
BIRD = "bird"

# kOps 1.15 and 1.16 write modes the way Calico v2 did; Calico reads both.
_MODES = {"always": ALWAYS, "cross-subnet": CROSS_SUBNET, "crosssubnet": CROSS_SUBNET, "never": NEVER, "off": NEVER}


class Encapsulation:
    """What carries the traffic between pods of different nodes in force.

    `kind` is the tunnel of the pool: "ipip", "vxlan", or "none"; `mode` between which nodes it is used: "Always",
    "CrossSubnet", "Never". `backend` brings the routes to the nodes: "bird" (BGP), "vxlan" or "none".
    """

    __slots__ = ("backend", "kind", "mode")

    def __init__(self, kind: str, mode: str, backend: str) -> None:
        self.kind = kind
        self.mode = mode
        self.backend = backend


def encapsulation(
    kops: Version,
    manifest: Manifest,
    cloud: str | None,
    *,
    ipv6_only: bool = False,
    cross_subnet: bool = False,
    encapsulation_mode: str | None = None,
    ipip_mode: str | None = None,
    vxlan_mode: str | None = None,
) -> Encapsulation:
    """The encapsulation in force, from the keys of `networking.calico` as they are written (None: not written).

    Source: `CALICO_IPV4POOL_IPIP`, `CALICO_IPV4POOL_VXLAN` and `calico_backend` of the templates at release-1.8 to
    release-1.36; CalicoIPv4PoolIPIPMode and CalicoIPv4PoolVXLANMode in template_functions.go, from release-1.19 on;
    pkg/model/components/calico.go at release-1.19, 1.22, 1.23 and 1.35 for defaults.
    """
    minor = kops.minor
    if manifest.datastore != KUBERNETES:
        return Encapsulation(IPIP, CROSS_SUBNET if cross_subnet and cloud == "aws" else ALWAYS, BIRD)
    default = IPIP
    if minor >= 35 and cloud == "azure":
        default, vxlan_mode = VXLAN, vxlan_mode or ALWAYS
    elif minor >= 23 and ipv6_only:
        default = NONE
    kind = (encapsulation_mode if minor >= 19 else None) or default
    if minor <= 21 and minor >= 19 and ipip_mode is None:
        ipip_mode = NEVER if kind == VXLAN else CROSS_SUBNET if cross_subnet else ALWAYS
    if manifest.id == "k8s-1.12" or minor <= 18:  # these have a place for IP-in-IP only
        if cross_subnet and cloud == "aws":
            return Encapsulation(IPIP, CROSS_SUBNET, BIRD)
        return _tunnel(IPIP, ipip_mode if minor >= 15 else None, ALWAYS, BIRD)
    if kind == IPIP:
        return _tunnel(IPIP, ipip_mode, ALWAYS if cloud == "openstack" else CROSS_SUBNET, BIRD)
    if kind == VXLAN:
        if minor <= 21:
            vxlan_mode = CROSS_SUBNET if cross_subnet else ALWAYS
        return _tunnel(VXLAN, vxlan_mode, CROSS_SUBNET, VXLAN)
    return Encapsulation(NONE, NEVER, BIRD if minor <= 22 else kind)


def _tunnel(kind: str, written: str | None, default: str, backend: str) -> Encapsulation:
    mode = _MODES.get(written.lower(), ALWAYS) if written else default
    return Encapsulation(kind if mode != NEVER else NONE, mode, backend)


def uses_mtu(kops: Version, manifest: Manifest) -> bool:
    """Whether the manifest has a place for `networking.calico.mtu`.

    Source: `.Calico.MTU` in T(k8s-1.7)@1.10, T(k8s-1.12)@1.15:21 and all since; in no other template.
    """
    if manifest.id in ("pre-k8s-1.6", "k8s-1.6", "k8s-1.7-v3"):
        return False
    return kops.minor >= (15 if manifest.id == "k8s-1.12" else 10)


def default_mtu(kops: Version, manifest: Manifest, cloud: str | None) -> int | None:
    """The MTU of pods where `mtu` is not written; None where Calico takes it from the interface of the node.

    Source: T(k8s-1.12)@1.12:245, T(k8s-1.12)@1.15:23, T(k8s-1.16)@1.18:27, T(k8s-1.16)@1.19:39. What Calico v2 has for
    a default is that of its image, 1500 less IP-in-IP.
    """
    if manifest.datastore != KUBERNETES:
        return 1480
    if manifest.id == "k8s-1.12" or kops.minor <= 18:
        return 1430 if cloud == "openstack" and kops.minor >= 15 else 1440
    return None


def typha_runs_on(kops: Version, manifest: Manifest) -> tuple[str, ...]:
    """The roles of InstanceGroups on whose nodes the manifest lets Typha run.

    Source: the tolerations of the Deployment calico-typha: T(k8s-1.12)@1.15 to 1.21 tolerates no control plane,
    T(k8s-1.16)@1.17 selects it, all others take every node.
    """
    if manifest.id == "k8s-1.12":
        return ("Node",)
    if kops.minor == 17:
        return ("ControlPlane",)
    return ("Node", "ControlPlane", "APIServer")
