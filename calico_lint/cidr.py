"""CIDRs as kOps reads them, with Go's net.ParseCIDR.

IPv4 is read here, because importing `ipaddress` costs as much as half the rules; IPv6, which few specs have, by it.
"""

from __future__ import annotations

from functools import lru_cache

IPV4_BITS, IPV6_BITS = 32, 128


class Cidr:
    """An address with a prefix length. What is compared is the network; `has_host_bits` if the address is another."""

    __slots__ = ("address", "bits", "network", "prefix")

    def __init__(self, address: int, prefix: int, bits: int) -> None:
        self.address = address
        self.prefix = prefix
        self.bits = bits
        self.network = address >> (bits - prefix) << (bits - prefix)

    @property
    def has_host_bits(self) -> bool:
        """Whether the address has bits set beyond the prefix."""
        return self.address != self.network

    def contains(self, other: Cidr) -> bool:
        """Whether the other network lies within this one. IPv4 and IPv6 never contain each other."""
        if self.bits != other.bits or self.prefix > other.prefix:
            return False
        shift = self.bits - self.prefix
        return self.network >> shift == other.network >> shift

    def overlaps(self, other: Cidr) -> bool:
        """Whether the two networks share an address."""
        return self.contains(other) or other.contains(self)

    def upper_half(self) -> Cidr | None:
        """The half of the network whose first bit is 1; None where there is nothing to halve."""
        if self.prefix == self.bits:
            return None
        return Cidr(self.network | 1 << (self.bits - self.prefix - 1), self.prefix + 1, self.bits)

    def first(self, prefix: int) -> Cidr | None:
        """The first network of this prefix length within it; None where it is too small."""
        return Cidr(self.network, prefix, self.bits) if self.prefix <= prefix <= self.bits else None

    def __str__(self) -> str:
        if self.bits == IPV4_BITS:
            return f"{'.'.join(str(self.network >> shift & 255) for shift in (24, 16, 8, 0))}/{self.prefix}"
        from ipaddress import IPv6Address

        return f"{IPv6Address(self.network)}/{self.prefix}"


@lru_cache(maxsize=4096)
def parse_cidr(text: str, *, leading_zeros: bool = False) -> Cidr | None:
    """The CIDR, or None if Go cannot read it. Up to Go 1.16 an IPv4 number may have leading zeros."""
    address_text, _, prefix_text = text.partition("/")
    if not (prefix_text.isascii() and prefix_text.isdigit() and len(prefix_text) < 8):
        return None
    prefix = int(prefix_text)
    if ":" in address_text:
        address, bits = _ipv6(address_text), IPV6_BITS
    else:
        address, bits = _ipv4(address_text, leading_zeros), IPV4_BITS
    return Cidr(address, prefix, bits) if address is not None and prefix <= bits else None


def is_address(text: str) -> bool:
    """Whether the text is an address without a prefix length."""
    return (_ipv6(text) if ":" in text else _ipv4(text, leading_zeros=False)) is not None


def _ipv4(text: str, leading_zeros: bool) -> int | None:
    parts = text.split(".")
    if len(parts) != 4:
        return None
    address = 0
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) < 8) or int(part) > 255:
            return None
        if part[0] == "0" and part != "0" and not leading_zeros:
            return None
        address = address << 8 | int(part)
    return address


def _ipv6(text: str) -> int | None:
    from ipaddress import AddressValueError, IPv6Address

    if "%" in text:
        return None
    try:
        return int(IPv6Address(text))
    except AddressValueError:
        return None
