"""Addresses that the blog may connect to: public ones only, so that a user cannot reach the network around the server."""

import ipaddress
import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

# The standard library knows most of the reserved networks; these it does not, or not in all supported versions.
_RESERVED_V4: Final = tuple(
    map(ipaddress.IPv4Network, ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"))
)
# Only 2000::/3 is assigned: mapped, compatible and NAT64 addresses (::ffff:0:0/96, ::/96, 64:ff9b::/96), private, link-local and
# multicast ones lie outside. Within it, Teredo, 6to4 and documentation addresses lead to others or nowhere.
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_RESERVED_V6: Final = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))

_LOCAL_NAME: Final = re.compile(r"(?:.*\.)?(?:localhost|local|localdomain|internal|intranet|lan|home|corp|private|home\.arpa)")
_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")
_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public Internet. False for anything else than an address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.is_multicast or not ip.is_global:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _RESERVED_V4)
    return isinstance(ip, IPv6Address) and ip in _GLOBAL_V6 and not any(ip in network for network in _RESERVED_V6)


def is_public_host(host: str) -> bool:
    """Return whether a host of a URL, in ASCII, may be looked up: a public address, or a name that can be public.

    `2130706433`, `0x7f.1` and `0177.0.0.1` are forms of 127.0.0.1 that resolvers accept; no public name ends in a number.
    """
    name = host.rstrip(".").lower()
    if ":" in name:
        return is_public(name)
    last = name.rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        return is_public(name)
    return _NAME.fullmatch(name) is not None and not _LOCAL_NAME.fullmatch(name)
