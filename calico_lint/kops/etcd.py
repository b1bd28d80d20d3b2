"""etcd per kOps release: default provider, default version, and what etcd-manager supports.

ETCD@1.N = `pkg/model/components/etcd.go@release-1.N`, EM@1.N = `pkg/model/components/etcdmanager/options.go`
of kubernetes/kops.
"""

from __future__ import annotations

from calico_lint.kops.releases import Version

MANAGER, LEGACY = "Manager", "Legacy"
# The etcd 3 that every kOps with Calico v3 on etcd runs, 1.11 to 1.19, with either provider; later also their default.
ETCD_3 = "3.2.24"


def default_provider(kops: Version, kubernetes: Version, *, has_manager_block: bool) -> str:
    """The provider where `provider` is not written. Source: ETCD@1.11:49-57 to ETCD@1.19; always Manager from 1.20."""
    if kops.minor >= 20:
        return MANAGER
    if kops.minor >= 11 and kubernetes.minor >= 12:
        return MANAGER
    return MANAGER if has_manager_block else LEGACY


# kOps minors first, last -> ((below Kubernetes minor, Legacy, Manager), ...); the values of the branch tips.
_NONE = 10_000
_DEFAULTS: tuple[tuple[int, int, tuple[tuple[int, str, str], ...], str], ...] = (
    (8, 10, ((_NONE, "2.2.1", "2.2.1"),), "ETCD@1.8:42, ETCD@1.10:35-46"),
    (11, 12, ((11, "2.2.1", "2.2.1"), (13, "2.2.1", "3.2.24"), (_NONE, "3.2.24", "3.2.24")), "ETCD@1.11:59-75"),
    (13, 16, ((11, "2.2.1", "2.2.1"), (13, "2.2.1", "3.2.24"), (14, "3.2.24", "3.2.24"), (_NONE, "3.3.10", "3.3.10")),
     "ETCD@1.13:62-84"),
    (17, 18, ((11, "2.2.1", "2.2.1"), (13, "2.2.1", "3.2.24"), (14, "3.2.24", "3.2.24"), (17, "3.3.10", "3.3.10"),
              (_NONE, "3.4.3", "3.4.3")), "ETCD@1.17:64-90"),
    (19, 19, ((13, "2.2.1", "3.2.24"), (14, "3.2.24", "3.2.24"), (17, "3.3.10", "3.3.10"), (19, "3.4.3", "3.4.3"),
              (_NONE, "3.4.13", "3.4.13")), "ETCD@1.19:67-95"),
    (20, 20, ((14, "3.2.24", "3.2.24"), (17, "3.3.10", "3.3.10"), (19, "3.4.3", "3.4.3"),
              (_NONE, "3.4.13", "3.4.13")), "ETCD@1.20:57-68"),
    (21, 21, ((17, "3.3.10", "3.3.10"), (19, "3.4.3", "3.4.3"), (_NONE, "3.4.13", "3.4.13")), "ETCD@1.21:55-64"),
    (22, 23, ((19, "3.4.3", "3.4.3"), (22, "3.4.13", "3.4.13"), (_NONE, "3.5.3", "3.5.3")), "ETCD@1.22:53-62"),
    (24, 24, ((22, "3.4.13", "3.4.13"), (_NONE, "3.5.6", "3.5.6")), "ETCD@1.24:45-48"),
    (25, 26, ((22, "3.4.13", "3.4.13"), (_NONE, "3.5.7", "3.5.7")), "ETCD@1.25:45-48"),
    (27, 27, ((_NONE, "3.5.9", "3.5.9"),), "ETCD@1.27:44"),
    (28, 29, ((_NONE, "3.5.13", "3.5.13"),), "ETCD@1.28:44"),
    (30, 33, ((_NONE, "3.5.21", "3.5.21"),), "ETCD@1.30:44"),
    (34, 34, ((34, "3.5.30", "3.5.30"), (_NONE, "3.6.11", "3.6.11")), "ETCD@1.34:45-48"),
    (35, 36, ((34, "3.5.31", "3.5.31"), (_NONE, "3.6.12", "3.6.12")), "ETCD@1.35:45-48"),
)  # fmt: skip


def default_version(kops: Version, kubernetes: Version, provider: str) -> tuple[str, str]:
    """The etcd version where `version` is not written, and the source of that default."""
    for first, last, rows, source in _DEFAULTS:
        if first <= kops.minor <= last:
            minor = kubernetes.minor if kubernetes.major == 1 else _NONE - 1
            legacy, manager = next((row[1], row[2]) for row in rows if minor < row[0])
            return (legacy if provider == LEGACY else manager), source
    raise ValueError(f"no etcd default is known for kOps {kops}")


def _patches(prefix: str, *patches: int) -> tuple[str, ...]:
    return tuple(f"{prefix}.{patch}" for patch in patches)


_1_12 = ("2.2.1", "3.1.12", "3.2.18", "3.2.24", "3.3.10", "3.3.13")
_1_16 = (*_1_12, "3.3.17")
_1_17 = (*_1_16, "3.4.3")
_1_18 = (*_1_17, "3.4.13")
_1_20 = _1_18[1:]
_1_22 = (*_1_20, *_patches("3.5", 0, 1, 3))
_1_24 = (*_1_22, *_patches("3.5", 4, 6))
_1_25 = (*_1_24, "3.5.7")
_1_27 = ("3.2.24", "3.3.10", "3.3.17", "3.4.3", "3.4.13", *_patches("3.5", 0, 1, 3, 4, 6, 7, 9))
_1_28 = ("3.4.3", "3.4.13", *_patches("3.5", 0, 1, 3, 4, 6, 7, 9, 13))
_1_30 = (*_1_28, *_patches("3.5", 17, 21))
_1_34 = (*_1_30, *_patches("3.5", 23, 24, 25, 30), *_patches("3.6", 5, 6, 11))
_1_35 = (*_1_34, "3.5.31", "3.6.12")
_1_36 = (*_patches("3.5", *range(32)), *_patches("3.6", *range(13)))

# EM@1.12:82 to EM@1.36:93-117. kOps minor from which the list holds -> etcd versions.
_SUPPORTED: dict[int, tuple[str, ...]] = {
    12: _1_12, 16: _1_16, 17: _1_17, 18: _1_18, 20: _1_20, 22: _1_22, 24: _1_24, 25: _1_25, 27: _1_27,
    28: _1_28, 30: _1_30, 34: _1_34, 35: _1_35, 36: _1_36,
}  # fmt: skip


def manager_supports(kops: Version) -> tuple[str, ...] | None:
    """The etcd versions that etcd-manager of this kOps runs; None before 1.12, which has no list."""
    known = [minor for minor in _SUPPORTED if minor <= kops.minor]
    return _SUPPORTED[max(known)] if known else None
