"""The server's address, taken apart."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, urlsplit

from strongroom.client.errors import AddressError

#: What may stand unescaped in a path, as Go's URL printer has it.
_SAFE = "/$&+,:;=@-._~!'()*"


class Address(NamedTuple):
    """`host` and `port` are where to connect; `socket` replaces them for a unix socket; `base` begins each path."""

    tls: bool
    host: str
    port: int
    base: str
    shown: str
    socket: str = ""

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Take `http://`, `https://` and `unix://` addresses; raises `AddressError` on others."""

    def refused(why: str) -> AddressError:
        return AddressError(f'failed to create client: parse "{text}": {why}')

    if any(ch <= " " or ch == "\x7f" for ch in text):
        raise refused("invalid character in URL")
    if text.startswith("unix://"):
        if not text[7:].startswith("/"):
            raise refused("a unix socket needs an absolute path: unix:///run/strongroom.sock")
        return Address(False, "localhost", 80, "", "http://localhost", socket=text[7:])
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise refused(str(error)) from None
    if parts.scheme not in ("http", "https"):
        if "//" not in text and ":" in text:
            bare = refused("first path segment in URL cannot contain colon")
            bare.hint = f"An address begins with http:// or https://, as in http://{text}"
            raise bare
        raise refused("unsupported protocol scheme; the address begins with http:// or https://")
    if not parts.hostname:
        raise refused("no host in request URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise refused("an address has no user, query or fragment")
    tls = parts.scheme == "https"
    base = parts.path.rstrip("/")
    shown = f"{parts.scheme}://{parts.netloc}{base}"
    return Address(tls, parts.hostname, port or (443 if tls else 80), base, shown)


def escape_path(path: str) -> str:
    """Percent-encode a path below `/v1/`."""
    return quote(path, safe=_SAFE)


def escape_query(params: dict[str, str]) -> str:
    """A query string with sorted names, or ""."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(params.items()))
