"""From which addresses a token may be used."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable

from strongroom.errors import BadRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_cidrs(texts: Iterable[str], what: str) -> tuple[str, ...]:
    """Addresses and networks as they are shown: a single address has no mask.

    What is no address but has a slash is taken for the path of a unix socket; no caller comes from one, so a mistyped
    mask shuts everybody out.

    Raises:
        BadRequest: it begins with `what`.
    """
    return tuple(_shown(text.strip(), what) for text in texts if text.strip())


def _shown(text: str, what: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        if "/" in text:
            return text
        raise BadRequest(
            f'{what}: error parsing address "{text}": Unable to convert "{text}" to an IPv4 or IPv6 address, '
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
