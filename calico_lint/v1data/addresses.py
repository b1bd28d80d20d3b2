"""Addresses as Go's `net` read and wrote them in 2018, when calico-upgrade was built.

Two things differ from Python's `ipaddress`: an IPv4 number may have leading zeros (Go refuses them since 1.17),
and an IPv4-mapped IPv6 address is an IPv4 address. An empty text is an address too: none, which Go prints as
`<nil>`; NIL stands for it everywhere.
"""

from __future__ import annotations

import re

NIL = "<nil>"
_usual_mac = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")


def parse_ip(text: str) -> tuple[int, int] | None:
    """(number, bits) of an address; bits is 32 or 128. None for what is no address."""
    if ":" not in text:
        number = _ipv4(text)
        return None if number is None else (number, 32)
    number = _ipv6(text)
    if number is None:
        return None
    return (number & 0xFFFFFFFF, 32) if number >> 32 == 0xFFFF else (number, 128)


def format_ip(number: int, bits: int) -> str:
    """The address as Go prints it."""
    if bits == 32:
        return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    from ipaddress import IPv6Address

    return str(IPv6Address(number))


def ip_text(text: str) -> str | None:
    """The address as Go prints what it read; NIL for "", None for what is no address."""
    if not text:
        return NIL
    parsed = parse_ip(text)
    return None if parsed is None else format_ip(*parsed)


def parse_cidr(text: str) -> tuple[int, int, int, int] | None:
    """(number, bits, prefix, bits of the mask) of `address/prefix`; None for anything else.

    The address is not masked. The mask has 128 bits for a mapped address, whose own bits are 32.
    """
    address, slash, prefix_text = text.partition("/")
    if not (slash and prefix_text.isascii() and prefix_text.isdigit()):
        return None
    parsed = parse_ip(address)
    # Longer numbers are all too big, unless somebody writes very many zeros.
    prefix = int(prefix_text) if len(prefix_text) < 20 else 999
    if parsed is None:
        return None
    mask_bits = 128 if ":" in address else 32
    return (*parsed, prefix, mask_bits) if prefix <= mask_bits else None


def with_mask(number: int, bits: int, prefix: int, mask_bits: int) -> str:
    """`address/prefix` as Go prints an address beside a mask, which can be of the other family."""
    if bits != mask_bits:
        if bits == 128:
            return NIL
        prefix = max(prefix - 96, 0)
    return f"{format_ip(number, bits)}/{prefix}"


def net_text(text: str) -> str | None:
    """A network or address as Calico reads it and Go prints it: `address/prefix`, not masked.

    NIL for "", None for what is neither.
    """
    if text.endswith("/32") and ":" not in text:
        # What nearly all endpoints have, so it has a way of its own.
        number = _ipv4(text[:-3])
        return None if number is None else f"{format_ip(number, 32)}/32"
    if not text:
        return NIL
    cidr = parse_cidr(text)
    if cidr is not None:
        return with_mask(*cidr)
    address = parse_ip(text)
    return None if address is None else f"{format_ip(*address)}/{address[1]}"


def split_net(text: str) -> tuple[int, int, int]:
    """(number, bits, prefix) of what `net_text` gave (not NIL)."""
    address, _, prefix = text.partition("/")
    parsed = parse_ip(address)
    assert parsed is not None
    return (*parsed, int(prefix))


def masked(text: str) -> str:
    """The network of what `net_text` gave (not NIL): host bits cleared."""
    if text.endswith("/32") and ":" not in text:
        return text
    number, bits, prefix = split_net(text)
    return f"{format_ip(number >> (bits - prefix) << (bits - prefix), bits)}/{prefix}"


def version_of(text: str) -> int:
    """4 or 6, for what `net_text` or `ip_text` gave (not NIL)."""
    return 6 if ":" in text else 4


def overlaps(one: str, other: str) -> bool:
    """Whether two networks, as `net_text` gives them, share an address."""
    a, b = split_net(one), split_net(other)
    if a[1] != b[1]:
        return False
    shift = a[1] - min(a[2], b[2])
    return a[0] >> shift == b[0] >> shift


def mac_text(text: str) -> str | None:
    """A hardware address as Go prints it: 6, 8 or 20 bytes, lower-case, with colons. None for anything else."""
    if _usual_mac.fullmatch(text):
        return text.lower()
    if len(text) < 14 or not text.isascii():
        return None
    if text[2] in ":-":
        parts = text.split(text[2])
        width = 2
    elif text[4] == ".":
        parts = text.split(".")
        width = 4
    else:
        return None
    digits = "".join(parts)
    if any(len(part) != width for part in parts) or len(digits) not in (12, 16, 40):
        return None
    if any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        return None
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).lower()


def _ipv4(text: str) -> int | None:
    parts = text.split(".")
    if len(parts) != 4 or not text.isascii():
        return None
    number = 0
    for part in parts:
        if not part.isdigit():
            return None
        if len(part) > 3:
            part = part.lstrip("0")[:4] or "0"
        value = int(part)
        if value > 255:
            return None
        number = number << 8 | value
    return number


def _ipv6(text: str) -> int | None:
    if not text.isascii():
        return None
    head, ellipsis, tail = text.partition("::")
    groups: list[int] = []
    if ellipsis:
        before, after = _groups(head, last=False), _groups(tail, last=True)
        if before is None or after is None or len(before) + len(after) > 7:
            return None
        groups = [*before, *[0] * (8 - len(before) - len(after)), *after]
    else:
        whole = _groups(head, last=True)
        if whole is None or len(whole) != 8:
            return None
        groups = whole
    number = 0
    for group in groups:
        number = number << 16 | group
    return number


def _groups(text: str, *, last: bool) -> list[int] | None:
    if not text:
        return []
    groups: list[int] = []
    parts = text.split(":")
    for index, part in enumerate(parts):
        if "." in part:
            number = _ipv4(part)
            if number is None or not last or index != len(parts) - 1:
                return None
            groups += [number >> 16, number & 0xFFFF]
            continue
        digits = part.lstrip("0") or "0"
        if not part or len(digits) > 4 or any(digit not in "0123456789abcdefABCDEF" for digit in part):
            return None
        groups.append(int(digits, 16))
    return groups
