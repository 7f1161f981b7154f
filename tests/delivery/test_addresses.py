"""The addresses that outgoing requests may reach: only public ones."""

import pytest

from blog.delivery.addresses import is_public, is_public_host

REFUSED_ADDRESSES = [
    # this machine, and this network
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::",  # noqa: S104
    # private networks, carrier-grade NAT, link-local addresses and the metadata service of clouds
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255",
    "169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1",
    # protocol assignments, documentation, benchmarks, relays, multicast, reserved, broadcast
    "192.0.0.1", "192.0.0.170", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1", "100::1",
    "4000::1", "5f00::1",
    # IPv4 addresses within IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo; also public ones
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a9fe:a9fe", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001:0:808:808::1", "2001:10::1", "2001:20::1",
    # no addresses
    "", "localhost", "127.1", "2130706433", "0x7f000001", "1.1.1.1/24", "8.8.8.8 ",
]  # fmt: skip
PUBLIC_ADDRESSES = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "2606:4700::6810:84e5", "2a00:1450::1"]
REFUSED_HOSTS = [
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "printer.local", "router.lan", "nas.home.arpa", "db.internal",
    "metadata.google.internal", "intranet", "redis", "", ".", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "exa%20mple.org", "a..b",
    "bücher.example",
    "127.1", "127.0.1", "127.0.0.1.", "1.2.3.4.5", "example.0x7f", "134744072", "010.010.010.010", "::1", "::ffff:127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", REFUSED_HOSTS)
def test_names_of_machines_nearby_and_odd_forms_of_addresses_are_refused(host: str) -> None:
    assert not is_public_host(host)


@pytest.mark.parametrize("host", ["example.org", "EXAMPLE.org.", "xn--bcher-kva.example", "3com.com", "8.8.8.8", "2606:4700::1"])
def test_public_names_may_be_looked_up(host: str) -> None:
    assert is_public_host(host)
