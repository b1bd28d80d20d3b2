from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_lint.cidr import is_address, parse_cidr


@pytest.mark.parametrize(
    ("text", "network", "has_host_bits"),
    [
        ("10.30.0.0/16", "10.30.0.0/16", False),
        ("10.30.1.0/16", "10.30.0.0/16", True),
        ("0.0.0.0/0", "0.0.0.0/0", False),
        ("1.1.1.1/0", "0.0.0.0/0", True),
        ("10.0.0.1/32", "10.0.0.1/32", False),
        ("10.0.0.0/08", "10.0.0.0/8", False),
        ("::/0", "::/0", False),
        ("FD00::/48", "fd00::/48", False),
        ("fd00::1/48", "fd00::/48", True),
        ("::1.2.3.4/96", "::/96", True),
    ],
)
def test_what_go_reads(text: str, network: str, has_host_bits: bool) -> None:
    cidr = parse_cidr(text)
    assert cidr is not None
    assert (str(cidr), cidr.has_host_bits) == (network, has_host_bits)


@pytest.mark.parametrize(
    "text",
    ["", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "10.0.0.0.0/8", "256.0.0.0/8", "x/8",
     "10.0.0.0/8/8", " 10.0.0.0/8", "10.0.0.0/8 ", "10.0.0.0/٨", "1٠.0.0.0/8", "::/129", "::1", "fe80::%eth0/64",
     "1:2/16", "010.0.0.0/8", "10..0.0/8", "/64#1", "10.0.0.0/99999999999"],
)  # fmt: skip
def test_what_go_does_not_read(text: str) -> None:
    assert parse_cidr(text) is None


def test_leading_zeros_were_read_once() -> None:
    cidr = parse_cidr("010.000.0.0/8", leading_zeros=True)
    assert str(cidr) == "10.0.0.0/8"


def test_an_address_is_no_cidr() -> None:
    assert [is_address(text) for text in ("10.0.0.1", "fd00::1", "10.0.0.1/32", "host", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_parts() -> None:
    whole = parse_cidr("100.64.0.0/10")
    assert whole is not None
    assert str(whole.upper_half()) == "100.96.0.0/11"
    assert str(whole.first(13)) == "100.64.0.0/13"
    assert whole.first(9) is None
    assert whole.first(33) is None
    single = parse_cidr("10.0.0.1/32")
    assert single is not None
    assert single.upper_half() is None


CIDR = st.builds(
    lambda address, prefix: f"{address}/{prefix}",
    st.ip_addresses(v=4),
    st.integers(0, 32),
) | st.builds(lambda address, prefix: f"{address}/{prefix}", st.ip_addresses(v=6), st.integers(0, 128))


@given(CIDR, CIDR)
def test_relations_are_those_of_ipaddress(left: str, right: str) -> None:
    mine = parse_cidr(left), parse_cidr(right)
    theirs = ipaddress.ip_network(left, strict=False), ipaddress.ip_network(right, strict=False)
    assert mine[0] is not None
    assert mine[1] is not None
    assert [str(each) for each in mine] == [str(each) for each in theirs]
    same = theirs[0].version == theirs[1].version
    assert mine[0].overlaps(mine[1]) == (same and theirs[0].overlaps(theirs[1]))
    assert mine[0].contains(mine[1]) == (same and theirs[1].subnet_of(theirs[0]))  # type: ignore[arg-type]


@given(st.text(max_size=20) | st.from_regex(r"[0-9a-f:./]{0,24}", fullmatch=True))
def test_no_text_makes_it_raise(text: str) -> None:
    parse_cidr(text)
    is_address(text)
