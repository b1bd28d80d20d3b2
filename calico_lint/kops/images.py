"""What an image name tells: distribution, its version, the newest kernel it can run, its iptables, its architecture.

Names are those of the clouds' image catalogues, as `docs/operations/images.md` of kOps lists them. Many names tell
nothing (`ami-0c94...`): then nothing is known, and rules are silent. A kernel is an upper bound: images of one series
get newer kernels over the years, so a rule may say "too old" and never "new enough" from it.

Sources: docs/operations/images.md@release-1.19 and @release-1.36 (kernels, supported releases); Debian, Ubuntu, Red
Hat, Amazon Linux, CoreOS, Flatcar and Container-Optimized OS release notes (kernel of each series, default iptables).
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Kernel: TypeAlias = tuple[int, int]

RED_HAT = ("rhel", "centos", "rocky", "alma", "fedora")


class Image:
    """What is known of an image.

    `distribution` is ubuntu, debian, rhel, centos, rocky, alma, fedora, amazonlinux, flatcar, coreos, cos or windows;
    `version` its release (22.04 is (22, 4)), () where the name has none. `kernel` is the newest that it can run, None
    where that is open or recent. `iptables` is the default of the `iptables` command, "legacy" or "nft", None where it
    changed within the series. `architecture` is "amd64", "arm64" or None.
    """

    __slots__ = ("architecture", "distribution", "iptables", "kernel", "version")

    def __init__(
        self,
        distribution: str,
        version: tuple[int, ...],
        kernel: Kernel | None,
        iptables: str | None,
        architecture: str | None,
    ) -> None:
        self.distribution = distribution
        self.version = version
        self.kernel = kernel
        self.iptables = iptables
        self.architecture = architecture

    @property
    def red_hat(self) -> bool:
        """Whether it is of the Red Hat family, whose kernels carry features of much newer ones."""
        return self.distribution in RED_HAT

    @property
    def needs_nftables(self) -> bool:
        """Whether kOps 1.35 and later runs kube-proxy with nftables on it.

        Source: ForceNftables, util/pkg/distributions/distributions.go@release-1.36:157-182.
        """
        return self.distribution == "fedora" or (self.red_hat and self.version[0] >= 10)

    def older_than(self, *kernel: int) -> bool:
        """Whether every kernel that the image can run is older than this."""
        return self.kernel is not None and self.kernel < kernel

    def __str__(self) -> str:
        if not self.version:
            return _TITLES[self.distribution]
        numbers = [str(number) for number in self.version]
        if self.distribution == "ubuntu" and len(numbers) == 2:
            numbers[1] = numbers[1].zfill(2)
        return f"{_TITLES[self.distribution]} {'.'.join(numbers)}"


_TITLES = {
    "ubuntu": "Ubuntu", "debian": "Debian", "rhel": "RHEL", "centos": "CentOS", "rocky": "Rocky Linux",
    "alma": "AlmaLinux", "fedora": "Fedora", "amazonlinux": "Amazon Linux", "flatcar": "Flatcar", "coreos": "CoreOS",
    "cos": "Container-Optimized OS", "windows": "Windows",
}  # fmt: skip

_UBUNTU_NAMES = {
    "trusty": (14, 4), "xenial": (16, 4), "bionic": (18, 4), "focal": (20, 4), "jammy": (22, 4), "noble": (24, 4),
    "resolute": (26, 4),
}  # fmt: skip
_DEBIAN_NAMES = {"jessie": 8, "stretch": 9, "buster": 10, "bullseye": 11, "bookworm": 12, "trixie": 13}
_UBUNTU_KERNELS: dict[tuple[int, ...], Kernel] = {(14, 4): (4, 4), (16, 4): (4, 15), (18, 4): (5, 4)}
_DEBIAN_KERNELS: dict[int, Kernel] = {8: (4, 9), 9: (4, 19), 10: (4, 19), 11: (5, 10), 12: (6, 1)}
_RED_HAT_KERNELS: dict[int, Kernel] = {7: (3, 10), 8: (4, 18), 9: (5, 14)}
# The cloud images of Ubuntu 20.04 moved from kernel 5.8 to 5.11 in the second half of 2021.
_FOCAL_UNTIL = 20210601
_UBUNTU_NFT, _DEBIAN_NFT, _RED_HAT_NFT = (20, 10), 10, 8


def _ubuntu(version: tuple[int, ...], words: set[str]) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    kernel = _UBUNTU_KERNELS.get(version)
    dates = [int(date) for word in words if len(date := word.removeprefix("v")) == 8 and date.isdecimal()]
    if version == (20, 4) and dates and min(dates) < _FOCAL_UNTIL:
        kernel = (5, 8)
    return version, None if "hwe" in words else kernel, "nft" if version >= _UBUNTU_NFT else "legacy"


def _numbered_ubuntu(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    return _ubuntu((int(match["year"]), int(match["month"])), _words(name))


def _debian(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    number = _DEBIAN_NAMES[match["debian"]] if match["debian"] else int(match["debian_number"])
    kernel = None if "backports" in name else _DEBIAN_KERNELS.get(number)
    return (number,), kernel, "nft" if number >= _DEBIAN_NFT else "legacy"


def _red_hat(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    version = tuple(int(part) for part in match["release"].split("."))
    # Rebuilds and Stream carry dates and builds behind the major number: only RHEL's minor is one.
    kernel = _RED_HAT_KERNELS.get(version[0])
    return version, kernel, "nft" if version[0] >= _RED_HAT_NFT else "legacy"


def _fedora(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    return (int(match["fedora"]),), None, "nft" if int(match["fedora"]) >= 32 else None


def _amazon(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    if match["al"] == "al2023":
        return (2023,), None, "nft"
    kernel = re.search(r"kernel-([0-9]+)\.([0-9]+)", name)
    return (2,), (int(kernel[1]), int(kernel[2])) if kernel else (4, 14), "legacy"


def _flatcar(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    release = re.search(r"([0-9]{4})\.[0-9]+\.[0-9]+", name)
    if release is None:
        return (), None, None
    return (int(release[1]),), (5, 4) if int(release[1]) < 2700 else None, None


def _coreos(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    release = re.search(r"([0-9]{4})\.[0-9]+\.[0-9]+", name)
    return (int(release[1]),) if release else (), (4, 19), "legacy"


def _cos(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    milestone = int(match["milestone"])
    kernels = ((65, (4, 4)), (73, (4, 14)), (77, (4, 19)), (89, (5, 4)))
    return (milestone,), next((kernel for last, kernel in kernels if milestone <= last), None), None


def _nothing(match: re.Match[str], name: str) -> tuple[tuple[int, ...], Kernel | None, str | None]:
    return (), None, None


# A word that the lower-case name must hold, distribution, pattern, what reads the match; tried in this order. A pattern
# must not match inside another word. The word spares the compiling of patterns that cannot match.
_PATTERNS: tuple[
    tuple[str, str, str, Callable[[re.Match[str], str], tuple[tuple[int, ...], Kernel | None, str | None]]], ...
] = (
    ("windows", "windows", r"\bwindows[-_ ]?(?:server|20)", _nothing),
    ("ubuntu", "ubuntu", r"ubuntu[-_ a-z:]*?(?P<year>1[468]|2[0-9])[-_.]?(?P<month>04|10)(?![0-9])", _numbered_ubuntu),
    ("flatcar", "flatcar", r"\bflatcar\b", _flatcar),
    ("coreos", "coreos", r"\bcoreos-(?:stable|beta|alpha)\b", _coreos),
    ("cos-", "cos", r"\bcos-(?:stable-|beta-|dev-|arm64-stable-)?(?P<milestone>[0-9]{2,3})\b", _cos),
    ("-ami", "amazonlinux", r"\b(?P<al>amzn2|al2023)-ami", _amazon),
    ("debian", "debian", r"debian-(?P<debian>jessie|stretch|buster|bullseye|bookworm|trixie)\b"
                         r"|\bdebian[-_ :]?(?P<debian_number>[89]|1[0-9])(?![0-9])", _debian),
    ("rhel", "rhel", r"\brhel[-_ :]?(?P<release>(?:[789]|1[0-9])(?:\.[0-9]{1,2})?)(?![0-9])", _red_hat),
    ("centos", "centos", r"\bcentos[-_ ]?(?:linux[-_ ]?|stream[-_ ]?)?(?P<release>[789]|1[0-9])(?![0-9])", _red_hat),
    ("rocky", "rocky", r"\brocky(?:[-_ ]?linux)?[-_ ](?P<release>(?:[89]|1[0-9])(?:\.[0-9]{1,2})?)(?![0-9])", _red_hat),
    ("alma", "alma", r"\balma(?:[-_ ]?linux)?(?:[-_ ]os)?[-_ ](?P<release>(?:[89]|1[0-9])(?:\.[0-9]{1,2})?)(?![0-9])",
     _red_hat),
    ("fedora", "fedora", r"\bfedora-cloud-base-(?:[a-z]+-)*(?P<fedora>[0-9]{2})\b", _fedora),
)  # fmt: skip


_known: dict[str, Image | None] = {}


def describe(name: str) -> Image | None:
    """What the name of an image tells, or None if it tells nothing."""
    if name not in _known:
        _known[name] = _describe(name.lower().replace("_", "-"))
    return _known[name]


def _describe(name: str) -> Image | None:
    if name.startswith("ami-"):
        return None  # an id
    words = _words(name)
    architecture = "arm64" if words & {"arm64", "aarch64"} else "amd64" if words & {"amd64", "x86", "x64"} else None
    series = next((word for word in words if word in _UBUNTU_NAMES), None)
    if series is not None:
        return Image("ubuntu", *_ubuntu(_UBUNTU_NAMES[series], words), architecture)
    for needle, distribution, pattern, read in _PATTERNS:
        match = re.search(pattern, name) if needle in name else None
        if match is not None:
            return Image(distribution, *read(match, name), architecture)
    return None


def _words(name: str) -> set[str]:
    return set(name.translate(_SEPARATORS).split())


_SEPARATORS = str.maketrans("/-:.", "    ")


# Which kOps minors know a distribution: first, and the first that does not any more (None: none yet). nodeup stops on
# one that it does not know. Read from nodeup/pkg/distros/identify.go@release-1.8 to @release-1.17 and from
# util/pkg/distributions/identify.go@release-1.18 to @release-1.36; a minor counts whole where a patch added one.
_KNOWN_TO_KOPS: dict[tuple[str, int], tuple[int, int | None]] = {
    ("amazonlinux", 2): (10, 36), ("amazonlinux", 2023): (27, None),
    ("centos", 7): (5, 23), ("centos", 8): (14, 23), ("centos", 9): (35, None), ("centos", 10): (35, None),
    ("coreos", 0): (5, 18), ("flatcar", 0): (14, None),
    ("debian", 8): (5, 18), ("debian", 9): (8, 23), ("debian", 10): (13, 36), ("debian", 11): (21, None),
    ("debian", 12): (26, None), ("debian", 13): (32, None),
    ("rhel", 7): (5, 23), ("rhel", 8): (14, None), ("rhel", 9): (27, None), ("rhel", 10): (35, None),
    ("rocky", 8): (23, None), ("rocky", 9): (30, None), ("rocky", 10): (35, None),
    ("ubuntu", 16): (5, 23), ("ubuntu", 18): (10, 28), ("ubuntu", 20): (16, 36), ("ubuntu", 22): (23, None),
    ("ubuntu", 24): (29, None), ("ubuntu", 26): (35, None),
}  # fmt: skip


def supported(image: Image) -> tuple[int, int | None] | None:
    """(first kOps minor that knows it, first that does not any more or None); None where the table has no row."""
    major = 0 if image.distribution in ("coreos", "flatcar") else image.version[0] if image.version else -1
    if image.distribution == "ubuntu" and image.version[1:] != (4,):
        return None
    return _KNOWN_TO_KOPS.get((image.distribution, major))
