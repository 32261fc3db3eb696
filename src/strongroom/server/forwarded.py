"""X-Forwarded-For: whose word about a client's address is taken."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.errors import BadRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """A listener's `x_forwarded_for_*` settings."""

    networks: tuple[Network, ...]
    hop_skips: int = 0
    reject_not_present: bool = True
    reject_not_authorized: bool = True

    def client(self, peer: str, chains: Sequence[str]) -> str:
        """The client's address, given the connection's other end and the header's values in order.

        Raises `BadRequest` where the settings say so, and for a chain that is too short or names no address.
        """
        if not chains:
            if self.reject_not_present:
                raise BadRequest("missing x-forwarded-for header and configured to reject when not present")
            return peer
        if not self._trusts(peer):
            if self.reject_not_authorized:
                raise BadRequest(
                    "client address not authorized for x-forwarded-for and configured to reject connection"
                )
            return peer
        hops = [hop.strip() for chain in chains for hop in chain.split(",")]
        index = len(hops) - 1 - self.hop_skips
        if index < 0:
            raise BadRequest(
                f"malformed x-forwarded-for configuration or request, hops to skip ({self.hop_skips}) "
                f"would skip before earliest chain link (chain length {len(hops)})"
            )
        try:
            return str(plain(ipaddress.ip_address(hops[index])))
        except ValueError:
            raise BadRequest("malformed x-forwarded-for header: not an IP address") from None

    def _trusts(self, peer: str) -> bool:
        try:
            address = plain(ipaddress.ip_address(peer))
        except ValueError:
            return False  # a unix socket has no address
        return any(address in network for network in self.networks)


def plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address that came over an IPv6 socket as what it is."""
    return getattr(address, "ipv4_mapped", None) or address


@functools.lru_cache(maxsize=1024)  # kept connections ask again and again
def split_peer(peer: str) -> tuple[str, int]:
    """`127.0.0.1:5000` or `[::1]:5000` → address and port; "" and 0 where there is none."""
    host, _, port = peer.rpartition(":")
    if host[:1] == "[":
        host = host[1:-1].removeprefix("::ffff:") if "." in host else host[1:-1]
    return host, int(port) if port.isdigit() else 0
