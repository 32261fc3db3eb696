"""Where a login in a browser may lead back to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def redirect_allowed(uri: str, allowed: Collection[str]) -> bool:
    """Whether an address is one of those, to the letter. Of this very machine the port does not matter (RFC 8252)."""
    if uri in allowed:
        return True
    try:
        parts = urlsplit(uri)
        if parts.hostname not in LOOPBACK or parts.fragment or not uri.isprintable():
            return False
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        # Browsers may read otherwise what has more in this place than a host and a port.
        if parts.netloc.lower() not in (host, f"{host}:{parts.port}"):
            return False
        same = [urlsplit(one) for one in allowed]
        return any(
            (one.scheme, one.hostname, one.path, one.query) == (parts.scheme, parts.hostname, parts.path, parts.query)
            for one in same
        )
    except ValueError:
        return False
