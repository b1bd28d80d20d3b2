"""What image names and machine types tell, and what they do not; and who supports what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_lint.kops import support
from calico_lint.kops.images import describe, supported
from calico_lint.kops.machines import architecture, takes_jumbo_frames
from calico_lint.kops.releases import NEWEST_PATCH, OLDEST_SUPPORTED_KUBERNETES

# name, as people read it, newest kernel, iptables, architecture
IMAGES = [
    ("099720109477/ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64-server-20210415", "Ubuntu 20.04", (5, 8), "legacy",
     "amd64"),
    ("099720109477/ubuntu/images/hvm-ssd/ubuntu-focal-20.04-arm64-server-20240126", "Ubuntu 20.04", None, "legacy",
     "arm64"),
    ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20250115", "Ubuntu 24.04", None, "nft", "amd64"),
    ("ubuntu-os-cloud/ubuntu-2004-focal-v20210415", "Ubuntu 20.04", (5, 8), "legacy", None),
    ("ubuntu-22.04", "Ubuntu 22.04", None, "nft", None),
    ("Canonical:UbuntuServer:18.04-LTS:latest", "Ubuntu 18.04", (5, 4), "legacy", None),
    ("Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:latest", "Ubuntu 22.04", None, "nft", None),
    ("acme/ubuntu-18.04-hwe", "Ubuntu 18.04", None, "legacy", None),
    ("kope.io/k8s-1.11-debian-stretch-amd64-hvm-ebs-2018-08-17", "Debian 9", (4, 19), "legacy", "amd64"),
    ("136693071363/debian-10-amd64-20200511-260", "Debian 10", (4, 19), "nft", "amd64"),
    ("136693071363/debian-10-backports-amd64-20210721-710", "Debian 10", None, "nft", "amd64"),
    ("Debian:debian-12:12-gen2:latest", "Debian 12", (6, 1), "nft", None),
    ("309956199498/RHEL-8.6.0_HVM-20220503-x86_64-2-Hourly2-GP2", "RHEL 8.6", (4, 18), "nft", "amd64"),
    ("125523088429/CentOS 7.8.2003 x86_64", "CentOS 7", (3, 10), "legacy", "amd64"),
    ("792107900819/Rocky-10-EC2-Base-10.0-20250609.1.x86_64", "Rocky Linux 10", None, "nft", "amd64"),
    ("rocky-linux-cloud/rocky-linux-9-optimized-gcp-v20240717", "Rocky Linux 9", (5, 14), "nft", None),
    ("137112412989/amzn2-ami-hvm-2.0.20210326.0-x86_64-gp2", "Amazon Linux 2", (4, 14), "legacy", "amd64"),
    ("137112412989/amzn2-ami-kernel-5.10-hvm-2.0.20240306.2-x86_64-gp2", "Amazon Linux 2", (5, 10), "legacy", "amd64"),
    ("137112412989/al2023-ami-2023.4.20240416.0-kernel-6.1-x86_64", "Amazon Linux 2023", None, "nft", "amd64"),
    ("595879546273/CoreOS-stable-2303.3.0-hvm", "CoreOS 2303", (4, 19), "legacy", None),
    ("075585003325/Flatcar-stable-2605.12.0-hvm", "Flatcar 2605", (5, 4), None, None),
    ("075585003325/Flatcar-stable-3815.2.0-hvm", "Flatcar 3815", None, None, None),
    ("cos-cloud/cos-stable-57-9202-64-0", "Container-Optimized OS 57", (4, 4), None, None),
    ("125523088429/Fedora-Cloud-Base-AmazonEC2.x86_64-41-1.4", None, None, None, None),
    ("801119661308/Windows_Server-2019-English-Full-ECS_Optimized", "Windows", None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "title", "kernel", "iptables", "architecture"), IMAGES)
def test_an_image_name_tells_distribution_kernel_iptables_and_architecture(
    name: str, title: str | None, kernel: tuple[int, int] | None, iptables: str | None, architecture: str | None
) -> None:
    image = describe(name)
    if title is None:
        assert image is None
        return
    assert image is not None
    assert (str(image), image.kernel, image.iptables, image.architecture) == (title, kernel, iptables, architecture)


@pytest.mark.parametrize("name", ["ami-0c94855ba95c71c99", "my-image", "", "prod/node:v20.04", "discos-57", "rocky"])
def test_a_name_that_tells_nothing_is_no_image(name: str) -> None:
    assert describe(name) is None


@given(st.text(max_size=40) | st.sampled_from([row[0] for row in IMAGES]).flatmap(lambda name: st.just(name[::-1])))
def test_any_text_is_read(name: str) -> None:
    image = describe(name)
    if image is not None:
        first, gone = supported(image) or (0, None)
        assert str(image)
        assert gone is None or first < gone


def test_of_what_kops_knows() -> None:
    def span(name: str) -> tuple[int, int | None] | None:
        image = describe(name)
        assert image is not None
        return supported(image)

    assert span("ubuntu-focal-20.04") == (16, 36)
    assert span("ubuntu-jammy-22.04") == (23, None)
    assert span("Flatcar-stable-3815.2.0-hvm") == (14, None)
    assert span("CoreOS-stable-2303.3.0-hvm") == (5, 18)
    assert span("cos-stable-57-9202-64-0") is None
    assert span("windows_server-2019") is None


@pytest.mark.parametrize(
    ("cloud", "machine", "expected"),
    [
        *(("aws", name, "arm64") for name in ("a1.large", "m6g.large", "t4g.micro", "c6gn.xlarge", "g5g.xlarge",
                                              "is4gen.large", "x2gd.medium", "hpc7g.4xlarge", "r8gb.large")),
        *(("aws", name, "amd64") for name in ("m5.large", "g4dn.xlarge", "p4d.24xlarge", "t2.micro", "c5a.large")),
        *(("aws", name, None) for name in ("mac2.metal", "u-6tb1.metal", "large", "")),
        ("gce", "t2a-standard-1", "arm64"), ("gce", "c4a-standard-4", "arm64"), ("gce", "e2-medium", "amd64"),
        ("azure", "Standard_D2ps_v5", "arm64"), ("azure", "Standard_D4pls_v5", "arm64"),
        ("azure", "Standard_B2s", "amd64"), ("azure", "Standard_D8s_v3", "amd64"),
        ("hetzner", "cax21", "arm64"), ("hetzner", "cx22", "amd64"),
        ("scaleway", "COPARM1-2C-8G", "arm64"), ("openstack", "m6g.large", None), (None, "m6g.large", None),
    ],
)  # fmt: skip
def test_a_machine_type_tells_the_architecture(cloud: str | None, machine: str, expected: str | None) -> None:
    assert architecture(machine, cloud) == expected


def test_only_old_types_of_aws_take_no_jumbo_frames() -> None:
    answers = {name: takes_jumbo_frames(name, "aws") for name in ("t1.micro", "m1.large", "m3.medium", "m5.large", "x")}
    assert answers == {"t1.micro": False, "m1.large": False, "m3.medium": True, "m5.large": True, "x": None}
    assert takes_jumbo_frames("m1.large", "gce") is None


def test_every_calico_of_kops_has_a_tested_range() -> None:
    from calico_lint.kops.calico import manifest
    from calico_lint.kops.releases import Version, newest_of_minor

    for minor in NEWEST_PATCH:
        for kubernetes in range(12, minor + 1):
            row = manifest(newest_of_minor(minor), Version(1, kubernetes), major_version_v3=False)
            if row is not None and row.calico.major == 3:
                tested = support.tested_kubernetes(row.calico.major, row.calico.minor)
                assert tested is not None
                assert tested[0] < tested[1]
    assert support.tested_kubernetes(2, 6) is None
    assert support.tested_kubernetes(3, 99) is None


def test_what_kops_recommends_is_never_older_than_what_it_supports() -> None:
    for minor, oldest in support.OLDEST_RECOMMENDED_KUBERNETES.items():
        assert OLDEST_SUPPORTED_KUBERNETES[minor] < oldest <= minor
