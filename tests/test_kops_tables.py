"""What each kOps release deploys: spot checks against the templates, and that the tables have no holes."""

from __future__ import annotations

import pytest

from calico_lint.kops.calico import manifest
from calico_lint.kops.etcd import default_provider, default_version, manager_supports
from calico_lint.kops.releases import (
    NEWEST_PATCH,
    OLDEST_SUPPORTED_KUBERNETES,
    Version,
    newest_of_minor,
    parse_semver,
    takes_kubernetes,
)


def version(text: str) -> Version:
    parsed = parse_semver(text)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("kops", "kubernetes", "v3", "expected"),
    [
        ("1.8.0", "1.7.16", False, ("k8s-1.7", "2.6.2", "etcd-v2", False, True)),
        ("1.8.1", "1.7.16", False, ("k8s-1.7", "2.6.6", "etcd-v2", False, True)),
        ("1.9.2", "1.9.11", False, ("k8s-1.7", "2.6.7", "etcd-v2", True, True)),
        ("1.11.0", "1.10.13", True, ("k8s-1.7-v3", "3.3.1", "etcd-v3", True, True)),
        ("1.11.0-beta.1", "1.10.13", True, ("k8s-1.7-v3", "3.3.1", "etcd-v3", True, False)),
        ("1.11.1", "1.12.1", False, ("k8s-1.7", "2.6.9", "etcd-v2", True, True)),
        ("1.12.2", "1.11.10", True, ("k8s-1.7-v3", "3.4.0", "etcd-v3", True, True)),
        ("1.12.3", "1.11.10", True, ("k8s-1.7-v3", "3.7.4", "etcd-v3", True, True)),
        ("1.12.3", "1.11.10", False, ("k8s-1.7", "2.6.12", "etcd-v2", True, True)),
        ("1.12.3", "1.12.10", True, ("k8s-1.12", "3.7.4", "kubernetes", True, True)),
        ("1.14.1", "1.11.10", True, ("k8s-1.7-v3", "3.7.4", "etcd-v3", True, True)),
        ("1.15.0", "1.11.10", True, ("k8s-1.7-v3", "3.8.0", "etcd-v3", True, False)),
        ("1.19.3", "1.11.10", True, ("k8s-1.7-v3", "3.8.0", "etcd-v3", True, False)),
        ("1.19.2", "1.19.7", False, ("k8s-1.16", "3.17.3", "kubernetes", True, True)),
        ("1.24.0", "1.24.0", False, ("k8s-1.22", "3.23.1", "kubernetes", True, True)),
        ("1.28.5", "1.28.0", False, ("k8s-1.25", "3.25.2", "kubernetes", True, True)),
        ("1.28.7", "1.28.0", False, ("k8s-1.25", "3.27.3", "kubernetes", True, True)),
        ("1.36.2", "1.36.0", False, ("k8s-1.25", "3.31.3", "kubernetes", True, True)),
    ],
)
def test_manifests(kops: str, kubernetes: str, v3: bool, expected: tuple[object, ...]) -> None:
    found = manifest(version(kops), version(kubernetes), major_version_v3=v3)
    assert found is not None
    got = (found.id, str(found.calico), found.datastore, found.rolling_update, found.job_completes)
    assert (got[0], *got[1:]) == expected


def test_calico_v3_before_kubernetes_1_7_has_no_manifest() -> None:
    assert manifest(version("1.11.1"), version("1.6.13"), major_version_v3=True) is None


@pytest.mark.parametrize("minor", NEWEST_PATCH)
def test_every_kubernetes_that_a_release_takes_has_one_manifest(minor: int) -> None:
    oldest = OLDEST_SUPPORTED_KUBERNETES.get(minor, 4)
    for kubernetes in range(oldest, minor + 1):
        assert takes_kubernetes(minor, kubernetes)
        for patch in range(NEWEST_PATCH[minor] + 1):
            found = manifest(Version(1, minor, patch), Version(1, kubernetes), major_version_v3=False)
            assert found is not None, (minor, patch, kubernetes)


@pytest.mark.parametrize(
    ("kops", "kubernetes", "provider", "expected"),
    [
        ("1.10.1", "1.10.13", "Legacy", "2.2.1"),
        ("1.12.3", "1.11.10", "Legacy", "2.2.1"),
        ("1.12.3", "1.11.10", "Manager", "3.2.24"),
        ("1.12.3", "1.12.10", "Manager", "3.2.24"),
        ("1.14.1", "1.14.0", "Manager", "3.3.10"),
        ("1.19.3", "1.12.10", "Legacy", "2.2.1"),
        ("1.19.3", "1.19.0", "Manager", "3.4.13"),
        ("1.22.6", "1.22.0", "Manager", "3.5.3"),
        ("1.36.2", "1.33.0", "Manager", "3.5.31"),
        ("1.36.2", "1.36.0", "Manager", "3.6.12"),
    ],
)
def test_etcd_defaults(kops: str, kubernetes: str, provider: str, expected: str) -> None:
    assert default_version(version(kops), version(kubernetes), provider)[0] == expected


@pytest.mark.parametrize(
    ("kops", "kubernetes", "block", "expected"),
    [
        ("1.10.1", "1.10.13", False, "Legacy"),
        ("1.10.1", "1.10.13", True, "Manager"),
        ("1.11.1", "1.12.0", False, "Manager"),
        ("1.12.3", "1.11.10", False, "Legacy"),
        ("1.19.3", "1.11.10", False, "Legacy"),
        ("1.20.3", "1.13.0", False, "Manager"),
    ],
)
def test_etcd_providers(kops: str, kubernetes: str, block: bool, expected: str) -> None:
    assert default_provider(version(kops), version(kubernetes), has_manager_block=block) == expected


def test_the_default_is_one_that_etcd_manager_supports() -> None:
    for minor in NEWEST_PATCH:
        release = newest_of_minor(minor)
        supported = manager_supports(release)
        if supported is None:
            assert minor < 12
            continue
        for kubernetes in range(max(12, OLDEST_SUPPORTED_KUBERNETES.get(minor, 12)), minor + 1):
            assert default_version(release, Version(1, kubernetes), "Manager")[0] in supported
