"""Which addresses of the network the server may be sent to by somebody who typed them: public ones, and no others.

IPv6 knows many ways to write an IPv4 address inside an IPv6 one, and networks that route or translate such forms lead
to that IPv4 address. So every form that embeds one is judged by it, and by its own range as well.
"""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# The special-purpose registries of IANA (RFC 6890 and later), whether or not they call a range globally reachable:
# what serves anycast, benchmarks, documentation or translation is no receiver of webhooks. Written out, since the
# versions of Python differ in what they know.
SPECIAL_IPV4 = _networks(
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
SPECIAL_IPV6 = _networks(
    "::/8", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16",
    "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip
UNICAST = ipaddress.ip_network("2000::/3")  # all that IANA has given out for the public IPv6 network
MAPPED = ipaddress.ip_network("::ffff:0:0/96")
TRANSLATED = ipaddress.ip_network("::ffff:0:0:0/96")  # RFC 2765
COMPATIBLE = ipaddress.ip_network("::/96")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
ISATAP = (0x00005EFE, 0x02005EFE)  # the upper half of the interface identifier (RFC 5214)
# These forms are the IPv4 address in other clothes: nothing else is to be judged.
ONLY_CLOTHES = (MAPPED, NAT64)


def may_be_reached(text: str, allowed: Sequence[Network]) -> bool:
    """Whether an address may be sent to: public, or in one of the `allowed` networks.

    An allowed network counts for an IPv4 address in whatever form it is written. Raises ValueError for no address.
    """
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:  # means something on one link of one machine only
            return False
        inner = embedded(ip)
        if inner and any(ip in network for network in ONLY_CLOTHES):
            return all(may_be_reached(str(one), allowed) for one in inner)
        if any(ip in network for network in allowed):
            return True
        if not all(is_public(one) for one in inner):
            return False
    return any(ip in network for network in allowed) or is_public(ip)


def is_public(ip: Address) -> bool:
    """Whether ipaddress calls it global and no registry calls its range special; what it embeds is not looked at."""
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_link_local or ip.is_unspecified:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in SPECIAL_IPV4)
    return ip in UNICAST and not ip.is_site_local and not any(ip in network for network in SPECIAL_IPV6)


def embedded(ip: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Every IPv4 address that an IPv6 address may stand for; several where forms overlap."""
    number = int(ip)
    low = number & 0xFFFFFFFF
    found: set[int] = set()
    if any(ip in network for network in (MAPPED, TRANSLATED, COMPATIBLE, NAT64)):
        found.add(low)
    if ip.sixtofour is not None:
        found.add(int(ip.sixtofour))
    if ip.teredo is not None:
        found.update(int(one) for one in ip.teredo)  # server and client
    if ip in NAT64_LOCAL:
        found.update({low, *_rfc6052(number)})
    if (number >> 32) & 0xFFFFFFFF in ISATAP:
        found.add(low)
    return [ipaddress.IPv4Address(one) for one in sorted(found)]


def _rfc6052(number: int) -> set[int]:
    """Where translators put the IPv4 address after prefixes of 48, 56 and 64 bits; bits 64 to 71 are left out."""
    bits = f"{number:0128b}"
    without_u = bits[:64] + bits[72:]
    return {int(without_u[start : start + 32], 2) for start in (48, 56, 64)}
