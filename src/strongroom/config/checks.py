"""What must hold between settings; each row alone is checked when it is read."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from strongroom.config.schema import DEFAULT_PORT, Listener, Place, ServerConfig
from strongroom.errors import ConfigError

Places = Mapping[str, Place]


def check(config: ServerConfig, places: Places, *, complete: bool) -> None:
    """Raise `ConfigError` for what cannot work together."""
    if complete and "storage" not in places:
        raise ConfigError("no storage is configured", fix='Add a block such as storage "sqlite" { path = "..." }')
    if complete and not config.listeners:
        raise ConfigError("no listener is configured", fix='Add a block such as listener "tcp" { address = "..." }')
    if config.default_lease_ttl > config.max_lease_ttl:
        place = places.get("default_lease_ttl", Place())
        raise place.error("default_lease_ttl is longer than max_lease_ttl", "Raise max_lease_ttl or lower the other")
    for name in ("api_addr", "cluster_addr"):
        _url(name, getattr(config, name), places.get(name, config.storage.place))
    enabled = [seal for seal in config.seals if not seal.disabled]
    if len(enabled) > 1 or len(config.seals) > 2:
        raise config.seals[-1].place.error("only one seal can be in use", "Mark the one to migrate from as disabled")


def _url(name: str, value: str, place: Place) -> None:
    if not value:
        return
    try:
        url = urlsplit(value)
        good = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise place.error(f"{name} is no URL with a host", 'Write it such as "https://vault.example.com:8200"')


def check_listener(listener: Listener, places: Places) -> Listener:
    """The listener with its addresses completed; raises `ConfigError`."""
    checked = _Checked(listener, places)
    if listener.type == "unix":
        if "address" not in places:
            raise checked.error("address", "is not set", "Set the path of the socket")
        return listener
    checked.tls()
    checked.proxies()
    return dataclasses.replace(
        listener,
        address=checked.address("address", DEFAULT_PORT),
        cluster_address=checked.address("cluster_address", DEFAULT_PORT + 1),
    )


class _Checked:
    """A listener under examination."""

    def __init__(self, listener: Listener, places: Places) -> None:
        self._listener, self._places = listener, places

    def error(self, name: str, message: str, fix: str) -> ConfigError:
        place = self._places.get(name, self._listener.place)
        return place.error(f"listener.{self._listener.type}.{name}: {message}", fix)

    def address(self, name: str, port: int) -> str:
        text: str = getattr(self._listener, name)
        full = host_port(text, port) if text else ""
        if text and not full:
            fix = 'Write it such as "127.0.0.1:8200" or "[::]:8200"'
            raise self.error(name, f'"{text[:64]}" is no address', fix)
        return full

    def tls(self) -> None:
        listener = self._listener
        if listener.tls_min_version > listener.tls_max_version:
            raise self.error("tls_min_version", "is above tls_max_version", "Raise tls_max_version or lower this one")
        if listener.tls_disable:
            return
        for name in ("tls_cert_file", "tls_key_file"):
            if not getattr(listener, name):
                raise self.error(name, "is not set", "Set tls_cert_file and tls_key_file, or tls_disable = true")
        if listener.tls_require_and_verify_client_cert:
            if listener.tls_disable_client_certs:
                raise self.error(
                    "tls_disable_client_certs", "certificates are also required", "Set only one of the two"
                )
            if not listener.tls_client_ca_file:
                raise self.error("tls_client_ca_file", "is not set", "It says whose client certificates are good")

    def proxies(self) -> None:
        for name in ("x_forwarded_for_authorized_addrs", "proxy_protocol_authorized_addrs"):
            for network in getattr(self._listener, name):
                try:
                    ipaddress.ip_network(network, strict=False)
                except ValueError:
                    message = f'"{network[:64]}" is no address or network'
                    raise self.error(name, message, 'Write it such as "10.0.0.0/8"') from None
        if self._listener.x_forwarded_for_hop_skips < 0:
            raise self.error("x_forwarded_for_hop_skips", "is negative", "Write 0 or more")


def host_port(text: str, default: int) -> str:
    """`host:port`, completed with the default port; empty for what is neither."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        host, port = (f"[{host}]" if bracket and _ipv6(host) else ""), rest.removeprefix(":") or str(default)
        if rest and not rest.startswith(":"):
            return ""
    elif _ipv6(text):
        host, port = f"[{text}]", str(default)
    else:
        host, colon, port = text.partition(":")
        port = port if colon else str(default)
        if not host and colon:
            host = "0.0.0.0"  # noqa: S104 (what ":8200" means in Go)
    good = host and not set(host) & set("/ {}\"'@") and port.isascii() and port.isdigit() and len(port) <= 5
    return f"{host}:{port}" if good and int(port) <= 65_535 else ""


def _ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.partition("%")[0]).version == 6
    except ValueError:
        return False
