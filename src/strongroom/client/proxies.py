"""Which proxy, if any, stands before an address."""

from __future__ import annotations

from strongroom.client.address import Address, parse_address
from strongroom.client.errors import AddressError
from strongroom.client.settings import Settings


def proxy_for(settings: Settings, address: Address) -> Address | None:
    """VAULT_PROXY_ADDR always counts; HTTP_PROXY and HTTPS_PROXY but for NO_PROXY and this machine."""
    text = settings.proxy
    if not text:
        text = settings.https_proxy if address.tls else settings.http_proxy
        if not text or address.socket or _exempt(address, settings.no_proxy):
            return None
    if "://" not in text:
        text = f"http://{text}"
    proxy = parse_address(text)
    if proxy.tls or proxy.socket:
        raise AddressError(f'the proxy "{text}" cannot be used: only http:// proxies are supported')
    return proxy


def _exempt(address: Address, no_proxy: str) -> bool:
    host = address.host.lower()
    if host in ("localhost", "::1") or host.startswith("127."):
        return True
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        if entry == "*":
            return True
        name, _, port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
        if port and port != str(address.port):
            continue
        if "/" in name:
            if _in_network(host, name):
                return True
        elif name and (host == name.lstrip(".") or host.endswith("." + name.lstrip("."))):
            return True
    return False


def _in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
