"""What a machine type tells: its architecture, and whether its network takes jumbo frames.

Sources: the AWS documentation of instance type names (the letter `g` behind the generation: Graviton) and of the
network MTU of EC2 instances (all current types take 9001 bytes, of the previous generations A1, C3, I2, M3 and R3);
Google Cloud's Arm machine series; Azure's naming (`p` among the features: Arm); Hetzner Cloud (CAX) and Scaleway
(COPARM).
"""

from __future__ import annotations

import re

_AWS = r"(?P<family>[a-z]+(?:-[a-z0-9]+)?)(?P<generation>[0-9]+)(?P<features>[a-z-]*)\.[a-z0-9-]+\Z"
_AWS_NO_JUMBO = ("t1", "m1", "m2", "c1", "cc1", "cc2", "cg1", "cr1", "hi1", "hs1")
_GCE_ARM = ("t2a-", "c4a-", "n4a-", "a4x-")


def architecture(machine_type: str, cloud: str | None) -> str | None:
    """`arm64` or `amd64`, or None where the name does not tell or the cloud is another."""
    name = machine_type.lower()
    if cloud == "aws":
        match = re.match(_AWS, name)
        if match is None:
            return None
        if match["family"] == "mac" or name.startswith("u-"):
            return None
        return "arm64" if match["features"].startswith("g") or match["family"] == "a" else "amd64"
    if cloud == "gce":
        if name.startswith("custom") or "-" not in name:
            return None
        return "arm64" if name.startswith(_GCE_ARM) else "amd64"
    if cloud == "azure":
        match = re.match(r"standard_[a-z]+[0-9]+(?:-[0-9]+)?(?P<features>[a-z]*)(?:_[a-z0-9]+)*\Z", name)
        return None if match is None else "arm64" if "p" in match["features"] else "amd64"
    if cloud == "hetzner":
        return "arm64" if name.startswith("cax") else "amd64" if name.startswith(("cx", "cpx", "ccx")) else None
    if cloud == "scaleway":
        return "arm64" if name.startswith(("coparm", "amp")) else None
    return None


def takes_jumbo_frames(machine_type: str, cloud: str | None) -> bool | None:
    """Whether the network interfaces of an AWS instance type take 9001 bytes; None elsewhere, and for unknown names."""
    match = re.match(_AWS, machine_type.lower()) if cloud == "aws" else None
    if match is None:
        return None
    return f"{match['family']}{match['generation']}" not in _AWS_NO_JUMBO
