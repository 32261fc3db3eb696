"""Who is at the other end of a connection."""

from __future__ import annotations

import ssl
from typing import Any


def name_of(address: Any) -> str:
    """A socket's address as `127.0.0.1:5000` or `[::1]:5000`; "" for none."""
    if not isinstance(address, tuple):
        return ""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def certificates_of(tls: ssl.SSLObject | None) -> tuple[bytes, ...]:
    """What the client showed in the handshake, which has checked it; DER, its own first. () for nothing."""
    if tls is None or not tls.getpeercert(binary_form=True):
        return ()
    own = getattr(tls, "get_unverified_chain", None)
    if own is not None:
        return tuple(own())
    # Until Python 3.13 only the object below has it.
    chain = tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain or ())
