"""Where others reach this node: as configured, else as the first listener has it."""

from __future__ import annotations

import socket
from typing import Final

from strongroom.config import Listener, ServerConfig

_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - addresses that name no host


def api_address(config: ServerConfig) -> str:
    """The URL at which clients reach the node; "" when it listens on no TCP port."""
    if config.api_addr:
        return config.api_addr
    listener = _first(config)
    if listener is None:
        return ""
    return f"{'http' if listener.tls_disable else 'https'}://{_host(listener.host)}:{listener.port}"


def cluster_address(config: ServerConfig) -> str:
    """The URL at which other nodes reach the node; "" when it listens on no TCP port."""
    if config.cluster_addr:
        return config.cluster_addr
    listener = _first(config)
    if listener is None:
        return ""
    if listener.cluster_address:
        host, _, port = listener.cluster_address.rpartition(":")
        return f"https://{_host(host.strip('[]'))}:{port}"
    return f"https://{_host(listener.host)}:{listener.port + 1}"


def _first(config: ServerConfig) -> Listener | None:
    return next((listener for listener in config.listeners if listener.type == "tcp"), None)


def _host(host: str) -> str:
    host = socket.gethostname() if host in _EVERYWHERE else host
    return f"[{host}]" if ":" in host else host
