"""Who supports what: the Kubernetes versions that each Calico was tested with, and those that kOps recommends.

Sources: the page of requirements of each Calico release (projectcalico/calico at release-v3.N or the first tag of the
minor, up to 3.24; tigera/docs, `_system-requirements.mdx`, from 3.25 on); kOps: `OldestRecommendedKubernetesVersion`
in upup/pkg/fi/cloudup/apply_cluster.go@release-1.18 to @release-1.36.
"""

from __future__ import annotations

# Calico 3.x -> the Kubernetes minors, first and last, that it was tested with. The ranges of the newest may still grow.
_TESTED: dict[int, tuple[int, int]] = {
    1: (8, 10), 2: (8, 10), 3: (10, 12), 4: (10, 12), 5: (10, 12), 6: (11, 13), 7: (12, 14), 8: (13, 15), 9: (13, 15),
    10: (14, 16), 11: (14, 16), 12: (14, 17), 13: (15, 17), 14: (16, 18), 15: (16, 18), 16: (16, 19), 17: (17, 19),
    18: (18, 20), 19: (19, 21), 20: (19, 21), 21: (20, 22), 22: (21, 23), 23: (21, 23), 24: (22, 25), 25: (23, 28),
    26: (24, 28), 27: (27, 29), 28: (27, 30), 29: (29, 32), 30: (31, 35), 31: (32, 35), 32: (34, 36),
}  # fmt: skip

# kOps minor -> the oldest Kubernetes minor that it recommends: below that `kops update cluster` asks for an upgrade.
OLDEST_RECOMMENDED_KUBERNETES: dict[int, int] = {
    18: 11, 19: 13, 20: 15, 21: 18, 22: 19, 23: 20, 24: 21, 25: 22, 26: 23, 27: 24, 28: 25, 29: 26, 30: 27, 31: 28,
    32: 29, 33: 29, 34: 31, 35: 31, 36: 33,
}  # fmt: skip


def tested_kubernetes(major: int, minor: int) -> tuple[int, int] | None:
    """The Kubernetes minors, first and last, that Calico major.minor was tested with; None where that is not known."""
    return _TESTED.get(minor) if major == 3 else None
