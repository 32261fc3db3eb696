from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import BadRequest
from strongroom.server.forwarded import Proxies, split_peer

NETWORKS = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
PROXY, STRANGER = "10.1.2.3", "192.0.2.1"


def proxies(skips: int = 0, *, present: bool = True, authorized: bool = True) -> Proxies:
    return Proxies(NETWORKS, skips, present, authorized)


@pytest.mark.parametrize(
    ("skips", "chains", "client"),
    [
        (0, ["198.51.100.7"], "198.51.100.7"),
        (0, ["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
        (1, ["198.51.100.7, 203.0.113.9"], "198.51.100.7"),
        (1, ["198.51.100.7", "203.0.113.9"], "198.51.100.7"),
        (0, [" 2001:db8::1 "], "2001:db8::1"),
        (0, ["::ffff:198.51.100.7"], "198.51.100.7"),
    ],
)
def test_a_trusted_proxy_names_the_client(skips: int, chains: list[str], client: str) -> None:
    assert proxies(skips).client(PROXY, chains) == client
    assert proxies(skips).client("::ffff:" + PROXY, chains) == client
    assert proxies(skips).client("fd00::5", chains) == client


@pytest.mark.parametrize("peer", [STRANGER, "", "not an address"])
def test_a_stranger_is_refused_or_not_believed(peer: str) -> None:
    with pytest.raises(BadRequest, match="not authorized"):
        proxies().client(peer, ["198.51.100.7"])
    assert proxies(authorized=False).client(peer, ["198.51.100.7"]) == peer


def test_without_the_header_a_request_is_refused_or_the_peer_s_own() -> None:
    with pytest.raises(BadRequest, match="missing x-forwarded-for"):
        proxies().client(PROXY, [])
    assert proxies(present=False).client(PROXY, []) == PROXY


@pytest.mark.parametrize(("skips", "chain"), [(1, "198.51.100.7"), (0, "unknown"), (0, ""), (0, "198.51.100.7:80")])
def test_a_chain_that_does_not_name_an_address_is_refused(skips: int, chain: str) -> None:
    with pytest.raises(BadRequest, match="malformed"):
        proxies(skips).client(PROXY, [chain])


@given(st.lists(st.text(), max_size=3), st.text(), st.integers(0, 3))
def test_whatever_comes_gives_an_address_or_a_refusal(chains: list[str], peer: str, skips: int) -> None:
    try:
        client = proxies(skips, present=False, authorized=False).client(peer, chains)
    except BadRequest:
        return
    assert client == peer or ipaddress.ip_address(client)


@pytest.mark.parametrize(
    ("peer", "parts"), [("1.2.3.4:5", ("1.2.3.4", 5)), ("[fe80::1]:5", ("fe80::1", 5)), ("", ("", 0))]
)
def test_peers(peer: str, parts: tuple[str, int]) -> None:
    assert split_peer(peer) == parts
