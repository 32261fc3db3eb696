"""Addresses and networks: from where something may be used."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable

from strongroom.errors import BadRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_cidrs(texts: Iterable[str], what: str = "") -> tuple[str, ...]:
    """Addresses and networks as they are shown: a single address has no mask.

    What is no address but has a slash is taken for the path of a unix socket; no caller comes from one, so a mistyped
    mask shuts everybody out.

    Raises:
        BadRequest: it begins with `what`, if that is given.
    """
    return tuple(_shown(text.strip(), what) for text in texts if text.strip())


def _shown(text: str, what: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        if "/" in text:
            return text
        prefix = f"{what}: " if what else ""
        raise BadRequest(
            f'{prefix}error parsing address "{text}": Unable to convert "{text}" to an IPv4 or IPv6 address, '
            "or a UNIX Socket"
        ) from None
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else text


@functools.lru_cache(maxsize=1024)
def _networks(cidrs: tuple[str, ...]) -> tuple[Network, ...]:
    found: list[Network] = []
    for text in cidrs:
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            continue
    return tuple(found)


def within(cidrs: tuple[str, ...], address: str) -> bool:
    """Whether an address lies in one of the networks; without networks every address does."""
    if not cidrs:
        return True
    try:
        caller = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is not None:
        caller = caller.ipv4_mapped
    return any(caller in network for network in _networks(cidrs))


def parse_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Networks, each with its mask, kept as they are written.

    Raises:
        BadRequest: one is none.
    """
    kept = tuple(text.strip() for text in texts if text.strip())
    for text in kept:
        try:
            ipaddress.ip_network(text if "/" in text else "", strict=False)
        except ValueError:
            raise BadRequest(f"failed to validate CIDR blocks: invalid CIDR address: {text}") from None
    return kept


def subset(inner: Iterable[str], outer: tuple[str, ...]) -> bool:
    """Whether each inner network lies in one of the outer ones; without outer ones every network does."""
    if not outer:
        return True
    around = _networks(outer)
    return all(any(_inside(network, other) for other in around) for network in _networks(tuple(inner)))


def _inside(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network) and isinstance(other, ipaddress.IPv4Network):
        return network.subnet_of(other)
    if isinstance(network, ipaddress.IPv6Network) and isinstance(other, ipaddress.IPv6Network):
        return network.subnet_of(other)
    return False
