"""No form of an address leads a webhook inwards: every range that is special, in every form that embeds it."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference.egress.addresses import SPECIAL_IPV4, SPECIAL_IPV6, embedded, may_be_reached


def six(high: int, low: int = 0) -> str:
    return str(ipaddress.IPv6Address((high << 64) | low))


def _with_u(prefix_bits: int, prefix: int, four: int) -> str:
    """RFC 6052: prefix, address and zeros, with bits 64 to 71 left out."""
    bits = f"{prefix >> (128 - prefix_bits):0{prefix_bits}b}{four:032b}".ljust(120, "0")
    return str(ipaddress.IPv6Address(int(bits[:64] + "0" * 8 + bits[64:], 2)))


LOCAL = 0x0064FF9B0001 << 80
# Written from the RFCs and not with the code that is tested: form -> IPv6 address of an IPv4 one.
FORMS = {
    "mapped ::ffff:a.b.c.d": lambda four: six(0, (0xFFFF << 32) | four),
    "translated ::ffff:0:a.b.c.d": lambda four: six(0, (0xFFFF << 48) | four),
    "compatible ::a.b.c.d": lambda four: six(0, four),
    "6to4 2002:ab:cd::": lambda four: six((0x2002 << 48) | (four << 16)),
    "6to4 with a host": lambda four: six((0x2002 << 48) | (four << 16) | 7, 0x1234),
    "teredo server": lambda four: six((0x20010000 << 32) | four, 0xFFFFFFFF ^ 0x08080808),
    "teredo client": lambda four: six((0x20010000 << 32) | 0x08080808, 0xFFFFFFFF ^ four),
    "nat64": lambda four: six(0x0064FF9B << 32, four),
    "local nat64, /96": lambda four: str(ipaddress.IPv6Address(LOCAL | four)),
    "local nat64, /48": lambda four: _with_u(48, LOCAL, four),
    "local nat64, /64": lambda four: _with_u(64, LOCAL, four),
    "isatap": lambda four: six(0x2606280002200001, (0x00005EFE << 32) | four),
    "isatap, global bit": lambda four: six(0x2606280002200001, (0x02005EFE << 32) | four),
    "isatap, link-local": lambda four: six(0xFE80 << 48, (0x00005EFE << 32) | four),
}
specials = st.sampled_from(SPECIAL_IPV4).flatmap(
    lambda network: st.integers(int(network.network_address), int(network.broadcast_address))
)
any_four = st.integers(0, 2**32 - 1)


def is_special(four: int) -> bool:
    ip = ipaddress.IPv4Address(four)
    return not ip.is_global or any(ip in network for network in SPECIAL_IPV4)


@given(specials)
@example(int(ipaddress.IPv4Address("127.0.0.1")))
@example(int(ipaddress.IPv4Address("169.254.169.254")))
def test_a_special_address_is_refused_plain_and_in_every_form(four):
    assert not may_be_reached(str(ipaddress.IPv4Address(four)), ())
    reached = [name for name, form in FORMS.items() if may_be_reached(form(four), ())]
    assert reached == []


@given(any_four)
def test_every_form_is_unwrapped(four):
    missed = [name for name, form in FORMS.items() if ipaddress.IPv4Address(four) not in _embedded(form(four))]
    assert missed == []


def _embedded(text: str) -> list[ipaddress.IPv4Address]:
    return embedded(ipaddress.IPv6Address(text))


@given(any_four)
def test_a_public_address_is_reached_plain_and_through_what_translates_it(four):
    public = not is_special(four)
    for text in (str(ipaddress.IPv4Address(four)), FORMS["mapped ::ffff:a.b.c.d"](four), FORMS["nat64"](four)):
        assert may_be_reached(text, ()) == public


@given(st.sampled_from(SPECIAL_IPV6).flatmap(
    lambda n: st.integers(int(n.network_address), int(n.network_address) + n.num_addresses - 1)
))  # fmt: skip
def test_a_special_ipv6_address_is_refused(number):
    ip = ipaddress.IPv6Address(number)
    if ip.ipv4_mapped is None and ip not in ipaddress.ip_network("64:ff9b::/96"):
        assert not may_be_reached(str(ip), ())


@given(st.integers(0, 2**125 - 1))
def test_only_addresses_that_are_given_out_to_the_public_are_reached(number):
    outside = ipaddress.IPv6Address((0b010 << 125) | number)  # 4000::/3
    assert not may_be_reached(str(outside), ())


@pytest.mark.parametrize("text", ["2606:2800:220:1::1%eth0", "fe80::1%1", "2606:2800:220:1::1%lo"])
def test_an_address_of_one_link_is_refused(text):
    assert not may_be_reached(text, ())


def test_what_the_operator_allows_counts_in_every_form_that_is_only_clothes():
    allowed = [ipaddress.ip_network("10.1.0.0/16")]
    four = int(ipaddress.IPv4Address("10.1.2.3"))
    assert may_be_reached(FORMS["mapped ::ffff:a.b.c.d"](four), allowed)
    assert not may_be_reached(FORMS["6to4 2002:ab:cd::"](four), allowed)
    assert may_be_reached("64:ff9b:1::1", [ipaddress.ip_network("64:ff9b:1::/48")])
