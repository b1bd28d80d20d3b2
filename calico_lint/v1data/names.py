"""How v1 names become v3 names (libcalico-go lib/upgrade/converters/names.go@9047dcb0), and which names v3 takes."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_NAME = 253

_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_name = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_label = re.compile(_LABEL)
_foreign = re.compile(r"[^-.a-z0-9]+")
_separators = re.compile(r"[.-]+")
_qualified = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_container_id = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_port_name = re.compile(r"[-a-z0-9]{1,15}")


@lru_cache(maxsize=65536)
def node_name(name: str) -> str:
    """The v3 name of a node: normalised, never qualified, so that two nodes can get the same."""
    if _name.fullmatch(name):
        return name
    # Go maps each character for itself; Python has longer mappings for a few.
    name = name.lower() if name.isascii() else "".join(character.lower()[:1] for character in name)
    name = _foreign.sub("-", name.replace("/", "."))
    return _separators.sub(lambda run: "." if "." in run[0] else run[0], name).strip(".-")


@lru_cache(maxsize=65536)
def resource_name(name: str) -> str:
    """The v3 name of most resources: normalised, and qualified by the v1 name's SHA-1 if that changed it."""
    return _qualify(name, node_name(name))


@lru_cache(maxsize=65536)
def policy_name(name: str) -> str:
    """The v3 name of a policy: as `resource_name`, but without dots."""
    return _qualify(name, node_name(name).replace(".", "-"))


def profile_name(name: str) -> str:
    """The v3 name of a profile: as `resource_name`, and the prefix of a namespace's profile becomes `kns.`."""
    return resource_name("kns." + name.removeprefix("k8s_ns.") if name.startswith("k8s_ns.") else name)


def ip_name(address: str) -> str:
    """The name that an address gives a BGP peer: `10-0-0-1`, and IPv6 with all its digits."""
    from calico_lint.v1data.addresses import parse_ip

    parsed = parse_ip(address)
    if parsed is None:
        return ""
    number, bits = parsed
    if bits == 32:
        return address.replace(".", "-")
    digits = f"{number:032x}"
    return "-".join(digits[at : at + 4] for at in range(0, 32, 4))


def cidr_name(cidr: str) -> str:
    """The name that a network gives an IP pool: `10-0-0-0-8`, `2006---64`."""
    return cidr.replace(".", "-", 3).replace(":", "-", 7).replace("/", "-", 1)


def _qualify(v1_name: str, v3_name: str) -> str:
    if v1_name == v3_name:
        return v1_name
    from hashlib import sha1

    return f"{v3_name}-{sha1(v1_name.encode('utf-8', 'replace'), usedforsecurity=False).hexdigest()[:8]}"


@lru_cache(maxsize=65536)
def is_name(name: str) -> bool:
    """Whether v3 takes it as the name of a resource (a DNS subdomain; the length is another matter)."""
    return _name.fullmatch(name) is not None


def is_policy_name(name: str) -> bool:
    """Whether v3 takes it as the name of a global network policy: a name without dots."""
    return _label.fullmatch(name) is not None


@lru_cache(maxsize=65536)
def label_key_fault(key: str) -> str | None:
    """What Kubernetes has against the key of a label or annotation; None if nothing."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or "/" in prefix):
        return "has an empty prefix" if not prefix else "has more than one /"
    if slash and (len(prefix) > MAX_NAME or not _name.fullmatch(prefix)):
        return "has a prefix that is no DNS name of at most 253 characters"
    if not name:
        return "is empty after its prefix" if slash else "is empty"
    if len(name.encode("utf-8", "replace")) > 63:
        return f"is longer than 63 characters{' after its prefix' if slash else ''}"
    if not _qualified.fullmatch(name):
        return "has characters other than letters, digits, -, _ and ., or does not begin and end with a letter or digit"
    return None


@lru_cache(maxsize=65536)
def label_value_fault(value: str) -> str | None:
    """What Kubernetes has against the value of a label; None if nothing."""
    if not value:
        return None
    if len(value.encode("utf-8", "replace")) > 63:
        return "is longer than 63 characters"
    if not _qualified.fullmatch(value):
        return "has characters other than letters, digits, -, _ and ., or does not begin and end with a letter or digit"
    return None


def is_container_id(name: str) -> bool:
    """Whether v3 takes it as a container ID."""
    return _container_id.fullmatch(name) is not None


def is_port_name(name: str) -> bool:
    """Whether Kubernetes takes it as the name of a port."""
    return (
        _port_name.fullmatch(name) is not None
        and "--" not in name
        and not name.startswith("-")
        and not name.endswith("-")
        and any("a" <= character <= "z" for character in name)
    )
