"""Networks: what is taken, how it is shown, and that a mistyped one lets nobody in."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.cidrs import parse_cidrs, parse_networks, subset, within
from strongroom.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("127.0.0.1/32", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.1.2.3/8"),
        ("::1/128", "::1"),
        (" 10.0.0.0/8 ", "10.0.0.0/8"),
        ("127.0.0.1/99", "127.0.0.1/99"),
        ("/run/x.sock", "/run/x.sock"),
    ],
)
def test_how_networks_are_shown(text: str, shown: str) -> None:
    assert parse_cidrs([text, ""], "w") == (shown,)


@given(st.text(), st.text())
def test_any_text_is_taken_or_refused_and_nothing_crashes(text: str, address: str) -> None:
    try:
        cidrs = parse_cidrs([text], "w")
    except BadRequest:
        return
    assert parse_cidrs(cidrs, "w") == cidrs
    within(cidrs, address)


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_takes_exactly_its_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: int) -> None:
    network = ipaddress.ip_network((address, min(prefix, address.max_prefixlen)), strict=False)
    cidrs = parse_cidrs([str(network)], "w")
    # An IPv4 address inside IPv6 is judged as IPv4.
    if network.version == 4 or getattr(address, "ipv4_mapped", None) is None:
        assert within(cidrs, str(address))
    outside = (int(network.broadcast_address) + 1) % 2**address.max_prefixlen
    if network.num_addresses < 2**address.max_prefixlen:
        other = type(address)(outside)
        if getattr(other, "ipv4_mapped", None) is None:
            assert not within(cidrs, str(other))


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.1.2.3/8", "::1/128", "fd00:0::/8"])
def test_networks_are_kept_as_they_are_written(text: str) -> None:
    assert parse_networks([f" {text} ", ""]) == (text,)


@pytest.mark.parametrize("text", ["junk", "300.1.1.1/8", "10.0.0.1", "10.0.0.0/33", "/run/x.sock", "/"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="invalid CIDR address"):
        parse_networks([text])


@pytest.mark.parametrize(
    ("inner", "outer", "inside"),
    [
        (["10.1.0.0/16"], ("10.0.0.0/8",), True),
        (["10.1.0.1"], ("10.0.0.0/8",), True),
        (["10.0.0.0/8"], ("10.1.0.0/16",), False),
        (["10.1.0.0/16", "11.0.0.0/8"], ("10.0.0.0/8",), False),
        (["fd00::1"], ("10.0.0.0/8", "fd00::/8"), True),
        (["fd00::1"], ("0.0.0.0/0",), False),
        (["10.0.0.1"], (), True),
        ([], ("10.0.0.0/8",), True),
    ],
)
def test_subsets(inner: list[str], outer: tuple[str, ...], inside: bool) -> None:
    assert subset(inner, outer) is inside


@given(st.lists(st.text()))
def test_no_network_crashes(texts: list[str]) -> None:
    try:
        kept = parse_networks(texts)
    except BadRequest:
        return
    assert subset(kept, kept)
